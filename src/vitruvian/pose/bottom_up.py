"""Scores of systems that find everyone in a picture, on data sets with one known person in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.records import Frame, Person
from vitruvian.core.skeletons import Skeleton
from vitruvian.pose.datasets.base import Floats, PoseDataset
from vitruvian.pose.datasets.lsp import Lsp, score_lsp
from vitruvian.pose.datasets.world import RenderedPeople


class Finder(Protocol):
    """A system that finds people in whole pictures."""

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Frame]:
        """The people of each picture."""


def score_on_lsp(
    finder: Finder, people: Lsp, places: Iterable[int]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """PCK@0.2 of whole pictures, over the joints that the system shares with LSP.

    The found person whose joints' box overlaps the annotated one's most is scored; a joint that was
    not found, or a person that was not, is wrong.

    Args:
        finder: The system.
        people: The data set.
        places: The people's indices; wrap them in a progress bar to show one.

    Returns:
        As `score_lsp`, and the joints that were compared.
    """
    order, found, shared = find_joints(finder, people, places)
    truth = np.stack([people[index].joints for index in order])
    return score_lsp(found, truth, shared), shared


def score_on_world(
    finder: Finder, people: RenderedPeople, places: Iterable[int]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """PCK@0.2 of rendered pictures, as `score_on_lsp`, over the joints that can be seen."""
    order, found, shared = find_joints(finder, people, places)
    return people.score(found, order, shared), shared


def find_joints(
    finder: Finder, people: PoseDataset, places: Iterable[int]
) -> tuple[list[int], Floats, tuple[str, ...]]:
    """The joints of the person in each picture, found without a box.

    Returns:
        The indices of the people that have a labelled joint; their joints (people, shared joints,
        2), NaN where not found; the shared joints.
    """
    order, found, shared = [], [], people.skeleton.joints
    for index in places:
        joints = people[index].joints
        if not joints[:, 2].any():
            continue
        order.append(index)
        frame = finder.predict([people.picture(index)])[0]
        nearest = nearest_person(frame, joints)
        if nearest is None:
            found.append(np.full((len(people.skeleton), 2), np.nan, dtype=np.float32))
            continue
        shared = shared_joints(nearest.pose.skeleton, people.skeleton)
        points = nearest.pose.to(people.skeleton).joints
        found.append(np.where(points[:, 2:] > 0, points[:, :2], np.nan))
    chosen = [people.skeleton.index[name] for name in shared]
    return order, np.stack(found)[:, chosen], shared


def shared_joints(known: Skeleton, wanted: Skeleton) -> tuple[str, ...]:
    """The joints of `wanted` that `known` has, in the order of `wanted`."""
    return tuple(name for name in wanted.joints if name in known.index)


def nearest_person(frame: Frame, joints: Floats) -> Person | None:
    """The person whose joints' box overlaps that of `joints` (joints, 3) most, or None."""
    points = joints[joints[:, 2] > 0, :2]
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    people = [person for person in frame if person.pose.found.any()]
    overlaps = [_overlap(person.pose.box(), box) for person in people]
    return people[int(np.argmax(overlaps))] if people and max(overlaps) > 0 else None


def _overlap(one: Floats, other: Floats) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (one, other)]
    return common / max(sum(areas) - common, 1e-9)
