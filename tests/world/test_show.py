"""`vitruvian world show`."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from vitruvian.cli import main


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return leaving.value.code, out, err


def test_a_sheet_of_samples(capsys, tmp_path):
    out = tmp_path / "sheet.png"
    code, stdout, _ = run(
        capsys, "world", "show", "--count", 3, "--size", 48, 64, "--out", out, "--json"
    )
    assert code == 0
    assert json.loads(stdout.splitlines()[-1]) == {
        "out": str(out),
        "samples": 3,
        "seed": 0,
        "index": 0,
    }
    assert Image.open(out).size == (512, 512)


def test_all_annotations_of_a_crowd(capsys, tmp_path):
    out = tmp_path / "all.jpg"
    code, _, _ = run(capsys, "world", "show", "--annotations", "--people", 2, "--out", out)
    assert code == 0
    width, height = Image.open(out).size
    assert width == 5 * (300 + 4)
    assert height == 4 * (400 + 26)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--activity", "waking"), "Did you mean 'walking'?"),
        (("--size", "4", "4"), "from 16 to 4096"),
        (("--out", "sheet.txt"), ".png"),
        (("--out", "no/such/folder/sheet.png", "--count", "1"), "Cannot write"),
    ],
)
def test_bad_input_is_one_sentence(capsys, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "world", "show", *arguments)
    assert code == 1
    assert sentence in err
    assert not list(tmp_path.iterdir())
