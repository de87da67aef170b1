"""Heat maps of where someone will be: a kernel density of sampled end points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-6  # of the variance: samples on a line or a point still have a density


def kernel_density(
    points: NDArray[np.floating], places: NDArray[np.floating], least: float = _LEAST
) -> NDArray[np.float64]:
    """Gaussian kernel density of points in the plane, with Scott's bandwidth.

    The kernel's covariance is that of the points times n^(-1/3): a bandwidth of n^(-1/6).

    Args:
        points: (n, 2).
        places: (m, 2): where it is asked for.
        least: Smallest variance of the kernel along any direction, in the points' unit².

    Returns:
        (m,): per unit²; it sums to 1 over the plane.
    """
    points = np.asarray(points, dtype=np.float64)
    count = len(points)
    centred = points - points.mean(axis=0)
    covariance = centred.T @ centred / max(count - 1, 1) * count ** (-1 / 3)
    values, vectors = np.linalg.eigh(covariance)
    values = values.clip(least)
    spread = vectors / np.sqrt(values)
    own = points @ spread
    asked = np.asarray(places, dtype=np.float64) @ spread
    density = np.zeros(len(asked))
    for point in own:
        density += np.exp(-0.5 * ((asked - point) ** 2).sum(axis=1))
    return density / (count * 2 * np.pi * np.sqrt(values.prod()))


def heat_map(
    points: NDArray[np.floating], width: int, height: int, *, grid: int = 160
) -> NDArray[np.float32]:
    """The density of end points on a picture, 1 at its highest.

    Args:
        points: (n, 2): in pixels.
        width: Of the picture.
        height: Likewise.
        grid: Places along the longer side that are computed; the rest is interpolated.

    Returns:
        (height, width) in [0, 1].
    """
    import cv2

    scale = min(1.0, grid / max(width, height))
    columns, rows = max(round(width * scale), 1), max(round(height * scale), 1)
    x = (np.arange(columns) + 0.5) * width / columns
    y = (np.arange(rows) + 0.5) * height / rows
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    density = kernel_density(points, places, least=(max(width, height) / grid) ** 2)
    small = (density / max(float(density.max()), 1e-300)).reshape(rows, columns)
    full = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full, dtype=np.float32)
