"""`vitruvian train` and `test` as a user types them: killed, resumed, finished, misused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from safetensors.numpy import load_file

from vitruvian.pose.datasets.lsp import write_fake_lsp

SMALL = (
    *("--model.filters", "[8, 8, 8]", "--model.width", "64", "--model.height", "64"),
    *("--data.width", "64", "--data.height", "64", "--data.batch_size", "2"),
    *(
        "--trainer.precision",
        "32-true",
        "--trainer.max_epochs",
        "2",
        "--trainer.accelerator",
        "cpu",
    ),
    *("--keep_seconds", "0", "--model.depth", "18"),
)


def command(*arguments):
    return [sys.executable, "-c", "from vitruvian.cli import main; main()", *map(str, arguments)]


def run(*arguments, cwd=None):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(*arguments),
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        timeout=300,
    )


def train(data, out, *more):
    return ("train", "pose/simple_baseline_lsp", "--out", out, "--data.root", data, *SMALL, *more)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_fake_lsp(tmp_path_factory.mktemp("lsp"), 24)


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    done = run(*train(data, out))
    assert done.returncode == 0, done.stderr
    return out


def test_a_run_writes_what_it_says(unbroken):
    names = {path.name for path in unbroken.iterdir()}
    assert {"config.yaml", "last.ckpt", "best.ckpt", "weights.safetensors", "result.json"} <= names
    assert not [name for name in names if name.startswith(".part")]
    result = json.loads((unbroken / "result.json").read_text())
    assert result["recipe"] == "pose/simple_baseline_lsp"
    assert 0 <= result["metrics"]["val/pck@0.2"] <= 100


def test_a_killed_run_resumes_inside_an_epoch_and_ends_as_an_unbroken_one(data, unbroken, tmp_path):
    out = tmp_path / "run"
    begun = subprocess.Popen(
        command(*train(data, out)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not (out / "last.ckpt").is_file():
        assert begun.poll() is None, "the run ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    assert not (out / "result.json").is_file()
    resumed = run(*train(data, out))
    assert resumed.returncode == 0, resumed.stderr
    assert "Resuming from" in resumed.stderr
    whole, broken = (load_file(folder / "weights.safetensors") for folder in (unbroken, out))
    assert whole.keys() == broken.keys()
    for key, value in whole.items():
        assert (value == broken[key]).all(), key


def test_a_finished_run_says_so_and_other_settings_are_refused(data, unbroken):
    again = run(*train(data, unbroken))
    assert again.returncode == 0
    assert "is finished" in again.stderr
    other = run(*train(data, unbroken, "--optimizer.lr", "0.1"))
    assert other.returncode == 1
    assert "other settings (optimizer)" in other.stderr
    assert "Traceback" not in other.stderr


def test_test_scores_the_best_checkpoint_and_prints_json(data, unbroken):
    done = run(
        *("test", "pose/simple_baseline_lsp", "--out", unbroken, "--data.root", data, "--json")
    )
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout.splitlines()[-1])
    assert {"pck@0.2", "pck@0.2/ankle", "pcp"} <= scores.keys()


def test_norm_is_an_option_of_every_recipe(data, tmp_path):
    done = run(*train(data, tmp_path / "sn", "--norm", "switchable", "--trainer.max_epochs", "1"))
    assert done.returncode == 0, done.stderr
    keys = load_file(tmp_path / "sn" / "weights.safetensors").keys()
    assert any(key.endswith("mean_weight") for key in keys)
    wrong = run(*train(data, tmp_path / "x", "--norm", "switchible"))
    assert wrong.returncode == 1
    assert "Did you mean 'switchable'?" in wrong.stderr


def test_predict_and_export_use_the_weights(data, unbroken, tmp_path):
    weights = unbroken / "weights.safetensors"
    photo = next((data / "images").iterdir())
    done = run(
        *("predict", "simple_baseline", photo, "--weights", weights, "--box", "20,10,100,150"),
        *("--out", tmp_path / "out", "--json"),
    )
    assert done.returncode == 0, done.stderr
    person = json.loads(done.stdout.splitlines()[-1])["frames"][0]["people"][0]
    assert person["pose"]["skeleton"] == "lsp14"
    assert (tmp_path / "out" / photo.with_suffix(".png").name).is_file()
    file = tmp_path / "model.onnx"
    done = run("export", "simple_baseline", "--weights", weights, "--out", file, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["error"] < 1e-3
    short = tmp_path / "int8.onnx"
    made = ("export", "simple_baseline", "--weights", weights, "--out", short, "--json")
    done = run(*made, "--int8", data / "images")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["bytes"] == short.stat().st_size < 0.4 * file.stat().st_size
    assert 0 < told["off"] < 0.5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "pose/simple_baseline_lps"), "Did you mean 'pose/simple_baseline_lsp'?"),
        (("train", "absent.yaml"), "There is no recipe at absent.yaml"),
        (("train", "simple_baseline_lsp", "--model.dept", "18"), "recipe simple_baseline_lsp.yaml"),
        (("train", "simple_baseline_lsp", "--data.root", "absent"), "is not at absent"),
        (("test", "pose/simple_baseline_lsp"), "vitruvian train pose/simple_baseline_lsp"),
        (("test", "pose/openpose"), "--data lsp"),
        (("predict", "simple_baseline", "absent.jpg"), "absent.jpg"),
        (("export", "simple_baseline", "--weights", "absent.pth"), "absent.pth"),
        (("export", "simple_baseline", "--format", "tflite"), "There are: onnx"),
    ],
)
def test_wrong_use_gets_one_sentence(arguments, sentence, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_bad_checkpoints_are_refused(data, tmp_path):
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(b"PK\x03\x04 and then nothing")
    done = run("test", "simple_baseline_lsp", "--ckpt", damaged, "--data.root", data)
    assert done.returncode == 1
    assert str(damaged) in done.stderr
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    (run_folder / "last.ckpt").write_bytes(b"nothing")
    done = run(*train(data, run_folder))
    assert done.returncode == 1
    assert "--overwrite" in done.stderr
    assert "Traceback" not in done.stderr
