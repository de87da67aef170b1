"""Cloth that hangs off the body: which piece of the body a place on a skirt's shell belongs to.

One shell serves tops, skirts and dresses, so where its triangles hang depends on what is worn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from vitruvian.world.charts import CHARTS, load_charts
from vitruvian.world.kernels import materials as kernels
from vitruvian.world.surface import PARTS, load_surface

_CROTCH, _KNEE = 0.9, 0.527  # heights on the neutral adult, in metres


def is_shell(faces: NDArray[np.integer]) -> NDArray[np.bool_]:
    """(n,): whether triangles of `surface.load_surface` are of the shell."""
    return np.asarray(load_surface().kinds[faces] == kernels.SHELL)


def shell_parts(
    faces: NDArray[np.integer], places: NDArray[np.floating], ends: NDArray[np.floating]
) -> NDArray[np.int32]:
    """(n,): place in `surface.PARTS` of what lies below points of the shell.

    Args:
        faces: (n,): triangles of the shell.
        places: (n, 2): shares of their first two corners.
        ends: (n, 2): how high hem and waist of the shell are on the neutral adult.
    """
    shares = np.c_[places, 1 - places.sum(axis=1)]
    surface = load_surface()
    point = np.einsum("nc,nci->ni", shares, surface.canonical[surface.faces[faces]])
    height = ends[:, 0] + point[:, 2] * (ends[:, 1] - ends[:, 0])
    left = point[:, 0] > 0
    thigh, shin = (
        np.where(left, PARTS.index(f"left_{part}"), PARTS.index(f"right_{part}"))
        for part in ("thigh", "shin")
    )
    legs = np.where(height > _KNEE, thigh, shin)
    return np.where(height > _CROTCH, PARTS.index("torso"), legs).astype(np.int32)


def nearest_charts(
    points: NDArray[np.floating], vertices: NDArray[np.floating]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Chart (n,), and U and V (n, 2), of the places of trunk and legs that are nearest to points.

    Args:
        points: (n, 3): in the world.
        vertices: (N, 3): the person's mesh, in the world.
    """
    surface, charts = load_surface(), load_charts()
    count = len(surface.faces) - len(surface.extras.faces)
    below = [place for place, name in enumerate(CHARTS) if name.endswith(_BELOW)]
    faces = np.flatnonzero(np.isin(charts.face_chart[:count], below))
    corners = vertices[surface.faces[faces]].astype(np.float64)
    near = cKDTree(corners.mean(axis=1)).query(points)[1]
    a, b, c = corners[near].transpose(1, 0, 2)
    first, second, way = a - c, b - c, points - c
    # The point's foot in the triangle's plane, drawn into the triangle.
    aa, ab, bb = (first * first).sum(1), (first * second).sum(1), (second * second).sum(1)
    along, across = (way * first).sum(1), (way * second).sum(1)
    spread = np.maximum(aa * bb - ab * ab, 1e-18)
    shares = np.stack([bb * along - ab * across, aa * across - ab * along], axis=1)
    shares = np.clip(shares / spread[:, None], 0, 1)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    shares = np.c_[shares, 1 - shares.sum(axis=1)]
    uv = np.einsum("nc,nci->ni", shares, charts.face_uv[faces[near]])
    return charts.face_chart[faces[near]], uv.astype(np.float32)


_BELOW = ("torso_back", "torso_front", "thigh_back", "thigh_front", "shin_back", "shin_front")
