"""Batches of single people, cropped and augmented, for every top-down system.

A batch is a dict; B people, J joints, crops of `width` × `height` pixels:

| key | shape, type | what |
| --- | --- | --- |
| `image` | (B, 3, height, width) uint8 | RGB; each system has its own mean and channel order |
| `keypoints` | (B, J, 2) float32 | pixels of the crop, the first one's centre at (0.5, 0.5) |
| `visible` | (B, J) float32 | 1 where a joint is labelled, else 0 |
| `target` | (B, J, height/4, width/4) float32 | heat maps in [0, 1] |
| `target_weight` | (B, J) float32 | 0 where the joint is not labelled or out of the crop |
| `center` | (B, 2) float32 | middle of the crop in pixels of the picture (before a flip) |
| `size` | (B, 2) float32 | its width and height in pixels of the picture |
| `index` | (B,) int64 | the person's place in the data set |
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vitruvian.core.errors import UnknownNameError
from vitruvian.core.files import whole_file
from vitruvian.core.sampling import make_loader, resumable_sampler
from vitruvian.core.skeletons import find_skeleton
from vitruvian.core.training import say
from vitruvian.pose.datasets.base import PersonAnnotation, PoseDataset
from vitruvian.pose.datasets.coco import CocoKeypoints
from vitruvian.pose.datasets.coco_family import (
    Aic,
    CocoWholeBody,
    CrowdPose,
    Halpe,
    OcHuman,
    PoseTrack18,
)
from vitruvian.pose.datasets.flic import Flic
from vitruvian.pose.datasets.lsp import Lsp
from vitruvian.pose.datasets.mpii import Mpii
from vitruvian.pose.datasets.own import OwnPoints
from vitruvian.pose.datasets.packed import PackedPeople
from vitruvian.pose.datasets.renamed import RenamedPeople
from vitruvian.pose.datasets.world import RenderedPeople
from vitruvian.pose.datasets.world_crowds import RenderedCrowds
from vitruvian.pose.heatmaps import TargetKind, encode_joints
from vitruvian.pose.photometric import other_photo
from vitruvian.pose.topdown import (
    UNIT,
    Augmentation,
    Crop,
    draw_augmentation,
    grow_to_aspect,
    half_body,
)

DATASETS: dict[str, type[PoseDataset]] = {
    "aic": Aic,
    "coco": CocoKeypoints,
    "coco_wholebody": CocoWholeBody,
    "crowdpose": CrowdPose,
    "flic": Flic,
    "halpe": Halpe,
    "lsp": Lsp,
    "mpii": Mpii,
    "ochuman": OcHuman,
    "own": OwnPoints,
    "packed": PackedPeople,
    "posetrack18": PoseTrack18,
    "world": RenderedPeople,
    "world_crowds": RenderedCrowds,
}

ANY_JOINTS = ("packed", "world")
"""Data sets that know more joints than a skeleton has."""

STRIDE = 4
"""Pixels of the crop in one of the map."""
HALF_BODY = 8
"""Half a body is cut out only of people with more labelled joints than this."""
_LOWER = ("hip", "knee", "ankle", "toe", "heel")


class TopDownCrops(Dataset[dict[str, Tensor]]):
    """The people of a data set as samples of a batch.

    Args:
        people: The data set.
        size: Width and height of the crops.
        sigma: Of the target maps, in their pixels.
        encoding: As `kind` of `gaussian_targets`.
        augment: Arguments of `draw_augmentation`; None: plain crops.
        halves: How often a crop shows the upper or the lower body alone (HRNet: 0.3 on COCO).
        photometric: Strength of `other_photo`; 0: colours stay.
        seed: A sample is a function of (seed, epoch, index), whatever process makes it.
    """

    def __init__(
        self,
        people: PoseDataset,
        size: tuple[int, int],
        *,
        sigma: float = 2.0,
        encoding: TargetKind = "biased",
        augment: dict[str, float] | None = None,
        halves: float = 0.0,
        photometric: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.people = people
        self.photometric = photometric
        self.halves = halves
        joints = people.skeleton.joints
        self.upper = [i for i, name in enumerate(joints) if not name.endswith(_LOWER)]
        self.size = size
        self.sigma = sigma
        self.encoding: TargetKind = encoding
        self.augment = augment
        self.seed = seed

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Tensor]:
        """The sample of person `index`, or of (`index`, `epoch`)."""
        index, epoch = item if isinstance(item, tuple) else (item, 0)
        people = self.people.of_epoch(epoch)
        person = people[index]
        change, center, size = Augmentation(), person.center, person.size
        random = np.random.default_rng((self.seed, epoch, index))
        if self.augment is not None:
            change = draw_augmentation(random, **self.augment)
            if self.halves and person.labelled.sum() > HALF_BODY and random.random() < self.halves:
                center, size = self._half(person, random)
        crop = crop_of(center, size, self.size, change, udp=self.encoding == "udp")
        joints = person.joints
        if change.flip:
            joints = joints[people.skeleton.flip_order]
        points = crop.to_crop(joints[:, :2]).astype(np.float32)
        visible = (joints[:, 2] > 0).astype(np.float32)
        width, height = self.size
        maps = (width // STRIDE, height // STRIDE)
        target, weight = encode_joints(
            points, visible, self.size, maps, sigma=self.sigma, kind=self.encoding
        )
        image = other_photo(crop.sample(people.picture(index)), random, self.photometric)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
            "keypoints": torch.from_numpy(points),
            "visible": torch.from_numpy(visible),
            "target": torch.from_numpy(target),
            "target_weight": torch.from_numpy(weight),
            "center": torch.from_numpy(np.asarray(crop.center, dtype=np.float32)),
            "size": torch.from_numpy(np.asarray(crop.size, dtype=np.float32)),
            "index": torch.tensor(index),
        }

    def _half(
        self, person: PersonAnnotation, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Middle and size of a window around half of a person."""
        aspect = self.size[0] / self.size[1]
        found = half_body(person.joints[:, :2], person.labelled, self.upper, aspect, random)
        if found is None or not found[1].min() > 0:
            return person.center, person.size
        return found[0], found[1] * UNIT


