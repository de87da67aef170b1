"""The groupings that published code ships, step for step: to repeat its numbers.

- `decode_lightweight`: Osokin 2018 (arXiv 1811.12004), Daniil-Osokin/lightweight-human-pose-
  estimation.pytorch, `modules/keypoints.py`.
- `decode_hzzone`: Hzzone/pytorch-openpose, `src/body.py`: the Python port of the CVPR 2017 demo.

`vitruvian analyze` uses `grouping.group_people` instead. Both decoders read enlarged maps at whole
pixels and count pixels as indices: the centre of the first pixel is 0.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from vitruvian.pose.openpose.grouping import Limbs
from vitruvian.pose.openpose.tables import BODY_18

Doubles = NDArray[np.float64]

JOINTS, LIMBS, AFFINITY_CHANNELS = BODY_18.joints, BODY_18.limbs, BODY_18.channels
SUPPORT_LIMBS = BODY_18.support[0]
SAMPLES = 10
SAMPLE_THRESHOLD = 0.05
MIN_SUPPORT = 0.8
JOINT_THRESHOLD = 0.1
_TOTAL, _COUNT = 18, 19  # columns of an entry, after its 18 joints
_EMPTY = -1.0


def decode_lightweight(
    heatmaps: NDArray[np.float32], affinities: NDArray[np.float32], enlarge: int = 4
) -> tuple[Doubles, Doubles]:
    """Lightweight OpenPose's people.

    Args:
        heatmaps: (19, height, width).
        affinities: (38, height, width).
        enlarge: The maps are enlarged so many times, cubically.

    Returns:
        Entries (people, 20): 18 places among the key points (-1: none), score, count of joints; and
        key points (points, 4): x, y in cells of the enlarged maps, score, number.
    """
    heat = _enlarged(heatmaps[:JOINTS], enlarge)
    points = _numbered([_lightweight_peaks(heat[:, :, joint]) for joint in range(JOINTS)])
    fields = _enlarged(affinities, enlarge)
    entries: list[Doubles] = []
    for kind in range(len(LIMBS)):
        limbs = _lightweight_limbs(kind, points, fields)
        for a, b, score in zip(limbs.start, limbs.end, limbs.score, strict=True):
            if kind >= SUPPORT_LIMBS:
                _support(entries, kind, int(a), int(b))
            else:
                _extend(entries, kind, int(a), int(b), float(score), points[0])
    return _kept(entries, min_count=3, min_score=0.2), points[0]


def decode_hzzone(
    heatmaps: NDArray[np.float32],
    affinities: NDArray[np.float32],
    picture_size: tuple[int, int],
    input_height: int = 184,
    stride: int = 8,
) -> tuple[Doubles, Doubles]:
    """The people of Hzzone's `Body.__call__`.

    Args:
        heatmaps: (19, height, width).
        affinities: (38, height, width).
        picture_size: Height and width of the picture, which the maps are enlarged to.
        input_height: Height the picture had for the network (half of 368).
        stride: Pixels of the network's input a cell.

    Returns:
        Entries (people, 20) and candidates (points, 4) as `decode_lightweight`, x and y in pixels
        of the picture.
    """

    def enlarged(maps: NDArray[np.float32]) -> Doubles:
        columns = round(picture_size[1] * input_height / picture_size[0])
        inner = _enlarged(maps, stride)[:input_height, :columns]
        size = picture_size[1], picture_size[0]
        return cv2.resize(inner, size, interpolation=cv2.INTER_CUBIC).astype(np.float64)

    heat = enlarged(heatmaps[:JOINTS])
    points = _numbered([_hzzone_peaks(heat[:, :, joint]) for joint in range(JOINTS)])
    fields = enlarged(affinities)
    entries: list[Doubles] = []
    for kind in range(len(LIMBS)):
        limbs = _hzzone_limbs(kind, points, fields, picture_size[0])
        for a, b, score in zip(limbs.start, limbs.end, limbs.score, strict=True):
            _merge(entries, kind, int(a), int(b), float(score), points[0])
    return _kept(entries, min_count=4, min_score=0.4), points[0]


def _enlarged(maps: NDArray[np.float32], times: int) -> NDArray[np.float32]:
    """(channels, height, width) → (times · height, times · width, channels), cubically."""
    moved = np.ascontiguousarray(maps.transpose(1, 2, 0))
    result = cv2.resize(moved, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    return result.astype(np.float32, copy=False)


def _numbered(peaks: list[Doubles]) -> tuple[Doubles, list[int]]:
    """All joints' peaks (x, y, score) with a running number, and where each joint's begin."""
    points = np.concatenate(peaks)
    first = [0, *np.cumsum([len(found) for found in peaks]).tolist()]
    return np.column_stack([points, np.arange(len(points))]), first


def _local_maxima(heat: NDArray, above: Callable[..., NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Cells that are `above` their four neighbours; beyond the border the map is 0."""
    padded = np.pad(heat, 1)
    return (
        above(heat, padded[1:-1, :-2])
        & above(heat, padded[1:-1, 2:])
        & above(heat, padded[:-2, 1:-1])
        & above(heat, padded[2:, 1:-1])
    )


