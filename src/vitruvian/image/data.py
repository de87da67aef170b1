"""Batches of labelled pictures.

A batch is a dict of B pictures:

| key | shape, type | what |
| --- | --- | --- |
| `image` | (B, 3, height, width) uint8 | RGB; the system has the mean and deviation |
| `label` | (B,) int64 | place in the data set's `classes` |
| `index` | (B,) int64 | place in the data set |
"""

from __future__ import annotations

import os
from typing import Any, Literal

import cv2
import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.sampling import make_loader, resumable_sampler
from vitruvian.image.datasets.base import ImageDataset, Picture
from vitruvian.image.datasets.ccp import GarmentCrops
from vitruvian.image.datasets.cifar import Cifar10, Cifar100
from vitruvian.image.datasets.digits import Digits
from vitruvian.image.datasets.imagenet import ImageNet

DATASETS: dict[str, type[ImageDataset]] = {
    "ccp": GarmentCrops,
    "cifar10": Cifar10,
    "cifar100": Cifar100,
    "digits": Digits,
    "imagenet": ImageNet,
}

LONGEST = 8
"""Sides of a picture: a longer one is cut to its middle square first."""

Augment = Literal["none", "shift", "resized_crop"]
Name = Literal["ccp", "cifar10", "cifar100", "digits", "imagenet"]


def fit_picture(image: Picture, size: int, resize: int | None = None) -> Picture:
    """The middle of a picture: its shorter side is made `resize`, and `size` × `size` cut out.

    Args:
        image: (height, width, 3).
        size: Side of the result, in pixels.
        resize: 256 for 224 in ImageNet's protocol; None: `size`.
    """
    height, width = image.shape[:2]
    if max(height, width) > LONGEST * min(height, width):  # resized, a strip would fill the memory
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
        height = width = side
    shorter = resize or size
    scale = shorter / min(height, width)
    if scale != 1:
        new = max(round(width * scale), shorter), max(round(height * scale), shorter)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, new, interpolation=how), dtype=np.uint8)
    top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return image[top : top + size, left : left + size]


def shifted(image: Picture, most: int, random: np.random.Generator, flip: float) -> Picture:
    """A picture moved by up to `most` pixels each way, zeros coming in, and maybe mirrored.

    The same as the published padding by `most` pixels and a random crop (He et al. 2016, 4.2).
    """
    height, width = image.shape[:2]
    padded = cv2.copyMakeBorder(image, most, most, most, most, cv2.BORDER_CONSTANT)
    top, left = random.integers(0, 2 * most + 1, 2)
    cut = padded[top : top + height, left : left + width]
    return np.asarray(cut[:, ::-1] if random.random() < flip else cut, dtype=np.uint8)


def resized_crop(image: Picture, size: int, random: np.random.Generator, flip: float) -> Picture:
    """A random window of 8 to 100 % of the area, aspect 3:4 to 4:3, resized, maybe mirrored.

    Ten tries, then the middle (Szegedy et al. 2015, as every ImageNet recipe does it).
    """
    height, width = image.shape[:2]
    for _ in range(10):
        area = height * width * random.uniform(0.08, 1)
        aspect = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            top, left = random.integers(0, height - h + 1), random.integers(0, width - w + 1)
            cut = fill(image[top : top + h, left : left + w], size)
            break
    else:
        cut = fit_picture(image, size)
    return cut[:, ::-1] if random.random() < flip else cut


def fill(image: Picture, size: int) -> Picture:
    """The whole picture at `size` × `size`, whatever its aspect."""
    how = cv2.INTER_AREA if size < min(image.shape[:2]) else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=how), dtype=np.uint8)


