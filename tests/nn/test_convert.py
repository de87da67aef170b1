"""Swapping and folding the norms of whole networks."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.nn import convert_norm
from vitruvian.nn.norms import (
    NORMS,
    PopulationNorm2d,
    SparseSwitchableNorm2d,
    SwitchableNorm1d,
    SwitchableNorm2d,
    SyncSwitchableNorm2d,
    fold_batch_norm,
    fold_norms,
    make_norm,
    set_hard_ratios,
    set_radius,
)
from vitruvian.nn.norms.convert import is_norm
from vitruvian.nn.resnet import ResNet


def trained(norm: nn.Module) -> nn.Module:
    """With weights and statistics that are not the initial ones."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, value in norm.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point() and "radius" not in name:
                value.copy_(torch.randn_like(value) * 0.3 + 0.7)
    return norm


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.BatchNorm2d(4)
    )


@pytest.mark.parametrize("name", NORMS)
def test_every_norm_by_name_makes_and_trains(name):
    norm = make_norm(name, 12)
    x = torch.randn(2, 12, 5, 5, requires_grad=True)
    y = norm(x)
    y.square().sum().backward()
    assert y.shape == x.shape
    assert norm.weight.grad.numel() == 12
    assert norm.eval()(x).isfinite().all()


@pytest.mark.parametrize("train", [True, False])
def test_group_norm_of_one_value_a_group(train):
    """On maps of one cell; PyTorch's layer refuses a batch of one."""
    layer = trained(make_norm("group", 8)).train(train)
    pair = torch.randn(2, 8, 1, 1)
    assert torch.equal(layer(pair[:1]), layer(pair)[:1])
    assert torch.allclose(layer(pair)[0, :, 0, 0], layer.bias, atol=1e-4)
    published = nn.GroupNorm(8, 8)
    published.load_state_dict(layer.state_dict())
    assert torch.equal(layer(pair), published(pair))
    pictures = torch.randn(3, 8, 4, 5)
    assert torch.equal(layer(pictures), published(pictures))


def test_unknown_names_and_forms():
    with pytest.raises(UnknownNameError, match="'switchable'"):
        make_norm("switchabel", 3)
    with pytest.raises(UnknownNameError, match="'batch'"):
        convert_norm(small(), "bach")
    with pytest.raises(InputError, match="no 1d form, only 2d and 3d"):
        make_norm("instance", 3, dims=1)
    assert make_norm("group", 48).num_groups == 16
    assert isinstance(make_norm("switchable", 3, dims=1), SwitchableNorm1d)


@pytest.mark.parametrize("name", NORMS)
def test_there_and_back_keeps_what_has_a_meaning(name):
    network = trained(small()).eval()
    network[1].momentum, network[1].eps = 0.03, 1e-3
    network[4].weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    x = torch.randn(2, 3, 9, 9)
    y = network(x)
    convert_norm(network, name)
    assert network(x).shape == y.shape
    assert not network[1].training
    assert network[1].eps == 1e-3
    assert not network[4].weight.requires_grad
    assert torch.equal(network[1].weight.flatten(), before["1.weight"])
    convert_norm(network, "batch")
    assert type(network[1]) is nn.BatchNorm2d
    for key in ("1.weight", "1.bias", "4.weight"):
        assert torch.equal(network.state_dict()[key], before[key])
    if name not in ("layer", "group", "instance"):
        assert network[1].momentum == pytest.approx(0.03)
        torch.testing.assert_close(network(x), y)


def test_ratios_survive_among_switchable_norms():
    source = trained(SwitchableNorm2d(6)).eval()
    x = torch.randn(2, 6, 5, 5)
    y = source(x)
    sync = convert_norm(source, "sync-switchable")
    assert isinstance(sync, SyncSwitchableNorm2d)
    assert torch.equal(sync.mean_weight, source.mean_weight)
    sparse = convert_norm(sync, "sparse-switchable")
    assert isinstance(sparse, SparseSwitchableNorm2d)
    torch.testing.assert_close(sparse(x), y)
    torch.testing.assert_close(convert_norm(sparse, "switchable")(x), y)


def test_batch_and_population_norm_agree_in_evaluation():
    batch = trained(nn.BatchNorm2d(6)).eval()
    x = torch.randn(2, 6, 5, 5)
    population = convert_norm(copy.deepcopy(batch), "population")
    assert isinstance(population, PopulationNorm2d)
    torch.testing.assert_close(population(x), batch(x))


