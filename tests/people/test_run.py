from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.people.fakes import FakeDetector, person_at, write_clip, write_picture
from vitruvian.core.errors import InputError
from vitruvian.people.journal import Lines, PhotoJournal, VideoJournal, decode, encode, read_lines
from vitruvian.people.options import RunOptions, Watcher
from vitruvian.people.run import run
from vitruvian.people.video import VideoReader

COMPARED = ("people.jsonl", "people.csv", "coco.json")


def go(inputs, out, detector=None, **options):
    """A run with a fake detector; `overwrite` and `watcher` go to `run`, the rest are options."""
    detector = detector or FakeDetector()
    extra = {name: options.pop(name) for name in ("overwrite", "watcher") if name in options}
    inputs = [str(item) for item in (inputs if isinstance(inputs, list) else [inputs])]
    return run(inputs, out, RunOptions(**options), make_detector=lambda _o, _t: detector, **extra)


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "people.jsonl").read_text().splitlines()]


def products(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in COMPARED}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    write_picture(folder / "a.jpg")
    write_picture(folder / "b.png", [(30, 40)])
    write_picture(folder / "sub" / "a.jpg", [(80, 80)])
    write_clip(folder / "clip.mp4", frames=30)
    return folder


class Interrupt(Watcher):
    """Stops a run after so many pictures, as ^C would."""

    def __init__(self, after: int) -> None:
        self.left = after

    def frames(self, count, *, detected) -> None:
        self.left -= count
        if self.left <= 0:
            raise KeyboardInterrupt


def test_all_files_are_there_and_say_the_same(media, tmp_path) -> None:
    out = tmp_path / "out"
    summary = go(media, out)
    records = lines(out)
    assert [(r["source"], r["frame"]) for r in records[:2]] == [
        (str(media / "a.jpg"), 0),
        (str(media / "b.png"), 0),
    ]
    clip = [r for r in records if r["source"].endswith("clip.mp4")]
    assert [r["frame"] for r in clip] == list(range(30))
    assert clip[10]["seconds"] == pytest.approx(0.4)
    assert {p["id"] for r in clip for p in r["people"]} == {1, 2}
    assert set(records[0]["people"][0]) == {"id", "score", "box", "pose", "face"}
    assert [p["id"] for p in records[0]["people"]] == [1, 2]
    assert records[0]["people"][0]["face"]["landmarks"]["nose"]
    names = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    visible = {name for name in names if not name.startswith(".vitruvian")}
    assert visible == {
        *("people.jsonl", "people.csv", "coco.json", "run.json", "report.html"),
        *("annotated/a.jpg", "annotated/b.png", "annotated/sub/a.jpg", "annotated/clip.mp4"),
    }
    with Image.open(out / "annotated/b.png") as image:
        assert image.format == "PNG"
        assert image.size == (160, 120)
    with VideoReader(out / "annotated/clip.mp4") as video:
        assert sum(1 for _ in video) == 30
        assert video.rate == 25
    record = json.loads((out / "run.json").read_text())
    assert record["counts"] == summary.counts
    assert summary.counts["frames"] == 33
    assert summary.counts["tracks"] == 2
    assert record["systems"][0]["licence"] == "CC0-1.0"
    assert record["systems"][0]["sha256"] == "f" * 64
    assert record["options"]["height"] == 480
    assert record["timings"]["decode"]["count"] > 3
    assert not list(out.rglob(".part-*"))
    assert not list((out / ".vitruvian/tmp").iterdir())


@pytest.mark.parametrize("after", [1, 2, 3, 9, 20, 33])
def test_interrupted_run_goes_on_to_the_same_bytes(media, tmp_path, after) -> None:
    go(media, tmp_path / "whole")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        go(media, out, watcher=Interrupt(after))
    assert not (out / "run.json").exists()
    assert not list(out.rglob(".part-*"))
    before = len(lines(out))
    detector = FakeDetector()
    go(media, out, detector)
    assert detector.seen <= 33 - after  # nothing is seen twice
    assert before >= after - 1
    assert products(out) == products(tmp_path / "whole")
    with VideoReader(out / "annotated/clip.mp4") as video:
        assert sum(1 for _ in video) == 30


def test_batches_are_aligned_after_a_cut_anywhere(media, tmp_path) -> None:
    """The journal cut at every byte region: numbers hang on batches, so these must be the same."""
    clip = media / "clip.mp4"
    go(clip, tmp_path / "whole")
    out = tmp_path / "out"
    go(clip, out)
    journal = next((out / ".vitruvian").glob("*/detections.jsonl"))
    data = journal.read_bytes()
    rng = np.random.default_rng(0)
    for size in [0, 10, *rng.integers(0, len(data), 6), len(data) - 1]:
        journal.write_bytes(data[:size])
        (out / "run.json").unlink()
        go(clip, out)
        assert products(out) == products(tmp_path / "whole")
        assert journal.read_bytes() == data


