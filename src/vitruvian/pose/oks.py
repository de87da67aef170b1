"""Object key-point similarity between detections, and what is done with it before a result is sent.

OKS is the COCO measure: each joint's distance, weighed by its annotators' spread and by the
person's area, put through a Gaussian, and averaged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitruvian.core.skeletons import COCO17

Floats = NDArray[np.floating[Any]]


def oks(
    people: ArrayLike,
    others: ArrayLike,
    areas: ArrayLike,
    other_areas: ArrayLike,
    sigmas: ArrayLike = COCO17.sigmas,
    *,
    visible_above: float | None = None,
) -> Floats:
    """OKS between every two predictions; divides by the mean of the two areas.

    Args:
        people: (people, joints, 2 or 3): x, y, score in pixels.
        others: (others, joints, 2 or 3).
        areas: (people,) in square pixels.
        other_areas: (others,).
        sigmas: (joints,): spread of the annotators; `Skeleton.sigmas`.
        visible_above: Count only the joints whose score in `others` is above this (as released,
            the score in `people` does not matter). All joints where left out.

    Returns:
        (people, others) in [0, 1]; 0 where no joint counts.
    """
    a, b = (np.asarray(each, dtype=np.float64) for each in (people, others))
    area = np.add.outer(np.asarray(areas, np.float64), np.asarray(other_areas, np.float64)) / 2
    squared = ((a[:, None, :, :2] - b[None, :, :, :2]) ** 2).sum(axis=-1)
    spread = 2 * (2 * np.asarray(sigmas)) ** 2 * (area[..., None] + np.spacing(1))
    likeness = np.exp(-squared / spread)
    if visible_above is None:
        return likeness.mean(axis=-1)
    counted = np.broadcast_to(b[None, :, :, 2] > visible_above, likeness.shape)
    return (likeness * counted).sum(axis=-1) / np.maximum(counted.sum(axis=-1), 1)


def oks_to_truth(
    predictions: ArrayLike,
    truth: ArrayLike,
    boxes: ArrayLike,
    areas: ArrayLike,
    sigmas: ArrayLike = COCO17.sigmas,
) -> Floats:
    """OKS of predictions with annotated people, as the COCO evaluation computes it.

    Args:
        predictions: (predictions, joints, 2 or 3).
        truth: (people, joints, 3): x, y, visibility (0: not labelled).
        boxes: (people, 4): x, y, width, height. A person without a labelled joint is compared by
            the distance of each predicted joint to the box grown to three times its size.
        areas: (people,): annotated areas.
        sigmas: (joints,).

    Returns:
        (predictions, people).
    """
    points = np.asarray(predictions, dtype=np.float64)[:, None, :, :2]
    people, box = (np.asarray(each, dtype=np.float64) for each in (truth, boxes))
    labelled: NDArray[np.bool_] = np.asarray(people[..., 2] > 0)
    any_labelled: NDArray[np.bool_] = np.asarray(labelled.any(axis=-1))
    start = (box[:, :2] - box[:, 2:])[:, None]
    end = (box[:, :2] + 2 * box[:, 2:])[:, None]
    outside = np.maximum(start - points, 0) + np.maximum(points - end, 0)
    offset = np.where(any_labelled[:, None, None], points - people[..., :2], outside)
    spread = 2 * (2 * np.asarray(sigmas)) ** 2
    areas = np.asarray(areas, dtype=np.float64)[:, None] + np.spacing(1)
    likeness = np.exp(-(offset**2).sum(axis=-1) / (spread * areas))
    counted = labelled | ~any_labelled[:, None]
    return (likeness * counted).sum(axis=-1) / counted.sum(axis=-1)


def oks_nms(
    people: ArrayLike,
    scores: ArrayLike,
    areas: ArrayLike,
    threshold: float = 0.9,
    sigmas: ArrayLike = COCO17.sigmas,
    *,
    visible_above: float | None = None,
) -> NDArray[np.intp]:
    """Drop people that repeat a better one.

    Args:
        people: (people, joints, 2 or 3).
        scores: (people,).
        areas: (people,).
        threshold: People with an OKS above this to a kept one go.
        sigmas: (joints,).
        visible_above: See `oks`.

    Returns:
        Places of the kept people, best first.
    """
    similar = oks(people, people, areas, areas, sigmas, visible_above=visible_above) > threshold
    order = np.argsort(np.asarray(scores))[::-1]
    dropped = np.zeros(len(order), dtype=bool)
    keep = []
    for place in order:
        if not dropped[place]:
            keep.append(place)
            dropped |= similar[place]
    return np.array(keep, dtype=np.intp)


def soft_oks_nms(
    people: ArrayLike,
    scores: ArrayLike,
    areas: ArrayLike,
    threshold: float = 0.9,
    sigmas: ArrayLike = COCO17.sigmas,
    *,
    most: int = 20,
    visible_above: float | None = None,
) -> NDArray[np.intp]:
    """Order people by scores that fall with their likeness to better ones.

    Each person taken multiplies the score of those left by exp(-OKS² / threshold).

    Args:
        people: (people, joints, 2 or 3).
        scores: (people,).
        areas: (people,).
        threshold: How slowly the scores fall.
        sigmas: (joints,).
        most: At most so many are kept.
        visible_above: See `oks`.

    Returns:
        Places of the kept people in the order in which they were taken.
    """
    likeness = oks(people, people, areas, areas, sigmas, visible_above=visible_above)
    left = np.argsort(np.asarray(scores))[::-1]
    remaining = np.asarray(scores, dtype=np.float64)[left]
    keep: list[int] = []
    while len(left) and len(keep) < most:
        best, left = int(left[0]), left[1:]
        keep.append(best)
        remaining = remaining[1:] * np.exp(-(likeness[best, left] ** 2) / threshold)
        order = remaining.argsort()[::-1]
        left, remaining = left[order], remaining[order]
    return np.array(keep, dtype=np.intp)


def rescore(box_scores: ArrayLike, joint_scores: ArrayLike, visible_above: float = 0.2) -> Floats:
    """A person's final score: that of the box times the mean of the good joints' scores.

    Args:
        box_scores: (people,).
        joint_scores: (people, joints).
        visible_above: Joints with at most this score do not enter the mean.

    Returns:
        (people,); 0 where no joint is good.
    """
    scores = np.asarray(joint_scores, dtype=np.float64)
    good = scores > visible_above
    mean = (scores * good).sum(axis=-1) / np.maximum(good.sum(axis=-1), 1)
    return np.asarray(box_scores, dtype=np.float64) * mean
