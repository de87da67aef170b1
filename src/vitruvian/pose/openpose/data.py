"""Batches for OpenPose: crops around one person, with everyone's heat maps and affinity fields.

A batch is a dict; B crops of S × S pixels, J joints, K limbs:

| key | shape, type | what |
| --- | --- | --- |
| `image` | (B, 3, S, S) uint8 | RGB, grey beyond the picture |
| `heatmaps` | (B, J + 1, S/8, S/8) float32 | in [0, 1]; the last one is the background |
| `affinities` | (B, 2 K, S/8, S/8) float32 | unit vectors, in the networks' order |
| `mask` | (B, S/8, S/8) float32 | 0 where people are that have no labels |
| `heatmap_weight` | (B, J + 1) float32 | 0 for joints that the data set does not know |
| `affinity_weight` | (B, 2 K) float32 | likewise for limbs |
| `index` | (B,) int64 | the person's place; in validation and test the picture's, and only that |
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import convert_joints
from vitruvian.pose.crowd_data import CrowdData, Pictures
from vitruvian.pose.datasets.base import PersonAnnotation, PoseDataset
from vitruvian.pose.openpose.kinds import find_kind
from vitruvian.pose.openpose.tables import BodyTable
from vitruvian.pose.openpose.targets import Published, draw_affinities, draw_heatmaps
from vitruvian.pose.topdown import PADDING, Crop

STRIDE = 8
GREY = (128, 128, 128)
HEIGHT = 0.6
"""Of the crop's side, what a person's box fills before the zoom."""
JOINTS, AREA, APART = 5, 32**2, 0.3
"""A crop is around people with so many joints, so large a box, and no other crop's centre nearer
than this share of the other person's size."""


