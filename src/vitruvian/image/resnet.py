"""Residual networks that classify: v1, v2, and the small ones for CIFAR.

v1: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016
(arXiv 1512.03385). v2: the same, "Identity Mappings in Deep Residual Networks", ECCV 2016
(arXiv 1603.05027): normalization and ReLU come before each convolution, and nothing comes after
the sum. Either has ImageNet's stem and four stages, or CIFAR's and three (section 4.2 of v1).

With switchable norm they are the networks of switchablenorms/Switchable-Normalization (v1, v2) and
Sparse_SwitchNorm (v1): the same trunk, dropout before the classifier, and in the sparse ones a max
pooling without padding. Their keys say `sn` where torchvision's say `bn`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.nn.norms import make_norm
from vitruvian.nn.resnet import RESNETS, BasicBlock, Bottleneck, ResNet

CIFAR_DEPTHS = (20, 32, 44, 56, 110)
"""6n + 2 layers: n basic blocks in each of three stages (v1, section 4.2)."""

Stem = Literal["imagenet", "unpadded", "cifar"]
MakeNorm = Callable[[int], nn.Module]


class ResNetClassifier(ResNet):
    """ResNet v1 with its classifier.

    Args:
        classes: Numbers that come out.
        stages: Blocks of each stage; see `RESNETS` and `make_classifier`.
        bottleneck: Bottlenecks or basic blocks.
        width: Channels of the stem: 64 as published, 16 for CIFAR.
        stem: "imagenet": 7×7 with stride 2 and max pooling; "unpadded": its pooling has no padding
            but rounds up, as in Sparse_SwitchNorm; "cifar": 3×3, no pooling, and shortcuts without
            parameters (option A).
        norm: Name for `make_norm`, or a function from channels to a layer.
        dropout: Before the classifier; 0.5 in the networks with switchable norm.
        zero_gamma: Whether the last norm of each block begins with zeros.
    """

    def __init__(
        self,
        classes: int = 1000,
        *,
        stages: Sequence[int] = (3, 4, 6, 3),
        bottleneck: bool = True,
        width: int = 64,
        stem: Stem = "imagenet",
        norm: str | MakeNorm = "batch",
        dropout: float = 0.0,
        zero_gamma: bool = False,
    ) -> None:
        super().__init__(stages, bottleneck=bottleneck, width=width)
        self.depth_of_stages = len(stages)
        _set_stem(self, stem)
        if stem == "cifar":
            for module in self.modules():
                if isinstance(module, BasicBlock | Bottleneck) and module.downsample is not None:
                    projection: Any = module.downsample[0]
                    shortcut: Any = PaddedShortcut(projection.out_channels, projection.stride[0])
                    module.downsample = shortcut
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(self.channels[-1], classes)
        set_norms(self, norm)
        if zero_gamma:
            for module in self.modules():
                if isinstance(module, BasicBlock | Bottleneck):
                    last: Any = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                    nn.init.zeros_(last.weight)

    def forward(  # type: ignore[override]
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Scores before the softmax of normalised pictures."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        for number in range(self.depth_of_stages):
            x = self.get_submodule(f"layer{number + 1}")(x)
        return self.fc(self.dropout(x.mean(dim=(2, 3))))

    def published_keys(self) -> dict[str, str]:
        """Our key → the published one: `sn` for `bn` where the norm is switchable."""
        return _published_keys(self)


class PreActivationBlock(nn.Module):
    """Norm, ReLU and convolution, twice (3×3, 3×3) or three times (1×1, 3×3, 1×1), and the sum.

    Where the shape changes, the shortcut is a 1×1 convolution of the activated input (v2,
    section 4.1 and figure 4e).
    """

    def __init__(self, channels: int, width: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        out = width * 4 if bottleneck else width
        self.bn1 = nn.BatchNorm2d(channels)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        if bottleneck:
            self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
            self.bn3 = nn.BatchNorm2d(width)
            self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        else:
            self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bottleneck = bottleneck
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out:
            self.downsample = nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) → (batch, out, height / stride, width / stride)."""
        active = self.relu(self.bn1(x))
        y = self.conv2(self.relu(self.bn2(self.conv1(active))))
        if self.bottleneck:
            y = self.conv3(self.relu(self.bn3(y)))
        return y + (x if self.downsample is None else self.downsample(active))


class PreActivationResNet(nn.Module):
    """ResNet v2 with its classifier; arguments as in `ResNetClassifier`."""

    def __init__(
        self,
        classes: int = 1000,
        *,
        stages: Sequence[int] = (3, 4, 6, 3),
        bottleneck: bool = True,
        width: int = 64,
        stem: Stem = "imagenet",
        norm: str | MakeNorm = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool: nn.Module = nn.MaxPool2d(3, 2, padding=1)
        _set_stem(self, stem)
        self.depth_of_stages = len(stages)
        channels = width
        for number, blocks in enumerate(stages):
            inside, stage = width * 2**number, nn.Sequential()
            for place in range(blocks):
                stride = 2 if number and not place else 1
                stage.append(PreActivationBlock(channels, inside, stride, bottleneck=bottleneck))
                channels = inside * 4 if bottleneck else inside
            self.add_module(f"layer{number + 1}", stage)
        self.bn_out = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        set_norms(self, norm)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Scores before the softmax of normalised pictures."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        for number in range(self.depth_of_stages):
            x = self.get_submodule(f"layer{number + 1}")(x)
        x = self.relu(self.bn_out(x))
        return self.fc(self.dropout(x.mean(dim=(2, 3))))

    def published_keys(self) -> dict[str, str]:
        """Our key → the published one: `sn` for `bn` where the norm is switchable."""
        return _published_keys(self)


class PaddedShortcut(nn.Module):
    """Option A (v1, section 3.3): every `stride`-th pixel, and zeros for the channels to come."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, height, width) → (batch, channels, height / stride, width / stride)."""
        new = self.channels - x.shape[1]
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, new))


