"""Leeds Sports Pose and its extension (Johnson and Everingham, BMVC 2010, CVPR 2011)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import cv2
import numpy as np
from scipy.io import savemat

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import find_data
from vitruvian.core.skeletons import LSP14, Skeleton
from vitruvian.pose.datasets.base import (
    Floats,
    PersonAnnotation,
    PoseDataset,
    read_annotations,
    read_matlab,
)
from vitruvian.pose.metrics import pck, pcp, pcp_parts, torso_length

MARGIN = 1.25
"""Sides of the crop over the joints' extent, as for COCO's boxes."""

VALIDATION = 300


class Lsp(PoseDataset):
    """LSP and LSP extended: sport photos of one person each, scaled so that a person is ~150 px.

    Read in any of three layouts of `joints.mat`: LSP's (3, 14, 2000), whose third row is 1 for a
    *hidden* joint (splits: the first and the last 1,000); LSP extended's (14, 3, 10000), whose
    third column is 1 for a visible one (all training); and a selection of the latter with `ids`,
    `train.txt` and `test.txt`. MATLAB counts from 1: 0.5 is taken off. LSP labels every joint;
    the extension gives those out of sight as 0, which are not scored.

    There are no boxes: the crop is around the joints' extent times 1.25, for training and for
    tests, as is usual on this set. Metrics thus know where the person is.

    Args:
        split: "train", "test"; or "fit" and "validation": train without and only its last 300.
        root: The folder with `joints.mat` and `images`; None: `lsp_extended` below the data root.
        skip_bad: Whether to go on without annotations that lie.

    Raises:
        InputError: files are missing or not as the data set has them.
    """

    name: ClassVar[str] = "lsp_extended"
    title: ClassVar[str] = "Leeds Sports Pose (extended)"
    licence: ClassVar[str] = "research use"
    skeleton: Skeleton = LSP14
    splits: ClassVar[tuple[str, ...]] = ("train", "fit", "validation", "test")

    def __init__(
        self,
        split: Literal["train", "fit", "validation", "test"] = "test",
        root: str | Path | None = None,
        *,
        skip_bad: bool = False,
    ) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        folder = find_data(self.name, root)
        file = folder / "joints.mat"
        content = read_matlab(file, ["joints"])
        joints, names = _arranged(content["joints"], file)
        if "ids" in content:
            ids = [int(value) for value in content["ids"].ravel()]
            if len(ids) != len(joints):
                raise InputError(
                    f"{file} has {len(joints)} people but {len(ids)} ids: get the file again."
                )
            names = [f"im{value:05d}" for value in ids]
        chosen = _chosen(folder, split, names)
        places = {name: place for place, name in enumerate(names)}
        unknown = next((name for name in chosen if name not in places), None)
        if unknown:
            raise InputError(
                f"{folder} lists {unknown!r} in a split, but {file} has no such person."
            )
        people = [
            _annotation(folder / "images" / f"{name}.jpg", joints[places[name]]) for name in chosen
        ]
        super().__init__(people, file, skip_bad=skip_bad)

    def evaluate(self, joints: Mapping[int, Floats]) -> dict[str, float]:
        """PCK@0.2 of the torso (all joints, then each kind), and PCP; see `pose.metrics`."""
        order = sorted(joints)
        predicted = np.stack([joints[index][:, :2] for index in order])
        truth = np.stack([self.people[index].joints for index in order])
        return score_lsp(predicted, truth, self.skeleton.joints)


def _arranged(joints: np.ndarray, file: Path) -> tuple[Floats, list[str]]:
    """(people, 14, 3) in house pixels with labels 0 or 1, and the people's names."""
    if joints.ndim == 3 and joints.shape[:2] == (3, 14):
        arranged = joints.transpose(2, 1, 0).astype(np.float32)
        arranged[..., 2] = 1  # the third row says hidden or not; all are labelled
        width = 4
    elif joints.ndim == 3 and joints.shape[:2] == (14, 3):
        arranged = joints.transpose(2, 0, 1).astype(np.float32)
        width = 5
    else:
        raise InputError(
            f"{file} has joints of the shape {joints.shape}; LSP's are (3, 14, people), "
            "LSP extended's (14, 3, people)."
        )
    arranged[..., :2] -= 0.5
    return arranged, [f"im{number:0{width}d}" for number in range(1, len(arranged) + 1)]


