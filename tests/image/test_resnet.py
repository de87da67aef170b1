"""The networks: published sizes, keys, and what their checkpoints tell."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.published import load_published, to_published
from vitruvian.image.resnet import classifier_options, make_classifier
from vitruvian.nn.norms import SparseSwitchableNorm2d, SwitchableNorm2d


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"depth": 18}, 11_689_512),  # torchvision's
        ({"depth": 50}, 25_557_032),
        ({"depth": 20, "stem": "cifar"}, 269_722),  # 0.27 M in the paper's table 6
        ({"depth": 56, "stem": "cifar"}, 853_018),  # 0.85 M
    ],
)
def test_parameters_are_the_published_number(options, parameters):
    classes = 10 if "stem" in options else 1000
    assert count(make_classifier(classes, **options)) == parameters


def test_torchvisions_checkpoints_fit():
    from torchvision.models import resnet18

    theirs = resnet18(num_classes=7).eval()
    state = theirs.state_dict()
    ours = make_classifier(**classifier_options({k: tuple(v.shape) for k, v in state.items()}))
    load_published(ours, state)
    image = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(ours.eval()(image), theirs(image), atol=1e-5)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("norm", ["batch", "switchable", "sparse-switchable"])
def test_checkpoints_tell_their_network(version, depth, norm):
    if version == 2 and depth == 50 and norm != "switchable":
        pytest.skip("one bottleneck network of v2 is enough")
    network = make_classifier(5, depth=depth, version=version, norm=norm, width=8)
    state = to_published(network)
    assert any("sn1" in key for key in state) == (norm != "batch")
    assert not any("bn" in key for key in state) or norm == "batch"
    options = classifier_options({key: tuple(value.shape) for key, value in state.items()})
    assert (options["depth"], options["version"], options["norm"]) == (depth, version, norm)
    again = make_classifier(**options)
    load_published(again, state)
    image = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network.eval()(image), again.eval()(image))


def test_keys_of_version_two_are_the_published_ones():
    keys = set(to_published(make_classifier(5, depth=18, version=2, norm="switchable", width=8)))
    assert {"sn1.mean_weight", "sn_out.var_weight", "layer2.0.downsample.weight"} <= keys
    assert "layer2.0.downsample.0.weight" not in keys
    assert "layer1.0.downsample.weight" not in keys


def test_zero_gamma_makes_blocks_identities():
    network = make_classifier(5, stages=[1, 1], width=8, norm="switchable", zero_gamma=True)
    assert not network.layer1[0].bn2.weight.any()
    assert network.layer2[0].downsample[1].weight.all()
    x = torch.rand(2, 8, 6, 6)
    assert torch.equal(network.layer1[0](x), x)


def test_the_sparse_release_pools_one_pixel_further():
    image = torch.randn(1, 3, 64, 64)
    shapes = {}
    for stem in ("imagenet", "unpadded"):
        network = make_classifier(5, stages=[1], width=8, stem=stem)
        shapes[stem] = network.maxpool(network.conv1(image)).shape
    assert shapes["imagenet"] == shapes["unpadded"] == (1, 8, 16, 16)
    assert network.maxpool.padding == 0


def test_shortcuts_of_cifars_networks_have_no_parameters():
    network = make_classifier(10, depth=20, stem="cifar")
    assert not any("downsample" in name for name, _ in network.named_parameters())
    x = torch.rand(1, 16, 8, 8)
    out = network.layer2[0].downsample(x)
    assert out.shape == (1, 32, 4, 4)
    assert torch.equal(out[:, :16], x[:, :, ::2, ::2])
    assert not out[:, 16:].any()
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_norms_may_be_made_by_a_function():
    network = make_classifier(
        5, stages=[1], width=8, norm=lambda channels: SwitchableNorm2d(channels, using_bn=False)
    )
    assert network.bn1.mean_weight.shape == (2,)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    sparse = make_classifier(5, stages=[1], width=8, norm="sparse-switchable")
    assert isinstance(sparse.bn1, SparseSwitchableNorm2d)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"depth": 19}, "ResNet depth"),
        ({"depth": 18, "stem": "cifar"}, "CIFAR ResNet depth"),
        ({"version": 3}, "ResNet version"),
        ({"stem": "none"}, "stem"),
        ({"norm": "bach"}, "Did you mean 'batch'"),
        ({"stages": [1, 0]}, "without"),
        ({"version": 2, "zero_gamma": True}, "zero_gamma"),
    ],
)
def test_what_there_is_not_gets_one_sentence(options, sentence):
    with pytest.raises((UnknownNameError, InputError), match=sentence):
        make_classifier(5, **options)


def test_other_checkpoints_are_refused():
    with pytest.raises(InputError, match="no classifying ResNet"):
        classifier_options({"weight": (3,)})
