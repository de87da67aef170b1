"""The records as tables: people.csv and coco.json, streamed from people.jsonl."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vitruvian.core.records import FACE_LANDMARKS, Frame
from vitruvian.core.skeletons import OPENPOSE18, Skeleton, find_skeleton
from vitruvian.people.sources import Source

_LARGEST_ID = 2**53  # beyond it a number of JSON is no longer exact everywhere


def coco_image_ids(sources: Sequence[Source], frames: Mapping[str, int]) -> dict[str, int]:
    """The COCO image id of each source's first frame; the others follow one by one.

    Where each photo's name ends in a number of its own, as COCO's do, that is its id
    (`COCO_val2014_000000000192.jpg` → 192) and video frames follow the largest. Else the pictures
    are counted from 1, in order.

    Args:
        sources: Photos, videos and streams.
        frames: Frames recorded of each, by the source's name; sources without any have no id.
    """
    done = [source for source in sources if frames.get(source.name)]
    photos = [source for source in done if source.kind == "photo"]
    numbers = [re.search(r"[0-9]+$", Path(photo.name).stem) for photo in photos]
    named = [int(number[0]) for number in numbers if number and int(number[0]) < _LARGEST_ID]
    ids: dict[str, int] = {}
    if photos and len(set(named)) == len(photos):
        ids = {photo.name: number for photo, number in zip(photos, named, strict=True)}
    free = max(ids.values(), default=0) + 1
    for source in done:
        if source.name not in ids:
            ids[source.name] = free
            free += frames[source.name]
    return ids


def csv_header(skeleton: Skeleton) -> list[str]:
    """The columns of people.csv."""
    return [
        *("source", "frame", "seconds", "id", "score", "x1", "y1", "x2", "y2"),
        *(f"{joint}_{part}" for joint in skeleton.joints for part in ("x", "y", "score")),
        *(f"face_{part}" for part in ("score", "x1", "y1", "x2", "y2")),
        *(f"face_{landmark}_{axis}" for landmark in FACE_LANDMARKS for axis in "xy"),
    ]


def csv_rows(frame: Mapping[str, Any], skeleton: Skeleton) -> Iterator[list[Any]]:
    """One row a person of a line of people.jsonl; what was not found stays empty."""
    for person in frame["people"]:
        joints = person["pose"]["joints"]
        face = person["face"]
        row = [frame["source"], frame["frame"], frame["seconds"], person["id"], person["score"]]
        row += person["box"]
        for joint in skeleton.joints:
            row += joints.get(joint, ("", "", ""))
        if face:
            row += [face["score"], *face["box"]]
            for landmark in FACE_LANDMARKS:
                row += face["landmarks"][landmark]
        else:
            row += [""] * (5 + 2 * len(FACE_LANDMARKS))
        yield row


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of people.jsonl, one at a time."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def write_tables(
    frames: Iterable[Mapping[str, Any]],
    csv_path: Path,
    coco_path: Path,
    image_ids: Mapping[str, int],
    look: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> None:
    """Write people.csv and coco.json in one pass; memory does not grow with the frames.

    Args:
        frames: Lines of people.jsonl.
        csv_path: Where the one goes.
        coco_path: Where the other goes.
        image_ids: The first COCO image id of each source.
        look: Is shown each line on the way.
    """
    skeleton: Skeleton | None = None
    # A file name may be no valid Unicode; what cannot be written shows as \udcXX.
    with (
        csv_path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as csv_file,
        coco_path.open("w", encoding="utf-8") as coco_file,
    ):
        table = csv.writer(csv_file, lineterminator="\n")
        separator = "[\n"
        for frame in frames:
            look(frame)
            if skeleton is None and frame["people"]:
                skeleton = find_skeleton(frame["people"][0]["pose"]["skeleton"])
                table.writerow(csv_header(skeleton))
            table.writerows(csv_rows(frame, skeleton or OPENPOSE18))
            image_id = image_ids[frame["source"]] + frame["frame"]
            for result in Frame.from_dict(frame).to_coco(image_id):
                coco_file.write(separator + json.dumps(result))
                separator = ",\n"
        if skeleton is None:
            table.writerow(csv_header(OPENPOSE18))
        coco_file.write("[]\n" if separator == "[\n" else "\n]\n")
