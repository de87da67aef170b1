"""Associative embedding's own network: a stacked hourglass of plain convolutions, with tags.

Newell, Huang, Deng: "Associative Embedding: End-to-End Learning for Joint Detection and Grouping",
NIPS 2017 (arXiv 1611.05424), section 3.1. Tags and their grouping are in
`pose/associative_embedding.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import find_skeleton
from vitruvian.nn.hourglass import Hourglass
from vitruvian.nn.norms import NormName
from vitruvian.pose.associative_embedding import Grouping
from vitruvian.pose.bottom_up_system import BottomUpSystem, Maps, Side

STEM = (64, 128, 128)
"""Channels of the first three convolutions as published."""

WIDTHS = (256, 384, 512, 640, 768)
"""Channels at each level of an hourglass as published, and in its middle."""


class Convolution(nn.Module):
    """A convolution with ReLU, and batch norm after that where asked for."""

    def __init__(
        self, channels: int, out: int, kernel: int = 3, stride: int = 1, *, norm: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2)
        self.relu = nn.ReLU(inplace=True)
        self.bn = nn.BatchNorm2d(out) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) → (batch, out, height / stride, width / stride)."""
        y = self.relu(self.conv(x))
        return y if self.bn is None else self.bn(y)


class AEHourglass(nn.Module):
    """The network.

    Args:
        outputs: Maps of each stack; as published 17 of joints, 17 of tags and 34 that nothing uses.
        stacks: Hourglasses one after the other.
        widths: Channels of each level and of the middle.
        stem: Channels of the first three convolutions.
        norm: Batch norm in the stem and in most of each hourglass; the published one has none.
    """

    def __init__(
        self,
        outputs: int = 68,
        *,
        stacks: int = 4,
        widths: Sequence[int] = WIDTHS,
        stem: Sequence[int] = STEM,
        norm: bool = False,
    ) -> None:
        super().__init__()

        def normed(channels: int, out: int) -> Convolution:
            return Convolution(channels, out, norm=norm)

        first, second, third = stem
        features = widths[0]
        self.stem = nn.Sequential(
            Convolution(3, first, 7, 2, norm=norm),
            normed(first, second),
            nn.MaxPool2d(2),
            normed(second, third),
            normed(third, features),
        )
        self.hourglasses = nn.ModuleList(
            nn.Sequential(
                Hourglass(widths, normed, Convolution),
                Convolution(features, features),
                Convolution(features, features),
            )
            for _ in range(stacks)
        )
        self.outs = nn.ModuleList(nn.Conv2d(features, outputs, 1) for _ in range(stacks))
        self.from_feature = nn.ModuleList(
            nn.Conv2d(features, features, 1) for _ in range(stacks - 1)
        )
        self.from_maps = nn.ModuleList(nn.Conv2d(outputs, features, 1) for _ in range(stacks - 1))

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """(batch, outputs, height / 4, width / 4) of each stack.

        Height and width are multiples of 4 · 2^levels: 64 as published.
        """
        return self.forward_features(image)[0]

    def forward_features(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[list[Tensor], Float[Tensor, "batch features height/4 width/4"]]:
        """The maps of each stack, and what the last ones are made from."""
        x = feature = self.stem(image)
        found = []
        for place, (hourglass, out) in enumerate(zip(self.hourglasses, self.outs, strict=True)):
            feature = hourglass(x)
            found.append(out(feature))
            if place < len(self.from_maps):
                x = x + self.from_maps[place](found[-1]) + self.from_feature[place](feature)
        return found, feature

    def published_keys(self) -> dict[str, str]:
        """Our keys → the published ones."""
        return {key: _published_key(key) for key in self.state_dict()}


_PARTS = {"skip": "up1", "down": "low1", "inner": "low2", "middle": "low2", "up": "low3"}


def _published_key(key: str) -> str:
    if key.startswith("stem."):
        return key.replace("stem.", "pre.", 1)
    key = re.sub(r"^hourglasses\.", "features.", key)
    key = re.sub(r"\b(skip|down|inner|middle|up)\b", lambda found: _PARTS[found[1]], key)
    key = re.sub(r"^(outs\.\d+)\.", r"\1.conv.", key)
    key = re.sub(r"^from_feature\.(\d+)\.", r"merge_features.\1.conv.conv.", key)
    return re.sub(r"^from_maps\.(\d+)\.", r"merge_preds.\1.conv.conv.", key)


def ae_hourglass_options(shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Arguments of `AEHourglass` that the shapes of a checkpoint tell.

    Args:
        shapes: Published key → shape.

    Raises:
        InputError: the shapes are not those of this network.
    """
    if "outs.0.conv.weight" not in shapes or "features.0.0.low1.conv.weight" not in shapes:
        raise InputError("The checkpoint is not an associative embedding: its keys are others.")
    outputs, features = shapes["outs.0.conv.weight"][:2]
    widths, level = [features], "features.0.0."
    while f"{level}low1.conv.weight" in shapes:
        widths.append(shapes[f"{level}low1.conv.weight"][0])
        level += "low2."
    stacks = len({key for key in shapes if re.fullmatch(r"outs\.\d+\.conv\.weight", key)})
    stem = [shapes[f"pre.{place}.conv.weight"][0] for place in (0, 1, 3)]
    norm = "pre.0.bn.weight" in shapes
    found = {"outputs": outputs, "stacks": stacks, "widths": widths, "stem": stem}
    return {**found, "norm": norm}


class AssociativeEmbedding(BottomUpSystem):
    """Training, scoring and use of the network (sections 3 and 4).

    Each stack is trained; the last one is read.

    Args:
        skeleton: Name of the joints' skeleton.
        stacks: As in `AEHourglass`.
        widths: Likewise.
        stem: Likewise.
        unused: Maps besides those of joints and tags: 34 in the published network.
        side: Which side of a picture is made `size` pixels: the long one.
        norm: None: no norms, as published; or one of `vitruvian.nn.norms.NORMS` in the stem and the
            hourglasses.
        options: Of `BottomUpSystem`.
    """

    card_name = "associative_embedding"
    strides = (4,)
    grouping = Grouping(kernel=3, score=0.03, distance="root_mean", closed=True)

    def __init__(
        self,
        skeleton: str = "coco17",
        *,
        stacks: int = 4,
        widths: Sequence[int] = WIDTHS,
        stem: Sequence[int] = STEM,
        unused: int = 34,
        side: Side = "long",
        norm: NormName | None = None,
        **options: Any,
    ) -> None:
        outputs = 2 * len(find_skeleton(skeleton)) + unused
        sizes = {"widths": widths, "stem": stem}
        network = AEHourglass(outputs, stacks=stacks, norm=norm is not None, **sizes)
        super().__init__(
            network,
            skeleton,
            side=side,
            norm=norm or "batch",
            mean=(0.0,) * 3,
            deviation=(1.0,) * 3,
            **options,
        )
        self.save_hyperparameters(ignore=["backbone"])

    def stages(self, outputs: Sequence[Tensor]) -> list[Maps]:
        """Heat maps and tags of each stack."""
        joints = len(self.skeleton)
        return [Maps(4, maps[:, :joints], maps[:, joints : 2 * joints]) for maps in outputs]

    def read_stages(self, outputs: Sequence[Tensor]) -> list[Maps]:
        """Those of the last stack."""
        return self.stages(outputs[-1:])

    @classmethod
    def entries(cls, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Without the wrapping of the released training files."""
        return {key.removeprefix("model.").removeprefix("module."): v for key, v in state.items()}

    @classmethod
    def arguments_of(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Stacks, widths and maps that a published state dict shows, with COCO's 17 joints."""
        if "outs.0.weight" in state:  # a run's checkpoint, which says its arguments itself
            return {}
        found = ae_hourglass_options({key: tuple(value.shape) for key, value in state.items()})
        norm = {"norm": "batch"} if found.pop("norm") else {}
        return {"unused": found.pop("outputs") - 34, **found, **norm}
