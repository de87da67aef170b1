"""How the same person could look in another photo: light, colour, focus, noise, things in front.

Geometry is `pose.topdown`'s; nothing here moves a joint.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
_RAMP = np.arange(256, dtype=np.float32)[:, None] / 255


def other_photo(image: Image, random: np.random.Generator, strength: float = 1.0) -> Image:
    """A crop as another camera in another light might give it.

    Args:
        image: (height, width, 3) RGB uint8; left as it is.
        random: Source of chance.
        strength: 0 changes nothing, 1 is strong; how far and, of rarer changes, how often.
    """
    if strength <= 0:
        return image
    image = np.asarray(cv2.LUT(image, _curves(random, strength)), dtype=np.uint8)
    if random.random() < 0.2 * strength:
        grey = image @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        share = np.float32(random.uniform(0.4, 1.0))
        image = (image + share * (grey[..., None] - image)).astype(np.uint8)
    if random.random() < 0.4 * strength:
        image = _unsharp(image, random)
    if random.random() < 0.4 * strength:
        noise = random.normal(0, random.uniform(2, 14), image.shape).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.4 * strength:
        image = _cover(image, random)
    return np.ascontiguousarray(image)


def _curves(random: np.random.Generator, strength: float) -> Image:
    """(256, 3): brightness, contrast, gamma, and each channel's own gain."""
    gamma = np.exp(random.uniform(-0.5, 0.5) * strength)
    contrast = np.exp(random.uniform(-0.4, 0.4) * strength)
    gains = np.exp(random.uniform(-0.2, 0.2, 3) * strength) * np.exp(
        random.uniform(-0.35, 0.3) * strength
    )
    curves = ((_RAMP**gamma - 0.5) * contrast + 0.5) * gains
    if random.random() < 0.04 * strength:
        curves = 1 - curves
    return np.clip(255 * curves, 0, 255).astype(np.uint8).reshape(1, 256, 3)


def _unsharp(image: Image, random: np.random.Generator) -> Image:
    """Out of focus, moved, small and enlarged, or badly compressed."""
    height, width = image.shape[:2]
    way = random.integers(4)
    if way == 0:
        return cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 0.012 * height)).astype(np.uint8)
    if way == 1:
        length = int(random.integers(3, max(4, height // 20)))
        kernel = np.zeros((length, length), dtype=np.float32)
        angle = random.uniform(0, np.pi)
        end = (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
        middle = (length - 1) / 2
        first, last = (middle - end).round().astype(int), (middle + end).round().astype(int)
        cv2.line(kernel, first.tolist(), last.tolist(), 1.0)
        return cv2.filter2D(image, -1, kernel / kernel.sum()).astype(np.uint8)
    if way == 2:
        share = random.uniform(0.35, 0.9)
        size = (max(8, round(width * share)), max(8, round(height * share)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    quality = int(random.integers(15, 70))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), dtype=np.uint8)


def _cover(image: Image, random: np.random.Generator) -> Image:
    """One to three patches before the person: of one colour, of noise, or from elsewhere."""
    image = image.copy()
    height, width = image.shape[:2]
    for _ in range(random.integers(1, 4)):
        size = (random.uniform(0.05, 0.22, 2) * (height, width)).astype(int) + 1
        top, left = (random.random(2) * ((height, width) - size)).astype(int)
        patch = image[top : top + size[0], left : left + size[1]]
        way = random.integers(3)
        if way == 0:
            patch[:] = random.integers(0, 256, 3)
        elif way == 1:
            patch[:] = random.integers(0, 256, patch.shape)
        else:
            other = (random.random(2) * ((height, width) - size)).astype(int)
            patch[:] = image[other[0] : other[0] + size[0], other[1] : other[1] + size[1]].copy()
    return image
