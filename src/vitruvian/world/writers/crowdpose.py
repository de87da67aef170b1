"""CrowdPose (Li et al., CVPR 2019): COCO's JSON with 14 joints and a crowd index a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vitruvian.core.skeletons import CROWDPOSE14
from vitruvian.world.writers.base import (
    Entry,
    Record,
    Writer,
    by_part,
    dump_json,
    jpeg,
    rounded,
    seen_people,
)
from vitruvian.world.writers.coco import coco_box, coco_category, coco_content, coco_points

if TYPE_CHECKING:
    from vitruvian.world.sample import Sample

PARTS = ("train", "val", "test")
NAMES = (*CROWDPOSE14.joints[:12], "head", "neck")


def encode(sample: Sample, part: str) -> Entry:
    """A picture, its people and its crowd index."""
    height, width = sample.image.shape[:2]
    number = 100000 + sample.index
    annotations = []
    for place, person in seen_people(sample):
        points = coco_points(person, CROWDPOSE14)
        annotations.append(
            {
                "num_keypoints": int((points[:12, 2] > 0).sum()),  # head and neck left out
                "iscrowd": 0,
                "keypoints": rounded(points.ravel()),
                "image_id": number,
                "bbox": coco_box(person.box),
                "category_id": 1,
                "id": 100 * number + place,
            }
        )
    name = f"{number}.jpg"
    image = {"file_name": name, "id": number, "height": height, "width": width}
    record = {
        "image": {**image, "crowdIndex": round(crowd_index(sample), 2)},
        "annotations": annotations,
    }
    del part  # all pictures lie in one folder
    return Entry({f"images/{name}": jpeg(sample.image)}, record, len(annotations))


def crowd_index(sample: Sample) -> float:
    """Mean over people of others' joints in their box a joint of their own; at most 1 (eq. 1)."""
    points = {place: person.keypoints(CROWDPOSE14) for place, person in seen_people(sample)}
    ratios = []
    for place, person in seen_people(sample):
        counts = {
            other: int(
                (
                    (own[:, 2] > 0)
                    & (own[:, :2] >= person.box[:2]).all(axis=1)
                    & (own[:, :2] <= person.box[2:]).all(axis=1)
                ).sum()
            )
            for other, own in points.items()
        }
        own_count = counts.pop(place)
        ratios.append(min(1.0, sum(counts.values()) / max(own_count, 1)))
    return float(np.mean(ratios)) if ratios else 0.0


def finish(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """The three annotation files, and training and validation in one."""
    category = coco_category(CROWDPOSE14, NAMES)
    parts = {part: by_part(records, part) for part in PARTS}
    parts["trainval"] = [record for record in records if record.part != "test"]
    for part, own in parts.items():
        content = coco_content(own, category)
        kept = {name: content[name] for name in ("categories", "images", "annotations")}
        yield f"json/crowdpose_{part}.json", dump_json(kept)


WRITER = Writer(
    "crowdpose",
    "CrowdPose: 14 joints of each person of a crowd, and how crowded the picture is.",
    encode,
    finish,
    parts=PARTS,
    size=(480, 320),
    crowd=(3, 8),
)
