"""Dressing: a posed body with its clothes on, as a mesh."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from vitruvian.world.bodies import Posed
from vitruvian.world.clothes import Clothes
from vitruvian.world.hanging import hang
from vitruvian.world.kernels import materials as kernels
from vitruvian.world.kernels import mesh
from vitruvian.world.rig import load_rig
from vitruvian.world.surface import load_surface

_FOOT = 0.09  # metres on the neutral adult, up to which a foot is filled out to a shoe
_DRAPING = 6  # rounds: enough that cloth no longer shows the skin below


@lru_cache(maxsize=2)
def surface_arrays(device: str) -> dict[str, Any]:
    """The surface and the neutral adult, on a device; `adult` is where its vertices are."""
    surface = load_surface()
    corners, weights, shares = _shoes()
    return {
        "canonical": wp.array(surface.canonical, dtype=wp.vec3, device=device),
        "adult": wp.array(_adult(), dtype=wp.vec3, device=device),
        "arms": wp.array(surface.arms, dtype=float, device=device),
        "lips": wp.array(surface.lips, dtype=float, device=device),
        "vertex_kinds": wp.array(surface.vertex_kinds, dtype=int, device=device),
        "faces": wp.array(surface.faces, dtype=int, device=device),
        "indices": wp.array(surface.faces.ravel(), dtype=int, device=device),
        "face_starts": wp.array(surface.face_starts, dtype=int, device=device),
        "face_around": wp.array(surface.face_around, dtype=int, device=device),
        "neighbour_starts": wp.array(surface.neighbour_starts, dtype=int, device=device),
        "neighbours": wp.array(surface.neighbours, dtype=int, device=device),
        "shoe_corners": wp.array(corners, dtype=int, device=device),
        "shoe_weights": wp.array(weights, dtype=wp.vec3, device=device),
        "shoe_shares": wp.array(shares, dtype=float, device=device),
    }


def vertex_materials(clothes: Clothes, *, device: str = "cpu") -> tuple[Any, Any]:
    """Warp arrays (N,): each vertex's place in `MATERIALS`, and how far it is off the skin."""
    arrays, count = surface_arrays(device), len(load_surface().canonical)
    shown = wp.empty(count, dtype=int, device=device)
    thickness = wp.empty(count, dtype=float, device=device)
    wp.launch(
        kernels.wear,
        dim=count,
        inputs=[
            *(arrays[name] for name in ("canonical", "arms", "lips", "vertex_kinds")),
            clothes.struct,
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
        Warp arrays (N,) of vec3: vertices in the world, the body's first, and normals.
    """
    arrays, count = surface_arrays(device), len(posed.vertices)
    vertices = wp.array(posed.vertices, dtype=wp.vec3, device=device)
    normals = wp.empty(count, dtype=wp.vec3, device=device)

    def find_normals(vertices: Any, normals: Any) -> None:
        flat = wp.empty(len(arrays["faces"]), dtype=wp.vec3, device=device)
        inputs = [vertices, arrays["faces"]]
        # Of the body alone, the triangles of the extras come last and are left out.
        used = len(flat) if len(normals) > count else len(load_rig().faces)
        wp.launch(mesh.face_normals, used, inputs=inputs, outputs=[flat], device=device)
        inputs = [flat, arrays["face_starts"], arrays["face_around"]]
        wp.launch(
            mesh.vertex_normals, len(normals), inputs=inputs, outputs=[normals], device=device
        )

    _, thickness = vertex_materials(clothes, device=device)
    ring = [arrays["neighbour_starts"], arrays["neighbours"]]
    for _ in range(2):
        softer = wp.empty(count, dtype=float, device=device)
        wp.launch(mesh.smooth, count, inputs=[*ring, thickness], outputs=[softer], device=device)
        thickness = softer
    find_normals(vertices, normals)
    draped = wp.empty_like(vertices)
    for _ in range(_DRAPING):
        inputs = [*ring, thickness, normals, vertices]
        wp.launch(mesh.drape, count, inputs=inputs, outputs=[draped], device=device)
        vertices, draped = draped, vertices
    wp.launch(
        mesh.inflate,
        dim=count,
        inputs=[normals, thickness, wp.vec3(*(float(value) for value in shift))],
        outputs=[vertices],
        device=device,
    )
    shod = _filled_feet(vertices, device)
    body = shod.numpy()
    extras = hang(body, posed.rotations, clothes).astype(np.float32)
    dressed = wp.array(np.concatenate([body, extras]), dtype=wp.vec3, device=device)
    outwards = wp.empty(len(dressed), dtype=wp.vec3, device=device)
    find_normals(dressed, outwards)
    smooth = _filled_feet(outwards[:count], device)
    wp.copy(outwards, smooth, count=count)
    return dressed, outwards


def _filled_feet(values: Any, device: str) -> Any:
    """A warp array of vec3, with those of the feet taken from the feet's hull."""
    arrays = surface_arrays(device)
    result = wp.empty(len(values), dtype=wp.vec3, device=device)
    inputs = [*(arrays[f"shoe_{name}"] for name in ("corners", "weights", "shares")), values]
    wp.launch(mesh.shoe, len(values), inputs=inputs, outputs=[result], device=device)
    return result


@lru_cache(maxsize=1)
def _shoes() -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """A shoe has no toes: it takes the foot's hull, found once on the neutral adult.

    Returns:
        (V, 3): three vertices of the hull; (V, 3): their weights; (V,): how far a vertex moves
        between them.
    """
    canonical = load_rig().canonical
    corners = np.zeros((len(canonical), 3), dtype=np.int32)
    weights = np.zeros((len(canonical), 3), dtype=np.float32)
    shares = np.zeros(len(canonical), dtype=np.float32)
    for sign in (-1, 1):
        foot = np.flatnonzero((canonical[:, 2] < _FOOT) & (sign * canonical[:, 0] > 0))
        points = canonical[foot].astype(np.float64)
        hull = ConvexHull(points)
        distances = points @ hull.equations[:, :3].T + hull.equations[:, 3]
        nearest = distances.argmax(axis=1)
        rows = np.arange(len(foot))
        on_hull = points - distances[rows, nearest, None] * hull.equations[nearest, :3]
        triangles = points[hull.simplices[nearest]]
        corners[foot] = foot[hull.simplices[nearest]]
        weights[foot] = _within(on_hull, triangles)
        # None at the ankle, where the hull would leave the leg.
        shares[foot] = np.clip((_FOOT - canonical[foot, 2]) / 0.02, 0, 1)
    return corners, weights, shares


def _within(points: NDArray[np.float64], triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P, 3): weights of the corners of (P, 3, 3) triangles that make points in their planes."""
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    normal = np.cross(first, second)
    area = (normal * normal).sum(axis=1)
    way = points - triangles[:, 0]
    u = (np.cross(way, second) * normal).sum(axis=1) / area
    v = (np.cross(first, way) * normal).sum(axis=1) / area
    weights = np.clip(np.stack([1 - u - v, u, v], axis=1), 0, 1)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _adult() -> NDArray[np.float32]:
    """(N, 3): the neutral adult with its extras on."""
    surface = load_surface()
    return np.concatenate(
        [surface.canonical[: surface.body], surface.extras.places.astype(np.float32)]
    )
