"""The One-Euro filter and what it does to tracks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitruvian.core.records import Face, Frame, Person, Pose
from vitruvian.core.skeletons import COCO17, OPENPOSE18
from vitruvian.people.smoothing import OneEuroFilter, OneEuroOptions, TrackSmoother

STEP = 1 / 30


def person(joints: np.ndarray, number: int = 1, face: Face | None = None) -> Person:
    pose = Pose(OPENPOSE18, joints.astype(np.float32))
    return Person(0.9, pose.box() + np.array([-5, -6, 7, 8]), pose, face, number)


def frame(people: list[Person], seconds: float) -> Frame:
    return Frame("clip.mp4", round(seconds / STEP), seconds, 640, 480, tuple(people))


def still(seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.column_stack([random.uniform(100, 300, (18, 2)), np.full(18, 0.8)])


def moved(joints: np.ndarray, pixels: float) -> np.ndarray:
    return joints + np.array([pixels, pixels, 0])


def walk(count: int, noise: float, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """True and noisy joints (frames, 18, 3): a swing of the limbs, with a share of noise."""
    random = np.random.default_rng(1)
    times = np.arange(count)[:, None] * STEP
    truth = np.repeat(still()[None], count, axis=0)
    truth[..., 0] += 40 * np.sin(2 * np.pi * 0.8 * times + np.arange(18))
    noisy = truth.copy()
    noisy[..., :2] += random.normal(0, noise, noisy[..., :2].shape)
    for joints in (truth, noisy):
        joints[..., :2] *= scale
    return truth, noisy


def smoothed(frames: list[Frame], **options) -> list[Frame]:
    smoother = TrackSmoother(**options)
    return [smoother(one) for one in frames]


def test_a_still_person_steadies_and_a_moving_one_is_not_left_behind() -> None:
    random = np.random.default_rng(0)
    frames, jitter = [], []
    for i in range(60):
        joints = still()
        joints[:, :2] += random.normal(0, 1.5, (18, 2))
        frames.append(frame([person(joints)], i * STEP))
    for one, raw in zip(smoothed(frames), frames, strict=True):
        jitter.append([np.abs(f[0].pose.joints[:, :2] - still()[:, :2]).mean() for f in (one, raw)])
    steady, raw_jitter = np.array(jitter[20:]).mean(axis=0)
    assert steady < 0.6 * raw_jitter

    truth, noisy = walk(90, noise=3)
    results = smoothed([frame([person(j)], i * STEP) for i, j in enumerate(noisy)])
    errors = [
        np.abs(f[0].pose.joints[:, :2] - t[:, :2]).mean()
        for f, t in zip(results, truth, strict=True)
    ]
    assert np.mean(errors[10:]) < np.abs(noisy - truth)[10:, :, :2].mean()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 10))
def test_the_result_does_not_depend_on_the_resolution(scale: float) -> None:
    def run(factor: float) -> np.ndarray:
        smoother = OneEuroFilter()
        values = walk(20, noise=2)[1][..., :2]
        return np.array([smoother(v * factor, STEP, scale=200 * factor) for v in values]) / factor

    np.testing.assert_allclose(run(scale), run(1), rtol=1e-6)


def test_what_is_missing_stays_missing_and_starts_anew_after_a_gap() -> None:
    one_euro = OneEuroFilter(OneEuroOptions(max_gap=0.1))
    one_euro(np.array([0.0, 0.0]), STEP)
    assert np.isnan(one_euro(np.array([np.nan, 1.0]), STEP)[0])
    short = one_euro(np.array([10.0, 1.0]), STEP)
    assert 0 < short[0] < 10, "a gap of one frame is bridged"
    for _ in range(4):
        one_euro(np.array([np.nan, 1.0]), STEP)
    assert one_euro(np.array([50.0, 1.0]), STEP)[0] == 50


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_times_that_stand_still_or_go_back_are_no_error(seconds: float) -> None:
    one_euro = OneEuroFilter()
    one_euro(np.zeros(3), seconds)
    assert np.isfinite(one_euro(np.ones(3), seconds)).all()


def test_slow_and_fast_cameras_see_the_same_motion() -> None:
    def at(step: float) -> float:
        one_euro = OneEuroFilter(OneEuroOptions(beta=0))
        values = [one_euro(np.array([t]), step)[0] for t in np.arange(0, 2, step)]
        return values[-1]

    assert at(1 / 120) == pytest.approx(at(1 / 30), abs=0.05)


def test_tracks_are_smoothed_by_themselves_and_scores_stay() -> None:
    a, b = still(1), still(2)
    alone = smoothed([frame([person(moved(a, i))], i * STEP) for i in range(5)])
    both = smoothed(
        [frame([person(moved(b, -i), 2), person(moved(a, i))], i * STEP) for i in range(5)]
    )
    np.testing.assert_array_equal(alone[-1][0].pose.joints, both[-1][1].pose.joints)
    np.testing.assert_array_equal(both[-1][0].pose.joints[:, 2], b.astype(np.float32)[:, 2])


def test_the_box_follows_the_joints() -> None:
    frames = [frame([person(moved(still(), 9 * i))], i * STEP) for i in range(5)]
    last = smoothed(frames)[-1][0]
    np.testing.assert_allclose(last.box - last.pose.box(), [-5, -6, 7, 8], atol=1e-3)


def test_joints_that_were_not_found_stay_zero() -> None:
    joints = still()
    joints[4] = 0
    results = smoothed([frame([person(joints)], i * STEP) for i in range(3)])
    assert (results[-1][0].pose.joints[4] == 0).all()


def test_faces_are_smoothed_and_may_come_and_go() -> None:
    random = np.random.default_rng(0)
    frames = []
    for i in range(40):
        box = np.array([100, 100, 140, 150]) + random.normal(0, 1, 4)
        face = Face(
            box.astype(np.float32), 0.9, (box[:2] + 10 + np.zeros((5, 2))).astype(np.float32)
        )
        frames.append(frame([person(still(), face=face if i % 7 else None)], i * STEP))
    results = smoothed(frames)
    assert results[7][0].face is None
    spread = [
        np.std([f[0].face.box for f in fs[20:] if f[0].face], axis=0).mean()
        for fs in (results, frames)
    ]
    assert spread[0] < 0.7 * spread[1]


def test_a_track_unseen_for_long_is_forgotten() -> None:
    smoother = TrackSmoother(forget_after=0.5)
    smoother(frame([person(still())], 0))
    smoother(frame([], 1.0))
    far = moved(still(), 50)
    result = smoother(frame([person(far)], 1.0 + STEP))
    np.testing.assert_allclose(result[0].pose.joints, far, rtol=1e-6)


def test_people_without_a_track_or_with_another_skeleton_pass() -> None:
    smoother = TrackSmoother()
    for i in range(3):
        one = frame([person(moved(still(), i), number=0)], i * STEP)
        np.testing.assert_array_equal(smoother(one)[0].pose.joints, one[0].pose.joints)
    smoother(frame([person(still())], 1))
    other = person(still())
    other = replace(other, pose=other.pose.to(COCO17))
    result = smoother(frame([other], 1 + STEP))
    np.testing.assert_array_equal(result[0].pose.joints, other.pose.joints)


def test_the_same_frames_give_the_same_result() -> None:
    _, noisy = walk(20, noise=3)
    frames = [frame([person(j)], i * STEP) for i, j in enumerate(noisy)]
    first, second = smoothed(frames), smoothed(frames)
    assert [f.to_dict() for f in first] == [f.to_dict() for f in second]
