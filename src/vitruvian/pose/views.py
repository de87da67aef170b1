"""Other views of a crop, turned and zoomed, and the way back to the crop."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from vitruvian.core.errors import InputError

SEEN_OTHERWISE = 0.5
"""What maps of another view of a crop count, beside 1 of the crop itself. Chosen on 300 training
photos of LSP extended."""


def check_views(views: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Views as (zoom, degrees).

    Raises:
        InputError: one is something else.
    """
    for view in views:
        if len(view) != 2 or not all(map(math.isfinite, view)) or not 0.1 <= view[0] <= 10:
            raise InputError(
                f"{list(view)} is no view of a crop: give [zoom, degrees], a zoom of 0.1 to 10, "
                "for instance [1.25, 0]."
            )
    return [(float(zoom), float(degrees)) for zoom, degrees in views]


def look_otherwise(
    values: Float[Tensor, "batch channels height width"],
    zoom: float,
    degrees: float,
    middle: tuple[float, float],
) -> Float[Tensor, "batch channels height width"]:
    """Crops, or maps, seen closer and turned; 0 where nothing is known.

    The way back from (zoom, degrees) is (1 / zoom, -degrees).

    Args:
        values: Any numbers.
        zoom: How much longer things become; below 1: shorter.
        degrees: By which they turn clockwise.
        middle: (x, y) that stays where it is, as indices.
    """
    cosine = math.cos(math.radians(degrees)) / zoom
    sine = math.sin(math.radians(degrees)) / zoom
    rows, columns = (
        torch.arange(side, device=values.device) - center
        for side, center in zip(values.shape[-2:], middle[::-1], strict=True)
    )
    sources = (
        columns * cosine + rows[:, None] * sine + middle[0],
        rows[:, None] * cosine - columns * sine + middle[1],
    )
    lengths = values.shape[:-3:-1]
    grid = torch.stack([2 * at / (n - 1) - 1 for at, n in zip(sources, lengths, strict=True)], -1)
    grid = grid.expand(len(values), -1, -1, -1)
    return F.grid_sample(values.float(), grid, padding_mode="zeros", align_corners=True)
