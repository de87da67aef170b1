"""People and faces of pictures, face and person joined: what `analyze` finds before it tracks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.assignment import best_assignment
from vitruvian.core.card import find_card
from vitruvian.core.inference import Backend
from vitruvian.core.records import Face, Person, Pose
from vitruvian.core.timing import Timings
from vitruvian.core.weights import find_weights
from vitruvian.face.retinaface.detection import RetinaFace
from vitruvian.people.boxes import person_box
from vitruvian.people.refining import FAST, SURE_FACE, look_closer, make_look
from vitruvian.pose.openpose.detection import HEIGHT, SCALES, OpenPose

if TYPE_CHECKING:
    from vitruvian.core.device import Precision

HEAD_JOINTS = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
"""Joints that say where a person's face is; the first three are landmarks of the face, too."""

MOST_COST = 0.6  # of a face and the person it belongs to, see `face_cost`

# A weak finding is a person where a sure face stands at its head.
WEAK_SCORE = 0.15
SURE_COST = 0.35

FREE_FACE = 0.7  # least score of a face that belongs to nobody: ties and bears score less


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


class PeopleDetector:
    """Finds people with their joints and faces.

    Args:
        height: Of the pose network's input, in pixels.
        scales: The picture is read at these multiples of `height`.
        faces: Whether faces are looked for.
        device: As in `choose_device`.
        precision: Likewise.
        backend: As in `make_runner`.
        pose_weights: Other weights of OpenPose; see `find_weights`.
        face_weights: Other weights of RetinaFace.
        timings: Where the stages' times are added.
        pose: How joints are read: "fast", or what looks once more at each person: a key of
            `refining.EMBEDDED`, or the file of a top-down system's weights.

    Raises:
        UnknownNameError: there is no such way.
        InputError: the file is not of a top-down system.
    """

    def __init__(
        self,
        *,
        height: int = HEIGHT,
        scales: Sequence[float] = SCALES,
        faces: bool = True,
        device: str = "auto",
        precision: Precision = "auto",
        backend: Backend = "auto",
        pose_weights: str | Path | None = None,
        face_weights: str | Path | None = None,
        timings: Timings | None = None,
        pose: str = FAST,
    ) -> None:
        self.timings = timings or Timings()
        where: dict[str, Any] = {"device": device, "precision": precision, "backend": backend}
        chosen = find_weights(find_card("pose/openpose"), pose_weights)
        self.pose = OpenPose.from_weights(
            chosen,
            height=height,
            scales=scales,
            weak_score=WEAK_SCORE if faces else None,
            timings=self.timings,
            **where,
        )
        self.face: RetinaFace | None = None
        if faces:
            chosen = find_weights(find_card("face/retinaface"), face_weights)
            self.face = RetinaFace.from_weights(chosen, timings=self.timings, **where)
        self.closer = make_look(pose, device, precision, backend)

    def detect(
        self, images: Sequence[NDArray[np.uint8]], *, look_again: bool = False
    ) -> list[tuple[tuple[Person, ...], tuple[Face, ...]]]:
        """People (with their faces) and the faces of nobody, for each picture.

        Pictures of one size go through the networks as a batch.

        Args:
            images: (height, width, 3) RGB uint8.
            look_again: As in `OpenPose.detect`: worth it for photos, not for each frame of a video.
        """
        results: list[tuple[tuple[Person, ...], tuple[Face, ...]]] = [((), ())] * len(images)
        for size in dict.fromkeys(image.shape[:2] for image in images):
            places = [i for i, image in enumerate(images) if image.shape[:2] == size]
            batch = [images[i] for i in places]
            people = self.pose.detect(batch, look_again=look_again)
            faces = self.face.detect(batch) if self.face else [[] for _ in batch]
            with self.timings.stage("join"):
                for place, found, found_faces in zip(places, people, faces, strict=True):
                    results[place] = _join(found, found_faces, self.pose.options.min_score, size)
        if self.closer is None:
            return results
        with self.timings.stage("closer look"):
            return look_closer(self.closer, images, results)

    def describe(self) -> dict[str, Any]:
        """Systems, weights, device: what `run.json` says of the detector."""
        parts = [part for part in (self.pose, self.face) if part]
        looks = [self.closer] if self.closer else []
        return {
            "device": "; ".join(dict.fromkeys(part.runner.description for part in parts)),
            "systems": [part.weights.to_dict() for part in (*parts, *looks)],
        }


def _join(
    found: Sequence[tuple[Pose, float]],
    faces: Sequence[Face],
    least: float,
    size: tuple[int, int],
) -> tuple[tuple[Person, ...], tuple[Face, ...]]:
    """People and faces of one picture.

    Who scores less than `least` counts only with a sure face at the head, of those that are left.
    """
    sure = [(pose, score) for pose, score in found if score >= least]
    weak = [(pose, score) for pose, score in found if score < least]
    given, rest = join_faces([pose for pose, _ in sure], faces)
    known = list(zip(sure, given, strict=True))
    certain = tuple(face for face in rest if face.score >= SURE_FACE)
    own, left = join_faces([pose for pose, _ in weak], certain, SURE_COST)
    known += [(one, face) for one, face in zip(weak, own, strict=True) if face]
    people = tuple(
        Person(score, person_box(pose, face, size), pose, face) for (pose, score), face in known
    )
    free = [face for face in rest if face.score < SURE_FACE or face in left]
    return people, tuple(face for face in free if face.score >= FREE_FACE)
