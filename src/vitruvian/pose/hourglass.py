"""Stacked hourglass: down to a few pixels and up again, several times, with a loss each time.

Newell, Yang, Deng: "Stacked Hourglass Networks for Human Pose Estimation", ECCV 2016
(arXiv 1603.06937). Two code bases published weights for PyTorch; they compute the same, and differ
in the names of their weights, in what is taken off the picture, and in where the stem widens.
Residual module, hourglass and stack are in `nn/hourglass.py`, since others are built of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.skeletons import find_skeleton
from vitruvian.core.system import Batch
from vitruvian.nn.hourglass import STEM, Residual, Stack
from vitruvian.pose.heatmap_tensors import joints_mse_loss
from vitruvian.pose.heatmaps import Decoder
from vitruvian.pose.topdown_system import OBJECTIVES, TopDownSystem, skeleton_of

Layout = Literal["bearpaw", "princeton"]

MEANS: dict[Layout, tuple[float, float, float]] = {
    "bearpaw": (0.4404, 0.4440, 0.4327),
    "princeton": (0.0, 0.0, 0.0),
}
"""What each code base takes off red, green and blue in [0, 1]; neither divides by anything."""


class StackedHourglass(nn.Module):
    """The network (section 3).

    Args:
        joints: Maps that come out of each stack.
        stacks: Hourglasses one after the other: 8, 4, 2 or 1 as published.
        blocks: Residual modules at each place: 1, and 4 for the paper's single hourglass.
        features: Channels at the finest level.
        depth: Levels of an hourglass.
        increase: Channels that the levels below the finest have more.
        layout: Of its published weights. "bearpaw" widens the stem one module earlier than the
            paper does; "princeton" has one residual module at a place.

    Raises:
        InputError: a number is below one, or the layout has no names for such a network.
        UnknownNameError: there is no such layout.
    """

    def __init__(
        self,
        joints: int = 16,
        *,
        stacks: int = 8,
        blocks: int = 1,
        features: int = 256,
        depth: int = 4,
        increase: int = 0,
        layout: Layout = "bearpaw",
    ) -> None:
        super().__init__()
        if layout not in get_args(Layout):
            raise UnknownNameError("layout", layout, get_args(Layout))
        if min(stacks, blocks, depth) < 1:
            msg = f"An hourglass needs a stack, a block, a level: {stacks}, {blocks}, {depth}."
            raise InputError(msg)
        if layout == "princeton" and blocks > 1:
            raise InputError('The layout "princeton" has one block at a place: blocks is 1 there.')
        self.layout, self.depth = layout, depth
        stem, wide = STEM
        self.conv = nn.Conv2d(3, stem, 7, 2, padding=3)
        self.norm = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.first = Residual(stem, wide)
        self.pool = nn.MaxPool2d(2)
        second = features if layout == "bearpaw" else wide
        self.second = Residual(wide, second)
        self.third = Residual(second, features)
        widths = (features, *[features + increase] * depth)
        self.stacks = nn.ModuleList(
            Stack(widths, joints, blocks, is_last=number == stacks - 1) for number in range(stacks)
        )

    def stem(self, image: Float[Tensor, "batch 3 height width"]) -> Tensor:
        """(batch, features, height / 4, width / 4)."""
        x = self.first(self.relu(self.norm(self.conv(image))))
        return self.third(self.second(self.pool(x)))

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch joints height/4 width/4"]]:
        """The maps of each stack; height and width are multiples of 4 · 2^depth."""
        x = self.stem(image)
        found = []
        for stack in self.stacks:
            x, maps = stack(x)
            found.append(maps)
        return found

    def published_keys(self) -> dict[str, str]:
        """Our keys → those of the layout."""
        rename = _bearpaw_key if self.layout == "bearpaw" else _princeton_key
        return {key: rename(key, self.depth) for key in self.state_dict()}


_PLACE = re.compile(r"stacks\.(\d+)\.hourglass\.((?:inner\.)*)(skip|down|up|middle)\.(\d+)\.(.+)")
_BEARPAW = {
    "conv": "conv1", "norm": "bn1", "first": "layer1.0", "second": "layer2.0", "third": "layer3.0",
    "residuals": "res", "feature": "fc", "score": "score", "from_feature": "fc_",
    "from_score": "score_",
}  # fmt: skip
_PRINCETON = {
    "conv": "pre.0.conv", "norm": "pre.0.bn", "first": "pre.1", "second": "pre.3",
    "third": "pre.4", "residuals": "features.{}", "feature": "features.{}.1",
    "score": "outs.{}.conv", "from_feature": "merge_features.{}.conv.conv",
    "from_score": "merge_preds.{}.conv.conv",
}  # fmt: skip


def _bearpaw_key(key: str, depth: int) -> str:
    key = key.replace(".project.", ".downsample.0.")
    if found := _PLACE.fullmatch(key):
        stack, inner, part, block, rest = found.groups()
        level = depth - 1 - inner.count("inner")  # 0 is the innermost
        place = ("skip", "down", "up", "middle").index(part)
        return f"hg.{stack}.hg.{level}.{place}.{block}.{rest}"
    if found := re.fullmatch(r"stacks\.(\d+)\.(\w+)\.(.+)", key):
        stack, part, rest = found.groups()
        return f"{_BEARPAW[part]}.{stack}.{rest}"
    part, _, rest = key.partition(".")
    return f"{_BEARPAW[part]}.{rest}"


def _princeton_key(key: str, _depth: int) -> str:
    key = re.sub(r"(?<=\.)(conv\d)\.(?=\w+$)", r"\1.conv.", key)
    key = key.replace(".project.", ".skip_layer.conv.")
    if found := _PLACE.fullmatch(key):
        stack, inner, part, _, rest = found.groups()
        name = {"skip": "up1", "down": "low1", "up": "low3", "middle": "low2"}[part]
        return f"hgs.{stack}.0.{inner.replace('inner', 'low2')}{name}.{rest}"
    if found := re.fullmatch(r"stacks\.(\d+)\.(\w+)\.(.+)", key):
        stack, part, rest = found.groups()
        if part == "feature":
            rest = (
                rest.replace("0.", "conv.", 1) if rest[0] == "0" else rest.replace("1.", "bn.", 1)
            )
        return f"{_PRINCETON[part].format(stack)}.{rest}"
    part, _, rest = key.partition(".")
    return f"{_PRINCETON[part]}.{rest}"


def hourglass_options(shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Arguments of `StackedHourglass` that the shapes of a checkpoint tell.

    Args:
        shapes: Published key → shape, in either layout.

    Raises:
        InputError: the shapes are not those of this network.
    """
    keys = set(shapes)
    if "score.0.weight" in keys and "hg.0.hg.0.0.0.conv1.weight" in keys:
        joints, features = shapes["score.0.weight"][:2]
        lower = features
        stacks, blocks = _count(keys, r"score\.(\d+)\."), _count(keys, r"hg\.0\.hg\.0\.0\.(\d+)\.")
        layout, depth = "bearpaw", _count(keys, r"hg\.0\.hg\.(\d+)\.")
    elif "outs.0.conv.weight" in keys and "hgs.0.0.low1.conv3.conv.weight" in keys:
        joints, features = shapes["outs.0.conv.weight"][:2]
        lower = shapes["hgs.0.0.low1.conv3.conv.weight"][0]
        stacks, blocks = _count(keys, r"outs\.(\d+)\."), 1
        levels = [key.count("low2.") for key in keys if re.match(r"hgs\.0\.0\..*low1\.", key)]
        layout, depth = "princeton", 1 + max(levels)
    else:
        raise InputError("The checkpoint is not a stacked hourglass: its keys are others.")
    options = {"joints": joints, "stacks": stacks, "blocks": blocks, "features": features}
    return {**options, "depth": depth, "increase": lower - features, "layout": layout}


