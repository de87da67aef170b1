"""SparsestMax against its definition, and sparse switchable norm from soft to one-hot."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from vitruvian.core.errors import InputError
from vitruvian.nn.norms import (
    SparseSwitchableNorm2d,
    SwitchableNorm2d,
    radius_at,
    set_hard_ratios,
    set_radius,
    sparsemax,
    sparsestmax,
)


def nearest_by_search(logits: torch.Tensor, radius: float, steps: int = 1500) -> torch.Tensor:
    """The argmin of ‖p − z‖ over a fine grid of the triangle without the disc."""
    a = torch.linspace(0, 1, steps, dtype=torch.float64)
    first, second = torch.meshgrid(a, a, indexing="ij")
    grid = torch.stack([first, second, 1 - first - second], -1).flatten(0, 1)
    grid = grid[grid[:, 2] >= 0]
    grid = grid[(grid - 1 / 3).norm(dim=-1) >= radius - 1 / steps]
    return grid[(grid - logits).norm(dim=-1).argmin()]


@pytest.mark.parametrize("radius", [0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8])
def test_the_definition_is_the_nearest_point(radius):
    torch.manual_seed(0)
    for logits in torch.randn(6, 3, dtype=torch.float64):
        ours = sparsestmax(logits, radius, as_released=False)
        found = nearest_by_search(logits, radius)
        distance, best = (ours - logits).norm(), (found - logits).norm()
        assert distance <= best + 3e-3
        assert (ours - 1 / 3).norm() >= radius - 1e-9


@pytest.mark.parametrize("kinds", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("as_released", [True, False])
def test_any_number_of_normalizers(kinds, as_released):
    torch.manual_seed(kinds)
    logits = torch.randn(40, kinds, dtype=torch.float64)
    outer = math.sqrt((kinds - 1) / kinds)
    for share in (0.0, 0.3, 0.6, 0.9):
        p = sparsestmax(logits, share * outer, as_released=as_released)
        assert (p >= 0).all()
        torch.testing.assert_close(p.sum(-1), torch.ones(40, dtype=torch.float64))
        if not as_released:
            assert ((p - 1 / kinds).norm(dim=-1) >= share * outer - 1e-9).all()
    corners = sparsestmax(logits, outer + 1e-9, as_released=as_released)
    assert set(corners.unique().tolist()) <= {0.0, 1.0}
    assert ((corners == 1).sum(-1) == 1).all()


@pytest.mark.parametrize(("kinds", "radius"), itertools.product((2, 3, 5), (0.0, 0.25, 0.5, 0.9)))
@pytest.mark.parametrize("as_released", [True, False])
def test_gradient_is_the_numerical_one(kinds, radius, as_released):
    torch.manual_seed(kinds)
    logits = (0.4 * torch.randn(6, kinds, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: sparsestmax(z, radius, as_released=as_released), logits, eps=1e-7, atol=1e-5
    )
    (gradient,) = torch.autograd.grad(
        (sparsestmax(logits, radius) * torch.randn_like(logits)).sum(), logits
    )
    torch.testing.assert_close(gradient.sum(-1), torch.zeros(6, dtype=torch.float64))


def test_equal_logits_stay_in_the_centre():
    logits = torch.ones(3, requires_grad=True)
    p = sparsestmax(logits, 0.1)
    torch.testing.assert_close(p, torch.full((3,), 1 / 3))
    p[0].backward()
    assert logits.grad.isfinite().all()


def test_corners_are_exact_for_negative_logits():
    torch.manual_seed(0)
    corners = sparsestmax(torch.randn(500, 3) - 7, 0.9)
    assert set(corners.unique().tolist()) == {0.0, 1.0}


def test_bad_radius_and_no_logits():
    with pytest.raises(InputError, match="0 or more"):
        sparsestmax(torch.ones(3), -0.1)
    with pytest.raises(InputError, match="0 or more"):
        sparsestmax(torch.ones(3), float("nan"))
    with pytest.raises(InputError, match="one normalizer"):
        sparsestmax(torch.ones(2, 0), 0.1)
    assert torch.equal(sparsemax(torch.tensor([[3.0, 0.0]])), torch.tensor([[1.0, 0.0]]))


def test_schedule_leads_to_one_hot_ratios_that_stay():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), SparseSwitchableNorm2d(4))
    layer = network[1]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    softest = []
    for step in range(100):
        set_radius(network, radius_at(step, 100))
        x = torch.randn(4, 3, 8, 8)
        optimizer.zero_grad()
        (network(x) * x[:, :1, 1:-1, 1:-1]).mean().backward()
        optimizer.step()
        softest.append(max(layer.ratios()["mean"].values()))
    assert softest[1] < 0.5
    assert softest[-1] == 1
    assert int(layer.mean_fixed) == int(layer.var_fixed) == 1
    fixed = layer.mixing_ratios()[0].detach()
    set_radius(network, 0.0)  # a run that is resumed with more epochs
    optimizer.zero_grad()
    network.train()(torch.randn(4, 3, 8, 8)).sum().backward()
    assert not layer.mean_weight.grad.any()
    assert torch.equal(layer.mixing_ratios()[0], fixed)
    assert set(fixed.tolist()) == {0.0, 1.0}
    again = nn.Sequential(nn.Conv2d(3, 4, 3), SparseSwitchableNorm2d(4))
    again.load_state_dict(network.state_dict())
    assert again[1].ratios() == layer.ratios()


def test_evaluation_changes_no_state():
    layer = SparseSwitchableNorm2d(4)
    layer.mean_weight.data = layer.var_weight.data = torch.tensor([0.2, 0.1, 0.9])
    set_radius(layer, 0.9)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.eval()(torch.randn(2, 4, 5, 5))
    assert all(torch.equal(layer.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("kind", range(3))
def test_one_hot_ratios_are_that_normalizer(kind):
    torch.manual_seed(0)
    x = torch.randn(4, 6, 16, 16) + 1
    layer = SparseSwitchableNorm2d(6, momentum=0.0)
    layer.mean_weight.data = layer.var_weight.data = torch.eye(3)[kind]
    set_radius(layer, 1.0)
    peer = (nn.InstanceNorm2d(6), nn.GroupNorm(1, 6), nn.BatchNorm2d(6, momentum=1.0))[kind]
    torch.testing.assert_close(layer(x), peer(x), rtol=5e-3, atol=5e-3)
    torch.testing.assert_close(layer.eval()(x), peer.eval()(x), rtol=5e-3, atol=5e-3)


def test_one_hot_on_the_batch_forgets_what_it_knew_once_ratios_change():
    layer = SparseSwitchableNorm2d(2).eval()
    layer.mean_weight.data = layer.var_weight.data = torch.eye(3)[2]
    set_radius(layer, 1.0)
    x = torch.randn(2, 2, 4, 4)
    as_batch = layer(x)
    other = SparseSwitchableNorm2d(2)
    other.mean_weight.data = other.var_weight.data = torch.eye(3)[0]
    layer.load_state_dict(other.state_dict())
    assert not torch.allclose(layer(x), as_batch)
    soft = SparseSwitchableNorm2d(2).eval()
    soft.mean_weight.data = soft.var_weight.data = torch.tensor([0.3, 0.3, 0.4])
    mixed = soft(x)
    set_hard_ratios(soft)
    assert not torch.allclose(soft(x), mixed)
    set_hard_ratios(soft, False)
    torch.testing.assert_close(soft(x), mixed)


def test_equal_to_switchable_norm_at_the_start_and_in_half_precision():
    torch.manual_seed(0)
    x = torch.randn(3, 4, 6, 6)
    sparse = SparseSwitchableNorm2d(4)
    torch.testing.assert_close(sparse(x), SwitchableNorm2d(4)(x))
    set_radius(sparse, 1.0)
    sparse.mean_weight.data = sparse.var_weight.data = torch.eye(3)[2]
    whole = sparse.eval()(x)
    torch.testing.assert_close(sparse(x.half()).float(), whole, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(sparse.half()(x.half()).float(), whole, rtol=1e-2, atol=1e-2)
