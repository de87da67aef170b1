"""Reads, plots, hardens and trains the ratios of switchable norms, in whole networks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from vitruvian.core.errors import InputError
from vitruvian.core.files import whole_file
from vitruvian.nn.norms.population import PopulationNorm
from vitruvian.nn.norms.switchable import BATCH, INSTANCE, LAYER, SwitchableNorm

COLOURS = {INSTANCE: "#0072b2", LAYER: "#e69f00", BATCH: "#009e73"}


def switchable_layers(model: nn.Module) -> dict[str, SwitchableNorm]:
    """Name → layer, in the network's order."""
    layers = model.named_modules()
    return {name: layer for name, layer in layers if isinstance(layer, SwitchableNorm)}


def ratios_by_layer(model: nn.Module) -> dict[str, dict[str, dict[str, float]]]:
    """Layer name → {"mean": {"instance": …, "layer": …, "batch": …}, "variance": {…}}."""
    return {name: layer.ratios() for name, layer in switchable_layers(model).items()}


def set_hard_ratios(model: nn.Module, enabled: bool = True) -> None:
    """Use the one-hot of the largest ratio in place of the mix, mean and variance apart.

    For test time, or for fine-tuning with the choices made; λ is not changed.
    """
    for layer in switchable_layers(model).values():
        layer.hard_ratios = enabled
        layer.train(layer.training)  # a sparse norm looks at its ratios anew


def plot_ratios(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Draw the ratios of every switchable norm, by layer: a bar each, means above variances.

    Args:
        model: A network.
        path: The picture, .png, .svg or .pdf.

    Raises:
        InputError: there is no switchable norm in the network, or the file cannot be written.
    """
    table = ratios_by_layer(model)
    if not table:
        raise InputError("There are no ratios to plot: the network has no switchable norm.")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(5.0, 0.28 * len(table) + 2), 5.5), layout="constrained")
    places = range(len(table))
    all_axes = figure.subplots(2, 1, sharex=True)
    for axes, part in zip(all_axes, ("mean", "variance"), strict=True):
        bottom = [0.0] * len(table)
        for kind in (INSTANCE, LAYER, BATCH):
            shares = [row[part].get(kind, 0.0) for row in table.values()]
            axes.bar(places, shares, bottom=bottom, color=COLOURS[kind], label=kind, width=0.85)
            bottom = [below + share for below, share in zip(bottom, shares, strict=True)]
        axes.set(ylabel=f"ratios of the {part}", ylim=(0, 1))
    all_axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    all_axes[1].set_xticks(places, list(table), rotation=90, fontsize=7)
    with whole_file(path) as part_file:
        figure.savefig(part_file, dpi=150)


@torch.no_grad()
def average_statistics(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of switchable norms by averages over training batches.

    The paper's statistics for test time: zero the buffers, pass a few hundred batches in training
    mode, divide. The network is left as it was, in training or in evaluation.

    Args:
        model: A network that takes a batch.
        batches: Training pictures, without their labels.

    Raises:
        InputError: there is no batch.
    """
    layers = [layer for layer in switchable_layers(model).values() if layer.using_bn]
    modes = {module: module.training for module in model.modules()}
    moving = [layer.using_moving_average for layer in layers]
    model.eval()
    for layer in layers:  # other norms and dropout stay as they are at test time
        layer.train()
        layer.using_moving_average = False
        _buffers(layer)[0].zero_()
        _buffers(layer)[1].zero_()
    count = 0
    try:
        for batch in batches:
            model(batch)
            count += 1
    finally:
        for layer, value in zip(layers, moving, strict=True):
            layer.using_moving_average = value
        for module, mode in modes.items():
            module.training = mode
    if not count:
        raise InputError("There is no batch to average the statistics of.")
    finish_statistics(model, count)


@torch.no_grad()
def finish_statistics(model: nn.Module, passes: int) -> None:
    """Turn sums over `passes` training passes (`using_moving_average=False`) into statistics."""
    for layer in switchable_layers(model).values():
        if layer.using_bn:
            mean, variance = _buffers(layer)
            mean /= passes
            variance /= passes
            variance -= mean.square()
            variance.clamp_min_(0)


def parameter_groups(
    model: nn.Module, *, lr: float, weight_decay: float, ratio_lr: float | None = None
) -> list[dict[str, Any]]:
    """Groups for an optimizer: no decay on ratios, nor on γ where `gamma_decay` is the penalty.

    Args:
        model: Any network.
        lr: Learning rate.
        weight_decay: Of everything else.
        ratio_lr: Learning rate of the ratios λ; a tenth of `lr` in sparse switchable norm's
            release, and `lr` where left out.
    """
    ratios: list[nn.Parameter] = []
    gammas: list[nn.Parameter] = []
    for module in model.modules():
        if isinstance(module, SwitchableNorm):
            ratios += [module.mean_weight, module.var_weight]
        elif isinstance(module, PopulationNorm):
            gammas.append(module.weight)
    special = {id(parameter) for parameter in (*ratios, *gammas)}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in special]
    groups: list[dict[str, Any]] = [{"params": rest, "lr": lr, "weight_decay": weight_decay}]
    if gammas:
        groups.append({"params": gammas, "lr": lr, "weight_decay": 0.0})
    if ratios:
        rate = lr if ratio_lr is None else ratio_lr
        groups.append({"params": ratios, "lr": rate, "weight_decay": 0.0})
    return groups


def _buffers(layer: SwitchableNorm) -> tuple[Tensor, Tensor]:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    return layer.running_mean, layer.running_var