def test_journal_with_rubbish_at_its_end_is_cut(media, tmp_path) -> None:
    clip = media / "clip.mp4"
    go(clip, tmp_path / "out")
    whole = products(tmp_path / "out")
    journal = next((tmp_path / "out/.vitruvian").glob("*/detections.jsonl"))
    head = journal.read_bytes().splitlines(keepends=True)[:12]
    journal.write_bytes(b"".join(head) + b"\0\0\0\n\xff\n{}")
    (tmp_path / "out/run.json").unlink()
    go(clip, tmp_path / "out")
    assert products(tmp_path / "out") == whole


def test_finished_run_is_not_done_again(media, tmp_path) -> None:
    out = tmp_path / "out"
    go(media, out)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}

    def no_detector(_options, _timings):
        pytest.fail("a finished run loaded the detector")

    summary = run([str(media)], out, make_detector=no_detector)
    assert summary.already
    assert summary.counts["frames"] == 33
    changed = {p.name for p, t in before.items() if p.stat().st_mtime_ns != t}
    assert changed <= {"state.json", "lock"}


def test_lost_copies_and_tables_are_made_again_without_the_detector(media, tmp_path) -> None:
    out = tmp_path / "out"
    go(media, out)
    before = products(out)
    for name in ("annotated/a.jpg", "annotated/clip.mp4", "coco.json", "report.html"):
        (out / name).unlink()
    detector = FakeDetector()
    go(media, out, detector)
    assert detector.seen == 0
    assert products(out) == before
    assert (out / "annotated/a.jpg").is_file()
    assert (out / "annotated/clip.mp4").is_file()


def test_new_photos_of_a_folder_are_done_and_gone_ones_leave(media, tmp_path) -> None:
    out = tmp_path / "out"
    go(media, out)
    write_picture(media / "aa.jpg", [(50, 50)])
    detector = FakeDetector()
    summary = go(media, out, detector)
    assert detector.seen == 1
    assert not summary.already
    assert [Path(r["source"]).name for r in lines(out)[:3]] == ["a.jpg", "aa.jpg", "b.png"]
    go(media, tmp_path / "fresh")
    assert products(out) == products(tmp_path / "fresh")
    (media / "aa.jpg").unlink()
    go(media, out, detector)
    assert detector.seen == 1
    assert not (out / "annotated/aa.jpg").exists()
    assert len(lines(out)) == 33


def test_changed_photo_and_video_are_done_again(media, tmp_path) -> None:
    out = tmp_path / "out"
    go(media, out)
    write_picture(media / "a.jpg", [(99, 60)])
    write_clip(media / "clip.mp4", frames=12)
    go(media, out)
    go(media, tmp_path / "fresh")
    assert products(out) == products(tmp_path / "fresh")
    assert len(lines(out)) == 3 + 12
    assert (out / "annotated/a.jpg").read_bytes() == (
        tmp_path / "fresh/annotated/a.jpg"
    ).read_bytes()


