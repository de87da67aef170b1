"""OpenPose on MobileNetV2: the small network that `vitruvian analyze` finds people with.

The method is Cao et al., CVPR 2017 (arXiv 1611.08050, section 2); trunk and stages are those of
ildoonet/tf-pose-estimation's `mobilenet_v2_small` (Apache-2.0), whose trained weights the package
embeds. What is particular to it:

- The trunk's norms read the statistics of the picture at hand (the published graph normalises each
  picture by itself), so a batch gives what its pictures give one by one.
- Convolutions pad as TensorFlow's SAME does: with stride 2 an even size is padded at the right and
  the bottom only.
- The upper feature map is enlarged by TensorFlow's old bilinear rule (`source = target / 2`, no
  half pixel).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

STRIDE = 8
SIZE_MULTIPLE = 16  # of the input's height and width: both maps that are joined have whole sizes
EPSILON = 1e-3

# Output channels and stride of MobileNetV2's blocks at width 0.5; all but the first expand sixfold.
BLOCKS = (
    (8, 1), (16, 2), (16, 1), (16, 2), (16, 1), (16, 1), (32, 2),
    (32, 1), (32, 1), (32, 1), (48, 1), (48, 1), (48, 1),
)  # fmt: skip
MIDDLE_BLOCK = 5  # the last one at stride 8
STAGES = 6
STAGE_KERNELS = (3, 3, 3, 1, 1)


class ImageNormConv(nn.Sequential):
    """Convolution with SAME padding, a norm by the picture's own statistics, maybe ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1,
        activation: bool = True,
    ) -> None:  # fmt: skip
        padding = kernel // 2 if stride == 1 else 0
        super().__init__()
        if stride == 2:
            self.append(nn.ZeroPad2d((0, 1, 0, 1)))
        self.convolution = nn.Conv2d(
            inputs, outputs, kernel, stride, padding, groups=groups, bias=False
        )
        self.norm = nn.InstanceNorm2d(outputs, eps=EPSILON, affine=True)
        if activation:
            self.activation = nn.ReLU6(inplace=True)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, depthwise, project; a sum where the shapes allow one."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        self.expand = ImageNormConv(inputs, width, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ImageNormConv(width, width, 3, stride, groups=width)
        self.project = ImageNormConv(width, outputs, 1, activation=False)

    def forward(
        self, features: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs newheight newwidth"]:
        """One block."""
        result = self.project(self.depthwise(self.expand(features)))
        return features + result if self.adds else result


class SeparableConv(nn.Module):
    """Depthwise, then pointwise convolution, then batch norm without a scale."""

    def __init__(self, inputs: int, outputs: int, kernel: int, activation: bool) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            inputs, inputs, kernel, padding=kernel // 2, groups=inputs, bias=False
        )
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON, affine=False)
        self.shift = nn.Parameter(torch.zeros(outputs))
        self.activation = nn.ReLU(inplace=True) if activation else nn.Identity()

    def forward(
        self, features: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs height width"]:
        """One pair of convolutions."""
        result = self.norm(self.pointwise(self.depthwise(features)))
        return self.activation(result + self.shift[:, None, None])


def branch(inputs: int, outputs: int, hidden: int) -> nn.Sequential:
    """One branch of a stage: five separable convolutions, the last without ReLU."""
    widths = (inputs, 64, 64, 64, hidden, outputs)
    last = len(STAGE_KERNELS) - 1
    return nn.Sequential(
        *(
            SeparableConv(widths[i], widths[i + 1], kernel, activation=i < last)
            for i, kernel in enumerate(STAGE_KERNELS)
        )
    )


class MobileNetOpenPose(nn.Module):
    """Picture → heat maps and part affinity fields at stride 8.

    Args:
        joints: Number of joints; there is one heat map more, for the background.
        limbs: Number of limbs; each has two affinity channels.
        stages: 6 as published; the first one does for `OpenPoseSight`.
    """

    def __init__(self, joints: int = 18, limbs: int = 19, stages: int = STAGES) -> None:
        super().__init__()
        heatmaps, affinities = joints + 1, 2 * limbs
        self.stem = ImageNormConv(3, 16, 3, stride=2)
        blocks: list[nn.Module] = []
        width = 16
        for place, (outputs, stride) in enumerate(BLOCKS):
            blocks.append(InvertedResidual(width, outputs, stride, 6 if place else 1))
            width = outputs
        self.blocks = nn.ModuleList(blocks)
        features = BLOCKS[MIDDLE_BLOCK][0] + BLOCKS[-1][0]
        self.stages = nn.ModuleList()
        for stage in range(stages):
            inputs = features if stage == 0 else features + affinities + heatmaps
            hidden = 256 if stage == 0 else 64
            self.stages.append(
                nn.ModuleDict(
                    {
                        "affinities": branch(inputs, affinities, hidden),
                        "heatmaps": branch(inputs, heatmaps, hidden),
                    }
                )
            )

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch heatmaps h w"], Float[Tensor, "batch affinities h w"]]:
        """The last stage's maps.

        Args:
            image: BGR in [-1, 1] (`x / 127.5 - 1`); height and width are multiples of 16.

        Returns:
            Heat maps (joints, then background) and affinity fields, both at an eighth of the size.
        """
        return self.forward_stages(image)[-1]

    def forward_stages(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[tuple[Tensor, Tensor]]:
        """Heat maps and affinity fields of every stage, for intermediate supervision."""
        features = self.features(image)
        results: list[tuple[Tensor, Tensor]] = []
        stage_input = features
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleDict)
            affinities = stage["affinities"](stage_input)
            heatmaps = stage["heatmaps"](stage_input)
            results.append((heatmaps, affinities))
            stage_input = torch.cat([affinities, heatmaps, features], dim=1)
        return results

    def features(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 64 height/8 width/8"]:
        """What the trunk gives to the stages."""
        x = self.stem(image)
        middle = x
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place == MIDDLE_BLOCK:
                middle = x
        return torch.cat([middle, enlarge_twice(x)], dim=1)

    def published_keys(self) -> dict[str, str]:
        """Our key → TensorFlow's variable name."""
        return dict(self._named_variables())

    def _named_variables(self) -> Iterator[tuple[str, str]]:
        yield from _image_norm_names("stem", "MobilenetV2/Conv", "weights")
        for i, block in enumerate(self.blocks):
            scope = f"MobilenetV2/expanded_conv_{i}" if i else "MobilenetV2/expanded_conv"
            for part in ("expand", "depthwise", "project"):
                if part == "expand" and isinstance(block.get_submodule(part), nn.Identity):
                    continue
                weights = "depthwise_weights" if part == "depthwise" else "weights"
                yield from _image_norm_names(f"blocks.{i}.{part}", f"{scope}/{part}", weights)
        for stage in range(len(self.stages)):
            for number, name in ((1, "affinities"), (2, "heatmaps")):
                for i in range(len(STAGE_KERNELS)):
                    ours = f"stages.{stage}.{name}.{i}"
                    theirs = f"Openpose/MConv_Stage{stage + 1}_L{number}_{i + 1}"
                    norm = f"{theirs}_pointwise/BatchNorm"
                    yield f"{ours}.depthwise.weight", f"{theirs}_depthwise/depthwise_weights"
                    yield f"{ours}.pointwise.weight", f"{theirs}_pointwise/weights"
                    yield f"{ours}.shift", f"{norm}/beta"
                    yield f"{ours}.norm.running_mean", f"{norm}/moving_mean"
                    yield f"{ours}.norm.running_var", f"{norm}/moving_variance"
                    yield f"{ours}.norm.num_batches_tracked", f"{norm}/num_batches_tracked"


def _image_norm_names(ours: str, theirs: str, weights: str) -> Iterator[tuple[str, str]]:
    yield f"{ours}.convolution.weight", f"{theirs}/{weights}"
    yield f"{ours}.norm.weight", f"{theirs}/BatchNorm/gamma"
    yield f"{ours}.norm.bias", f"{theirs}/BatchNorm/beta"


def enlarge_twice(
    maps: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels 2*height 2*width"]:
    """Twice the size by TensorFlow's old bilinear rule: target pixel t reads source place t / 2."""
    height, width = maps.shape[-2:]
    grown = F.pad(maps, (0, 1, 0, 1), mode="replicate")
    size = (2 * height + 1, 2 * width + 1)
    grown = F.interpolate(grown, size=size, mode="bilinear", align_corners=True)
    return grown[..., :-1, :-1]
