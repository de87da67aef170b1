"""OUT: the folder of a run, its lock, its memory of what it was asked, and its files' names.

What the user reads lies in OUT and `OUT/annotated`; what the run needs to go on lies in
`OUT/.vitruvian`. A file is made under `.vitruvian/tmp` and moved to its name once it is whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from vitruvian.core.errors import InputError
from vitruvian.core.files import lock_file
from vitruvian.people.journal import Lines, dump_line, read_lines
from vitruvian.people.sources import Source
from vitruvian.people.video_writer import CONTAINERS

PRODUCTS = ("people.jsonl", "people.csv", "coco.json", "run.json", "report.html")
"""The files of OUT; `run.json` is written last, and is there only while all are up to date."""

_SCHEMA = 1


class OutFolder:
    """OUT while one run holds it.

    Args:
        path: The folder; it is made where it is absent.
        overwrite: Whether to remove what an earlier run made there, and nothing else.

    Raises:
        InputError: it is a file, cannot be written, is held by another run, or has files of these
            names that no run made.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.work = self.path / ".vitruvian"
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{path} is a file: choose another folder with --out.")
        foreign = [name for name in PRODUCTS if (self.path / name).exists()]
        if foreign and not self.work.is_dir() and not overwrite:
            raise InputError(
                f"{path} holds a {foreign[0]} that no run here made: choose another --out, or "
                "replace it with --overwrite."
            )
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            self._lock = lock_file(self.work / "lock", self.path)
        except OSError as error:
            raise self._cannot_write(error) from error
        try:
            if overwrite:
                self._clear()
            shutil.rmtree(self.work / "tmp", ignore_errors=True)
            (self.work / "tmp").mkdir(exist_ok=True)
        except OSError as error:
            self.close()
            raise self._cannot_write(error) from error
        self._names = {
            item["source"]: item["annotated"] for item, _ in read_lines(self.work / "names.jsonl")
        }
        self._taken = {name.casefold() for name in self._names.values()}

    def close(self) -> None:
        """Let others use the folder."""
        self._lock.close()

    def remember(
        self, inputs: Sequence[str], sources: Sequence[Source], options: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Check that this run goes on with what the folder holds, and note what it was asked.

        Inputs may grow: the folder may hold new photos, or further inputs may be named.

        Returns:
            What was noted of the detector, where a run began here before.

        Raises:
            InputError: the folder is of other inputs or options.
        """
        state = self._state()
        if state.get("detector"):  # else nothing was found here yet, whatever was asked
            self._check(state, inputs, sources, options)
        now = {"schema": _SCHEMA, "detector": None} | state
        now |= {"inputs": list(inputs), "options": dict(options)}
        if now != state:
            self._write_state(now)
        return now["detector"]

    def check_detector(self, detector: Mapping[str, Any]) -> None:
        """Check that the detector is the one that began here, and note it.

        Raises:
            InputError: the weights or the kind of device are others than before.
        """
        state = self._state()
        before = state.get("detector")
        if before and _gist(before) != _gist(detector):
            raise InputError(
                f"{self.path} was begun with other weights or on another device "
                f"({before.get('device', 'unknown')}): use --overwrite to start anew, or another "
                "--out."
            )
        self._write_state(state | {"detector": dict(detector)})

    def annotated(self, source: Source, inputs: Sequence[str]) -> Path:
        """Where the drawn copy of a source goes; the same at every call, another for each source.

        A photo or video keeps its name, and below a folder that was given its sub-folders; where
        the name is taken, a number is added.
        """
        if source.name not in self._names:
            wanted = Path(_wanted_name(source, inputs))
            name, number = wanted.as_posix(), 1
            while name.casefold() in self._taken:
                number += 1
                name = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}").as_posix()
            with Lines(self.work / "names.jsonl") as lines:
                lines.append({"source": source.name, "annotated": name})
            self._names[source.name] = name
            self._taken.add(name.casefold())
        return self.path / "annotated" / self._names[source.name]

    def forget(self, sources: Sequence[Source]) -> None:
        """Remove the drawn copies of what is no longer among the sources."""
        current = {source.name for source in sources}
        for name in set(self._names) - current:
            (self.path / "annotated" / self._names[name]).unlink(missing_ok=True)

    def video_work(self, source: Source) -> Path:
        """The hidden folder of a video's detections and key frames."""
        key = sha256(source.name.encode(errors="surrogateescape")).hexdigest()[:16]
        folder = self.work / key
        folder.mkdir(exist_ok=True)
        return folder

    @contextmanager
    def whole(self, path: Path) -> Iterator[Path]:
        """Give a path to write to, and move it to `path` once the block ends without an error.

        Raises:
            InputError: the disk is full, or the folder cannot be written.
        """
        part = self.work / "tmp" / path.name
        try:
            yield part
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)
        except OSError as error:
            raise self._cannot_write(error, path) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def run_record(self) -> dict[str, Any] | None:
        """What `run.json` says, where it and the other files are there."""
        if not all((self.path / name).is_file() for name in PRODUCTS):
            return None
        try:
            record = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except ValueError:
            return None
        whole = isinstance(record, dict) and {"bad", "inputs", "counts"} <= record.keys()
        return record if whole else None

    def _cannot_write(self, error: OSError, path: Path | None = None) -> InputError:
        return InputError(
            f"Cannot write {path or self.path}: {error.strerror or error}; mend that or choose "
            "another --out."
        )

    def _state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.work / "state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        if not isinstance(state, dict) or state.get("schema") != _SCHEMA:
            raise InputError(
                f"{self.path} was begun by another version of vitruvian: use --overwrite to start "
                "anew, or another --out."
            )
        return state

    def _write_state(self, state: Mapping[str, Any]) -> None:
        with self.whole(self.work / "state.json") as part:
            part.write_text(dump_line(dict(state)), encoding="utf-8")

    def _check(
        self,
        state: Mapping[str, Any],
        inputs: Sequence[str],
        sources: Sequence[Source],
        options: Mapping[str, Any],
    ) -> None:
        for name, value in options.items():
            before = state["options"].get(name)
            if before != value:
                raise InputError(
                    f"{self.path} holds a run with {name} {_say(before)}, not {_say(value)}: use "
                    "--overwrite to start anew, or another --out."
                )
        known = set(self._names) <= {source.name for source in sources}
        if list(inputs) != state["inputs"] and not known:
            raise InputError(
                f"{self.path} holds a run of other inputs ({', '.join(state['inputs'][:3])}): use "
                "--overwrite to start anew, or another --out."
            )

    def _clear(self) -> None:
        for item, _ in read_lines(self.work / "names.jsonl"):
            file = self.path / "annotated" / item["annotated"]
            file.unlink(missing_ok=True)
            for folder in file.relative_to(self.path).parents[:-1]:
                with contextlib.suppress(OSError):  # not empty: the user's own files are in it
                    (self.path / folder).rmdir()
        for name in PRODUCTS:
            (self.path / name).unlink(missing_ok=True)
        for entry in self.work.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()


def _wanted_name(source: Source, inputs: Sequence[str]) -> str:
    if source.kind == "camera":
        return source.name.replace(":", "-") + ".mp4"
    if source.kind == "stream":
        tail = re.split(r"[?#]", source.name.partition("://")[2])[0].rstrip("/").split("/")[-1]
        tail = re.sub(r"[^\w.-]+", "-", tail).strip(".-") or "stream"
        return _video_name(tail)
    path = Path(source.name)
    below = [given for given in inputs if os.path.isdir(given) and path.is_relative_to(given)]  # noqa: PTH112
    name = path.relative_to(below[0]).as_posix() if below else path.name
    return _video_name(name) if source.kind == "video" else name


def _video_name(name: str) -> str:
    """A container that is read but not written becomes an MP4, and says so."""
    return name if Path(name).suffix.lower() in CONTAINERS else name + ".mp4"


def _gist(detector: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the numbers depend on: the weights, and the device but for its count of threads."""
    hashes = [system.get("sha256") for system in detector.get("systems", [])]
    return hashes, re.sub(r"\d+ threads?", "", str(detector.get("device", "")))


def _say(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "unset"}[value]
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)
