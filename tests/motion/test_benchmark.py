"""`benchmarks/trajectories.py`: tables from runs, and rules that need no training."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from tests.conftest import ROOT
from vitruvian.motion.datasets.eth_ucy import FOLDS, EthUcy


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location(
        "trajectories", ROOT / "benchmarks/trajectories.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs_of(benchmark, value):
    names = ["tcc", "collisions", "misses"]
    names += [f"{kind}_{level}" for kind in ("ade", "fde") for level in ("scene", "person", "1")]
    return {
        f"dscmp/{fold}/{seed}": {
            "scores": dict.fromkeys(names, value + seed / 10),
            "seconds": 60.0,
        }
        for fold in FOLDS
        for seed in (0, 1)
    }


def test_means_are_over_seeds_that_have_all_folds(benchmark):
    runs = runs_of(benchmark, 0.3)
    assert benchmark.means_of(runs, "dscmp", None, "ade_scene") == pytest.approx([0.3, 0.4])
    del runs["dscmp/eth/1"]
    assert benchmark.means_of(runs, "dscmp", None, "ade_scene") == pytest.approx([0.3])
    assert benchmark.pair(runs, "dscmp", "hotel", "scene") == "0.35/0.35"
    assert benchmark.pair(runs, "no_queue", None, "scene") == "–"


def test_bars_and_report(benchmark, tmp_path):
    crowds = {str(people): people / 10 for people in benchmark.CROWDS}
    speed = {"crowds": crowds, "training": {"one at a time": 10.0, "64 at once": 40.0}}
    content = {"runs": runs_of(benchmark, 0.3), "seeds": 3, "machine": "a", "speed": speed}
    assert [holds for *_, holds in benchmark.bars(content)] == [True, True, True, True, False]
    content["runs"] = runs_of(benchmark, 0.5)
    assert [holds for *_, holds in benchmark.bars(content)][:2] == [False, False]
    benchmark.write_report(content, tmp_path)
    text = (tmp_path / "trajectories.md").read_text()
    assert "| DSCMP | 0.55/0.55 |" in text
    assert "0.550 ± 0.071 / 0.550 ± 0.071" in text
    assert (tmp_path / "trajectories.png").stat().st_size > 0


def test_a_part_matters_where_seeds_do_not_explain_it(benchmark):
    titles = {"dscmp": "DSCMP", "no_queue": "no queue", "no_scene": "no scene latent"}
    runs = runs_of(benchmark, 0.3)  # 0.3 and 0.4: a deviation of 0.07
    for method, worse in (("no_queue", 0.1), ("no_scene", 0.2)):
        for fold in FOLDS:
            scores = dict.fromkeys(runs["dscmp/eth/0"]["scores"], 0.35 + worse)
            runs[f"{method}/{fold}/0"] = {"scores": scores, "seconds": 60.0}
    told = benchmark.verdict(runs, titles)
    assert "away: no scene latent. Nearer, so perhaps by chance: no queue." in told
    assert "Too few seeds" in benchmark.verdict(
        {k: v for k, v in runs.items() if k[-1] == "0"}, titles
    )


def test_the_map_is_for_a_lower_error(benchmark, tmp_path):
    runs = {
        f"{method}/world/{seed}": {"scores": {"fde_scene": value + seed / 10}, "seconds": 1.0}
        for method, value in (("world_map", 0.8), ("world_bare", 0.9))
        for seed in (0, 1)
    }
    content = {"runs": runs, "seeds": 2, "machine": "a"}
    assert benchmark.bars(content) == [
        ("on simulated crowds the map lowers FDE by 5 %", "10.5 %", True)
    ]


def test_settings_are_compared_on_validation(benchmark, tmp_path, monkeypatch):
    asked = []

    def train(name, file, folder, options):
        asked.append((name, options))
        names = [f"{a}_{b}" for a in ("ade", "fde") for b in ("scene", "person", "1")]
        return {"metrics": {f"val/{key}": float(options[1]) for key in names}}

    monkeypatch.setattr(benchmark, "train", train)
    monkeypatch.setattr(benchmark, "score", None)  # a test would fail
    found = {
        f"data.scale={value}/{fold}/0": benchmark.compare("data.scale", value, fold, 0, [])
        for value in ("0", "0.5")
        for fold in ("zara1", "world")
    }
    assert [name for name, _ in asked[:2]] == ["motion/dscmp_eth_ucy", "motion/dscmp_world"]
    assert asked[0][1][:4] == ["--data.scale", "0", "--data.fold", "zara1"]
    assert "--data.fold" not in asked[1][1]
    lines = benchmark.comparisons({"compared": found})
    assert "| `data.scale=0.5` | 2 | " + " | ".join(["0.500"] * 6) + " |" in lines
    assert benchmark.comparisons({}) == []


def test_constant_velocity_is_scored_as_written_out(benchmark, data_set, monkeypatch):
    monkeypatch.setenv("VITRUVIAN_DATA", str(data_set("eth_ucy").parent))
    found = benchmark.rule_scores(benchmark.RULES["constant_velocity"][1], "zara2")
    assert found["ade_scene"] == found["ade_1"] == found["ade_person"]
    tracks = EthUcy("zara2").windows.tracks.astype(float)
    ahead = np.arange(1, 13)[:, None] * (tracks[:, 7:8] - tracks[:, 6:7])
    errors = np.linalg.norm(tracks[:, 7:8] + ahead - tracks[:, 8:], axis=-1)
    assert found["ade_1"] == pytest.approx(errors.mean(), abs=1e-3)
    assert found["fde_1"] == pytest.approx(errors[:, -1].mean(), abs=1e-3)
