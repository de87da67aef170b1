"""Pinhole cameras, and how they are put before people.

World: metres, z up, the floor at z = 0. Camera: x right, y down, z forwards. Pixels are continuous,
the centre of the top-left pixel at (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from vitruvian.world.kernels import rays

Floats = NDArray[np.float64]
NEAR = 0.05
"""Metres before the camera from which on something is seen."""

VIEWS = ("any", "street photo")
"""Views: from anywhere; or a photographer's of a whole person, who looks about at the camera."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera.

    Attributes:
        width: Of the picture, in pixels.
        height: Likewise.
        focal: In pixels.
        center: (2,): the principal point.
        rotation: (3, 3): from the world's axes to the camera's.
        position: (3,): in the world.
    """

    width: int
    height: int
    focal: float
    center: Floats
    rotation: Floats
    position: Floats

    def project(self, points: NDArray[np.floating]) -> Floats:
        """(..., 3): x and y in pixels and depth in metres, of points in the world."""
        seen = (points - self.position) @ self.rotation.T
        pixels = self.focal * seen[..., :2] / seen[..., 2:] + self.center
        return np.concatenate([pixels, seen[..., 2:]], axis=-1)

    def rays(self) -> Floats:
        """(height, width, 3): directions through the pixels' centres, with a depth of one."""
        columns, rows = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        plane = (np.stack([columns, rows], axis=-1) - self.center) / self.focal
        seen = np.concatenate([plane, np.ones_like(columns)[..., None]], axis=-1)
        return seen @ self.rotation

    @cached_property
    def struct(self) -> Any:
        """The camera as the kernels read it."""
        camera = rays.Camera()
        camera.rotation = wp.mat33(self.rotation.astype(np.float32))
        camera.position = wp.vec3(*(float(value) for value in self.position))
        camera.focal = float(self.focal)
        camera.center_x, camera.center_y = (float(value) for value in self.center)
        return camera


def sample_camera(
    rng: np.random.Generator,
    width: int,
    height: int,
    bounds: NDArray[np.floating],
    extents: Sequence[NDArray[np.floating]],
    view: str = "any",
) -> Camera:
    """A camera that sees the people, near or far, low or high, a little awry.

    Args:
        rng: Drawn from in an order that depends on nothing else.
        width: Of the picture, in pixels.
        height: Likewise.
        bounds: (people, 2, 3): opposite corners around each person, in the world.
        extents: Of each person, points around it in the world.
        view: Name in `VIEWS`.
    """
    low, high = bounds[:, 0].min(axis=0).astype(float), bounds[:, 1].max(axis=0).astype(float)
    middle = (low + high) / 2
    reach = float(np.linalg.norm(high - low)) / 2
    distance = reach * rng.uniform(2.2, 6.0)
    above = rng.uniform(0.4, 2.0) if rng.uniform() < 0.8 else rng.uniform(2.0, 4.0)
    around, roll = rng.normal(0, 0.4), np.radians(rng.normal(0, 3))
    share, drift = rng.uniform(), rng.uniform(-0.5, 0.5, 2)
    margin = rng.uniform(1.05, 1.5) if rng.uniform() < 0.85 else rng.uniform(0.7, 1.05)
    if view == "street photo":
        distance = reach * (4 + 4 * share)
        above, roll, margin = 0.9 + 0.7 * share, roll / 3, 1.04 + 0.25 * share
    flat = np.sqrt(max(distance**2 - (above - middle[2]) ** 2, (reach + 0.8) ** 2))
    position = np.array(
        [middle[0] + flat * np.sin(around), middle[1] - flat * np.cos(around), above]
    )
    ahead = middle - position
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, [0, 0, 1])
    right = right / np.linalg.norm(right)
    down = np.cross(ahead, right)
    right, down = (
        np.cos(roll) * right + np.sin(roll) * down,
        np.cos(roll) * down - np.sin(roll) * right,
    )
    rotation = np.stack([right, down, ahead])
    points = np.concatenate([own[::37] for own in extents])
    seen = rotation @ (points - position).T
    plane = seen[:2] / seen[2]
    first, last = plane.min(axis=1), plane.max(axis=1)
    size = np.array([width, height])
    focal = float((size / (last - first)).min() / margin)
    drift = drift * np.maximum(size - focal * (last - first), 0) * 0.6
    center = size / 2 - focal * (first + last) / 2 + drift
    return Camera(width, height, focal, center, rotation, position)
