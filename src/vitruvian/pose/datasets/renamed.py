"""A data set's people in the joints of another skeleton, by the joints' names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import Skeleton
from vitruvian.pose.datasets.base import Floats, PersonAnnotation, PoseDataset


class RenamedPeople(PoseDataset):
    """People with the joints of `skeleton`; those that the data set lacks are not labelled.

    It is scored as ever, in its own joints; one that `skeleton` lacks counts as not found.

    Args:
        people: The data set.
        skeleton: That it is seen in.

    Raises:
        InputError: they have no joint in common.
    """

    def __init__(self, people: PoseDataset, skeleton: Skeleton) -> None:
        self.inner = people
        self.skeleton = skeleton
        self.problems = people.problems
        own = people.skeleton.joints
        self.common = [name for name in skeleton.joints if name in own]
        if not self.common:
            raise InputError(f"{people.title} has no joint of {skeleton.name}.")
        self._here = [skeleton.index[name] for name in self.common]
        self._there = [people.skeleton.index[name] for name in self.common]

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> PersonAnnotation:
        person = self.inner[index]
        joints = np.zeros((len(self.skeleton), 3), dtype=np.float32)
        joints[self._here] = person.joints[self._there]
        return replace(person, joints=joints)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """As the data set has it."""
        return self.inner.picture(index)

    def of_epoch(self, epoch: int) -> Self:
        """As the data set has them."""
        self.inner = self.inner.of_epoch(epoch)
        return self

    def verify(self) -> int:
        """As the data set does."""
        return self.inner.verify()

    def evaluate(self, joints: Mapping[int, Floats]) -> dict[str, float]:
        """The data set's own metrics."""
        own = {}
        for index, found in joints.items():
            own[index] = np.full((len(self.inner.skeleton), 3), np.nan, dtype=np.float32)
            own[index][:, 2] = 0
            own[index][self._there] = found[self._here]
        return self.inner.evaluate(own)
