"""VGG-19's first layers (Simonyan, Zisserman, ICLR 2015, arXiv 1409.1556), and tables of layers.

Networks written for Caffe are lists of named convolutions; here they are built from tables of
names, kernels and widths, so that each layer keeps its published name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

VGG = (
    ("conv1_1", 64), ("conv1_2", 64), ("pool1_stage1", 0),
    ("conv2_1", 128), ("conv2_2", 128), ("pool2_stage1", 0),
    ("conv3_1", 256), ("conv3_2", 256), ("conv3_3", 256), ("conv3_4", 256), ("pool3_stage1", 0),
    ("conv4_1", 512), ("conv4_2", 512),
)  # fmt: skip
"""VGG-19 to conv4_2, where pose networks leave it: names and widths, 0 for a pool."""


class Layer(nn.Sequential):
    """A convolution that keeps the size, a batch norm if wanted, and its activation.

    Weights begin as N(0, 0.01), biases at zero.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        activation: nn.Module | None = None,
        *,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.normal_(self.convolution.weight, std=0.01)
        assert self.convolution.bias is not None
        nn.init.zeros_(self.convolution.bias)
        if norm:
            self.norm = nn.BatchNorm2d(outputs)
        if activation is not None:
            self.activation = activation


def trunk(
    table: Sequence[tuple[str, int]], pool_up: bool, prelu_from: str = "", *, norm: bool = False
) -> nn.Sequential:
    """VGG-19's first layers and what follows.

    Args:
        table: Names and widths of 3×3 convolutions; width 0 is a pool that halves.
        pool_up: Pools round odd sizes up, as Caffe's do.
        prelu_from: Layers from this one on have a PReLU, those before a ReLU.
        norm: Put batch norms in, as the published networks have not.
    """
    layers = nn.Sequential()
    inputs, prelu = 3, False
    for name, width in table:
        if width == 0:
            layers.add_module(name, nn.MaxPool2d(2, 2, ceil_mode=pool_up))
            continue
        prelu = prelu or name == prelu_from
        activation = nn.PReLU(width) if prelu else nn.ReLU(inplace=True)
        layers.add_module(name, Layer(inputs, width, 3, activation, norm=norm))
        inputs = width
    return layers


def stage(
    table: Sequence[tuple[str, int, int]],
    inputs: int,
    maps: int,
    suffix: str,
    last_relu: bool = False,
    *,
    norm: bool = False,
) -> nn.Sequential:
    """One branch of a stage.

    Args:
        table: Names, kernels and widths; width 0 is the last layer, of `maps` channels.
        inputs: Channels that come in.
        maps: Channels that go out.
        suffix: Put behind each name.
        last_relu: The last layer has a ReLU, too.
        norm: Put batch norms in, save in the last layer.
    """
    layers = nn.Sequential()
    for name, kernel, width in table:
        outputs = width or maps
        activation = nn.ReLU(inplace=True) if width or last_relu else None
        layer = Layer(inputs, outputs, kernel, activation, norm=norm and width > 0)
        layers.add_module(name + suffix, layer)
        inputs = outputs
    return layers


def caffe_name(key: str) -> str:
    """Our key → the layer's name and the tensor in Caffe.

    `trunk.conv4_2.convolution.weight` → `conv4_2.weight`, and the PReLU's
    `trunk.conv4_2.activation.weight` → `prelu4_2.weight`. A norm, which no published network has,
    keeps its name: `conv4_2.norm.weight`.
    """
    layer, part, tensor = key.split(".")[-3:]
    if part == "norm":
        return f"{layer}.norm.{tensor}"
    return f"{layer.replace('conv', 'prelu') if part == 'activation' else layer}.{tensor}"


def vgg_of_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Caffe's layer names → the tensors of torchvision's `vgg19`, for the layers of `VGG`.

    torchvision counts convolutions, activations and pools: `features.0.weight` is conv1_1's.
    """
    found: dict[str, Tensor] = {}
    number = 0
    for name, width in VGG:
        for tensor in ("weight", "bias"):
            if width and f"features.{number}.{tensor}" in state:
                found[f"{name}.{tensor}"] = state[f"features.{number}.{tensor}"]
        number += 2 if width else 1
    return found
