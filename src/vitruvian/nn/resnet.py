"""ResNet (He, Zhang, Ren, Sun, CVPR 2016, arXiv 1512.03385) without pooling and classifier.

State-dict keys are torchvision's (`conv1.weight`, `bn1.*`, `layer2.0.conv3.weight`,
`layer2.0.downsample.1.*`), so ImageNet weights of that library load as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.errors import UnknownNameError

Style = Literal["pytorch", "caffe"]

RESNETS: dict[int, tuple[tuple[int, int, int, int], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
"""Depth → blocks of the four stages, and whether they are bottlenecks (paper, table 1)."""


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and the identity (figure 5, left)."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) → (batch, width, height / stride, width / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        # In place: memory that is new to the process costs more than the sum.
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 and the identity (figure 5, right).

    Args:
        channels: Channels that come in.
        width: Channels inside; four times as many go out.
        stride: Of the block.
        style: "pytorch" strides in the 3×3, "caffe" (the paper's own release) in the first 1×1.
            The two have the same keys and shapes, and different outputs.
    """

    expansion = 4

    def __init__(
        self, channels: int, width: int, stride: int = 1, style: Style = "pytorch"
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if style == "caffe" else (1, stride)
        self.conv1 = nn.Conv2d(channels, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) → (batch, 4 width, height / stride, width / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        # In place: memory that is new to the process costs more than the sum.
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet(nn.Module):
    """The stem and the stages, of which there are four as published.

    Args:
        stages: Blocks of each stage; `RESNETS[50][0]` for ResNet-50.
        bottleneck: Bottlenecks (50 and deeper) or basic blocks.
        style: Where a bottleneck strides; see `Bottleneck`.
        width: Channels of the stem; each stage after the first doubles those inside its blocks.

    Attributes:
        channels: Channels of the stages' outputs.
    """

    def __init__(
        self,
        stages: Sequence[int],
        *,
        bottleneck: bool = True,
        style: Style = "pytorch",
        width: int = 64,
    ) -> None:
        super().__init__()
        if style not in ("pytorch", "caffe"):
            raise UnknownNameError("ResNet style", style, ("pytorch", "caffe"))
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        expansion = Bottleneck.expansion if bottleneck else BasicBlock.expansion
        self.channels = tuple(expansion * width * 2**number for number in range(len(stages)))
        channels = width
        for number, blocks in enumerate(stages):
            inside, stage = width * 2**number, nn.Sequential()
            for place in range(blocks):
                stride = 2 if number and not place else 1
                if bottleneck:
                    stage.append(Bottleneck(channels, inside, stride, style))
                else:
                    stage.append(BasicBlock(channels, inside, stride))
                channels = inside * expansion
            self.add_module(f"layer{number + 1}", stage)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The outputs of the four stages, at strides 4, 8, 16 and 32."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        first = self.get_submodule("layer1")(x)
        second = self.get_submodule("layer2")(first)
        third = self.get_submodule("layer3")(second)
        return first, second, third, self.get_submodule("layer4")(third)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`features(image)`."""
        return self.features(image)


def make_resnet(depth: int, *, style: Style = "pytorch") -> ResNet:
    """ResNet-18, 34, 50, 101 or 152.

    Raises:
        UnknownNameError: no such depth.
    """
    if depth not in RESNETS:
        raise UnknownNameError("ResNet depth", str(depth), map(str, RESNETS))
    stages, bottleneck = RESNETS[depth]
    return ResNet(stages, bottleneck=bottleneck, style=style)


def _projection(channels: int, out: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and channels == out:
        return None
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
