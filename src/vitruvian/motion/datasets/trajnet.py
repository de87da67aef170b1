"""TrajNet++ (Kothari et al., 2020): tracks as lines of JSON, in metres, 2.5 frames a second.

Layout: `train/*.ndjson`, `val/*.ndjson`, `test/*.ndjson`; lines `{"track": {"f", "p", "x", "y"}}`
and `{"scene": {"id", "p", "s", "e"}}`: person p is to be predicted in frames s to e, 21 of them.
Lines of predictions (`prediction_number`) are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import find_data
from vitruvian.motion.tracks import (
    OBSERVED,
    PREDICTED,
    Tracks,
    Windows,
    cut_windows,
    join_windows,
    make_tracks,
    read_lines,
)


def read_trajnet(file: str | Path) -> Tracks:
    """The tracks of an ndjson file.

    Raises:
        InputError: the file is absent, or a line is wrong; it is named.
    """
    rows, lines = [], []
    for number, content in _lines(file):
        track = content.get("track")
        if track is None:
            continue
        try:
            if track.get("prediction_number") is not None:
                continue
            rows.append([float(track[key]) for key in ("f", "p", "x", "y")])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _wrong(file, number) from error
        lines.append(number)
    values = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return make_tracks(values[:, 0], values[:, 1], values[:, 2:], str(file), lines=lines)


def _lines(file: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and content of each line that is not empty."""
    for number, line in enumerate(read_lines(file), 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except ValueError as error:
            raise _wrong(file, number) from error
        if not isinstance(content, dict):
            raise _wrong(file, number)
        yield number, content


def _wrong(file: str | Path, line: int) -> InputError:
    return InputError(f"{file}, line {line} is no line of TrajNet++.")


def scene_windows(file: str | Path) -> Windows:
    """The samples of a file: a window a scene, of its last 20 frames, the person asked for first.

    Everyone is in it who is there in all of them. A scene whose own person is not is left out: it
    is of a part whose future is not published. A file without scenes is cut as ETH/UCY is.

    Raises:
        InputError: the file is absent, or a line is wrong; it is named.
    """
    tracks = read_trajnet(file)
    scenes = []
    for number, content in _lines(file):
        if (scene := content.get("scene")) is None:
            continue
        try:
            scenes.append([int(scene[key]) for key in ("p", "s", "e")])
        except (ValueError, TypeError, KeyError) as error:
            raise _wrong(file, number) from error
    if not scenes:
        return cut_windows(tracks)
    parts = [part for scene in scenes if (part := _sample(tracks, *scene))]
    return join_windows(parts) if parts else cut_windows(tracks, least=len(tracks) + 1)


def _sample(tracks: Tracks, person: int, start: int, end: int) -> Windows | None:
    """The window of one scene."""
    steps = OBSERVED + PREDICTED
    first, last = np.searchsorted(tracks.frames, [start, end + 1])
    numbers = np.unique(tracks.frames[first:last])[-steps:]
    rows = np.arange(first, last)[np.isin(tracks.frames[first:last], numbers)]
    people, counts = np.unique(tracks.people[rows], return_counts=True)
    whole = people[counts == steps]
    if person not in whole:
        return None
    order = np.concatenate([[person], whole[whole != person]])
    pieces = np.stack([tracks.positions[rows[tracks.people[rows] == one]] for one in order])
    return Windows(
        pieces.astype(np.float32),
        np.array([0, len(order)]),
        order.astype(np.int64),
        numbers[:1],
        (tracks.source,),
        (None,),
    )


class TrajNet:
    """The samples of a part of TrajNet++, with 8 of the 9 steps that may be seen.

    All people of a sample are trained and scored, not only the one whom the challenge asks for.

    Args:
        split: "train", "val" or "test".
        root: The data set's folder; None: its own below the data root.

    Raises:
        UnknownNameError: there is no such split.
        InputError: a file is absent or damaged.
    """

    name: ClassVar[str] = "trajnet"
    title: ClassVar[str] = "TrajNet++"
    licence: ClassVar[str] = "research use"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    unit: ClassVar[str] = "m"

    def __init__(self, split: str = "val", root: str | Path | None = None) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        folder = find_data(self.name, root) / split
        parts = [scene_windows(file) for file in sorted(folder.glob("*.ndjson"))]
        if not any(map(len, parts)):
            raise InputError(
                f"{folder} holds no tracks of 20 steps: give TrajNet++'s folder, and a "
                "part whose futures are in it."
            )
        self.windows = join_windows(parts)

    def __len__(self) -> int:
        return len(self.windows)
