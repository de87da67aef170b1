"""PASCAL VOC 2012 (Everingham et al., IJCV 2015): classes, objects, boxes, with the person only.

A pixel near the border of an object is 255, "void", as in the published maps. Boxes count pixels
from 1 and hold their last pixel.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.world.writers.base import (
    Entry,
    Record,
    Writer,
    by_part,
    jpeg,
    lines,
    palette_png,
    seen_people,
)
from vitruvian.world.writers.scene import instances

if TYPE_CHECKING:
    from vitruvian.world.sample import RenderedPerson, Sample

FOLDER = "VOCdevkit/VOC2012"
PERSON, VOID = 15, 255


def voc_palette() -> NDArray[np.uint8]:
    """(256, 3): VOC's colours: the bits of the number, spread over the three channels."""
    numbers = np.arange(256)
    colors = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            own = (numbers >> (3 * bit + channel)) & 1
            colors[:, channel] |= (own << (7 - bit)).astype(np.uint8)
    return colors


def encode(sample: Sample, part: str) -> Entry:
    """A picture, its two maps, and its boxes."""
    del part  # the lists tell the parts
    name = f"2012_{sample.index + 1:06d}"
    people = seen_people(sample)
    objects = instances(sample)
    places = {place + 1: number for number, (place, _) in enumerate(people, start=1)}
    numbers = np.zeros(int(objects.max()) + 1, dtype=np.uint8)
    for place, number in places.items():
        if place < len(numbers):
            numbers[place] = number
    shown = numbers[objects]
    border = _border(shown)
    classes = np.where(shown > 0, PERSON, 0)
    palette = voc_palette()
    files = {
        f"{FOLDER}/JPEGImages/{name}.jpg": jpeg(sample.image),
        f"{FOLDER}/SegmentationClass/{name}.png": palette_png(
            np.where(border, VOID, classes), palette
        ),
        f"{FOLDER}/SegmentationObject/{name}.png": palette_png(
            np.where(border, VOID, shown), palette
        ),
        f"{FOLDER}/Annotations/{name}.xml": _xml(sample, name, [own for _, own in people]),
    }
    return Entry(files, {"name": name, "people": len(people)}, len(people))


def _border(objects: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Two pixels on either side of where an object meets another or the background."""
    pixels = objects.astype(np.uint8)
    kernel = np.ones((5, 5), dtype=np.uint8)
    return np.asarray(cv2.dilate(pixels, kernel) != cv2.erode(pixels, kernel))


def _xml(sample: Sample, name: str, people: Sequence[RenderedPerson]) -> bytes:
    height, width = sample.image.shape[:2]
    root = ET.Element("annotation")
    _add(root, "folder", "VOC2012")
    _add(root, "filename", f"{name}.jpg")
    source = ET.SubElement(root, "source")
    _add(source, "database", "The VOC2012 Database")
    _add(source, "annotation", "PASCAL VOC2012")
    _add(source, "image", "vitruvian")
    size = ET.SubElement(root, "size")
    for key, value in (("width", width), ("height", height), ("depth", 3)):
        _add(size, key, value)
    _add(root, "segmented", 1)
    for person in people:
        item = ET.SubElement(root, "object")
        _add(item, "name", "person")
        _add(item, "pose", "Unspecified")
        visible, full = _area(person.box), _area(person.full_box)
        cut = [side <= 0.5 for side in person.full_box[:2]]
        cut += [
            side >= limit - 0.5
            for side, limit in zip(person.full_box[2:], (width, height), strict=True)
        ]
        _add(item, "truncated", int(any(cut)))
        _add(item, "difficult", 0)
        _add(item, "occluded", int(visible < 0.95 * full))
        box = ET.SubElement(item, "bndbox")
        x1, y1, x2, y2 = (int(side) for side in person.box)
        for key, value in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
            _add(box, key, value)
    ET.indent(root, "\t")
    return ET.tostring(root) + b"\n"


def _area(box: NDArray[np.floating]) -> float:
    return float(np.prod(box[2:] - box[:2]))


def _add(parent: ET.Element, name: str, value: object) -> None:
    ET.SubElement(parent, name).text = str(value)


def finish(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """The lists of the parts: of the maps, of all pictures, and of those with a person."""
    for part in ("train", "val", "trainval"):
        own = list(records) if part == "trainval" else by_part(records, part)
        names = [record.content["name"] for record in own]
        yield f"{FOLDER}/ImageSets/Segmentation/{part}.txt", lines(names)
        yield f"{FOLDER}/ImageSets/Main/{part}.txt", lines(names)
        marks = (
            f"{record.content['name']} {1 if record.content['people'] else -1:2d}" for record in own
        )
        yield f"{FOLDER}/ImageSets/Main/person_{part}.txt", lines(marks)


WRITER = Writer(
    "voc",
    "PASCAL VOC 2012: person class and object maps with void borders, boxes in XML.",
    encode,
    finish,
    parts=("train", "val"),
    size=(500, 375),
    crowd=(1, 4),
)
