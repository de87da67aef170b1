"""People drawn as ideal maps come back from the grouping, joint by joint."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitruvian.core.skeletons import OPENPOSE18
from vitruvian.pose.openpose.grouping import (
    GroupingOptions,
    find_peaks,
    group_people,
    match_limbs,
    score_limbs,
)
from vitruvian.pose.openpose.tables import BODY_18
from vitruvian.pose.openpose.targets import draw_affinities, draw_heatmaps

LIMBS, AFFINITY_CHANNELS = BODY_18.limbs, BODY_18.channels
SIZE = (46, 82)
STRIDE = 8
# What v1's targets are read with: fields drawn at cell corners.
OPTIONS = GroupingOptions(affinity_offset=0.4375)
PLACES = {
    "nose": (0, -0.9), "neck": (0, -0.65),
    "right_shoulder": (-0.2, -0.62), "right_elbow": (-0.3, -0.3), "right_wrist": (-0.33, 0.05),
    "right_hip": (-0.13, 0), "right_knee": (-0.15, 0.45), "right_ankle": (-0.16, 0.9),
    "right_eye": (-0.06, -0.97), "right_ear": (-0.13, -0.93),
}  # fmt: skip
FIGURE = np.array(
    [
        PLACES.get(joint)
        or (-PLACES[joint.replace("left", "right")][0], PLACES[joint.replace("left", "right")][1])
        for joint in OPENPOSE18.joints
    ]
)


def draw(people: np.ndarray, seen: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Ideal maps of people (people, 18, 2), given in cells."""
    seen = np.ones(people.shape[:2], dtype=bool) if seen is None else seen
    pixels = people * STRIDE - 0.5
    drawn = draw_affinities(pixels, seen, LIMBS, SIZE, STRIDE)
    fields = np.zeros((38, *SIZE), dtype=np.float32)
    fields[AFFINITY_CHANNELS], fields[AFFINITY_CHANNELS + 1] = drawn[::2], drawn[1::2]
    return draw_heatmaps(pixels, seen, SIZE, STRIDE), fields


@st.composite
def crowds(draw_from: st.DrawFn, most: int = 6) -> np.ndarray:
    """People side by side who overlap: bodies are about ten cells wide, steps at least five."""
    count = draw_from(st.integers(1, most))
    random = np.random.default_rng(draw_from(st.integers(0, 2**32 - 1)))
    height = draw_from(st.floats(28, 34)) / 1.9
    step = random.uniform(5, 12)
    left = 8 + np.arange(count) * step
    centres = np.stack([left, random.uniform(20.5, 24, count)], axis=1)
    jitter = random.normal(0, 0.15, (count, 18, 2))
    people = FIGURE * height + centres[:, None] + jitter
    return people[random.permutation(count)]


def distances(found: np.ndarray, people: np.ndarray) -> np.ndarray:
    """(found, people, joints) in cells; infinite where a joint was not found."""
    apart = np.linalg.norm(found[:, None, :, :2] - people[None], axis=-1)
    return np.where(found[:, None, :, 2] > 0, apart, np.inf)


@settings(max_examples=60, deadline=None)
@given(crowds())
def test_every_joint_of_a_crowd_comes_back(people: np.ndarray) -> None:
    joints, scores = group_people(*draw(people), OPTIONS)
    assert len(joints) == len(people)
    worst = distances(joints, people).max(axis=-1)
    assert sorted(worst.argmin(axis=1)) == list(range(len(people)))
    assert worst.min(axis=1).max() < 0.5
    assert ((scores > 0.5) & (scores <= 1)).all()
    assert ((joints[..., 2] > 0) & (joints[..., 2] <= 1)).all()


