"""Raw detections on disk, so that an interrupted run goes on where it stopped.

Everything that comes after detection (tracks, smoothing, tables, drawings) is cheap and follows
from the detections alone. So they are kept, in full precision, one line of JSON a picture, in files
that only grow; the records are made by going through them again. A last line that was cut off is
dropped, and of a video a batch that was cut off: numbers may differ in the last bit with the size
of a batch, so a frame is always found in the same one.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from vitruvian.core.errors import InputError
from vitruvian.core.records import FACE_LANDMARKS, Face, Floats, Person, Pose
from vitruvian.core.skeletons import find_skeleton

Found = tuple[tuple[Person, ...], tuple[Face, ...]]
"""The people of a picture, and the faces of nobody."""

_FACE = 1 + 4 + 2 * len(FACE_LANDMARKS)  # score, box, landmarks


class Lines:
    """A file that grows by whole lines, each a JSON object. A line that fails leaves no trace.

    Args:
        path: The file; it is made where it is absent.
        size: Where to cut it before going on; None: go on at its end.

    Attributes:
        end: Size of the file, in bytes.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        self.path = path
        try:
            flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._file = os.open(path, flags, 0o666)
            if size is not None:
                os.ftruncate(self._file, size)
            self.end = os.lseek(self._file, 0, os.SEEK_END)
        except OSError as error:
            raise _cannot_write(path, error) from error

    def append(self, *items: dict[str, Any]) -> None:
        """Write one line for each item; all of them or, where the disk is full, none.

        Raises:
            InputError: the disk is full, or the file is gone.
        """
        data = "".join(dump_line(item) for item in items).encode()
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:
            os.ftruncate(self._file, self.end)
            os.lseek(self._file, self.end, os.SEEK_SET)
            raise _cannot_write(self.path, error) from error
        self.end += written

    def close(self) -> None:
        """Close the file; once more does no harm."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def dump_line(item: dict[str, Any]) -> str:
    """One line of JSON. Letters beyond ASCII are escaped: a file name may be no valid Unicode."""
    return json.dumps(item, separators=(", ", ": ")) + "\n"


def read_lines(path: Path, start: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
    """The whole lines of a file and where each ends; stops at the first that is not whole."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(start)
        end = start
        for line in file:
            end += len(line)
            try:
                item = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                item = None
            if not isinstance(item, dict):
                return
            yield item, end


def encode(found: Found) -> dict[str, str]:
    """Detections as JSON: float32 arrays, exact to the last bit, in base 64."""
    people, faces = found
    rows = [
        np.concatenate(
            [[person.score], person.box, person.pose.joints.ravel(), _face_row(person.face)]
        )
        for person in people
    ]
    return {
        "skeleton": people[0].pose.skeleton.name if people else "",
        "people": _pack(rows),
        "faces": _pack([_face_row(face) for face in faces]),
    }


def decode(item: dict[str, Any]) -> Found:
    """The detections that `encode` wrote."""
    people: list[Person] = []
    if item["people"]:
        skeleton = find_skeleton(item["skeleton"])
        joints_end = 5 + 3 * len(skeleton)
        for row in _unpack(item["people"], joints_end + _FACE):
            pose = Pose(skeleton, row[5:joints_end].reshape(-1, 3))
            face = _face(row[joints_end:]) if row[joints_end] > 0 else None
            people.append(Person(float(row[0]), row[1:5], pose, face))
    return tuple(people), tuple(_face(row) for row in _unpack(item["faces"], _FACE))


def _face_row(face: Face | None) -> Floats:
    if face is None:
        return np.zeros(_FACE, dtype=np.float32)
    return np.concatenate([[face.score], face.box, face.landmarks.ravel()]).astype(np.float32)


def _face(row: Floats) -> Face:
    return Face(row[1:5], float(row[0]), row[5:].reshape(-1, 2))


def _pack(rows: Sequence[Floats]) -> str:
    if not rows:
        return ""
    return base64.b64encode(np.stack(rows).astype("<f4").tobytes()).decode()


def _unpack(text: str, width: int) -> Floats:
    data = np.frombuffer(base64.b64decode(text), dtype="<f4")
    return data.reshape(-1, width).astype(np.float32)


def _cannot_write(path: Path, error: OSError) -> InputError:
    return InputError(
        f"Cannot write {path}: {error.strerror or error}; mend that and give the same command "
        "again, it goes on where it stopped."
    )


class PhotoJournal:
    """What was found in each photo.

    Args:
        path: The file, grown by one line a photo. A photo that changed is done again: its last
            line counts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, int] = {}
        end = 0
        for item, after in read_lines(path):
            self._places[item["source"]] = end
            end = after
        self._lines = Lines(path, end)

    def find(self, source: str) -> dict[str, Any] | None:
        """The photo's line, if there is one."""
        place = self._places.get(source)
        if place is None:
            return None
        return next(read_lines(self._path, place))[0]

    def add(self, item: dict[str, Any]) -> None:
        """Keep the line of a photo; `item["source"]` names it."""
        place = self._lines.end
        self._lines.append(item)
        self._places[item["source"]] = place

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


@dataclass(frozen=True)
class RawFrame:
    """What was found in a frame, before tracks and smoothing."""

    index: int
    seconds: float
    width: int
    height: int
    found: Found

    def to_dict(self) -> dict[str, Any]:
        """The line of the journal."""
        frame = {"frame": self.index, "seconds": self.seconds}
        return frame | {"width": self.width, "height": self.height} | encode(self.found)

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> RawFrame:
        """The frame of a line."""
        return cls(item["frame"], item["seconds"], item["width"], item["height"], decode(item))


class VideoJournal:
    """What was found in each frame of one video.

    Args:
        path: The file: a head, a line a frame, and an end once the video is done.
        head: What is to be known of the video; a file with another head is begun anew.
        batch: Frames a batch: what was kept is cut to a multiple of it. 1 keeps every frame.

    Attributes:
        frames: How many frames are kept.
        end: The closing line, `{"end": frames, "problem": sentence or null, …}`, or None.
    """

    def __init__(self, path: Path, head: dict[str, Any], batch: int) -> None:
        self._path = path
        self.frames = 0
        self.end: dict[str, Any] | None = None
        self._start = 0
        lines = read_lines(path)
        first, self._start = next(lines, ({}, 0))
        cut = self._start
        if first == head:
            for item, after in lines:
                if "end" in item:
                    self.end, cut = item, after
                    break
                self.frames += 1
                if self.frames % batch == 0:
                    cut = after
            if self.end is None:
                self.frames -= self.frames % batch
            self._lines = Lines(path, cut)
        else:
            self._lines = Lines(path, 0)
            self._lines.append(head)
            self._start = self._lines.end

    def replay(self) -> Iterator[RawFrame]:
        """The frames that were kept when the journal was opened, one at a time."""
        lines = read_lines(self._path, self._start)
        for _ in range(self.frames):
            yield RawFrame.from_dict(next(lines)[0])

    def add(self, frames: Sequence[RawFrame]) -> None:
        """Keep a batch of frames."""
        self._lines.append(*(frame.to_dict() for frame in frames))

    def finish(self, frames: int, problem: str | None) -> None:
        """Say that the video is done."""
        self.end = {"end": frames, "problem": problem}
        self._lines.append(self.end)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
