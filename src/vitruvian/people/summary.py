"""What a run leaves behind: people.jsonl as it grows, then the tables, the report and run.json."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import vitruvian
from vitruvian.core.records import Frame
from vitruvian.core.timing import Timings
from vitruvian.people.folder import OutFolder
from vitruvian.people.journal import Lines
from vitruvian.people.report import Report
from vitruvian.people.sources import Source
from vitruvian.people.writers import coco_image_ids, read_records, write_tables

SCHEMA = 1
"""Of run.json and people.jsonl; it grows when a field changes its meaning."""


@dataclass
class Outcome:
    """What came of one source.

    Attributes:
        source: The source.
        version: Size and time of the file that was read.
        frames: Pictures recorded.
        people: People in all of them, each counted in each frame.
        faces: Faces likewise.
        tracks: Different people.
        most: The most people in one picture.
        seconds: Time of the last frame.
        annotated: The drawn copy, below OUT.
        problem: Why it could not be read, or not to its end.
        notes: What could not be kept in the drawn copy.
    """

    source: Source
    version: list[int]
    frames: int = 0
    people: int = 0
    faces: int = 0
    tracks: int = 0
    most: int = 0
    seconds: float = 0.0
    annotated: str | None = None
    problem: str | None = None
    notes: list[str] = field(default_factory=list)

    def count(self, frame: Frame) -> None:
        """Add a picture."""
        self.frames += 1
        self.people += len(frame)
        self.faces += len(frame.faces) + sum(person.face is not None for person in frame)
        self.tracks = max([self.tracks, *(person.id for person in frame)])
        self.most = max(self.most, len(frame))
        self.seconds = frame.seconds

    def to_dict(self, image_id: int | None) -> dict[str, Any]:
        """The entry of run.json; frame n of the source has the COCO image id `image_id` + n."""
        return {
            "source": self.source.name,
            "kind": self.source.kind,
            "version": self.version,
            "frames": self.frames,
            "people": self.people,
            "faces": self.faces,
            "tracks": self.tracks,
            "coco_image_id": image_id,
            "annotated": self.annotated,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        out: The folder.
        counts: Photos, videos, frames, people, faces, tracks.
        problems: One sentence for each input that could not be read, or not to its end.
        annotated: How many drawn copies there are.
        already: Whether all was done before, and nothing had to be.
        record: What run.json says.
    """

    out: Path
    counts: Mapping[str, int]
    problems: tuple[str, ...]
    annotated: int
    already: bool
    record: Mapping[str, Any]

    @classmethod
    def from_record(cls, out: Path, record: Mapping[str, Any], *, already: bool = True) -> Summary:
        """The summary of what run.json says."""
        return cls(
            out=out,
            counts=record["counts"],
            problems=tuple(record["bad"]),
            annotated=sum(item["annotated"] is not None for item in record["inputs"]),
            already=already,
            record=record,
        )


class Records:
    """people.jsonl as it grows.

    While the records of an earlier run are gone through again the old file stays in its place; the
    new one takes it once it holds more.

    Args:
        folder: Where it lies.
    """

    def __init__(self, folder: OutFolder) -> None:
        self._final = folder.path / "people.jsonl"
        self._lines = Lines(folder.work / "tmp" / "people.jsonl", 0)

    def add(self, frame: Frame) -> None:
        """Add the line of a picture."""
        self._lines.append(frame.to_dict())

    def publish(self) -> None:
        """Put the file in its place; from now on it grows there."""
        if self._lines.path != self._final:
            self._lines.close()
            self._lines.path.replace(self._final)
            self._lines = Lines(self._final)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()


def write_products(
    folder: OutFolder,
    outcomes: Sequence[Outcome],
    problems: Sequence[str],
    *,
    detector: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    timings: Timings,
) -> Summary:
    """Make people.csv, coco.json, report.html and run.json from people.jsonl.

    Args:
        folder: Where they go.
        outcomes: What came of each source.
        problems: Sentences about inputs that are no sources.
        detector: What the detector says of itself.
        options: Of the run.
        timings: Of this run.
    """
    frames = {outcome.source.name: outcome.frames for outcome in outcomes}
    image_ids = coco_image_ids([outcome.source for outcome in outcomes], frames)
    bad = [*problems, *(outcome.problem for outcome in outcomes if outcome.problem)]
    record = {
        "schema": SCHEMA,
        "vitruvian": vitruvian.__version__,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": (detector or {}).get("device"),
        "systems": list((detector or {}).get("systems", ())),
        "options": dict(options),
        "counts": _counts(outcomes),
        "timings": timings.to_dict(),
        "bad": bad,
        "inputs": [outcome.to_dict(image_ids.get(outcome.source.name)) for outcome in outcomes],
        "software": _software(),
    }
    report = Report(folder, outcomes)
    with (
        folder.whole(folder.path / "people.csv") as csv_part,
        folder.whole(folder.path / "coco.json") as coco_part,
    ):
        records = read_records(folder.path / "people.jsonl")
        write_tables(records, csv_part, coco_part, image_ids, report.add)
    with folder.whole(folder.path / "report.html") as part:
        part.write_text(report.render(record), encoding="utf-8", errors="backslashreplace")
    with folder.whole(folder.path / "run.json") as part:
        part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return Summary.from_record(folder.path, record, already=False)


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    done = [outcome for outcome in outcomes if outcome.frames]
    photos = sum(outcome.source.kind == "photo" for outcome in done)
    return {
        "photos": photos,
        "videos": len(done) - photos,
        "frames": sum(outcome.frames for outcome in done),
        "people": sum(outcome.people for outcome in done),
        "faces": sum(outcome.faces for outcome in done),
        "tracks": sum(outcome.tracks for outcome in done if outcome.source.kind != "photo"),
    }


def _software() -> dict[str, str]:
    """Versions that the numbers may hang on, read without importing anything."""
    found = {"python": platform.python_version(), "platform": sys.platform}
    for name in ("torch", "onnxruntime", "numpy", "opencv-python-headless", "av", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
