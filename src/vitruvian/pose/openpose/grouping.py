"""From heat maps and part affinity fields to people: OpenPose's bottom-up half.

Cao et al., CVPR 2017 (arXiv 1611.08050, sections 2.2 to 2.4). Peaks of the heat maps are joint
candidates; a limb between two of them scores what the affinity field says along the segment (the
paper's equation 10); limbs of one kind are matched, each candidate once, for the highest total
(equations 12 to 14).

Two things are done otherwise than in the published decoders (`published_grouping` has those):

- Maps are read as they are, not enlarged: a peak's place and height come from a Gaussian through
  its neighbours, the field is sampled bilinearly. That is more exact and many times faster.
- The matching is the best one, as the paper has it. The published code matches greedily, which
  breaks people apart where they stand close.

Limbs make a tree of the joints (`tables.py`), so matched limbs never contradict each other and
people are what they connect.

Coordinates count cells of the maps, with the centre of the first cell at (0.5, 0.5): times the
stride they are pixels of the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.assignment import best_assignment
from vitruvian.pose.openpose.tables import BODY_18, BodyTable

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_FLOOR = 0.01  # of heat: below it a map says nothing, and logarithms stay finite


@dataclass(frozen=True)
class GroupingOptions:
    """Thresholds of the grouping.

    Attributes:
        joint_threshold: Least height of a peak, in the heat map's unit (0 to 1). Low on purpose: a
            false peak finds no limb.
        max_candidates: Of each kind of joint the highest peaks are kept, so many at most: maps of
            noise must not take all memory.
        samples: Number of places on a segment where the affinity field is read.
        sample_threshold: A place supports the limb where the field along it is above this.
        min_support: Least share of places that must support a limb.
        long_limb: Limbs longer than this share of the map's height lose score:
            `min(long_limb · height / length - 1, 0)` is added (the published distance prior).
        short_limb: In cells. Joints closer than this lie within the field's own blur: such a limb
            needs no support and scores at least `sample_threshold`.
        affinity_offset: In cells. How far the fields lie to the right of and below the heat maps:
            7/16 for networks trained on v1's targets, which read a cell's corner as its centre.
        min_joints: People with fewer joints are dropped.
        min_score: People with a lower mean score are dropped.
    """

    joint_threshold: float = 0.05
    max_candidates: int = 127
    samples: int = 10
    sample_threshold: float = 0.05
    min_support: float = 0.8
    long_limb: float = 0.5
    short_limb: float = 0.5
    affinity_offset: float = 0.0
    min_joints: int = 3
    min_score: float = 0.2


@dataclass(frozen=True)
class Peaks:
    """Joint candidates, ordered by kind of joint.

    Attributes:
        x: (peaks,) in cells, sub-cell.
        y: (peaks,) likewise.
        score: (peaks,) height of the map at the place, at most 1.
        joint: (peaks,) kind of joint.
        first: (joints + 1,): candidates of kind j are `first[j]` to `first[j + 1]`.
    """

    x: Floats
    y: Floats
    score: Floats
    joint: Integers
    first: Integers

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Limbs:
    """Limb candidates.

    Attributes:
        kind: (limbs,) place in `BodyTable.limbs`.
        start: (limbs,) place of the first joint among the peaks.
        end: (limbs,) likewise of the second.
        score: (limbs,) mean of the field along the segment, with the distance prior.
    """

    kind: Integers
    start: Integers
    end: Integers
    score: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, places: NDArray[np.bool_] | Integers) -> Limbs:
        """Some of the limbs."""
        return Limbs(self.kind[places], self.start[places], self.end[places], self.score[places])


def group_people(
    heatmaps: Floats,
    affinities: Floats,
    options: GroupingOptions | None = None,
    table: BodyTable = BODY_18,
) -> tuple[Floats, Floats]:
    """The people that the maps show.

    Args:
        heatmaps: (18 or 19, height, width): joints in the order of the table; the background, if
            it is there, is not read. With `BODY_25`, 25 or 26.
        affinities: (38, height, width); with `BODY_25`, 52.
        options: Thresholds.
        table: The joints and limbs that the network knows.

    Returns:
        Joints (people, joints, 3): x, y in cells, score in (0, 1], all 0 where not found; people's
        scores (people,) in (0, 1]: the mean over their joints and limbs.
    """
    options = options or GroupingOptions()
    peaks = find_peaks(heatmaps[: table.joints], options.joint_threshold, options.max_candidates)
    limbs = match_limbs(score_limbs(peaks, affinities, options, table))
    return assemble_people(peaks, limbs, options, table)


def find_peaks(heatmaps: Floats, threshold: float, max_candidates: int = 127) -> Peaks:
    """Local maxima of the heat maps, to a fraction of a cell.

    A cell above its eight neighbours is a peak (of equal cells the first); place and height are
    those of the Gaussian through it and its neighbours in x and y.

    Args:
        heatmaps: (joints, height, width).
        threshold: Least height.
        max_candidates: At most so many peaks of a joint, the highest ones.
    """
    joints, height, width = heatmaps.shape
    padded = np.full((joints, height + 2, width + 2), -np.inf, dtype=np.float32)
    padded[:, 1:-1, 1:-1] = heatmaps
    rows = np.maximum(np.maximum(padded[:, :, :-2], padded[:, :, 2:]), padded[:, :, 1:-1])
    centre = padded[:, 1:-1, 1:-1]
    # Between two cells, even along both axes, a Gaussian keeps 0.7 of its height.
    is_peak = centre > 0.7 * threshold
    is_peak &= centre > rows[:, :-2]
    is_peak &= centre > padded[:, 1:-1, :-2]
    is_peak &= centre >= rows[:, 2:]
    is_peak &= centre >= padded[:, 1:-1, 2:]
    joint, y, x = np.nonzero(is_peak)

    height_log = _log(heatmaps[joint, y, x])
    offset_x, gain_x = _vertex(
        _log(heatmaps[joint, y, np.maximum(x - 1, 0)]),
        height_log,
        _log(heatmaps[joint, y, np.minimum(x + 1, width - 1)]),
    )
    offset_y, gain_y = _vertex(
        _log(heatmaps[joint, np.maximum(y - 1, 0), x]),
        height_log,
        _log(heatmaps[joint, np.minimum(y + 1, height - 1), x]),
    )
    score = np.minimum(np.exp(height_log + gain_x + gain_y), 1)
    kept = score > threshold
    order = np.lexsort((-score, ~kept, joint))
    rank = np.arange(len(joint)) - np.searchsorted(joint, joint)
    kept[order[rank >= max_candidates]] = False
    joint = joint[kept]
    return Peaks(
        x=(x + 0.5 + offset_x)[kept].astype(np.float32),
        y=(y + 0.5 + offset_y)[kept].astype(np.float32),
        score=score[kept].astype(np.float32),
        joint=joint,
        first=np.searchsorted(joint, np.arange(joints + 1)),
    )


def _log(heat: Floats) -> Floats:
    return np.log(np.maximum(heat, _FLOOR))


def _vertex(before: Floats, centre: Floats, after: Floats) -> tuple[Floats, Floats]:
    """Offset of the parabola's vertex through three neighbours, and its height over the centre."""
    slope = after - before
    bend = np.minimum(before + after - 2 * centre, -1e-6)
    offset = np.clip(-slope / (2 * bend), -0.5, 0.5)
    return offset, slope * offset / 4


