"""Checkpoints that are none, or another's: one sentence that names the file, and no code is run."""

from __future__ import annotations

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

import vitruvian
from vitruvian.cli import main
from vitruvian.core.errors import WeightsError
from vitruvian.pose.simple_baseline import SimpleBaseline

SMALL = {"depth": 18, "filters": [8, 8, 8], "width": 64, "height": 64}


class Evil:
    """Makes a folder when it is unpickled by a reader that trusts it."""

    def __init__(self, trap) -> None:
        self.trap = str(trap)

    def __reduce__(self):
        return os.mkdir, (self.trap,)


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    return SimpleBaseline("lsp14", **SMALL)


@pytest.fixture(scope="module")
def whole(system, tmp_path_factory):
    """A safetensors and a PyTorch file that are right."""
    folder = tmp_path_factory.mktemp("whole")
    system.save(folder / "w.safetensors")
    torch.save(system.network.state_dict(), folder / "w.pth")
    return folder


def write_bad(file, suffix, whole, trap, kind):
    """Write one bad checkpoint."""
    good = (whole / f"w{suffix}").read_bytes()
    state = dict(torch.load(whole / "w.pth", weights_only=True))
    contents = {
        "empty": b"",
        "text": b"These are no weights.\n" * 40,
        "random": torch.randint(0, 256, (4000,), dtype=torch.uint8).numpy().tobytes(),
        "half": good[: len(good) // 2],
        "head": good[:100],
        "pickle": pickle.dumps(Evil(trap)),
        "old pickle": pickle.dumps(Evil(trap), protocol=2),
    }
    if kind in contents:
        file.write_bytes(contents[kind])
        return
    first = next(iter(state))
    objects = {
        "code beside tensors": {"state_dict": state, "extra": Evil(trap)},
        "list": [1, 2],
        "one tensor": torch.zeros(3),
        "no tensor": {"a": 1},
        "nothing": {},
        "other keys": {"a": torch.zeros(2)},
        "a key short": {key: value for key, value in state.items() if key != first},
        "a key more": {**state, "more": torch.zeros(1)},
        "a shape": {**state, first: torch.zeros(1, 2, 3)},
        "nan": {**state, first: torch.full_like(state[first], float("nan"))},
        "hyperparameters": {
            "state_dict": {f"network.{key}": value for key, value in state.items()},
            "hyper_parameters": [1],
        },
    }
    torch.save(objects[kind], file)


DAMAGED = ("empty", "text", "random", "half", "head", "pickle", "old pickle")
WRONG = (
    *("code beside tensors", "list", "one tensor", "no tensor", "nothing", "other keys"),
    *("a key short", "a key more", "a shape", "nan", "hyperparameters"),
)
CASES = [
    *((suffix, kind) for suffix in (".safetensors", ".pth") for kind in DAMAGED),
    *((".pth", kind) for kind in WRONG),
]


@pytest.mark.parametrize(("suffix", "kind"), CASES)
def test_a_bad_checkpoint_is_refused(tmp_path, whole, suffix, kind, recwarn):
    file, trap = tmp_path / f"bad{suffix}", tmp_path / "trap"
    write_bad(file, suffix, whole, trap, kind)
    with pytest.raises(WeightsError) as caught:
        vitruvian.load("simple_baseline", file, device="cpu")
    text = str(caught.value)
    assert str(file) in text
    assert len(text.splitlines()) == 1
    assert not trap.exists()
    assert not recwarn.list


def test_a_checkpoint_that_may_not_be_read(whole, monkeypatch):
    """As root, who may run the tests, may read all, the refusal is put in by hand."""

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    file = whole / "w.pth"
    monkeypatch.setattr("vitruvian.core.published.torch.load", refuse)
    with pytest.raises(WeightsError, match=r"w\.pth cannot be read \(Permission denied\)"):
        vitruvian.load("simple_baseline", file, device="cpu")
    monkeypatch.setattr("vitruvian.core.weights.sha256", refuse)
    with pytest.raises(WeightsError, match=r"w\.pth cannot be read \(Permission denied\)"):
        vitruvian.load("simple_baseline", file, device="cpu")


@pytest.mark.parametrize(
    "said",
    [
        "not JSON",
        "[1]",
        json.dumps({"depth": 99}),
        json.dumps({"nonsense": 1}),
        json.dumps({"filters": 3}),
        json.dumps({"skeleton": "snake"}),
    ],
)
def test_a_file_that_lies_about_itself(tmp_path, system, said):
    file = tmp_path / "lies.safetensors"
    metadata = {"system": "pose/simple_baseline", "arguments": said}
    save_file(system.network.state_dict(), file, metadata)
    with pytest.raises(WeightsError, match=r"lies\.safetensors"):
        vitruvian.load("simple_baseline", file, device="cpu")


@pytest.mark.parametrize("name", ["openpose", "retinaface"])
@pytest.mark.parametrize("kind", ["w.safetensors", "w.pth"])
def test_another_networks_checkpoint(whole, name, kind):
    with pytest.raises(WeightsError, match=r"does not fit .* missing .* extra"):
        vitruvian.load(name, whole / kind, device="cpu")


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "simple_baseline", "{photo}", "--weights", "{bad}"),
        ("predict", "openpose", "{photo}", "--weights", "{bad}"),
        ("export", "simple_baseline", "--weights", "{bad}", "--out", "{out}.onnx"),
        ("weights", "import", "simple_baseline", "{bad}", "--out", "{out}.safetensors"),
        ("weights", "export", "simple_baseline", "{out}.pth", "--weights", "{bad}"),
    ],
)
def test_every_verb_says_it_in_one_sentence(tmp_path, capsys, arguments, system):
    from PIL import Image

    photo, bad = tmp_path / "photo.png", tmp_path / "bad.pth"
    Image.new("RGB", (64, 64)).save(photo)
    bad.write_bytes(b"\x80\x02 nothing more")
    places = {"photo": photo, "bad": bad, "out": tmp_path / "out"}
    with pytest.raises(SystemExit) as leaving:
        main([item.format(**places) for item in arguments])
    out, err = capsys.readouterr()
    assert leaving.value.code == 1
    assert out == ""
    assert str(bad) in err
    assert len(err.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"photo.png", "bad.pth"}


def test_names_that_there_are_not(capsys):
    for arguments, words in (
        (("predict", "pose/openpse", "x.jpg"), "Did you mean 'pose/openpose'?"),
        (("export", "openpse"), "Did you mean 'pose/openpose'?"),
        (("weights", "pull", "openpse"), "Did you mean 'pose/openpose'?"),
        (("systems", "simple_baselin"), "Did you mean 'pose/simple_baseline'?"),
        (("train", "simple_baseline_lps"), "Did you mean 'pose/simple_baseline_lsp'?"),
        (("test", "simple_baseline_lps"), "Did you mean"),
        (("bench", "analise"), "Did you mean 'analyze'?"),
        (("analyse", "x.jpg"), "Did you mean 'analyze'?"),
    ):
        with pytest.raises(SystemExit) as leaving:
            main(list(arguments))
        out, err = capsys.readouterr()
        assert leaving.value.code in (1, 2)
        assert out == ""
        assert words in err or "x.jpg" in err
        assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("content", [b"\x97\xff\x00", b"only words", b"- a\n- list", b"a: [1"])
def test_a_recipe_that_is_none(tmp_path, capsys, content):
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(SystemExit) as leaving:
        main(["train", str(file), "--out", str(tmp_path / "run")])
    assert leaving.value.code == 1
    err = capsys.readouterr().err
    assert str(file) in err
    assert "give a recipe" in err
    assert len(err.strip().splitlines()) == 1
