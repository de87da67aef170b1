"""Clips: feet stay where they are set down, people and place stay what they are."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.core.errors import InputError
from vitruvian.world.bodies import rest_body, sample_body
from vitruvian.world.clips import act, render_clip
from vitruvian.world.clothes import sample_clothes
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.motion import sample_motion
from vitruvian.world.sample import SOLE, Setting


@pytest.mark.parametrize("activity", ["walking", "running", "dancing", "jumping"])
def test_a_foot_stays_and_the_body_moves_on(activity):
    rng = np.random.default_rng(4)
    body = sample_body(rng)
    motion = sample_motion(rng, activity, rest_body(body))
    times = np.arange(45) / 30
    actors = act(body, motion, sample_clothes(rng, body), times)
    landmarks = load_landmarks()
    feet = [
        landmarks.names.index(f"{s}_{p}") for s in ("left", "right") for p in ("heel", "big_toe")
    ]
    points = np.array([landmarks.points(actor.posed) + actor.shift for actor in actors])
    steps = np.linalg.norm(np.diff(points[:, feet, :2], axis=0), axis=-1)
    lifts = np.array([motion.lift(seconds) for seconds in times])
    assert steps.min(axis=1)[lifts[1:] == 0].max() < 0.005
    for actor, lift in zip(actors, lifts, strict=True):
        lowest = (actor.posed.vertices + actor.shift)[:, 2].min()
        assert lowest == pytest.approx(SOLE + lift, abs=1e-4)
    hips = points[:, landmarks.names.index("mid_hip")]
    assert np.linalg.norm(np.diff(hips, axis=0), axis=1).max() < 0.3
    speed = -(hips[-1, 1] - hips[0, 1]) / times[-1]
    if activity in ("walking", "running"):
        assert 0.35 < speed < 6
    else:
        assert abs(speed) < 0.8
    assert (lifts.max() > 0) == (activity in ("running", "jumping"))


def test_a_clip_shows_the_same_people_in_one_place():
    setting = Setting(96, 96, people=(2, 2))
    frames = render_clip(3, 0, setting, frames=4, fps=6, moving=False)
    again = render_clip(3, 0, setting, frames=4, fps=6, moving=False)
    assert len(frames) == 4
    first = frames[0].sample
    for frame, same in zip(frames, again, strict=True):
        assert frame.sample.image.tobytes() == same.sample.image.tobytes()
        assert [p.body for p in frame.sample.people] == [p.body for p in first.people]
        assert frame.sample.camera is first.camera
        assert frame.sample.place == first.place
        still = (frame.sample.rendering.person < 0) & (first.rendering.person < 0)
        assert (frame.sample.scene[still] == first.scene[still]).all()
    assert any((frame.sample.image != first.image).any() for frame in frames[1:])
    assert frames[2].seconds == pytest.approx(2 / 6)


def test_a_moving_camera_goes_smoothly():
    setting = Setting(64, 64, activity="standing")
    frames = render_clip(3, 1, setting, frames=8, fps=25, moving=True)
    eyes = np.array([frame.sample.camera.position for frame in frames])
    speeds = np.linalg.norm(np.diff(eyes, axis=0), axis=1) * 25
    assert 0 < speeds.max() < 1.5
    assert np.abs(np.diff(speeds)).max() < 0.2
    for frame in frames:
        turn = frame.sample.camera.rotation
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)


def test_a_clip_without_frames_is_refused():
    with pytest.raises(InputError, match="frames"):
        render_clip(0, 0, frames=0)
