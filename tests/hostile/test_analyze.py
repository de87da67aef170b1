"""`vitruvian analyze` on what should not be: one sentence, a code, and no harm done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.people.fakes import FakeDetector, write_clip, write_picture
from vitruvian.cli import main
from vitruvian.core.errors import InputError
from vitruvian.people.folder import OutFolder
from vitruvian.people.run import run
from vitruvian.people.video import VideoReader

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Runs the command with a fake detector; gives its code and what it says on stderr."""
    monkeypatch.setattr(
        "vitruvian.people.detector.PeopleDetector", lambda **options: FakeDetector()
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments) -> tuple[int, str]:
        with pytest.raises(SystemExit) as leaving:
            main(["analyze", *map(str, arguments)])
        return leaving.value.code, capsys.readouterr().err

    return run


def one_sentence(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def test_missing_input(command) -> None:
    code, text = command("nothing.jpg")
    assert code == 1
    assert "nothing.jpg" in one_sentence(text)


def test_one_bad_file_alone(command, tmp_path) -> None:
    (tmp_path / "text.jpg").write_text("not a picture")
    write_picture(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:700])
    (tmp_path / "cut.mp4").write_bytes(write_clip(tmp_path / "a.mp4", 9).read_bytes()[:100])
    for name in ("text.jpg", "cut.jpg", "cut.mp4"):
        code, text = command(name, "--out", f"out-{name}")
        assert code == 1
        assert name in one_sentence(text)
        assert not (tmp_path / f"out-{name}/people.jsonl").exists()


