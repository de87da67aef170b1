"""COCO-WholeBody (Jin et al., ECCV 2020): COCO's JSON with feet, face and hands, 133 points.

A part is valid where one of its points is seen; parts that are not have zeros for box and points,
as published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.skeletons import COCO17, WHOLEBODY133
from vitruvian.world.writers.base import (
    Entry,
    Record,
    Writer,
    by_part,
    dump_json,
    rounded,
    seen_people,
)
from vitruvian.world.writers.coco import (
    coco_category,
    coco_content,
    coco_entry,
    coco_person,
    coco_points,
)

if TYPE_CHECKING:
    from vitruvian.world.sample import RenderedPerson, Sample

PARTS = {"foot": (17, 23), "face": (23, 91), "lefthand": (91, 112), "righthand": (112, 133)}
"""First and last point, the last one outside."""


def encode(sample: Sample, part: str) -> Entry:
    """A picture and its people."""
    size = sample.image.shape[1], sample.image.shape[0]
    annotations = [
        {**coco_person(sample, place, person), **whole_body(person, size)}
        for place, person in seen_people(sample)
    ]
    return coco_entry(sample, f"{part}2017", annotations)


def finish(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """Both annotation files."""
    for part in ("train", "val"):
        content = coco_content(by_part(records, part), coco_category(COCO17))
        yield f"annotations/coco_wholebody_{part}_v1.0.json", dump_json(content)


def whole_body(person: RenderedPerson, size: tuple[int, int]) -> dict[str, Any]:
    """What COCO-WholeBody adds to COCO's annotation."""
    points = coco_points(person, WHOLEBODY133)
    result: dict[str, Any] = {}
    for part, (start, end) in PARTS.items():
        own = points[start:end]
        valid = bool((own[:, 2] == 2).any())
        own = own if valid else np.zeros_like(own)
        result[f"{part}_valid"] = valid
        result[f"{part}_kpts"] = rounded(own.ravel(), 3)
        if part != "foot":
            result[f"{part}_box"] = _box(own, size)
    return result


def _box(points: NDArray[np.float64], size: tuple[int, int]) -> list[Any]:
    """x, y, width, height around the labelled points, a pixel at least and inside the picture."""
    inside = points[points[:, 2] > 0, :2]
    if not len(inside):
        return [0.0, 0.0, 0.0, 0.0]
    low = np.clip(inside.min(axis=0) - 0.5, 0, size)
    high = np.clip(inside.max(axis=0) + 0.5, 0, size)
    return rounded([*low, *(high - low)], 3)


WRITER = Writer(
    "coco-wholebody",
    "COCO-WholeBody 1.0: COCO with 133 joints of body, feet, face and hands.",
    encode,
    finish,
    parts=("train", "val"),
    size=(384, 512),
)
