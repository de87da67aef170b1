"""Stacked hourglass: published sizes, both layouts, targets and decoding by cells, export."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vitruvian
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.export import export_onnx
from vitruvian.core.published import load_published, to_published
from vitruvian.pose.heatmaps import decode_joints, encode_joints, gaussian_targets
from vitruvian.pose.hourglass import (
    HourglassSystem,
    StackedHourglass,
    hourglass_options,
    princeton_entries,
)

SMALL = {"stacks": 2, "features": 8, "width": 64, "height": 64}


@pytest.mark.parametrize(("stacks", "blocks", "millions"), [(2, 1, 6.73), (8, 1, 25.6)])
def test_it_has_the_published_size(stacks: int, blocks: int, millions: float) -> None:
    with torch.device("meta"):
        network = StackedHourglass(16, stacks=stacks, blocks=blocks)
    found = sum(each.numel() for each in network.parameters()) / 1e6
    assert found == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize(
    "options",
    [
        {"stacks": 3, "blocks": 2, "features": 8, "depth": 2},
        {"stacks": 1, "blocks": 1, "features": 16, "depth": 4, "increase": 0},
        {"stacks": 2, "features": 8, "depth": 3, "increase": 4, "layout": "princeton"},
    ],
)
def test_published_names_and_back(options) -> None:
    torch.manual_seed(0)
    network = StackedHourglass(5, **options).eval()
    state = to_published(network)
    assert not any(key.startswith("stacks.") for key in state)
    assert len(state) == len(network.state_dict())
    twin = StackedHourglass(**hourglass_options({k: v.shape for k, v in state.items()})).eval()
    load_published(twin, state)
    image = torch.randn(1, 3, 64, 128)
    for one, other in zip(network(image), twin(image), strict=True):
        assert one.shape == (1, 5, 16, 32)
        assert torch.equal(one, other)


def test_a_princeton_checkpoint_is_read_as_it_lies(tmp_path) -> None:
    network = StackedHourglass(16, stacks=2, features=8, layout="princeton")
    state = to_published(network)
    idle = {"hgs.0.0.up1.skip_layer.conv.weight": torch.ones(8, 8, 1, 1)}
    idle |= {"hgs.0.0.up1.skip_layer.conv.bias": torch.ones(8)}
    assert princeton_entries(state | idle).keys() == state.keys()
    wrapped = {f"model.module.{key}": value for key, value in (state | idle).items()}
    torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "checkpoint.pt")
    loaded = vitruvian.load("hourglass", tmp_path / "checkpoint.pt", device="cpu")
    assert loaded.network.layout == "princeton"
    assert loaded.mean.abs().max() == 0
    assert torch.equal(loaded.network.conv.weight, network.conv.weight)


def test_a_bearpaw_checkpoint_and_our_own_come_back(tmp_path) -> None:
    torch.manual_seed(0)
    system = HourglassSystem("lsp14", **SMALL).eval()
    image = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    before = system.predict([image])[0][0].pose.joints
    system.save(tmp_path / "w.safetensors")
    loaded = vitruvian.load("pose/hourglass", tmp_path / "w.safetensors", device="cpu")
    np.testing.assert_allclose(
        loaded.predict([image])[0][0].pose.joints, before, rtol=1e-4, atol=1e-4
    )
    state = {f"module.{key}": value for key, value in to_published(system.network).items()}
    torch.save({"state_dict": state}, tmp_path / "model_best.pth.tar")
    loaded = vitruvian.load("hourglass", tmp_path / "model_best.pth.tar", device="cpu")
    assert loaded.skeleton.name == "lsp14"
    assert loaded.network.layout == "bearpaw"


def test_each_stack_has_a_loss() -> None:
    batch = {
        "image": torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8),
        "target": torch.rand(2, 14, 16, 16),
        "target_weight": torch.zeros(2, 14),
    }
    system = HourglassSystem("lsp14", **SMALL)
    losses = system.losses(batch)
    assert set(losses) == {"stage1", "stage2"}
    assert all(loss > 0.1 for loss in losses.values())  # joints without a label count, too
    assert set(HourglassSystem("lsp14", intermediate=False, **SMALL).losses(batch)) == {"heatmaps"}


def test_cells_are_written_and_read_by_their_middle() -> None:
    joints = np.array([[[9.9, 21.0], [40.0, 63.9], [12.0, 3.9]]])
    maps, _ = encode_joints(joints, np.ones((1, 3)), (64, 64), (16, 16), sigma=1, kind="cell")
    found, scores = decode_joints(maps, (64, 64), decoder="cell")
    assert np.abs(found - joints).max() <= 2  # half a cell
    assert scores.min() == 1
    assert np.array_equal(maps[0, 0].nonzero()[0], np.repeat(np.arange(2, 9), 6))


def test_crowd_targets_need_their_joint_inside() -> None:
    joints = np.array([[-0.5, 4.0], [-1.5, 4.0], [7.9, 7.9], [8.0, 4.0]])
    maps, weight = gaussian_targets(joints, np.ones(4), (8, 8), 1.0, "crowd")
    assert weight.tolist() == [1, 0, 1, 0]  # int() brings -0.5 to 0
    assert maps.max(axis=(1, 2)).tolist() == [1, 0, 1, 0]
    assert maps[2, 7, 3] == pytest.approx(np.exp(-8))  # four deviations away


def test_it_exports(tmp_path) -> None:
    network = HourglassSystem("lsp14", **SMALL).network
    assert export_onnx(network, (64, 64), tmp_path / "hourglass.onnx") < 1e-3


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="layout"):
        StackedHourglass(16, layout="newell")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="one block"):
        StackedHourglass(16, blocks=2, layout="princeton")
    with pytest.raises(InputError, match="stack"):
        StackedHourglass(16, stacks=0)
    with pytest.raises(InputError, match="keys"):
        hourglass_options({"conv1.weight": (64, 3, 7, 7)})


def test_crops_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(InputError, match="multiples of 64 here, not 96×128"):
        HourglassSystem(stacks=1, features=8, width=96, height=128)
    assert HourglassSystem(stacks=1, features=8, depth=3, width=96, height=128).input_size[0] == 96
