"""CamVid (Brostow et al., 2009) in SegNet's layout: pictures and maps of 11 classes, 11 is void."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vitruvian.world.writers.base import Entry, Record, Writer, by_part, lines, png
from vitruvian.world.writers.scene import relabelled

if TYPE_CHECKING:
    from vitruvian.world.sample import Sample

CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence"),
    *("car", "pedestrian", "bicyclist", "void"),
)
VOID = CLASSES.index("void")
NUMBERS = {"sky": 0, "building": 1, "road": 3, "plant": 5, "person": 9}


def encode(sample: Sample, part: str) -> Entry:
    """A picture and its map."""
    name = f"{sample.seed % 10**4:04d}VW_{sample.index:06d}.png"
    labels = relabelled(sample, NUMBERS, VOID)
    files = {f"{part}/{name}": png(sample.image), f"{part}annot/{name}": png(labels)}
    people = np.unique(sample.rendering.person[sample.rendering.person >= 0])
    return Entry(files, {"name": name}, len(people))


def finish(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """SegNet's lists of pictures and maps."""
    for part in ("train", "val", "test"):
        names = [record.content["name"] for record in by_part(records, part)]
        pairs = (
            f"/SegNet/CamVid/{part}/{name} /SegNet/CamVid/{part}annot/{name}" for name in names
        )
        yield f"{part}.txt", lines(pairs)


WRITER = Writer(
    "camvid",
    "CamVid in SegNet's layout: street scenes in 11 classes, best with --place street.",
    encode,
    finish,
    parts=("train", "val", "test"),
    size=(480, 360),
    crowd=(1, 6),
)
