"""Switchable norms alone: outputs, running statistics, gradients, and SparsestMax."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.parity.adapters import published
from tests.parity.fixture import Fixture
from vitruvian.nn.norms import (
    SparseSwitchableNorm2d,
    SwitchableNorm1d,
    SwitchableNorm2d,
    SwitchableNorm3d,
    SyncSwitchableNorm2d,
    set_radius,
    sparsemax,
    sparsestmax,
)

SWITCHABLE = "switchablenorms/Switchable-Normalization"
SPARSE = "switchablenorms/Sparse_SwitchNorm"
CLASSES = {
    "SwitchNorm1d": SwitchableNorm1d,
    "SwitchNorm2d": SwitchableNorm2d,
    "SwitchNorm3d": SwitchableNorm3d,
    "SyncSwitchableNorm2d": SyncSwitchableNorm2d,
    "SyncSwitchNorm2d": SyncSwitchableNorm2d,
    "SyncSwitchNorm": SyncSwitchableNorm2d,
}


@published(SWITCHABLE, *CLASSES)
def switchable_norm(fixture: Fixture) -> dict[str, Tensor]:
    kind = CLASSES[fixture.source["class"]]

    def fresh() -> torch.nn.Module:
        layer = kind(**fixture.args)
        layer.load_state_dict(fixture.state_dict(), strict=True)
        return layer

    inputs = fixture.inputs()
    results = {}
    layer, x = fresh(), inputs["x"].clone().requires_grad_()
    with torch.enable_grad():
        results["train"] = layer(x)
        if "cotangent" in inputs:
            (results["train"] * inputs["cotangent"]).sum().backward()
            results["x_grad"] = x.grad
            gradients = {f"{name}_grad": p.grad for name, p in layer.named_parameters()}
            results |= gradients
    results |= dict(layer.named_buffers())
    results["eval_after_one_step"] = layer.eval()(x)
    results["eval"] = fresh().eval()(x)
    return results


@published(SPARSE, "SSN2d")
def sparse_switchable_norm(fixture: Fixture) -> dict[str, Tensor]:
    args = dict(fixture.args)
    radii = args.pop("radii")
    inputs = fixture.inputs()
    results = {}
    for radius in radii:
        layer = SparseSwitchableNorm2d(**args)
        layer.load_state_dict(fixture.state_dict(), strict=True)
        layer.mean_weight.mul_(2)
        layer.var_weight.mul_(2)
        set_radius(layer, radius)
        mean, variance = layer.mixing_ratios()
        results[f"mean_ratio_{radius}"] = mean.clone()
        results[f"var_ratio_{radius}"] = variance.clone()
        x = inputs["x"].clone().requires_grad_()
        with torch.enable_grad():
            y = layer(x)
            if "cotangent" in inputs:
                (y * inputs["cotangent"]).sum().backward()
        results[f"train_{radius}"] = y
        results[f"x_grad_{radius}"] = x.grad
        for name, parameter in layer.named_parameters():
            if parameter.grad is not None:
                results[f"{name}_grad_{radius}"] = parameter.grad
        results |= {f"{name}_{radius}": value for name, value in layer.named_buffers()}
        results[f"eval_{radius}"] = layer.eval()(inputs["x"])
    return {name: value for name, value in results.items() if value is not None}


@published(SPARSE, "sparsestmax", "sparsemax")
def sparsest_max(fixture: Fixture) -> dict[str, Tensor]:
    logits = fixture.inputs()["logits"]
    results = {"sparsemax": sparsemax(logits)}
    for name in fixture.meta["outputs"]:
        kind, _, radius = name.partition("_")
        if kind == "radius":
            results[name] = sparsestmax(logits, float(radius))
    return results
