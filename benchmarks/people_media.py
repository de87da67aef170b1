"""How many people `analyze` finds on the 20 COCO photos of `people_media`, judged by eye.

    python benchmarks/people_media.py [--plain | --pose accurate] [--sheet FILE]

The 35 main people (those a viewer would name: mostly in view, an eighth of the picture or more) and
the regions in which other real people stand were marked by eye. A main person is found where a
finding with five joints or more lies in its box and is about as large. A finding that is neither a
main person nor stands in a region of others, or is a person's second finding, is spurious.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitruvian.core.drawing import contact_sheet, draw_frame
from vitruvian.core.files import find_data, whole_file
from vitruvian.core.records import Frame
from vitruvian.people.detector import PeopleDetector
from vitruvian.people.photos import read_photo
from vitruvian.pose.openpose.grouping import GroupingOptions

Box = tuple[int, int, int, int]

LEAST_SHARED = 0.2
"""Of the boxes of a main person and of its joints, intersection over union: less has somebody who
stands behind.
"""

MANY = 10
"""Joints of a person who is found well."""

# Last digits of the photo's name → boxes x1, y1, x2, y2 around the joints of its main people.
MAIN: dict[str, list[Box]] = {
    "192": [(273, 200, 367, 396), (453, 241, 513, 447), (371, 278, 457, 455), (0, 290, 30, 430)],
    "241": [(21, 286, 189, 567), (304, 291, 385, 509), (130, 59, 304, 600)],
    "257": [(152, 350, 186, 468)],
    "294": [(60, 100, 330, 400)],
    "328": [(60, 100, 260, 420), (190, 139, 395, 440), (380, 130, 564, 457)],
    "338": [(455, 180, 488, 327), (335, 160, 399, 327)],
    "357": [(79, 81, 92, 126), (532, 140, 556, 185)],
    "360": [(258, 140, 315, 190)],
    "395": [(110, 180, 520, 580)],
    "415": [(5, 270, 122, 540)],
    "428": [(240, 100, 564, 350)],
    "459": [(40, 150, 500, 451)],
    "474": [(100, 100, 235, 460)],
    "488": [(194, 210, 272, 338), (40, 227, 115, 350), (115, 250, 204, 350)],
    "536": [(301, 150, 435, 325), (90, 100, 180, 310), (180, 105, 260, 240)],
    "544": [(41, 280, 113, 400), (110, 310, 215, 400), (255, 250, 350, 395)],
    "564": [(255, 350, 366, 575)],
    "569": [(80, 280, 170, 413)],
    "589": [(365, 195, 490, 360)],
    "623": [(165, 70, 330, 360)],
}

# Regions in which other real people stand: passers-by, a crowd, players far off.
OTHERS: dict[str, list[Box]] = {
    "241": [(0, 320, 60, 640), (350, 400, 480, 640)],
    "257": [(0, 310, 640, 420)],
    "357": [(200, 0, 640, 60), (560, 155, 620, 200)],
    "395": [(0, 200, 220, 480), (430, 180, 640, 580)],
    "488": [(205, 195, 240, 270), (550, 215, 590, 265)],
    "544": [(0, 0, 640, 215), (0, 195, 110, 300), (185, 205, 240, 265), (360, 200, 640, 245)],
    "564": [(490, 200, 540, 250)],
}


def judge(name: str, frame: Frame) -> tuple[dict[int, int], int, int]:
    """Main people found (place → joints), others found, and spurious findings of a photo."""
    findings: dict[int, list[int]] = {}
    others = spurious = 0
    for person in frame:
        points = person.pose.joints[person.pose.found, :2]
        place = main_person(name, points)
        if place is not None:
            findings.setdefault(place, []).append(len(points))
        elif any(contains(box, points.mean(axis=0)) for box in OTHERS.get(name, [])):
            others += 1
        else:
            spurious += 1
    found = {place: max(counts) for place, counts in findings.items() if max(counts) >= 5}
    spurious += sum(len(counts) for counts in findings.values()) - len(found)
    return found, others, spurious


def main_person(name: str, points: NDArray[np.float32]) -> int | None:
    """The main person whose box holds three of four joints, and is about theirs."""
    best, most = None, 0.0
    extent = np.concatenate([points.min(axis=0), points.max(axis=0)])
    for place, box in enumerate(MAIN[name]):
        x1, y1, x2, y2 = box
        larger = max(x2 - x1, y2 - y1)
        margin = round(0.08 * larger)
        grown = (x1 - margin, y1 - margin, x2 + margin, y2 + margin)
        inside = np.mean([contains(grown, point) for point in points])
        is_as_large = float(np.ptp(points, axis=0).max()) > 0.5 * larger
        shared = overlap(extent, np.array(box))
        if inside >= 0.75 and is_as_large and shared > most:
            best, most = place, shared
    return best if most > LEAST_SHARED else None


def overlap(a: NDArray[np.floating], b: NDArray[np.integer]) -> float:
    """Intersection over union of two boxes."""
    shared = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    areas = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])
    return float(shared / (areas - shared))


def contains(box: Box, point: NDArray[np.float32]) -> bool:
    """Whether the point lies in the box."""
    return bool(box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", action="store_true", help="one scale, height 368, first options")
    parser.add_argument("--pose", default="fast", help="as of `vitruvian analyze`")
    parser.add_argument("--sheet", type=Path, help="where to write all photos, drawn, as one")
    arguments = parser.parse_args()
    detector = PeopleDetector(pose=arguments.pose)
    if arguments.plain:
        detector = PeopleDetector(height=368, scales=(1.0,))
        detector.pose.options = GroupingOptions(joint_threshold=0.1, min_support=0.8)
    totals = np.zeros(5, dtype=int)
    drawn = []
    for path in sorted(find_data("people_media").glob("*.jpg")):
        image, name = read_photo(path), path.stem[-3:]
        ((people, faces),) = detector.detect([image], look_again=not arguments.plain)
        numbered = tuple(replace(person, id=place) for place, person in enumerate(people, 1))
        frame = Frame(path.name, 0, 0.0, image.shape[1], image.shape[0], numbered, faces)
        found, others, spurious = judge(name, frame)
        many = sum(joints >= MANY for joints in found.values())
        totals += [len(found), many, sum(found.values()), others, spurious]
        print(
            f"{path.name}: {len(found)} of {len(MAIN[name])}, others {others}, spurious {spurious}"
        )
        drawn.append(draw_frame(image, frame))
    names = ("main people of 35", f"with {MANY} joints", "their joints", "others", "spurious")
    print(json.dumps(dict(zip(names, totals.tolist(), strict=True))))
    if arguments.sheet:
        with whole_file(arguments.sheet) as part:
            Image.fromarray(contact_sheet(drawn, columns=5)).save(part, quality=85)


if __name__ == "__main__":
    main()
