"""From light to a photo: exposure, colour cast, motion blur, lens, noise, JPEG."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

_STEPS = 4096


def develop(
    rng: np.random.Generator, linear: NDArray[np.float32], *, frame: int = 0
) -> NDArray[np.uint8]:
    """Take a photo.

    Args:
        rng: Drawn from in an order that depends on the picture's size alone.
        linear: (height, width, 3): linear light.
        frame: Of a clip: with the same draws, each has other noise.

    Returns:
        (height, width, 3) RGB.
    """
    height, width = linear.shape[:2]
    gain = rng.uniform(0.75, 1.25) * (1 + rng.normal(0, 0.03, 3))
    shaken, length, way = rng.uniform(), rng.uniform(0.006, 0.02), rng.uniform(0, np.pi)
    blur, strength = float(rng.uniform(0, 0.9)), rng.uniform(0.001, 0.012)
    packed, quality = rng.uniform(), int(rng.integers(45, 98))
    turn = rng.integers(0, 1 << 16, 2) + frame * np.array([7919, 104729])
    # Half of the exposure follows the picture, as a camera's does; highlights roll off.
    bright = float(np.percentile(linear[::3, ::3], 90))
    exposure = gain * 0.5 / np.sqrt(0.5 * max(bright, 1e-3))
    picture = linear * exposure.astype(np.float32)
    if shaken < 0.12:
        picture = cv2.filter2D(picture, -1, _streak(length * height, way))
    if blur > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    grain = _grain(max(512, 1 << (max(height, width) - 1).bit_length()))
    corner = turn % (np.array(grain.shape[:2]) - [height, width] + 1)
    grain = grain[corner[0] : corner[0] + height, corner[1] : corner[1] + width]
    # The noise of light grows with its root.
    noise = cv2.sqrt(picture + np.float32(0.05))
    noise *= grain
    noise *= np.float32(2 * strength)
    picture += noise
    picture *= np.float32(_STEPS / 2)
    steps = np.clip(picture, 0, _STEPS - 1).astype(np.uint16)
    image = np.asarray(_tones()[steps])
    if packed < 0.7:
        _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1].copy()
    return image


def _streak(length: float, way: float) -> NDArray[np.float32]:
    """The path of a shaken camera: a line of some pixels at an angle, in radians."""
    size = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((size, size), dtype=np.float32)
    for place in np.linspace(-length / 2, length / 2, 4 * size):
        row, column = (round(size // 2 + place * turn) for turn in (np.sin(way), np.cos(way)))
        kernel[row, column] += 1
    return kernel / kernel.sum()


@lru_cache(maxsize=2)
def _grain(size: int) -> NDArray[np.float32]:
    """(size, size, 3): normal noise; a photo takes another cut-out each time."""
    return np.random.default_rng(1).standard_normal((size, size, 3), dtype=np.float32)


@lru_cache(maxsize=1)
def _tones() -> NDArray[np.uint8]:
    """(steps,): display values of linear light from 0 to 2, whose highlights roll off."""
    light = (np.arange(_STEPS) + 0.5) * 2 / _STEPS
    light = np.where(light < 0.5, light, 1 - 0.25 / np.maximum(light, 0.5))
    return np.round(255 * light ** (1 / 2.2)).astype(np.uint8)
