"""Handwritten digits (Alpaydin and Kaynak, UCI 1998), the test part, as scikit-learn ships it."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from typing import ClassVar

import numpy as np

from vitruvian.core.errors import InputError
from vitruvian.image.datasets.base import ImageDataset, Picture

TEST_PART = 3
"""Every third digit is tested on."""


class Digits(ImageDataset):
    """1,797 digits of 8×8, with grey values 0 to 16, here in 0 to 255.

    scikit-learn's file is read without importing it: it is no dependency, only an install away.

    Args:
        split: "train" or "test": every third digit is of the test.
        root: The folder of `digits.csv.gz`; None: that of an installed scikit-learn.

    Raises:
        InputError: there is no scikit-learn, or its file is damaged.
        UnknownNameError: there is no such split.
    """

    name: ClassVar[str] = "digits"
    title: ClassVar[str] = "Handwritten digits"
    licence: ClassVar[str] = "CC-BY-4.0"
    splits: ClassVar[tuple[str, ...]] = ("train", "test")
    classes = tuple("0123456789")

    def __init__(self, split: str = "test", root: str | Path | None = None) -> None:
        self.check_split(split)
        file = (Path(root) if root else _installed()) / "digits.csv.gz"
        try:
            with gzip.open(file, "rt") as lines:
                rows = np.loadtxt(lines, delimiter=",", ndmin=2)
        except (OSError, EOFError, ValueError) as error:
            raise InputError(f"The digits in {file} cannot be read: {error}.") from error
        if rows.shape[1] != 65 or not ((rows >= 0) & (rows <= 16)).all():
            raise InputError(f"{file} is not the digits' file: 64 grey values 0-16 and a label.")
        of_test = np.arange(len(rows)) % TEST_PART == 0
        chosen = rows[of_test if split == "test" else ~of_test]
        self.labels = chosen[:, 64].astype(np.int64)
        self._pixels = np.round(chosen[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)

    def picture(self, index: int) -> Picture:
        """(8, 8, 3) RGB uint8, the three the same."""
        return np.repeat(self._pixels[index][..., None], 3, axis=-1)


def _installed() -> Path:
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise InputError("The digits come with scikit-learn: pip install scikit-learn.")
    return Path(found.origin).parent / "datasets" / "data"
