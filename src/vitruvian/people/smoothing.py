"""Steadies tracked people: the One-Euro filter.

Casiez, Roussel, Vogel, CHI 2012, section 3 and algorithm 1: a low-pass filter whose cutoff
frequency rises with the speed, so that a still joint does not jitter and a fast one does not lag.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.records import Face, Frame, Person, Pose

Doubles = NDArray[np.float64]

_LEAST_STEP = 1e-3  # seconds: frames with the same time, or with times that go back


@dataclass(frozen=True)
class OneEuroOptions:
    """How strongly the filter smooths.

    Attributes:
        min_cutoff: In Hz, of a value at rest; less is steadier.
        beta: Rise of the cutoff with the speed, in Hz for one `scale` a second; more lags less.
        derivative_cutoff: In Hz, of the speed's own low-pass filter.
        max_gap: In seconds. A value that was missing for longer starts anew.
    """

    min_cutoff: float = 1.0
    beta: float = 30.0
    derivative_cutoff: float = 1.0
    max_gap: float = 0.25


class OneEuroFilter:
    """Filters arrays of one shape over time, each value by itself.

    Args:
        options: How strongly.
    """

    def __init__(self, options: OneEuroOptions | None = None) -> None:
        self.options = options or OneEuroOptions()
        self._raw: Doubles | None = None
        self._smooth = self._speed = self._age = np.zeros(0)

    def __call__(
        self, values: NDArray[np.floating[Any]], seconds: float, scale: float = 1.0
    ) -> Doubles:
        """The filtered values of the next moment.

        Args:
            values: Any shape, always the same; NaN where missing.
            seconds: Since the last call; of no meaning in the first one.
            scale: Size of the thing that moves, in the unit of the values: speed is counted in
                sizes a second, so the result does not depend on the resolution.

        Returns:
            Same shape; NaN where missing. A value seen for the first time comes back as it is.
        """
        values = values.astype(np.float64)
        seconds = max(seconds, _LEAST_STEP)
        options = self.options
        if self._raw is None:
            self._raw = np.full_like(values, np.nan)
            self._smooth, self._speed = self._raw.copy(), np.zeros_like(values)
            self._age = np.zeros_like(values)
        seen = ~np.isnan(values)
        self._age += seconds  # since each value was seen
        known = seen & ~np.isnan(self._raw) & (self._age <= max(options.max_gap, seconds))
        speed = np.where(known, (values - self._raw) / np.maximum(self._age, _LEAST_STEP), 0)
        share = _share(self._age, options.derivative_cutoff)
        speed = np.where(known, share * speed + (1 - share) * self._speed, 0)
        cutoff = options.min_cutoff + options.beta * np.abs(speed) / scale
        share = _share(self._age, cutoff)
        smooth = np.where(known, share * values + (1 - share) * self._smooth, values)

        self._raw = np.where(seen, values, self._raw)
        self._smooth = np.where(seen, smooth, self._smooth)
        self._speed = np.where(seen, speed, self._speed)
        self._age = np.where(seen, 0, self._age)
        return smooth


def _share(seconds: Doubles, cutoff: Doubles | float) -> Doubles:
    """Weight of the new value in a low-pass filter of that cutoff."""
    turn = 2 * np.pi * cutoff * seconds
    return turn / (turn + 1)


@dataclass
class _Track:
    joints: OneEuroFilter
    face: OneEuroFilter
    count: int  # of joints
    seconds: float  # when last seen


class TrackSmoother:
    """Smooths the people of a video's frames, one state a track.

    Joints that were found are filtered, and the face's box and landmarks; the person's box follows
    its joints. Scores and what is missing stay as they are. The result depends on nothing but the
    frames given so far.

    Args:
        options: How strongly; the scale is the longer side of the person's box.
        forget_after: Seconds that a track may be unseen before its state is dropped.
    """

    def __init__(self, options: OneEuroOptions | None = None, forget_after: float = 2.0) -> None:
        self.options = options or OneEuroOptions()
        self.forget_after = forget_after
        self._tracks: dict[int, _Track] = {}

    def __call__(self, frame: Frame) -> Frame:
        """The frame with smoothed people; those without a track (id 0) stay as they are.

        Args:
            frame: The next frame of the video, with its time in `seconds`.
        """
        self._tracks = {
            number: track
            for number, track in self._tracks.items()
            if frame.seconds - track.seconds <= self.forget_after
        }
        people = tuple(
            self._smooth(person, frame.seconds) if person.id > 0 else person
            for person in frame.people
        )
        return frame.with_people(people)

    def _smooth(self, person: Person, seconds: float) -> Person:
        track = self._tracks.get(person.id)
        if track is None or track.count != len(person.pose.skeleton):
            track = _Track(
                OneEuroFilter(self.options),
                OneEuroFilter(self.options),
                len(person.pose.skeleton),
                seconds,
            )
            self._tracks[person.id] = track
        step, track.seconds = seconds - track.seconds, seconds
        scale = max(float(np.max(person.box[2:] - person.box[:2])), 1.0)
        pose = _smooth_pose(person.pose, track.joints, step, scale)
        box = person.box
        if pose.found.any():
            box = box + pose.box() - person.pose.box()
        face = _smooth_face(person.face, track.face, step, scale)
        return replace(person, box=box, pose=pose, face=face)


def _smooth_pose(pose: Pose, one_euro: OneEuroFilter, step: float, scale: float) -> Pose:
    found = pose.found[:, None]
    places = one_euro(np.where(found, pose.joints[:, :2], np.nan), step, scale)
    joints = pose.joints.copy()
    joints[:, :2] = np.where(found, places, joints[:, :2])
    return Pose(pose.skeleton, joints)


def _smooth_face(
    face: Face | None, one_euro: OneEuroFilter, step: float, scale: float
) -> Face | None:
    """Box corners and landmarks as seven points; a frame without the face only lets time pass."""
    if face is None:
        one_euro(np.full((7, 2), np.nan), step, scale)
        return None
    points = np.concatenate([face.box.reshape(2, 2), face.landmarks])
    points = one_euro(points, step, scale).astype(np.float32)
    return replace(face, box=points[:2].ravel(), landmarks=points[2:])
