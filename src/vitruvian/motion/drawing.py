"""Futures on the picture of their scene."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.motion.futures import Futures
from vitruvian.motion.heatmap import heat_map
from vitruvian.motion.homography import Matrix, project

Image = NDArray[np.uint8]

_PAST, _SAMPLE, _TRUTH, _HEAT = (30, 90, 200), (20, 20, 20), (214, 39, 40), (255, 150, 0)
_SHIFT = 4
_SIDE = 960
_MARGIN = 40
_MOST_LINES = 20  # samples of a person; more of them only make the heat map smoother
_MOST_HEATED = 64  # people; more heat maps at once say nothing


def draw_futures(
    futures: Futures, image: Image | None = None, to_pixels: Matrix | None = None
) -> Image:
    """Pasts blue, samples black, truth red, and the density of the end points in orange.

    Args:
        futures: What to draw.
        image: (height, width, 3) RGB uint8 of the scene; None: a white ground that holds all.
        to_pixels: The homography from positions to pixels.

    Returns:
        A new picture.

    Raises:
        InputError: there is a picture but no homography, and positions are no pixels.
    """
    if image is None:
        image, to_pixels = _ground(futures)
    elif to_pixels is None:
        if futures.unit != "px":
            raise InputError(
                f"Positions in {futures.unit} have no place on a picture: give --homography."
            )
        to_pixels = np.eye(3)
    drawn = image.copy()
    height, width = drawn.shape[:2]
    heat = np.zeros((height, width), dtype=np.float32)
    for person in futures.people[:_MOST_HEATED]:
        ends = project(person.samples[:, -1], to_pixels)
        ends = ends[np.isfinite(ends).all(axis=1)]
        if len(ends):
            heat = np.maximum(heat, heat_map(ends, width, height))
    share = (0.65 * heat)[..., None]
    drawn = (drawn * (1 - share) + np.array(_HEAT) * share).round().astype(np.uint8)
    thick = max(1, round(max(height, width) / 700))
    for person in futures.people:
        for sample in person.samples[:_MOST_LINES]:
            path = np.concatenate([person.past[-1:], sample])
            draw_line(drawn, project(path, to_pixels), _SAMPLE, 1)
    for person in futures.people:
        now = person.past[-1:]
        draw_line(drawn, project(person.past[-person.seen :], to_pixels), _PAST, thick + 1)
        draw_line(drawn, project(np.concatenate([now, person.truth]), to_pixels), _TRUTH, thick + 1)
        _dot(drawn, project(now, to_pixels)[0], _PAST, 2 * thick + 1)
    return drawn


def _ground(futures: Futures) -> tuple[Image, Matrix]:
    """A white picture, and the homography that puts everything into it, y upwards."""
    points = np.concatenate(
        [
            part.reshape(-1, 2)
            for person in futures.people
            for part in (person.past, person.samples, person.truth)
        ]
        or [np.zeros((1, 2))]
    )
    points = points[np.isfinite(points).all(axis=1)]
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 1e-6)
    scale = (_SIDE - 2 * _MARGIN) / extent.max()
    width, height = np.ceil(extent * scale).astype(int) + 2 * _MARGIN
    matrix = np.array(
        [
            [scale, 0, _MARGIN - low[0] * scale],
            [0, -scale, height - _MARGIN + low[1] * scale],
            [0, 0, 1],
        ]
    )
    return np.full((height, width, 3), 255, dtype=np.uint8), matrix


def draw_line(
    image: Image, points: NDArray[np.float64], colour: tuple[int, int, int], thick: int
) -> None:
    """Draw a line through points, broken where one is unknown or far outside, in place.

    Args:
        image: (height, width, 3) RGB uint8.
        points: (points, 2): in pixels; NaN where unknown.
        colour: RGB.
        thick: In pixels.
    """
    reach = 4 * max(image.shape[:2])
    known = np.isfinite(points).all(axis=1) & (np.abs(np.nan_to_num(points)) < reach).all(axis=1)
    fixed = np.round((np.nan_to_num(points) - 0.5) * (1 << _SHIFT))
    for start, end, both in zip(fixed, fixed[1:], known[:-1] & known[1:], strict=False):
        if both:
            a, b = tuple(map(int, start)), tuple(map(int, end))
            cv2.line(image, a, b, colour, thick, cv2.LINE_AA, _SHIFT)


def _dot(
    image: Image, point: NDArray[np.float64], colour: tuple[int, int, int], radius: int
) -> None:
    if np.isfinite(point).all() and (np.abs(point) < 4 * max(image.shape[:2])).all():
        x, y = (round(float(v - 0.5) * (1 << _SHIFT)) for v in point)
        cv2.circle(image, (x, y), radius << _SHIFT, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)
