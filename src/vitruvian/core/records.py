"""Records: what comes out of every system, as small frozen dataclasses around arrays.

Coordinates are pixels of the upright picture (after its EXIF turn), continuous, with the centre of
the top-left pixel at (0.5, 0.5). In `to_dict` they are rounded to 0.01 pixel, scores to 0.0001:
what a file holds is what `from_dict` gives back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.skeletons import COCO17, Skeleton, convert_joints, find_skeleton

if TYPE_CHECKING:
    from PIL import Image

Floats = NDArray[np.float32]

FACE_LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""The five points of a face. Left and right are the person's own."""


def _pixels(values: Floats) -> list[float]:
    return [round(float(value), 2) for value in values]


def _score(value: float) -> float:
    return round(float(value), 4)


@dataclass(frozen=True, eq=False)
class Pose:
    """The joints of one person.

    Attributes:
        skeleton: Which joints, in which order.
        joints: (joints, 3): x, y, score in (0, 1]. A joint that was not found is (0, 0, 0).
    """

    skeleton: Skeleton
    joints: Floats

    @property
    def found(self) -> NDArray[np.bool_]:
        """(joints,): which joints were found."""
        return self.joints[:, 2] > 0

    @property
    def score(self) -> float:
        """Mean score of the found joints; 0 where there is none."""
        scores = self.joints[self.found, 2]
        return float(scores.mean()) if len(scores) else 0.0

    def box(self) -> Floats:
        """(4,): x1, y1, x2, y2 around the found joints."""
        points = self.joints[self.found, :2]
        return np.concatenate([points.min(axis=0), points.max(axis=0)])

    def to(self, skeleton: Skeleton) -> Pose:
        """The same person in another skeleton, joint by joint name."""
        return Pose(skeleton, convert_joints(self.joints, self.skeleton, skeleton))

    def __getitem__(self, joint: str) -> Floats:
        """(3,): x, y, score of the joint of that name."""
        return self.joints[self.skeleton.index[joint]]

    def to_dict(self) -> dict[str, Any]:
        """`{"skeleton": name, "joints": {joint: [x, y, score], …}}`, found joints only."""
        joints = {
            name: [*_pixels(joint[:2]), max(_score(joint[2]), 1e-4)]
            for name, joint in zip(self.skeleton.joints, self.joints, strict=True)
            if joint[2] > 0
        }
        return {"skeleton": self.skeleton.name, "joints": joints}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Pose:
        """The pose that `to_dict` wrote."""
        skeleton = find_skeleton(data["skeleton"])
        joints = np.zeros((len(skeleton), 3), dtype=np.float32)
        for name, joint in data["joints"].items():
            joints[skeleton.index[name]] = joint
        return cls(skeleton, joints)


