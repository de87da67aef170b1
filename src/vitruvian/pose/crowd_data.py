"""Batches of whole pictures with all of their people, for the systems that group joints by tags.

A batch is a dict; B pictures, P people at most, J joints, S the side of the square picture, and for
each stride s of the network's maps:

| key | shape, type | what |
| --- | --- | --- |
| `image` | (B, 3, S, S) uint8 | RGB |
| `target{s}` | (B, J, S/s, S/s) float32 | heat maps in [0, 1], the highest of all people |
| `mask{s}` | (B, S/s, S/s) float32 | 0 where people are that have no labels |
| `places{s}` | (B, P, J, 2) int64 | place of a joint's tag in all tag maps, and 1; or 0, 0 |
| `index` | (B,) int64 | the picture's place in the data set |

Pictures of validation and test come as they are, from `Pictures.picture`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.sampling import make_loader, resumable_sampler
from vitruvian.pose.data import DATASETS, open_people
from vitruvian.pose.datasets.base import PoseDataset, read_picture
from vitruvian.pose.datasets.coco import CocoFormat
from vitruvian.pose.datasets.world_crowds import RenderedCrowds
from vitruvian.pose.heatmaps import gaussian_targets
from vitruvian.pose.topdown import Crop

Floats = NDArray[np.float32]
TRANSLATION = 40 / 200
"""How far the middle moves at most, in units of the side that is scaled."""


class Pictures(Dataset[dict[str, Tensor]]):
    """The pictures of a data set as samples of a batch.

    Args:
        people: The data set.
        size: Side of the square picture.
        strides: Pixels of it in one of the maps.
        sigma: Of the target maps, in their pixels.
        side: Which side of a picture is scaled to `size` before it is augmented.
        augment: Arguments of `draw`; None: plain pictures.
        limit: People of a picture that tags are learned from.
        seed: A sample is a function of (seed, epoch, index), whatever process makes it.
    """

    def __init__(
        self,
        people: PoseDataset,
        size: int,
        *,
        strides: Sequence[int] = (4, 2),
        sigma: float = 2.0,
        side: Literal["short", "long"] = "short",
        augment: Mapping[str, float] | None = None,
        limit: int = 30,
        seed: int = 0,
    ) -> None:
        if size % max(strides):
            raise InputError(f"The size {size} is no multiple of the strides {list(strides)}.")
        self.people, self.size, self.strides, self.sigma = people, size, tuple(strides), sigma
        self.side, self.augment, self.limit, self.seed = side, augment, limit, seed
        groups = defaultdict(list)
        for index, person in enumerate(people.people):
            groups[person.picture].append(index)
        self.groups = list(groups.items())
        self.unlabelled: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
        if isinstance(people, CocoFormat):
            for entry in filter(is_unlabelled, people.entries):
                self.unlabelled[entry["image_id"]].append(entry)

    def __len__(self) -> int:
        return len(self.groups)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """(height, width, 3) RGB uint8, as the file has it."""
        return read_picture(self.groups[index][0])

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Tensor]:
        """The sample of picture `index`, or of (`index`, `epoch`)."""
        index, epoch = item if isinstance(item, tuple) else (item, 0)
        image = self.picture(index)
        height, width = image.shape[:2]
        side = min(height, width) if self.side == "short" else max(height, width)
        crop = Crop(np.array([width, height]) / 2, np.full(2, side), (self.size, self.size))
        if self.augment is not None:
            random = np.random.default_rng((self.seed, epoch, index))
            crop = draw(random, crop, **self.augment)
        points, visible = self.points(index, crop)
        pixels = np.ascontiguousarray(crop.sample(image).transpose(2, 0, 1))
        sample = {"image": torch.from_numpy(pixels), "index": torch.tensor(index)}
        kept = crop.sample(255 * self._labelled(index, (height, width)))[..., 0]
        for stride in self.strides:
            length = self.size // stride
            target, weight = gaussian_targets(
                points / stride, visible, (length, length), self.sigma, "crowd"
            )
            mask = cv2.resize(kept, (length, length)) > 127
            places = tag_places(points / stride, weight > 0, (length, length), self.limit)
            sample[f"target{stride}"] = torch.from_numpy(target.max(axis=0))
            sample[f"mask{stride}"] = torch.from_numpy(mask.astype(np.float32))
            sample[f"places{stride}"] = torch.from_numpy(places)
        return sample

    def points(self, index: int, crop: Crop) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """Everyone's points (people, points, 2) in pixels of the crop, and which are labelled."""
        joints = np.stack([self.people[place].joints for place in self.groups[index][1]])
        if crop.flip:
            joints = joints[:, self.people.skeleton.flip_order]
        return crop.to_crop(joints[..., :2]), joints[..., 2] > 0

    def _labelled(self, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """(height, width, 3): 0 where people are that have no labels, else 1."""
        mask = np.ones((*size, 3), dtype=np.uint8)
        picture = self.people[self.groups[index][1][0]].facts.get("image_id")
        for entry in self.unlabelled.get(picture, ()):
            mask[region(entry.get("segmentation"), size)] = 0
        return mask

    def evaluate(self, found: Mapping[int, tuple[Floats, Floats]]) -> dict[str, float]:
        """The data set's average precisions, in per cent.

        Args:
            found: Picture's index → people's joints (people, joints, 3) and scores (people,).

        Raises:
            InputError: the data set has no such metric.
        """
        people = self.people
        if not isinstance(people, CocoFormat):
            raise InputError(f"{people.title} has no score for people found in whole pictures.")
        detections, images = [], []
        for index, (joints, scores) in found.items():
            image_id = people[self.groups[index][1][0]].facts["image_id"]
            images.append(image_id)
            points = joints.astype(np.float64) - [0.5, 0.5, 0]
            for person, score in zip(points, scores.tolist(), strict=True):
                row = {"image_id": image_id, "category_id": 1, "score": score}
                detections.append({**row, "keypoints": person.ravel().tolist()})
        truth = [person for person in people.truth() if person["image_id"] in set(images)]
        statistics = people.precision(truth, detections, images)
        return {name: 100 * value if value >= 0 else value for name, value in statistics.items()}


def draw(
    random: np.random.Generator,
    crop: Crop,
    *,
    smallest: float = 0.75,
    largest: float = 1.5,
    rotation: float = 30.0,
    translation: float = TRANSLATION,
    flip: float = 0.5,
) -> Crop:
    """Augment the crop of a whole picture as HigherHRNet does.

    Args:
        random: Source of chance.
        crop: The plain crop.
        smallest: Least factor on the window.
        largest: Greatest one.
        rotation: Greatest angle in degrees.
        translation: Greatest shift, in units of the window.
        flip: Probability of a mirrored picture.
    """
    size = crop.size * random.uniform(smallest, largest)
    center = crop.center + random.uniform(-translation, translation, 2) * size
    angle = random.uniform(-rotation, rotation)
    return Crop(center, size, crop.output_size, angle, flip=bool(random.random() < flip))


def tag_places(
    points: NDArray[np.float64], visible: NDArray[Any], map_size: tuple[int, int], limit: int
) -> NDArray[np.int64]:
    """Where the tags of labelled joints are, for `tag_loss`.

    Args:
        points: (people, joints, 2) in pixels of the map.
        visible: (people, joints): which joints are labelled and in the map.
        map_size: (width, height).
        limit: People at most.

    Returns:
        (limit, joints, 2): place among all joints' maps, one after the other, and 1; or 0, 0.
    """
    width, height = map_size
    cells = np.trunc(points).astype(np.int64)
    joints = np.arange(points.shape[1])
    place = (joints * height + cells[..., 1]) * width + cells[..., 0]
    found = np.stack([place, np.ones_like(place)], axis=-1) * visible[..., None].astype(np.int64)
    found = found[visible.any(axis=1)][:limit]
    padding = np.zeros((limit - len(found), points.shape[1], 2), dtype=np.int64)
    return np.concatenate([found, padding])


def is_unlabelled(entry: Mapping[str, Any]) -> bool:
    """Whether an annotation in COCO's format is of a crowd, or of a person without joints."""
    return bool(entry.get("iscrowd")) or entry.get("num_keypoints") == 0


def region(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(height, width): inside of a segmentation in COCO's format.

    Args:
        segmentation: Polygons, each a list x, y, x, y, …; or {"counts": [...]}, the lengths of
            runs outside and inside, column by column; or {"counts": "..."}, these compressed.
        size: (height, width).
    """
    mask = np.zeros(size, dtype=np.uint8)
    if isinstance(segmentation, dict) and isinstance(segmentation["counts"], str):
        from faster_coco_eval import mask as coco_mask

        runs = {"size": list(size), "counts": segmentation["counts"].encode()}
        mask = np.asarray(coco_mask.decode(runs), dtype=np.uint8)
    elif isinstance(segmentation, dict):
        lengths = segmentation["counts"]
        flat = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(np.uint8)
        mask.T.flat[: len(flat)] = flat[: mask.size]
    elif isinstance(segmentation, list):
        polygons = [np.array(points, dtype=np.float64).reshape(-1, 2) for points in segmentation]
        cv2.fillPoly(mask, [np.round(points).astype(np.int32) for points in polygons], (1,))
    return mask > 0


class CrowdData(LightningDataModule):
    """Training, validation and test pictures of a data set of crowds.

    Args:
        dataset: A data set in COCO's format.
        root: The data set's folder; None: its own below the data root.
        size: Side of the square training picture, in pixels.
        strides: Of the network's maps.
        side: As in `Pictures`.
        batch_size: Pictures a step and device.
        workers: Processes that load; 0: the training process does it.
        sigma: Of the target maps, in their pixels.
        smallest: As in `draw`.
        largest: Likewise.
        rotation: Likewise.
        flip: Likewise.
        train_split: Part that is trained on.
        val_split: Part that chooses the best epoch.
        test_split: Part that is reported.
        counts: Pictures of some splits, of "world_crowds" only; the others have their own number.
        skip_bad: Go on without annotations that lie; they are counted on stderr.
        seed: Of order and augmentation; None: that of `seed_everything`.

    Raises:
        UnknownNameError: there is no such data set.
        InputError: counts are given for another one than "world_crowds".

    Attributes:
        pictures_class: That of a subclass may have other points.
    """

    pictures_class: ClassVar[type[Pictures]] = Pictures

    def __init__(
        self,
        dataset: str = "coco",
        *,
        root: str | None = None,
        size: int = 512,
        strides: Sequence[int] = (4, 2),
        side: Literal["short", "long"] = "short",
        batch_size: int = 12,
        workers: int = 0,
        sigma: float = 2.0,
        smallest: float = 0.75,
        largest: float = 1.5,
        rotation: float = 30.0,
        flip: float = 0.5,
        train_split: str = "train",
        val_split: str = "validation",
        test_split: str = "validation",
        counts: dict[str, int] | None = None,
        skip_bad: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if dataset not in DATASETS:
            raise UnknownNameError("data set", dataset, DATASETS)
        if counts and dataset != RenderedCrowds.name:
            raise InputError(
                f"Only {RenderedCrowds.name} is made in any number: leave data.counts out for "
                f"{dataset}."
            )
        self.dataset, self.root = dataset, root
        self.counts, self.skip_bad = counts or {}, skip_bad
        self.size, self.strides, self.side, self.sigma = size, tuple(strides), side, sigma
        self.batch_size, self.workers, self.seed = batch_size, workers, seed
        self.augment = {
            "smallest": smallest,
            "largest": largest,
            "rotation": rotation,
            "flip": flip,
        }
        self.splits = {"train": train_split, "val": val_split, "test": test_split}
        self._loaded: dict[str, Pictures] = {}

    def pictures(self, part: str) -> Pictures:
        """The pictures of a part: "train", "val" or "test"."""
        if part not in self._loaded:
            self._loaded[part] = self.load(part)
        return self._loaded[part]

    def load(self, part: str) -> Pictures:
        """Read the pictures of a part."""
        return self.pictures_class(
            self.people(part),
            self.size,
            strides=self.strides,
            sigma=self.sigma,
            side=self.side,
            augment=self.augment if part == "train" else None,
            seed=self.drawing_seed(),
        )

    def people(self, part: str) -> PoseDataset:
        """The annotations of a part."""
        split = self.splits[part]
        options = {"count": self.counts[split]} if split in self.counts else {}
        return open_people(self.dataset, split, self.root, skip_bad=self.skip_bad, **options)

    def drawing_seed(self) -> int:
        """What order and augmentation are a function of."""
        return int(os.environ.get("PL_GLOBAL_SEED", "0")) if self.seed is None else self.seed

    def train_dataloader(self) -> DataLoader:
        """Shuffled, augmented; goes on inside an epoch where the trainer does."""
        pictures = self.pictures("train")
        sampler = resumable_sampler(pictures, self.trainer, self.batch_size, pictures.seed)
        return make_loader(pictures, self.batch_size, self.workers, sampler)

    def val_dataloader(self) -> DataLoader:
        """In order."""
        return make_loader(self.pictures("val"), self.batch_size, self.workers)

    def test_dataloader(self) -> DataLoader:
        """In order."""
        return make_loader(self.pictures("test"), self.batch_size, self.workers)
