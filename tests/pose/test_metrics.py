"""PCK, PDJ, PCKh, PCP, OKS on people small enough to score by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.core.errors import UnknownNameError
from vitruvian.core.skeletons import COCO17, LSP14, MPII16, WHOLEBODY133
from vitruvian.pose.metrics import (
    heatmap_accuracy,
    mpii_head_size,
    mpii_pckh,
    pck,
    pcp,
    pcp_parts,
    pdj,
    torso_length,
)
from vitruvian.pose.oks import oks, oks_nms, oks_to_truth, rescore, soft_oks_nms


def person() -> np.ndarray:
    """Stands upright; every limb is 20 long, the head 10, the shoulders and hips 12 and 6 wide."""
    joints = np.zeros((14, 2))
    places = {"head_top": (0, 0), "neck": (0, 10)}
    for side, sign in (("right", -1), ("left", 1)):
        places |= {
            f"{side}_shoulder": (6 * sign, 12),
            f"{side}_elbow": (6 * sign, 32),
            f"{side}_wrist": (6 * sign, 52),
            f"{side}_hip": (3 * sign, 52),
            f"{side}_knee": (3 * sign, 72),
            f"{side}_ankle": (3 * sign, 92),
        }
    for joint, place in places.items():
        joints[LSP14.index[joint]] = place
    return joints


def moved(**offsets: tuple[float, float]) -> np.ndarray:
    joints = person()
    for joint, offset in offsets.items():
        joints[LSP14.index[joint]] += offset
    return joints


def test_strict_and_loose_parts_differ_at_a_limb_with_one_bad_end() -> None:
    # Right lower arm (20 long): wrist off by 12 > 10, elbow right: strict wrong, loose (6) right.
    # Left lower leg: ankle off by 30: (0 + 30) / 2 > 10, wrong in both. Head: off by 5 = 0.5 · 10.
    guess = moved(right_wrist=(12, 0), left_ankle=(0, 30), head_top=(3, 4))[None]
    truth = person()[None]
    strict = pcp(guess, truth)
    loose = pcp(guess, truth, strict=False)
    assert [name for name, score in strict.items() if score == 0] == [
        "right_lower_arm",
        "left_lower_leg",
    ]
    assert [name for name, score in loose.items() if score == 0] == ["left_lower_leg"]
    parts = pcp_parts(strict)
    assert parts["lower_arm"] == parts["lower_leg"] == 0.5
    assert parts["total"] == pytest.approx(0.8)
    assert parts["mean_of_parts"] == pytest.approx(5 / 6)


def test_the_torso_stick_runs_between_the_middles() -> None:
    # Both shoulders move apart by 50: their middle stays, so the torso is right.
    guess = moved(left_shoulder=(50, 0), right_shoulder=(-50, 0))[None]
    scores = pcp(guess, person()[None])
    assert scores["torso"] == 1
    assert scores["left_upper_arm"] == scores["right_upper_arm"] == 0


def test_mpii_has_sticks_of_its_own() -> None:
    truth = np.random.default_rng(0).uniform(0, 100, (1, 16, 2))
    guess = truth.copy()
    guess[0, [MPII16.index["upper_neck"], MPII16.index["pelvis"]]] += 999
    wrong = [name for name, score in pcp(guess, truth, skeleton=MPII16).items() if score == 0]
    assert wrong == ["head", "torso"]


def test_unlabelled_sticks_are_not_counted() -> None:
    labelled = np.ones((2, 14), dtype=bool)
    labelled[0, LSP14.index["left_wrist"]] = False
    labelled[:, LSP14.index["neck"]] = False
    guess = np.stack([moved(left_wrist=(99, 0)), person()])
    scores = pcp(guess, np.stack([person()] * 2), labelled=labelled)
    assert scores["left_lower_arm"] == 1
    assert np.isnan(scores["head"])


def test_pck_by_hand() -> None:
    torso = np.hypot(6 + 3, 40)  # left shoulder (6, 12) to right hip (-3, 52)
    truth = np.stack([person()] * 2)
    np.testing.assert_allclose(torso_length(truth), [torso] * 2)
    np.testing.assert_allclose(torso_length(truth, torso="middles"), [40] * 2)
    guess = np.stack([moved(neck=(0, 0.19 * torso), left_knee=(0.21 * torso, 0)), person()])
    guess[1, LSP14.index["head_top"]] = np.nan  # not found
    labelled = np.ones((2, 14), dtype=bool)
    labelled[1, LSP14.index["left_knee"]] = False
    scores = pck(guess, truth, torso_length(truth), 0.2, labelled)
    assert scores.per_joint[LSP14.index["neck"]] == 1
    assert scores.per_joint[LSP14.index["left_knee"]] == 0
    assert scores.per_joint[LSP14.index["head_top"]] == 0.5
    assert scores.mean == pytest.approx(12.5 / 14)
    assert scores.pooled == pytest.approx(25 / 27)
    curve = pdj(guess, truth, torso_length(truth), [0.1, 0.2, 0.3], labelled)
    np.testing.assert_allclose(curve[:, LSP14.index["neck"]], [0.5, 1, 1])
    np.testing.assert_allclose(curve[:, LSP14.index["left_knee"]], [0, 0, 1])


def test_people_without_a_torso_are_not_counted() -> None:
    labelled = np.ones((2, 14), dtype=bool)
    labelled[0, LSP14.index["right_hip"]] = False
    truth = np.stack([person()] * 2)
    length = torso_length(truth, labelled=labelled)
    assert np.isnan(length).tolist() == [True, False]
    assert pck(truth + np.array([1e3, 0])[:, None, None], truth, length).mean == 1
    assert np.isnan(pck(truth, truth, length, labelled=np.zeros((2, 14), bool)).mean)


def test_pckh_by_hand() -> None:
    # A head box of 30 × 40 has the size 0.6 · 50 = 30: right up to 15, "@0.1" up to 3.3.
    assert mpii_head_size([[10, 10, 40, 50]])[0] == 30
    truth = np.zeros((4, 16, 2))
    guess = truth.copy()
    guess[0, MPII16.index["left_wrist"]] = (15, 0)
    guess[1, MPII16.index["left_wrist"]] = (15.1, 0)
    guess[:, MPII16.index["pelvis"]] = 999  # in no number
    guess[:, MPII16.index["upper_neck"]] = (0, 3.2)  # right at 0.11, not at 0.1
    labelled = np.ones((4, 16), dtype=bool)
    labelled[2:, MPII16.index["left_wrist"]] = False
    scores = mpii_pckh(guess, truth, [30] * 4, labelled)
    assert scores["wrist"] == 75  # left 1 of 2, right 4 of 4
    assert scores["head"] == scores["ankle"] == 100
    assert scores["mean"] == pytest.approx(100 * 53 / 54)
    assert scores["mean_unweighted"] == pytest.approx(100 * 13.5 / 14)
    assert scores["mean@0.1"] == pytest.approx(100 * 52 / 54)
    assert scores["mean@0.10"] == pytest.approx(100 * 48 / 54)


def test_the_training_accuracy_and_its_swapped_axes() -> None:
    target, output = np.zeros((1, 3, 40, 20)), np.zeros((1, 3, 40, 20))
    target[0, 0, 20, 10] = output[0, 0, 20, 11] = 1  # 1 px in x: 0.5 of width / 10, 0.25 of height
    target[0, 1, 20, 10] = output[0, 1, 20, 10] = 1
    target[0, 2, 1, 10] = output[0, 2, 30, 10] = 1  # in the second row: not counted
    right, mean, counted, points = heatmap_accuracy(output, target)
    np.testing.assert_allclose(right, [0, 1, -1])
    assert (mean, counted) == (0.5, 2)
    np.testing.assert_allclose(points[0, 0], [11, 20])
    assert heatmap_accuracy(output, target, swapped_axes=True)[1] == 1


def test_oks_by_hand() -> None:
    points = np.zeros((1, 17, 3))
    other = points.copy()
    other[0, 0, 0] = 10
    wanted = (16 + np.exp(-(10**2) / (2 * 5000 * (2 * 0.026) ** 2))) / 17
    assert oks(points, other, [4000], [6000])[0, 0] == pytest.approx(wanted)
    truth = points.copy()
    truth[0, :2, 2] = 1
    wanted = (1 + np.exp(-(10**2) / (2 * 5000 * (2 * 0.026) ** 2))) / 2
    assert oks_to_truth(other, truth, [[0, 0, 9, 9]], [5000])[0, 0] == pytest.approx(wanted)
    # No label: the distance to the box grown threefold, here from x = -9 to 18.
    other[0, 0, 0] = 20
    wanted = (16 + np.exp(-(2**2) / (2 * 5000 * (2 * 0.026) ** 2))) / 17
    assert oks_to_truth(other, points, [[0, 0, 9, 9]], [5000])[0, 0] == pytest.approx(wanted)


def test_nms_keeps_the_better_of_two_alike() -> None:
    joints = np.zeros((3, 17, 3))
    joints[2] += 500
    scores, areas = [0.4, 0.9, 0.1], [1e4] * 3
    assert oks_nms(joints, scores, areas, 0.9).tolist() == [1, 2]
    # 0.4 · exp(-1 / 0.9) = 0.13 stays before 0.1; with a lower threshold it falls behind.
    assert soft_oks_nms(joints, scores, areas, 0.9).tolist() == [1, 0, 2]
    assert soft_oks_nms(joints, scores, areas, 0.5).tolist() == [1, 2, 0]
    assert soft_oks_nms(joints, scores, areas, 0.5, most=2).tolist() == [1, 2]
    nobody = np.zeros((0, 17, 3))
    assert len(oks_nms(nobody, [], [])) == len(soft_oks_nms(nobody, [], [])) == 0


def test_rescoring_leaves_out_weak_joints() -> None:
    np.testing.assert_allclose(rescore([0.5, 0.5], [[0.9, 0.7, 0.1], [0.1] * 3]), [0.4, 0])


def test_an_unknown_torso_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="middles"):
        torso_length(person()[None], torso="middle")


def test_the_wholebody_skeleton_flips_as_published() -> None:
    pairs = {tuple(pair) for pair in WHOLEBODY133.flip_pairs}
    wanted = {(17, 20), (18, 21), (19, 22), *((23 + i, 39 - i) for i in range(8))}
    wanted |= {(40 + i, 49 - i) for i in range(5)} | {(54, 58), (55, 57)}
    wanted |= {(59, 68), (60, 67), (61, 66), (62, 65), (63, 70), (64, 69)}
    wanted |= {(71, 77), (72, 76), (73, 75), (78, 82), (79, 81), (83, 87), (84, 86), (88, 90)}
    wanted |= {(91 + i, 112 + i) for i in range(21)} | set(COCO17.flip_pairs)
    assert pairs == wanted
    assert len(WHOLEBODY133) == len(WHOLEBODY133.sigmas) == len(WHOLEBODY133.index) == 133
    assert WHOLEBODY133.edge_indices.max() == 132
