"""ImageNet, ILSVRC 2012 (Russakovsky et al., IJCV 2015, arXiv 1409.0575)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from vitruvian.core.errors import InputError
from vitruvian.core.files import find_data
from vitruvian.image.datasets.base import ImageDataset, Picture, read_bytes, read_rgb

SUFFIXES = (".jpeg", ".jpg", ".png")
DEVKIT = "ILSVRC2012_devkit_t12"


class ImageNet(ImageDataset):
    """Pictures in a folder a class: `train/n01440764/*.JPEG`.

    Classes are numbered in the order of their folders' names, as torchvision does it and every
    published checkpoint expects. The validation part is read from folders, too, or flat as it was
    released (`val/ILSVRC2012_val_00000001.JPEG`) with `ILSVRC2012_devkit_t12/data/meta.mat` and
    `ILSVRC2012_validation_ground_truth.txt` beside it, whose own numbering is translated.
    Any other set in a folder a class is read in the same way.

    Args:
        split: "train" or "val".
        root: The folder with `train` and `val`; None: `imagenet` below the data root.

    Raises:
        InputError: folders or labels are missing.
        UnknownNameError: there is no such split.
    """

    name: ClassVar[str] = "imagenet"
    title: ClassVar[str] = "ImageNet (ILSVRC 2012)"
    licence: ClassVar[str] = "research use"
    splits: ClassVar[tuple[str, ...]] = ("train", "val")

    def __init__(self, split: str = "val", root: str | Path | None = None) -> None:
        self.check_split(split)
        folder = find_data(self.name, root)
        part = folder / split
        if not part.is_dir():
            raise InputError(f"{folder} has no folder {split!r}: unpack the archive of it there.")
        named = sorted(path.name for path in part.iterdir() if path.is_dir())
        if named:
            self.classes = tuple(named)
            self._check_classes(folder, named)
            found = [
                (file, label)
                for label, name in enumerate(named)
                for file in sorted((part / name).iterdir())
                if file.suffix.lower() in SUFFIXES
            ]
        else:
            self.classes, found = _flat(part, folder / DEVKIT / "data")
        if not found:
            raise InputError(f"There are no pictures in {part}.")
        self.files = [file for file, _ in found]
        self.labels = np.array([label for _, label in found], dtype=np.int64)

    def _check_classes(self, folder: Path, named: list[str]) -> None:
        """The parts must number their classes in the same way."""
        train = folder / "train"
        if not train.is_dir():
            return
        expected = sorted(path.name for path in train.iterdir() if path.is_dir())
        if expected and named != expected:
            odd = sorted(set(named) ^ set(expected))
            raise InputError(
                f"The parts in {folder} have different classes, {odd[0]} for one: labels would "
                "not mean the same."
            )

    def picture(self, index: int) -> Picture:
        """(height, width, 3) RGB uint8."""
        return read_rgb(self.files[index])


def _flat(part: Path, devkit: Path) -> tuple[tuple[str, ...], list[tuple[Path, int]]]:
    """Classes and labelled files of the validation part as it was released."""
    hint = f"a flat {part.name} folder needs {DEVKIT}.tar.gz unpacked beside it"
    text = read_bytes(devkit / "ILSVRC2012_validation_ground_truth.txt", hint).decode()
    try:
        meta = loadmat(devkit / "meta.mat", squeeze_me=True, struct_as_record=False)["synsets"]
        wnids = {int(entry.ILSVRC2012_ID): str(entry.WNID) for entry in np.atleast_1d(meta)}
        numbers = [int(line) for line in text.split()]
        classes = sorted(wnids[number] for number in wnids if number <= 1000)
        labels = [classes.index(wnids[number]) for number in numbers]
    except (OSError, ValueError, KeyError, AttributeError, TypeError, MatReadError) as error:
        raise InputError(f"The labels in {devkit} cannot be read: {hint}.") from error
    files = sorted(file for file in part.iterdir() if file.suffix.lower() in SUFFIXES)
    if len(files) != len(labels):
        raise InputError(f"{part} has {len(files)} pictures, its labels are {len(labels)}.")
    return tuple(classes), list(zip(files, labels, strict=True))