class LabelledPictures(Dataset[dict[str, Tensor]]):
    """A data set as samples of a batch.

    Args:
        pictures: The data set.
        size: Side of the pictures, in pixels.
        resize: See `fit_picture`.
        augment: "shift", "resized_crop", or "none": the middle of the picture.
        flip: How often a picture is mirrored.
        seed: A sample is a function of (seed, epoch, index), whatever process makes it.
    """

    def __init__(
        self,
        pictures: ImageDataset,
        size: int,
        *,
        resize: int | None = None,
        augment: Augment = "none",
        flip: float = 0.5,
        seed: int = 0,
    ) -> None:
        self.pictures = pictures
        self.size = size
        self.resize = resize
        self.augment: Augment = augment
        self.flip = flip
        self.seed = seed

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Tensor]:
        """The sample of picture `index`, or of (`index`, `epoch`)."""
        index, epoch = item if isinstance(item, tuple) else (item, 0)
        image = self.pictures.picture(index)
        if self.augment == "none":
            image = fit_picture(image, self.size, self.resize)
        else:
            random = np.random.default_rng((self.seed, epoch, index))
            if self.augment == "shift":
                image = fit_picture(image, self.size)
                image = shifted(image, self.size // 8, random, self.flip)
            else:
                image = resized_crop(image, self.size, random, self.flip)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
            "label": torch.tensor(self.pictures.labels[index]),
            "index": torch.tensor(index),
        }


class ImageData(LightningDataModule):
    """Training, validation and test batches of a data set of labelled pictures.

    Args:
        dataset: "ccp", "cifar10", "cifar100", "digits" or "imagenet".
        root: The data set's folder; None: its own below the data root.
        size: Side of the pictures, in pixels.
        resize: Validation and test: the shorter side before the middle is cut out; None: `size`.
        batch_size: Pictures a step and device.
        workers: Processes that load; 0: the training process does it.
        augment: Of training: "none"; "shift" by up to an eighth of the side (CIFAR's recipe);
            "resized_crop" (ImageNet's).
        flip: How often an augmented picture is mirrored.
        train_split: Part that is trained on.
        val_split: Part that chooses the best epoch.
        test_split: Part that is reported.
        seed: Of order and augmentation; None: that of `seed_everything`.
    """

    def __init__(
        self,
        dataset: Name,
        *,
        root: str | None = None,
        size: int = 32,
        resize: int | None = None,
        batch_size: int = 128,
        workers: int = 0,
        augment: Augment = "shift",
        flip: float = 0.5,
        train_split: str = "train",
        val_split: str = "test",
        test_split: str = "test",
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if dataset not in DATASETS:
            raise UnknownNameError("data set", dataset, DATASETS)
        if resize is not None and resize < size:
            raise InputError(f"Pictures of {size} cannot be cut out of {resize}: raise resize.")
        self.dataset = dataset
        self.root = root
        self.size = size
        self.resize = resize
        self.batch_size = batch_size
        self.workers = workers
        self.augment: Augment = augment
        self.flip = flip
        self.splits = {"train": train_split, "val": val_split, "test": test_split}
        self.seed = seed
        self._loaded: dict[str, ImageDataset] = {}

    def pictures(self, part: Literal["train", "val", "test"]) -> ImageDataset:
        """The data set's part."""
        if part not in self._loaded:
            kind: Any = DATASETS[self.dataset]
            self._loaded[part] = kind(self.splits[part], self.root)
        return self._loaded[part]

    def train_dataloader(self) -> DataLoader:
        """Shuffled, augmented; goes on inside an epoch where the trainer does."""
        seed = int(os.environ.get("PL_GLOBAL_SEED", "0")) if self.seed is None else self.seed
        samples = LabelledPictures(
            self.pictures("train"), self.size, augment=self.augment, flip=self.flip, seed=seed
        )
        sampler = resumable_sampler(samples, self.trainer, self.batch_size, seed)
        return make_loader(samples, self.batch_size, self.workers, sampler)

    def val_dataloader(self) -> DataLoader:
        """The middles of the pictures, in order."""
        return make_loader(self._plain("val"), self.batch_size, self.workers)

    def test_dataloader(self) -> DataLoader:
        """The middles of the pictures, in order."""
        return make_loader(self._plain("test"), self.batch_size, self.workers)

    def _plain(self, part: Literal["val", "test"]) -> LabelledPictures:
        return LabelledPictures(self.pictures(part), self.size, resize=self.resize)
