"""Look into Person (Gong et al., CVPR 2017): 20 labels of body and clothes, and 16 joints in a CSV.

Joints are in MPII's order as pixel indices, so 0.5 is taken off; the flag is 0 for a seen joint, 1
for a hidden one, and a joint outside of the picture is `nan,nan,nan`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vitruvian.core.skeletons import MPII16
from vitruvian.world.writers.base import (
    Entry,
    Record,
    Writer,
    by_part,
    jpeg,
    largest_person,
    lines,
    png,
    rounded,
)

if TYPE_CHECKING:
    from vitruvian.world.sample import Sample

PICTURES = "TrainVal_images/{part}_images"
MAPS = "TrainVal_parsing_annotations/{part}_segmentations"


def encode(sample: Sample, part: str) -> Entry:
    """A picture, its map, and the joints of the largest person."""
    from vitruvian.world.labels import lip_labels

    name = f"{sample.index + 1:06d}_{sample.seed % 10**6}"
    joints: list[float | str] = []
    for x, y, seen in largest_person(sample).keypoints(MPII16):
        known = [*rounded([x - 0.5, y - 0.5]), int(seen == 1)]
        joints += known if seen else ["nan"] * 3
    files = {
        f"{PICTURES.format(part=part)}/{name}.jpg": jpeg(sample.image),
        f"{MAPS.format(part=part)}/{name}.png": png(lip_labels(sample)),
    }
    return Entry(files, {"name": name, "joints": joints})


def finish(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """The ids and the joints of both parts."""
    for part in ("train", "val"):
        own = [record.content for record in by_part(records, part)]
        yield f"TrainVal_images/{part}_id.txt", lines(entry["name"] for entry in own)
        rows = (",".join(map(str, [f"{entry['name']}.jpg", *entry["joints"]])) for entry in own)
        yield f"TrainVal_pose_annotations/lip_{part}_set.csv", lines(rows)


WRITER = Writer(
    "lip",
    "Look into Person: maps of 20 labels of body parts and clothes, 16 joints in a CSV.",
    encode,
    finish,
    parts=("train", "val"),
    size=(192, 256),
)
