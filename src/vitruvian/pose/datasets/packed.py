"""People packed into two files: quick to read, easy to move, with whatever joints are known."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import find_data, whole_file
from vitruvian.core.skeletons import Skeleton, find_skeleton
from vitruvian.pose.datasets.base import (
    Floats,
    PersonAnnotation,
    PoseDataset,
    check_person,
    read_annotations,
)
from vitruvian.pose.metrics import pck
from vitruvian.pose.topdown import PADDING

PEOPLE, PICTURES = "people.npz", "pictures.bin"
HELD_OUT = 40
"""One person in so many is for validation."""

_ARRAYS = ("names", "joints", "boxes", "starts", "sizes", "sources", "times")
_TORSO = ("left_shoulder", "right_hip")


@dataclass(frozen=True, eq=False)
class Packed:
    """A person to pack.

    Attributes:
        picture: A JPEG or PNG file's content; the person is alone in it, or the largest.
        joints: (joints, 3): x, y in house pixels; 0 where nothing is known, 1 hidden, 2 seen.
        box: (4,): x1, y1, x2, y2 of what can be seen of the person.
        source: Where the picture is from, in a word.
        times: How often an epoch of training has the person.
    """

    picture: bytes
    joints: NDArray[np.floating]
    box: NDArray[np.floating]
    source: str
    times: int = 1


def pack_people(folder: Path, names: Sequence[str], people: Iterable[Packed]) -> int:
    """Write people into a folder; its two files appear whole, at the end.

    Args:
        folder: Made if needed.
        names: Of the joints.
        people: In their order.

    Returns:
        How many there were.

    Raises:
        InputError: there were none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    joints, boxes, sizes, sources, times = [], [], [], [], []
    with whole_file(folder / PICTURES) as part:
        with part.open("wb") as file:
            for person in people:
                file.write(person.picture)
                joints.append(np.asarray(person.joints, dtype=np.float32))
                boxes.append(np.asarray(person.box, dtype=np.float32))
                sizes.append(len(person.picture))
                sources.append(person.source)
                times.append(person.times)
        if not joints:
            raise InputError(f"There is nobody to pack into {folder}.")
        with whole_file(folder / PEOPLE) as table:
            np.savez(
                table,
                names=np.array(names),
                joints=np.stack(joints),
                boxes=np.stack(boxes),
                starts=np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64),
                sizes=np.array(sizes, dtype=np.int64),
                sources=np.array(sources),
                times=np.array(times),
            )
    return len(joints)


class PackedPeople(PoseDataset):
    """People that `pack_people` wrote; joints that a person lacks are not labelled.

    Args:
        split: "train" or "validation": every fortieth person.
        root: The folder; None: `packed` below the data root.
        skeleton: Name of the skeleton that they are given in.
        skip_bad: Whether to go on without annotations that lie.

    Raises:
        InputError: the folder is not whole.
    """

    name: ClassVar[str] = "packed"
    title: ClassVar[str] = "Packed people"
    licence: ClassVar[str] = "that of what was packed"
    splits: ClassVar[tuple[str, ...]] = ("train", "validation")

    def __init__(
        self,
        split: str = "validation",
        root: str | Path | None = None,
        *,
        skeleton: str = "halpe26",
        skip_bad: bool = False,
    ) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        self.skeleton: Skeleton = find_skeleton(skeleton)
        folder = find_data(self.name, root)
        self.file = folder / PICTURES
        table = folder / PEOPLE

        def load() -> dict[str, NDArray]:
            with np.load(table, allow_pickle=False) as content:
                return {name: content[name] for name in _ARRAYS}

        content = read_annotations(table, load)
        whole = int(content["sizes"].sum())
        if not self.file.is_file() or self.file.stat().st_size != whole:
            raise InputError(f"{self.file} does not hold the {whole} bytes that {table} tells of.")
        self._starts, self._sizes = content["starts"], content["sizes"]
        self._open: tuple[int, int] | None = None
        points, seen = self._joints(content, table)
        held = np.arange(len(points)) % HELD_OUT == 0
        labelled = (points[..., 2] > 0).any(axis=1)
        times = held if split == "validation" else np.where(held, 0, content["times"])
        torso = _torso_lengths(content)
        low, high = content["boxes"][:, :2], content["boxes"][:, 2:]
        middles, extents = (low + high) / 2, np.maximum(high - low, 1) * PADDING
        people = [
            PersonAnnotation(
                self.file,
                points[place],
                middles[place],
                extents[place],
                facts={
                    "place": int(place),
                    "seen": seen[place],
                    "torso": float(torso[place]),
                    "source": str(content["sources"][place]),
                },
            )
            for place in np.repeat(np.arange(len(points)), times * labelled)
        ]
        super().__init__(people, table, skip_bad=skip_bad)

    def _joints(self, content: Mapping[str, NDArray], table: Path) -> tuple[Floats, NDArray]:
        """(people, joints, 3): x, y, labelled; and (people, joints) whether they can be seen."""
        names = content["names"].tolist()
        known = [(to, names.index(n)) for to, n in enumerate(self.skeleton.joints) if n in names]
        if not known:
            raise InputError(f"{table} knows no joint of {self.skeleton.name}.")
        to, origin = (list(places) for places in zip(*known, strict=True))
        points = np.zeros((len(content["joints"]), len(self.skeleton), 3), dtype=np.float32)
        points[:, to] = content["joints"][:, origin]
        seen = points[..., 2] > 1
        points[..., 2] = points[..., 2] > 0
        return points * points[..., 2:], seen

    def verify(self) -> int:
        """Decode every picture, and look for joints far outside of it; see the base class."""
        for index, person in enumerate(self.people):
            height, width = self.picture(index).shape[:2]
            check_person(person, (width, height))
        return len(self.people)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """(height, width, 3) RGB uint8: the picture that person `index` is in."""
        place = self.people[index].facts["place"]
        if self._open is None or self._open[0] != os.getpid():
            self._open = (os.getpid(), os.open(self.file, os.O_RDONLY))
        data = os.pread(self._open[1], int(self._sizes[place]), int(self._starts[place]))
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise InputError(f"Picture {place} of {self.file} is damaged: make it anew.")
        return np.asarray(image, dtype=np.uint8)

    def evaluate(self, joints: Mapping[int, Floats]) -> dict[str, float]:
        """PCK@0.2 of the torso over the joints that are seen, of each source and of all."""
        order = [index for index in sorted(joints) if self.people[index].facts["torso"] > 0]
        predicted = np.stack([joints[index][:, :2] for index in order])
        people = [self.people[index] for index in order]
        truth = np.stack([person.joints[:, :2] for person in people])
        seen = np.stack([person.facts["seen"] for person in people])
        lengths = np.array([person.facts["torso"] for person in people])
        sources = np.array([person.facts["source"] for person in people])
        found = {"pck@0.2": 100 * pck(predicted, truth, lengths, 0.2, seen).pooled}
        for source in dict.fromkeys(sources.tolist()):
            own = sources == source
            scores = pck(predicted[own], truth[own], lengths[own], 0.2, seen[own])
            found[f"pck@0.2/{source}"] = 100 * scores.pooled
        return found


def _torso_lengths(content: Mapping[str, NDArray]) -> Floats:
    """(people,) from the right shoulder to the left hip; NaN where one is not labelled."""
    names = content["names"].tolist()
    ends = content["joints"][:, [names.index(name) for name in _TORSO]]
    lengths = np.linalg.norm(ends[:, 0, :2] - ends[:, 1, :2], axis=1)
    lengths[(ends[..., 2] == 0).any(axis=1)] = np.nan
    return lengths
