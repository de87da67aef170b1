"""Batches of windows of tracks.

A batch is a dict of S windows with N people in all:

| key | shape, type | what |
| --- | --- | --- |
| `past` | (N, 8, 2) float32 | observed positions |
| `future` | (N, 12, 2) float32 | the positions that follow |
| `scene` | (N,) int64 | place of the person's window in the batch, in order |
| `index` | (S,) int64 | place of each window in the data set |
| `patches` | (N, classes, 12, 12) float32 | with layouts: see `cut_patches` |
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vitruvian.core.errors import InputError
from vitruvian.core.sampling import make_loader, resumable_sampler
from vitruvian.motion.datasets.eth_ucy import EthUcy, check_fold
from vitruvian.motion.datasets.sdd import Sdd
from vitruvian.motion.datasets.trajnet import TrajNet
from vitruvian.motion.datasets.world import WorldCrowds
from vitruvian.motion.layouts import Layout, cut_patches
from vitruvian.motion.tracks import OBSERVED, Windows


class TrackWindows(Dataset[dict[str, Tensor]]):
    """Windows as batches: `__getitems__` makes a whole one at once.

    Args:
        windows: The windows.
        augment: Whether each is turned, mirrored, scaled and may run backwards.
        scale: The logarithm of the scale is drawn from ±this.
        reverse: How often time runs backwards.
        most: A window keeps at most so many people, who are around one of them; 0: all.
        layouts: Whether each person's surroundings are cut from the scene's layout.
        seed: A sample is a function of (seed, epoch, index), whatever process makes it.
    """

    def __init__(
        self,
        windows: Windows,
        *,
        augment: bool = False,
        scale: float = 0.0,
        reverse: float = 0.0,
        most: int = 0,
        layouts: bool = False,
        seed: int = 0,
    ) -> None:
        self.windows = windows
        self.augment = augment
        self.scale = scale
        self.reverse = reverse
        self.most = most
        self.layouts = layouts
        self.seed = seed

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Tensor]:
        """The batch of one window."""
        return self.__getitems__([item])

    def __getitems__(self, items: Sequence[int | tuple[int, int]]) -> dict[str, Tensor]:
        """The batch of windows `index`, or of (`index`, `epoch`)."""
        pairs = [item if isinstance(item, tuple) else (item, 0) for item in items]
        pieces = [self._piece(index, epoch) for index, epoch in pairs]
        tracks = torch.from_numpy(np.concatenate([piece for piece, _ in pieces]))
        counts = torch.tensor([len(piece) for piece, _ in pieces])
        batch = {
            "past": tracks[:, :OBSERVED],
            "future": tracks[:, OBSERVED:],
            "scene": torch.arange(len(pieces)).repeat_interleave(counts),
            "index": torch.tensor([index for index, _ in pairs]),
        }
        if self.layouts:
            seen = [cut_patches(layout, piece[:, :OBSERVED]) for piece, layout in pieces if layout]
            batch["patches"] = torch.cat(seen)
        return batch

    def _piece(self, index: int, epoch: int) -> tuple[NDArray[np.float32], Layout | None]:
        tracks = self.windows.tracks[self.windows.rows(index)]
        layout = self.windows.layouts[index]
        if not self.augment:
            return tracks, layout
        random = np.random.default_rng((self.seed, epoch, index))
        if self.most and len(tracks) > self.most:
            now = tracks[:, OBSERVED - 1]
            far = np.square(now - now[random.integers(len(now))]).sum(axis=1)
            tracks = tracks[np.argsort(far, kind="stable")[: self.most]]
        angle, scale = random.uniform(0, 2 * np.pi), np.exp(random.uniform(-self.scale, self.scale))
        cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
        mirror = random.choice((-1.0, 1.0))
        turn = np.array([[cosine, sine], [-sine * mirror, cosine * mirror]], dtype=np.float32)
        if random.random() < self.reverse:
            tracks = tracks[:, ::-1]
        return np.ascontiguousarray(tracks @ turn), layout and layout.turned(turn)


def _as_it_is(batch: Any) -> dict[str, Tensor]:
    return batch


class TrackData(LightningDataModule):
    """Training, validation and test batches of windows of tracks.

    Args:
        dataset: "eth_ucy", "sdd", "trajnet" or "world".
        fold: Of ETH/UCY: the scene that is tested on; see `EthUcy`.
        root: The data set's folder; None: its own below the data root.
        batch_size: Windows a step and device.
        workers: Processes that load; 0: the training process does it.
        augment: Of training; see `TrackWindows`.
        scale: Likewise.
        reverse: Likewise.
        most: Likewise.
        unit: Of the world's crowds: "m", or "heights" for tracks in pictures.
        layouts: Whether people see the layout around them: of the world's crowds in metres.
        crowds: Of the world's training; 0: as many as usual.
        seed: Of order and augmentation; None: that of `seed_everything`.
    """

    def __init__(
        self,
        dataset: Literal["eth_ucy", "sdd", "trajnet", "world"] = "eth_ucy",
        *,
        fold: str = "eth",
        root: str | None = None,
        batch_size: int = 32,
        workers: int = 0,
        augment: bool = True,
        scale: float = 0.0,
        reverse: float = 0.0,
        most: int = 24,
        unit: Literal["m", "heights"] = "m",
        layouts: bool = False,
        crowds: int = 0,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        check_fold(fold)
        if most and most < 2:
            raise InputError(f"A window needs two people or more, not {most}: raise most.")
        if layouts and (dataset, unit) != ("world", "m"):
            raise InputError(
                "Only the data set 'world' in metres has layouts: set data.layouts to false."
            )
        self.dataset = dataset
        self.unit = unit
        self.layouts = layouts
        self.crowds = crowds
        self.fold = fold
        self.root = root
        self.batch_size = batch_size
        self.workers = workers
        self.augment = augment
        self.scale = scale
        self.reverse = reverse
        self.most = most
        self.seed = seed

    def windows(self, part: Literal["train", "val", "test"]) -> Windows:
        """The data set's part."""
        if self.dataset == "sdd":
            return Sdd(part, self.root).windows
        if self.dataset == "trajnet":
            return TrajNet(part, self.root).windows
        if self.dataset == "world":
            count = self.crowds if self.crowds and part == "train" else None
            return WorldCrowds(part, self.root, count=count, unit=self.unit).windows
        return EthUcy(self.fold, part, self.root).windows

    def train_dataloader(self) -> DataLoader:
        """Shuffled, augmented; goes on inside an epoch where the trainer does."""
        seed = int(os.environ.get("PL_GLOBAL_SEED", "0")) if self.seed is None else self.seed
        samples = TrackWindows(
            self.windows("train"),
            augment=self.augment,
            scale=self.scale,
            reverse=self.reverse,
            most=self.most,
            layouts=self.layouts,
            seed=seed,
        )
        sampler = resumable_sampler(samples, self.trainer, self.batch_size, seed)
        return make_loader(samples, self.batch_size, self.workers, sampler, collate_fn=_as_it_is)

    def val_dataloader(self) -> DataLoader:
        """The windows as they are, in order."""
        samples = TrackWindows(self.windows("val"), layouts=self.layouts)
        return make_loader(samples, self.batch_size, self.workers, collate_fn=_as_it_is)

    def test_dataloader(self) -> DataLoader:
        """The windows as they are, in order."""
        samples = TrackWindows(self.windows("test"), layouts=self.layouts)
        return make_loader(samples, self.batch_size, self.workers, collate_fn=_as_it_is)
