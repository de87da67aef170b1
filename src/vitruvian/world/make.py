"""Making a data set: samples rendered in processes, shard by shard, that go on after any stop.

A folder that is being made holds `world.json`, what was asked, and `.world`, one record a finished
shard. A shard's pictures come first, each whole, then its record; the files that list all samples
come last. So a run that ended at any instant goes on after the last whole shard.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.core.errors import InputError
from vitruvian.core.files import lock_file, whole_file
from vitruvian.world.backgrounds import find_photos
from vitruvian.world.items import plain
from vitruvian.world.pool import render_all
from vitruvian.world.rig import rig_file
from vitruvian.world.sample import Setting, sample_crowd
from vitruvian.world.writers import find_writer
from vitruvian.world.writers.base import Entry, Record, Writer

WORLD = 3
"""The world's version: raised where the same seed and index give another sample."""

MANIFEST, WORK = "world.json", ".world"
_WORDS = {
    "world": "version of the world",
    "body": "body model",
    "format": "format",
    "samples": "number of samples",
    "photos": "background photos",
}


@dataclass(frozen=True)
class Plan:
    """What is to be made.

    Attributes:
        writer: The format.
        samples: How many pictures, or clips.
        setting: Of each.
        seed: Of the world.
        shares: Of the format's parts, which sum to 1; None: 0.1 for each part but the first.
        device: warp's name of the device; numbers may differ between devices in the last bit.
    """

    writer: Writer
    samples: int
    setting: Setting
    seed: int = 0
    shares: tuple[float, ...] | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        if self.samples < 1:
            raise InputError("Nothing to make: ask for one sample or more.")
        if self.seed < 0:
            raise InputError(f"The seed {self.seed} is negative: seeds count from 0.")
        shares, parts = self.shares, self.writer.parts
        if shares is None:
            return
        fits = len(shares) == len(parts) and abs(sum(shares) - 1) < 1e-6 and min(shares) >= 0
        if not fits:
            raise InputError(
                f"The format {self.writer.name} has the parts {', '.join(parts)}: give a share for "
                "each, with the sum 1."
            )

    @property
    def all_shares(self) -> tuple[float, ...]:
        """The share of each part."""
        others = len(self.writer.parts) - 1
        return self.shares or (1 - 0.1 * others, *(0.1 for _ in range(others)))

    def part(self, index: int) -> str:
        """The part of a sample, by its index alone; parts are spread evenly."""
        place = (index + 0.5) * 0.6180339887498949 % 1
        limits = np.cumsum(self.all_shares)[:-1]
        return self.writer.parts[int((place >= limits).sum())]

    def manifest(self) -> dict[str, Any]:
        """Everything that the bytes depend on."""
        shares = dict(zip(self.writer.parts, self.all_shares, strict=True))
        return {
            "world": WORLD,
            "body": rig_file().stem,
            "format": self.writer.name,
            "seed": self.seed,
            "samples": self.samples,
            "parts": {name: round(share, 6) for name, share in shares.items()},
            "device": self.device.split(":")[0],
            "shard": self.writer.shard,
            "setting": plain(self.setting),
            **self._photos(),
        }

    def _photos(self) -> dict[str, str]:
        """What the photos behind the people are known by."""
        if self.setting.backgrounds is None:
            return {}
        photos = [Path(file) for file in find_photos(self.setting.backgrounds)]
        listed = "\n".join(f"{photo.name} {photo.stat().st_size}" for photo in photos)
        return {"photos": f"{len(photos)}, {hashlib.sha256(listed.encode()).hexdigest()[:12]}"}


@dataclass
class Progress:
    """Told while a data set is made. Nothing is done by default. Counts `Writer.unit`.

    Attributes:
        begin: Given how many are already there, and how many there will be.
        advance: Given how many came to it.
    """

    begin: Callable[[int, int], None] = field(default=lambda _done, _total: None)
    advance: Callable[[int], None] = field(default=lambda _count: None)


