"""Scores of systems that find everyone in a picture, on data sets with one known person in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.records import Frame, Person
from vitruvian.core.skeletons import Skeleton
from vitruvian.pose.datasets.base import Floats
from vitruvian.pose.datasets.lsp import Lsp, score_lsp


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
    truth, found, shared = [], [], people.skeleton.joints
    for index in places:
        person = people[index]
        frame = finder.predict([people.picture(index)])[0]
        nearest = nearest_person(frame, person.joints)
        truth.append(person.joints)
        if nearest is None:
            found.append(np.full((len(people.skeleton), 2), np.nan, dtype=np.float32))
            continue
        shared = shared_joints(nearest.pose.skeleton, people.skeleton)
        joints = nearest.pose.to(people.skeleton).joints
        found.append(np.where(joints[:, 2:] > 0, joints[:, :2], np.nan))
    chosen = [people.skeleton.index[name] for name in shared]
    return score_lsp(np.stack(found)[:, chosen], np.stack(truth), shared), shared


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
