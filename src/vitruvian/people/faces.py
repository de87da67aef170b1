"""Which face belongs to whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitruvian.core.assignment import best_assignment
from vitruvian.core.records import Face, Pose

HEAD_JOINTS = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
"""Joints that say where a person's face is; the first three are landmarks of the face, too."""

MOST_COST = 0.6  # of a face and the person it belongs to, see `face_cost`


def join_faces(
    poses: Sequence[Pose], faces: Sequence[Face], most_cost: float = MOST_COST
) -> tuple[list[Face | None], tuple[Face, ...]]:
    """Give each face to the person whose head joints it holds.

    Pairs are chosen together, so that the sum of their costs (`face_cost`) is least; a cost over
    `most_cost` is no pair.

    Returns:
        Each person's face or None, and the faces that belong to nobody.
    """
    given: list[Face | None] = [None] * len(poses)
    if not poses or not faces:
        return given, tuple(faces)
    cost = np.array([[face_cost(pose, face) for face in faces] for pose in poses])
    left = set(range(len(faces)))
    for person, face in enumerate(best_assignment((1e3 - np.minimum(cost, 1e3)).tolist())):
        if face >= 0 and cost[person, face] <= most_cost:
            given[person] = faces[face]
            left.remove(face)
    return given, tuple(faces[i] for i in sorted(left))


def face_cost(pose: Pose, face: Face) -> float:
    """How far a face is from a person's head, in sizes of the smaller of the two.

    The mean distance of nose and eyes from the face's landmarks; where the head shows none of
    them, of the ears' middle from the face's; infinite where the head shows nothing.
    """
    head = {name: pose[name] for name in HEAD_JOINTS if pose[name][2] > 0}
    pairs = [
        (head[name][:2], face.landmarks[place])
        for place, name in enumerate(("left_eye", "right_eye", "nose"))
        if name in head
    ]
    if not head:
        return float("inf")
    points = np.array([joint[:2] for joint in head.values()])
    if not pairs:
        pairs = [(points.mean(axis=0), (face.box[:2] + face.box[2:]) / 2)]
    size = float(np.sqrt(np.prod(face.box[2:] - face.box[:2])))
    if len(head) > 2:  # nose, eyes and ears spread about as far as a face is wide
        size = min(size, 1.3 * float(np.ptp(points, axis=0).max()))
    return float(np.mean([np.linalg.norm(a - b) for a, b in pairs])) / max(size, 1e-6)
