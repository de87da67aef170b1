"""Crowds that the world simulates, with the semantic maps of their scenes.

Nothing is stored: a crowd is a function of the split's seed and its index.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.motion.homography import inverse
from vitruvian.motion.layouts import Layout
from vitruvian.motion.tracks import Tracks, Windows, cut_windows, join_windows, make_tracks

SEEDS = {"train": 201, "val": 202, "test": 203}
COUNTS = {"train": 120, "val": 20, "test": 40}
"""Crowds of a minute."""

STRIDE = 5
"""Steps from one window's start to the next one's: neighbouring windows say the same."""

HEIGHT = 1.7
"""Of a person, in metres."""

_TILTS = (10.0, 50.0)  # degrees by which the camera looks down


def crowd_tracks(seed: int, index: int, unit: Literal["m", "heights"] = "m") -> Tracks:
    """The tracks of a crowd.

    In body heights they are as a camera sees them that looks down at an angle, drawn for each
    crowd, from so far that everyone is equally tall: the ground is turned, its depth shortened by
    the sine of the angle and bodies by its cosine.

    Args:
        seed: With `index`, what the crowd is a function of.
        index: Likewise.
        unit: "m": from above, with the scene's layout; "heights": in a picture, without.
    """
    from vitruvian.world.crowds import simulate_crowd
    from vitruvian.world.squares import MAP_LABELS

    crowd = simulate_crowd(seed, index)
    rows = crowd.rows()
    source = f"crowd {seed}/{index}"
    if unit == "m":
        square = crowd.square
        to_pixels = inverse(square.homography, source)
        layout = Layout(square.labels, to_pixels, len(MAP_LABELS))
        return make_tracks(rows[:, 0], rows[:, 1], rows[:, 2:], source, layout=layout)
    places = rows[:, 2:] @ _view(np.random.default_rng([seed, index, 3]))
    return make_tracks(rows[:, 0], rows[:, 1], places, source, unit=unit)


def _view(rng: np.random.Generator) -> NDArray[np.float64]:
    """(2, 2): from metres on the ground (rows) to body heights in a picture."""
    around, tilt = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(*_TILTS))
    cosine, sine = np.cos(around), np.sin(around)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    return turn * np.array([1, np.sin(tilt)]) / (HEIGHT * np.cos(tilt))


class WorldCrowds:
    """Windows of 20 steps of simulated crowds.

    Args:
        split: "train", "val" or "test": each has crowds of its own seed.
        root: There are no files: must be left out.
        count: Crowds; those of `COUNTS` where left out.
        unit: See `crowd_tracks`.

    Raises:
        UnknownNameError: there is no such split.
        InputError: a folder is given, or fewer than one crowd is asked for.
    """

    name: ClassVar[str] = "world"
    title: ClassVar[str] = "simulated crowds"
    licence: ClassVar[str] = "none needed: simulated here"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    def __init__(
        self,
        split: str = "test",
        root: str | Path | None = None,
        *,
        count: int | None = None,
        unit: Literal["m", "heights"] = "m",
    ) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        if root is not None:
            raise InputError(f"The data set 'world' has no folder: leave {root} out.")
        asked = COUNTS[split] if count is None else count
        if asked < 1:
            raise InputError(f"Cannot make {asked} crowds: give 1 or more.")
        self.unit = unit
        self.windows = _windows(SEEDS[split], asked, unit)

    def __len__(self) -> int:
        return len(self.windows)


@cache
def _windows(seed: int, count: int, unit: Literal["m", "heights"]) -> Windows:
    tracks = (crowd_tracks(seed, index, unit) for index in range(count))
    return join_windows([cut_windows(one, stride=STRIDE) for one in tracks])
