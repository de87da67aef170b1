"""TrajNet++ (Kothari et al., 2020): tracks as lines of JSON, in metres, 2.5 frames a second.

Layout: `train/*.ndjson`, `val/*.ndjson`, `test/*.ndjson`; lines `{"track": {"f", "p", "x", "y"}}`
and `{"scene": {…}}`. Lines of predictions (`prediction_number`) are passed over.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import find_data
from vitruvian.motion.tracks import Tracks, cut_windows, join_windows, make_tracks, read_lines


def read_trajnet(file: str | Path) -> Tracks:
    """The tracks of an ndjson file.

    Raises:
        InputError: the file is absent, or a line is wrong; it is named.
    """
    rows, lines = [], []
    for number, line in enumerate(read_lines(file), 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
            track = content.get("track")
            if track is None or track.get("prediction_number") is not None:
                continue
            rows.append([float(track[key]) for key in ("f", "p", "x", "y")])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{file}, line {number} is no line of TrajNet++.") from error
        lines.append(number)
    values = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return make_tracks(values[:, 0], values[:, 1], values[:, 2:], str(file), lines=lines)


class TrajNet:
    """Windows of 20 steps of a part of TrajNet++.

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
        parts = [cut_windows(read_trajnet(file)) for file in sorted(folder.glob("*.ndjson"))]
        if not any(map(len, parts)):
            raise InputError(f"{folder} holds no tracks of 20 steps: give TrajNet++'s folder.")
        self.windows = join_windows(parts)

    def __len__(self) -> int:
        return len(self.windows)
