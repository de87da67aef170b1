"""Dressing: a posed body with its clothes on, as a mesh."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from vitruvian.world.bodies import Posed
from vitruvian.world.clothes import Clothes, load_surface
from vitruvian.world.kernels import materials as kernels
from vitruvian.world.kernels import mesh
from vitruvian.world.rig import load_rig

_FOOT = 0.09  # metres on the neutral adult, up to which a foot is filled out to a shoe
_DRAPING = 8  # rounds: enough that cloth no longer shows the skin below


@lru_cache(maxsize=2)
def surface_arrays(device: str) -> dict[str, Any]:
    """The surface and the neutral adult, on a device."""
    rig, surface = load_rig(), load_surface()
    return {
        "canonical": wp.array(rig.canonical, dtype=wp.vec3, device=device),
        "arms": wp.array(surface.arms, dtype=float, device=device),
        "lips": wp.array(rig.lips, dtype=float, device=device),
        "vertex_kinds": wp.array(surface.vertex_kinds, dtype=int, device=device),
        "faces": wp.array(rig.faces, dtype=int, device=device),
        "indices": wp.array(rig.faces.ravel(), dtype=int, device=device),
        "face_starts": wp.array(surface.face_starts, dtype=int, device=device),
        "face_around": wp.array(surface.face_around, dtype=int, device=device),
        "neighbour_starts": wp.array(surface.neighbour_starts, dtype=int, device=device),
        "neighbours": wp.array(surface.neighbours, dtype=int, device=device),
    }


def vertex_materials(clothes: Clothes, *, device: str = "cpu") -> tuple[Any, Any]:
    """Warp arrays (V,): each vertex's place in `MATERIALS`, and how far it is off the skin."""
    arrays, count = surface_arrays(device), len(load_rig().template)
    shown = wp.empty(count, dtype=int, device=device)
    thickness = wp.empty(count, dtype=float, device=device)
    wp.launch(
        kernels.wear,
        dim=count,
        inputs=[
            *(arrays[name] for name in ("canonical", "arms", "lips", "vertex_kinds")),
            clothes.struct(),
        ],
        outputs=[shown, thickness],
        device=device,
    )
    return shown, thickness


def dress(
    posed: Posed, clothes: Clothes, shift: NDArray[np.floating], *, device: str = "cpu"
) -> tuple[Any, Any]:
    """Put clothes on a posed body and move it to its place.

    Returns:
        Warp arrays (V,) of vec3: vertices in the world, and normals.
    """
    arrays, count = surface_arrays(device), len(posed.vertices)
    vertices = wp.array(posed.vertices, dtype=wp.vec3, device=device)
    normals = wp.empty(count, dtype=wp.vec3, device=device)

    def find_normals(vertices: Any) -> None:
        inputs = [vertices, *(arrays[name] for name in ("faces", "face_starts", "face_around"))]
        wp.launch(mesh.vertex_normals, count, inputs=inputs, outputs=[normals], device=device)

    _, thickness = vertex_materials(clothes, device=device)
    ring = [arrays["neighbour_starts"], arrays["neighbours"]]
    for _ in range(2):
        softer = wp.empty_like(thickness)
        wp.launch(mesh.smooth, count, inputs=[*ring, thickness], outputs=[softer], device=device)
        thickness = softer
    for _ in range(_DRAPING):
        draped = wp.empty_like(vertices)
        inputs = [*ring, thickness, vertices]
        wp.launch(mesh.drape, count, inputs=inputs, outputs=[draped], device=device)
        vertices = draped
    find_normals(vertices)
    wp.launch(
        mesh.inflate,
        dim=count,
        inputs=[normals, thickness, wp.vec3(*(float(value) for value in shift))],
        outputs=[vertices],
        device=device,
    )
    find_normals(vertices)
    shod, outwards = _shod(vertices.numpy(), normals.numpy())
    return (
        wp.array(shod, dtype=wp.vec3, device=device),
        wp.array(outwards, dtype=wp.vec3, device=device),
    )


def _shod(
    vertices: NDArray[np.float32], normals: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fill the feet out: a shoe has no toes, it takes the foot's hull, in shape and normals."""
    canonical = load_rig().canonical
    vertices, normals = vertices.copy(), normals.copy()
    for sign in (-1, 1):
        foot = np.flatnonzero((canonical[:, 2] < _FOOT) & (sign * canonical[:, 0] > 0))
        points = vertices[foot].astype(np.float64)
        hull = ConvexHull(points[::3]).equations
        distances = np.einsum("vi,hi->vh", points, hull[:, :3]) + hull[:, 3]
        nearest = distances.argmax(axis=1)
        inside = np.minimum(distances[np.arange(len(foot)), nearest, None], 0)
        out = -inside * hull[nearest, :3]
        # None at the ankle, where the hull would leave the leg.
        share = np.clip((_FOOT - canonical[foot, 2:]) / 0.02, 0, 1)
        vertices[foot] += out * share
        mixed = share * hull[nearest, :3] + (1 - share) * normals[foot]
        normals[foot] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return vertices, normals
