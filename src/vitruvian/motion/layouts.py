"""Semantic maps of scenes, and what each person sees of one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from vitruvian.motion.contexts import PATCH_SIZE
from vitruvian.motion.frames import own_frame
from vitruvian.motion.homography import Matrix, project

CELL = 0.8
"""Side of a patch's cell, in metres: 12 of them reach as far as people walk in 4.8 s."""

BEHIND = 3
"""Cells of a patch that lie behind the person; the others are ahead."""

_PARTS = 2  # of a cell along each side that are looked at


@dataclass(frozen=True, eq=False)
class Layout:
    """What the ground of a scene is.

    Attributes:
        labels: (height, width) uint8: the kind of ground of each of the map's pixels.
        to_pixels: (3, 3): the homography from positions to the map's pixels, continuous.
        classes: Kinds of ground.
    """

    labels: NDArray[np.uint8]
    to_pixels: Matrix
    classes: int

    def turned(self, turn: NDArray[np.floating]) -> Layout:
        """The layout of positions that became `position @ turn`."""
        back = np.eye(3)
        back[:2, :2] = np.linalg.inv(np.asarray(turn, dtype=np.float64)).T
        return replace(self, to_pixels=self.to_pixels @ back)


def cut_patches(
    layout: Layout, past: NDArray[np.floating], cell: float = CELL
) -> Float[Tensor, "people classes side side"]:
    """The layout around each person, in their own frame: the way they go is along the columns.

    Args:
        layout: Of the scene.
        past: (people, observed, 2): positions.
        cell: Side of a patch's cell, in the positions' unit.

    Returns:
        The share of each kind of ground in each cell; zeros outside of the map.
    """
    now, rotation = own_frame(torch.from_numpy(np.asarray(past, dtype=np.float64)))
    fine = np.arange(PATCH_SIZE * _PARTS)
    along = ((fine + 0.5) / _PARTS - BEHIND) * cell
    across = ((fine + 0.5) / _PARTS - PATCH_SIZE / 2) * cell
    grid = np.stack(np.meshgrid(along, across), axis=-1).reshape(-1, 2)
    points = now.numpy()[:, None] + grid @ rotation.numpy()
    places = project(points, layout.to_pixels)
    height, width = layout.labels.shape
    inside = np.all((places >= 0) & (places < (width, height)), axis=-1)
    column, row = np.where(inside[..., None], places, 0).astype(np.int64).transpose(2, 0, 1)
    kinds = np.where(inside, layout.labels[row, column], layout.classes)
    shares = np.equal(kinds[:, None], np.arange(layout.classes)[:, None]).astype(np.float32)
    shape = (len(now), layout.classes, PATCH_SIZE, _PARTS, PATCH_SIZE, _PARTS)
    return torch.from_numpy(shares.reshape(shape).mean(axis=(3, 5)))
