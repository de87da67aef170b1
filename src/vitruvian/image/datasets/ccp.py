"""Garments of Clothing Co-Parsing (Yang, Luo, Lin, CVPR 2014, arXiv 1502.00739), cut out."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from vitruvian.core.errors import InputError
from vitruvian.core.files import find_data
from vitruvian.image.datasets.base import ImageDataset, Picture, read_bytes, read_rgb

CATEGORIES = ("bag", "blouse", "coat", "dress", "jeans", "pants", "shirt", "shoes", "skirt")
"""Garments with more than 140 crops."""

LEAST_AREA = 1000
"""Labelled pixels, of a photo 320 pixels wide, below which a garment is left out."""

MARGIN = 1.15
"""Side of the square window over the longer side of the garment's box."""

FOLDS, VALIDATION_PART = 3, 9


class GarmentCrops(ImageDataset):
    """A square window around each garment of 1,004 street-fashion photos, by their pixel labels.

    Every category of a photo is one crop: both shoes together. A garment with under `LEAST_AREA`
    pixels is left out. Splits are by photo: of the numbers, those that leave `fold` over 3 are the
    test, and of the others those that leave `fold` + 1 over 9 the validation.

    Args:
        split: "train", "test"; or "fit" and "validation": train without and only its validation.
        root: The folder with `photos`, `pixel-level` and `labels.txt`; None: `ccp` below the data
            root.
        fold: Which third of the photos is the test: 0, 1 or 2.

    Raises:
        InputError: files are missing or not as the data set has them.
        UnknownNameError: there is no such split.
    """

    name: ClassVar[str] = "ccp"
    title: ClassVar[str] = "Garment crops of Clothing Co-Parsing"
    licence: ClassVar[str] = "Apache-2.0"
    splits: ClassVar[tuple[str, ...]] = ("train", "fit", "validation", "test")
    classes = CATEGORIES

    def __init__(
        self, split: str = "test", root: str | Path | None = None, *, fold: int = 0
    ) -> None:
        self.check_split(split)
        if fold not in range(FOLDS):
            raise InputError(f"There is no fold {fold}: give one from 0 to {FOLDS - 1}.")
        folder = find_data(self.name, root)
        names = read_bytes(folder / "labels.txt", "the data set has one").decode().split("\n")
        places = {name.strip(): number for number, name in enumerate(names) if name.strip()}
        missing = [name for name in CATEGORIES if name not in places]
        if missing:
            raise InputError(f"{folder / 'labels.txt'} does not name {missing[0]!r}.")
        self._windows: list[tuple[Path, tuple[int, int, int]]] = []
        labels = []
        for file in sorted((folder / "photos").glob("*.jpg")):
            if not _belongs(file, split, fold):
                continue
            mask = _read_mask(folder / "pixel-level" / f"{file.stem}.png")
            least = LEAST_AREA * (mask.shape[1] / 320) ** 2
            areas = np.bincount(mask.ravel(), minlength=len(places))
            for label, name in enumerate(CATEGORIES):
                if areas[places[name]] >= least:
                    self._windows.append((file, _window(mask == places[name])))
                    labels.append(label)
        if not labels:
            raise InputError(f"There are no labelled garments in {folder}.")
        self.labels = np.array(labels, dtype=np.int64)

    def picture(self, index: int) -> Picture:
        """(side, side, 3) RGB uint8; the photo's border is repeated where the window leaves it."""
        file, (left, top, side) = self._windows[index]
        photo = read_rgb(file)
        height, width = photo.shape[:2]
        before = max(-top, 0), max(-left, 0)
        after = max(top + side - height, 0), max(left + side - width, 0)
        inside = photo[max(top, 0) : top + side, max(left, 0) : left + side]
        border = (before[0], after[0], before[1], after[1])
        return np.asarray(cv2.copyMakeBorder(inside, *border, cv2.BORDER_REPLICATE), dtype=np.uint8)


def _belongs(file: Path, split: str, fold: int) -> bool:
    """Whether a photo, `0001.jpg`, is of a part."""
    if not file.stem.isdigit():
        raise InputError(f"{file} is no photo of the data set: their names are numbers.")
    number = int(file.stem)
    if number % FOLDS == fold:
        return split == "test"
    of_validation = number % VALIDATION_PART == fold + 1
    return split == "train" or split == ("validation" if of_validation else "fit")


def _read_mask(file: Path) -> np.ndarray:
    mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.ndim != 2:
        raise InputError(f"{file} is no picture of label numbers, as the data set has it.")
    return mask


def _window(mask: np.ndarray) -> tuple[int, int, int]:
    """Left, top and side of the square around a mask, in whole pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = round(max(bottom - top, right - left) * MARGIN)
    return int((left + right - side) // 2), int((top + bottom - side) // 2), side