@dataclass(frozen=True, eq=False)
class Face:
    """A face.

    Attributes:
        box: (4,): x1, y1, x2, y2.
        score: In (0, 1].
        landmarks: (5, 2): the places of `FACE_LANDMARKS`.
    """

    box: Floats
    score: float
    landmarks: Floats

    def to_dict(self) -> dict[str, Any]:
        """`{"score", "box", "landmarks": {"left_eye": [x, y], …}}`."""
        return {
            "score": _score(self.score),
            "box": _pixels(self.box),
            "landmarks": {
                name: _pixels(point)
                for name, point in zip(FACE_LANDMARKS, self.landmarks, strict=True)
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Face:
        """The face that `to_dict` wrote."""
        return cls(
            np.array(data["box"], dtype=np.float32),
            data["score"],
            np.array([data["landmarks"][name] for name in FACE_LANDMARKS], dtype=np.float32),
        )


@dataclass(frozen=True, eq=False)
class Person:
    """One person in one frame.

    Attributes:
        score: In (0, 1].
        box: (4,): x1, y1, x2, y2 around what was found of the person.
        pose: The joints.
        face: The face, where one was found that belongs to the head's joints.
        id: The track's number in a video (from 1, never used twice); the place in a photo (from 1).
    """

    score: float
    box: Floats
    pose: Pose
    face: Face | None = None
    id: int = 0

    def to_dict(self) -> dict[str, Any]:
        """`{"id", "score", "box", "pose", "face"}`; `face` is null where none was found."""
        return {
            "id": self.id,
            "score": _score(self.score),
            "box": _pixels(self.box),
            "pose": self.pose.to_dict(),
            "face": self.face.to_dict() if self.face else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Person:
        """The person that `to_dict` wrote."""
        return cls(
            score=data["score"],
            box=np.array(data["box"], dtype=np.float32),
            pose=Pose.from_dict(data["pose"]),
            face=Face.from_dict(data["face"]) if data["face"] else None,
            id=data["id"],
        )


@dataclass(frozen=True, eq=False)
class Frame:
    """Everyone in one picture, or in one frame of a video. Iterates over its people.

    Attributes:
        source: The file, stream or name that the picture came from.
        frame: Number of the frame in its source, from 0; a photo is frame 0.
        seconds: Time of the frame in its source; 0 for a photo.
        width: Of the upright picture, in pixels.
        height: Likewise.
        people: The people found.
        faces: Faces that belong to no found person.
        image: (height, width, 3) RGB uint8, where it was kept; no part of `to_dict`.
    """

    source: str
    frame: int
    seconds: float
    width: int
    height: int
    people: tuple[Person, ...] = ()
    faces: tuple[Face, ...] = ()
    image: NDArray[np.uint8] | None = field(default=None, repr=False)

    def __iter__(self) -> Iterator[Person]:
        return iter(self.people)

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, place: int) -> Person:
        return self.people[place]

    def with_people(self, people: tuple[Person, ...]) -> Frame:
        """The same frame with other people."""
        return replace(self, people=people)

    def to_dict(self) -> dict[str, Any]:
        """The line of `people.jsonl`: plain numbers, strings, lists and dicts."""
        return {
            "source": self.source,
            "frame": self.frame,
            "seconds": round(self.seconds, 4),
            "width": self.width,
            "height": self.height,
            "people": [person.to_dict() for person in self.people],
            "faces": [face.to_dict() for face in self.faces],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Frame:
        """The frame that `to_dict` wrote, without its picture."""
        return cls(
            source=data["source"],
            frame=data["frame"],
            seconds=data["seconds"],
            width=data["width"],
            height=data["height"],
            people=tuple(Person.from_dict(person) for person in data["people"]),
            faces=tuple(Face.from_dict(face) for face in data["faces"]),
        )

    def to_coco(self, image_id: int) -> list[dict[str, Any]]:
        """COCO key-point results of this frame: 17 joints a person, ready for the evaluator.

        COCO counts pixels as indices, so 0.5 is taken off; a joint that was not found is 0, 0, 0.
        """
        results = []
        for person in self.people:
            joints = person.pose.to(COCO17).joints.copy()
            joints[:, :2] -= 0.5 * (joints[:, 2:] > 0)
            x1, y1, x2, y2 = person.box - 0.5
            results.append(
                {
                    "image_id": image_id,
                    "category_id": 1,
                    "keypoints": [round(float(value), 4) for value in joints.ravel()],
                    "bbox": _pixels(np.array([x1, y1, x2 - x1, y2 - y1])),
                    "score": _score(person.score),
                }
            )
        return results

    def draw(self, image: NDArray[np.uint8] | None = None) -> Image.Image:
        """The picture with everyone drawn on it.

        Args:
            image: (height, width, 3) RGB uint8; the kept picture where left out.

        Raises:
            ValueError: the record holds no picture and none was given.
        """
        from PIL import Image

        from vitruvian.core.drawing import draw_frame

        image = self.image if image is None else image
        if image is None:
            msg = "This record holds no picture: give one, frame.draw(image)."
            raise ValueError(msg)
        return Image.fromarray(draw_frame(image.copy(), self))
