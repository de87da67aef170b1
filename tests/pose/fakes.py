"""Tiny data sets in the layouts of those that have no writer in the package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from vitruvian.pose.datasets.coco import FILES, write_fake_coco
from vitruvian.pose.datasets.coco_family import (
    WHOLEBODY_LISTS,
    CocoWholeBody,
    CrowdPose,
    PoseTrack18,
)
from vitruvian.pose.datasets.flic import COLUMNS
from vitruvian.pose.datasets.lsp import write_fake_lsp
from vitruvian.pose.datasets.packed import Packed, pack_people

CUP = ("left_rim", "right_rim", "left_foot", "right_foot", "handle")
CUP_YAML = """\
name: cup
joints: [left_rim, right_rim, left_foot, right_foot, handle]
edges: [[left_rim, right_rim], [left_rim, left_foot], [right_rim, right_foot]]
sigmas: {handle: 0.08}
"""


def flic_examples(folder: Path) -> NDArray:
    """Four people as FLIC's file has them, from 1, half of them for training."""
    generator = np.random.default_rng(0)
    kinds = [(name, object) for name in ("coords", "filepath", "imgdims", "torsobox", "istrain")]
    examples = np.zeros((1, 4), dtype=[*kinds, ("istest", object)])
    (folder / "images").mkdir(parents=True)
    for place in range(4):
        Image.new("RGB", (120, 90)).save(folder / "images" / f"film-{place}.jpg")
        coords = np.full((2, 29), np.nan)
        coords[:, list(COLUMNS)] = generator.uniform(20, 80, (2, 11))
        entry = examples[0, place]
        entry["coords"], entry["filepath"] = coords, f"film-{place}.jpg"
        entry["imgdims"], entry["torsobox"] = [90, 120, 3], [31, 21, 61, 71]
        entry["istrain"], entry["istest"] = place < 2, place >= 2
    examples[0, 2]["coords"][:, 12] = np.nan
    savemat(folder / "examples.mat", {"examples": examples})
    return examples


def write_flic(folder: Path, _count: int) -> Path:
    """`flic_examples`; the folder."""
    flic_examples(folder)
    return folder


def write_wholebody(folder: Path, count: int) -> Path:
    """`write_fake_coco` with feet, face and hands that lie in the person's box."""
    write_fake_coco(folder, count)
    random = np.random.default_rng(0)
    for split, (file, _) in FILES.items():
        content = json.loads((folder / file).read_text())
        for entry in content["annotations"]:
            x, y, width, height = entry["bbox"]
            for key, points in zip(WHOLEBODY_LISTS[1:], (6, 68, 21, 21), strict=True):
                rows = random.uniform((x, y), (x + width, y + height), (points, 2)).round()
                entry[key] = np.column_stack([rows, np.full(points, 2)]).ravel().tolist()
            for part in ("face", "lefthand", "righthand"):
                entry |= {f"{part}_box": entry["bbox"], f"{part}_valid": True}
            entry["foot_valid"] = True
        (folder / CocoWholeBody.files[split][0]).write_text(json.dumps(content))
    return folder


def write_crowdpose(folder: Path, count: int) -> Path:
    """`write_fake_coco` with CrowdPose's joints, files and crowd index."""
    write_fake_coco(folder, count)
    (folder / "json").mkdir()
    for split, (file, _) in CrowdPose.files.items():
        source, pictures = FILES["train" if "train" in split else "validation"]
        content = json.loads((folder / source).read_text())
        for image in content["images"]:
            image["crowdIndex"] = 0.5
        for entry in content["annotations"]:
            entry["keypoints"] = entry["keypoints"][: 3 * 14]
        (folder / file).write_text(json.dumps(content))
    (folder / pictures).rename(folder / "images")
    return folder


def write_posetrack(folder: Path, count: int) -> Path:
    """`write_fake_coco` with a file a video, as PoseTrack has it."""
    write_fake_coco(folder, count)
    for split, (part, _) in PoseTrack18.files.items():
        file, pictures = FILES[split]
        content = json.loads((folder / file).read_text())
        for image in content["images"]:
            image["file_name"] = f"{pictures}/{image['file_name']}"
        (folder / part).mkdir()
        (folder / part / "video.json").write_text(json.dumps(content))
    return folder


def write_cups(folder: Path, count: int = 24) -> Path:
    """Bright quadrilaterals with a dot, annotated in another order than the YAML's."""
    random = np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True)
    (folder / "joints.yaml").write_text(CUP_YAML)
    images, annotations = [], []
    for number in range(count):
        points = np.array([[20, 20], [60, 20], [26, 70], [54, 70], [72, 45]], dtype=float)
        points += random.uniform(-6, 6, points.shape)
        picture = np.full((96, 96, 3), 40, dtype=np.uint8)
        cv2.fillPoly(picture, [points[[0, 1, 3, 2]].astype(np.int32)], (200, 180, 90))
        cv2.circle(picture, points[4].astype(int).tolist(), 5, (90, 90, 220), -1)
        cv2.imwrite(str(folder / f"pictures/{number:03d}.png"), picture)
        images.append({"id": number, "file_name": f"{number:03d}.png", "width": 96, "height": 96})
        rows = [[x - 0.5, y - 0.5, 2] for x, y in points[::-1]]
        values = [value for row in rows for value in row]
        annotations.append({"id": number, "image_id": number, "keypoints": values})
    category = {"id": 1, "name": "cup", "keypoints": list(CUP[::-1])}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


PACKED = ("left_shoulder", "right_hip", "head_top", "left_thumb_1")


def packed_people(count: int = 90) -> Iterator[Packed]:
    """People of one shade each; every other one is a photo that counts three times."""
    random = np.random.default_rng(0)
    for number in range(count):
        image = np.full((40, 30, 3), number, dtype=np.uint8)
        joints = np.zeros((len(PACKED), 3))
        joints[:, :2] = random.uniform(5, 25, (len(PACKED), 2))
        joints[:, 2] = (2, 2, 1, 0)
        _, data = cv2.imencode(".png", image)
        source, times = ("photo", 3) if number % 2 else ("any", 1)
        yield Packed(data.tobytes(), joints, np.array([2, 3, 22, 33]), source, times)


def write_open(folder: Path, count: int) -> Path:
    """Packed people, and sport photos to test with in `lsp`."""
    pack_people(folder, PACKED, packed_people(count))
    write_fake_lsp(folder / "lsp", 8)
    return folder
