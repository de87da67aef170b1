"""The names of `--norm`, and a layer for each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.nn.norms.population import PopulationNorm1d, PopulationNorm2d, PopulationNorm3d
from vitruvian.nn.norms.sparse import SparseSwitchableNorm2d
from vitruvian.nn.norms.switchable import (
    SwitchableNorm1d,
    SwitchableNorm2d,
    SwitchableNorm3d,
    SyncSwitchableNorm2d,
)

NormName = Literal[
    "batch",
    "sync",
    "layer",
    "group",
    "instance",
    "switchable",
    "sync-switchable",
    "sparse-switchable",
    "population",
]
NORMS: tuple[str, ...] = get_args(NormName)
GROUPS = 32  # of group norm (Wu and He, ECCV 2018, arXiv 1803.08494, section 4.1)

Layer = Callable[[int], nn.Module]


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` that gives a sample alone what it gives it in a batch.

    Where a group is one value, as on maps of one cell with a channel a group, the result is β.
    PyTorch's layer has that in batches of two or more, and refuses a batch of one.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (as in PyTorch)
        """The same shape."""
        return torch.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


def _layer_norm(channels: int) -> nn.Module:
    return GroupNorm(1, channels)


def _group_norm(channels: int) -> nn.Module:
    return GroupNorm(math.gcd(GROUPS, channels) or 1, channels)


def _instance_norm(kind: Callable[..., nn.Module]) -> Layer:
    return lambda channels: kind(channels, affine=True)


_LAYERS: dict[str, dict[int, Layer]] = {
    "batch": {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d},
    "sync": dict.fromkeys((1, 2, 3), nn.SyncBatchNorm),
    "layer": dict.fromkeys((1, 2, 3), _layer_norm),
    "group": dict.fromkeys((1, 2, 3), _group_norm),
    "instance": {2: _instance_norm(nn.InstanceNorm2d), 3: _instance_norm(nn.InstanceNorm3d)},
    "switchable": {1: SwitchableNorm1d, 2: SwitchableNorm2d, 3: SwitchableNorm3d},
    "sync-switchable": {2: SyncSwitchableNorm2d},
    "sparse-switchable": {2: SparseSwitchableNorm2d},
    "population": {1: PopulationNorm1d, 2: PopulationNorm2d, 3: PopulationNorm3d},
}


def make_norm(name: str, channels: int, dims: int = 2) -> nn.Module:
    """A normalization layer with γ and β.

    Args:
        name: One of `NORMS`. "layer" normalizes a sample's channels and positions together,
            "group" 32 groups of channels, or as many as divide them evenly.
        channels: Of the input, (batch, channels, *spatial).
        dims: Spatial axes; 1 is also for inputs without any, (batch, channels).

    Raises:
        UnknownNameError: there is no such name.
        InputError: this norm has no form for so many axes.
    """
    if name not in _LAYERS:
        raise UnknownNameError("norm", name, NORMS)
    if dims not in _LAYERS[name]:
        forms = " and ".join(f"{known}d" for known in _LAYERS[name])
        raise InputError(f"The norm {name!r} has no {dims}d form, only {forms}.")
    return _LAYERS[name][dims](channels)


def has_form(name: str, dims: int) -> bool:
    """Whether `make_norm` knows this norm for so many spatial axes."""
    if name not in _LAYERS:
        raise UnknownNameError("norm", name, NORMS)
    return dims in _LAYERS[name]
