"""A second look at people: a top-down network reads the joints in the boxes of the first stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.inference import Backend, OnnxRunner, runs_graph
from vitruvian.core.records import Face, Person, Pose
from vitruvian.core.skeletons import Skeleton, convert_joints
from vitruvian.core.weights import Weights, find_weights
from vitruvian.people.boxes import person_box
from vitruvian.people.faces import join_faces
from vitruvian.people.journal import Found
from vitruvian.pose.boxed import BoxedPose

if TYPE_CHECKING:
    from vitruvian.core.device import Precision

FAST = "fast"
"""The way to read joints that has no second look."""

EMBEDDED = {"accurate": ("pose/hrnet", "open"), "wholebody": ("pose/hrnet", "open_wholebody")}
"""Way to read joints → the system that does, and the name of its embedded weights."""

GRAPH_ARGUMENTS = ("skeleton", "width", "height", "decoder")
"""Of a system's arguments, those that matter around its graph."""

LEAST_JOINTS, LEAST_SCORE = 5, 0.3
"""A second look that finds fewer joints of that score is not believed."""

MOST_APART = 0.1
"""Nor is one whose joints are, on the median, farther from the first's, in sizes of the person: in
a box with two people it may see the other one. Of a single joint that is so far from the first's,
the surer place is taken; one that the second look does not find stays where it was."""

SURE_FACE = 0.9
FACE_JOINTS = 8
"""A sure face that belongs to nobody is a person, where so many joints are found, most of them
below it."""

KNOWN_APART = 0.1
"""A pose that is this near somebody's, in their sizes, is theirs."""

SURE_JOINTS, SURE_SCORE = 10, 0.5
"""What the first stage doubts is a person where the second look finds so many joints, of that score
on the mean, at the same places."""

FACE_WIDTHS, FACE_HEIGHTS = 4.5, 8.0
"""Of a person's box around a face, in sizes of the face."""


class CloserLook(Protocol):
    """What reads the joints of boxed people."""

    weights: Weights

    def detect(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Sequence[NDArray[np.float32]]]
    ) -> list[list[Pose]]:
        """The pose in each box (4,) of each picture (height, width, 3) RGB uint8."""


class SystemRunner:
    """A top-down system as what `BoxedPose` runs: crops (batch, height, width, 3) → heat maps."""

    def __init__(self, weights: Weights, device: str, precision: Precision) -> None:
        kind: Any = find_card(weights.system).load_class()
        self.system = kind.from_weights(weights, device=device, precision=precision)

    def __call__(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """See the class."""
        import torch

        with torch.inference_mode(), self.system.chosen.autocast():
            crops = torch.from_numpy(images).permute(0, 3, 1, 2)
            maps = self.system(crops.to(self.system.device))
        return [maps.float().cpu().numpy()]

    @property
    def description(self) -> str:
        """For `run.json`."""
        return f"{self.system.chosen}, PyTorch"


class SystemLook:
    """A top-down system of one's own that looks closer.

    Args:
        system: It, with weights.
        weights: Those, for the records.
    """

    def __init__(self, system: Any, weights: Weights) -> None:
        self.system = system
        self.weights = weights

    @classmethod
    def from_file(cls, file: str, device: str = "auto", precision: Precision = "auto") -> Self:
        """The system that a weights file says it is of.

        Raises:
            InputError: it does not say, or the system is none of boxed people.
            WeightsError: the file is absent or damaged.
        """
        from vitruvian.core.system import arguments_in
        from vitruvian.pose.topdown_system import TopDownSystem

        if not Path(file).is_file():
            raise InputError(f"There are no weights at {file}.")
        owner, _ = arguments_in(file)
        if owner is None:
            raise InputError(
                f"{file} does not say which system it is of: vitruvian weights import SYSTEM "
                f"{file} writes a file that does."
            )
        card = find_card(owner)
        kind: Any = card.load_class()
        if not issubclass(kind, TopDownSystem):
            raise InputError(f"{file} is of {owner}, which does not read the joints of a box.")
        weights = find_weights(card, Path(file))
        return cls(kind.from_weights(weights, device=device, precision=precision), weights)

    def detect(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Sequence[NDArray[np.float32]]]
    ) -> list[list[Pose]]:
        """See `CloserLook`."""
        given = [[box.tolist() for box in own] for own in boxes]
        frames = self.system.predict(images, given)
        return [[person.pose for person in frame] for frame in frames]


