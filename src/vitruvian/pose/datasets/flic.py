"""FLIC (Sapp and Taskar, CVPR 2013): upper bodies in films."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import find_data
from vitruvian.core.skeletons import FLIC11, Skeleton
from vitruvian.pose.datasets.base import Floats, PersonAnnotation, PoseDataset, read_matlab
from vitruvian.pose.metrics import pck, torso_length

COLUMNS = (0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 16)
"""Of the 29 columns of `coords`, those of the eleven joints."""

SIDE = 2.75
"""Side of the crop over the torso box's height: CPM's scale of 0.011 in units of 200 pixels, and
the usual quarter around it."""


class Flic(PoseDataset):
    """FLIC's 5,003 people of 30 films, a crop each around the torso box.

    The box is that of a detector, given for training and test alike. The file counts from 1: 0.5
    is taken off. Joints that nobody marked are NaN there.

    Args:
        split: "train" (3,987) or "test" (1,016).
        root: The folder with `examples.mat` and `images`.
        skip_bad: Whether to go on without annotations that lie.

    Raises:
        InputError: files are missing or not as FLIC has them.
    """

    name: ClassVar[str] = "flic"
    title: ClassVar[str] = "Frames Labeled In Cinema"
    licence: ClassVar[str] = "research use"
    skeleton: Skeleton = FLIC11
    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    def __init__(
        self, split: str = "test", root: str | Path | None = None, *, skip_bad: bool = False
    ) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        folder = find_data(self.name, root)
        file = folder / "examples.mat"
        examples = read_matlab(file, ["examples"])["examples"].ravel()
        people = [
            _person(example, folder / "images", file)
            for example in examples
            if _flag(example, f"is{split}", file)
        ]
        super().__init__(people, file, skip_bad=skip_bad)

    def evaluate(self, joints: Mapping[int, Floats]) -> dict[str, float]:
        """PCK@0.2: the mean of elbows and wrists, then each.

        The torso is left shoulder to right hip: with it CPM's released predictions score what its
        paper says.
        """
        order = sorted(joints)
        predicted = np.stack([joints[index][:, :2] for index in order])
        truth = np.stack([self.people[index].joints for index in order])
        torso = torso_length(truth[..., :2], FLIC11, labelled=truth[..., 2])
        metrics = {}
        for part in ("elbow", "wrist"):
            places = [FLIC11.index[f"{side}_{part}"] for side in ("left", "right")]
            scores = pck(
                predicted[:, places], truth[:, places, :2], torso, 0.2, truth[:, places, 2]
            )
            metrics[f"pck@0.2/{part}"] = 100 * scores.pooled
        return {"pck@0.2": float(np.mean(list(metrics.values()))), **metrics}


def _flag(example: Any, name: str, file: Path) -> bool:
    if not hasattr(example, name):
        raise InputError(f"{file} has an example without {name!r}: is it FLIC's own file?")
    return bool(np.ravel(getattr(example, name))[0])


def _person(example: Any, folder: Path, file: Path) -> PersonAnnotation:
    try:
        points = np.asarray(example.coords, dtype=np.float32)[:, list(COLUMNS)].T
        left, top, right, bottom = np.ravel(example.torsobox).astype(np.float32)
        picture = folder / Path(str(np.ravel(example.filepath)[0])).name
        height, width = (int(side) for side in np.ravel(example.imgdims)[:2])
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{file} has an example that cannot be read ({error}).") from error
    labelled = np.isfinite(points).all(axis=1, keepdims=True)
    joints = np.where(labelled, points - 0.5, 0).astype(np.float32)
    center = np.array([(left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5], dtype=np.float32)
    size = np.full(2, SIDE * (bottom - top), dtype=np.float32)
    return PersonAnnotation(
        picture,
        np.concatenate([joints, labelled], axis=1).astype(np.float32),
        center,
        size,
        facts={"picture_size": (width, height)},
    )
