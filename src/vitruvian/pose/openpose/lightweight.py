"""Lightweight OpenPose: the method on a thinned MobileNetV1, fast on a CPU.

Osokin 2018 (arXiv 1811.12004), section 3: a trunk at stride 8 with one dilated block, prediction
stages whose two branches share their layers, and in refinement a pair of 3×3 convolutions (the
second dilated) with a shortcut for each 7×7.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Output channels, stride and dilation of MobileNetV1's blocks after the first convolution: to
# conv5_5, at stride 8.
BLOCKS = (
    (64, 1, 1), (128, 2, 1), (128, 1, 1), (256, 2, 1), (256, 1, 1), (512, 1, 1),
    (512, 1, 2), (512, 1, 1), (512, 1, 1), (512, 1, 1), (512, 1, 1),
)  # fmt: skip
HIDDEN = 512  # of the initial stage's heads

Activation = Literal["relu", "elu", "none"]


def conv(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
    norm: bool = False,
    activation: Activation = "relu",
) -> list[nn.Module]:
    """A convolution, maybe its norm, maybe its activation; stride 1 keeps the size."""
    padding = dilation * (kernel // 2)
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias)
    ]
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    if activation != "none":
        layers.append(nn.ReLU(inplace=True) if activation == "relu" else nn.ELU(inplace=True))
    return layers


def separable(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Depthwise and pointwise convolution, each with norm and ReLU."""
    return nn.Sequential(
        *conv(
            inputs, inputs, stride=stride, dilation=dilation, groups=inputs, bias=False, norm=True
        ),
        *conv(inputs, outputs, 1, bias=False, norm=True),
    )


def separable_elu(width: int) -> nn.Sequential:
    """Depthwise and pointwise convolution, each with ELU and no norm."""
    return nn.Sequential(
        *conv(width, width, groups=width, bias=False, activation="elu"),
        *conv(width, width, 1, bias=False, activation="elu"),
    )


def head(inputs: int, hidden: int, maps: int) -> nn.Sequential:
    """Two 1×1 convolutions to the maps."""
    return nn.Sequential(
        nn.Sequential(*conv(inputs, hidden, 1)),
        nn.Sequential(*conv(hidden, maps, 1, activation="none")),
    )


class Adapter(nn.Module):
    """From the trunk's features to the stages'."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.align = nn.Sequential(*conv(inputs, outputs, 1))
        self.trunk = nn.Sequential(*(separable_elu(outputs) for _ in range(3)))
        self.conv = nn.Sequential(*conv(outputs, outputs))

    def forward(
        self, features: Float[Tensor, "batch inputs h w"]
    ) -> Float[Tensor, "batch outputs h w"]:
        """Narrow, refine with a shortcut, smooth."""
        aligned = self.align(features)
        return self.conv(aligned + self.trunk(aligned))


class RefinementBlock(nn.Module):
    """What stands for a 7×7 convolution: 1×1, then 3×3 and dilated 3×3 around a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.initial = nn.Sequential(*conv(inputs, outputs, 1))
        self.trunk = nn.Sequential(
            nn.Sequential(*conv(outputs, outputs, norm=True)),
            nn.Sequential(*conv(outputs, outputs, dilation=2, norm=True)),
        )

    def forward(
        self, features: Float[Tensor, "batch inputs h w"]
    ) -> Float[Tensor, "batch outputs h w"]:
        """One block."""
        initial = self.initial(features)
        return initial + self.trunk(initial)


class Stage(nn.Module):
    """Shared layers, then one head for heat maps and one for affinity fields."""

    def __init__(self, trunk: nn.Sequential, width: int, hidden: int, maps: tuple[int, int]):
        super().__init__()
        self.trunk = trunk
        self.heatmaps = head(width, hidden, maps[0])
        self.pafs = head(width, hidden, maps[1])

    def forward(self, features: Float[Tensor, "batch inputs h w"]) -> tuple[Tensor, Tensor]:
        """Heat maps and affinity fields."""
        features = self.trunk(features)
        return self.heatmaps(features), self.pafs(features)


class LightweightOpenPose(nn.Module):
    """Picture → heat maps and part affinity fields at stride 8. Keys are the published ones.

    Args:
        num_refinement_stages: Stages after the initial one.
        num_channels: Width of the stages.
        num_heatmaps: Joints and background.
        num_pafs: Two for each limb.
    """

    def __init__(
        self,
        num_refinement_stages: int = 1,
        num_channels: int = 128,
        num_heatmaps: int = 19,
        num_pafs: int = 38,
    ) -> None:
        super().__init__()
        width, maps = num_channels, (num_heatmaps, num_pafs)
        self.model = nn.Sequential(nn.Sequential(*conv(3, 32, stride=2, bias=False, norm=True)))
        inputs = 32
        for outputs, stride, dilation in BLOCKS:
            self.model.append(separable(inputs, outputs, stride, dilation))
            inputs = outputs
        self.cpm = Adapter(inputs, width)
        shared = nn.Sequential(*(nn.Sequential(*conv(width, width)) for _ in range(3)))
        self.initial_stage = Stage(shared, width, HIDDEN, maps)
        self.refinement_stages = nn.ModuleList()
        for _ in range(num_refinement_stages):
            blocks = nn.Sequential(RefinementBlock(width + sum(maps), width))
            for _ in range(4):
                blocks.append(RefinementBlock(width, width))
            self.refinement_stages.append(Stage(blocks, width, width, maps))
        # In which a step of training on a processor takes four fifths of the time.
        self.to(memory_format=torch.channels_last)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch heatmaps h w"], Float[Tensor, "batch affinities h w"]]:
        """The last stage's heat maps and affinity fields.

        Args:
            image: BGR, (x - 128) / 256.
        """
        return self.forward_stages(image)[-1]

    def forward_stages(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[tuple[Tensor, Tensor]]:
        """Heat maps and affinity fields of every stage, for intermediate supervision."""
        features = self.cpm(self.model(image))
        results: list[tuple[Tensor, Tensor]] = [self.initial_stage(features)]
        for refine in self.refinement_stages:
            results.append(refine(torch.cat([features, *results[-1]], dim=1)))
        return results
