"""Switchable norms against their definition, and at the edges of their inputs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitruvian.core.errors import InputError
from vitruvian.nn.norms import (
    SwitchableNorm1d,
    SwitchableNorm2d,
    SwitchableNorm3d,
    average_statistics,
    parameter_groups,
    plot_ratios,
    ratios_by_layer,
    set_hard_ratios,
)
from vitruvian.nn.norms.mixing import mixed_norm, plain_mixed_norm
from vitruvian.nn.norms.ratios import finish_statistics


def seeded(layer: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, 1.0, 0.3)
    return layer


def by_definition(layer: SwitchableNorm2d, x: torch.Tensor) -> torch.Tensor:
    """Each statistic on its own, as the paper writes them (with S − 1 in the instance variance)."""
    mean, variance = x.mean((2, 3), True), x.var((2, 3), keepdim=True)
    power = variance + mean**2
    means, variances = [mean], [variance]
    for axis in (1, 0):
        pooled = mean.mean(axis, True)
        means.append(pooled)
        variances.append(power.mean(axis, True) - pooled**2)
    w, w_var = layer.mean_weight.softmax(0), layer.var_weight.softmax(0)
    mu = sum(a * b for a, b in zip(w, means, strict=True))
    sigma = sum(a * b for a, b in zip(w_var, variances, strict=True))
    return (x - mu) / (sigma + layer.eps).sqrt() * layer.weight + layer.bias


def test_forward_and_backward_follow_the_definition():
    layer = seeded(SwitchableNorm2d(5).double())
    torch.manual_seed(1)
    x = torch.randn(3, 5, 4, 6, dtype=torch.float64, requires_grad=True)
    cotangent = torch.randn_like(x)
    inputs = (x, *layer.parameters())
    ours = torch.autograd.grad((layer(x) * cotangent).sum(), inputs)
    theirs = torch.autograd.grad((by_definition(layer, x) * cotangent).sum(), inputs)
    torch.testing.assert_close(layer(x), by_definition(layer, x))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("frozen", [False, True])
def test_gradient_is_the_numerical_one(frozen):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(3, 4, 6), torch.randn(4), torch.randn(4)
    ratios = torch.rand(2, 3)
    running = (torch.randn(4).double(), torch.rand(4).double()) if frozen else None
    tensors = [t.double().requires_grad_() for t in (x, weight, bias, *ratios)]

    def run(*args: torch.Tensor) -> torch.Tensor:
        return mixed_norm(*args, eps=1e-3, running=running)[0]

    assert torch.autograd.gradcheck(run, tensors)
    plain = plain_mixed_norm(*tensors, eps=1e-3, running=running)
    for a, b in zip(mixed_norm(*tensors, eps=1e-3, running=running), plain, strict=True):
        torch.testing.assert_close(a, b)


def test_equal_statistics_of_the_three_kinds_are_pytorchs():
    torch.manual_seed(0)
    x = torch.randn(4, 6, 16, 16) * 2 + 1
    layer = SwitchableNorm2d(6)
    set_hard_ratios(layer)
    peers = (nn.InstanceNorm2d(6), nn.GroupNorm(1, 6), nn.BatchNorm2d(6))
    for k, peer in enumerate(peers):
        layer.mean_weight.data = layer.var_weight.data = torch.eye(3)[k]
        torch.testing.assert_close(layer(x), peer(x), rtol=5e-3, atol=5e-3)  # S against S − 1


def test_options_and_their_state():
    without = SwitchableNorm2d(3, using_bn=False, last_gamma=True)
    assert set(without.state_dict()) == {"weight", "bias", "mean_weight", "var_weight"}
    assert without.ratios()["mean"] == {"instance": 0.5, "layer": 0.5}
    assert not without(torch.randn(2, 3, 4, 4)).any()
    assert SwitchableNorm1d(3).momentum == SwitchableNorm3d(3).momentum == 0.997
    assert SwitchableNorm3d(3).weight.shape == (1, 3, 1, 1, 1)
    assert SwitchableNorm1d(3)(torch.randn(4, 3, 7)).shape == (4, 3, 7)


def test_without_batch_norm_a_sample_does_not_depend_on_its_batch():
    layer = seeded(SwitchableNorm2d(3, using_bn=False))
    x = torch.randn(4, 3, 5, 5)
    torch.testing.assert_close(layer(x)[:1], layer(x[:1]))
    torch.testing.assert_close(layer(x), layer.eval()(x))


def test_averaged_statistics_are_those_of_the_data():
    torch.manual_seed(0)
    data = torch.randn(8, 3, 6, 6) + 2
    network = nn.Sequential(SwitchableNorm2d(3), nn.Dropout(0.5))
    average_statistics(network, data.split(2))
    layer = network[0]
    assert network.training
    assert layer.using_moving_average
    torch.testing.assert_close(layer.running_mean.flatten(), data.mean((0, 2, 3)))
    torch.testing.assert_close(
        layer.running_var.flatten(), data.var((0, 2, 3), correction=0), rtol=0.05, atol=0
    )
    sums = SwitchableNorm2d(3, using_moving_average=False)
    for part in data.split(2):
        sums(part)
    finish_statistics(sums, 4)
    torch.testing.assert_close(sums.running_var, layer.running_var)
    with pytest.raises(InputError, match="no batch"):
        average_statistics(network, [])


def test_ratios_of_a_network(tmp_path):
    network = nn.Sequential(SwitchableNorm2d(3), nn.ReLU(), SwitchableNorm2d(3, using_bn=False))
    network[0].mean_weight.data = torch.tensor([0.0, 5.0, 0.0])
    table = ratios_by_layer(network)
    assert list(table) == ["0", "2"]
    assert table["0"]["mean"]["layer"] > 0.9
    assert sum(table["0"]["variance"].values()) == pytest.approx(1)
    set_hard_ratios(network)
    assert ratios_by_layer(network)["0"]["mean"] == {"instance": 0, "layer": 1, "batch": 0}
    plot_ratios(network, tmp_path / "ratios.png")
    assert (tmp_path / "ratios.png").stat().st_size > 5000
    with pytest.raises(InputError, match="no switchable norm"):
        plot_ratios(nn.ReLU(), tmp_path / "none.png")
    groups = parameter_groups(network, lr=0.1, weight_decay=1e-4, ratio_lr=0.01)
    assert [len(group["params"]) for group in groups] == [4, 4]
    assert (groups[1]["lr"], groups[1]["weight_decay"]) == (0.01, 0)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (2, 3, 1, 1), (1, 3, 1, 1), (0, 3, 4, 4)])
def test_small_batches_and_maps_stay_finite(shape):
    layer = seeded(SwitchableNorm2d(3))
    x = torch.randn(shape, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert y.shape == shape
    assert y.isfinite().all()
    assert x.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in layer.parameters())
    assert layer.running_var.isfinite().all()
    assert layer.eval()(x).isfinite().all()


def test_a_spatial_size_of_one_is_layer_and_batch_norm():
    layer = SwitchableNorm2d(6)
    set_hard_ratios(layer)
    x = torch.randn(4, 6, 1, 1)
    layer.mean_weight.data = layer.var_weight.data = torch.eye(3)[2]
    torch.testing.assert_close(layer(x), nn.BatchNorm2d(6)(x))
    layer.mean_weight.data = layer.var_weight.data = torch.eye(3)[1]
    torch.testing.assert_close(layer(x), nn.GroupNorm(1, 6)(x))


@pytest.mark.parametrize(("n", "c"), [(1, 4), (4, 1), (1, 1), (0, 4), (3, 0)])
def test_1d_of_one_sample_or_channel(n, c):
    layer = SwitchableNorm1d(c)
    y = layer(torch.randn(n, c))
    assert y.shape == (n, c)
    assert y.isfinite().all()


def test_no_channels_left():
    layer = SwitchableNorm2d(0)
    assert layer(torch.randn(2, 0, 4, 4)).shape == (2, 0, 4, 4)
    assert layer.eval()(torch.randn(2, 0, 4, 4)).shape == (2, 0, 4, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("half_weights", [False, True])
def test_half_precision_has_float32_statistics(dtype, half_weights):
    """Values around 1000 with a spread of 2: squares of them leave half precision at once."""
    torch.manual_seed(0)
    x = (1000 + 64 * torch.randn(4, 3, 16, 16)).to(dtype).requires_grad_()
    layer = SwitchableNorm2d(3).to(dtype) if half_weights else SwitchableNorm2d(3)
    y = layer(x)
    y.square().sum().backward()
    assert y.dtype == dtype
    exact = SwitchableNorm2d(3)(x.detach().float())
    torch.testing.assert_close(y.float(), exact, rtol=0.02, atol=0.02)
    assert x.grad.isfinite().all()


def test_large_means_do_not_cancel():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 16, 16) + 4096
    wide = SwitchableNorm2d(3).double()(x.double())
    torch.testing.assert_close(SwitchableNorm2d(3)(x).double(), wide, rtol=0, atol=2e-3)


@pytest.mark.parametrize("layer", [SwitchableNorm2d(3), SwitchableNorm1d(3)])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_leave_the_buffers_alone(layer, bad):
    x = torch.randn(2, 3, 4, 4) if isinstance(layer, SwitchableNorm2d) else torch.randn(4, 3)
    before = layer.running_var.clone()
    x.view(-1)[0] = bad
    with pytest.raises(InputError, match="not finite"):
        layer(x)
    assert torch.equal(layer.running_var, before)


def test_wrong_shapes_are_told():
    with pytest.raises(InputError, match=r"3 channels .* \(2, 4, 5, 5\)"):
        SwitchableNorm2d(3)(torch.randn(2, 4, 5, 5))
    with pytest.raises(InputError, match="give 4 axes"):
        SwitchableNorm2d(3)(torch.randn(2, 3))


def test_channels_last_and_compiled_graphs_give_the_same():
    layer = seeded(SwitchableNorm2d(3)).eval()
    x = torch.randn(2, 3, 5, 7)
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x))
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), layer(x))
