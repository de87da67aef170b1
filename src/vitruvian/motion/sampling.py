"""Draws of the latent variable that cover it evenly."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def _engine(size: int) -> Any:
    kind: Any = torch.quasirandom.SobolEngine
    return kind(size)


def draw_noise(
    scenes: int, samples: int, size: int, generator: torch.Generator | None = None
) -> Float[Tensor, "scenes samples size"]:
    """ε of N(0, I) for each scene and sample: the mean first, then an even cover.

    The other draws are a Sobol sequence, shifted at random for each scene: every one of them is
    normal, and together they leave no gaps, which independent draws do (cf. NPSN, CVPR 2022).

    Args:
        scenes: How many.
        samples: Of each; the first is 0, the latent's mean.
        size: dz.
        generator: Of the shifts; None: no shift, so that all scenes get the same draws.
    """
    engine = _engine(size)
    engine.fast_forward(1)
    points = engine.draw(max(samples - 1, 1))[None].repeat(scenes, 1, 1)
    if generator is not None:
        points = (points + torch.rand(scenes, 1, size, generator=generator)) % 1
    noise = torch.special.ndtri(points.double().clamp(1e-4, 1 - 1e-4)).float()
    return torch.cat([torch.zeros(scenes, 1, size), noise], dim=1)[:, :samples]
