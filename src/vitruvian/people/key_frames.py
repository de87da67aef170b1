"""Small pictures for the report."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitruvian.core.errors import InputError

KEY_FRAMES = 6
"""How many frames of a video the report shows."""

THUMBNAIL = 480
"""Pixels of the longer side."""


class KeyFrames:
    """A few frames of a video, evenly spread whatever its length, as small JPEG files.

    Every frame of a number that a step divides is kept; once there are too many, the step doubles.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._step = 1
        self._kept: list[int] = []

    def wants(self, index: int) -> bool:
        """Whether the frame of that number is to be added."""
        return index % self._step == 0

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        """Keep a frame: (height, width, 3) RGB uint8."""
        if not self._kept:
            for old in self._folder.glob("*.jpg"):
                old.unlink()
        try:
            (self._folder / f"{index}.jpg").write_bytes(thumbnail(Image.fromarray(image)))
        except OSError as error:
            raise InputError(f"Cannot write {self._folder}: {error.strerror or error}.") from error
        self._kept.append(index)
        if len(self._kept) > 2 * KEY_FRAMES:
            self._step *= 2
            for old_index in self._kept:
                if old_index % self._step:
                    (self._folder / f"{old_index}.jpg").unlink()
            self._kept = [kept for kept in self._kept if kept % self._step == 0]


def thumbnail(image: Image.Image, size: int = THUMBNAIL) -> bytes:
    """A JPEG whose longer side is `size` pixels at most."""
    image.draft("RGB", (size, size))
    image = image.convert("RGB")
    image.thumbnail((size, size), Image.Resampling.LANCZOS, reducing_gap=2)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
