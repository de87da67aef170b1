"""HRNet that also sees a crop through the embedded OpenPose: whose features, and what learns."""

from __future__ import annotations

import pytest
import torch

from vitruvian.core.card import find_card
from vitruvian.core.errors import UnknownNameError
from vitruvian.core.published import load_published, read_checkpoint
from vitruvian.core.weights import find_weights
from vitruvian.pose.hrnet import PoseHRNetSystem
from vitruvian.pose.openpose.mobilenet import MobileNetOpenPose

SMALL = {"branch_width": 4, "modules": [1, 1, 1], "blocks": 1, "width": 96, "height": 128}


def beside(path, first_sight: str) -> PoseHRNetSystem:
    """A system that begins with the weights of one that has no such sight."""
    torch.manual_seed(0)
    plain = PoseHRNetSystem(**SMALL)
    for parameter in plain.parameters():
        if parameter.ndim == 4:  # those that HRNet begins with are so small that nothing comes out
            torch.nn.init.kaiming_normal_(parameter)
    plain.save(path / "plain.safetensors")
    system = PoseHRNetSystem(
        **SMALL, first_sight=first_sight, backbone=str(path / "plain.safetensors")
    )
    system.load_backbone()
    return system


def apart(maps: torch.Tensor, others: torch.Tensor) -> float:
    return float((maps - others).norm() / others.norm())


@pytest.fixture
def crops() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 128, 96), dtype=torch.uint8)


def test_it_begins_as_if_it_were_not_there(tmp_path, crops):
    system = beside(tmp_path, "frozen").eval()
    plain = PoseHRNetSystem.from_weights(
        find_weights(find_card("hrnet"), tmp_path / "plain.safetensors"), "cpu", "32"
    )
    with torch.no_grad():
        assert system(crops).std() > 1e-4
        assert apart(system(crops), plain(crops)) < 1e-4


def test_it_sees_what_openpose_sees(tmp_path, crops):
    sight = beside(tmp_path, "frozen").eval().network.sight
    openpose = MobileNetOpenPose()
    weights = find_weights(find_card("openpose"))
    load_published(openpose, read_checkpoint(weights.file))
    openpose.eval()
    seen = []
    sight.read.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    system = PoseHRNetSystem(**SMALL)
    with torch.no_grad():
        sight(system.normalised(crops))
        picture = crops.float().flip(1) / 127.5 - 1
        heatmaps, affinities = openpose.forward_stages(picture)[0]
        expected = torch.cat([openpose.features(picture), affinities, heatmaps], dim=1)
    torch.testing.assert_close(seen[0], expected, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("first_sight", ["frozen", "trained"])
def test_what_learns(tmp_path, crops, first_sight):
    system = beside(tmp_path, first_sight).train()
    before = {key: value.clone() for key, value in system.network.sight.state_dict().items()}
    optimizer = torch.optim.AdamW(system.parameters(), 0.01)
    for _ in range(2):  # in the first step all that reads is 0, and so are the gradients behind it
        optimizer.zero_grad()
        system.maps(crops)[0].square().sum().backward()
        optimizer.step()
    after = system.network.sight.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert {"read.weight", "read.bias"} <= changed
    assert ("openpose.stem.convolution.weight" in changed) == (first_sight == "trained")
    assert not any("running" in key for key in changed)


def test_its_weights_stay_with_the_network(tmp_path, crops):
    system = beside(tmp_path, "frozen").eval()
    with torch.no_grad():
        system.network.sight.read.weight.normal_()
        expected = system(crops)
    system.save(tmp_path / "own.safetensors")
    weights = find_weights(find_card("hrnet"), tmp_path / "own.safetensors")
    with torch.no_grad():
        again = PoseHRNetSystem.from_weights(weights, "cpu", "32")(crops)
    assert apart(again, expected) < 1e-4


def test_no_such_sight():
    with pytest.raises(UnknownNameError, match="Did you mean 'frozen'"):
        PoseHRNetSystem(**SMALL, first_sight="froze")
