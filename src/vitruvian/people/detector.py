"""People and faces of pictures, face and person joined: what `analyze` finds before it tracks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.card import find_card
from vitruvian.core.inference import Backend
from vitruvian.core.records import Face, Person, Pose
from vitruvian.core.timing import Timings
from vitruvian.core.weights import find_weights
from vitruvian.face.retinaface.detection import RetinaFace
from vitruvian.people.boxes import person_box
from vitruvian.people.faces import join_faces
from vitruvian.people.refining import FAST, SURE_FACE, look_closer, make_look
from vitruvian.pose.openpose.detection import HEIGHT, SCALES, OpenPose

if TYPE_CHECKING:
    from vitruvian.core.device import Precision

# A weak finding is a person where a sure face stands at its head.
WEAK_SCORE = 0.15
SURE_COST = 0.35

SMALL_PEOPLE = 1.75
"""Multiple of the height at which a photo is read besides, where the second look tells people from
others."""

FREE_FACE = 0.7  # least score of a face that belongs to nobody: ties and bears score less


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
        doubtful: list[list[Pose]] = [[] for _ in images]
        for size in dict.fromkeys(image.shape[:2] for image in images):
            places = [i for i, image in enumerate(images) if image.shape[:2] == size]
            batch = [images[i] for i in places]
            people = self.pose.detect(batch, look_again=look_again)
            faces = self.face.detect(batch) if self.face else [[] for _ in batch]
            with self.timings.stage("join"):
                for place, found, found_faces in zip(places, people, faces, strict=True):
                    results[place] = _join(found, found_faces, self.pose.options.min_score, size)
                    doubtful[place] = [pose for pose, _ in found]
            if self.closer and look_again:
                more = self.pose.detect_at(batch, (SMALL_PEOPLE,))
                for place, found in zip(places, more, strict=True):
                    doubtful[place] += [pose for pose, _ in found]
        if self.closer is None:
            return results
        with self.timings.stage("closer look"):
            return look_closer(self.closer, images, results, doubtful)

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
