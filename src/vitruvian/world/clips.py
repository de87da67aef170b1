"""Clips: a person who moves over the floor, with planted feet that do not slide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitruvian.world.angles import bone_rotations
from vitruvian.world.bodies import Body, pose_body, rest_body
from vitruvian.world.clothes import Clothes
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.motion import Motion
from vitruvian.world.render import Actor
from vitruvian.world.sample import SOLE

_SOLES = tuple(f"{side}_{part}" for side in ("left", "right") for part in ("heel", "big_toe"))


def act(
    body: Body, motion: Motion, clothes: Clothes, times: Sequence[float], *, device: str = "cpu"
) -> list[Actor]:
    """A person at each moment of a motion, in the world.

    Between two moments the lowest of heels and toes keeps its place on the floor, which carries the
    body on: a walk of long steps is a fast one. The lowest point always touches the floor.

    Args:
        body: Who moves.
        motion: How.
        clothes: What the person wears.
        times: Seconds, rising.
        device: warp's name of the device.

    Returns:
        An actor a moment; the first starts over the origin and faces along -y.
    """
    landmarks, rest = load_landmarks(), rest_body(body)
    soles = np.array([landmarks.names.index(name) for name in _SOLES])
    actors: list[Actor] = []
    place = np.zeros(3)
    before = np.zeros((len(soles), 3))
    for seconds in times:
        posed = pose_body(rest, bone_rotations(motion.at(seconds)), device=device)
        place[2] = SOLE - float(posed.vertices[:, 2].min())
        feet = landmarks.points(posed)[soles]
        feet[:, 2] += place[2]
        if actors:
            planted = (before[:, 2] + feet[:, 2]).argmin()
            place[:2] = before[planted, :2] - feet[planted, :2]
        before = feet + np.array([place[0], place[1], 0.0])
        actors.append(Actor(posed, clothes, place.copy()))
    return actors
