"""COCO person key points (Lin et al., ECCV 2014), and the format that others took over."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import find_data
from vitruvian.core.skeletons import COCO17, Skeleton
from vitruvian.pose.coco_metrics import coco_keypoint_ap
from vitruvian.pose.datasets.base import Floats, PersonAnnotation, PoseDataset, read_annotations
from vitruvian.pose.oks import oks_nms, rescore
from vitruvian.pose.topdown import PADDING, clip_coco_box, grow_to_aspect

ASPECT = 192 / 256
"""Of the published inputs; the suppression measures people by their crop."""

FILES = {
    "train": ("annotations/person_keypoints_train2017.json", "train2017"),
    "validation": ("annotations/person_keypoints_val2017.json", "val2017"),
}


class CocoFormat(PoseDataset):
    """People of one annotation file in COCO's format, a crop each.

    A data set that keeps to the format says where its files lie; what it does otherwise it
    overrides. The crop is around the annotated box, or around a detector's. Trained on are people
    with a labelled joint that are no crowd (iscrowd 0) and whose box, cut at the picture's border,
    has an area. COCO counts pixels as indices: 0.5 is added.

    Args:
        split: One of `splits`.
        root: The folder with annotations and pictures, as `files` has them below it.
        annotations: Another annotation file in this format.
        pictures: The folder of its pictures.
        detections: Person boxes of a detector as COCO's results JSON (image_id, category_id, bbox,
            score); boxes of other categories are left out. None: the annotated boxes.
        skip_bad: Whether to go on without annotations that lie.

    Attributes:
        files: Split → annotation file and folder of pictures.
        counts_all: Whether `num_keypoints` counts every labelled joint of the skeleton.
        images: Picture's number → its entry.
        entries: The annotations as the file has them.

    Raises:
        InputError: files are missing or not as the data set has them.
    """

    files: ClassVar[Mapping[str, tuple[str, str]]]
    counts_all: ClassVar[bool] = True

    def __init__(
        self,
        split: str = "validation",
        root: str | Path | None = None,
        *,
        annotations: str | Path | None = None,
        pictures: str | Path | None = None,
        detections: str | Path | None = None,
        skip_bad: bool = False,
    ) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        if annotations is None or pictures is None:
            folder = find_data(self.name, root)
            annotations = annotations or folder / self.files[split][0]
            pictures = pictures or folder / self.files[split][1]
        self.file, folder = Path(annotations), Path(pictures)
        content = self.read(self.file, folder)
        self.images = {image["id"]: image for image in content["images"]}
        problems = self._lies(content["annotations"])
        self.entries = [
            entry for place, entry in enumerate(content["annotations"]) if place not in problems
        ]
        if detections is not None:
            people = _detected(Path(detections), self.images, folder, len(self.skeleton))
        else:
            by_image = defaultdict(list)
            for entry in self.entries:
                by_image[entry["image_id"]].append(entry)
            people = [
                person
                for image in self.images.values()
                for entry in by_image[image["id"]]
                if (person := self._annotated(entry, image, folder))
            ]
        told = list(problems.values())
        super().__init__(people, self.file, problems=told, skip_bad=skip_bad)

    def read(self, file: Path, pictures: Path) -> Any:
        """The annotations, in COCO's format, of pictures that lie below a folder."""
        del pictures  # for formats that do not say how large they are
        return read_json(file, ("images", "annotations"))

    def points(self, entry: Mapping[str, Any]) -> NDArray[np.float64]:
        """(joints, 3): x, y and visibility of an annotation, as the file has them."""
        return np.array(entry["keypoints"], dtype=np.float64).reshape(-1, 3)

    def area(self, entry: Mapping[str, Any]) -> float:
        """The square of a person's scale in OKS, in pixels."""
        return float(entry.get("area", 0))

    def truth(self) -> list[dict[str, Any]]:
        """Every annotation as the evaluation takes it."""
        return [
            {
                "image_id": entry["image_id"],
                "keypoints": self.points(entry),
                "bbox": entry["bbox"],
                "area": self.area(entry),
                "iscrowd": int(entry.get("iscrowd") or 0),
            }
            for entry in self.entries
        ]

    def evaluate(self, joints: Mapping[int, Floats]) -> dict[str, float]:
        """The data set's average precisions, after rescoring and OKS-NMS at 0.9, in per cent."""
        groups = defaultdict(list)
        for index in sorted(joints):
            groups[self.people[index].facts["image_id"]].append(index)
        detections = []
        for image_id, group in groups.items():
            points = np.stack([joints[index] for index in group]).astype(np.float64)
            points[..., :2] -= 0.5
            scores = rescore([self.people[index].score for index in group], points[..., 2])
            sizes = np.stack([self.people[index].size for index in group])
            areas = grow_to_aspect(sizes, ASPECT).prod(axis=-1)
            for place in oks_nms(points, scores, areas, sigmas=self.skeleton.sigmas):
                keypoints = points[place].ravel().tolist()
                found = {"image_id": image_id, "category_id": 1, "keypoints": keypoints}
                detections.append({**found, "score": float(scores[place])})
        images = list(groups if len(joints) < len(self.people) else self.images)
        truth = [person for person in self.truth() if person["image_id"] in set(images)]
        statistics = self.precision(truth, detections, images)
        return {name: 100 * value if value >= 0 else value for name, value in statistics.items()}

    def precision(
        self, truth: list[dict[str, Any]], detections: list[dict[str, Any]], images: list[Any]
    ) -> dict[str, float]:
        """The official numbers of detections in these pictures, in [0, 1], the main one first."""
        return coco_keypoint_ap(truth, detections, self.skeleton.sigmas, images)

    def _lies(self, entries: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        """Place of each bad annotation → which one it is and what is wrong."""
        found, known = {}, set()
        for place, entry in enumerate(entries):
            number = entry.get("id")
            problem = ""
            if entry["image_id"] not in self.images:
                problem = f"its picture {entry['image_id']} is not listed"
            elif number is not None and number in known:
                problem = "another one has the same id"
            elif not entry.get("iscrowd") and entry.get("category_id", 1) == 1:
                problem = self._miscount(entry)
            known.add(number)
            if problem:
                found[place] = f"annotation {number}: {problem}"
        return found

    def _miscount(self, entry: Mapping[str, Any]) -> str:
        """What is wrong with the number of an annotation's joints, or nothing."""
        joints = self.points(entry)
        if joints.shape != (len(self.skeleton), 3):
            return f"{joints.size} key-point numbers, not {3 * len(self.skeleton)}"
        labelled = int((joints[:, 2] > 0).sum())
        if self.counts_all and entry.get("num_keypoints", labelled) != labelled:
            return f"num_keypoints is {entry['num_keypoints']}, but {labelled} joints are labelled"
        return ""

    def _annotated(
        self, entry: Mapping[str, Any], image: Mapping[str, Any], folder: Path
    ) -> PersonAnnotation | None:
        if entry.get("iscrowd") or entry.get("category_id", 1) != 1:
            return None
        joints = self.points(entry).astype(np.float32)
        if not (joints[:, 2] > 0).any():
            return None
        joints[:, :2] += 0.5
        joints[:, 2] = joints[:, 2] > 0
        joints = np.where(joints[:, 2:] > 0, joints, 0)
        facts = {"area": self.area(entry), "annotation": entry.get("id")}
        return _boxed(entry["bbox"], 1.0, image, folder, joints, facts)


class CocoKeypoints(CocoFormat):
    """COCO's people; see `CocoFormat`."""

    name: ClassVar[str] = "coco"
    title: ClassVar[str] = "COCO 2017 person key points"
    licence: ClassVar[str] = "annotations CC-BY-4.0; photos under Flickr's terms"
    skeleton: Skeleton = COCO17
    splits: ClassVar[tuple[str, ...]] = ("train", "validation")
    files: ClassVar[Mapping[str, tuple[str, str]]] = FILES


def read_json(path: Path, keys: tuple[str, ...] = ()) -> Any:
    """The content of a JSON file; `keys` must be in it.

    Raises:
        InputError: the file is absent, no JSON, or lacks a key.
    """
    content = read_annotations(path, lambda: json.loads(path.read_text(encoding="utf-8")))
    absent = [key for key in keys if not isinstance(content, dict) or key not in content]
    if absent:
        raise InputError(f"{path} has no {absent[0]!r}: is it the data set's own file?")
    return content


def _detected(
    file: Path, images: Mapping[int, Mapping[str, Any]], folder: Path, joints: int
) -> list[PersonAnnotation]:
    detections = read_json(file)
    if not isinstance(detections, list):
        raise InputError(f"{file} is no list of detections as COCO's results are.")
    unlabelled = np.zeros((joints, 3), dtype=np.float32)
    people = []
    for found in detections:
        image = images.get(found["image_id"])
        if image is None or found["category_id"] != 1 or found["score"] < 0:
            continue
        person = _boxed(found["bbox"], float(found["score"]), image, folder, unlabelled, {})
        people.extend([person] if person else [])
    return people


def _boxed(
    box: list[float],
    score: float,
    image: Mapping[str, Any],
    folder: Path,
    joints: Floats,
    facts: Mapping[str, Any],
) -> PersonAnnotation | None:
    size = (int(image["width"]), int(image["height"]))
    x, y, width, height = clip_coco_box(box, size)
    if width <= 0 or height <= 0:
        return None
    center = np.array([x + width / 2 + 0.5, y + height / 2 + 0.5], dtype=np.float32)
    window = np.array([width, height], dtype=np.float32) * PADDING
    known = {**facts, "image_id": image["id"], "picture_size": size}
    return PersonAnnotation(folder / image["file_name"], joints, center, window, score, known)


def write_fake_coco(folder: Path, count: int = 4, *, seed: int = 0) -> Path:
    """A tiny data set in COCO's layout with two people a picture, for tests.

    Args:
        folder: Where; made if needed.
        count: Pictures of each split.
        seed: Of the pictures.
    """
    random = np.random.default_rng(seed)
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for file, pictures in FILES.values():
        (folder / pictures).mkdir(exist_ok=True)
        images: list[dict[str, Any]] = []
        entries: list[dict[str, Any]] = []
        for number in range(1, count + 1):
            name = f"{number:012d}.jpg"
            picture = random.integers(0, 255, (120, 160, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / pictures / name), picture)
            images.append({"id": number, "file_name": name, "width": 160, "height": 120})
            for side in (0, 80):
                points = random.uniform((side + 10, 10), (side + 70, 110), (17, 2)).round()
                labels = np.where(random.random((17, 1)) < 0.8, 2, 0)
                labels[:2] = 2
                values = np.concatenate([points * (labels > 0), labels], axis=1)
                entry: dict[str, Any] = {
                    "id": len(entries) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                }
                entry |= {"bbox": [side + 5, 5, 70, 110], "area": 70 * 110 * 0.6}
                entry |= {"num_keypoints": int((labels > 0).sum())}
                entries.append({**entry, "keypoints": values.ravel().astype(int).tolist()})
        categories = [{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}]
        content = {"images": images, "annotations": entries, "categories": categories}
        (folder / file).write_text(json.dumps(content), encoding="utf-8")
    return folder
