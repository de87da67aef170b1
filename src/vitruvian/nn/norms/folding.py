"""Folds norms that are constant at test time into the convolution before them."""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from vitruvian.core.errors import InputError
from vitruvian.nn.norms.convert import BATCH_NORMS, NormAct, is_norm
from vitruvian.nn.norms.population import PopulationNorm
from vitruvian.nn.norms.switchable import SwitchableNorm

PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def is_constant(norm: nn.Module) -> bool:
    """Whether the norm is a fixed scale and shift of each channel in evaluation.

    Batch norm and population norm are, and switchable norms whose ratios are one-hot on the batch.
    """
    if isinstance(norm, SwitchableNorm):
        return norm.is_batch_norm()
    if isinstance(norm, BATCH_NORMS):
        return norm.running_mean is not None
    return isinstance(norm, PopulationNorm)


@torch.no_grad()
def fold_batch_norm(convolution: nn.Module, norm: nn.Module) -> nn.Module:
    """A convolution (or linear layer) that computes both: W γ/√(σ² + ε), β + (b − μ) γ/√(σ² + ε).

    Raises:
        InputError: the norm depends on its input in evaluation, or the layers do not fit together.
    """
    if not is_constant(norm) or not _can_take(convolution):
        raise InputError(
            f"{type(norm).__name__} cannot be folded into {type(convolution).__name__}: its mean "
            "and variance must be fixed at test time (one-hot on the batch), and it must follow "
            "a convolution or a linear layer."
        )
    scale, shift = _scale_and_shift(norm)
    folded = cast(Any, copy.deepcopy(convolution))
    weight = cast(Tensor, convolution.weight)
    axis = 1 if isinstance(convolution, TRANSPOSED) else 0
    if weight.shape[axis] != len(scale):
        raise InputError(
            f"{type(norm).__name__} of {len(scale)} channels cannot be folded into a layer that "
            f"gives {weight.shape[axis]}."
        )
    shape = [1] * weight.ndim
    shape[axis] = -1
    folded.weight = nn.Parameter((weight * scale.view(shape)).to(weight.dtype))
    if convolution.bias is not None:
        shift = shift + cast(Tensor, convolution.bias) * scale
    folded.bias = nn.Parameter(shift.to(weight.dtype))
    return folded


def fold_norms(model: nn.Module) -> nn.Module:
    """A copy of a network for inference, without the norms that are constant at test time.

    Norms that follow a convolution directly are folded into it. A switchable norm that is one-hot
    on the batch, but follows something else, becomes batch norm. The copy is in evaluation mode.

    Raises:
        InputError: the network's graph cannot be read, since it depends on the data.
    """
    model = copy.deepcopy(model).eval()
    try:
        graph = _Tracer().trace(model)
    except Exception as error:  # fx raises whatever the network's code raises
        raise InputError(
            f"The graph of {type(model).__name__} cannot be read ({error}); fold its pairs with "
            "fold_batch_norm."
        ) from error
    modules = dict(model.named_modules(remove_duplicate=False))
    calls: dict[int, int] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            key = id(modules[node.target])
            calls[key] = calls.get(key, 0) + 1
    for node in graph.nodes:
        if node.op != "call_module" or not is_constant(modules[node.target]):
            continue
        norm, before = modules[node.target], node.args[0]
        single = before.op == "call_module" and len(before.users) == 1
        convolution = modules[before.target] if single else nn.Identity()
        if _can_take(convolution) and calls[id(convolution)] == calls[id(norm)] == 1:
            _set(model, before.target, fold_batch_norm(convolution, norm))
            _set(model, node.target, _what_follows(norm))
        elif isinstance(norm, SwitchableNorm):
            _set(model, node.target, _as_batch_norm(norm))
    return model


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, NormAct):
            return False
        return is_norm(m) or super().is_leaf_module(m, module_qualified_name)


def _can_take(layer: nn.Module) -> bool:
    if isinstance(layer, TRANSPOSED):
        return layer.groups == 1
    return isinstance(layer, PLAIN)


def _scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    layer = cast(Any, norm)
    mean, variance = layer.running_mean.flatten(), layer.running_var.flatten()
    scale = (variance + layer.eps).rsqrt()
    if layer.weight is None:
        return scale, -mean * scale
    scale = scale * layer.weight.flatten()
    return scale, layer.bias.flatten() - mean * scale


def _what_follows(norm: nn.Module) -> nn.Module:
    """The activation and dropout that timm has inside of a norm, or nothing."""
    if not hasattr(norm, "act"):
        return nn.Identity()
    drop = cast(nn.Module, getattr(norm, "drop", None) or nn.Identity())
    return NormAct(nn.Identity(), drop, cast(nn.Module, norm.act))


def _as_batch_norm(norm: SwitchableNorm) -> nn.Module:
    from vitruvian.nn.norms.convert import convert_norm

    return convert_norm(norm, "batch")


def _set(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)