def make_look(
    pose: str,
    device: str = "auto",
    precision: Precision = "auto",
    backend: Backend = "auto",
) -> CloserLook | None:
    """What `--pose` asks for; None where there is no second look.

    Args:
        pose: A key of `EMBEDDED`, "fast", or a file of weights.
        device: As in `choose_device`.
        precision: Likewise.
        backend: As in `make_runner`; a file's system is run by PyTorch whatever it says.

    Raises:
        UnknownNameError: it is neither a way's name nor a file's.
        InputError: the file is not of a top-down system.
        WeightsError: the file is damaged.
    """
    if pose == FAST:
        return None
    if pose in EMBEDDED:
        system, name = EMBEDDED[pose]
        weights = find_weights(find_card(system), name)
        by_graph = runs_graph(weights, device=device, precision=precision, backend=backend)
        runner = OnnxRunner(weights) if by_graph else SystemRunner(weights, device, precision)
        known: dict[str, Any] = {key: weights.arguments[key] for key in GRAPH_ARGUMENTS}
        return BoxedPose(runner, weights, **known)
    if not Path(pose).suffix:
        raise UnknownNameError("pose", pose, (FAST, *EMBEDDED))
    return SystemLook.from_file(pose, device, precision)


def look_closer(
    network: CloserLook,
    images: Sequence[NDArray[np.uint8]],
    found: Sequence[Found],
    doubtful: Sequence[Sequence[Pose]] | None = None,
) -> list[Found]:
    """The people of pictures with the joints that a top-down network reads.

    Args:
        network: It.
        images: (height, width, 3) RGB uint8.
        found: The first stage's people and faces of nobody, of each picture.
        doubtful: Poses of each picture that may be people's, too.

    Returns:
        The same people, those whose faces alone were found, and those who were doubtful.
    """
    doubtful = [[] for _ in images] if doubtful is None else doubtful
    faces = [[face for face in free if face.score >= SURE_FACE] for _, free in found]
    asked = [
        [p for p in own if p.found.any() and not _is_known(p, [one.pose for one in people])]
        for own, (people, _) in zip(doubtful, found, strict=True)
    ]
    boxes = [
        [
            *(person.box for person in people),
            *(_below(face) for face in sure),
            *(person_box(pose, None, image.shape[:2]) for pose in own),
        ]
        for image, (people, _), sure, own in zip(images, found, faces, asked, strict=True)
    ]
    looks = zip(images, network.detect(images, boxes), strict=True)
    poses = [iter([_sure(pose, image.shape[:2]) for pose in own]) for image, own in looks]
    results = []
    for image, (people, free), sure, firsts, own in zip(
        images, found, faces, asked, poses, strict=True
    ):
        size = image.shape[:2]
        again = [_again(person, next(own), size) for person in people]
        given = []
        for face in sure:
            pose = next(own)
            if _is_body(pose, face) and not _is_known(pose, [one.pose for one in again]):
                again.append(Person(pose.score, person_box(pose, face, size), pose, face))
                given.append(face)
        left = tuple(face for face in free if not any(face is one for one in given))
        new = _confirmed(firsts, own, again)
        theirs, left = join_faces(new, left)
        again += [
            Person(pose.score, person_box(pose, face, size), pose, face)
            for pose, face in zip(new, theirs, strict=True)
        ]
        results.append((tuple(again), left))
    return results


