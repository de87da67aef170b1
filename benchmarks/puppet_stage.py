"""Where puppets are drawn: who, in which pose, before what, and beside whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from puppets import POSED, Part, draw_puppet, face_points, fit_parts
from vitruvian.core.skeletons import mirrored_name

Row = tuple[NDArray[np.uint8], NDArray, NDArray, int]
"""A picture (BGR), joints (joints, 3) as `Packed` has them, the box, and a number of one's own."""


class Stage:
    """Draws puppets: who, in which pose, where, and beside whom, is chance.

    Args:
        people: Of `photo_parts`.
        poses: (poses, joints, 2): acrobats in the order of `names`.
        names: Of joints.
        backgrounds: Pictures (BGR).
    """

    def __init__(
        self,
        people: Sequence[Mapping[str, Part]],
        poses: NDArray[np.floating],
        names: Sequence[str],
        backgrounds: Sequence[NDArray[np.uint8]],
    ) -> None:
        self.people, self.backgrounds = people, backgrounds
        self.names = list(names)
        self.poses = poses[:, [self.names.index(name) for name in POSED]]
        self.mirrored = [POSED.index(mirrored_name(name)) for name in POSED]

    def draw(self, random: np.random.Generator) -> Row:
        """One puppet, and what `Packed` needs of it."""
        size = random.uniform(130, 260)
        parts, pose = self._cast(random, size)
        width, height = (np.ptp(pose, axis=0) + 0.6 * size).astype(int).tolist()
        behind = self._background(random, width, height)
        if random.random() < 0.3:
            behind = self._someone_else(random, behind, size * random.uniform(0.3, 1.0))
        pose = pose + np.array([width, height]) / 2
        moves = _fitted(parts, pose)
        told = dict(zip(POSED, pose, strict=True)) | face_points(parts, moves)
        joints = np.zeros((len(self.names), 3), dtype=np.float32)
        for name, (x, y) in told.items():
            joints[self.names.index(name)] = (x + 0.5, y + 0.5, 2)
        low = np.maximum(pose.min(axis=0) - 0.05 * size, 0)
        high = np.minimum(pose.max(axis=0) + 0.05 * size, (width, height))
        picture = draw_puppet(parts, moves, behind, random)
        return picture, joints, np.concatenate([low, high]), 0

    def _cast(
        self, random: np.random.Generator, size: float
    ) -> tuple[Mapping[str, Part], NDArray[np.floating]]:
        """Somebody, and a pose around (0, 0) that he or she can be drawn in."""
        while True:
            parts = self.people[int(random.integers(len(self.people)))]
            pose = self._pose(random, size)
            if fit_parts(parts, dict(zip(POSED, pose, strict=True))) is not None:
                return parts, pose

    def _pose(self, random: np.random.Generator, size: float) -> NDArray[np.floating]:
        """(joints, 2) around (0, 0); the longer side of what they span is `size`."""
        pose = self.poses[random.integers(len(self.poses))]
        angle = np.radians(random.normal(0, 20))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        pose = pose @ turn.T
        if random.random() < 0.5:
            pose = (pose * (-1, 1))[self.mirrored]
        low, high = pose.min(axis=0), pose.max(axis=0)
        return (pose - (low + high) / 2) * size / (high - low).max()

    def _someone_else(
        self, random: np.random.Generator, behind: NDArray[np.uint8], size: float
    ) -> NDArray[np.uint8]:
        """The background with another puppet, mostly at its left or right."""
        height, width = behind.shape[:2]
        across = random.uniform(0, 1) if random.random() < 0.3 else random.choice([-0.05, 1.05])
        parts, pose = self._cast(random, size)
        place = np.array([across * width, random.uniform(0.2, 0.9) * height])
        return draw_puppet(parts, _fitted(parts, pose + place), behind, random)

    def _background(
        self, random: np.random.Generator, width: int, height: int
    ) -> NDArray[np.uint8]:
        """Part of a photo without its people; some out of focus, some upside down."""
        photo = self.backgrounds[int(random.integers(len(self.backgrounds)))]
        tall = int(photo.shape[0] * random.uniform(0.45, 1.0))
        wide = min(photo.shape[1], int(tall * width / height))
        top = random.integers(0, photo.shape[0] - tall + 1)
        left = random.integers(0, photo.shape[1] - wide + 1)
        part: Any = photo[top : top + tall, left : left + wide]
        part = part[:: -1 if random.random() < 0.15 else 1, :: -1 if random.random() < 0.5 else 1]
        way = cv2.INTER_AREA if tall > height else cv2.INTER_LINEAR
        part = cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=way)
        if random.random() < 0.1:
            part = cv2.GaussianBlur(part, (0, 0), 60)
        elif random.random() < 0.4:
            part = cv2.GaussianBlur(part, (0, 0), random.uniform(0.5, 6))
        return np.asarray(part, dtype=np.uint8)


def _fitted(parts: Mapping[str, Part], pose: NDArray[np.floating]) -> dict[str, NDArray]:
    moves = fit_parts(parts, dict(zip(POSED, pose, strict=True)))
    assert moves is not None  # A pose that fits does so anywhere.
    return moves