def _chosen(folder: Path, split: str, names: list[str]) -> list[str]:
    """The names of the people of a split, in order."""
    part = "test" if split == "test" else "train"
    listed = folder / f"{part}.txt"
    if listed.is_file():
        chosen = read_annotations(listed, lambda: listed.read_text(encoding="utf-8").split())
    elif len(names) == 2000:  # LSP: the first and the last thousand
        chosen = names[:1000] if part == "train" else names[1000:]
    elif part == "train":
        chosen = names
    else:
        raise InputError(f"LSP extended has no test photos: there is no {listed}.")
    if split == "fit":
        return chosen[:-VALIDATION] if len(chosen) > 2 * VALIDATION else chosen[: -len(chosen) // 4]
    if split == "validation":
        return chosen[-VALIDATION:] if len(chosen) > 2 * VALIDATION else chosen[-len(chosen) // 4 :]
    return chosen


def _annotation(picture: Path, joints: Floats) -> PersonAnnotation:
    points = joints[joints[:, 2] > 0, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.maximum(high - low, 1) * MARGIN
    return PersonAnnotation(picture, joints, (low + high) / 2, size)


def score_lsp(predicted: Floats, truth: Floats, names: tuple[str, ...]) -> dict[str, float]:
    """Scores of predictions in LSP's order, or of the part of its joints that `names` lists.

    Args:
        predicted: (people, joints, 2).
        truth: (people, 14, 3), always all of LSP's joints.
        names: The joints of `predicted`.

    Returns:
        `pck@0.2`: share of the joints (in per cent) within 0.2 of the torso, left shoulder to
        right hip; `pck@0.2/wrist` and so on; with all joints also `pcp`.
    """
    skeleton = LSP14
    places = [skeleton.index[name] for name in names]
    lengths = torso_length(truth[..., :2], skeleton, labelled=truth[..., 2])
    labelled = truth[:, places, 2]
    scores = pck(predicted, truth[:, places, :2], lengths, 0.2, labelled)
    metrics = {"pck@0.2": 100 * scores.pooled}
    per_joint = dict(zip(names, scores.per_joint, strict=True))
    for kind in dict.fromkeys(name.removeprefix("left_").removeprefix("right_") for name in names):
        sides = [value for name, value in per_joint.items() if name.endswith(kind)]
        metrics[f"pck@0.2/{kind}"] = 100 * float(np.mean(sides))
    if names == skeleton.joints:
        sticks = pcp(predicted, truth[..., :2], skeleton=skeleton, labelled=truth[..., 2])
        metrics |= {f"pcp/{name}": 100 * value for name, value in pcp_parts(sticks).items()}
        metrics["pcp"] = metrics.pop("pcp/total")
        del metrics["pcp/mean_of_parts"]
    return metrics


def write_fake_lsp(folder: Path, count: int, *, seed: int = 0) -> Path:
    """A tiny data set in the layout of LSP extended with splits: stick figures on noise, for tests.

    Args:
        folder: Where; made if needed.
        count: People; the last quarter are the test split.
        seed: Of the pictures.
    """
    generator = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    joints = np.ones((14, 3, count))
    names = [f"im{number:05d}" for number in range(1, count + 1)]
    for place, name in enumerate(names):
        points = _stick_figure(generator)
        image = generator.integers(0, 60, (160, 120, 3), dtype=np.uint8)
        for number, (start, end) in enumerate(LSP14.edge_indices):
            colour = [
                int(value) for value in 80 + 175 * np.abs(np.sin([number, number + 2, number + 4]))
            ]
            ends = [tuple(int(value) for value in points[joint]) for joint in (start, end)]
            cv2.line(image, ends[0], ends[1], colour, 5)
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), image[..., ::-1])
        joints[:, :2, place] = points + 0.5
    savemat(folder / "joints.mat", {"joints": joints, "ids": np.arange(1, count + 1)[None]})
    cut = count - max(count // 4, 1)
    (folder / "train.txt").write_text("\n".join(names[:cut]) + "\n")
    (folder / "test.txt").write_text("\n".join(names[cut:]) + "\n")
    return folder


def _stick_figure(generator: np.random.Generator) -> Floats:
    """(14, 2): a standing person with random limbs, inside 120×160 pixels."""
    standing = np.array(
        [
            *((52, 140), (52, 115), (52, 90), (68, 90), (68, 115), (68, 140)),
            *((38, 85), (42, 68), (48, 50), (72, 50), (78, 68), (82, 85), (60, 46), (60, 26)),
        ],
        dtype=np.float32,
    )
    return (standing + generator.uniform(-6, 6, standing.shape)).astype(np.float32)