def _count(keys: set[str], pattern: str) -> int:
    return len({found[1] for key in keys if (found := re.match(pattern, key))})


def princeton_entries(state: Mapping[str, Any]) -> dict[str, Any]:
    """A published state dict without the wrapping of the layout "princeton".

    Its training files put `model.module.` before each key, and every residual module owns a
    projection, even where its input is added as it is: those are left out.
    """
    plain = {key.removeprefix("model.").removeprefix("module."): v for key, v in state.items()}
    projections = {key: v for key, v in plain.items() if ".skip_layer." in key and v.ndim == 4}
    idle = {
        key.rpartition(".")[0]
        for key, value in projections.items()
        if value.shape[0] == value.shape[1]
    }
    return {key: v for key, v in plain.items() if key.rpartition(".")[0] not in idle}


def cauchy_targets(gaussians: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Targets of another form on the same patches: σ / (d² + σ²)^1.5, an option of "bearpaw".

    Args:
        gaussians: (..., height, width): maps of `gaussian_targets`; kind "cell".
        sigma: Theirs.
    """
    inside = gaussians > 0
    squared = -2 * sigma**2 * np.log(np.where(inside, gaussians, 1).astype(np.float64))
    return (inside * sigma / (squared + sigma**2) ** 1.5).astype(np.float32)


class HourglassSystem(TopDownSystem):
    """Training, scoring and use of the network (sections 3 and 4).

    The objective is the mean squared error of the maps, summed over the stacks. A joint without a
    label has an empty map, which is trained on as published.

    Args:
        skeleton: Name of the joints' skeleton.
        stacks: As in `StackedHourglass`.
        blocks: Likewise.
        features: Likewise.
        depth: Likewise.
        increase: Likewise.
        layout: Likewise; it also says what is taken off the picture.
        width: Of the crops, in pixels; a multiple of 4 · 2^depth.
        height: Likewise.
        decoder: "cell" as published; see `decode_joints`.
        options: Of `TopDownSystem`.
    """

    card_name = "hourglass"
    objectives = OBJECTIVES

    def __init__(
        self,
        skeleton: str = "mpii16",
        *,
        stacks: int = 8,
        blocks: int = 1,
        features: int = 256,
        depth: int = 4,
        increase: int = 0,
        layout: Layout = "bearpaw",
        width: int = 256,
        height: int = 256,
        decoder: Decoder = "cell",
        **options: Any,
    ) -> None:
        network = StackedHourglass(
            len(find_skeleton(skeleton)),
            stacks=stacks,
            blocks=blocks,
            features=features,
            depth=depth,
            increase=increase,
            layout=layout,
        )
        super().__init__(
            network,
            skeleton,
            width=width,
            height=height,
            decoder=decoder,
            mean=MEANS[layout],
            deviation=(1.0, 1.0, 1.0),
            **options,
        )
        self.check_sides(4 * 2**depth)
        self.save_hyperparameters(ignore=["backbone"])

    def error(self, maps: Float[Tensor, "batch joints height width"], batch: Batch) -> Tensor:
        """Mean squared error of one stack's maps, over all joints; or the likelihood's."""
        if self.objective == "likelihood":
            return super().error(maps, batch)
        return 2 * joints_mse_loss(maps, batch["target"])

    @classmethod
    def entries(cls, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Without what the layout "princeton" stores besides the weights that are used."""
        return princeton_entries(state)

    @classmethod
    def arguments_of(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Stacks, blocks, features, depth, layout and joints that a published state dict shows."""
        if "stacks.0.score.weight" in state:  # a run's checkpoint, which says its arguments itself
            return {}
        options = hourglass_options({key: tuple(value.shape) for key, value in state.items()})
        return options | skeleton_of(options.pop("joints"))