def test_good_files_are_done_and_bad_ones_listed(command, tmp_path) -> None:
    folder = tmp_path / "media"
    write_picture(folder / "good.jpg")
    whole = (folder / "good.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("not a picture")
    (folder / "empty.png").touch()
    clip = write_clip(folder / "good.mp4", frames=20)
    (folder / "head.mp4").write_bytes(clip.read_bytes()[:100])
    code, text = command("media", "--out", "out")
    assert code == 1
    assert "Traceback" not in text
    for name in ("cut.jpg", "text.jpg", "empty.png", "head.mp4"):
        assert sum(name in line for line in text.splitlines() if "media" in line) == 1, name
    records = [json.loads(line) for line in (tmp_path / "out/people.jsonl").open()]
    assert len(records) == 21
    assert len(json.loads((tmp_path / "out/run.json").read_text())["bad"]) == 4
    # Once the files are whole they are done, and the rest is not done again.
    for name in ("cut.jpg", "text.jpg", "empty.png"):
        (folder / name).write_bytes(whole)
    (folder / "head.mp4").unlink()
    assert command("media", "--out", "out")[0] == 0
    assert len((tmp_path / "out/people.jsonl").read_text().splitlines()) == 24


def test_truncated_video_is_done_as_far_as_it_goes(command, tmp_path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", frames=60)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    code, text = command("clip.mkv")
    assert code == 1
    assert "clip.mkv" in text
    assert 0 < len((tmp_path / "vitruvian-out/people.jsonl").read_text().splitlines()) < 60
    first = (tmp_path / "vitruvian-out/people.jsonl").read_bytes()
    assert command("clip.mkv")[0] == 1  # and is so the second time
    assert (tmp_path / "vitruvian-out/people.jsonl").read_bytes() == first


def test_two_inputs_of_the_same_name(command, tmp_path) -> None:
    for folder in ("x", "y", "z"):
        write_picture(tmp_path / folder / "a.jpg")
    write_picture(tmp_path / "z" / "a-2.jpg")
    assert command("x/a.jpg", "y/a.jpg", "z", "--out", "out")[0] == 0
    drawn = sorted(path.name for path in (tmp_path / "out/annotated").iterdir())
    assert drawn == ["a-2-2.jpg", "a-2.jpg", "a-3.jpg", "a.jpg"]
    again = json.loads((tmp_path / "out/run.json").read_text())
    assert len({item["annotated"] for item in again["inputs"]}) == 4


@pytest.mark.parametrize(
    "name", ["a b.jpg", "line\nbreak.jpg", "日本.jpg", "-dash.jpg", "a'\"<&>.jpg", "%41?#.jpg"]
)
def test_odd_names(command, tmp_path, name) -> None:
    write_picture(tmp_path / "media" / "x.jpg").rename(tmp_path / "media" / name)
    assert command("media", "--out", "out")[0] == 0
    assert (tmp_path / "out/annotated" / name).is_file()
    assert json.loads((tmp_path / "out/people.jsonl").read_text())["source"] == f"media/{name}"


@pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux only")
def test_name_that_is_no_unicode(command, tmp_path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    write_picture(tmp_path / "media" / "x.jpg").rename(tmp_path / "media" / name)
    assert command("media", "--out", "out")[0] == 0
    assert (tmp_path / "out/annotated" / name).is_file()
    record = json.loads((tmp_path / "out/people.jsonl").read_text())
    assert record["source"] == f"media/{name}"
    for product in ("people.csv", "report.html", "run.json", "coco.json"):
        (tmp_path / "out" / product).read_bytes().decode("utf-8")


def test_out_is_a_file(command, tmp_path) -> None:
    write_picture(tmp_path / "a.jpg")
    (tmp_path / "out").write_text("mine")
    code, text = command("a.jpg", "--out", "out")
    assert code == 1
    assert "out is a file" in one_sentence(text)
    code, text = command("a.jpg", "--out", "out/below")
    assert code == 1
    assert "out/below" in one_sentence(text)
    assert (tmp_path / "out").read_text() == "mine"


def test_out_holds_files_of_somebody_else(command, tmp_path) -> None:
    write_picture(tmp_path / "a.jpg")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/people.csv").write_text("mine")
    code, text = command("a.jpg", "--out", "out")
    assert code == 1
    assert "people.csv" in one_sentence(text)
    assert (tmp_path / "out/people.csv").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_out_is_read_only(command, tmp_path) -> None:
    write_picture(tmp_path / "a.jpg")
    (tmp_path / "out").mkdir(mode=0o500)
    code, text = command("a.jpg", "--out", "out")
    assert code == 1
    assert "Cannot write out" in one_sentence(text)


def test_folder_that_cannot_be_made(command, tmp_path, monkeypatch) -> None:
    """What a read-only folder gives, for root as well."""
    write_picture(tmp_path / "a.jpg")

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    code, text = command("a.jpg", "--out", "out")
    assert code == 1
    assert "Cannot write out: Permission denied" in one_sentence(text)


@pytest.mark.parametrize("limit_kib", [40, 80, 120])
def test_full_disk_then_room_again(tmp_path, limit_kib) -> None:
    """The disk as a limit on the size of a file, which every writer meets."""
    media = tmp_path / "media"
    write_picture(media / "a.jpg")
    write_clip(media / "clip.mp4", frames=120)
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_kib} * 1024,) * 2)\n"
        "from tests.people.fakes import FakeDetector\n"
        "import vitruvian.people.detector as d\n"
        "d.PeopleDetector = lambda **o: FakeDetector()\n"
        "from vitruvian.cli import main\n"
        "main(['analyze', *sys.argv[1:]])\n"
    )
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", script, str(media), "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "Cannot write" in done.stderr.splitlines()[-1]
    for line in (out / "people.jsonl").read_text().splitlines():
        json.loads(line)
    run([str(media)], out, make_detector=lambda o, t: FakeDetector())
    run([str(media)], tmp_path / "whole", make_detector=lambda o, t: FakeDetector())
    for name in ("people.jsonl", "people.csv", "coco.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_two_runs_in_one_folder(command, tmp_path) -> None:
    write_picture(tmp_path / "a.jpg")
    holder = OutFolder(tmp_path / "out")
    code, text = command("a.jpg", "--out", "out")
    assert code == 1
    assert "Another run is writing to out" in one_sentence(text)
    holder.close()
    assert command("a.jpg", "--out", "out")[0] == 0


def test_no_camera_and_no_stream(command) -> None:
    code, text = command("camera:97", "--out", "out")
    assert code == 1
    assert "camera:97" in text
    write_picture(Path("photo.jpg"))
    assert command("photo.jpg", "--out", "out")[0] == 0  # what failed has not taken the folder
    code, text = command("http://127.0.0.1:9/x.mp4", "--out", "out2")
    assert code == 1
    assert "127.0.0.1" in text


def test_stream_that_stops_and_is_asked_again(command, tmp_path) -> None:
    """A stream over a socket that breaks off: what came is kept, and is not begun again."""
    import http.server
    import threading

    clip = write_clip(tmp_path / "clip.ts", frames=60).read_bytes()

    class Half(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(clip)))
            self.end_headers()
            self.wfile.write(clip[: len(clip) // 2])

        def log_message(self, *args) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Half) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/live.ts"
        command(url, "--out", "out")
        server.shutdown()
    records = (tmp_path / "out/people.jsonl").read_bytes()
    assert 0 < len(records.splitlines()) < 60
    assert (tmp_path / "out/annotated/live.ts").is_file()
    command(url, "--out", "out")
    assert (tmp_path / "out/people.jsonl").read_bytes() == records


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stream_that_is_stopped_by_the_user_or_killed(tmp_path, number) -> None:
    """^C closes the recording with all files; after a kill the next run closes it."""
    import http.server
    import threading

    clip = write_clip(tmp_path / "clip.ts", frames=400).read_bytes()
    ended = threading.Event()

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                self.wfile.write(clip[: len(clip) // 4])
                for start in range(len(clip) // 4, len(clip), 1880):
                    if ended.wait(0.1):
                        return
                    self.wfile.write(clip[start : start + 1880])
            except OSError:
                return

        def log_message(self, *args) -> None:
            pass

    out = tmp_path / "out"
    records = out / "people.jsonl"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/live.ts"
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, url, "--out", str(out)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if records.exists() and len(records.read_bytes().splitlines()) > 16:
                break
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        ended.set()
        server.shutdown()
    count = len(records.read_bytes().splitlines())
    assert 16 < count < 400
    if number == signal.SIGINT:
        assert process.returncode == 130, errors
        assert (out / "run.json").is_file()
        with VideoReader(out / "annotated/live.ts") as video:
            assert sum(1 for _ in video) == count
    summary = run([url], out, make_detector=lambda o, t: pytest.fail("read again"))
    assert summary.already == (number == signal.SIGINT)
    assert summary.counts["frames"] >= count
    if number == signal.SIGKILL:
        assert "cannot be taken up again" in summary.problems[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--overwrte",), "--overwrite"),
        (("--precision", "bf61"), "bf16"),
        (("--backend", "onnx"), "onnxruntime"),
        (("--scales", "1;2"), "--scales"),
        (("--scales", ""), "--scales"),
        (("--scales", "-1"), "--scales"),
        (("--height", "0"), "--height"),
        (("--batch-size", "0"), "--batch-size"),
        (("--max-frames", "none"), "--max-frames"),
    ],
)
def test_options_without_sense(command, tmp_path, arguments, words) -> None:
    write_picture(tmp_path / "a.jpg")
    code, text = command("a.jpg", *arguments)
    assert code in (1, 2)
    assert words in text
    assert "Traceback" not in text
    assert not (tmp_path / "vitruvian-out").exists()


INTERRUPTED = """
import sys
from tests.people.fakes import FakeDetector
import vitruvian.people.detector as d
d.PeopleDetector = lambda **o: FakeDetector(pause=0.03)
from vitruvian.cli import main
main(["analyze", *sys.argv[1:]])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_interrupt_from_the_keyboard_leaves_whole_files(tmp_path) -> None:
    media = tmp_path / "media"
    write_picture(media / "a.jpg")
    write_clip(media / "clip.mp4", frames=200)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(media), "--out", str(out)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background hands down a SIGINT that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 60
    records = out / "people.jsonl"
    while time.monotonic() < deadline:
        if records.exists() and len(records.read_bytes().splitlines()) > 8:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "same command" in errors
    names = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert {n for n in names if not n.startswith(".vitruvian")} == {
        "people.jsonl",
        "annotated/a.jpg",
    }
    for line in records.read_text().splitlines():
        json.loads(line)
    run([str(media)], out, make_detector=lambda o, t: FakeDetector())
    run([str(media)], tmp_path / "whole", make_detector=lambda o, t: FakeDetector())
    assert records.read_bytes() == (tmp_path / "whole/people.jsonl").read_bytes()


@pytest.mark.parametrize("content", ['{"schema": 99}', "[1]"])
def test_folder_of_another_version(tmp_path, content) -> None:
    write_picture(tmp_path / "a.jpg")
    folder = tmp_path / "out/.vitruvian"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(content)
    with pytest.raises(InputError, match="another version"):
        run([str(tmp_path / "a.jpg")], tmp_path / "out")


@pytest.mark.parametrize("content", ["[1]", '{"a": 1}', "no JSON"])
def test_run_json_that_somebody_changed(command, tmp_path, content) -> None:
    write_picture(tmp_path / "a.jpg")
    assert command("a.jpg", "--out", "out")[0] == 0
    (tmp_path / "out/run.json").write_text(content)
    assert command("a.jpg", "--out", "out")[0] == 0
    assert json.loads((tmp_path / "out/run.json").read_text())["counts"]["photos"] == 1
