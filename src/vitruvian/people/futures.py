"""Futures of the people of a clip, from its own tracks, drawn as the clip goes on.

Where people stand is measured in body heights of the picture (see `motion.datasets.files`); a few
times a second the next 4.8 s are predicted from the last 3.2 s of everyone who is in sight.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.drawing import person_colour
from vitruvian.core.errors import InputError, WeightsError
from vitruvian.core.load import load
from vitruvian.core.records import Frame
from vitruvian.motion.datasets.files import people_tracks
from vitruvian.motion.drawing import draw_line
from vitruvian.motion.futures import Futures
from vitruvian.motion.homography import Matrix, project
from vitruvian.motion.tracks import OBSERVED, STEP

SYSTEM = "motion/dscmp"
HEIGHTS = "heights"
"""Name of the card's weights for tracks in body heights, and their unit."""

_RECIPE = "motion/dscmp_heights"
_EVERY = 0.2  # seconds between two predictions
_LEAST = 3  # steps of 0.4 s that someone must have been seen: less says nothing of a way
_OPACITY = 0.55


def load_predictor(weights: str = HEIGHTS, device: str = "auto") -> Any:
    """The system that predicts in clips.

    Args:
        weights: A path, or the name of an entry of the system's card.
        device: As in `choose_device`.

    Raises:
        WeightsError: they are for tracks in another unit, damaged, or not there.
    """
    system = load(SYSTEM, weights, device)
    if system.unit != HEIGHTS:
        msg = (
            f"{weights} is for tracks in {system.unit}, and a clip's are in body heights: give "
            f"weights of the recipe {_RECIPE}."
        )
        raise WeightsError(msg)
    return system


class FutureDrawer:
    """Predicts and draws while a clip goes by.

    Args:
        system: Of `load_predictor`.
    """

    def __init__(self, system: Any) -> None:
        self._system = system
        self._seen: deque[Frame] = deque()
        self._found: Futures | None = None
        self._to_pixels: Matrix = np.eye(3)
        self._due = -np.inf

    def draw(self, image: NDArray[np.uint8], frame: Frame) -> None:
        """Draw where everyone of a frame may go, in their own colours, in place.

        Args:
            image: (height, width, 3) RGB uint8, contiguous.
            frame: The next one of the clip.
        """
        self._seen.append(frame)
        while frame.seconds - self._seen[0].seconds > OBSERVED * STEP:
            self._seen.popleft()
        if frame.seconds >= self._due:
            self._found = self._predict(frame)
            self._due = frame.seconds + _EVERY
        here = {person.id for person in frame}
        if self._found is None or not any(person.id in here for person in self._found):
            return
        drawn = image.copy()
        thick = max(1, round(max(image.shape[:2]) / 900))
        for person in self._found:
            if person.id not in here or person.seen < _LEAST:
                continue
            for place in range(len(person.samples) - 1, -1, -1):  # the mean on top
                path = np.concatenate([person.past[-1:], person.samples[place]])
                width = 2 * thick if place == 0 else thick
                draw_line(drawn, project(path, self._to_pixels), person_colour(person.id), width)
        cv2.addWeighted(drawn, _OPACITY, image, 1 - _OPACITY, 0, dst=image)

    def _predict(self, frame: Frame) -> Futures | None:
        clocks = [one.seconds for one in self._seen]
        if not len(frame) or not any(b > a for a, b in pairwise(clocks)):
            return None
        try:
            tracks = people_tracks(list(self._seen), frame.source)
            (found,) = self._system.predict([tracks], frame=frame.frame)
        except InputError:  # a box that is not finite: such a frame has no futures
            return None
        if tracks.to_pixels is not None:
            self._to_pixels = tracks.to_pixels
        return found
