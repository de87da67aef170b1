"""Poses and motion: a written model of what people do, in joint angles with limits.

An activity is a function of time that gives angles in degrees. Angles are anatomical: 0 is standing
upright with the arms hanging and the palms to the thighs. What is not written is drawn: every
activity has its own numbers, and slow noise moves every angle a little, so no two are alike. The
body that moves then settles: no limb through it, feet on the floor, weight above them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vitruvian.world.activities import ACTIVITIES, GESTURES, MIXABLE
from vitruvian.world.angles import LIMITS, Angles
from vitruvian.world.bodies import Rest
from vitruvian.world.keys import Timed, Written
from vitruvian.world.limbs import body_limbs
from vitruvian.world.posture import settle


@dataclass(frozen=True, eq=False)
class Motion:
    """One person's motion.

    Attributes:
        activity: Name in `ACTIVITIES`.
        speed: Metres a second that the stride is drawn for; 0 where the person stays.
        at: From a time in seconds to angles in degrees, within `LIMITS`.
        lift: From a time to metres between the lowest point of the body and the floor.
    """

    activity: str
    speed: float
    at: Timed
    lift: Callable[[float], float]


def sample_motion(
    rng: np.random.Generator, activity: str | None = None, rest: Rest | None = None
) -> Motion:
    """A motion.

    Args:
        rng: Drawn from in a fixed order: the same generator state gives the same motion.
        activity: Name in `ACTIVITIES`; drawn where left out.
        rest: The body that moves: its poses settle. Without one they may cross themselves.

    Raises:
        KeyError: there is no such activity.
    """
    names = list(ACTIVITIES)
    drawn = str(rng.choice(names, p=[ACTIVITIES[name][1] for name in names]))
    activity = activity or drawn
    written = ACTIVITIES[activity][0](rng)
    if activity in MIXABLE and rng.uniform() < 0.15:
        written = _mixed(written, ACTIVITIES[str(rng.choice(GESTURES))][0](rng), rng)
    spread = 3.0 if written.speed else 4.0
    frequencies = rng.uniform(0.1, 0.5, (len(LIMITS), 2))
    phases = rng.uniform(0, 2 * np.pi, (len(LIMITS), 2))
    sizes = rng.normal(0, spread, (len(LIMITS), 2)) * _NOISY[:, None]
    mirrored = bool(rng.integers(2))
    limbs = None if rest is None else body_limbs(rest)

    def at(seconds: float) -> Angles:
        angles = written.at(seconds)
        noise = (sizes * np.sin(2 * np.pi * frequencies * seconds + phases)).sum(axis=1)
        result = {
            name: min(max(float(angles.get(name, 0.0) + own), low), high)
            for (name, (low, high)), own in zip(LIMITS.items(), noise.tolist(), strict=True)
        }
        if mirrored:
            result = _mirror(result)
        if limbs is None:
            return result
        soles = tuple(_other(sole) for sole in written.soles) if mirrored else written.soles
        return settle(limbs, result, soles=soles, balanced=written.balanced)

    return Motion(activity, written.speed, at, written.lift)


_NOISY = np.array([name not in ("pitch", "roll") for name in LIMITS], dtype=np.float64)
_ARMS = ("clavicle", "shoulder", "elbow", "forearm", "wrist", "fingers", "thumb")


def _mixed(base: Written, gesture: Written, rng: np.random.Generator) -> Written:
    """The legs and trunk of one activity with more or less of another's arms and head."""
    share = rng.uniform(0.5, 1.0)
    upper = [name for name in LIMITS if name.split("_")[1:] and name.split("_")[1] in _ARMS]

    def at(seconds: float) -> Angles:
        angles, other = dict(base.at(seconds)), gesture.at(seconds)
        for name in upper:
            angles[name] = (1 - share) * angles.get(name, 0.0) + share * other.get(name, 0.0)
        return angles

    return Written(at, base.speed, base.soles, base.balanced, base.lift)


def blend(
    first: Motion, second: Motion, start: float, seconds: float, rest: Rest | None = None
) -> Motion:
    """One motion that turns into another.

    Args:
        first: Before `start`.
        second: After `start + seconds`.
        start: In seconds.
        seconds: How long the change takes.
        rest: The body that moves, so that the poses between settle too.
    """
    limbs = None if rest is None else body_limbs(rest)

    def share(now: float) -> float:
        place = min(max((now - start) / seconds, 0.0), 1.0)
        return place * place * (3 - 2 * place)

    def at(now: float) -> Angles:
        own = share(now)
        if own in (0.0, 1.0):
            return (second if own else first).at(now)
        before, after = first.at(now), second.at(now)
        between = {name: (1 - own) * before[name] + own * after[name] for name in LIMITS}
        return between if limbs is None else settle(limbs, between)

    def lift(now: float) -> float:
        own = share(now)
        return (1 - own) * first.lift(now) + own * second.lift(now)

    return Motion(second.activity, second.speed, at, lift)


def _other(name: str) -> str:
    """The name of the other side."""
    side, rest = name.split("_", 1)
    return {"left": "right", "right": "left"}[side] + "_" + rest


def _mirror(angles: Angles) -> Angles:
    """The same pose seen in a mirror."""
    result = {}
    for name, value in angles.items():
        if name.startswith(("left_", "right_")):
            result[_other(name)] = value
        else:
            result[name] = -value if name.endswith(("bend", "twist", "roll")) else value
    return result
