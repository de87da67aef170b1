"""Tracks: who was where, when; and the windows of them that are trained and tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError

if TYPE_CHECKING:
    from vitruvian.motion.layouts import Layout

OBSERVED, PREDICTED = 8, 12
"""Steps of 0.4 s: 3.2 s that are seen, 4.8 s that follow."""

STEP = 0.4
"""Seconds between two annotated frames."""


@dataclass(frozen=True, eq=False)
class Tracks:
    """Positions of people in one scene, a row each, by frame and then by person.

    Attributes:
        frames: (rows,) int64: the frame's own number.
        people: (rows,) int64: the person's own number.
        positions: (rows, 2) float64: in `unit`.
        source: The file.
        unit: "m", "px", or "heights": of the person's own body.
        step: Seconds from one frame of the file to the next annotated one.
        to_pixels: (3, 3): the homography from positions to the scene's picture, where it is known.
        layout: The scene's semantic map, where there is one.
    """

    frames: NDArray[np.int64]
    people: NDArray[np.int64]
    positions: NDArray[np.float64]
    source: str
    unit: str = "m"
    step: float = STEP
    to_pixels: NDArray[np.float64] | None = None
    layout: Layout | None = None

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, eq=False)
class Windows:
    """Pieces of one length cut from tracks: everyone who is there for the whole of it.

    Attributes:
        tracks: (people, steps, 2) float32: the people of the first window, then of the second, …
        starts: (windows + 1,) int64: rows of window w are `starts[w]` to `starts[w + 1]`.
        people: (people,) int64: their own numbers.
        frames: (windows,) int64: the first frame of each.
        sources: (windows,): the file of each.
        layouts: (windows,): the semantic map of each one's scene, where there is one.
    """

    tracks: NDArray[np.float32]
    starts: NDArray[np.int64]
    people: NDArray[np.int64]
    frames: NDArray[np.int64]
    sources: tuple[str, ...]
    layouts: tuple[Layout | None, ...]

    def __len__(self) -> int:
        return len(self.frames)

    def rows(self, window: int) -> slice:
        """Where a window's people are in `tracks`."""
        return slice(int(self.starts[window]), int(self.starts[window + 1]))


def make_tracks(
    frames: NDArray[np.float64],
    people: NDArray[np.float64],
    positions: NDArray[np.float64],
    source: str,
    *,
    lines: Sequence[int] | NDArray[np.int64] | None = None,
    unit: str = "m",
    step: float = STEP,
    to_pixels: NDArray[np.float64] | None = None,
    layout: Layout | None = None,
) -> Tracks:
    """Sort rows by frame and person, after a look at whether they can be right.

    Rows that say the same twice count once.

    Args:
        frames: (rows,) whole numbers.
        people: (rows,) whole numbers.
        positions: (rows, 2).
        source: The file.
        lines: (rows,): the line of each row, for messages; counted from 1 where left out.
        unit: See `Tracks`.
        step: Likewise.
        to_pixels: Likewise.
        layout: Likewise.

    Raises:
        InputError: a number is not finite or not whole, or a person is at two places at once.
    """
    where = np.arange(1, len(frames) + 1) if lines is None else np.asarray(lines)
    values = np.column_stack([frames, people, positions]).astype(np.float64)
    _refuse(~np.isfinite(values).all(axis=1), where, source, "holds a number that is not finite")
    keys = values[:, :2]
    odd = ((keys != np.round(keys)) | (np.abs(keys) > 2**53)).any(axis=1)
    _refuse(odd, where, source, "holds a frame or a person that is no whole number")
    order = np.lexsort((where, keys[:, 1], keys[:, 0]))
    values, where = values[order], where[order]
    again = np.zeros(len(values), dtype=bool)
    again[1:] = (values[1:, :2] == values[:-1, :2]).all(axis=1)
    moved = again.copy()
    moved[1:] &= (values[1:, 2:] != values[:-1, 2:]).any(axis=1)
    _refuse(moved, where, source, "puts a person at a second place in the same frame")
    values = values[~again]
    whole = values[:, :2].astype(np.int64)
    return Tracks(whole[:, 0], whole[:, 1], values[:, 2:], source, unit, step, to_pixels, layout)


