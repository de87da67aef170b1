"""A graphical model of the body as convolutions: joints correct each other's heat maps.

Tompson, Jain, LeCun, Bregler: "Joint Training of a Convolutional Network and a Graphical Model for
Human Pose Estimation", NIPS 2014 (arXiv 1406.2984). The pairwise potentials of a
Markov random field are displacement priors, message passing is a convolution with them, and one
round of it is trained together with the network below.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F


class SpatialModel(nn.Module):
    """What joints expect of each other: one round of messages along all edges.

    A joint's map becomes the product over all joints v of SoftPlus(e_v) * ReLU(map of v) +
    SoftPlus(b), the convolution with where the joint lies relative to v. It is summed as logarithms
    and its K-th root taken, which keeps the order of places, where the product itself would
    underflow.

    Args:
        joints: K.
        radius: Greatest displacement in cells.
        sigma: Of the Gaussian that a sure map is, in cells.
        beta: Sharpness of SoftPlus, between ½ and 2.
        floor: The least value of a map that is read.
    """

    def __init__(
        self,
        joints: int,
        radius: int,
        *,
        sigma: float = 1.5,
        beta: float = 1.0,
        floor: float = 0.001,
    ) -> None:
        super().__init__()
        self.radius = radius
        self.sigma = sigma
        self.beta = beta
        self.floor = floor
        side = 2 * radius + 1
        self.kernels = nn.Parameter(torch.zeros(joints, joints, side, side))
        self.bias = nn.Parameter(torch.zeros(joints, joints))
        self.set_priors(torch.full((joints, joints, side, side), 1 / side**2))

    @torch.no_grad()
    def set_priors(self, histogram: Float[Tensor, "joints joints side side"]) -> None:
        """Begin with displacements seen in data: `displacement_histogram`."""
        peak = histogram.amax(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
        mass = 2 * math.pi * self.sigma**2  # what a sure map weighs: a Gaussian
        self.kernels.copy_(self._inverse(histogram / peak / mass))
        self.bias.copy_(self._inverse(torch.full_like(self.bias, 0.01)))

    def _inverse(self, values: Tensor) -> Tensor:
        """What has this SoftPlus."""
        return torch.log(torch.expm1(self.beta * values.clamp(min=1e-5))) / self.beta

    def forward(self, maps: Float[Tensor, "batch joints height width"]) -> Tensor:
        """(batch, joints, height, width), positive."""
        seen = maps.float().clamp(min=self.floor)
        priors = F.softplus(self.kernels.float(), beta=self.beta)
        bias = F.softplus(self.bias.float(), beta=self.beta)
        exporting = torch.compiler.is_exporting()  # ONNX has no complex numbers
        spread = (_direct if exporting else _by_fourier)(seen, priors)
        return torch.log(spread + bias[..., None, None]).mean(dim=2).exp()


def _by_fourier(maps: Tensor, priors: Tensor) -> Tensor:
    """(batch, a, v, height, width): each map v convolved with the prior of a given v."""
    height, width = maps.shape[-2:]
    radius = priors.shape[-1] // 2
    size = (height + 2 * radius, width + 2 * radius)
    product = torch.einsum(
        "bvhw,avhw->bavhw", torch.fft.rfft2(maps, size), torch.fft.rfft2(priors, size)
    )
    spread = torch.fft.irfft2(product, size)
    return spread[..., radius : radius + height, radius : radius + width].clamp(min=0)


def _direct(maps: Tensor, priors: Tensor) -> Tensor:
    """The same without Fourier transforms, slower where priors are large."""
    joints, radius = len(priors), priors.shape[-1] // 2
    kernels = priors.transpose(0, 1).flip(-2, -1).flatten(0, 1)[:, None]
    spread = F.conv2d(maps, kernels, padding=radius, groups=joints)
    return spread.reshape(-1, joints, joints, *maps.shape[-2:]).transpose(1, 2)


def displacement_histogram(
    points: NDArray[np.floating[Any]],
    visible: NDArray[np.floating[Any]],
    radius: int,
    sigma: float = 1.5,
) -> Float[Tensor, "joints joints side side"]:
    """Where each joint lies relative to each other one, blurred a little.

    Args:
        points: (people, joints, 2) in cells.
        visible: (people, joints): above 0 where a joint is labelled.
        radius: Greatest displacement in cells; people beyond it do not count.
        sigma: Of the blur, in cells.

    Returns:
        Entry [a, v, radius + dy, radius + dx] for joint a at (dx, dy) of joint v; sums to 1 for a
        pair that was seen.
    """
    joints, side = points.shape[1], 2 * radius + 1
    counts = np.zeros((joints, joints, side, side), dtype=np.float32)
    for place, known in zip(points, visible, strict=True):
        moves = np.rint(place[:, None] - place[None]).astype(int) + radius
        inside = ((moves >= 0) & (moves < side)).all(axis=-1) & np.outer(known > 0, known > 0)
        a, v = np.nonzero(inside)
        np.add.at(counts, (a, v, moves[a, v, 1], moves[a, v, 0]), 1)
    reach = math.ceil(3 * sigma)
    span = torch.arange(-reach, reach + 1)
    profile = torch.exp(-(span**2) / (2 * sigma**2))
    blur = (profile[:, None] * profile)[None, None] / profile.sum() ** 2
    blurred = F.conv2d(torch.from_numpy(counts).flatten(0, 1)[:, None], blur, padding=reach)
    blurred = blurred.view(joints, joints, side, side)
    return blurred / blurred.sum(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
