from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.people.fakes import FakeDetector, write_clip, write_picture
from vitruvian.cli import main


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """A function that runs `vitruvian analyze` with a fake detector: (code, stdout, stderr)."""
    monkeypatch.setattr(
        "vitruvian.people.detector.PeopleDetector", lambda **options: FakeDetector()
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            main(["analyze", *map(str, arguments)])
        text = capsys.readouterr()
        return leaving.value.code, text.out, text.err

    return run


def test_photo_and_video_into_the_default_folder(command, tmp_path) -> None:
    write_picture(tmp_path / "media/a b.jpg")
    write_clip(tmp_path / "media/clip.mp4", frames=12)
    code, out, err = command("media")
    assert code == 0
    assert "vitruvian-out/annotated" in out
    assert "vitruvian-out/report.html" in out
    assert "1 photo and 1 video (12 frames)" in out
    assert "Runs on cpu (2 threads), float32." in err
    assert "photos" in err
    assert "clip.mp4" in err
    assert "frames/s" in err
    assert (tmp_path / "vitruvian-out/annotated/a b.jpg").is_file()


def test_second_time_says_that_all_is_done(command, tmp_path) -> None:
    write_picture(tmp_path / "a.jpg")
    assert command("a.jpg", "--out", "x")[0] == 0
    code, out, err = command("a.jpg", "--out", "x")
    assert code == 0
    assert "done before" in out
    assert "Runs on" not in err
    assert command("a.jpg", "--out", "x", "--height", "256")[0] == 1
    assert command("a.jpg", "--out", "x", "--height", "256", "--overwrite")[0] == 0


def test_json_is_the_last_line_of_stdout_and_the_only_one(command, tmp_path) -> None:
    write_picture(tmp_path / "a.jpg")
    code, out, err = command("a.jpg", "--json")
    assert code == 0
    found = json.loads(out.splitlines()[-1])
    assert len(out.splitlines()) == 1
    assert (found["photos"], found["people"], found["faces"]) == (1, 2, 1)
    assert found["problems"] == []
    assert "report.html" in err


def test_options_reach_the_run(command, tmp_path, monkeypatch) -> None:
    seen = {}

    def make(**options):
        seen.update(options)
        return FakeDetector()

    monkeypatch.setattr("vitruvian.people.detector.PeopleDetector", make)
    write_clip(tmp_path / "clip.mp4", frames=9)
    arguments = "--height 256 --scales 1,0.5 --no-faces --no-smooth --batch-size 3 --device cpu"
    code, _, _ = command(
        "clip.mp4", *arguments.split(), "--backend", "torch", "--max-frames", 5, "--no-annotate"
    )
    assert code == 0
    assert (seen["height"], seen["scales"], seen["faces"]) == (256, (1.0, 0.5), False)
    assert (seen["device"], seen["backend"]) == ("cpu", "torch")
    record = json.loads((tmp_path / "vitruvian-out/run.json").read_text())
    assert record["options"]["batch_size"] == 3
    assert record["options"]["smooth"] is False
    assert record["counts"]["frames"] == 5
    assert not (tmp_path / "vitruvian-out/annotated").exists()


def test_debug_shows_the_trace(command) -> None:
    code, _, err = command("nothing.jpg", "--debug")
    assert code == 1
    assert "Traceback" in err
    code, _, err = command("nothing.jpg")
    assert code == 1
    assert "Traceback" not in err
    assert err.count("\n") == 1


def test_help_teaches() -> None:
    code = "from vitruvian.cli import main; main(['analyze', '--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for words in ("Examples:", "vitruvian analyze photo.jpg", "--overwrite", "camera:0"):
        assert words in done.stdout
