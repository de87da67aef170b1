"""Optical flow between two frames of a clip, from the surface points that both show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitruvian.world.clips import Frame
from vitruvian.world.surface import load_surface

Floats = NDArray[np.float64]
_TOLERANCE = 0.02  # metres by which a point may lie behind what is seen and still be it


@dataclass(frozen=True, eq=False)
class Flow:
    """Where each pixel's surface point is in another frame.

    Attributes:
        vectors: (height, width, 2): x and y in pixels, from each pixel's centre.
        visible: (height, width): whether the point is seen there: inside, and nothing before it.
    """

    vectors: NDArray[np.float32]
    visible: NDArray[np.bool_]


def flow(first: Frame, second: Frame) -> tuple[Flow, Flow]:
    """Forward and backward flow.

    Args:
        first: A frame of a clip.
        second: Another frame of the same clip.

    Returns:
        From the first to the second, and back.
    """
    return _towards(first, second), _towards(second, first)


def frame_depth(frame: Frame) -> Floats:
    """(height, width): metres along the optical axis, of people, things and background.

    Infinite in the sky; a photo is as far.
    """
    camera, rendering = frame.sample.camera, frame.sample.rendering
    depth = np.where(np.isfinite(rendering.depth), rendering.depth, np.inf).astype(np.float64)
    values = frame.background.values
    if frame.background.photo is not None:
        return depth
    rays, eye = camera.rays(), camera.position
    behind = np.full(depth.shape, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = -eye[2] / rays[..., 2]
        behind = np.where(rays[..., 2] < -1e-5, floor, behind)
        for normal, far in (("facing", "far"), ("aside", "side")):
            if values[far] <= 0:
                continue
            speed = rays[..., :2] @ values[normal]
            wall = (values[far] - eye[:2] @ values[normal]) / speed
            height = eye[2] + wall * rays[..., 2]
            hit = (speed > 1e-5) & (wall < behind) & (height < values["tall"])
            behind = np.where(hit, wall, behind)
    open_ = ~np.isfinite(depth)
    return np.where(open_, behind, depth)


def _towards(first: Frame, second: Frame) -> Flow:
    """The flow from one frame to another."""
    rendering, target = first.sample.rendering, second.sample.rendering
    camera, other = first.sample.camera, second.sample.camera
    shape = rendering.person.shape
    depth, there = frame_depth(first), frame_depth(second)
    rays = camera.rays()
    sky = ~np.isfinite(depth)
    points = camera.position + rays * np.where(sky, 1.0, depth)[..., None]
    # What is infinitely far has a direction only.
    points[sky] += other.position - camera.position
    rows, columns = np.nonzero(rendering.person >= 0)
    owners, faces = rendering.person[rows, columns], rendering.faces[rows, columns]
    meshes = np.stack(second.sample.meshes).astype(np.float64)
    corners = meshes[owners[:, None], load_surface().faces[faces]]
    u, v = rendering.places[rows, columns].astype(np.float64).T[..., None]
    points[rows, columns] = u * corners[:, 0] + v * corners[:, 1] + (1 - u - v) * corners[:, 2]

    seen = (points - other.position) @ other.rotation.T
    ahead = seen[..., 2] > 1e-6
    safe = np.where(ahead, seen[..., 2], 1.0)
    places = other.focal * seen[..., :2] / safe[..., None] + other.center
    y, x = np.indices(shape) + 0.5
    photo = first.background.photo is not None
    backdrop = sky & photo
    places[backdrop] = np.stack([x, y], axis=-1)[backdrop]
    row, column = (np.floor(np.nan_to_num(places[..., axis])).astype(int) for axis in (1, 0))
    inside = ahead & (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    row, column = row.clip(0, shape[0] - 1), column.clip(0, shape[1] - 1)
    met = there[row, column]
    slack = _TOLERANCE + 0.005 * safe + _slopes(there)[row, column]
    with np.errstate(invalid="ignore"):
        near = np.abs(met - safe) <= slack
    near = np.where(sky, ~np.isfinite(met), near)
    same = target.person[row, column] == rendering.person
    vectors = places - np.stack([x, y], axis=-1)
    return Flow(vectors.astype(np.float32), inside & near & same)


def _slopes(depth: Floats) -> Floats:
    """(height, width): how much the depth changes within a pixel, at most."""
    flat = np.where(np.isfinite(depth), depth, 0.0)
    rise, run = np.gradient(flat)
    return np.minimum(np.abs(rise) + np.abs(run), 0.1 + 0.02 * flat)
