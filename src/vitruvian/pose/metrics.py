"""Scores of single-person 2D pose: PCK, PDJ, PCKh, PCP, and the accuracy shown while training.

All functions take plain arrays in pixels; predictions and truth must be in the same coordinates,
whichever (a common shift changes nothing).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitruvian.core.errors import UnknownNameError
from vitruvian.core.skeletons import LSP14, MPII16, Skeleton
from vitruvian.pose.heatmaps import find_maxima

Floats = NDArray[np.floating[Any]]
Torso = Literal["left_shoulder_right_hip", "right_shoulder_left_hip", "middles"]

TORSOS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "left_shoulder_right_hip": (("left_shoulder",), ("right_hip",)),
    "right_shoulder_left_hip": (("right_shoulder",), ("left_hip",)),
    "middles": (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")),
}
"""Torso → the joints whose middles are its two ends."""

STICKS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "head": (("head_top",), ("neck",)),
    "torso": TORSOS["middles"],
    **{
        f"{side}_{limb}": ((f"{side}_{start}",), (f"{side}_{end}",))
        for side in ("right", "left")
        for limb, start, end in (
            ("upper_arm", "shoulder", "elbow"),
            ("lower_arm", "elbow", "wrist"),
            ("upper_leg", "hip", "knee"),
            ("lower_leg", "knee", "ankle"),
        )
    },
}
"""The ten sticks of PCP → the joints whose middles are their two ends."""

_MPII_STICKS = {
    **STICKS,
    "head": (("head_top",), ("upper_neck",)),
    "torso": (("thorax",), ("pelvis",)),
}

PCKH_GROUPS: dict[str, tuple[str, ...]] = {
    "head": ("head_top",),
    **{
        part: (f"left_{part}", f"right_{part}")
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    },
}


class JointScores(NamedTuple):
    """Shares of right joints, in [0, 1].

    Attributes:
        per_joint: (joints,); NaN for a joint that is labelled nowhere.
        mean: Over the joints, each with the same weight.
        pooled: Over all labelled joints of all people.
    """

    per_joint: Floats
    mean: float
    pooled: float


def torso_length(
    truth: ArrayLike,
    skeleton: Skeleton = LSP14,
    torso: Torso = "left_shoulder_right_hip",
    labelled: ArrayLike | None = None,
) -> Floats:
    """Length of each person's torso, the unit of PCK and PDJ.

    Args:
        truth: (people, joints, 2).
        skeleton: The joints' order.
        torso: "left_shoulder_right_hip" is the published one for FLIC (it alone gives the CPM
            release its elbow 97.59 and wrist 95.03), for LSP and for DeepPose's PDJ. "middles" is
            from the middle of the shoulders to that of the hips.
        labelled: (people, joints): which joints are known; all where left out.

    Returns:
        (people,); NaN where an end is not labelled.

    Raises:
        UnknownNameError: there is no such torso.
    """
    if torso not in TORSOS:
        raise UnknownNameError("torso", torso, TORSOS)
    start, end = (_middle(truth, skeleton, joints, labelled) for joints in TORSOS[torso])
    return np.linalg.norm(start - end, axis=-1)


def pck(
    predictions: ArrayLike,
    truth: ArrayLike,
    lengths: ArrayLike,
    alpha: float = 0.2,
    labelled: ArrayLike | None = None,
) -> JointScores:
    """Percentage of correct key points (Yang, Ramanan, TPAMI 2013): error ≤ alpha · length.

    Args:
        predictions: (people, joints, 2); a joint that was not found is NaN, and wrong.
        truth: (people, joints, 2).
        lengths: (people,): `torso_length` or head size; people of length NaN are not counted.
        alpha: Fraction of the length.
        labelled: (people, joints); all where left out.
    """
    error, length, counted = _errors(predictions, truth, lengths, labelled)
    return _share(error <= alpha * length, counted)


def pdj(
    predictions: ArrayLike,
    truth: ArrayLike,
    lengths: ArrayLike,
    fractions: Sequence[float],
    labelled: ArrayLike | None = None,
) -> Floats:
    """Percentage of detected joints (Sapp, Taskar, CVPR 2013): `pck` along a range of fractions.

    Args:
        predictions: (people, joints, 2).
        truth: (people, joints, 2).
        lengths: (people,): `torso_length`.
        fractions: Of the torso, for instance 0.05, 0.1, … 0.5.
        labelled: (people, joints); all where left out.

    Returns:
        (fractions, joints) in [0, 1].
    """
    return np.stack(
        [pck(predictions, truth, lengths, each, labelled).per_joint for each in fractions]
    )


def mpii_head_size(boxes: ArrayLike) -> Floats:
    """(people,): 0.6 × the diagonal of each head box, (people, 4): x1, y1, x2, y2."""
    box = np.asarray(boxes, dtype=np.float64)
    return 0.6 * np.linalg.norm(box[..., 2:] - box[..., :2], axis=-1)


def mpii_pckh(
    predictions: ArrayLike, truth: ArrayLike, head_sizes: ArrayLike, labelled: ArrayLike
) -> dict[str, float]:
    """PCKh of the 16 MPII joints (Andriluka et al., CVPR 2014), as the HRNet code reports it.

    Args:
        predictions: (people, 16, 2).
        truth: (people, 16, 2) in the same coordinates.
        head_sizes: (people,): `mpii_head_size`.
        labelled: (people, 16).

    Returns:
        Percent: "head" (the head's top alone), "shoulder" … "ankle" (mean of left and right),
        "mean" and "mean@0.1", each over the labelled joints without pelvis and thorax.
        "mean@0.1" is **at 0.11**, as in every published table of this code base; "mean@0.10" is
        at 0.1. "mean_unweighted" gives the 14 joints the same weight (MATLAB, pytorch-pose).
    """
    counts = np.asarray(labelled, dtype=bool).sum(axis=0)
    measured = [place for name, place in MPII16.index.items() if name not in ("pelvis", "thorax")]

    def per_joint(alpha: float) -> Floats:
        return 100 * pck(predictions, truth, head_sizes, alpha, labelled).per_joint

    def weighted(scores: Floats) -> float:
        known = [place for place in measured if counts[place]]
        return float(np.average(scores[known], weights=counts[known])) if known else float("nan")

    scores = per_joint(0.5)
    places = {part: [MPII16.index[name] for name in names] for part, names in PCKH_GROUPS.items()}
    return {
        **{part: float(scores[places[part]].mean()) for part in PCKH_GROUPS},
        "mean": weighted(scores),
        "mean@0.1": weighted(per_joint(0.11)),
        "mean@0.10": weighted(per_joint(0.1)),
        "mean_unweighted": float(np.nanmean(scores[measured])) if counts.any() else float("nan"),
    }


def stick_lengths(
    truth: ArrayLike, skeleton: Skeleton = LSP14, labelled: ArrayLike | None = None
) -> Floats:
    """(people, 10): length of each of `STICKS`; NaN where an end is not labelled."""
    ends = _stick_ends(truth, skeleton, labelled)
    return np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=-1)


def pcp(
    predictions: ArrayLike,
    truth: ArrayLike,
    *,
    strict: bool = True,
    threshold: float = 0.5,
    skeleton: Skeleton = LSP14,
    labelled: ArrayLike | None = None,
) -> dict[str, float]:
    """Percentage of correct parts, stick by stick (Ferrari et al., CVPR 2008).

    Args:
        predictions: (people, joints, 2).
        truth: (people, joints, 2).
        strict: Both ends lie within `threshold` true lengths. False: the mean of the two errors
            does (DeepPose's comparison, "relaxed").
        threshold: Fraction of the stick's true length.
        skeleton: The joints' order.
        labelled: (people, joints): sticks with an unlabelled end are not counted.

    Returns:
        Stick → share in [0, 1], in the order of `STICKS`; NaN for one that is labelled nowhere.
    """
    ends, wanted = (
        _stick_ends(points, skeleton, known)
        for points, known in ((predictions, None), (truth, labelled))
    )
    length = stick_lengths(truth, skeleton, labelled)
    errors = np.linalg.norm(ends - wanted, axis=-1)
    error = errors.max(axis=-1) if strict else errors.mean(axis=-1)
    scores = _share(error <= threshold * length, ~np.isnan(length)).per_joint
    return dict(zip(STICKS, scores.tolist(), strict=True))


def pcp_parts(sticks: dict[str, float]) -> dict[str, float]:
    """The table's columns from `pcp`: left and right joined.

    Returns:
        "head", "torso", "upper_arm", "lower_arm", "upper_leg", "lower_leg"; "total", the mean of
        the ten sticks; "mean_of_parts", that of the six columns, which some code gives instead.
    """
    parts = {name: sticks[name] for name in ("head", "torso")}
    for limb in ("upper_arm", "lower_arm", "upper_leg", "lower_leg"):
        parts[limb] = (sticks[f"right_{limb}"] + sticks[f"left_{limb}"]) / 2
    total, mean = (float(np.mean([*each.values()])) for each in (sticks, parts))
    return {**parts, "total": total, "mean_of_parts": mean}


def heatmap_accuracy(
    output: Floats,
    target: Floats,
    threshold: float = 0.5,
    *,
    swapped_axes: bool = False,
    border: int = 1,
) -> tuple[Floats, float, int, Floats]:
    """PCK between the maxima of two stacks of maps, against a tenth of their size.

    Joints whose target lies in the first rows or columns are left out.

    Args:
        output: (batch, joints, height, width).
        target: The same.
        threshold: In tenths of the map.
        swapped_axes: Divide x by height / 10 and y by width / 10, as the released Simple Baselines
            and HRNet do. They should be the other way round; for square maps it is the same.
        border: The last row and column left out; 0 in pytorch-pose.

    Returns:
        Share of right joints (joints,), -1 for one without a sample; mean over the joints with
        samples (0 where there is none); their number; the maxima of `output` (batch, joints, 2).
    """
    height, width = output.shape[-2:]
    unit = np.array([height, width] if swapped_axes else [width, height]) / 10
    points, _ = find_maxima(output)
    wanted, _ = find_maxima(target)
    distance = np.linalg.norm((points - wanted) / unit, axis=-1)
    counted = (wanted > border).all(axis=-1)
    number = counted.sum(axis=0)
    right = ((distance < threshold) & counted).sum(axis=0)
    per_joint = np.where(number > 0, right / np.maximum(number, 1), -1.0)
    known = per_joint >= 0
    mean = float(per_joint[known].mean()) if known.any() else 0.0
    return per_joint, mean, int(known.sum()), points


def _middle(
    joints: ArrayLike, skeleton: Skeleton, names: Sequence[str], labelled: ArrayLike | None
) -> Floats:
    places = [skeleton.index[name] for name in names]
    points = np.asarray(joints, dtype=np.float64)[:, places, :2].mean(axis=1)
    if labelled is not None:
        points[~np.asarray(labelled, dtype=bool)[:, places].all(axis=1)] = np.nan
    return points


def _stick_ends(joints: ArrayLike, skeleton: Skeleton, labelled: ArrayLike | None) -> Floats:
    """(people, 10, 2 ends, 2). MPII has a stick of its own for the head and for the torso."""
    known = _MPII_STICKS if "upper_neck" in skeleton.index else STICKS
    sticks = [[_middle(joints, skeleton, end, labelled) for end in ends] for ends in known.values()]
    return np.array(sticks).transpose(2, 0, 1, 3)


def _errors(
    predictions: ArrayLike, truth: ArrayLike, lengths: ArrayLike, labelled: ArrayLike | None
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Distances (people, joints), lengths (people, 1), and which joints count."""
    offset = np.asarray(predictions, dtype=np.float64) - np.asarray(truth, dtype=np.float64)
    error = np.linalg.norm(offset, axis=-1)
    length = np.asarray(lengths, dtype=np.float64)[:, None]
    known = np.ones(error.shape, dtype=bool) if labelled is None else np.asarray(labelled, bool)
    return error, length, known & ~np.isnan(length)


def _share(right: NDArray[np.bool_], counted: NDArray[np.bool_]) -> JointScores:
    number, good = counted.sum(axis=0), (right & counted).sum(axis=0)
    per_joint = np.where(number > 0, good / np.maximum(number, 1), np.nan)
    if not number.any():
        return JointScores(per_joint, float("nan"), float("nan"))
    return JointScores(per_joint, float(np.nanmean(per_joint)), float(good.sum() / number.sum()))
