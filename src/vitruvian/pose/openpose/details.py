"""Faces and hands: their boxes follow from the body's joints, a network of heat maps reads each.

Simon, Joo, Matthews, Sheikh: "Hand Keypoint Detection in Single Images using Multiview
Bootstrapping", CVPR 2017 (arXiv 1704.07809), section 3; the boxes are those of the OpenPose
library: a hand lies a third of the forearm beyond the wrist, a face between eyes, ears, nose and
neck. Left hands are mirrored, since the network was trained on right ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.inference import Runner
from vitruvian.core.records import Pose
from vitruvian.core.skeletons import OPENPOSE137

Floats = NDArray[np.float32]

INPUT = 368
"""Side of a crop, in pixels."""
STRIDE = 8
HAND_POINTS = 21
FACE_POINTS = 70
_FACE = OPENPOSE137.index["right_jaw_1"]
_HANDS = {
    "left": OPENPOSE137.index["left_hand_root"],
    "right": OPENPOSE137.index["right_hand_root"],
}
_SEEN = 0.05  # least score of a joint that a box follows from, and of a point that is kept


def hand_box(pose: Pose, side: str) -> Floats | None:
    """(4,): x1, y1, x2, y2 of the square around a hand; None where an arm's joint is missing.

    Args:
        pose: Of a skeleton with arms.
        side: "left" or "right".
    """
    arm = np.stack([pose[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist")])
    if arm[:, 2].min() < _SEEN:
        return None
    shoulder, elbow, wrist = arm[:, :2]
    center = wrist + 0.33 * (wrist - elbow)
    upper, lower = (float(np.linalg.norm(b - a)) for a, b in pairwise((shoulder, elbow, wrist)))
    return _square(center, 1.5 * max(lower, 0.9 * upper))


def face_box(pose: Pose) -> Floats | None:
    """(4,): x1, y1, x2, y2 of the square around a face; None where too little of it was found.

    The mean of what neck and nose, both eyes, and both ears say. In profile nose, eye and ear of
    the side that shows stand for neck and nose.
    """
    names = ("neck", "nose", "left_eye", "right_eye", "left_ear", "right_ear")
    point = {name: pose[name][:2] for name in names if pose[name][2] >= _SEEN}

    def apart(one: str, other: str) -> float:
        return float(np.linalg.norm(point[one] - point[other]))

    centers, sizes = [], []
    if {"neck", "nose"} <= point.keys():
        shown = {
            side: [f"{side}_{part}" in point for part in ("eye", "ear")]
            for side in ("left", "right")
        }
        profile = [side for side in shown if all(shown[side]) and not any(shown[_other(side)])]
        if profile:
            eye, ear = f"{profile[0]}_eye", f"{profile[0]}_ear"
            centers.append((point[eye] + point[ear] + point["nose"]) / 3)
            ways = apart("nose", eye) + apart("nose", ear) + apart("neck", "nose")
            sizes.append(0.85 * ways)
        else:
            centers.append((point["neck"] + point["nose"]) / 2)
            sizes.append(2 * apart("neck", "nose"))
    for part, factor in (("eye", 3), ("ear", 2)):
        if {f"left_{part}", f"right_{part}"} <= point.keys():
            centers.append((point[f"left_{part}"] + point[f"right_{part}"]) / 2)
            sizes.append(factor * apart(f"left_{part}", f"right_{part}"))
    if not centers:
        return None
    return _square(np.mean(centers, axis=0), float(np.mean(sizes)))


def with_details(
    image: NDArray[np.uint8], pose: Pose, face: Runner | None, hands: Runner | None
) -> Pose:
    """A pose in `OPENPOSE137`, with the points of face and hands that the networks find.

    Args:
        image: (height, width, 3) RGB uint8.
        pose: The body.
        face: BGR in [-0.5, 0.5] → 71 heat maps; None: no faces.
        hands: The same → 22 heat maps; None: no hands.
    """
    whole = pose.to(OPENPOSE137)
    if face is not None and (box := face_box(pose)) is not None:
        whole.joints[_FACE : _FACE + FACE_POINTS] = read_points(image, box, face, FACE_POINTS)
    if hands is not None:
        for side, first in _HANDS.items():
            box = hand_box(pose, side)
            if box is not None:
                points = read_points(image, box, hands, HAND_POINTS, mirrored=side == "left")
                whole.joints[first : first + HAND_POINTS] = points
    return whole


def read_points(
    image: NDArray[np.uint8],
    box: Sequence[float] | Floats,
    runner: Runner,
    count: int,
    *,
    mirrored: bool = False,
) -> Floats:
    """(count, 3): x, y in the picture and score of the points in a box; 0 where not found.

    Args:
        image: (height, width, 3) RGB uint8.
        box: x1, y1, x2, y2, a square with an area.
        runner: The network.
        count: Its points; the last heat map is the background.
        mirrored: Whether the network sees the mirrored crop.
    """
    x1, y1, x2, _ = (float(value) for value in box)
    zoom = INPUT / max(x2 - x1, 1)
    # Pixel indices, whose centres lie half a pixel farther in.
    matrix = np.array([[zoom, 0, (0.5 - x1) * zoom - 0.5], [0, zoom, (0.5 - y1) * zoom - 0.5]])
    crop = cv2.warpAffine(image, matrix, (INPUT, INPUT), borderValue=(128, 128, 128))
    if mirrored:
        crop = crop[:, ::-1]
    pixels = crop[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 256 - 0.5
    maps = np.ascontiguousarray(runner(np.ascontiguousarray(pixels))[0][0, :count])
    grown = np.stack([cv2.resize(m, (INPUT, INPUT), interpolation=cv2.INTER_CUBIC) for m in maps])
    rows, columns = np.divmod(grown.reshape(count, -1).argmax(axis=1), INPUT)
    scores = np.clip(grown[np.arange(count), rows, columns], 0, 1)
    if mirrored:
        columns = INPUT - 1 - columns
    points = np.stack([(columns + 0.5) / zoom + x1, (rows + 0.5) / zoom + y1, scores], axis=1)
    return (points * (scores >= _SEEN)[:, None]).astype(np.float32)


def _other(side: str) -> str:
    return "left" if side == "right" else "right"


def _square(center: NDArray[np.floating], side: float) -> Floats:
    half = max(side, 1.0) / 2
    return np.concatenate([center - half, center + half]).astype(np.float32)
