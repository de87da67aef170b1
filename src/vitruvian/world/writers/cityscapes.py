"""Cityscapes (Cordts et al., CVPR 2016): `leftImg8bit` and `gtFine`, a folder a city.

What is no part of a city has the nearest of its classes: a room's floor is "ground", its walls are
"wall", a thing is "static".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.world.writers.base import Entry, Writer, dump_json, png
from vitruvian.world.writers.scene import instances, relabelled

if TYPE_CHECKING:
    from vitruvian.world.sample import Sample

CITY = "vitruvia"
PERSON = 24
NUMBERS = {
    "thing": 4,
    "floor": 6,
    "road": 7,
    "building": 11,
    "wall": 12,
    "plant": 21,
    "grass": 22,
    "sky": 23,
    "person": PERSON,
    "window": 12,
}
# Of the official label list, the ids that are written: name, training id, colour.
LABELS = {
    0: ("unlabeled", 255, (0, 0, 0)),
    4: ("static", 255, (0, 0, 0)),
    6: ("ground", 255, (81, 0, 81)),
    7: ("road", 0, (128, 64, 128)),
    11: ("building", 2, (70, 70, 70)),
    12: ("wall", 3, (102, 102, 156)),
    21: ("vegetation", 8, (107, 142, 35)),
    22: ("terrain", 9, (152, 251, 152)),
    23: ("sky", 10, (70, 130, 180)),
    24: ("person", 11, (220, 20, 60)),
}


def encode(sample: Sample, part: str) -> Entry:
    """A picture, and its labels as ids, training ids, instances, colours and polygons."""
    name = f"{CITY}_{sample.seed % 10**6:06d}_{sample.index:06d}"
    labels = relabelled(sample, NUMBERS, 0)
    people = instances(sample)
    numbered = np.where(people > 0, 1000 * PERSON + people - 1, labels).astype(np.uint16)
    training, colors = np.full(256, 255, np.uint8), np.zeros((256, 4), np.uint8)
    for number, (_, own, color) in LABELS.items():
        training[number], colors[number] = own, (*color, 255)
    shown = colors[labels]
    truth = f"gtFine/{part}/{CITY}/{name}_gtFine"
    files = {
        f"leftImg8bit/{part}/{CITY}/{name}_leftImg8bit.png": png(sample.image),
        f"{truth}_labelIds.png": png(labels),
        f"{truth}_labelTrainIds.png": png(training[labels]),
        f"{truth}_instanceIds.png": png(numbered),
        f"{truth}_color.png": _rgba(shown),
        f"{truth}_polygons.json": dump_json(_polygons(numbered)),
    }
    return Entry(files, {}, len(np.unique(people[people > 0])))


def _rgba(pixels: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".png", pixels[..., [2, 1, 0, 3]], [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return bytes(data)


def _polygons(numbered: NDArray[np.uint16]) -> dict[str, Any]:
    """Outlines of every region, those behind first: a later polygon covers an earlier one."""
    objects = []
    for number in sorted(int(value) for value in np.unique(numbered)):
        label = number // 1000 if number >= 1000 else number
        mask = (numbered == number).astype(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        objects += [
            {"label": LABELS[label][0], "polygon": outline[:, 0].tolist()}
            for outline in outlines
            if len(outline) > 2
        ]
    height, width = numbered.shape
    return {"imgHeight": height, "imgWidth": width, "objects": objects}


WRITER = Writer(
    "cityscapes",
    "Cityscapes: labels, training labels, instances, colours and polygons of every pixel.",
    encode,
    parts=("train", "val", "test"),
    size=(512, 256),
    crowd=(1, 6),
)