def test_layers_keep_their_axes_and_what_is_left_is_told():
    network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
    convert_norm(network, "group")
    convert_norm(network, "switchable")
    assert isinstance(network[1], SwitchableNorm1d)
    convert_norm(network, "batch")
    with pytest.warns(UserWarning, match="norm 1 stays as it is: 'instance' has no 1d form"):
        convert_norm(network, "instance")
    assert isinstance(network[1], nn.BatchNorm1d)
    shared = nn.BatchNorm2d(3)
    twice = convert_norm(nn.ModuleList([shared, nn.Sequential(shared)]), "switchable")
    assert twice[0] is twice[1][0]


@pytest.mark.parametrize("name", ["switchable", "sparse-switchable", "population", "group"])
def test_house_networks(name):
    network = convert_norm(ResNet((1, 1, 1, 1), bottleneck=False), name)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    network(torch.randn(2, 3, 64, 64))[-1].square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("model", ["resnet18", "mobilenetv3_small_050", "densenet121"])
def test_timm_networks_there_and_back(model):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model(model, num_classes=5).eval()
    x = torch.randn(2, 3, 64, 64)
    y = network(x)
    convert_norm(network, "switchable")
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    network.train()(x).sum().backward()
    network.eval()
    for module in network.modules():  # as the original's
        if isinstance(module, SwitchableNorm2d):
            nn.init.zeros_(module.running_mean)
            nn.init.ones_(module.running_var)
    torch.testing.assert_close(convert_norm(network, "batch")(x), y, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fold_norms(network)(x), y, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("convolution", "shape"),
    [
        (nn.Conv1d(4, 6, 3), (2, 4, 9)),
        (nn.Conv2d(4, 6, 3, groups=2, bias=False), (2, 4, 9, 9)),
        (nn.Conv3d(4, 6, 3), (2, 4, 5, 5, 5)),
        (nn.ConvTranspose2d(4, 6, 4, stride=2), (2, 4, 5, 5)),
        (nn.Linear(4, 6), (2, 4)),
    ],
)
def test_a_folded_pair_is_the_pair(convolution, shape):
    dims = max(len(shape) - 2, 1)
    norm = trained(make_norm("batch", 6, dims)).eval()
    x = torch.randn(shape)
    folded = fold_batch_norm(convolution, norm)
    torch.testing.assert_close(folded(x), norm(convolution(x)), rtol=1e-4, atol=1e-5)


def test_sparse_norms_fold_once_they_are_batch_norms():
    network = convert_norm(trained(small()), "sparse-switchable").eval()
    assert any(is_norm(layer) for layer in fold_norms(network).modules())  # still soft
    for index, kind in ((1, 2), (4, 0)):
        ratios = torch.eye(3)[kind]
        network[index].mean_weight.data = network[index].var_weight.data = ratios
    set_radius(network, 1.0)
    x = torch.randn(2, 3, 9, 9)
    folded = fold_norms(network)
    assert isinstance(folded[1], nn.Identity)
    assert isinstance(folded[4], SparseSwitchableNorm2d)  # instance norm: it depends on its input
    torch.testing.assert_close(folded(x), network(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="cannot be folded"):
        fold_batch_norm(network[3], network[4])


def test_norms_after_something_else_become_batch_norm():
    network = nn.Sequential(nn.ReLU(), trained(SwitchableNorm2d(3)), nn.Conv2d(3, 3, 1)).eval()
    network[1].mean_weight.data = network[1].var_weight.data = torch.eye(3)[2]
    set_hard_ratios(network)
    x = torch.randn(2, 3, 5, 5)
    folded = fold_norms(network)
    assert type(folded[1]) is nn.BatchNorm2d
    torch.testing.assert_close(folded(x), network(x))


def test_house_resnet_folds_whole():
    network = ResNet((2, 1, 1, 1)).eval()
    for module in network.modules():
        if is_norm(module):
            trained(module)
    x = torch.randn(1, 3, 64, 64)
    folded = fold_norms(network)
    assert not any(is_norm(module) for module in folded.modules())
    a, b = folded(x)[-1], network(x)[-1]
    assert (a - b).norm() < 1e-4 * b.norm()


def test_a_graph_that_depends_on_data_is_told():
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match="graph of Odd cannot be read"):
        fold_norms(Odd())
