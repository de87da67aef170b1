"""What an activity is made of: angles by time, and key poses with smooth ways between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vitruvian.world.angles import Angles
from vitruvian.world.limbs import SOLES

Timed = Callable[[float], Angles]
"""From a time in seconds to angles in degrees."""

FEET = SOLES
"""Both feet flat on the floor."""


def _none(_: float) -> float:
    return 0.0


@dataclass(frozen=True, eq=False)
class Written:
    """An activity as it is written down, before noise, limits and the body.

    Attributes:
        at: Angles by time; those left out are 0.
        speed: Metres a second; 0 where the person stays.
        soles: Points of `limbs.SOLES` that stand on the floor all the time.
        balanced: Whether the person could stay so: the weight is above the soles.
        lift: Metres between the lowest point and the floor, by time.
    """

    at: Timed
    speed: float = 0.0
    soles: tuple[str, ...] = ()
    balanced: bool = False
    lift: Callable[[float], float] = _none


def both_sides(**angles: float) -> Angles:
    """The same angle on both sides."""
    return {f"{side}_{name}": value for name, value in angles.items() for side in ("left", "right")}


def keyed(keys: Sequence[tuple[float, Angles]], period: float, start: float = 0.0) -> Timed:
    """A cycle through key poses, at rest in each.

    Args:
        keys: Times as shares of the period, rising from 0, and poses; the last leads to the first.
        period: In seconds.
        start: Share of the period at time 0.
    """
    names = list(dict.fromkeys(name for _, pose in keys for name in pose))
    times = np.array([time for time, _ in keys] + [1.0])
    poses = np.array([[pose.get(name, 0.0) for name in names] for _, pose in [*keys, keys[0]]])

    def at(seconds: float) -> Angles:
        place = (seconds / period + start) % 1.0
        key = int(np.searchsorted(times, place, side="right")) - 1
        key = min(max(key, 0), len(keys) - 1)
        share = (place - times[key]) / (times[key + 1] - times[key])
        share = share * share * (3 - 2 * share)
        values = (1 - share) * poses[key] + share * poses[key + 1]
        return dict(zip(names, values.tolist(), strict=True))

    return at
