"""The photos of Clothing Co-Parsing for `open_people.py`: backgrounds, joints, parts of people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from puppets import Part, cut_parts
from vitruvian.core.card import find_card
from vitruvian.core.files import whole_file
from vitruvian.core.skeletons import OPENPOSE18, mirrored_name
from vitruvian.core.weights import find_weights
from vitruvian.pose.datasets.packed import Packed
from vitruvian.pose.hrnet import PoseHRNetSystem
from vitruvian.pose.openpose.detection import OpenPose
from vitruvian.pose.topdown import Crop
from vitruvian.pose.topdown_system import TopDownSystem

Known = Mapping[str, Mapping[str, Sequence[float]]]
"""Photo → joint → (x, y) in house pixels."""

READINGS = tuple((height, mirrored) for height in (368, 480, 300) for mirrored in (False, True))
AGREED, APART = 5, 0.03
"""Readings that must have a joint, within this share of the person's height."""

LEAST_JOINTS, LEAST_PIXELS = 6, 500
ZOOMS = (0.9, 1.0, 1.15)
"""Of the photos' crops as the trained network reads them, each mirrored too."""

DISAGREE = 0.04
"""Of the person's height: farther apart, neither OpenPose nor the network is believed."""

NOT_READ = ("neck", "mid_hip", "head_top", "toe", "heel")
"""Joints that no photo was labelled with."""

NO_BODY = ("null", "bag", "purse", "wallet")
HEAD = ("hair", "hat", "skin", "glasses", "sunglasses")
HAIR = ("hair", "hat")
FACE = ("skin", "glasses", "sunglasses")
"""Of the labels of Clothing Co-Parsing."""

LEAST_HAIR = 60
"""Pixels, of which the back of a head is made."""