def _lightweight_peaks(heat: NDArray[np.float32]) -> Doubles:
    heat = np.where(heat < JOINT_THRESHOLD, 0, heat)
    y, x = np.nonzero(_local_maxima(heat, np.greater))
    order = np.argsort(x, kind="stable")
    kept: list[tuple[float, float, float]] = []
    # From the left, not from the surest: a peak silences those less than 6 pixels after it.
    for row, column in zip(y[order].tolist(), x[order].tolist(), strict=True):
        if all(np.hypot(column - other[0], row - other[1]) >= 6 for other in kept):
            kept.append((column, row, float(heat[row, column])))
    return np.array(kept, dtype=np.float64).reshape(-1, 3)


def _hzzone_peaks(heat: Doubles) -> Doubles:
    smooth = gaussian_filter(heat, sigma=3)
    y, x = np.nonzero(_local_maxima(smooth, np.greater_equal) & (smooth > JOINT_THRESHOLD))
    return np.column_stack([x, y, heat[y, x]])


def _projections(
    kind: int, fields: NDArray, start: NDArray[np.floating], end: NDArray[np.floating]
) -> tuple[Doubles, Doubles]:
    """The field along each segment at ten whole pixels (segments, 10), and segments' lengths."""
    vector = end - start
    share = np.arange(SAMPLES) / (SAMPLES - 1)
    places = np.rint(start[:, None] + vector[:, None] * share[:, None]).astype(np.int64)
    channel = int(AFFINITY_CHANNELS[kind])
    along = fields[places[..., 1], places[..., 0], channel : channel + 2]
    length = np.linalg.norm(vector, axis=1)
    unit = vector / np.maximum(length, 1e-6)[:, None]
    return (along * unit[:, None]).sum(axis=2), length


def _lightweight_limbs(kind: int, points: tuple[Doubles, list[int]], fields: NDArray) -> Limbs:
    """Score: the mean of the places above the threshold."""
    (a_first, a_last), (b_first, b_last) = (points[1][j : j + 2] for j in LIMBS[kind])
    b, a = (v.ravel() for v in np.mgrid[b_first:b_last, a_first:a_last])
    projection, _ = _projections(kind, fields, points[0][a, :2], points[0][b, :2])
    supports = projection > SAMPLE_THRESHOLD
    count = supports.sum(axis=1)
    score = (projection * supports).sum(axis=1) / (count + 1e-6)
    kept = np.flatnonzero((score > 0) & (count / SAMPLES > MIN_SUPPORT))
    # The published sort is ascending and then reversed: of equal scores the last comes first.
    return _match_greedily(Limbs(np.zeros_like(a), a, b, score.astype(np.float32)).take(kept[::-1]))