def score_limbs(
    peaks: Peaks, affinities: Floats, options: GroupingOptions, table: BodyTable = BODY_18
) -> Limbs:
    """All pairs of candidates that the affinity fields support as limbs.

    Args:
        peaks: The joint candidates.
        affinities: (channels, height, width).
        options: Thresholds.
        table: The limbs.

    Returns:
        Limbs with enough support and a positive score, in the order of their kinds.
    """
    kind, start, end = _pairs(peaks, table.limbs)
    across, down = peaks.x[end] - peaks.x[start], peaks.y[end] - peaks.y[start]
    length = np.maximum(np.hypot(across, down), 1e-6)
    # A field as complex numbers: one look-up for both channels, and `Re(field · conj(direction))`
    # is the dot product.
    fields = affinities[table.channels] + np.complex64(1j) * affinities[table.channels + 1]
    share = np.linspace(0, 1, options.samples, dtype=np.float32)
    corner = options.affinity_offset - 0.5
    along = _sample(
        fields,
        kind[:, None],
        (peaks.x[start] + corner)[:, None] + across[:, None] * share,
        (peaks.y[start] + corner)[:, None] + down[:, None] * share,
    )
    direction = (across + np.complex64(1j) * down) / length
    projection = (along * np.conj(direction)[:, None]).real
    score = projection.mean(axis=1)
    support = (projection > options.sample_threshold).mean(axis=1)
    is_short = length < options.short_limb
    score[is_short] = np.maximum(score[is_short], options.sample_threshold)
    score += np.minimum(options.long_limb * affinities.shape[1] / length - 1, 0)
    kept = ((support >= options.min_support) | is_short) & (score > 0) & np.isfinite(score)
    return Limbs(kind, start, end, score).take(kept)


def _pairs(peaks: Peaks, limbs: Integers) -> tuple[Integers, Integers, Integers]:
    """Kind of limb, first and second joint candidate of all pairs that could be limbs."""
    counts = np.diff(peaks.first)
    starts, ends = counts[limbs[:, 0]], counts[limbs[:, 1]]
    pairs = starts * ends
    kind = np.repeat(np.arange(len(limbs)), pairs)
    number = np.arange(pairs.sum()) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    start, end = np.divmod(number, np.maximum(ends, 1)[kind])
    return kind, start + peaks.first[limbs[kind, 0]], end + peaks.first[limbs[kind, 1]]