def samples_for(people: int, seed: int, setting: Setting) -> int:
    """How many samples show `people` people together, or a few more."""
    low, high = setting.people
    if low == high:
        return -(-people // low)
    total = index = 0
    while total < people:
        total += sample_crowd(seed, index, setting)
        index += 1
    return index


def make(
    plan: Plan, out: str | Path, *, workers: int = 1, progress: Progress | None = None
) -> dict[str, int]:
    """Make a data set, or go on with one.

    The same plan gives the same bytes, whatever the number of processes and of interruptions.

    Args:
        plan: What.
        out: The folder; made if needed.
        workers: Processes that render; 1: this one does.
        progress: Told how far it is.

    Returns:
        "samples" and "people" of the whole data set.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    out, progress = Path(out), progress or Progress()
    if workers < 1:
        raise InputError(f"Cannot render in {workers} processes: give 1 or more.")
    done = _begin(plan, out)
    if done:
        return done
    work = out / WORK
    with lock_file(work / "lock", out):
        _sweep(out)
        todo = [place for place in range(_shards(plan)) if not _record_file(out, place).is_file()]
        finished = sorted(set(range(_shards(plan))) - set(todo))
        there = sum(
            _counted(plan, line["people"]) for place in finished for line in _read(out, place)
        )
        total = _expected(plan)
        progress.begin(there, total)
        _render(plan, out, todo, workers, progress)
        totals = _finish(plan, out)
    shutil.rmtree(work, ignore_errors=True)
    return totals


def _shards(plan: Plan) -> int:
    return -(-plan.samples // plan.writer.shard)


def _indices(plan: Plan, shard: int) -> range:
    size = plan.writer.shard
    return range(shard * size, min((shard + 1) * size, plan.samples))


def _counted(plan: Plan, people: int) -> int:
    """How far a sample of so many people brings the progress."""
    return people if plan.writer.unit == "people" else 1


def _expected(plan: Plan) -> int:
    low, high = plan.setting.people
    if plan.writer.unit != "people":
        return plan.samples
    if low == high:
        return low * plan.samples
    return sum(sample_crowd(plan.seed, index, plan.setting) for index in range(plan.samples))


def _begin(plan: Plan, out: Path) -> dict[str, int] | None:
    """Write or compare the manifest; the totals where everything is made already."""
    wanted = plan.manifest()
    file = out / MANIFEST
    if not file.is_file():
        try:
            out.mkdir(parents=True, exist_ok=True)
            strange = [path for path in out.iterdir() if not path.name.startswith(".part-")]
        except OSError as error:
            raise InputError(f"Cannot write to the folder {out}: {error.strerror}.") from error
        if strange:
            raise InputError(
                f"The folder {out} holds other files ({strange[0].name}): give a new one."
            )
        _write(file, _dump(wanted))
    there = read_manifest(out)
    difference = _difference(there, wanted)
    if difference:
        raise InputError(
            f"The folder {out} holds other samples ({difference}): give another folder, or the "
            "same options to go on with it."
        )
    if "people" in there:
        shutil.rmtree(out / WORK, ignore_errors=True)
        return {"samples": plan.samples, "people": int(there["people"])}
    try:
        (out / WORK).mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot write to the folder {out}: {error.strerror}.") from error
    return None


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a folder was made from.

    Raises:
        InputError: the folder is none of ours.
    """
    file = folder / MANIFEST
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} is no folder of vitruvian world make: its {MANIFEST} cannot be read."
        ) from error
    if not isinstance(content, dict) or "world" not in content:
        raise InputError(f"{file} is not of vitruvian world make.")
    return content


def _difference(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """In words, what differs between two manifests; empty where nothing does."""
    old, new = ({**manifest, **manifest.get("setting", {})} for manifest in (there, wanted))
    found = []
    for name in dict.fromkeys([*new, *old]):
        if name in ("setting", "people") and name not in wanted.get("setting", {}):
            continue
        before, now = old.get(name), new.get(name)
        if before != now and name != "setting":
            found.append(f"{_WORDS.get(name, name)}: {before} there, {now} asked")
    return "; ".join(found)


def _dump(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=2) + "\n").encode()


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot write {file}: {error.strerror}.") from error
    with whole_file(file) as part:
        part.write_bytes(data)


def _sweep(out: Path) -> None:
    """Remove what a killed run had begun."""
    for path in out.rglob(".part-*"):
        path.unlink(missing_ok=True)


def _record_file(out: Path, shard: int) -> Path:
    return out / WORK / f"{shard:06d}.jsonl"


def _read(out: Path, shard: int) -> list[dict[str, Any]]:
    lines = _record_file(out, shard).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _render(plan: Plan, out: Path, todo: list[int], workers: int, progress: Progress) -> None:
    """Render the missing shards, in order."""
    indices = [index for shard in todo for index in _indices(plan, shard)]
    task = (plan.writer.name, plan.seed, plan.setting, plan.device)
    jobs = [(*task, index, plan.part(index)) for index in indices]
    entries = render_all(encode_one, jobs, workers)
    try:
        for shard in todo:
            _write_shard(plan, out, shard, entries, progress)
    finally:
        entries.close()


def encode_one(name: str, seed: int, setting: Setting, device: str, index: int, part: str) -> Entry:
    """Render and encode one sample; what a process is asked."""
    from vitruvian.world.sample import render_sample

    writer = find_writer(name)
    if writer.render is not None:
        return writer.encode(writer.render(seed, index, setting, device), part)
    return writer.encode(render_sample(seed, index, setting, device=device), part)


def _write_shard(
    plan: Plan, out: Path, shard: int, entries: Iterator[Entry], progress: Progress
) -> None:
    """Write the next entries' files, then the record that says that they are there."""
    lines: list[str] = []
    tarred: dict[str, bytes] = {}
    for index in _indices(plan, shard):
        entry = next(entries)
        if plan.writer.tar:
            tarred.update(entry.files)
        else:
            for name, data in entry.files.items():
                _write(out / name, data)
        line = {"index": index, "people": entry.people, "record": entry.record}
        lines.append(json.dumps(line) + "\n")
        progress.advance(_counted(plan, entry.people))
    if tarred:
        _write(out / f"shard-{shard:06d}.tar", _tar(tarred))
    _write(_record_file(out, shard), "".join(lines).encode())


def _tar(files: Mapping[str, bytes]) -> bytes:
    """A tar that is a function of its files: without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _finish(plan: Plan, out: Path) -> dict[str, int]:
    """Write the files that list the samples, and say in the manifest that all is there."""
    records, people = [], 0
    for shard in range(_shards(plan)):
        for line in _read(out, shard):
            people += line["people"]
            records.append(Record(line["index"], plan.part(line["index"]), line["record"]))
    for name, data in plan.writer.finish(records):
        _write(out / name, data)
    _write(out / MANIFEST, _dump({**plan.manifest(), "people": people}))
    return {"samples": plan.samples, "people": people}
