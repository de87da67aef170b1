"""Clips: feet stay where they are set down."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.world.bodies import sample_body
from vitruvian.world.clips import act
from vitruvian.world.clothes import sample_clothes
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.motion import sample_motion
from vitruvian.world.sample import SOLE


@pytest.mark.parametrize("activity", ["walking", "running", "dancing"])
def test_a_foot_stays_and_the_body_moves_on(activity):
    rng = np.random.default_rng(4)
    body = sample_body(rng)
    motion = sample_motion(rng, activity)
    actors = act(body, motion, sample_clothes(rng, body), np.arange(60) / 30)
    landmarks = load_landmarks()
    feet = [
        landmarks.names.index(f"{s}_{p}") for s in ("left", "right") for p in ("heel", "big_toe")
    ]
    points = np.array([landmarks.points(actor.posed) + actor.shift for actor in actors])
    steps = np.linalg.norm(np.diff(points[:, feet, :2], axis=0), axis=-1)
    assert steps.min(axis=1).max() < 0.005
    for actor in actors:
        lowest = (actor.posed.vertices + actor.shift)[:, 2].min()
        assert lowest == pytest.approx(SOLE, abs=1e-4)
    hips = points[:, landmarks.names.index("mid_hip")]
    assert np.linalg.norm(np.diff(hips, axis=0), axis=1).max() < 0.3
    speed = -(hips[-1, 1] - hips[0, 1]) / 2
    if activity != "dancing":
        assert 0.35 < speed < 5
    else:
        assert abs(speed) < 0.4
