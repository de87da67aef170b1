"""Normalization layers, to use alone and in any system.

    norm = make_norm("switchable", 64)            # one layer, by the name of `--norm`
    model = convert_norm(model, "sparse-switchable")  # every norm of a network

In training, some kinds want something of the loop:

- sparse-switchable: `set_radius(model, radius_at(step, steps))` before each step;
- population: add `gamma_decay(model)` to the loss, after the forward pass of that step;
- switchable kinds: no weight decay on the ratios (`parameter_groups`).

Each is a no-op on a network without such layers.
"""

from vitruvian.nn.norms.convert import convert_norm
from vitruvian.nn.norms.folding import fold_batch_norm, fold_norms
from vitruvian.nn.norms.names import NORMS, NormName, make_norm
from vitruvian.nn.norms.population import (
    PopulationNorm1d,
    PopulationNorm2d,
    PopulationNorm3d,
    gamma_decay,
    penalty_coefficients,
)
from vitruvian.nn.norms.ratios import (
    average_statistics,
    parameter_groups,
    plot_ratios,
    ratios_by_layer,
    set_hard_ratios,
)
from vitruvian.nn.norms.sparse import (
    SparseSwitchableNorm2d,
    radius_at,
    set_radius,
    sparsemax,
    sparsestmax,
)
from vitruvian.nn.norms.switchable import (
    SwitchableNorm1d,
    SwitchableNorm2d,
    SwitchableNorm3d,
    SyncSwitchableNorm2d,
)

__all__ = [
    "NORMS",
    "NormName",
    "PopulationNorm1d",
    "PopulationNorm2d",
    "PopulationNorm3d",
    "SparseSwitchableNorm2d",
    "SwitchableNorm1d",
    "SwitchableNorm2d",
    "SwitchableNorm3d",
    "SyncSwitchableNorm2d",
    "average_statistics",
    "convert_norm",
    "fold_batch_norm",
    "fold_norms",
    "gamma_decay",
    "make_norm",
    "parameter_groups",
    "penalty_coefficients",
    "plot_ratios",
    "radius_at",
    "ratios_by_layer",
    "set_hard_ratios",
    "set_radius",
    "sparsemax",
    "sparsestmax",
]