@settings(max_examples=20, deadline=None)
@given(crowds(), st.randoms(use_true_random=False))
def test_the_order_of_people_means_nothing(people: np.ndarray, random) -> None:
    order = list(range(len(people)))
    random.shuffle(order)
    first, _ = group_people(*draw(people), OPTIONS)
    second, _ = group_people(*draw(people[order]), OPTIONS)
    np.testing.assert_allclose(first, second, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(crowds(most=1), st.integers(0, 2**18 - 1))
def test_a_part_of_a_person_comes_back_as_what_was_seen(people: np.ndarray, bits: int) -> None:
    seen = np.array([[bits >> joint & 1 for joint in range(18)]], dtype=bool)
    joints, _ = group_people(*draw(people, seen), OPTIONS)
    assert not (joints[..., 2] > 0)[:, ~seen[0]].any()
    held = (joints[..., 2] > 0).sum(axis=0)
    assert held.max(initial=0) <= 1, "one joint in two people"


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.3, -0.2), (0.49, 0.49), (-0.5, 0.5)])
def test_a_gaussian_is_found_to_a_hundredth_of_a_cell(offset: tuple[float, float]) -> None:
    place = np.array([20.5, 12.5]) + offset
    heat = draw_heatmaps(place[None, None] * STRIDE - 0.5, np.ones((1, 1), bool), SIZE, STRIDE)
    peaks = find_peaks(heat[:1], 0.1)
    assert len(peaks) == 1
    np.testing.assert_allclose([peaks.x[0], peaks.y[0]], place, atol=0.01)
    assert peaks.score[0] == pytest.approx(1, abs=0.01)


def test_two_joints_three_cells_apart_are_two() -> None:
    places = np.array([[[20.5, 12.5]], [[23.4, 12.7]]])
    heat = draw_heatmaps(places * STRIDE - 0.5, np.ones((2, 1), bool), SIZE, STRIDE)
    peaks = find_peaks(heat[:1], 0.1)
    found = np.stack([peaks.x, peaks.y], axis=1)
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], places[:, 0], atol=0.15)


def test_a_plateau_is_one_peak() -> None:
    heat = np.zeros((1, 8, 8), dtype=np.float32)
    heat[0, 3:5, 3:5] = 1
    assert len(find_peaks(heat, 0.1)) == 1


def test_of_too_many_peaks_the_highest_are_kept() -> None:
    heat = np.zeros((2, 20, 20), dtype=np.float32)
    heat[1, 2::3, 2::3] = np.linspace(0.2, 1, 36, dtype=np.float32).reshape(6, 6)
    heat[0, 5, 5] = 0.3
    peaks = find_peaks(heat, 0.1, max_candidates=4)
    assert peaks.first.tolist() == [0, 1, 5]
    np.testing.assert_allclose(np.sort(peaks.score[1:]), np.linspace(0.2, 1, 36)[-4:], rtol=1e-5)


@pytest.mark.parametrize("fill", [0.0, -1.0, 0.01, np.nan])
def test_maps_that_say_nothing_give_nobody(fill: float) -> None:
    joints, scores = group_people(
        np.full((19, *SIZE), fill, np.float32), np.full((38, *SIZE), fill, np.float32)
    )
    assert joints.shape == (0, 18, 3)
    assert scores.shape == (0,)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_smallest_maps_and_noise_are_no_error(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    joints, scores = group_people(
        random.random((19, *size), dtype=np.float32), random.random((38, *size), dtype=np.float32)
    )
    assert np.isfinite(joints).all()
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_no_number_in_the_fields_spreads_no_further(value: float) -> None:
    heatmaps, affinities = draw((FIGURE * 15 + [40, 22])[None])
    affinities[:4] = value
    joints, scores = group_people(heatmaps, affinities, OPTIONS)
    assert len(joints) >= 1
    assert np.isfinite(joints).all()
    assert np.isfinite(scores).all()


def test_an_ear_and_a_shoulder_alone_are_nobody() -> None:
    seen = np.isin(OPENPOSE18.joints, ("right_ear", "right_shoulder"))[None]
    heatmaps, affinities = draw((FIGURE * 15 + [40, 22])[None], seen)
    joints, _ = group_people(heatmaps, affinities, GroupingOptions(min_joints=1, min_score=0))
    assert (joints[..., 2] > 0).sum(axis=1).tolist() == [1, 1]


def test_a_joint_is_matched_once_a_limb_and_ties_keep_their_order() -> None:
    people = np.stack([FIGURE * 15 + [30, 22], FIGURE * 15 + [36, 22]])
    heatmaps, affinities = draw(people)
    limbs = match_limbs(score_limbs(find_peaks(heatmaps[:18], 0.1), affinities, OPTIONS))
    for side in (limbs.start, limbs.end):
        assert len({(k, s) for k, s in zip(limbs.kind, side, strict=True)}) == len(limbs)
    assert (np.diff(limbs.score) <= 0).all()
    equal = np.flatnonzero(np.diff(limbs.score) == 0)
    assert (limbs.kind[equal] <= limbs.kind[equal + 1]).all()
