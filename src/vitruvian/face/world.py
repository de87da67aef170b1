"""Face detectors on the world's faces: how many are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.records import Face

SEED = 77
"""Of the world's samples that faces are counted in."""

LEAST_SIDE = 24.0
"""Pixels: faces whose box is narrower or lower are left out."""

MOST_TURN = 60.0
"""Degrees: faces turned, raised or tilted more are left out."""

SIZE = (480, 640)
"""Width and height of the pictures, in pixels."""


class Detector(Protocol):
    """What finds faces."""

    def detect(self, images: list[NDArray[np.uint8]]) -> list[list[Face]]:
        """Faces of each picture."""


def world_faces(seed: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A picture of one to three people, and the faces that a detector should find in it.

    Those are the faces of `LEAST_SIDE` pixels and more whose yaw, pitch and roll against the line
    of sight are `MOST_TURN` at most, that lie in the picture and of whose five landmarks the camera
    sees four at least.

    Returns:
        (height, width, 3) RGB; (faces, 4): x1, y1, x2, y2.
    """
    from vitruvian.world.sample import Setting, render_sample

    sample = render_sample(seed, index, Setting(*SIZE, people=(1, 3)))
    boxes = []
    for person in sample.people:
        face = person.face
        large = bool((face.box[2:] - face.box[:2] >= LEAST_SIDE).all())
        inside = bool((face.box[:2] >= 0).all() and (face.box[2:] <= SIZE).all())
        seen = (person.face_landmarks(5)[:, 2] == 2).sum() >= 4
        if large and inside and seen and face.turned <= MOST_TURN:
            boxes.append(face.box)
    return sample.image, np.array(boxes).reshape(-1, 4)


def score_on_world(
    detector: Detector,
    count: int = 400,
    bar: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> dict[str, float]:
    """Recall of a detector on the world's faces.

    Args:
        detector: What finds faces, at its own threshold.
        count: Pictures.
        bar: Wraps the pictures' numbers, to show progress.

    Returns:
        "recall@0.5": share of the faces that a detection covers with an IoU of 0.5 or more, each
        detection used once; "faces": how many there are; "pictures".
    """
    faces = found = 0
    for index in bar(range(count)):
        image, truths = world_faces(SEED, index)
        if not len(truths):
            continue
        boxes = [np.asarray(face.box, dtype=np.float64) for face in detector.detect([image])[0]]
        faces += len(truths)
        for truth in truths:
            overlaps = [_overlap(truth, box) for box in boxes]
            if overlaps and max(overlaps) >= 0.5:
                found += 1
                boxes.pop(int(np.argmax(overlaps)))
    recall = found / max(faces, 1)
    return {"recall@0.5": round(recall, 4), "faces": float(faces), "pictures": float(count)}


def _overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = np.prod(np.maximum(high - low, 0))
    return float(
        shared / (np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - shared)
    )
