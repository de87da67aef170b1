"""Leeds Sports Pose, extended (Johnson and Everingham, CVPR 2011): one person a picture.

Columns of `joints.mat` are x, y and 1 for a visible joint; a hidden one is 0, 0, 0. MATLAB counts
from 1: 0.5 is added. `ids`, `train.txt` and `test.txt` say which pictures there are and their part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vitruvian.core.skeletons import LSP14
from vitruvian.world.writers.base import (
    Entry,
    Record,
    Writer,
    by_part,
    jpeg,
    largest_person,
    lines,
    matlab,
    rounded,
)

if TYPE_CHECKING:
    from vitruvian.world.sample import Sample


def encode(sample: Sample, part: str) -> Entry:
    """A picture, unless no joint is seen in it, which LSP cannot hold."""
    del part  # all pictures lie in one folder
    points = largest_person(sample).keypoints(LSP14)
    seen = points[:, 2] == 2
    if not seen.any():
        return Entry({}, {}, 0)
    points = np.where(seen[:, None], points + np.array([0.5, 0.5, -1.0]), 0)
    name = _name(sample.index)
    record = {"joints": [rounded(point) for point in points]}
    return Entry({f"images/{name}.jpg": jpeg(sample.image)}, record)


def _name(index: int) -> str:
    return f"im{index + 1:05d}"


def finish(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """The joints, and the lists of both parts."""
    kept = [record for record in records if record.content]
    joints = np.array([record.content["joints"] for record in kept], dtype=np.float64)
    ids = np.array([[record.index + 1 for record in kept]], dtype=np.float64)
    arrays = {"joints": joints.reshape(-1, 14, 3).transpose(1, 2, 0), "ids": ids}
    yield "joints.mat", matlab(arrays)
    for part in ("train", "test"):
        yield f"{part}.txt", lines(_name(record.index) for record in by_part(kept, part))


WRITER = Writer(
    "lsp",
    "Leeds Sports Pose (extended): 14 joints of one person a picture.",
    encode,
    finish,
    parts=("train", "test"),
    size=(160, 200),
)
