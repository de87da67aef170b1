"""Heat maps of the top-down systems as tensors: objectives, the flip test, peaks."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional as F


def cell_gaussians(
    points: Float[Tensor, "batch joints 2"], size: tuple[int, int], sigma: float
) -> Float[Tensor, "batch joints height width"]:
    """A Gaussian of height 1 at each point.

    Args:
        points: In cells, the first cell's centre at (0.5, 0.5).
        size: (width, height) in cells.
        sigma: In cells.
    """
    across, down = (
        (torch.arange(n, device=points.device) + 0.5 - points[..., axis, None]) ** 2
        for axis, n in enumerate(size)
    )
    return torch.exp(-(down[..., :, None] + across[..., None, :]) / (2 * sigma**2))


def cell_peaks(maps: Float[Tensor, "batch joints height width"]) -> tuple[Tensor, Tensor]:
    """Each map's maximum (batch, joints), and its place (batch, joints, 2) in cells.

    The first cell's centre is (0.5, 0.5).
    """
    scores, places = maps.flatten(2).max(dim=-1)
    width = maps.shape[-1]
    return scores, torch.stack([places % width, places // width], dim=-1) + 0.5


def mirror_back(heatmaps: Tensor, flip_order: ArrayLike) -> Tensor:
    """Maps of a mirrored crop as maps of the crop: columns turned round, left and right renamed.

    Args:
        heatmaps: (..., joints, height, width).
        flip_order: (joints,): `Skeleton.flip_order`.
    """
    order = torch.as_tensor(np.asarray(flip_order), device=heatmaps.device)
    return heatmaps.flip(-1).index_select(-3, order)


def shift_right(heatmaps: Tensor) -> Tensor:
    """Each column one to the right; the first keeps its values.

    The published crop maps index 0 of the input to index 0 of the map, so a mirrored crop's maps
    lie a pixel too far left once mirrored back. UDP crops need no shift.
    """
    return torch.cat([heatmaps[..., :1], heatmaps[..., :-1]], dim=-1)


def merge_flipped(
    heatmaps: Tensor, mirrored: Tensor, flip_order: ArrayLike, *, shift: bool = True
) -> Tensor:
    """The flip test: mean of the crop's maps and those of the mirrored crop.

    Args:
        heatmaps: (batch, joints, height, width).
        mirrored: The same from the mirrored crops.
        flip_order: (joints,): `Skeleton.flip_order`.
        shift: See `shift_right`; False for UDP.
    """
    back = mirror_back(mirrored, flip_order)
    return (heatmaps + (shift_right(back) if shift else back)) / 2


def joints_mse_loss(
    output: Float[Tensor, "batch joints height width"],
    target: Float[Tensor, "batch joints height width"],
    weight: Float[Tensor, "batch joints"] | None = None,
) -> Tensor:
    """Half the mean squared error of weighted maps, averaged over the joints."""
    return _joint_errors(output, target, weight).mean()


def likelihood_loss(
    output: Float[Tensor, "batch joints height width"],
    target: Float[Tensor, "batch joints height width"],
    weight: Float[Tensor, "batch joints"],
) -> Tensor:
    """How far each map's softmax is from its target's share of each place (KL divergence).

    Args:
        output: Any real numbers.
        target: Gaussians; an empty one counts as unlabelled.
        weight: 0 where a joint is not labelled.
    """
    target = target.flatten(2)
    mass = target.sum(dim=-1, keepdim=True)
    share = target / mass.clamp(min=1e-6)
    errors = F.kl_div(output.flatten(2).log_softmax(-1), share, reduction="none").sum(-1)
    weight = weight * (mass[..., 0] > 0)
    return (errors * weight).sum() / weight.sum().clamp(min=1)


def likely_places(
    output: Float[Tensor, "batch joints height width"], sigma: float
) -> Float[Tensor, "batch joints height width"]:
    """How likely each joint is near each place: 1 at the top for a sure one, else less.

    The softmax says how likely it is *at* a place; where a network hesitates between neighbours,
    the best of those need not be the best neighbourhood. So it is smoothed by a Gaussian of the
    targets' width.

    Args:
        output: As `likelihood_loss` trains it.
        sigma: Of the targets, in pixels of the map.
    """
    share = output.float().flatten(2).softmax(-1).view_as(output)
    across, down = (_smoothing(side, sigma, share) for side in (share.shape[-1], share.shape[-2]))
    return 4 * math.pi * sigma**2 * (down @ share @ across)


def _smoothing(side: int, sigma: float, like: Tensor) -> Float[Tensor, "side side"]:
    """What a Gaussian makes of each place, as a matrix: a product is faster than a convolution."""
    places = torch.arange(side, device=like.device, dtype=like.dtype)
    density = torch.exp(-((places[:, None] - places) ** 2) / (2 * sigma**2))
    return density / (math.sqrt(2 * math.pi) * sigma)


def joints_ohkm_loss(
    output: Float[Tensor, "batch joints height width"],
    target: Float[Tensor, "batch joints height width"],
    weight: Float[Tensor, "batch joints"] | None = None,
    hardest: int = 8,
) -> Tensor:
    """`joints_mse_loss` over the `hardest` joints of each person (CPN, arXiv 1711.07319)."""
    errors = _joint_errors(output, target, weight)
    return errors.topk(min(hardest, errors.shape[1]), dim=1).values.sum(dim=1).mean() / hardest


def _joint_errors(output: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    if weight is not None:
        factors = weight.reshape(*output.shape[:2], 1, 1).to(output.dtype)
        output, target = output * factors, target * factors
    return 0.5 * F.mse_loss(output, target, reduction="none").mean(dim=(2, 3))