def _refuse(bad: Any, lines: NDArray[np.int64], source: str, what: str) -> None:
    if bad.any():
        raise InputError(f"{source}, line {lines[bad].min()} {what}: correct it or take it out.")


def read_text(
    file: str | Path, *, columns: Sequence[int] = (0, 1, 2, 3), unit: str = "m"
) -> Tracks:
    """Tracks of a text file: a row a position, with tabs, spaces or commas between numbers.

    Args:
        file: Empty lines and lines that begin with # are passed over.
        columns: Places of frame, person, x and y in a row.
        unit: See `Tracks`.

    Raises:
        InputError: the file cannot be read, or a line is wrong; it is named.
    """
    rows, lines = [], []
    for number, line in enumerate(read_lines(file), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        parts = text.replace(",", " ").replace(";", " ").split()
        try:
            rows.append([float(parts[column]) for column in columns])
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{file}, line {number} is not a row of frame, person, x and y: {text[:40]!r}."
            ) from error
        lines.append(number)
    if not rows:
        raise InputError(f"{file} holds no tracks: give rows of frame, person, x and y.")
    values = np.array(rows, dtype=np.float64)
    source = str(file)
    return make_tracks(values[:, 0], values[:, 1], values[:, 2:], source, lines=lines, unit=unit)


def read_lines(file: str | Path) -> list[str]:
    """The lines of a text file.

    Raises:
        InputError: it is absent, or no text.
    """
    try:
        return Path(file).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text: give rows of frame, person, x and y.") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): give a track file.") from error


def cut_windows(
    tracks: Tracks, *, length: int = OBSERVED + PREDICTED, stride: int = 1, least: int = 2
) -> Windows:
    """Windows of consecutive annotated frames, as the published loader of SGAN cuts them.

    Gaps in the frames' numbers are not looked at: the next annotated frame is the next step.
    Coordinates are rounded to four decimals.

    Args:
        tracks: Of one scene.
        length: Annotated frames of a window.
        stride: Annotated frames from one window's start to the next one's (SGAN's `skip`).
        least: A window with fewer people is left out (SGAN's `min_ped` + 1).
    """
    numbers, times = np.unique(tracks.frames, return_inverse=True)
    order = np.lexsort((times, tracks.people))
    people, times = tracks.people[order], times[order]
    positions = np.round(tracks.positions[order], 4)
    first = np.arange(max(len(order) - length + 1, 0))
    last = first + length - 1
    whole = (people[first] == people[last]) & (times[last] - times[first] == length - 1)
    first = first[whole & (times[first] % stride == 0)]
    first = first[np.lexsort((people[first], times[first]))]
    begun, counts = np.unique(times[first], return_counts=True)
    first = first[np.repeat(counts >= least, counts)]
    begun, counts = begun[counts >= least], counts[counts >= least]
    pieces = positions[first[:, None] + np.arange(length)]
    return Windows(
        pieces.astype(np.float32).reshape(-1, length, 2),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        people[first],
        numbers[begun],
        (tracks.source,) * len(begun),
        (tracks.layout,) * len(begun),
    )


def join_windows(parts: Sequence[Windows]) -> Windows:
    """All windows of several scenes, one scene after the other; at least one."""
    counts = np.concatenate([np.diff(part.starts) for part in parts])
    return Windows(
        np.concatenate([part.tracks for part in parts]),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.concatenate([part.people for part in parts]),
        np.concatenate([part.frames for part in parts]),
        tuple(source for part in parts for source in part.sources),
        tuple(layout for part in parts for layout in part.layouts),
    )


def is_nonlinear(track: NDArray[np.floating], threshold: float = 0.002) -> bool:
    """Whether a track bends: SGAN's `poly_fit`, which its metrics do not use.

    Args:
        track: (steps, 2): the future.
        threshold: Of the summed squared residuals of second-order fits in x and in y, in unit².
    """
    times = np.linspace(0, len(track) - 1, len(track))
    residuals = [np.polyfit(times, track[:, axis], 2, full=True)[1] for axis in (0, 1)]
    return float(sum(part.sum() for part in residuals)) >= threshold
