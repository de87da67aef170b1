"""COCO key points (Lin et al., ECCV 2014): `annotations/person_keypoints_*2017.json`, pictures.

COCO counts pixels as indices: 0.5 is taken off the house's points. Boxes and masks are of the
visible pixels; people of whom none is seen are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.skeletons import COCO17, Skeleton
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

if TYPE_CHECKING:
    from vitruvian.world.sample import RenderedPerson, Sample

LICENCE = {"id": 1, "name": "Rendered by vitruvian; yours", "url": ""}


def encode(sample: Sample, part: str) -> Entry:
    """A picture and its people."""
    annotations = [coco_person(sample, place, person) for place, person in seen_people(sample)]
    return coco_entry(sample, f"{part}2017", annotations)


def finish(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """Both annotation files."""
    for part in ("train", "val"):
        content = coco_content(by_part(records, part), coco_category(COCO17))
        yield f"annotations/person_keypoints_{part}2017.json", dump_json(content)


def coco_entry(sample: Sample, folder: str, annotations: Sequence[Mapping[str, Any]]) -> Entry:
    """The picture in a folder, and the records of picture and people."""
    height, width = sample.image.shape[:2]
    name = f"{sample.index + 1:012d}.jpg"
    image = {"id": sample.index + 1, "file_name": name, "width": width, "height": height}
    return Entry(
        {f"{folder}/{name}": jpeg(sample.image)},
        {"image": {"license": 1, **image}, "annotations": list(annotations)},
        len(annotations),
    )


def coco_person(sample: Sample, place: int, person: RenderedPerson) -> dict[str, Any]:
    """COCO's annotation of one person: key points, box, mask, area."""
    keypoints = coco_points(person, COCO17)
    mask = sample.mask(place)
    return {
        "id": 100 * (sample.index + 1) + place,
        "image_id": sample.index + 1,
        "category_id": 1,
        "iscrowd": 0,
        "segmentation": encode_mask(mask),
        "area": int(mask.sum()),
        "bbox": coco_box(person.box),
        "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        "keypoints": rounded(keypoints.ravel()),
    }


def coco_points(person: RenderedPerson, skeleton: Skeleton) -> NDArray[np.float64]:
    """(joints, 3): x and y as COCO counts them, visibility 2 seen, 1 hidden, 0 outside."""
    points = person.keypoints(skeleton).copy()
    points[points[:, 2] > 0, :2] -= 0.5
    return points


def coco_box(box: NDArray[np.floating]) -> list[Any]:
    """x1, y1, x2, y2 → x, y, width, height."""
    return rounded([*box[:2], *(box[2:] - box[:2])])


def encode_mask(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask in COCO's compressed run lengths: exact, with its holes and separate parts."""
    from faster_coco_eval import mask as coco_mask

    runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode()}


def coco_category(skeleton: Skeleton, names: Sequence[str] = ()) -> dict[str, Any]:
    """The person, with the names of the joints; edges count from 1."""
    edges = (skeleton.edge_indices + 1).tolist()
    return {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(names or skeleton.joints),
        "skeleton": edges,
    }


def coco_content(records: Sequence[Record], category: Mapping[str, Any]) -> dict[str, Any]:
    """An annotation file of these records."""
    return {
        "info": {"description": "People rendered by vitruvian", "version": "1.0"},
        "licenses": [LICENCE],
        "categories": [category],
        "images": [record.content["image"] for record in records],
        "annotations": [entry for record in records for entry in record.content["annotations"]],
    }


WRITER = Writer(
    "coco",
    "COCO 2017 person key points: 17 joints, boxes and masks of each person.",
    encode,
    finish,
    parts=("train", "val"),
    size=(320, 240),
    crowd=(1, 4),
)
