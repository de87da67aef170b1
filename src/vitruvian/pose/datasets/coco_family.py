"""Data sets that keep to COCO's format, or nearly: whole bodies, crowds, occlusion, tracks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import (
    AIC14,
    COCO17,
    CROWDPOSE14,
    HALPE136,
    POSETRACK17,
    WHOLEBODY133,
    Skeleton,
)
from vitruvian.pose.coco_metrics import crowdpose_ap, wholebody_ap
from vitruvian.pose.datasets.base import picture_size
from vitruvian.pose.datasets.coco import CocoFormat, read_json

Files = Mapping[str, tuple[str, str]]

WHOLEBODY_LISTS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
_UNLABELLED = 3  # AI Challenger's word for a joint that nobody marked


class CocoWholeBody(CocoFormat):
    """COCO-WholeBody (Jin et al., ECCV 2020): COCO's people with feet, face and hands."""

    name: ClassVar[str] = "coco"
    title: ClassVar[str] = "COCO-WholeBody 1.0"
    licence: ClassVar[str] = "annotations CC-BY-NC-4.0; photos under Flickr's terms"
    skeleton: Skeleton = WHOLEBODY133
    splits: ClassVar[tuple[str, ...]] = ("train", "validation")
    files: ClassVar[Files] = {
        "train": ("annotations/coco_wholebody_train_v1.0.json", "train2017"),
        "validation": ("annotations/coco_wholebody_val_v1.0.json", "val2017"),
    }
    counts_all: ClassVar[bool] = False  # num_keypoints is the body's

    def points(self, entry: Mapping[str, Any]) -> NDArray[np.float64]:
        """(133, 3); feet, face and hands stand in lists of their own."""
        absent = [key for key in WHOLEBODY_LISTS if key not in entry]
        if absent:
            raise InputError(
                f"{self.file} has no {absent[0]!r} in annotation {entry.get('id')}: is it the "
                "whole-body file?"
            )
        return np.concatenate(
            [np.array(entry[key], dtype=np.float64).reshape(-1, 3) for key in WHOLEBODY_LISTS]
        )

    def precision(
        self, truth: list[dict[str, Any]], detections: list[dict[str, Any]], images: list[Any]
    ) -> dict[str, float]:
        """AP and AR of the whole body, then of each part ("ap/face")."""
        parts = wholebody_ap(truth, detections, image_ids=images)
        whole = parts.pop("wholebody")
        rest = {f"{name}/{part}": found[name] for part, found in parts.items() for name in whole}
        return whole | rest


class CrowdPose(CocoFormat):
    """CrowdPose (Li et al., CVPR 2019): 20,000 pictures, a third of them crowded."""

    name: ClassVar[str] = "crowdpose"
    title: ClassVar[str] = "CrowdPose"
    licence: ClassVar[str] = "research use"
    skeleton: Skeleton = CROWDPOSE14
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "trainval", "test")
    files: ClassVar[Files] = {
        "train": ("json/crowdpose_train.json", "images"),
        "validation": ("json/crowdpose_val.json", "images"),
        "trainval": ("json/crowdpose_trainval.json", "images"),
        "test": ("json/crowdpose_test.json", "images"),
    }
    counts_all: ClassVar[bool] = False  # num_keypoints leaves head and neck out

    def area(self, entry: Mapping[str, Any]) -> float:
        """0.53 of the box, as the released tool has it."""
        return 0.53 * float(entry["bbox"][2]) * float(entry["bbox"][3])

    def precision(
        self, truth: list[dict[str, Any]], detections: list[dict[str, Any]], images: list[Any]
    ) -> dict[str, float]:
        """AP and AR, and AP of easy, medium and hard pictures by their crowd index."""
        return crowdpose_ap(truth, detections, {key: self._crowd(key) for key in images})

    def _crowd(self, image: Any) -> float:
        if "crowdIndex" not in self.images[image]:
            raise InputError(f"{self.file} gives no crowdIndex for picture {image}.")
        return float(self.images[image]["crowdIndex"])


class OcHuman(CocoFormat):
    """OCHuman (Zhang et al., CVPR 2019): people who hide each other; only for testing."""

    name: ClassVar[str] = "ochuman"
    title: ClassVar[str] = "OCHuman"
    licence: ClassVar[str] = "MIT (annotations), pictures for research"
    skeleton: Skeleton = COCO17
    splits: ClassVar[tuple[str, ...]] = ("validation", "test")
    files: ClassVar[Files] = {
        "validation": ("ochuman_coco_format_val_range_0.00_1.00.json", "images"),
        "test": ("ochuman_coco_format_test_range_0.00_1.00.json", "images"),
    }


