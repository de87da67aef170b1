"""RetinaFace: faces with five landmarks, in one pass.

Deng et al., CVPR 2020 (arXiv 1905.00641), in the small published form on MobileNetV1 at width 0.25
(biubug6/Face-Detector-1MB-with-landmark, MIT), whose weights the package embeds.

Three maps of a feature pyramid (strides 8, 16, 32) pass through context modules (SSH); at each
place two square priors predict a box, face against background, and five landmarks. What the paper
has and this network has not: the dense mesh branch, deformable context modules, and leaky ReLUs
(the published weights belong to plain ones).
"""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.face.retinaface.detection import PRIOR_SIZES, STRIDES


def convolution(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, activation: bool = True
) -> nn.Sequential:
    """Convolution, batch norm and, where asked for, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if activation:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """MobileNetV1's depthwise and pointwise pair."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class MobileNetTrunk(nn.Module):
    """MobileNetV1 at width 0.25: features at strides 8, 16, 32 with 64, 128, 256 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            convolution(3, 8, stride=2),
            separable(8, 16, 1),
            separable(16, 32, 2),
            separable(32, 32, 1),
            separable(32, 64, 2),
            separable(64, 64, 1),
        )
        self.stage2 = nn.Sequential(
            separable(64, 128, 2), *(separable(128, 128, 1) for _ in range(5))
        )
        self.stage3 = nn.Sequential(separable(128, 256, 2), separable(256, 256, 1))

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """The three stages' features."""
        first = self.stage1(image)
        second = self.stage2(first)
        return [first, second, self.stage3(second)]


class Pyramid(nn.Module):
    """Feature pyramid: the coarse maps are enlarged (nearest) and added to the finer ones."""

    def __init__(self, inputs: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(convolution(channels, width, kernel=1) for channels in inputs)
        self.merge = nn.ModuleList(convolution(width, width) for _ in inputs[:-1])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Three maps of `width` channels, fine to coarse."""
        maps = [layer(x) for layer, x in zip(self.lateral, features, strict=True)]
        for level in (1, 0):
            above = F.interpolate(maps[level + 1], size=maps[level].shape[-2:], mode="nearest")
            maps[level] = self.merge[level](maps[level] + above)
        return maps


class ContextModule(nn.Module):
    """SSH's context module: receptive fields of 3, 5 and 7 side by side, half, quarter, quarter."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half, quarter = width // 2, width // 4
        self.field3 = convolution(width, half, activation=False)
        self.shared = convolution(width, quarter)
        self.field5 = convolution(quarter, quarter, activation=False)
        self.middle7 = convolution(quarter, quarter)
        self.field7 = convolution(quarter, quarter, activation=False)

    def forward(
        self, features: Float[Tensor, "batch width h w"]
    ) -> Float[Tensor, "batch width h w"]:
        """As many channels as came in."""
        shared = self.shared(features)
        fields = [self.field3(features), self.field5(shared), self.field7(self.middle7(shared))]
        return F.relu(torch.cat(fields, dim=1))


class RetinaFaceNetwork(nn.Module):
    """Picture → raw boxes, face scores and landmarks of every prior."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.trunk = MobileNetTrunk()
        self.pyramid = Pyramid((64, 128, 256), width)
        self.context = nn.ModuleList(ContextModule(width) for _ in STRIDES)
        priors = len(PRIOR_SIZES[0])
        self.boxes = nn.ModuleList(nn.Conv2d(width, priors * 4, 1) for _ in STRIDES)
        self.scores = nn.ModuleList(nn.Conv2d(width, priors * 2, 1) for _ in STRIDES)
        self.landmarks = nn.ModuleList(nn.Conv2d(width, priors * 10, 1) for _ in STRIDES)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch priors 4"],
        Float[Tensor, "batch priors 2"],
        Float[Tensor, "batch priors 10"],
    ]:
        """Raw predictions in the order of `make_priors`.

        Args:
            image: BGR in 0–255 less `MEAN`.

        Returns:
            Box offsets, probabilities of background and face, landmark offsets.
        """
        features = self.pyramid(self.trunk(image))
        maps = [context(x) for context, x in zip(self.context, features, strict=True)]

        def read(heads: nn.ModuleList, numbers: int) -> Tensor:
            outputs = [
                head(x).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, numbers))
                for head, x in zip(heads, maps, strict=True)
            ]
            return torch.cat(outputs, dim=1)

        return (
            read(self.boxes, 4),
            read(self.scores, 2).softmax(dim=-1),
            read(self.landmarks, 10),
        )

    def published_keys(self) -> dict[str, str]:
        """Our key → key of the published state dict."""
        return {key: _published_key(key) for key in self.state_dict()}


_PARTS = (
    (r"^trunk\.", lambda _: "body."),
    (r"^pyramid\.lateral\.(\d)", lambda m: f"fpn.output{int(m[1]) + 1}"),
    (r"^pyramid\.merge\.(\d)", lambda m: f"fpn.merge{int(m[1]) + 1}"),
    (r"^context\.(\d)", lambda m: f"ssh{int(m[1]) + 1}"),
    (r"\.field3\.", lambda _: ".conv3X3."),
    (r"\.shared\.", lambda _: ".conv5X5_1."),
    (r"\.field5\.", lambda _: ".conv5X5_2."),
    (r"\.middle7\.", lambda _: ".conv7X7_2."),
    (r"\.field7\.", lambda _: ".conv7x7_3."),
    (r"^boxes\.(\d)", lambda m: f"BboxHead.{m[1]}.conv1x1"),
    (r"^scores\.(\d)", lambda m: f"ClassHead.{m[1]}.conv1x1"),
    (r"^landmarks\.(\d)", lambda m: f"LandmarkHead.{m[1]}.conv1x1"),
)


def _published_key(key: str) -> str:
    for pattern, replacement in _PARTS:
        key = re.sub(pattern, replacement, key)
    return key