def _sample(
    fields: NDArray[np.complex64], channel: Integers, x: Floats, y: Floats
) -> NDArray[np.complex64]:
    """Bilinear values of `fields` (channels, height, width) at cell indices; clamped outside."""
    _, height, width = fields.shape
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    # The last column and row are reached with weight 1, so the cell before them is the corner.
    left = np.minimum(x.astype(np.int64), max(width - 2, 0))
    top = np.minimum(y.astype(np.int64), max(height - 2, 0))
    right_share, lower_share = x - left, y - top
    flat = fields.ravel()
    place = (channel * height + top) * width + left
    step_x, step_y = min(width - 1, 1), width * min(height - 1, 1)
    upper = flat[place] * (1 - right_share) + flat[place + step_x] * right_share
    place += step_y
    lower = flat[place] * (1 - right_share) + flat[place + step_x] * right_share
    return upper * (1 - lower_share) + lower * lower_share


def match_limbs(limbs: Limbs) -> Limbs:
    """Of the limbs of each kind the matching of highest total score (the paper's equation 12).

    Returns:
        The matched limbs, the surest first; every joint candidate is in at most one of a kind.
    """
    if not len(limbs):
        return limbs
    peaks = max(int(limbs.start.max()), int(limbs.end.max())) + 1
    from_joint, to_joint = limbs.kind * peaks + limbs.start, limbs.kind * peaks + limbs.end
    # A limb whose joints have no other choice is matched; tables are for those that compete.
    is_matched = (np.bincount(from_joint)[from_joint] == 1) & (np.bincount(to_joint)[to_joint] == 1)
    competing = np.flatnonzero(~is_matched)
    for kind in np.unique(limbs.kind[competing]):
        places = competing[limbs.kind[competing] == kind]
        starts, row = np.unique(limbs.start[places], return_inverse=True)
        ends, column = np.unique(limbs.end[places], return_inverse=True)
        table = np.zeros((len(starts), len(ends)))
        table[row, column] = limbs.score[places]
        columns = np.array(best_assignment(table.tolist()))
        is_matched[places] = columns[row] == column
    matched = limbs.take(is_matched)
    return matched.take(np.argsort(-matched.score, kind="stable"))


def assemble_people(
    peaks: Peaks, limbs: Limbs, options: GroupingOptions, table: BodyTable = BODY_18
) -> tuple[Floats, Floats]:
    """Joins limbs into people.

    A limb joins the (partial) people of its two joints. Support limbs come last, and only where no
    kind of joint would be there twice.

    Args:
        peaks: The joint candidates.
        limbs: Matched limbs, the surest first.
        options: Thresholds.
        table: The joints and limbs.

    Returns:
        As `group_people`.
    """
    owner = list(range(len(peaks)))  # of each peak: the person it belongs to, named by a peak
    members = [[place] for place in owner]
    kinds = [1 << joint for joint in peaks.joint.tolist()]  # of each person: a bit for every joint
    limb_scores = [0.0] * len(peaks)
    limb_counts = [0] * len(peaks)
    is_support = np.isin(limbs.kind, table.support)
    for place in np.argsort(is_support, kind="stable").tolist():
        start, end = owner[limbs.start[place]], owner[limbs.end[place]]
        if start == end:
            limb_scores[start] += float(limbs.score[place])
            limb_counts[start] += 1
            continue
        starts_person = limb_counts[start] == 0 and limb_counts[end] == 0
        if kinds[start] & kinds[end] or (is_support[place] and starts_person):
            continue
        for member in members[end]:
            owner[member] = start
        members[start] += members[end]
        kinds[start] |= kinds[end]
        limb_scores[start] += limb_scores[end] + float(limbs.score[place])
        limb_counts[start] += limb_counts[end] + 1

    joints, scores = [], []
    for person in sorted(set(owner)):
        found = members[person]
        total = float(peaks.score[found].sum()) + limb_scores[person]
        score = total / (len(found) + limb_counts[person])
        body = int((peaks.joint[found] < table.counted).sum())
        if body < options.min_joints or score < options.min_score:
            continue
        joint = np.zeros((table.joints, 3), dtype=np.float32)
        joint[peaks.joint[found]] = np.stack(
            [peaks.x[found], peaks.y[found], peaks.score[found]], axis=1
        )
        joints.append(joint)
        scores.append(min(score, 1.0))
    return (
        np.array(joints, dtype=np.float32).reshape(-1, table.joints, 3),
        np.array(scores, dtype=np.float32),
    )
