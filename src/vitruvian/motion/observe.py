"""What was observed at one moment of a scene, at the network's pace; gaps are filled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.motion.tracks import OBSERVED, PREDICTED, STEP, Tracks


@dataclass(frozen=True, eq=False)
class Moment:
    """Everyone at one frame.

    Attributes:
        frame: The frame's number.
        frames: (12,) numbers of the frames that are predicted.
        people: (people,) their numbers.
        past: (people, 8, 2) float64; what lies before someone's first frame goes on backwards at
            the pace of the first steps that are known.
        seen: (people,) how many of the 8 were in the file, or between two that were.
        truth: (people, 12, 2): where the file goes on, else NaN.
    """

    frame: int
    frames: NDArray[np.int64]
    people: NDArray[np.int64]
    past: NDArray[np.float64]
    seen: NDArray[np.int64]
    truth: NDArray[np.float64]


def observe(tracks: Tracks, frame: int | None = None) -> Moment:
    """Everyone who is there at a frame, with their last 3.2 s and, where known, the next 4.8 s.

    Positions between two known frames of a person are interpolated, whatever the file's own pace.

    Args:
        tracks: Of one scene.
        frame: Its number; None: the last one.

    Raises:
        InputError: nobody is there in that frame.
    """
    numbers = np.unique(tracks.frames)
    if not len(numbers):
        raise InputError(f"{tracks.source} holds nobody: give tracks of one person or more.")
    now = int(numbers[-1]) if frame is None else frame
    pace = STEP / tracks.step * _spacing(numbers)
    steps = np.arange(1 - OBSERVED, PREDICTED + 1)
    times = now + steps * pace
    order = np.lexsort((tracks.frames, tracks.people))
    ids, starts = np.unique(tracks.people[order], return_index=True)
    people, pieces = [], []
    for person, rows in zip(ids, np.split(order, starts[1:]), strict=True):
        known = tracks.frames[rows]
        if not known[0] <= now <= known[-1]:
            continue
        inside = (times >= known[0]) & (times <= known[-1])
        piece = np.full((len(times), 2), np.nan)
        for axis in (0, 1):
            piece[inside, axis] = np.interp(times[inside], known, tracks.positions[rows, axis])
        people.append(int(person))
        pieces.append(piece)
    if not people:
        raise InputError(
            f"{tracks.source} has nobody in frame {now}: its frames go from {numbers[0]} to "
            f"{numbers[-1]}."
        )
    found = np.stack(pieces)
    past = found[:, :OBSERVED]
    seen = np.isfinite(past[..., 0]).sum(axis=1)
    return Moment(
        now,
        np.round(times[OBSERVED:]).astype(np.int64),
        np.array(people),
        np.stack([_filled(track, count) for track, count in zip(past, seen, strict=True)]),
        seen,
        found[:, OBSERVED:],
    )


def _spacing(numbers: NDArray[np.int64]) -> int:
    """The most common difference of successive frames; 1 of a single frame."""
    if len(numbers) < 2:
        return 1
    values, counts = np.unique(np.diff(numbers), return_counts=True)
    return int(values[counts.argmax()])


def _filled(track: NDArray[np.float64], seen: int) -> NDArray[np.float64]:
    """A past whose last `seen` steps are known, with the steps before."""
    missing = len(track) - seen
    if not missing:
        return track
    known = track[missing:]
    with np.errstate(over="ignore"):
        move = known[1] - known[0] if seen > 1 else np.zeros(2)
        back = np.nan_to_num(known[0] - np.arange(missing, 0, -1)[:, None] * move)
    return np.concatenate([back, known])
