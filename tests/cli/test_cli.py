"""The command line's frame: help, version, errors, systems, weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import vitruvian
from vitruvian.cli import VERBS, main
from vitruvian.cli.output import print_json, run_safely
from vitruvian.core.card import cards
from vitruvian.core.errors import InputError


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return leaving.value.code, out, err


def test_help_lists_every_verb(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for verb, line in VERBS.items():
        assert verb in out
        assert line.split(":")[0] in out


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom vitruvian.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'cv2', 'lightning', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("bench", "weights")])
def test_every_verb_has_help_with_examples(capsys, verb):
    code, out, _ = run(capsys, verb, "--help")
    assert code == 0
    assert f"vitruvian {verb}" in out
    assert "Examples" in out


def test_version(capsys):
    assert run(capsys, "--version")[:2] == (0, f"vitruvian {vitruvian.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("sistems",), 2, "Did you mean 'systems'?"),
        (("systems", "--bla"), 2, "--bla"),
        (("systems", "simple_bseline"), 1, "Did you mean 'pose/simple_baseline'?"),
        (("weights", "pull", "openpose", "mobilenet"), 1, "Did you mean"),
        (("weights", "pull", "simple_baseline"), 1, "vitruvian train pose/simple_baseline_lsp"),
        (("weights", "import", "simple_baseline", "absent.pth"), 1, "absent.pth"),
    ],
)
def test_wrong_use(capsys, arguments, code, sentence):
    got, out, err = run(capsys, *arguments)
    assert (got, out) == (code, "")
    assert sentence in err
    assert "Traceback" not in err


def test_systems_as_json_is_the_last_line(capsys):
    code, out, _ = run(capsys, "systems", "--json")
    assert code == 0
    found = json.loads(out.splitlines()[-1])
    assert found["pose/simple_baseline"]["paper"]["year"] == 2018


def test_every_name_is_listed_whole(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, listed, _ = run(capsys, "systems")
    assert code == 0
    assert {card.path for card in cards().values()} <= set(listed.split())
    assert "…" not in listed
    code, weights, _ = run(capsys, "weights", "list")
    assert code == 0
    names = {entry.name for card in cards().values() for entry in card.weights}
    assert names <= set(weights.split())
    assert names <= set(listed.replace(",", " ").split())


def test_systems_tells_one(capsys):
    code, out, _ = run(capsys, "systems", "simple_baseline")
    assert code == 0
    assert "1804.06208" in out
    assert "vitruvian train pose/simple_baseline_lsp" in out
    assert "70.4" in out


def test_weights_are_listed(capsys):
    code, out, _ = run(capsys, "weights", "list", "--json")
    assert code == 0
    assert json.loads(out)["pose/openpose"][0]["licence"] == "Apache-2.0"


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("The file x is empty."), 1, "Error: The file x is empty.\n"),
        (KeyError("inner"), 1, "KeyError"),
        (KeyboardInterrupt(), 130, "Stopped"),
    ],
)
def test_errors_are_one_sentence(capsys, error, code, words):
    assert run_safely(lambda: fail(error)) == code
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_debug_shows_the_trace(capsys):
    assert run_safely(lambda: fail(InputError("x")), debug=True) == 1
    assert "Traceback" in capsys.readouterr().err
    code, _, err = run(capsys, "systems", "absent", "--debug")
    assert code == 1
    assert "Traceback" in err


def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -c 'from vitruvian.cli import main; main()' systems --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr


def test_predict_does_the_good_photos_and_lists_the_bad(capsys, tmp_path):
    names = [tmp_path / "good.png", tmp_path / "новое\n.png", Path(f"{tmp_path}/b\udcff.png")]
    for name in names:
        Image.new("RGB", (48, 64)).save(name)
    bad = tmp_path / "bad.png"
    bad.write_bytes(names[0].read_bytes()[:60])
    out = tmp_path / "out"
    code, text, err = run(capsys, "predict", "openpose", *names, bad, "--out", out, "--json")
    assert code == 1
    assert str(bad) in err
    found = json.loads(text.splitlines()[-1])
    assert [frame["source"] for frame in found["frames"]] == [str(name) for name in names]
    assert len(found["problems"]) == 1
    assert len((out / "records.jsonl").read_text().splitlines()) == 3
    assert len(list(out.glob("*.png"))) == 3


def test_predict_refuses_two_photos_that_would_be_one_file(capsys, tmp_path):
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (48, 64)).save(tmp_path / name)
    names = (tmp_path / "a.png", tmp_path / "a.jpg")
    code, _, err = run(capsys, "predict", "openpose", *names, "--out", tmp_path / "out")
    assert code == 1
    assert "same name" in err


def test_a_terminal_that_knows_no_greek():
    command = [sys.executable, "-c", "from vitruvian.cli import main; main()", "systems"]
    done = subprocess.run(
        [*command, "pose/openpose"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        encoding="latin-1",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert r"d²/2\u03c3²" in done.stdout


def test_json_survives_a_name_that_is_no_unicode(capsys):
    print_json({"name": "b\udcff.jpg"})
    assert json.loads(capsys.readouterr().out) == {"name": "b\udcff.jpg"}


def test_json_has_no_nan(capsys):
    print_json({"a": float("nan"), "b": [1.0, (float("inf"),)], "c": {"d": "é"}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.0, [None]], "c": {"d": "é"}}


def test_hands_and_faces_are_openposes(capsys, tmp_path):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64)).save(photo)
    code, _, err = run(capsys, "predict", "pose/hrnet", photo, "--hands", "hand.pth")
    assert code == 1
    assert "leave --hands out" in err
    missing = ("--hands", tmp_path / "hand.pth", "--out", tmp_path / "out")
    code, _, err = run(capsys, "predict", "pose/openpose", photo, *missing)
    assert code == 1
    assert "no checkpoint" in err
