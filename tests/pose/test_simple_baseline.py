"""The network of Simple Baselines and the ResNet below it."""

from __future__ import annotations

import pytest
import torch

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.published import load_published, to_published
from vitruvian.nn.resnet import make_resnet
from vitruvian.pose.simple_baseline import PoseResNet, SimpleBaseline, pose_resnet_like


def parameters(network: torch.nn.Module) -> float:
    return sum(each.numel() for each in network.parameters()) / 1e6


@pytest.mark.parametrize(("depth", "millions"), [(50, 34.0), (101, 52.99), (152, 68.64)])
def test_it_has_the_published_size(depth: int, millions: float) -> None:
    with torch.device("meta"):
        assert parameters(PoseResNet(depth=depth)) == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_the_trunk_has_the_keys_of_torchvision(depth: int) -> None:
    torchvision = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        ours = make_resnet(depth).state_dict()
        theirs = getattr(torchvision, f"resnet{depth}")().state_dict()
    shapes = {key: value.shape for key, value in theirs.items() if not key.startswith("fc.")}
    assert {key: value.shape for key, value in ours.items()} == shapes


def test_the_trunk_gives_four_strides() -> None:
    network = make_resnet(18).eval()
    features = network(torch.zeros(1, 3, 64, 96))
    assert [tuple(each.shape[2:]) for each in features] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert [each.shape[1] for each in features] == list(network.channels)


@pytest.mark.parametrize("kernel", [2, 3, 4])
@pytest.mark.parametrize("final", [1, 3])
def test_every_option_gives_a_quarter_of_the_crop(kernel: int, final: int) -> None:
    network = PoseResNet(
        16,
        depth=18,
        filters=(32, 16, 24),
        kernels=(kernel,) * 3,
        deconvolution_bias=True,
        final_kernel=final,
    ).eval()
    assert network(torch.zeros(1, 3, 64, 96)).shape == (1, 16, 16, 24)
    twin = pose_resnet_like({key: value.shape for key, value in network.state_dict().items()})
    load_published(twin, to_published(network))
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(twin.eval()(image), network(image))


@pytest.mark.parametrize("depth", [18, 34, 101, 152])
@pytest.mark.parametrize("style", ["pytorch", "caffe"])
def test_the_depth_follows_from_the_shapes(depth: int, style: str) -> None:
    with torch.device("meta"):
        network = PoseResNet(14, depth=depth, style=style, filters=(8, 8), kernels=(4, 2))
        shapes = {key: value.shape for key, value in network.state_dict().items()}
        twin = pose_resnet_like(shapes, style=style)
    assert {key: value.shape for key, value in twin.state_dict().items()} == shapes


def test_the_styles_share_weights_and_differ_in_output() -> None:
    torch.manual_seed(0)
    torch_style, caffe_style = PoseResNet(style="pytorch").eval(), PoseResNet(style="caffe").eval()
    caffe_style.load_state_dict(torch_style.state_dict())
    image = torch.randn(1, 3, 64, 64)
    assert not torch.allclose(torch_style.features(image)[3], caffe_style.features(image)[3])


def test_the_head_starts_small() -> None:
    network = PoseResNet(depth=18)
    for layer in (network.deconv_layers[0], network.final_layer):
        assert layer.weight.std().item() == pytest.approx(0.001, rel=0.1)
    assert network.final_layer.bias.abs().max() == 0


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="depth"):
        PoseResNet(depth=49)
    with pytest.raises(UnknownNameError, match="kernel"):
        PoseResNet(depth=18, kernels=(5, 4, 4))
    with pytest.raises(UnknownNameError, match="style"):
        PoseResNet(depth=18, style="cafe")
    with pytest.raises(InputError, match="filters"):
        PoseResNet(depth=18, filters=(256, 256))
    with pytest.raises(InputError, match="keys"):
        pose_resnet_like({"conv1.weight": (64, 3, 7, 7)})


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_pictures_are_normalised_alike_in_either_memory(channels) -> None:
    system = SimpleBaseline(depth=18, channels=channels)
    image = torch.randint(0, 256, (2, 3, 64, 32), dtype=torch.uint8)
    last = system.normalised(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, system.normalised(image), rtol=1e-5, atol=1e-5)