def _confirmed(
    doubtful: Sequence[Pose], poses: Iterable[Pose], people: Sequence[Person]
) -> list[Pose]:
    """Of the second look's poses, those of whom was doubtful and is a person; each but once."""
    new: list[Pose] = []
    for first, pose in zip(doubtful, poses, strict=True):
        known = [*(person.pose for person in people), *new]
        if _is_person(pose, first) and not _is_known(pose, known):
            new.append(pose)
    return new


def _again(person: Person, pose: Pose, size: tuple[int, int]) -> Person:
    """The person with the joints of the second look, or the first's where that is not believed."""
    first = _renamed(person.pose, pose.skeleton)
    apart = _distances(first, pose)
    if pose.found.sum() < LEAST_JOINTS or _median(apart) > MOST_APART:
        return replace(person, pose=first)
    doubtful = ~(apart <= MOST_APART) & (first.joints[:, 2] > pose.joints[:, 2])
    joints = np.where(doubtful[:, None], first.joints, pose.joints)
    pose = Pose(pose.skeleton, joints)
    return replace(person, pose=pose, box=person_box(pose, person.face, size))


def _renamed(first: Pose, skeleton: Skeleton) -> Pose:
    """What the first stage found, in the second's joints."""
    joints = convert_joints(first.joints, first.skeleton, skeleton)
    return Pose(skeleton, joints.astype(np.float32))


def _sure(pose: Pose, size: tuple[int, int]) -> Pose:
    """Without the joints that score too little or lie outside the picture (height, width)."""
    x, y, score = pose.joints.T
    seen = (score >= LEAST_SCORE) & (x >= 0) & (y >= 0) & (x <= size[1]) & (y <= size[0])
    return Pose(pose.skeleton, pose.joints * seen[:, None])


def _distances(first: Pose, second: Pose) -> NDArray[np.float64]:
    """(joints,) distances in sizes of the first; NaN where not both have the joint."""
    both = first.found & second.found
    result = np.full(len(both), np.nan)
    if both.any():
        size = max(1.0, float(np.ptp(first.joints[first.found, :2], axis=0).max()))
        apart = first.joints[both, :2] - second.joints[both, :2]
        result[both] = np.linalg.norm(apart, axis=1) / size
    return result


def _median(distances: NDArray[np.float64]) -> float:
    """Of those that are known; 0 where none is."""
    known = distances[np.isfinite(distances)]
    return float(np.median(known)) if len(known) else 0.0


def _below(face: Face) -> NDArray[np.float32]:
    """Where the person of a face is likely to be: (4,), maybe partly outside the picture."""
    x1, y1, x2, y2 = (float(value) for value in face.box)
    width, height = x2 - x1, y2 - y1
    middle, top = (x1 + x2) / 2, y1 - height / 2
    half = FACE_WIDTHS * width / 2
    box = np.array([middle - half, top, middle + half, top + FACE_HEIGHTS * height])
    return box.astype(np.float32)


def _is_body(pose: Pose, face: Face) -> bool:
    """Whether enough joints are found, and neither most of them nor the neck within the face."""
    joints, at = pose.joints[:, :2], pose.found
    inside = at & ((joints >= face.box[:2]) & (joints <= face.box[2:])).all(axis=1)
    neck = pose.skeleton.index.get("neck")
    swallowed = neck is not None and bool(inside[neck])
    return bool(at.sum() >= FACE_JOINTS and inside.sum() < 0.5 * at.sum() and not swallowed)


def _is_person(pose: Pose, first: Pose) -> bool:
    """Whether the second look sees for sure what the first stage doubted."""
    apart = _distances(_renamed(first, pose.skeleton), pose)
    return bool(
        pose.found.sum() >= SURE_JOINTS
        and pose.joints[pose.found, 2].mean() >= SURE_SCORE
        and np.isfinite(apart).sum() >= LEAST_JOINTS
        and _median(apart) <= MOST_APART
    )


def _is_known(pose: Pose, known: Sequence[Pose]) -> bool:
    """Whether most of a pose's joints are where somebody's are."""
    return any(
        (pose.found & other.found).sum() >= LEAST_JOINTS
        and _median(_distances(other, pose)) < KNOWN_APART
        for other in known
    )
