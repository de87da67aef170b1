"""Stanford Drone Dataset (Robicquet et al., ECCV 2016): a campus from above, in pixels.

Layout: `annotations/SCENE/videoN/annotations.txt`, a row a box and frame at 30 frames a second:
track, x1, y1, x2, y2, frame, lost, occluded, generated, "label".
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import find_data
from vitruvian.motion.tracks import Tracks, cut_windows, join_windows, make_tracks, read_lines

EVERY = 12
"""Frames of the film from one step to the next: 0.4 s."""

TEST = (
    *("coupa/video0", "coupa/video1", "gates/video2"),
    *(f"hyang/video{number}" for number in (0, 1, 3, 8)),
    *(f"little/video{number}" for number in (0, 1, 2, 3)),
    *("nexus/video5", "nexus/video6"),
    *(f"quad/video{number}" for number in (0, 1, 2, 3)),
)
"""Films of the TrajNet challenge's test part, the split that everyone uses."""

TRAIN = (
    *(f"bookstore/video{number}" for number in range(4)),
    "coupa/video3",
    *(f"deathCircle/video{number}" for number in range(5)),
    *(f"gates/video{number}" for number in (0, 1, 3, 4, 5, 6, 7, 8)),
    *(f"hyang/video{number}" for number in (4, 5, 6, 7, 9)),
    *(f"nexus/video{number}" for number in (0, 1, 3, 4, 7, 8, 9)),
)
"""Films of its training part; the other films of SDD are in neither."""


def read_sdd(file: str | Path, *, label: str | None = "Pedestrian") -> Tracks:
    """Centres of the boxes of a film, every 0.4 s; boxes out of sight are left out.

    Args:
        file: An `annotations.txt`.
        label: Of which kind; None: all.

    Raises:
        InputError: the file is absent, or a line is wrong; it is named.
    """
    rows, lines = [], []
    for number, line in enumerate(read_lines(file), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            track, x1, y1, x2, y2, frame, lost = (float(part) for part in parts[:7])
            kind = parts[9].strip('"')
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{file}, line {number} is no row of SDD (track, box, frame, three flags, label)."
            ) from error
        if lost or frame % EVERY or label not in (None, kind):
            continue
        rows.append((frame, track, (x1 + x2) / 2, (y1 + y2) / 2))
        lines.append(number)
    values = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return make_tracks(values[:, 0], values[:, 1], values[:, 2:], str(file), lines=lines, unit="px")


class Sdd:
    """Windows of 20 steps of a part of SDD.

    Args:
        split: "test": the films of `TEST`; "val" and "train": the last fifth of each film of
            `TRAIN`, and what lies before it.
        root: The data set's folder; None: its own below the data root.

    Raises:
        UnknownNameError: there is no such split.
        InputError: a file is absent or damaged.
    """

    name: ClassVar[str] = "sdd"
    title: ClassVar[str] = "Stanford Drone Dataset"
    licence: ClassVar[str] = "CC-BY-NC-SA-3.0"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    unit: ClassVar[str] = "px"

    def __init__(self, split: str = "test", root: str | Path | None = None) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        folder = find_data(self.name, root) / "annotations"
        parts = []
        for film in TEST if split == "test" else TRAIN:
            file = folder / film / "annotations.txt"
            if file.is_file():
                tracks = read_sdd(file)
                parts.append(cut_windows(tracks if split == "test" else _cut(tracks, split)))
        if not any(map(len, parts)):
            raise InputError(f"{folder} holds no film of {self.title} for its part {split!r}.")
        self.windows = join_windows(parts)

    def __len__(self) -> int:
        return len(self.windows)


def _cut(tracks: Tracks, split: str) -> Tracks:
    """The last fifth of a film's frames, or what is before it."""
    if not len(tracks):
        return tracks
    border = tracks.frames[0] + 0.8 * (tracks.frames[-1] - tracks.frames[0])
    rows = (tracks.frames >= border) == (split == "val")
    return Tracks(
        tracks.frames[rows], tracks.people[rows], tracks.positions[rows], tracks.source, "px"
    )
