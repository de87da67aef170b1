"""COCO person key points (Lin et al., ECCV 2014), in the official JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

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


class CocoKeypoints(PoseDataset):
    """COCO people, a crop each: around the annotated box, or around a detector's.

    Trained on are people with a labelled joint that are no crowd (iscrowd 0) and whose box, cut at
    the picture's border, has an area. COCO counts pixels as indices: 0.5 is added.

    Args:
        split: "train" or "validation".
        root: The folder with `annotations`, `train2017` and `val2017`.
        annotations: Another annotation file in COCO's format.
        pictures: The folder of its pictures.
        detections: Person boxes of a detector as COCO's results JSON (image_id, category_id, bbox,
            score); boxes of other categories are left out. None: the annotated boxes.

    Raises:
        InputError: files are missing or not as COCO has them.
    """

    name: ClassVar[str] = "coco"
    title: ClassVar[str] = "COCO 2017 person key points"
    licence: ClassVar[str] = "annotations CC-BY-4.0; photos under Flickr's terms"
    skeleton: ClassVar[Skeleton] = COCO17
    splits: ClassVar[tuple[str, ...]] = ("train", "validation")

    def __init__(
        self,
        split: str = "validation",
        root: str | Path | None = None,
        *,
        annotations: str | Path | None = None,
        pictures: str | Path | None = None,
        detections: str | Path | None = None,
    ) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        if annotations is None or pictures is None:
            folder = find_data(self.name, root)
            annotations = annotations or folder / FILES[split][0]
            pictures = pictures or folder / FILES[split][1]
        self.file = Path(annotations)
        content = read_json(self.file, ("images", "annotations"))
        images = {image["id"]: image for image in content["images"]}
        by_image = defaultdict(list)
        for entry in content["annotations"]:
            if entry["image_id"] not in images:
                raise InputError(
                    f"{self.file} has an annotation of picture {entry['image_id']}, which it does "
                    "not list: get the file again."
                )
            by_image[entry["image_id"]].append(entry)
        self.images = images
        self.entries = content["annotations"]
        folder = Path(pictures)
        if detections is not None:
            people = _detected(Path(detections), images, folder)
        else:
            people = [
                person
                for image in images.values()
                for entry in by_image[image["id"]]
                if (person := _annotated(entry, image, folder, self.file))
            ]
        super().__init__(people, self.file)

    def evaluate(self, joints: Mapping[int, Floats]) -> dict[str, float]:
        """COCO's ten key-point numbers, after rescoring and OKS-NMS at 0.9, in per cent."""
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
            for place in oks_nms(points, scores, areas):
                keypoints = points[place].ravel().tolist()
                found = {"image_id": image_id, "category_id": 1, "keypoints": keypoints}
                detections.append({**found, "score": float(scores[place])})
        images = groups if len(joints) < len(self.people) else self.images
        truth = [entry for entry in self.entries if entry["image_id"] in images]
        statistics = coco_keypoint_ap(truth, detections, image_ids=list(images))
        return {name: 100 * value if value >= 0 else value for name, value in statistics.items()}


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


def _annotated(
    entry: Mapping[str, Any], image: Mapping[str, Any], folder: Path, file: Path
) -> PersonAnnotation | None:
    if entry.get("iscrowd") or not entry.get("num_keypoints") or entry.get("category_id", 1) != 1:
        return None
    values = np.array(entry["keypoints"], dtype=np.float32)
    if values.size != 3 * len(COCO17):
        raise InputError(
            f"{file} has {values.size} key-point numbers in annotation {entry.get('id')}, not "
            f"{3 * len(COCO17)}: is it the person_keypoints file?"
        )
    joints = values.reshape(-1, 3)
    if int((joints[:, 2] > 0).sum()) != entry["num_keypoints"]:
        raise InputError(
            f"{file} says {entry['num_keypoints']} key points in annotation {entry.get('id')}, but "
            f"{int((joints[:, 2] > 0).sum())} are labelled: get the file again."
        )
    joints[:, :2] += 0.5
    joints[:, 2] = joints[:, 2] > 0
    joints *= joints[:, 2:]
    facts = {"area": float(entry.get("area", 0)), "annotation": entry.get("id")}
    return _boxed(entry["bbox"], 1.0, image, folder, joints, facts)


def _detected(
    file: Path, images: Mapping[int, Mapping[str, Any]], folder: Path
) -> list[PersonAnnotation]:
    detections = read_json(file)
    if not isinstance(detections, list):
        raise InputError(f"{file} is no list of detections as COCO's results are.")
    unlabelled = np.zeros((len(COCO17), 3), dtype=np.float32)
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