def make_classifier(
    classes: int,
    *,
    depth: int = 50,
    version: Literal[1, 2] = 1,
    stages: Sequence[int] | None = None,
    width: int | None = None,
    stem: Stem = "imagenet",
    norm: str | MakeNorm = "batch",
    dropout: float = 0.0,
    zero_gamma: bool = False,
) -> ResNetClassifier | PreActivationResNet:
    """A network by its published depth, or one of basic blocks by its stages.

    Args:
        classes: Numbers that come out.
        depth: 18, 34, 50, 101, 152; with CIFAR's stem 20, 32, 44, 56, 110.
        version: 1 or 2.
        stages: Basic blocks of each stage, in place of a depth.
        width: Channels of the stem; None: as published.
        stem: See `ResNetClassifier`.
        norm: Likewise.
        dropout: Likewise.
        zero_gamma: Likewise; v2 has no such option.

    Raises:
        UnknownNameError: a depth, version, stem or norm that there is not.
        InputError: options that do not go together.
    """
    if version not in (1, 2):
        raise UnknownNameError("ResNet version", str(version), ("1", "2"))
    small = stem == "cifar"
    if stages is not None:
        if not stages or min(stages) < 1:
            raise InputError(f"Each stage needs a block: stages {list(stages)} has one without.")
        blocks, bottleneck = tuple(stages), False
    elif small:
        if depth not in CIFAR_DEPTHS:
            raise UnknownNameError("CIFAR ResNet depth", str(depth), map(str, CIFAR_DEPTHS))
        blocks, bottleneck = ((depth - 2) // 6,) * 3, False
    else:
        if depth not in RESNETS:
            raise UnknownNameError("ResNet depth", str(depth), map(str, RESNETS))
        blocks, bottleneck = RESNETS[depth]
    options: dict[str, Any] = {
        "stages": blocks,
        "bottleneck": bottleneck,
        "width": width or (16 if small else 64),
        "stem": stem,
        "norm": norm,
        "dropout": dropout,
    }
    if version == 1:
        return ResNetClassifier(classes, **options, zero_gamma=zero_gamma)
    if zero_gamma:
        raise InputError("ResNet v2 has no norm at the end of a block: leave zero_gamma out.")
    return PreActivationResNet(classes, **options)


def classifier_options(shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Arguments of `make_classifier` that the shapes of a checkpoint tell.

    Stages, not a depth, where they are no published ones. Dropout and the pooling of the
    "unpadded" stem leave no trace in a checkpoint.

    Args:
        shapes: Published key → shape.

    Raises:
        InputError: the shapes are not those of such a network.
    """
    if "conv1.weight" not in shapes or "fc.weight" not in shapes:
        raise InputError("The checkpoint is no classifying ResNet: its keys are others.")
    stages = tuple(
        len({key.split(".")[1] for key in shapes if key.startswith(f"layer{number}.")})
        for number in range(1, 6)
    )
    stages = stages[: stages.index(0)]
    width, _, kernel, _ = shapes["conv1.weight"]
    bottleneck = "layer1.0.conv3.weight" in shapes
    small = kernel == 3
    options: dict[str, Any] = {
        "classes": shapes["fc.weight"][0],
        "version": 2 if "sn_out.weight" in shapes or "bn_out.weight" in shapes else 1,
        "width": width,
        "stem": "cifar" if small else "imagenet",
        "norm": _norm_of(shapes),
    }
    known = {depth: found for depth, found in RESNETS.items() if found == (stages, bottleneck)}
    if known and not small:
        return {**options, "depth": next(iter(known))}
    if bottleneck:
        raise InputError("The checkpoint is no ResNet of a published depth.")
    return {**options, "stages": list(stages)}


def set_norms(network: nn.Module, norm: str | MakeNorm) -> None:
    """Put new layers in the place of every batch norm of a network that was not trained yet."""
    if norm == "batch":
        return
    make = (lambda channels: make_norm(norm, channels)) if isinstance(norm, str) else norm
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, make(child.num_features))


def _set_stem(network: Any, stem: Stem) -> None:
    width = network.conv1.out_channels
    if stem == "cifar":
        network.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        network.maxpool = nn.Identity()
    elif stem == "unpadded":
        network.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    elif stem != "imagenet":
        raise UnknownNameError("stem", stem, ("imagenet", "unpadded", "cifar"))


def _norm_of(shapes: Mapping[str, Sequence[int]]) -> str:
    if "sn1.radius" in shapes:
        return "sparse-switchable"
    return "switchable" if "sn1.mean_weight" in shapes else "batch"


def _published_keys(network: nn.Module) -> dict[str, str]:
    keys = list(network.state_dict())
    switchable = any(key.endswith(".mean_weight") for key in keys)
    return {key: key.replace("bn", "sn") if switchable else key for key in keys}
