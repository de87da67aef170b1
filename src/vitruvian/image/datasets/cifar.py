"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): 60,000 pictures of 32×32.

Read from the official *binary* version (`cifar-10-binary.tar.gz`, `cifar-100-binary.tar.gz`,
unpacked). The Python version holds the same numbers as pickles, which can run code, and is not
read.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from vitruvian.core.errors import InputError
from vitruvian.core.files import find_data
from vitruvian.image.datasets.base import ImageDataset, Picture, read_bytes

SIDE = 32
HELD_OUT = 5000
"""Training pictures, the last ones, that "validation" has and "fit" lacks."""


class Cifar10(ImageDataset):
    """Ten classes; 50,000 pictures to train on and 10,000 to test.

    A record is the label's byte and 3,072 bytes of red, green and blue planes.

    Args:
        split: "train", "test"; or "fit" and "validation": train without and only its last 5,000.
        root: The folder of the `.bin` files; None: its own below the data root.

    Raises:
        InputError: files are missing, of another version, or of another length.
        UnknownNameError: there is no such split.
    """

    name: ClassVar[str] = "cifar-10-batches-bin"
    title: ClassVar[str] = "CIFAR-10"
    licence: ClassVar[str] = "not stated"
    splits: ClassVar[tuple[str, ...]] = ("train", "fit", "validation", "test")
    train_files: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
    test_files: ClassVar[tuple[str, ...]] = ("test_batch.bin",)
    names_file: ClassVar[str] = "batches.meta.txt"
    label_bytes: ClassVar[int] = 1
    archive: ClassVar[str] = "cifar-10-binary.tar.gz"

    def __init__(self, split: str = "test", root: str | Path | None = None) -> None:
        self.check_split(split)
        folder = find_data(self.name, root)
        hint = f"unpack {self.archive} of www.cs.toronto.edu/~kriz/cifar.html there"
        names = read_bytes(folder / self.names_file, hint).decode()
        self.classes = tuple(line.strip() for line in names.splitlines() if line.strip())
        files = self.test_files if split == "test" else self.train_files
        records = np.concatenate([self._records(folder / file, hint) for file in files])
        if split == "fit":
            records = records[:-HELD_OUT]
        elif split == "validation":
            records = records[-HELD_OUT:]
        self.labels = records[:, self.label_bytes - 1].astype(np.int64)
        if len(self.labels) and self.labels.max() >= len(self.classes):
            raise InputError(f"{folder} has labels that {self.names_file} does not name.")
        self._pixels = records[:, self.label_bytes :].reshape(-1, 3, SIDE, SIDE)

    def _records(self, file: Path, hint: str) -> np.ndarray:
        content = np.frombuffer(read_bytes(file, hint), dtype=np.uint8)
        length = self.label_bytes + 3 * SIDE * SIDE
        if not len(content) or len(content) % length:
            raise InputError(
                f"{file} is not whole: {len(content)} bytes are no records of {length}; {hint}."
            )
        return content.reshape(-1, length)

    def picture(self, index: int) -> Picture:
        """(32, 32, 3) RGB uint8."""
        return np.ascontiguousarray(self._pixels[index].transpose(1, 2, 0))


class Cifar100(Cifar10):
    """A hundred classes; a record begins with two bytes, of which the second is the class."""

    name: ClassVar[str] = "cifar-100-binary"
    title: ClassVar[str] = "CIFAR-100"
    train_files: ClassVar[tuple[str, ...]] = ("train.bin",)
    test_files: ClassVar[tuple[str, ...]] = ("test.bin",)
    names_file: ClassVar[str] = "fine_label_names.txt"
    label_bytes: ClassVar[int] = 2
    archive: ClassVar[str] = "cifar-100-binary.tar.gz"
