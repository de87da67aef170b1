"""Tracks: who is who from frame to frame.

Association in two rounds after ByteTrack (Zhang et al., "ByteTrack: Multi-Object Tracking by
Associating Every Detection Box", ECCV 2022, algorithm 1): sure detections are given to the tracks
first, weak ones to the tracks that are left over. What differs, and why:

- Alike is measured on joints first (object key-point similarity), on boxes only where few joints
  are shared: the boxes of two people who pass each other are nearly one, their joints are not.
- Motion is the median way of the joints. A box jumps when the legs come into view; the median of
  the joints does not, so a constant velocity of fixed gain (a Kalman filter in its steady state)
  is enough. All its constants are in seconds and body sizes: any frame rate will do.
- A weak detection starts a track only when it is seen twice running. Nobody in the records lacks
  a number, and a ghost of one frame takes none: a weak newcomer is written from its second frame.

The tracker depends on nothing but the detections it was given, in their order: giving it the same
ones again rebuilds its state exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.assignment import best_assignment
from vitruvian.core.records import Frame, Person
from vitruvian.core.skeletons import COCO17, Skeleton
from vitruvian.people.smoothing import TrackSmoother

Array = NDArray[np.float64]

_DRIFT = 0.6  # body sizes a second that a person may leave the foreseen path by
_UNKNOWN_DRIFT = 1.5  # likewise, on top, of somebody seen once: it may be a runner
_COAST = 0.8  # seconds that a lost person is thought to go on walking
_INERTIA = 0.15  # seconds over which the velocity is averaged
_NEW_JOINT_SIGMA = 0.079  # of a joint that COCO does not know, as of a shoulder


@dataclass
class _Track:
    """One person followed.

    Attributes:
        id: From 1; 0 until confirmed.
        joints: (joints, 3): where each was last seen, carried along while it is not.
        box: (4,): the last box.
        velocity: (2,): pixels a second.
        seconds: When the person was last seen.
        sightings: How often the person was seen.
    """

    id: int
    joints: Array
    box: Array
    velocity: Array
    seconds: float
    sightings: int = 1


class Tracker:
    """Gives the people of one video their numbers: from 1, never used twice.

    Args:
        memory: Seconds after which a person who is out of sight is given up.
        sure: Score from which a detection takes part in the first round, and starts a track alone.
        alike: Least similarity, in [0, 1], of a detection and its track.
    """

    def __init__(self, *, memory: float = 1.0, sure: float = 0.4, alike: float = 0.25) -> None:
        self.memory = memory
        self.sure = sure
        self.alike = alike
        self._tracks: list[_Track] = []
        self._last_id = 0
        self._previous: float | None = None

    def update(self, people: Sequence[Person], seconds: float) -> tuple[Person, ...]:
        """The people of the next frame, numbered, in the order of their numbers.

        Args:
            people: Those detected; all in one skeleton.
            seconds: The time of the frame.

        Returns:
            The same people with `id`, without weak newcomers that were seen for the first time.
        """
        first = self._previous is None
        before = seconds if self._previous is None else self._previous
        self._tracks = [t for t in self._tracks if seconds - t.seconds <= self.memory]
        similarity = self._similarity(people, seconds)
        strong = np.array([person.score >= self.sure for person in people], dtype=bool)
        known = np.array([track.id > 0 for track in self._tracks], dtype=bool)
        recent = np.array([track.seconds >= before for track in self._tracks], dtype=bool)
        # Who is in sight goes before who is lost: a newcomer must not push out a neighbour.
        rounds = (
            (known & recent, strong),
            (known & recent, ~strong),
            (known & ~recent, np.ones_like(strong)),
            (~known & recent, np.ones_like(strong)),
        )
        given: dict[int, _Track] = {}
        taken = np.zeros(len(self._tracks), dtype=bool)
        for tracks, detections in rounds:
            free = detections & ~np.isin(np.arange(len(people)), list(given))
            for row, column in self._match(similarity, tracks & ~taken, free):
                taken[row] = True
                given[column] = self._tracks[row]
        for place, track in given.items():
            _follow(track, people[place], seconds)
        kept = [
            track for track, hit in zip(self._tracks, taken, strict=True) if hit or track.id > 0
        ]
        for place, person in enumerate(people):
            if place not in given:
                given[place] = _begin(person, seconds)
                kept.append(given[place])
        self._tracks = kept
        self._previous = seconds
        for place in sorted(given, key=lambda place: -people[place].score):
            track = given[place]
            if track.id == 0 and (first or strong[place] or track.sightings > 1):
                self._last_id += 1
                track.id = self._last_id
        numbered = [
            replace(people[place], id=track.id) for place, track in given.items() if track.id > 0
        ]
        return tuple(sorted(numbered, key=lambda person: person.id))

    def _match(
        self, similarity: Array, tracks: NDArray[np.bool_], detections: NDArray[np.bool_]
    ) -> list[tuple[int, int]]:
        """Pairs (track, detection) of the best assignment among those that may be paired."""
        rows, columns = np.flatnonzero(tracks), np.flatnonzero(detections)
        part = similarity[np.ix_(rows, columns)]
        # Pairs that are too unlike are worth nothing, so that they do not sway the others.
        worth = np.where(part >= self.alike, part, 0)
        pairs = enumerate(best_assignment(worth.tolist()))
        return [(int(rows[i]), int(columns[j])) for i, j in pairs if j >= 0 and worth[i, j] > 0]

    def _similarity(self, people: Sequence[Person], seconds: float) -> Array:
        """(tracks, people): how alike each is to the place foreseen for each track, in [0, 1]."""
        if not people or not self._tracks:
            return np.zeros((len(self._tracks), len(people)))
        gaps = np.array([max(seconds - track.seconds, 0.0) for track in self._tracks])
        # A walk that is foreseen further dies out: `_COAST` seconds of it at most.
        ways = _COAST * -np.expm1(-gaps / _COAST)
        shifts = np.stack([track.velocity for track in self._tracks]) * ways[:, None]
        track_joints = np.stack([track.joints for track in self._tracks])
        track_joints[..., :2] += shifts[:, None]
        track_boxes = np.stack([track.box for track in self._tracks]) + np.tile(shifts, 2)
        joints = np.stack([person.pose.joints for person in people]).astype(np.float64)
        boxes = np.stack([person.box for person in people]).astype(np.float64)

        size = np.maximum(_sizes(track_boxes)[:, None], _sizes(boxes)[None])
        sigmas = 2 * _sigmas(people[0].pose.skeleton)
        sightings = np.array([track.sightings for track in self._tracks])
        drift = (_DRIFT + _UNKNOWN_DRIFT / sightings) * gaps
        spread = (size[..., None] * np.hypot(sigmas, drift[:, None])[:, None]) ** 2
        way = track_joints[:, None, :, :2] - joints[None, :, :, :2]
        shared = (track_joints[:, None, :, 2] > 0) & (joints[None, :, :, 2] > 0)
        count = shared.sum(axis=2)
        closeness = np.where(shared, np.exp(-(way**2).sum(axis=3) / (2 * spread)), 0)
        key_points = closeness.sum(axis=2) / np.maximum(count, 1)
        trust = count / (count + 2)
        return trust * key_points + (1 - trust) * _overlap(track_boxes, boxes)


def _begin(person: Person, seconds: float) -> _Track:
    return _Track(
        id=0,
        joints=person.pose.joints.astype(np.float64),
        box=person.box.astype(np.float64),
        velocity=np.zeros(2),
        seconds=seconds,
    )


def _follow(track: _Track, person: Person, seconds: float) -> None:
    """Move a track to where its person is now."""
    joints, box = person.pose.joints.astype(np.float64), person.box.astype(np.float64)
    shared = (track.joints[:, 2] > 0) & (joints[:, 2] > 0)
    if shared.any():
        way = np.median(joints[shared, :2] - track.joints[shared, :2], axis=0)
    else:
        way = (box[:2] + box[2:] - track.box[:2] - track.box[2:]) / 2
    gap = seconds - track.seconds
    if gap > 0:
        gain = max(-np.expm1(-gap / _INERTIA), 1 / (track.sightings + 1))
        track.velocity = track.velocity + gain * (way / gap - track.velocity)
    carried = track.joints.copy()
    carried[:, :2] += way
    track.joints = np.where(joints[:, 2:] > 0, joints, carried)
    track.box = box
    track.seconds = seconds
    track.sightings += 1


def _sizes(boxes: Array) -> Array:
    """(n,): half the diagonal; unlike the root of the area it is no zero for a line of joints."""
    return np.maximum(np.hypot(*(boxes[:, 2:] - boxes[:, :2]).T) / 2, 1.0)


def _sigmas(skeleton: Skeleton) -> Array:
    """(joints,): the annotators' spread of each joint, in body sizes, by COCO where it knows it."""
    if skeleton.sigmas:
        return np.array(skeleton.sigmas)
    known = dict(zip(COCO17.joints, COCO17.sigmas, strict=True))
    return np.array([known.get(joint, _NEW_JOINT_SIGMA) for joint in skeleton.joints])


def _overlap(first: Array, second: Array) -> Array:
    """(n, m): intersection over union of boxes x1, y1, x2, y2."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [
        np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)
    ]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)


class Follower:
    """Tracks and, where wanted, smooths the people of one video.

    Args:
        smooth: Whether joints and boxes are smoothed over time.
    """

    def __init__(self, *, smooth: bool = True) -> None:
        self._tracker = Tracker()
        self._smoother = TrackSmoother() if smooth else None

    def follow(self, frame: Frame) -> Frame:
        """The next frame with its people numbered and smoothed, in the order of their numbers."""
        frame = frame.with_people(self._tracker.update(frame.people, frame.seconds))
        return self._smoother(frame) if self._smoother else frame