def _hzzone_limbs(
    kind: int, points: tuple[Doubles, list[int]], fields: NDArray, picture_height: int
) -> Limbs:
    """Score: the mean of all places, less for limbs over half the picture's height."""
    (a_first, a_last), (b_first, b_last) = (points[1][j : j + 2] for j in LIMBS[kind])
    a, b = (v.ravel() for v in np.mgrid[a_first:a_last, b_first:b_last])
    projection, length = _projections(kind, fields, points[0][a, :2], points[0][b, :2])
    prior = np.minimum(0.5 * picture_height / np.maximum(length, 1e-6) - 1, 0)
    score = projection.mean(axis=1) + prior
    count = (projection > SAMPLE_THRESHOLD).sum(axis=1)
    kept = np.flatnonzero((score > 0) & (count > MIN_SUPPORT * SAMPLES))
    return _match_greedily(Limbs(np.zeros_like(a), a, b, score).take(kept))


def _match_greedily(limbs: Limbs) -> Limbs:
    """The surest first, each joint once; of equal scores in the order given."""
    used: set[tuple[int, bool]] = set()
    matched: list[int] = []
    for place in np.argsort(-limbs.score, kind="stable").tolist():
        ends = (int(limbs.start[place]), False), (int(limbs.end[place]), True)
        if used.isdisjoint(ends):
            used.update(ends)
            matched.append(place)
    return limbs.take(np.array(matched, dtype=np.int64))


def _new_entry(kind: int, a: int, b: int, score: float, points: Doubles) -> Doubles:
    entry = np.full(20, _EMPTY)
    entry[LIMBS[kind]] = a, b
    entry[_TOTAL] = points[[a, b], 2].sum() + score
    entry[_COUNT] = 2
    return entry


def _extend(
    entries: list[Doubles], kind: int, a: int, b: int, score: float, points: Doubles
) -> None:
    """Lightweight: everyone who has the first joint gets the second."""
    first, second = LIMBS[kind]
    owners = [entry for entry in entries if entry[first] == a] if kind else []
    for entry in owners:
        entry[second] = b
        entry[_COUNT] += 1
        entry[_TOTAL] += points[b, 2] + score
    if not owners:
        entries.append(_new_entry(kind, a, b, score, points))


def _support(entries: list[Doubles], kind: int, a: int, b: int) -> None:
    """Lightweight: an ear-shoulder limb only fills a free place, and does not count."""
    first, second = LIMBS[kind]
    for entry in entries:
        if entry[first] == a and entry[second] == _EMPTY:
            entry[second] = b
        elif entry[second] == b and entry[first] == _EMPTY:
            entry[first] = a


def _merge(
    entries: list[Doubles], kind: int, a: int, b: int, score: float, points: Doubles
) -> None:
    """Hzzone: a limb joins whoever has either joint, and two who share none."""
    first, second = LIMBS[kind]
    owners = [
        place for place, entry in enumerate(entries) if entry[first] == a or entry[second] == b
    ]
    if not owners:
        if kind < SUPPORT_LIMBS:
            entries.append(_new_entry(kind, a, b, score, points))
        return
    entry = entries[owners[0]]
    if len(owners) >= 2:
        other = entries[owners[1]]
        if not ((entry[:JOINTS] >= 0) & (other[:JOINTS] >= 0)).any():
            entry[:JOINTS] += other[:JOINTS] + 1
            entry[JOINTS:] += other[JOINTS:]
            entry[_TOTAL] += score
            del entries[owners[1]]
            return
    elif entry[second] == b:
        return
    entry[second] = b
    entry[_COUNT] += 1
    entry[_TOTAL] += points[b, 2] + score


def _kept(entries: list[Doubles], min_count: int, min_score: float) -> Doubles:
    table = np.array(entries).reshape(-1, 20)
    kept = (table[:, _COUNT] >= min_count) & (table[:, _TOTAL] / table[:, _COUNT] >= min_score)
    return table[kept]
