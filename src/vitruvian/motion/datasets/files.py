"""Track files that a user has, by what is in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.core.records import Frame
from vitruvian.motion.datasets.sdd import read_sdd
from vitruvian.motion.datasets.trajnet import read_trajnet
from vitruvian.motion.tracks import Tracks, make_tracks, read_lines, read_text

_SDD_COLUMNS = 10


def read_tracks(file: str | Path) -> list[Tracks]:
    """The tracks of a file, one a scene.

    A text of rows frame, person, x, y (metres), SDD's `annotations.txt`, TrajNet++'s ndjson, or the
    `people.jsonl` that `vitruvian analyze` wrote, of which every video is a scene.

    Raises:
        InputError: the file cannot be read, or a line is wrong; it is named.
    """
    first = next((line for line in read_lines(file) if line.strip()), "")
    if first.lstrip().startswith("{"):
        return read_people(file) if '"people"' in first else [_some(read_trajnet(file))]
    if len(first.split()) == _SDD_COLUMNS:
        return [_some(read_sdd(file))]
    return [read_text(file)]


def _some(tracks: Tracks) -> Tracks:
    if not len(tracks):
        raise InputError(f"{tracks.source} holds no tracks of people.")
    return tracks


def read_people(file: str | Path) -> list[Tracks]:
    """Where people stand in the videos of a `people.jsonl`, in body heights.

    A person stands in the middle of the lower edge of their box, or, where the box is cut short
    below, as far under its upper edge as they are tall. A body height is the median over the
    video's people of how tall they are.

    Args:
        file: What `vitruvian analyze` wrote.

    Raises:
        InputError: it is something else, or has no video with people in it.
    """
    frames: dict[str, list[Frame]] = {}
    for number, line in enumerate(read_lines(file), 1):
        if not line.strip():
            continue
        try:
            frame = Frame.from_dict(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{file}, line {number} is no record of analyze.") from error
        frames.setdefault(frame.source, []).append(frame)
    videos = [found for found in frames.values() if len(found) > 1 and any(map(len, found))]
    if not videos:
        raise InputError(f"{file} has no video with people in it: analyze a clip first.")
    return [people_tracks(video, f"{file} ({video[0].source})") for video in videos]


def people_tracks(video: list[Frame], source: str) -> Tracks:
    """Where the people of some frames of a clip stand, in body heights; see `read_people`.

    Args:
        video: Two frames or more, with someone in one of them.
        source: What the tracks are called.

    Raises:
        InputError: a box is not finite.
    """
    rows = np.array(
        [
            (frame.frame, person.id, (box[0] + box[2]) / 2, box[1], box[3])
            for frame in video
            for person in frame
            for box in (person.box.astype(np.float64),)
        ]
    )
    medians = []
    for person in np.unique(rows[:, 1]):
        own = rows[:, 1] == person
        tall, feet = _feet(rows[own, 3], rows[own, 4])
        rows[own, 3] = feet
        medians.append(tall)
    height = max(float(np.median(medians)), 1e-3)
    numbers = np.array([frame.frame for frame in video])
    seconds = np.array([frame.seconds for frame in video])
    step = float(np.median(np.diff(seconds) / np.diff(numbers).clip(1)))
    return make_tracks(
        rows[:, 0],
        rows[:, 1],
        rows[:, 2:4] / height,
        source,
        unit="heights",
        step=step if step > 0 else 1 / 30,
        to_pixels=np.diag([height, height, 1.0]),
    )


def _feet(
    top: NDArray[np.float64], bottom: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """How tall someone is, and where their feet are, in pixels.

    A box ends where joints are seen, often above the feet: the tallest quarter says how tall.
    """
    heights = bottom - top
    tall = float(np.quantile(heights, 0.75))
    headed = np.abs(top - np.median(top)) < 0.1 * tall
    return tall, np.where((heights < 0.9 * tall) & headed, top + tall, bottom)
