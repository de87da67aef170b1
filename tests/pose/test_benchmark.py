"""`benchmarks/pose.py`: verdicts and tables from runs, and a run on a tiny data set."""

from __future__ import annotations

import importlib
import json
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from vitruvian.core.recipes import find_recipe
from vitruvian.core.training import BEST, CONFIG, score, train
from vitruvian.pose.datasets.lsp import Lsp, write_fake_lsp


@pytest.fixture(scope="module")
def scripts():
    """The modules of the benchmark, which lie beside each other in a folder of scripts."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield {
            name: importlib.import_module(name)
            for name in ("pose", "pose_crowds", "pose_report", "pose_methods")
        }
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def run_with(right: str, minutes: float = 6.0) -> dict:
    """A run that found so many joints of each of the photos."""
    share = 100 * sum(int(digit, 16) for digit in right) / (14 * len(right))
    scores = {"pck@0.2": share, "pck@0.2/wrist": share / 2}
    return {
        "scores": {"lsp": scores, "world": {"pck@0.2": share / 4}},
        "right": {"lsp": right, "world": right},
        "scored": {"lsp": 14 * len(right), "world": 10 * len(right)},
        "seconds": 60 * minutes,
        "loss": 0.1,
    }


def content_of(scripts, runs: dict, seeds: int = 1) -> dict:
    size = {"parameters": 0.5, "multiply_adds": 0.4, "milliseconds": 16.0}
    return {
        "settings": {"epochs": {"lsp": 8, "world": 4}, "people": None, "objective": "squared"},
        "sizes": dict.fromkeys(scripts["pose_methods"].METHODS, size),
        "runs": runs,
        "seeds": seeds,
        "machine": "here",
    }


@pytest.mark.parametrize(
    ("less", "more", "verdict"),
    [
        ("7" * 100, "8" * 100, "yes"),
        ("8" * 100, "7" * 100, "**no**"),
        ("78" * 50, "87" * 50, "not told apart"),
    ],
    ids=["better", "worse", "as good"],
)
def test_claims_follow_from_the_people(scripts, less, more, verdict):
    runs = {"hourglass_last/lsp/0": run_with(less), "hourglass/lsp/0": run_with(more)}
    ((asked, told, holds),) = scripts["pose_report"].bars(content_of(scripts, runs), "lsp")
    assert asked == "Intermediate supervision helps the hourglass"
    assert holds == verdict
    assert told.startswith(f"{runs['hourglass_last/lsp/0']['scores']['lsp']['pck@0.2']:.1f} → ")


def test_a_chain_is_judged_step_by_step(scripts):
    found = {"hourglass_1": "6" * 40, "hourglass": "8" * 40, "hourglass_4": "7" * 40}
    runs = {f"{method}/lsp/0": run_with(right) for method, right in found.items()}
    rows = scripts["pose_report"].bars(content_of(scripts, runs), "lsp")
    assert [row[2] for row in rows] == ["yes, then **no**"]
    assert "+14.3 ± 0.0, -7.1 ± 0.0" in rows[0][1]


def test_a_gap_is_the_mean_over_seeds_and_its_error_that_over_people(scripts):
    runs = {
        **{f"cpm_1/lsp/{seed}": run_with("5555") for seed in (0, 1)},
        "cpm_2/lsp/0": run_with("5577"),
        "cpm_2/lsp/1": run_with("5779"),
    }
    gap, error = scripts["pose_report"].gap_of(
        content_of(scripts, runs, 2), "cpm_1", "cpm_2", "lsp"
    )
    each = np.array([0, 1, 2, 3]) / 14  # shares of the joints by which a photo is better
    assert gap == pytest.approx(100 * each.mean())
    assert error == pytest.approx(100 * each.std(ddof=1) / 2)


def test_report(scripts, tmp_path):
    runs = {f"{m}/lsp/0": run_with("77") for m in scripts["pose_methods"].METHODS}
    runs["hrnet/world/0"] = run_with("99")
    for method, more in (("ae", 0), ("ae_on", 0), ("hgg", 2)):
        names = ("ap", "ap50", "ap75", "ar", "ap_medium")
        runs[f"{method}/crowds/0"] = {
            "scores": dict.fromkeys(names, 40.0 + more),
            "folds": [39.0 + more, 41.0],
            "parameters": 2.25,
            "milliseconds": 99.6,
            "epochs": 12,
        }
    scripts["pose_report"].write_report(content_of(scripts, runs), tmp_path)
    text = (tmp_path / "pose.md").read_text()
    assert "after 8 epochs of sport photos or 4 epochs of rendered people from" in text
    assert "| **hourglass, two stacks** | 50.0 | 12.5 | 0.50 | 0.40 | 16.0 | 6.0 |" in text
    assert "| hourglass, four stacks | – | – | – | – | 25.0 |" in text
    assert text.count("not told apart") == 10
    assert text.index("Trained on sport photos") < text.index("Trained on rendered people")
    assert "| **HRNet-W24, one module a stage** | 64.3 | 16.1 |" in text
    cells = "| 42.0 | 42.0 | 42.0 | 42.0 | 42.0 | 2.25 | 100 | 12 + 12 |"
    assert f"| hierarchical graph grouping {cells}" in text
    assert "beats associative embedding | 40.0 → 42.0; +2.0 ± 1.0 | not told apart |" in text
    assert "![What is found: associative embedding](pose_ae.jpg)" in text
    assert (tmp_path / "pose.png").stat().st_size > 1000


def test_a_report_of_no_runs_is_a_page(scripts, tmp_path):
    scripts["pose_report"].write_report(content_of(scripts, {}), tmp_path)
    assert "0 runs are done" in (tmp_path / "pose.md").read_text()


def test_every_claim_is_of_methods_that_are_built(scripts):
    methods = scripts["pose_methods"]
    assert {name for chain in methods.CLAIMS.values() for name in chain} <= set(methods.METHODS)
    plain, pyramid = (
        sum(each.numel() for each in scripts["pose"].build(name).network.parameters())
        for name in methods.CLAIMS["Pyramid modules beat plain residuals of as many parameters"]
    )
    assert plain == pytest.approx(pyramid, rel=0.01)


def test_maps_are_trained_by_the_objective_that_is_asked_for(scripts):
    build = scripts["pose"].build
    assert build("hrnet", "likelihood").objective == "likelihood"
    assert build("hourglass_4", "likelihood").objective == "likelihood"
    assert build("cpm_1", "likelihood").objective == "squared"  # it has its own


def test_kept_people_give_the_crops_of_their_pictures(scripts, tmp_path):
    pose = scripts["pose"]
    people = Lsp("train", write_fake_lsp(tmp_path, 8))
    for augment in (None, {"rotation": 20.0, "rotation_probability": 1.0, "scale": 0.2}):
        own, kept = (
            pose.TopDownCrops(source, (pose.SIDE, pose.SIDE), encoding="unbiased", augment=augment)
            for source in (people, pose.Kept(people))
        )
        for index in range(len(people)):
            a, b = own[index, 3], kept[index, 3]
            assert np.abs(a["keypoints"] - b["keypoints"]).max() < 1e-2
            assert np.abs(a["image"].float() - b["image"].float()).mean() < 12  # noise, cut twice


def test_a_run_is_a_function_of_its_seed(scripts, tmp_path, monkeypatch):
    pose = scripts["pose"]
    people = Lsp("test", write_fake_lsp(tmp_path, 24))
    monkeypatch.setattr(pose, "training_people", lambda *_: pose.Kept(people))
    monkeypatch.setattr(pose, "BATCH", 3)
    monkeypatch.setattr(pose, "TESTS", {"lsp": ""})
    monkeypatch.setattr(pose, "Lsp", lambda _split: people)
    pose.test_people.cache_clear()
    first, second, other = (
        pose.run(
            "cpm_1", "lsp", seed, {"epochs": {"lsp": 1}, "people": None, "objective": "squared"}
        )
        for seed in (0, 0, 1)
    )
    pose.test_people.cache_clear()
    del first["seconds"], second["seconds"]
    assert first == second
    assert first["loss"] != other["loss"]
    right = sum(int(digit, 16) for digit in first["right"]["lsp"])
    share = 100 * right / first["scored"]["lsp"]
    assert first["scores"]["lsp"]["pck@0.2"] == pytest.approx(share, abs=1e-3)


def test_bottom_up_systems_are_trained_by_their_recipes(scripts, tmp_path, monkeypatch):
    crowds, asked = scripts["pose_crowds"], []

    def train(name, _file, folder, options):
        asked.append((name, folder.relative_to(tmp_path).as_posix(), options))
        return {"seconds": 5.0, "epochs": 3}

    monkeypatch.setattr(crowds, "train", train)
    monkeypatch.setattr(
        crowds, "test", lambda _, best, more, to: {"ap": len(more), "best": best, "strip": to}
    )
    by_graph, by_tags = (
        crowds.run_crowds(method, 4, 3, tmp_path, tmp_path / "strip.jpg")
        for method in ("hgg", "hgg_tags")
    )
    assert asked[0] == asked[1]  # the second one finds the first one's run
    assert asked[0][:2] == ("pose/hgg_world", "hgg/4")
    base = str(tmp_path / "ae" / "4" / BEST)
    assert asked[0][2][:4] == ["--seed_everything", "4", "--model.backbone", base]
    assert asked[0][2][4:6] == ["--trainer.max_epochs", "3"]
    assert (by_graph["ap"], by_tags["ap"]) == (0, 2)
    assert by_tags["best"] == tmp_path / "hgg" / "4" / BEST
    assert (by_tags["epochs"], by_tags["strip"]) == (3, tmp_path / "strip.jpg")
    embedded = crowds.run_crowds("embedded", 4, 3, tmp_path, tmp_path / "strip.jpg")
    assert len(asked) == 2
    assert (embedded["best"].name, embedded["epochs"]) == (
        "openpose_mobilenet_v2_small.safetensors",
        0,
    )


def test_a_bottom_up_system_is_tested_by_pictures_and_parts(scripts, tmp_path, monkeypatch):
    crowds = scripts["pose_crowds"]
    monkeypatch.setattr(crowds, "FOLDS", 2)
    counts = {"train": 2, "validation": 2, "test": 4}
    options = [
        *("--data.root", str(tmp_path), "--data.counts", json.dumps(counts)),
        *("--data.size", "64", "--data.batch_size", "2", "--model.size", "64"),
        *("--model.widths", "[4,4,4,4,4]", "--model.stem", "[4,4,4]"),
        *("--trainer.max_epochs", "1", "--trainer.check_val_every_n_epoch", "1"),
    ]
    name, file = find_recipe("pose/associative_embedding_world")
    train(name, file, tmp_path / "run", options)
    settings, best = tmp_path / "run" / CONFIG, tmp_path / "run" / BEST
    found = crowds.test(settings, best, [], tmp_path / "strip.jpg")
    by_command = score(settings, best)
    assert found["scores"] == by_command
    assert len(found["folds"]) == 2
    assert found["milliseconds"] > 1
    with Image.open(tmp_path / "strip.jpg") as strip:
        assert strip.size == (4 * 640 + 3 * 8, 480)