def test_other_options_other_inputs_other_weights_are_refused(media, tmp_path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        go(media, out, watcher=Interrupt(2))
    with pytest.raises(InputError, match=r"height 480, not 256.*--overwrite"):
        go(media, out, height=256)
    with pytest.raises(InputError, match=r"smooth on, not off"):
        go(media, out, smooth=False)
    other = write_picture(tmp_path / "other.jpg")
    with pytest.raises(InputError, match=r"other inputs.*--overwrite"):
        go(other, out)
    with pytest.raises(InputError, match=r"other weights"):
        go(media, out, FakeDetector(weights="e" * 64))
    go(media, out)  # none of these did harm
    go([media, other], out)  # more inputs are well
    assert len(lines(out)) == 34


def test_annotate_may_be_changed_and_no_annotate_still_has_pictures_in_the_report(
    media, tmp_path
) -> None:
    out = tmp_path / "out"
    go(media, out, annotate=False)
    assert not (out / "annotated").exists()
    assert (out / "report.html").read_text().count("data:image/jpeg") >= 5
    detector = FakeDetector()
    go(media, out, detector, annotate=True)
    assert detector.seen == 0
    assert (out / "annotated/sub/a.jpg").is_file()
    assert (out / "annotated/clip.mp4").is_file()


def test_overwrite_removes_only_what_a_run_made(media, tmp_path) -> None:
    out = tmp_path / "out"
    go(media, out)
    for mine in ("mine.txt", "annotated/mine.jpg", "annotated/sub/mine.txt"):
        (out / mine).write_text("mine")
    go(media / "b.png", out, height=256, overwrite=True)
    names = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    visible = {name for name in names if not name.startswith(".vitruvian")}
    assert visible == {
        *("people.jsonl", "people.csv", "coco.json", "run.json", "report.html"),
        *("annotated/b.png", "mine.txt", "annotated/mine.jpg", "annotated/sub/mine.txt"),
    }
    assert len(lines(out)) == 1


def test_out_inside_the_folder_of_the_photos(media) -> None:
    go(media, media / "out")
    assert go(media, media / "out").already
    assert len(lines(media / "out")) == 33


def test_max_frames_and_batch_size(media, tmp_path) -> None:
    detector = FakeDetector()
    go(media / "clip.mp4", tmp_path / "out", detector, max_frames=10, batch_size=4)
    assert detector.batches == [4, 4, 2]
    assert len(lines(tmp_path / "out")) == 10


def test_memory_does_not_grow_with_the_video(tmp_path) -> None:
    def peak(frames: int) -> int:
        clip = write_clip(tmp_path / f"{frames}.mp4", frames=frames)
        tracemalloc.start()
        go(clip, tmp_path / f"out{frames}")
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(50)  # imports and caches
    assert peak(1000) < 1.15 * peak(100) + 200_000


def test_detections_come_back_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    people = tuple(person_at(*rng.normal(100, 30, 2), face=i % 2 == 0) for i in range(5))
    faces = tuple(person.face for person in people if person.face)
    back_people, back_faces = decode(json.loads(json.dumps(encode((people, faces)))))
    for person, back in zip(people, back_people, strict=True):
        assert back.pose.joints.tobytes() == person.pose.joints.tobytes()
        assert back.box.tobytes() == person.box.tobytes()
        assert (back.face is None) == (person.face is None)
    for face, back in zip(faces, back_faces, strict=True):
        assert back.landmarks.tobytes() == face.landmarks.tobytes()
    assert decode(encode(((), ()))) == ((), ())


def test_lines_that_do_not_fit_leave_no_trace(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.jsonl"
    with Lines(path) as file:
        file.append({"a": 1})
        real = os.write
        sizes = iter([3])

        def full(number: int, data: bytes) -> int:
            size = next(sizes, None)
            if size is None:
                raise OSError(28, "No space left on device")
            return real(number, data[:size])

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(InputError, match=r"a\.jsonl.*No space left"):
            file.append({"b": 2})
        monkeypatch.undo()
        file.append({"c": 3})
    assert [item for item, _ in read_lines(path)] == [{"a": 1}, {"c": 3}]


def test_journals_drop_what_was_cut_off(tmp_path) -> None:
    path = tmp_path / "photos.jsonl"
    path.write_text('{"source": "a", "n": 1}\n{"source": "b"}\n{"source": "a", "n": 2}\n{"sou')
    journal = PhotoJournal(path)
    assert journal.find("a") == {"source": "a", "n": 2}
    journal.add({"source": "c"})
    journal.close()
    assert path.read_text().endswith('"n": 2}\n{"source": "c"}\n')
    video = VideoJournal(tmp_path / "v.jsonl", {"source": "v"}, 4)
    video.finish(0, None)
    video.close()
    assert VideoJournal(tmp_path / "v.jsonl", {"source": "v"}, 4).end["end"] == 0
    assert VideoJournal(tmp_path / "v.jsonl", {"source": "other"}, 4).end is None


SCRIPT = """
import sys
from tests.people.fakes import FakeDetector
from vitruvian.people.run import run
run([sys.argv[1]], sys.argv[2], make_detector=lambda o, t: FakeDetector(pause=0.01))
"""


def test_kill_at_any_instant_then_the_same_bytes(media, tmp_path) -> None:
    go(media, tmp_path / "whole")
    out = tmp_path / "out"
    rng = np.random.default_rng(7)
    command = [sys.executable, "-c", SCRIPT, str(media), str(out)]
    kills = 0
    for _ in range(12):
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        deadline = time.monotonic() + 60
        # From the first sign of life on, at a random instant of the 0.4 s that the run takes.
        while not (out / ".vitruvian/state.json").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.5) + (0.7 if kills > 1 else 0))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        if (out / "people.jsonl").exists():
            for line in (out / "people.jsonl").read_text().splitlines(keepends=True):
                assert line.endswith("\n")
                json.loads(line)
        if (out / "run.json").exists():
            break
    assert kills >= 2
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
    assert products(out) == products(tmp_path / "whole")
    with VideoReader(out / "annotated/clip.mp4") as video:
        assert sum(1 for _ in video) == 30
