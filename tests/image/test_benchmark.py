"""`benchmarks/norms.py`: one run of each norm, and what the report says of runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "norms.py"


@pytest.fixture(scope="module")
def norms():
    spec = importlib.util.spec_from_file_location("norms_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def results(batch, switchable, sparse, population):
    """Runs of one seed at batch 2 and 32."""
    rows = {
        "batch": batch,
        "switchable": switchable,
        "sparse-switchable": sparse,
        "population": population,
    }
    return {
        f"{norm}/{size}/0": {"top1": top1}
        for norm, row in rows.items()
        for size, top1 in zip((2, 32), row, strict=True)
    }


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (results((50, 60), (57, 60), (56.6, 61), (50.9, 59.1)), [True] * 5),
        (results((50, 60), (56, 60), (55.4, 60), (51.1, 60)), [False, True, False, True, False]),
        (results((50, 60), (56, 60), (54.0, 60), (53.0, 60)), [False] * 5),
        (results((61, 60), (60, 60.5), (60, 60.5), (61, 60)), [False, True, True, True, True]),
    ],
)
def test_claims_follow_from_the_runs(norms, runs, expected):
    assert [holds for _, _, holds in norms.bars(norms.table_of(runs))] == expected


def test_no_verdict_before_all_runs_are_done(norms, tmp_path):
    settings = norms.settings_of(6)
    content = {"settings": settings, "seeds": 3, "crops": 2441, "machine": "here"}
    content["runs"] = results((50, 60), (57, 60), (56.6, 61), (50.9, 59.1))
    norms.write_report(content, tmp_path)
    text = (tmp_path / "norms.md").read_text()
    assert "8 of 60 runs" in text
    assert text.count("runs are missing") == 5
    assert "| BN | 50.0 (one seed) | 60.0 (one seed) |" in text
    assert (tmp_path / "norms.png").stat().st_size > 1000


@pytest.mark.parametrize("norm", ["batch", "sparse-switchable", "population"])
def test_a_run_is_a_function_of_its_seed(norms, norm, monkeypatch):
    import torch

    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (20, 3, 16, 16), generator=generator, dtype=torch.uint8)
    monkeypatch.setattr(norms, "crops", lambda *_: (images, torch.arange(20) % 9))
    settings = norms.settings_of(1)
    settings["model"] = {**settings["model"], "stages": [1], "width": 4, "size": 16}
    first, second, other = (norms.run(norm, 4, seed, settings) for seed in (0, 0, 1))
    del first["seconds"], second["seconds"]
    assert first == second
    assert first["loss"] != other["loss"]
