"""`vitruvian bench pose` runs; what it measures is told by the figures, not by a test."""

from __future__ import annotations

import json
from functools import partial
from typing import get_args

import pytest

from vitruvian.cli import main
from vitruvian.core.bench import take_turns
from vitruvian.pose import bench
from vitruvian.pose.heatmaps import Decoder
from vitruvian.pose.hrnet import PoseHRNetSystem
from vitruvian.pose.topdown_system import TopDownSystem


@pytest.fixture
def small(monkeypatch) -> TopDownSystem:
    """Crops of 64×64, a small HRNet in place of all networks, 200 detections."""
    monkeypatch.setattr(bench, "SIZE", (64, 64))
    monkeypatch.setattr(bench, "DETECTIONS", 200)
    options = {"branch_width": 4, "modules": [1], "blocks": 1, "width": 64, "height": 64}
    build = partial(PoseHRNetSystem, **options)
    monkeypatch.setattr(bench, "systems", lambda: {"HRNet-W32": build})
    return bench.prepare(build)


def test_networks_are_prepared_as_weights_are_loaded(small):
    assert small.folded is not None
    assert not small.training
    assert not any(each.requires_grad for each in small.parameters())


def test_everything_is_measured(small, capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["bench", "pose", "--runs", "1", "--no-peers", "--json"])
    assert leaving.value.code == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "peers" not in report
    before, behind = report["before the network, a person"], report["behind the network, a person"]
    assert list(before) == ["vitruvian"]
    assert before["vitruvian"]["median"] > 0
    assert list(behind) == [f"vitruvian, {name}" for name in get_args(Decoder)]
    assert report["ratio of COCO AP"]["vitruvian / faster-coco-eval"] > 0
    assert report["ratios of eight people"].keys() == {
        "batch / single, float32",
        "batch / single, bfloat16",
    }
    assert report["gain of ONNX Runtime over PyTorch, folded"]["HRNet-W32"] > 0
    assert report["multiply-adds, G"]["HRNet-W32"] >= 0


def test_peers_that_are_not_there_are_told(small, monkeypatch):
    monkeypatch.setattr(bench, "PEERS", ("timm", "no-such-package"))
    assert bench.installed()["no-such-package"] == "not installed"
    monkeypatch.setattr(bench, "installed", lambda: dict.fromkeys(bench.PEERS, bench.ABSENT))
    assert bench.peer_networks() == {}


def test_the_made_up_detections_are_scored_alike():
    """COCO's AP by us is the library's own, so that both do the same work."""
    from faster_coco_eval import COCO, COCOeval_faster

    people, detections = bench._fake_coco(20)
    assert (len(people), len(detections)) == (60, 100)
    images = [{"id": number} for number in range(1, 21)]
    base = {"info": {}, "images": images, "categories": [{"id": 1, "name": "person"}]}
    truth = COCO({**base, "annotations": people}, print_function=bench._nothing)
    found = truth.loadRes([dict(each) for each in detections])
    evaluation = COCOeval_faster(truth, found, "keypoints", print_function=bench._nothing)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    ours = bench.coco_keypoint_ap(people, detections)
    assert 0 < ours["ap"] < 1
    assert list(ours.values()) == pytest.approx(list(evaluation.stats[:10]))


def test_turns_are_timed_by_the_clock_that_is_given():
    ticks = iter(range(100))
    found = take_turns({"a": lambda: None, "b": lambda: next(ticks)}, 2, lambda: float(next(ticks)))
    assert found == {"a": [1.0, 1.0], "b": [2.0, 2.0]}
