"""`train`, `test` and `predict` of a system of tracks, all folds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vitruvian.cli import main
from vitruvian.core.errors import InputError, WeightsError
from vitruvian.core.folds import folds_of, score_recipe, train_recipe
from vitruvian.core.load import load
from vitruvian.core.recipes import find_recipe
from vitruvian.motion.datasets import world
from vitruvian.motion.datasets.eth_ucy import FOLDS, ONLY_TRAINED
from vitruvian.motion.dscmp import Dscmp

NAME = "motion/dscmp_eth_ucy"
SMALL = ["--model.hidden", "8", "--model.samples", "3", "--trainer.max_epochs", "1"]


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return leaving.value.code, out, err


def write_scene(file, frames, seed):
    """Three people who walk straight on; as `biwi_eth.txt` is written."""
    random = np.random.default_rng(seed)
    speed = random.normal(0, 0.4, (3, 2))
    lines = [
        f"{frame * 10}\t{person}.0\t{x:.4f}\t{y:.4f}"
        for frame in range(frames)
        for person, (x, y) in enumerate(speed * frame + np.arange(3)[:, None], 1)
    ]
    file.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eth_ucy")
    scenes = [scene for fold in FOLDS.values() for scene in fold] + list(ONLY_TRAINED)
    for part in ("all_data", "train", "val"):
        (folder / part).mkdir()
        for seed, scene in enumerate(scenes):
            suffix = "" if part == "all_data" else f"_{part}"
            write_scene(folder / part / f"{scene}{suffix}.txt", 23, seed)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "w.safetensors"
    Dscmp(hidden=8).save(file)
    return file


@pytest.mark.parametrize(
    ("recipe", "unit", "classes"), [("dscmp_world", "m", 3), ("dscmp_heights", "heights", 0)]
)
def test_crowds_are_trained_on_without_any_file(recipe, unit, classes, tmp_path, monkeypatch):
    monkeypatch.setattr(world, "COUNTS", {"train": 3, "val": 3, "test": 3})
    name, file = find_recipe(f"motion/{recipe}")
    settings = ["--data.batch_size", "4", "--data.crowds", "4"]
    assert train_recipe(name, file, tmp_path / "run", [*SMALL, *settings])["epochs"] == 1
    system = load("motion/dscmp", tmp_path / "run" / "weights.safetensors", "cpu")
    assert system.unit == unit
    assert system.network.scene.classes == classes
    (found,) = system.predict([world.crowd_tracks(1, 0, unit)], frame=400)
    assert found.unit == unit
    assert all(np.isfinite(person.samples).all() for person in found)
    scores = score_recipe(name, file, tmp_path / "run", None, settings)
    assert scores["ade_scene"] > 0


def test_every_fold_is_trained_and_scored(root, tmp_path):
    _, recipe = find_recipe(NAME)
    arguments = [*SMALL, "--data.root", str(root)]
    with pytest.raises(WeightsError, match="vitruvian train mine makes one"):
        score_recipe("mine", recipe, tmp_path, None, arguments)
    result = train_recipe(NAME, recipe, tmp_path, arguments)
    assert set(result["folds"]) == set(FOLDS)
    assert result["already"] is False
    assert train_recipe(NAME, recipe, tmp_path, arguments)["already"] is True
    scores = score_recipe(NAME, recipe, tmp_path, None, ["--data.root", str(root)])
    assert list(scores) == [*FOLDS, "average"]
    every = [scores[fold]["ade_scene"] for fold in FOLDS]
    assert scores["average"]["ade_scene"] == pytest.approx(np.mean(every), abs=1e-3)
    assert scores["eth"]["collisions"] >= 0
    alone = score_recipe(NAME, recipe, tmp_path, None, ["--data.fold", "hotel"])
    assert alone == scores["hotel"]
    one = score_recipe(
        NAME,
        recipe,
        tmp_path,
        str(tmp_path / "hotel" / "weights.safetensors"),
        [*SMALL, "--data.fold=hotel", "--data.root", str(root)],
    )
    assert one == scores["hotel"]
    with pytest.raises(InputError, match=r"is of one fold: say which, --data\.fold eth"):
        score_recipe(NAME, recipe, tmp_path, "w.ckpt")


def test_folds_are_read_strictly(tmp_path):
    recipe = tmp_path / "r.yaml"
    for text in ("folds: 3", "folds: {a: 1}", "folds: {a: [1], b: [2]}", "folds: {a: []}"):
        recipe.write_text(text)
        with pytest.raises(InputError, match=r"r\.yaml must give its folds"):
            folds_of(recipe)
    recipe.write_text("folds: {data.fold: [1, b]}")
    assert folds_of(recipe) == ("data.fold", ("1", "b"))
    assert folds_of(recipe, ["--data.fold", "b"]) is None
    recipe.write_text("model: 3")
    assert folds_of(recipe) is None


def test_predict_writes_table_record_and_picture(capsys, root, weights, tmp_path):
    tracks = root / "all_data" / "biwi_eth.txt"
    Image.new("RGB", (320, 240), "white").save(tmp_path / "scene.png")
    (tmp_path / "H.txt").write_text("0.05 0 -8\n0 0.05 -6\n0 0 1\n")
    out = tmp_path / "out"
    options = ["--weights", weights, "--out", out, "--frame", 70, "--json"]
    scene = ["--scene", tmp_path / "scene.png", "--homography", tmp_path / "H.txt"]
    code, text, _ = run(capsys, "predict", "motion/dscmp", tracks, *options, *scene)
    assert code == 0
    told = json.loads(text.splitlines()[-1])
    assert [person["id"] for person in told["futures"][0]["people"]] == [1, 2, 3]
    assert json.loads((out / "futures.json").read_text()) == told["futures"][0]
    assert len((out / "futures.csv").read_text().splitlines()) == 1 + 3 * 20 * 12
    picture = Image.open(out / "futures.png")
    assert picture.size == (320, 240)
    assert len(picture.getcolors(100_000)) > 10


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tracks.txt", "--homography", "H.txt"], "A homography needs the picture"),
        (["tracks.txt", "--scene", "scene.png"], "give --homography"),
        (["tracks.txt", "--frame", "999"], "nobody in frame 999"),
        (["none.txt"], "none.txt cannot be read"),
        (["tracks.txt", "--box", "1,2,3,4"], "takes tracks: leave --box out"),
    ],
)
def test_bad_input_is_one_sentence(
    capsys, root, weights, tmp_path, monkeypatch, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tracks.txt").write_bytes((root / "all_data" / "biwi_eth.txt").read_bytes())
    (tmp_path / "H.txt").write_text("1 0 0\n0 1 0\n0 0 1\n")
    Image.new("RGB", (32, 24)).save(tmp_path / "scene.png")
    code, out, err = run(capsys, "predict", "motion/dscmp", *arguments, "--weights", weights)
    assert code == 1
    assert out == ""
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "vitruvian-predict").exists()


def test_systems_of_photos_refuse_what_is_for_tracks(capsys):
    code, _, err = run(capsys, "predict", "pose/openpose", "a.jpg", "--frame", 3)
    assert code == 1
    assert "takes photos: leave --frame out" in err
