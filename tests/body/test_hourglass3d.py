"""The 3D hourglass: published size and names, and what its depths are read from."""

from __future__ import annotations

import pytest
import torch

from vitruvian.body.hourglass3d import Hourglass3D
from vitruvian.core.errors import InputError
from vitruvian.core.published import load_published, to_published

SMALL = {"stacks": 2, "blocks": 1, "features": 8}


def test_it_has_the_published_size() -> None:
    with torch.device("meta"):
        network = Hourglass3D()
    found = sum(each.numel() for each in network.parameters())
    assert found == 14_429_104


@pytest.mark.parametrize(
    "options", [SMALL, {"stacks": 1, "blocks": 3, "features": 12, "depth_blocks": 1}]
)
def test_published_names_and_back(options) -> None:
    network = Hourglass3D(5, **options)
    state = to_published(network)
    assert len(state) == len(network.state_dict())
    assert state["reg.weight"].shape == (5, 16 * options["features"])
    load_published(Hourglass3D(5, **options), state)


def test_maps_and_depths() -> None:
    torch.manual_seed(0)
    network = Hourglass3D(5, **SMALL).eval()
    image = torch.rand(2, 3, 256, 256)
    with torch.no_grad():
        maps, depths = network(image)
        network.stacks[-1].from_score.bias += 1
        same, others = network(image)
    assert [each.shape for each in maps] == [(2, 5, 64, 64)] * 2
    assert depths.shape == (2, 5)
    assert torch.equal(maps[-1], same[-1])  # nothing but depths comes after the last stack
    assert not torch.allclose(depths, others)


def test_depths_are_linear_in_what_is_left() -> None:
    network = Hourglass3D(2, **SMALL, depth_blocks=0).eval()
    with torch.no_grad():
        for stack in network.stacks:
            for part in (stack.from_feature, stack.from_score):
                part.weight.zero_()
                part.bias.zero_()
            stack.from_score.bias += 0.5
        network.stem[-1].conv3.weight.zero_()
        network.stem[-1].conv3.bias.fill_(0.25)
        network.stem[-1].project.weight.zero_()
        network.stem[-1].project.bias.fill_(0.75)
        network.depth.weight.fill_(0.01)
        network.depth.bias.copy_(torch.tensor([0.0, -1.0]))
        _, depths = network(torch.rand(1, 3, 256, 256))
    # 8 channels of 4 × 4 places, each 0.25 + 0.75 from the stem and 0.5 from either stack.
    assert depths[0].tolist() == pytest.approx([2.56, 1.56])


def test_it_needs_a_stack() -> None:
    with pytest.raises(InputError, match="a stack and a block"):
        Hourglass3D(stacks=0)
