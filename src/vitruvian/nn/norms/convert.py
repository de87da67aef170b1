"""Swaps the norms of any network by name, weights kept where that has a meaning."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from vitruvian.core.errors import UnknownNameError
from vitruvian.nn.norms.names import NORMS, has_form, make_norm
from vitruvian.nn.norms.population import PopulationNorm
from vitruvian.nn.norms.sparse import SparseSwitchableNorm2d
from vitruvian.nn.norms.switchable import SwitchableNorm, SyncSwitchableNorm2d

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
FLOOR = 1e-6  # a share of 0 has no logarithm


class NormAct(nn.Module):
    """A norm, dropout and an activation in one place, where timm has them in one layer."""

    def __init__(self, norm: nn.Module, drop: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.drop = drop
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return self.act(self.drop(self.norm(x)))


def convert_norm(model: nn.Module, name: str, dims: int = 2) -> nn.Module:
    """Replace every batch, group, instance, switchable or population norm of a network.

    The network is changed in place, and returned (a bare norm is returned anew), so make the
    optimizer after it. Kept are γ and β, ε, running statistics and their momentum, and ratios:
    a switchable norm's shares become the point of SparsestMax at radius 0, and back. Layers that
    are of this kind already stay as they are, and so do `nn.LayerNorm` (it normalizes the last axis
    of sequences) and frozen batch norms. timm's layers that end in an activation keep it.

    Args:
        model: Any network.
        name: One of `NORMS`.
        dims: Spatial axes of layers that do not tell: group norm and synchronized batch norm.

    Raises:
        UnknownNameError: there is no such name.
    """
    if name not in NORMS:
        raise UnknownNameError("norm", name, NORMS)
    if is_norm(model):
        return _converted(model, name, dims, "")
    replaced: dict[int, nn.Module] = {}
    for path, parent in list(model.named_modules()):
        for child_name, child in parent.named_children():
            if is_norm(child):
                if id(child) not in replaced:
                    whole = f"{path}.{child_name}".lstrip(".")
                    replaced[id(child)] = _converted(child, name, dims, whole)
                setattr(parent, child_name, replaced[id(child)])
    return model


def is_norm(module: nn.Module) -> bool:
    """Whether `convert_norm` would look at this layer."""
    kinds = (*BATCH_NORMS, *INSTANCE_NORMS, nn.GroupNorm, SwitchableNorm, PopulationNorm)
    return isinstance(module, kinds)


@dataclass
class _State:
    """What a norm knows that another can use."""

    channels: int
    eps: float
    weight: Tensor | None
    bias: Tensor | None
    running: tuple[Tensor, Tensor] | None = None
    momentum: float | None = None  # share of the new batch
    shares: tuple[Tensor, Tensor] | None = None  # ratios of three kinds, for mean and variance
    logits: tuple[Tensor, Tensor] | None = None


def _converted(module: nn.Module, name: str, dims: int, path: str) -> nn.Module:
    axes = _axes(module, dims)
    if _is_already(module, name):
        return module
    if not has_form(name, axes):
        warnings.warn(
            f"The norm {path or 'given'} stays as it is: {name!r} has no {axes}d form.",
            stacklevel=3,
        )
        return module
    state = _read(module)
    norm = make_norm(name, state.channels, axes)
    norm.norm_dims = axes  # type: ignore[assignment]
    _write(norm, state)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            norm.to(tensor.device, tensor.dtype)
            break
    norm.train(module.training)
    if hasattr(module, "act"):
        drop = getattr(module, "drop", None)
        return NormAct(norm, cast(nn.Module, drop or nn.Identity()), cast(nn.Module, module.act))
    return norm


def _axes(module: nn.Module, otherwise: int) -> int:
    known = getattr(module, "norm_dims", None)
    if known is not None:
        return int(cast(int, known))
    if isinstance(module, (SwitchableNorm, PopulationNorm)):
        return max(module.dims[-1] - 2, 1)
    for axes, kinds in enumerate(
        (
            (nn.BatchNorm1d, nn.InstanceNorm1d),
            (nn.BatchNorm2d, nn.InstanceNorm2d),
            (nn.BatchNorm3d, nn.InstanceNorm3d),
        ),
        start=1,
    ):
        if isinstance(module, kinds):
            return axes
    return otherwise


def _is_already(module: nn.Module, name: str) -> bool:
    if name == "batch":
        return isinstance(module, BATCH_NORMS[:3])
    if name == "group":
        return isinstance(module, nn.GroupNorm) and module.num_groups > 1
    if name == "layer":
        return isinstance(module, nn.GroupNorm) and module.num_groups == 1
    if name == "switchable":
        return isinstance(module, SwitchableNorm) and not isinstance(
            module, (SyncSwitchableNorm2d, SparseSwitchableNorm2d)
        )
    kinds: dict[str, type | tuple[type, ...]] = {
        "sync": nn.SyncBatchNorm,
        "instance": INSTANCE_NORMS,
        "sync-switchable": SyncSwitchableNorm2d,
        "sparse-switchable": SparseSwitchableNorm2d,
        "population": PopulationNorm,
    }
    return isinstance(module, kinds[name])


def _read(module: nn.Module) -> _State:
    layer = cast(Any, module)
    channels = layer.num_channels if isinstance(module, nn.GroupNorm) else layer.num_features
    state = _State(channels, layer.eps, layer.weight, layer.bias)
    if getattr(module, "running_mean", None) is not None:
        state.running = layer.running_mean.flatten(), layer.running_var.flatten()
        state.momentum = layer.momentum
    if isinstance(module, SwitchableNorm):
        state.momentum = 1 - module.momentum
        if len(module.kinds) == 3:
            mean, variance = module.mixing_ratios()
            state.shares = mean.detach(), variance.detach()
            if not isinstance(module, SparseSwitchableNorm2d):
                state.logits = module.mean_weight.detach(), module.var_weight.detach()
    return state


@torch.no_grad()
def _write(norm: nn.Module, state: _State) -> None:
    layer = cast(Any, norm)
    layer.eps = state.eps
    for name in ("weight", "bias"):
        old, new = getattr(state, name), getattr(layer, name)
        if old is not None:
            new.copy_(old.view_as(new))
            new.requires_grad_(old.requires_grad)
    switchable = isinstance(norm, SwitchableNorm)
    if state.running is not None and getattr(norm, "running_mean", None) is not None:
        buffers = layer.running_mean, layer.running_var
        for buffer, value in zip(buffers, state.running, strict=True):
            buffer.copy_(value.view_as(buffer))
        if state.momentum is not None:
            layer.momentum = 1 - state.momentum if switchable else state.momentum
        if isinstance(norm, PopulationNorm):  # so the first batch does not replace what is known
            norm.num_batches_tracked.fill_(round(1 / max(norm.momentum, 1e-3)))
    if isinstance(norm, SwitchableNorm) and state.shares is not None and len(norm.kinds) == 3:
        mean, variance = state.shares
        if not isinstance(norm, SparseSwitchableNorm2d):
            mean, variance = mean.clamp_min(FLOOR).log(), variance.clamp_min(FLOOR).log()
            mean, variance = state.logits or (mean, variance)
        norm.mean_weight.copy_(mean)
        norm.var_weight.copy_(variance)