class LimbPictures(Pictures):
    """Pictures with the maps that OpenPose learns.

    Args:
        people: The data set.
        size: Side of the crops.
        table: Joints and limbs.
        published: Whose rules draw the maps.
        smallest: Least zoom of the crop's person.
        largest: Greatest one.
        rotation: Greatest angle, in degrees.
        shift: Greatest shift of the middle, in pixels of the crop.
        flip: Probability of a mirrored crop.
        train: Whether these are crops around people; else whole pictures, of which only the index
            is given.
        seed: A sample is a function of (seed, epoch, index).
    """

    def __init__(
        self,
        people: PoseDataset,
        size: int,
        table: BodyTable,
        *,
        published: Published = "v1",
        smallest: float = 0.5,
        largest: float = 1.1,
        rotation: float = 40.0,
        shift: float = 40.0,
        flip: float = 0.5,
        train: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(people, size, strides=(STRIDE,), seed=seed)
        self.table, self.published, self.train = table, published, train
        self.zooms, self.rotation, self.shift, self.flip = (
            (smallest, largest),
            rotation,
            shift,
            flip,
        )
        self.chosen = self._chosen() if train else []
        if train and not self.chosen:
            raise InputError(f"{people.title} has nobody large enough with {JOINTS} joints.")
        known = convert_joints(np.ones((len(people.skeleton), 3)), people.skeleton, table.skeleton)
        self.known = known[:, 2] > 0

    def __len__(self) -> int:
        return len(self.chosen) if self.train else len(self.groups)

    def _chosen(self) -> list[tuple[int, int]]:
        """Picture and person of each crop."""
        found: list[tuple[int, int]] = []
        for picture, (_, group) in enumerate(self.groups):
            taken: list[tuple[NDArray[np.floating], float]] = []
            for place in group:
                person = self.people[place]
                large = float(person.size.prod()) / PADDING**2 >= AREA
                near = any(
                    np.linalg.norm(person.center - center) < APART * size for center, size in taken
                )
                if person.labelled.sum() >= JOINTS and large and not near:
                    found.append((picture, place))
                    taken.append((person.center, float(person.size.max()) / PADDING))
        return found

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Tensor]:
        """The sample of crop `index`, or of (`index`, `epoch`)."""
        index, epoch = item if isinstance(item, tuple) else (item, 0)
        if not self.train:
            return {"index": torch.tensor(index)}
        picture, place = self.chosen[index]
        random = np.random.default_rng((self.seed, epoch, index))
        crop = self._crop(random, self.people[place])
        joints = np.stack([self.people[other].joints for other in self.groups[picture][1]])
        if crop.flip:
            joints = joints[:, self.people.skeleton.flip_order]
        joints = convert_joints(joints, self.people.skeleton, self.table.skeleton)
        points, seen = crop.to_crop(joints[..., :2]) - 0.5, joints[..., 2] > 0
        image = self.picture(picture)
        sides = (self.size, self.size)
        pixels = cv2.warpAffine(image, crop.matrix, sides, borderValue=GREY)
        unlabelled = crop.sample(255 - 255 * self._labelled(picture, image.shape[:2]))[..., 0]
        length = self.size // STRIDE
        maps = (length, length)
        heatmaps = draw_heatmaps(points, seen, maps, STRIDE, published=self.published)
        limbs, channels = self.table.limbs, self.table.channels
        drawn = draw_affinities(points, seen, limbs, maps, STRIDE, published=self.published)
        affinities, weight = np.zeros_like(drawn), np.zeros(len(drawn), dtype=np.float32)
        for axis in (0, 1):
            affinities[channels + axis] = drawn[axis::2]
            weight[channels + axis] = self.known[limbs].all(axis=1)
        mask = cv2.resize(unlabelled, maps) <= 127
        return {
            "image": torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))),
            "heatmaps": torch.from_numpy(heatmaps),
            "affinities": torch.from_numpy(affinities),
            "mask": torch.from_numpy(mask.astype(np.float32)),
            "heatmap_weight": torch.from_numpy(np.append(self.known, 1).astype(np.float32)),
            "affinity_weight": torch.from_numpy(weight),
            "index": torch.tensor(index),
        }

    def _crop(self, random: np.random.Generator, person: PersonAnnotation) -> Crop:
        zoom = random.uniform(*self.zooms)
        side = float(person.size[1]) / PADDING / (HEIGHT * zoom)
        move = random.uniform(-self.shift, self.shift, 2) * side / self.size
        angle = random.uniform(-self.rotation, self.rotation)
        flip = bool(random.random() < self.flip)
        center = np.asarray(person.center, dtype=np.float64) + move
        return Crop(center, np.full(2, side), (self.size, self.size), angle, flip=flip)


class LimbData(CrowdData):
    """Training, validation and test pictures for OpenPose.

    Args:
        dataset: A data set in COCO's format; "coco_wholebody" has feet, which BODY_25 learns.
        kind: The network that is trained: one of `kinds.KINDS`.
        size: Side of the crops, in pixels.
        smallest: As in `LimbPictures`.
        largest: Likewise.
        rotation: Likewise.
        shift: Likewise.
        flip: Likewise.
        options: Of `CrowdData`.
    """

    def __init__(
        self,
        dataset: str = "coco",
        *,
        kind: str = "coco",
        size: int = 368,
        smallest: float = 0.5,
        largest: float = 1.1,
        rotation: float = 40.0,
        shift: float = 40.0,
        flip: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__(dataset, size=size, strides=(STRIDE,), **options)
        self.kind = kind
        find_kind(kind)
        if size % STRIDE:
            raise InputError(f"The size {size} is no multiple of {STRIDE}.")
        self.augment = {"smallest": smallest, "largest": largest, "rotation": rotation}
        self.augment |= {"shift": shift, "flip": flip}

    def load(self, part: str) -> LimbPictures:
        """Read the pictures of a part."""
        kind = find_kind(self.kind)
        return LimbPictures(
            self.people(part),
            self.size,
            kind.table,
            published=kind.published,
            train=part == "train",
            seed=self.drawing_seed(),
            **self.augment,
        )
