"""MPII Human Pose (Andriluka et al., CVPR 2014): the official MATLAB file, or the usual JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import find_data
from vitruvian.core.skeletons import MPII16, Skeleton
from vitruvian.pose.datasets.base import Floats, PersonAnnotation, PoseDataset, read_matlab
from vitruvian.pose.datasets.coco import read_json
from vitruvian.pose.metrics import mpii_pckh
from vitruvian.pose.topdown import UNIT, mpii_center_scale

HEAD_SHARE = 0.6
"""The protocol's head size: this share of the head box's diagonal."""

MATLAB = "mpii_human_pose_v1_u12_1.mat"
JSON = {"train": "train.json", "validation": "valid.json"}


class Mpii(PoseDataset):
    """MPII people, a crop each around the annotated centre and scale.

    Two sources. The JSON of Simple Baselines and HRNet (`annot/train.json`, `annot/valid.json`:
    Tompson's split; validation is what papers report) is taken where it is there; else the official
    MATLAB file, whose people with joints are "train" (22,246 and validation in one). MPII counts
    from 1: 0.5 is taken off. PCKh needs the head boxes: the MATLAB file has them, the JSON has
    them not (`annot/gt_valid.mat` of the JSON's origin does).

    Args:
        split: "train" or "validation".
        root: The folder with `annot` and `images`.
        annotations: Another annotation file, JSON or MATLAB.
        skip_bad: Whether to go on without annotations that lie.

    Raises:
        InputError: files are missing or not as MPII has them.
    """

    name: ClassVar[str] = "mpii"
    title: ClassVar[str] = "MPII Human Pose"
    licence: ClassVar[str] = "BSD-2-Clause (annotations), photos for research"
    skeleton: Skeleton = MPII16
    splits: ClassVar[tuple[str, ...]] = ("train", "validation")

    def __init__(
        self,
        split: str = "validation",
        root: str | Path | None = None,
        *,
        annotations: str | Path | None = None,
        skip_bad: bool = False,
    ) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        folder = find_data(self.name, root)
        file = Path(annotations) if annotations else folder / "annot" / JSON[split]
        if not annotations and not file.is_file() and (folder / MATLAB).is_file():
            file = folder / MATLAB
        if file.suffix == ".mat":
            people = _from_matlab(file, folder / "images", split)
        else:
            people = [_from_json(entry, folder / "images", file) for entry in read_json(file)]
        heads = folder / "annot" / f"gt_{JSON[split].removesuffix('.json')}.mat"
        if heads.is_file() and file.suffix != ".mat":
            _add_heads(people, heads)
        super().__init__(people, file, skip_bad=skip_bad)

    def evaluate(self, joints: Mapping[int, Floats]) -> dict[str, float]:
        """PCKh@0.5, the mean first, then by group; see `mpii_pckh`.

        Without head boxes (the JSON alone) it is PCK@0.5 of 0.6 times the distance from the upper
        neck to the head's top, and is named so: "pck_head_segment".
        """
        order = sorted(joints)
        predicted = np.stack([joints[index][:, :2] for index in order])
        truth = np.stack([self.people[index].joints for index in order])
        heads = [self.people[index].facts.get("head") for index in order]
        name = "pckh@0.5"
        if all(head is not None for head in heads):
            sizes = HEAD_SHARE * np.array(heads, dtype=np.float64)
        else:
            ends = [MPII16.index[joint] for joint in ("head_top", "upper_neck")]
            sizes = HEAD_SHARE * np.linalg.norm(
                truth[:, ends[0], :2] - truth[:, ends[1], :2], axis=1
            )
            sizes[~(truth[:, ends, 2] > 0).all(axis=1)] = np.nan
            name = "pck_head_segment"
        scores = mpii_pckh(predicted, truth[..., :2], sizes, truth[..., 2] > 0)
        mean = {name: scores.pop("mean")}
        return mean | {f"{name}/{part}": value for part, value in scores.items()}


def _person(
    picture: Path, joints: Floats, objpos: Any, scale: float, facts: Mapping[str, Any]
) -> PersonAnnotation:
    """An annotation from MPII's own numbers, which count from 1."""
    joints = joints.copy()
    joints[:, :2] -= 0.5
    joints *= joints[:, 2:]
    center, units = mpii_center_scale(objpos, scale)
    return PersonAnnotation(
        picture, joints, (center + 0.5).astype(np.float32), (units * UNIT).astype("f4"), facts=facts
    )


def _from_json(entry: Mapping[str, Any], folder: Path, file: Path) -> PersonAnnotation:
    try:
        points = np.array(entry["joints"], dtype=np.float32).reshape(-1, 2)
        visible = np.array(entry["joints_vis"], dtype=np.float32).reshape(-1, 1)
        picture, center, scale = entry["image"], entry["center"], entry["scale"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file} has a person without {error}: is it MPII's JSON?") from error
    if len(points) != len(MPII16) or len(visible) != len(MPII16):
        raise InputError(f"{file} has a person with {len(points)} joints, not {len(MPII16)}.")
    joints = np.concatenate([points, visible > 0], axis=1).astype(np.float32)
    return _person(folder / picture, joints, center, float(scale), {})


def _add_heads(people: list[PersonAnnotation], file: Path) -> None:
    """Put the head sizes of `gt_valid.mat` (headboxes_src: (2, 2, people)) into the facts."""
    boxes = read_matlab(file, ["headboxes_src"])["headboxes_src"]
    if boxes.shape != (2, 2, len(people)):
        raise InputError(
            f"{file} has head boxes of the shape {boxes.shape} for {len(people)} people."
        )
    for place, person in enumerate(people):
        corners = boxes[..., place]
        facts = {**person.facts, "head": float(np.linalg.norm(corners[1] - corners[0]))}
        object.__setattr__(person, "facts", facts)


def _from_matlab(file: Path, folder: Path, split: str) -> list[PersonAnnotation]:
    """The people with joints of the release's struct array."""
    if split != "train":
        raise InputError(
            f"{file} does not know the validation people of Tompson et al.: put the split's "
            f"annot/{JSON[split]} beside it."
        )
    release = read_matlab(file, ["RELEASE"])["RELEASE"][0, 0]
    people = []
    for entry, training in zip(release.annolist[0], release.img_train[0], strict=True):
        rects = getattr(entry, "annorect", None)
        if not training or rects is None or not rects.size:
            continue
        picture = folder / str(entry.image[0, 0].name[0])
        for rect in rects[0]:
            points = getattr(rect, "annopoints", None)
            if points is None or not points.size or not getattr(rect, "scale", np.empty(0)).size:
                continue
            people.append(_from_rect(rect, picture))
    return people


def _from_rect(rect: Any, picture: Path) -> PersonAnnotation:
    joints = np.zeros((len(MPII16), 3), dtype=np.float32)
    for point in rect.annopoints[0, 0].point[0]:
        joints[int(point.id[0, 0])] = (point.x[0, 0], point.y[0, 0], 1)
    position = rect.objpos[0, 0]
    center = [float(position.x[0, 0]), float(position.y[0, 0])]
    corners = np.array([float(getattr(rect, name)[0, 0]) for name in ("x1", "y1", "x2", "y2")])
    facts = {"head": float(np.linalg.norm(corners[2:] - corners[:2]))}
    return _person(picture, joints, center, float(rect.scale[0, 0]), facts)


def write_fake_mpii(folder: Path, count: int = 4, *, seed: int = 0) -> Path:
    """A tiny data set in the layout of MPII's JSON, for tests.

    Args:
        folder: Where; made if needed.
        count: People of each split.
        seed: Of the pictures.
    """
    random = np.random.default_rng(seed)
    (folder / "annot").mkdir(parents=True, exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    for split, file in JSON.items():
        entries = []
        for number in range(count):
            name = f"{split}{number:09d}.jpg"
            image = random.integers(0, 255, (240, 200, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / "images" / name), image)
            joints = random.uniform((50, 30), (150, 210), (16, 2)).round(1)
            entry = {"image": name, "joints": joints.tolist(), "joints_vis": [1] * 16}
            entries.append({**entry, "center": [100, 120], "scale": 1.0})
        (folder / "annot" / file).write_text(json.dumps(entries), encoding="utf-8")
    return folder
