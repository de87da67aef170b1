"""PyraNet: pyramids of four kinds, the published sizes, fractional pooling, training."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.weights import find_weights
from vitruvian.pose.pyranet import (
    PyramidNetwork,
    PyramidPool,
    PyramidResidual,
    PyraNet,
    Residual,
)


def parameters(network: torch.nn.Module) -> float:
    return sum(each.numel() for each in network.parameters()) / 1e6


@pytest.mark.parametrize(("stacks", "millions"), [(1, 3.812), (2, 7.286), (8, 28.132)])
def test_it_has_the_published_size(stacks: int, millions: float) -> None:
    with torch.device("meta"):
        assert parameters(PyraNet(stacks=stacks)) == pytest.approx(millions, abs=0.0005)


@pytest.mark.parametrize(("outputs", "width"), [(256, 28), (128, 14)])
def test_the_pyramid_is_as_wide_as_released(outputs: int, width: int) -> None:
    module = PyramidResidual(outputs, outputs)
    assert module.levels[0].convolution.weight.shape[:2] == (width, width)


@pytest.mark.parametrize("kind", ["A", "B", "C", "D"])
def test_every_kind_keeps_the_size_and_learns(kind) -> None:
    module = PyramidResidual(24, 36, kind=kind)
    x = torch.randn(2, 24, 16, 12, requires_grad=True)
    out = module(x)
    assert out.shape == (2, 36, 16, 12)
    out.square().mean().backward()
    assert all(each.grad is not None for each in module.parameters())
    expected = {
        "A": {"expand.2": (4, 1)},
        "B": {"expand.2": (4, 1), "reduce.0.2": (1, 4)},
        "C": {"reduce.0.2": (1, 4)},
        "D": {"expand.2": (4, 1), "reduce.0.2": (1, 4)},
    }
    assert module.branches() == expected[kind]
    assert len(module.reduce) == (4 if kind == "A" else 1)


def test_kinds_differ_in_size_as_in_the_figure() -> None:
    with torch.device("meta"):
        size = {kind: parameters(PyraNet(stacks=1, kind=kind)) for kind in "ABCD"}
        plain = parameters(PyraNet(stacks=1, kind="none"))
    assert size["A"] > size["C"] > size["B"] == size["D"] > plain


def test_an_activated_module_begins_with_its_convolution() -> None:
    module = PyramidResidual(24, 36, activated=True)
    assert isinstance(module.main[0], torch.nn.Conv2d)
    assert isinstance(module.reduce[0][0], torch.nn.Conv2d)
    assert module.branches()["reduce.0.0"] == (1, 4)


@pytest.mark.parametrize("ratio", [2**-0.25, 2**-0.5, 2**-0.75, 0.5])
@pytest.mark.parametrize("size", [(64, 64), (5, 12), (4, 2)])
def test_pooling_is_pytorchs_at_fixed_places(ratio: float, size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    outputs = tuple(int(length * ratio) for length in size)
    samples = torch.full((2, 3, 2), 0.5)
    wanted = F.fractional_max_pool2d(x, 2, outputs, _random_samples=samples)
    torch.testing.assert_close(PyramidPool(ratio).eval()(x), wanted)
    assert PyramidPool(ratio).train()(x).shape == wanted.shape


@torch.no_grad()
def test_variance_does_not_pile_up_behind_projected_shortcuts() -> None:
    """An hourglass ends in a sum of two branches; identities hand variance on."""
    torch.manual_seed(0)
    x = torch.randn(8, 64, 16, 16)
    for project in (False, True):
        branches = [Residual(64, 64, project=project) for _ in range(2)]
        small, large = (sum(each(k * x) for each in branches).var() for k in (1, 10))
        if project:
            assert large / small == pytest.approx(1, rel=0.01)
        else:
            assert large / small > 50


def test_two_stacks_train_in_bfloat16_and_come_back(tmp_path) -> None:
    torch.manual_seed(0)
    small = {"stacks": 2, "features": 32, "width": 64, "height": 64, "decoder": "dark"}
    system = PyramidNetwork("lsp14", **small, norm="switchable")
    batch = {
        "image": torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8),
        "target": torch.rand(2, 14, 16, 16),
        "target_weight": torch.ones(2, 14),
    }
    with torch.autocast("cpu", torch.bfloat16):
        losses = system.losses(batch)
    assert set(losses) == {"stage1", "stage2"}
    sum(losses.values()).backward()
    system.save(tmp_path / "pyranet.safetensors")
    card = find_card("pyranet")
    twin = PyramidNetwork.from_weights(find_weights(card, tmp_path / "pyranet.safetensors"), "cpu")
    with torch.inference_mode():
        points, _ = system.eval().read(batch["image"])
        again, _ = twin.read(batch["image"])
        maps = twin.network(torch.zeros(1, 3, 64, 64))
    assert points.shape == (2, 14, 2)
    assert (again == points).all()
    assert [tuple(each.shape) for each in maps] == [(1, 14, 16, 16)] * 2


def test_the_loss_is_the_mean_squared_error() -> None:
    system = PyramidNetwork("lsp14", stacks=1, features=32, width=64, height=64)
    maps, target = torch.rand(2, 14, 16, 16), torch.rand(2, 14, 16, 16)
    loss = system.error(maps, {"target": target, "target_weight": torch.ones(2, 14)})
    torch.testing.assert_close(loss, F.mse_loss(maps, target))


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="pyramid"):
        PyraNet(kind="E")
    with pytest.raises(UnknownNameError, match="initialisation"):
        PyraNet(init="kaiming")
    with pytest.raises(InputError, match="multiples of 64"):
        PyramidNetwork(stacks=1, features=32, width=96)