def crop_of(
    center: np.ndarray,
    size: np.ndarray,
    output_size: tuple[int, int],
    change: Augmentation | None = None,
    *,
    udp: bool = False,
) -> Crop:
    """The crop around a person's window, grown to the aspect of the output.

    Args:
        center: (2,) in pixels of the picture.
        size: (2,) width and height with their margin.
        output_size: (width, height).
        change: The augmentation.
        udp: See `Crop`.
    """
    change = change or Augmentation()
    grown = grow_to_aspect(size, output_size[0] / output_size[1]) * change.scale
    center = np.asarray(center, dtype=np.float64)
    return Crop(center, grown, output_size, change.rotation, change.flip, udp)


def open_people(name: str, split: str, root: str | None, **options: Any) -> PoseDataset:
    """A part of a data set; what was left out of it is told on stderr.

    Args:
        name: A key of `DATASETS`.
        split: The part.
        root: The data set's folder; None: its own below the data root.
        options: As the data set has them.
    """
    kind: Any = DATASETS[name]
    people: PoseDataset = kind(split, root, **options)
    if people.problems:
        say(f"Left out of {people.title}, {split}: {len(people.problems)} bad annotations.")
    return people


class TopDownData(LightningDataModule):
    """Training, validation and test batches of a data set of single people.

    Args:
        dataset: Name in `DATASETS`, such as "coco", "lsp", "mpii" or "world".
        root: The data set's folder; None: its own below the data root.
        skeleton: Name of another skeleton: the people get its joints, by their names, and those
            that the data set lacks are not labelled. Scores stay the data set's own.
        test_dataset: Another data set for the test, in the same skeleton.
        test_root: Its folder.
        width: Of the crops, in pixels.
        height: Likewise.
        batch_size: People a step and device.
        workers: Processes that load; 0: the training process does it.
        sigma: Of the target maps, in their pixels.
        encoding: Of the target maps: "biased" (the paper), "unbiased" (DARK), "udp".
        scale: Augmentation: deviation of the zoom.
        rotation: Augmentation: deviation of the rotation, in degrees.
        rotation_probability: How often any rotation is done.
        flip: How often a crop is mirrored.
        halves: How often a crop shows the upper or the lower body alone.
        photometric: Strength of the change of colours, sharpness and noise; see `other_photo`.
        train_split: Part that is trained on.
        val_split: Part that chooses the best epoch.
        test_split: Part that is reported.
        detections: COCO only: person boxes of a detector for validation and test (the official
            results JSON); None: the annotated ones.
        skip_bad: Go on without annotations that lie; they are counted on stderr.
        seed: Of order and augmentation; None: that of `seed_everything`.
    """

    def __init__(
        self,
        dataset: str,
        *,
        root: str | None = None,
        skeleton: str | None = None,
        test_dataset: str | None = None,
        test_root: str | None = None,
        width: int = 192,
        height: int = 256,
        batch_size: int = 32,
        workers: int = 0,
        sigma: float = 2.0,
        encoding: TargetKind = "biased",
        scale: float = 0.3,
        rotation: float = 40.0,
        rotation_probability: float = 0.6,
        flip: float = 0.5,
        halves: float = 0.0,
        photometric: float = 0.0,
        train_split: str = "train",
        val_split: str = "validation",
        test_split: str = "test",
        detections: str | None = None,
        skip_bad: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        for name in (dataset, test_dataset or dataset):
            if name not in DATASETS:
                raise UnknownNameError("data set", name, DATASETS)
        self.dataset = dataset
        self.root = root
        self.skeleton_name = skeleton
        self.skeleton = None if skeleton is None else find_skeleton(skeleton)
        self.test_dataset = test_dataset
        self.test_root = test_root
        self.input_size = (width, height)
        self.batch_size = batch_size
        self.workers = workers
        self.sigma = sigma
        self.encoding: TargetKind = encoding
        self.augment = {
            "scale": scale,
            "rotation": rotation,
            "rotation_probability": rotation_probability,
            "flip": flip,
        }
        self.halves = halves
        self.photometric = photometric
        self.splits = {"train": train_split, "val": val_split, "test": test_split}
        self.detections = detections
        self.skip_bad = skip_bad
        self.seed = seed
        self._loaded: dict[str, PoseDataset] = {}

    def setup(self, stage: str) -> None:
        """Before training, look at all annotations, and draw ten into the run's `samples.jpg`."""
        trainer: Any = self.trainer
        if stage != "fit" or trainer is None:
            return
        train = self.people("train")
        self.people("val")
        if trainer.is_global_zero:
            with whole_file(Path(trainer.default_root_dir) / "samples.jpg") as part:
                train.sheet().save(part, "JPEG", quality=90)

    def people(self, part: Literal["train", "val", "test"]) -> PoseDataset:
        """The annotations of a part."""
        if part not in self._loaded:
            name, root = self.dataset, self.root
            if part == "test" and self.test_dataset:
                name, root = self.test_dataset, self.test_root
            options: dict[str, Any] = {"skip_bad": self.skip_bad}
            if self.detections and part != "train":
                options["detections"] = self.detections
            if self.skeleton and name in ANY_JOINTS:
                options["skeleton"] = self.skeleton_name
            people = open_people(name, self.splits[part], root, **options)
            if self.skeleton and people.skeleton.joints != self.skeleton.joints:
                people = RenamedPeople(people, self.skeleton)
            self._loaded[part] = people
        return self._loaded[part]

    def train_dataloader(self) -> DataLoader:
        """Shuffled, augmented; goes on inside an epoch where the trainer does."""
        seed = int(os.environ.get("PL_GLOBAL_SEED", "0")) if self.seed is None else self.seed
        crops = self._crops(
            "train",
            augment=self.augment,
            halves=self.halves,
            photometric=self.photometric,
            seed=seed,
        )
        sampler = resumable_sampler(crops, self.trainer, self.batch_size, seed)
        return make_loader(crops, self.batch_size, self.workers, sampler)

    def val_dataloader(self) -> DataLoader:
        """Plain crops, in order."""
        return make_loader(self._crops("val"), self.batch_size, self.workers)

    def test_dataloader(self) -> DataLoader:
        """Plain crops, in order."""
        return make_loader(self._crops("test"), self.batch_size, self.workers)

    def _crops(self, part: Literal["train", "val", "test"], **options: Any) -> TopDownCrops:
        return TopDownCrops(
            self.people(part), self.input_size, sigma=self.sigma, encoding=self.encoding, **options
        )
