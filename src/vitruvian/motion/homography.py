"""Homographies between a scene's ground and its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError

Matrix = NDArray[np.float64]


def read_homography(file: str | Path) -> Matrix:
    """A 3×3 matrix of a text file that takes pixels (x, y, 1) to the ground, as H.txt of BIWI does.

    Returns:
        Its inverse: from the ground to pixels.

    Raises:
        InputError: the file is absent, holds something else, or the matrix has no inverse.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
        lines = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
        matrix = np.array([[float(part) for part in line] for line in lines])
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): give a homography.") from error
    except ValueError as error:
        raise InputError(f"{file} is no homography: give three lines of three numbers.") from error
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise InputError(f"{file} is no homography: give three lines of three numbers.")
    return inverse(matrix, str(file))


def inverse(matrix: Matrix, name: str) -> Matrix:
    """The inverse of a homography.

    Raises:
        InputError: it has none; the message has `name`.
    """
    size = np.abs(matrix).max()
    if size == 0 or np.linalg.cond(matrix / size) > 1e12:
        raise InputError(f"{name} is singular: it maps the picture to a line or a point.")
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def project(points: NDArray[np.floating], matrix: Matrix) -> NDArray[np.float64]:
    """Points through a homography; what lies on or behind its horizon becomes NaN.

    Args:
        points: (…, 2).
        matrix: (3, 3).
    """
    flat = np.asarray(points, dtype=np.float64)
    homogeneous = np.concatenate([flat, np.ones((*flat.shape[:-1], 1))], axis=-1) @ matrix.T
    depth = homogeneous[..., 2:]
    sign = np.sign(matrix[2, 2]) or 1.0
    safe = np.where(depth * sign > 1e-12, depth, np.nan)
    return homogeneous[..., :2] / safe
