"""What every data set of labelled pictures has."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError, UnknownNameError

Labels = NDArray[np.int64]
Picture = NDArray[np.uint8]


class ImageDataset:
    """Pictures with one label each.

    Attributes:
        name: Folder below the data root.
        title: In words.
        licence: Terms of the pictures.
        splits: Names of the parts.
        classes: Names of the labels, in their order.
        labels: (pictures,) places in `classes`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    licence: ClassVar[str]
    splits: ClassVar[tuple[str, ...]]
    classes: tuple[str, ...]
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def picture(self, index: int) -> Picture:
        """(height, width, 3) RGB uint8."""
        raise NotImplementedError

    def check_split(self, split: str) -> None:
        """Raises UnknownNameError where the set has no such part."""
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)


def read_rgb(file: Path) -> Picture:
    """A picture of a data set, in RGB.

    Raises:
        InputError: it is absent or damaged.
    """
    image = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise InputError(f"The data set's picture {file} cannot be read: get it again.")
    return np.asarray(image, dtype=np.uint8)


def read_bytes(file: Path, what: str) -> bytes:
    """The content of a data set's file.

    Args:
        file: The file.
        what: How to get it, for the message.

    Raises:
        InputError: it is absent.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): {what}.") from error