class Aic(CocoFormat):
    """AI Challenger 2017: 300,000 pictures; the official list, or the same as COCO JSON."""

    name: ClassVar[str] = "aic"
    title: ClassVar[str] = "AI Challenger 2017 human skeletons"
    licence: ClassVar[str] = "research use"
    skeleton: Skeleton = AIC14
    splits: ClassVar[tuple[str, ...]] = ("train", "validation")
    files: ClassVar[Files] = {
        split: (
            f"ai_challenger_keypoint_{split}_{day}/keypoint_{split}_annotations_{day}.json",
            f"ai_challenger_keypoint_{split}_{day}/keypoint_{split}_images_{pictures}",
        )
        for split, day, pictures in (
            ("train", "20170909", "20170902"),
            ("validation", "20170911", "20170911"),
        )
    }

    def read(self, file: Path, pictures: Path) -> Any:
        """COCO's JSON as it is; the official list of pictures as if it were one."""
        content = read_json(file)
        if isinstance(content, dict):
            return read_json(file, ("images", "annotations"))
        images, annotations = [], []
        for number, row in enumerate(content, start=1):
            try:
                name, joints, boxes = (
                    f"{row['image_id']}.jpg",
                    row["keypoint_annotations"],
                    row["human_annotations"],
                )
            except (KeyError, TypeError) as error:
                raise InputError(f"{file} has a picture without {error}: get it again.") from error
            width, height = picture_size(pictures / name)
            images.append({"id": number, "file_name": name, "width": width, "height": height})
            for person, points in joints.items():
                left, top, right, bottom = boxes[person]
                annotations.append(
                    {
                        "id": f"{row['image_id']}/{person}",
                        "image_id": number,
                        "keypoints": _labelled(points),
                        "bbox": [left, top, right - left, bottom - top],
                    }
                )
        return {"images": images, "annotations": annotations}

    def area(self, entry: Mapping[str, Any]) -> float:
        """That of the box, as in the official evaluation."""
        return float(entry["bbox"][2]) * float(entry["bbox"][3])


def _labelled(points: list[float]) -> list[float]:
    """AI Challenger's 1 visible, 2 hidden, 3 not marked, as COCO's 2, 1, 0."""
    joints = np.array(points, dtype=np.float64).reshape(-1, 3)
    joints[joints[:, 2] == _UNLABELLED] = 0
    labelled = joints[:, 2] > 0
    joints[labelled, 2] = 3 - joints[labelled, 2]
    values: list[float] = joints.ravel().tolist()
    return values


class PoseTrack18(CocoFormat):
    """PoseTrack 2018: videos, a JSON each; people keep their `track_id`.

    The score is COCO's AP with COCO's spreads over single frames, as papers on top-down systems
    give it beside the official tracking scores. The file says nothing of areas: the box counts.
    """

    name: ClassVar[str] = "posetrack18"
    title: ClassVar[str] = "PoseTrack 2018"
    licence: ClassVar[str] = "CC-BY-NC-4.0"
    skeleton: Skeleton = POSETRACK17
    splits: ClassVar[tuple[str, ...]] = ("train", "validation")
    files: ClassVar[Files] = {
        "train": ("annotations/train", "."),
        "validation": ("annotations/val", "."),
    }

    def read(self, file: Path, pictures: Path) -> Any:
        """One JSON, or those of a folder together; pictures nobody labelled are left out."""
        files = sorted(file.glob("*.json")) if file.is_dir() else [file]
        if not files:
            raise InputError(f"There are no annotations in {file}.")
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for part in files:
            content = read_json(part, ("images", "annotations"))
            for image in content["images"]:
                if image.get("is_labeled", True):
                    if "width" not in image:
                        width, height = picture_size(pictures / image["file_name"])
                        image |= {"width": width, "height": height}
                    images.append(image)
            annotations += content["annotations"]
        known = {image["id"] for image in images}
        return {
            "images": images,
            "annotations": [
                entry for entry in annotations if entry["image_id"] in known and "bbox" in entry
            ],
        }

    def area(self, entry: Mapping[str, Any]) -> float:
        """That of the box."""
        return float(entry["bbox"][2]) * float(entry["bbox"][3])


class Halpe(CocoFormat):
    """Halpe full body (Fang et al., TPAMI 2022): 136 points, on pictures of HICO-DET and COCO."""

    name: ClassVar[str] = "halpe"
    title: ClassVar[str] = "Halpe full body"
    licence: ClassVar[str] = "non-commercial research"
    skeleton: Skeleton = HALPE136
    splits: ClassVar[tuple[str, ...]] = ("train", "validation")
    files: ClassVar[Files] = {
        "train": ("annotations/halpe_train_v1.json", "hico_20160224_det/images/train2015"),
        "validation": ("annotations/halpe_val_v1.json", "val2017"),
    }
    counts_all: ClassVar[bool] = False  # num_keypoints is the body's
