"""A system whose normalization is an option: what sparse and population norms want of training."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vitruvian.core.system import Batch, System
from vitruvian.nn.norms import (
    SparseSwitchableNorm2d,
    convert_norm,
    gamma_decay,
    radius_at,
    set_radius,
)

STRENGTH = 0.1
"""Of the penalty Σ ζγ². The theory takes each channel's loss to curve as a single unit's does: too
much in a deep network. Chosen on a quarter of the *training* photos of CCP's garment crops: there,
1 was 6 points below batch norm, 0.1 one point, 0.01 two, 0 three (one seed, batch 32)."""


class NormedSystem(System):
    """A `System` with an argument `norm`, which ends its `__init__` with `set_norm(norm)`."""

    def set_norm(self, norm: str) -> None:
        """Change every norm of the network to one of `vitruvian.nn.norms.NORMS`.

        Raises:
            UnknownNameError: there is no such norm.
        """
        self.population = norm == "population"
        if norm != "batch":
            self.network = convert_norm(self.network, norm)

    def penalties(self) -> dict[str, Tensor]:
        """`gamma_decay`, where the norm is the population's: what makes it act as batch norm."""
        return {"gamma_decay": STRENGTH * gamma_decay(self.network)} if self.population else {}

    def on_train_batch_start(self, _batch: Batch, _index: int) -> None:
        """Sparse switchable norms get the radius of this step: from 0 at the first one to 1."""
        if any(isinstance(module, SparseSwitchableNorm2d) for module in self.network.modules()):
            trainer: Any = self.trainer
            steps = int(trainer.estimated_stepping_batches)
            set_radius(self.network, radius_at(self.global_step, steps))