def without_people(photo: NDArray[np.uint8], person: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A photo whose people are covered, row by row, by the mirrored texture beside them."""
    result = photo.copy()
    width = person.shape[1]
    hidden = cv2.dilate(person.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    for row in np.flatnonzero(hidden.any(axis=1)):
        free, holes = np.flatnonzero(~hidden[row]), np.flatnonzero(hidden[row])
        if len(free) < width // 4:
            continue
        after = np.searchsorted(free, holes)
        left = np.where(after > 0, free[np.maximum(after - 1, 0)], -(10**6))
        right = np.where(after < len(free), free[np.minimum(after, len(free) - 1)], 10**6)
        near = np.where(holes - left < right - holes, left, right)
        mirrored = np.abs(2 * near - holes)
        mirrored = np.where(mirrored >= width, 2 * (width - 1) - mirrored, mirrored)
        mirrored = np.clip(mirrored, 0, width - 1)
        source = np.where(hidden[row][mirrored], near, mirrored)
        result[row, holes] = photo[row, source]
    return result


def make_backgrounds(photos: Path, folder: Path) -> None:
    """Every photo of Clothing Co-Parsing without its people."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in track(sorted((photos / "photos").glob("*.jpg")), "backgrounds"):
        target = folder / file.name
        if target.is_file():
            continue
        photo: Any = cv2.imread(str(file))
        with whole_file(target) as part:
            cleared = without_people(photo, person_pixels(photos, file.stem))
            cv2.imwrite(str(part), cleared, [cv2.IMWRITE_JPEG_QUALITY, 90])


def person_pixels(photos: Path, stem: str) -> NDArray[np.bool_]:
    mask: Any = cv2.imread(str(photos / "pixel-level" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
    return np.asarray(mask > 0)


def box_of(pixels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(4,): x1, y1, x2, y2 of what is True."""
    lines, columns = np.nonzero(pixels)
    corners = [columns.min(), lines.min(), columns.max() + 1, lines.max() + 1]
    return np.array(corners, dtype=np.float64)


def label_photos(photos: Path, target: Path) -> dict[str, list[list[float]]]:
    """File → (joints, 3) of OPENPOSE18 whose third number is 1 where the readings agree."""
    if target.is_file():
        return dict(json.loads(target.read_text(encoding="utf-8")))
    network = OpenPose.from_weights(find_weights(find_card("openpose")), scales=(1.0,))
    labels = {}
    for file in track(sorted((photos / "photos").glob("*.jpg")), "photos"):
        image = np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB), dtype=np.uint8)
        readings = [read_main(network, image, *reading) for reading in READINGS]
        known = [joints for joints in readings if joints is not None]
        if len(known) < AGREED - 1:
            continue
        found = np.stack(known)
        there = np.asarray(found[..., 2] > 0)
        places = np.ma.array(found[..., :2], mask=~there[..., None].repeat(2, axis=-1))
        middle = np.ma.median(places, axis=0)
        height = float(np.ptp(middle[:, 1].compressed()))
        near = np.linalg.norm(found[..., :2] - middle.filled(0), axis=-1) < APART * height
        agreed = (there & near).sum(axis=0) >= AGREED
        joints = np.concatenate([middle.filled(0), agreed[:, None]], axis=1)
        labels[file.name] = joints.round(2).tolist()
    with whole_file(target) as part:
        part.write_text(json.dumps(labels), encoding="utf-8")
    return labels


def read_main(
    network: OpenPose, image: NDArray[np.uint8], height: int, mirrored: bool
) -> NDArray[np.float32] | None:
    """(joints, 3) of the largest person, as one reading has it."""
    network.height = height
    seen = np.ascontiguousarray(image[:, ::-1]) if mirrored else image
    poses = [pose for pose, _ in network.detect([seen])[0]]
    if not poses:
        return None

    def size(joints: NDArray[np.float32]) -> float:
        there = joints[:, 2] > 0
        return float(there.sum() * np.ptp(joints[there, 1]))

    pose = max(poses, key=lambda each: size(each.joints))
    joints = np.array(pose.joints)
    if mirrored:
        joints[:, 0] = np.where(joints[:, 2] > 0, image.shape[1] - joints[:, 0], 0)
        joints = joints[pose.skeleton.flip_order]
    return joints


def sure_joints(labels: Mapping[str, Sequence[Sequence[float]]]) -> Known:
    """Those of `label_photos` in which the readings agree."""
    return {
        file: {joint: [x, y] for joint, (x, y, agreed) in each if agreed}
        for file, rows in labels.items()
        for each in [list(zip(OPENPOSE18.joints, rows, strict=True))]
    }


def photo_people(photos: Path, known: Known, names: Sequence[str], times: int) -> Iterator[Packed]:
    """The labelled photos; a neck, which OpenPose has between the shoulders, is left out."""
    for file, told in known.items():
        pixels = person_pixels(photos, Path(file).stem)
        if len(told) < LEAST_JOINTS or pixels.sum() < LEAST_PIXELS:
            continue
        joints = np.zeros((len(names), 3), dtype=np.float32)
        for joint, (x, y) in told.items():
            if joint in names and joint != "neck":
                joints[names.index(joint)] = (x, y, 2)
        data = (photos / "photos" / file).read_bytes()
        yield Packed(data, joints, box_of(pixels), "photo", times)


def read_again(photos: Path, weights: Path, sure: Known, target: Path) -> Known:
    """Where a trained network's readings agree, and OpenPose does not differ.

    Args:
        photos: Clothing Co-Parsing.
        weights: Of `pose/hrnet_open`.
        sure: What OpenPose told.
        target: A file that keeps the result.
    """
    if target.is_file():
        return dict(json.loads(target.read_text(encoding="utf-8")))
    system = PoseHRNetSystem.from_weights(find_weights(find_card("hrnet"), str(weights)))
    found = {}
    for file in track(sorted((photos / "photos").glob("*.jpg")), "reading again"):
        image = np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB), dtype=np.uint8)
        pixels = person_pixels(photos, file.stem)
        if pixels.sum() < LEAST_PIXELS:
            continue
        box = box_of(pixels)
        height = box[3] - box[1]
        readings = np.stack([*read_crops(system, image, box)])
        middle = np.median(readings, axis=0)
        apart = np.linalg.norm(readings - middle, axis=-1)
        agreed = (apart < APART * height).sum(axis=0) >= AGREED
        joints = {
            name: point
            for name, point, certain in zip(system.skeleton.joints, middle, agreed, strict=True)
            if certain and not name.endswith(NOT_READ)
        }
        for name, point in sure.get(file.name, {}).items():
            told = np.array(point)
            if name != "neck" and np.linalg.norm(joints.get(name, told) - told) > DISAGREE * height:
                del joints[name]
            elif name != "neck":
                joints[name] = told
        if agreed[system.skeleton.index["neck"]]:
            joints["neck"] = middle[system.skeleton.index["neck"]]
        found[file.name] = {name: point.round(2).tolist() for name, point in joints.items()}
    with whole_file(target) as part:
        part.write_text(json.dumps(found), encoding="utf-8")
    return found


def read_crops(
    system: TopDownSystem, image: NDArray[np.uint8], box: NDArray[np.float64]
) -> Iterator[NDArray[np.floating]]:
    """(joints, 2) in the photo, at every zoom, mirrored and not."""
    crops = [Crop.of_box(box, system.input_size) for _ in ZOOMS]
    crops = [replace(crop, size=crop.size * zoom) for crop, zoom in zip(crops, ZOOMS, strict=True)]
    crops += [replace(crop, flip=True) for crop in crops]
    with torch.inference_mode():
        points, _ = system.read(system.cut_out(image, crops))
    for crop, joints in zip(crops, points, strict=True):
        order = system.skeleton.flip_order if crop.flip else slice(None)
        yield crop.to_picture(joints)[order]


def photo_parts(photos: Path, known: Known) -> Iterator[dict[str, Part]]:
    """The people of photos, cut apart, where all their parts are known; from before and behind."""
    words = (photos / "labels.txt").read_text(encoding="utf-8").split()
    no_body, head, hair, face = (
        [words.index(name) for name in names] for names in (NO_BODY, HEAD, HAIR, FACE)
    )
    random = np.random.default_rng(0)
    for name, told in known.items():
        joints = {joint: np.array(point) - 0.5 for joint, point in told.items()}
        if not {"nose", "neck"} <= joints.keys():
            continue
        file = photos / "pixel-level" / f"{Path(name).stem}.png"
        classes: Any = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        # No network tells the top of the head: it is where hair or hat end above the nose.
        nose, neck = joints["nose"], joints["neck"]
        reach = abs(neck[1] - nose[1])
        columns = slice(max(0, int(nose[0] - reach)), int(nose[0] + reach))
        lines = np.flatnonzero(np.isin(classes[:, columns], head).any(axis=1))
        if not len(lines) or lines[0] >= nose[1]:
            continue
        joints["head_top"] = np.array([nose[0] + 0.15 * (nose[0] - neck[0]), lines[0]])
        photo: Any = cv2.imread(str(photos / "photos" / name))
        person = ~np.isin(classes, no_body)
        parts = cut_parts(photo, person, joints)
        if parts is not None:
            yield parts
        shown = np.zeros_like(person)
        window = slice(lines[0], int(neck[1])), columns
        shown[window] = np.isin(classes[window], face)
        behind = from_behind(photo, shown, np.isin(classes, hair), random)
        parts = None if behind is None else cut_parts(behind, person, turned_round(joints))
        if parts is not None:
            yield parts


def from_behind(
    photo: NDArray[np.uint8],
    face: NDArray[np.bool_],
    hair: NDArray[np.bool_],
    random: np.random.Generator,
) -> NDArray[np.uint8] | None:
    """A photo as if it were taken from behind: hair in place of the face; None without hair."""
    found = photo[hair]
    if len(found) < LEAST_HAIR:
        return None
    painted = photo.copy()
    painted[face] = found[random.integers(len(found), size=np.count_nonzero(face))]
    soft = cv2.GaussianBlur(painted, (0, 0), 1.2)
    painted[face] = soft[face]
    return painted


def turned_round(joints: Mapping[str, NDArray[np.floating]]) -> dict[str, NDArray[np.floating]]:
    """Joints of somebody who faces the camera, as if it were the back: left is right."""
    return {
        mirrored_name(name): point
        for name, point in joints.items()
        if name != "nose" and not name.endswith("_eye")
    }
