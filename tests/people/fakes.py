"""A detector that sees coloured squares, and media that show them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from vitruvian.core.records import Face, Person, Pose
from vitruvian.core.skeletons import OPENPOSE18
from vitruvian.people.journal import Found
from vitruvian.people.video_writer import VideoWriter

COLOURS = ((230, 30, 30), (30, 200, 30), (30, 30, 230))
SIZE = 24

_BODY = np.stack([np.linspace(-8, 8, 18), np.tile([-20.0, 0.0, 20.0], 6)], axis=1)


def person_at(
    x: float, y: float, *, score: float = 0.9, size: float = 1.0, face: bool = False
) -> Person:
    """A person around a point; the joints reach 8 pixels to the sides, 20 up and down."""
    points = np.array([x, y]) + size * _BODY
    joints = np.column_stack([points, np.full(18, score)]).astype(np.float32)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)
    found = None
    if face:
        landmarks = np.array([[x + i, y - 18] for i in range(5)], dtype=np.float32)
        found = Face(np.array([x - 5, y - 25, x + 5, y - 12], dtype=np.float32), 0.7, landmarks)
    return Person(score, box, Pose(OPENPOSE18, joints), found)


class FakeDetector:
    """Sees one person in each coloured square.

    As with a real network the numbers hang a little on the batch that a picture was in.
    """

    def __init__(self, pause: float = 0.0, weights: str = "f" * 64) -> None:
        self.pause = pause
        self.weights = weights
        self.seen = 0
        self.batches: list[int] = []

    def detect(self, images: Sequence[np.ndarray], *, look_again: bool = False) -> list[Found]:
        self.batches.append(len(images))
        found = []
        for place, image in enumerate(images):
            time.sleep(self.pause)
            self.seen += 1
            people = []
            for colour in COLOURS:
                near = np.abs(image.astype(int) - colour).max(axis=2) < 60
                if near.sum() > SIZE:
                    y, x = np.argwhere(near).mean(axis=0)
                    shift = 0.013 * place + 0.007 * len(images)
                    face = colour == COLOURS[0]
                    people.append(person_at(x + shift, y, score=0.81234567, face=face))
            found.append((tuple(people), ()))
        return found

    def describe(self) -> dict:
        system = {
            "system": "pose/fake",
            "name": "squares",
            "tier": "own",
            "sha256": self.weights,
            "licence": "CC0-1.0",
            "origin": "tests",
            "trained_on": "nothing",
        }
        return {"device": "cpu (2 threads), float32", "systems": [system]}


def picture(places: Sequence[tuple[int, int]], width: int = 160, height: int = 120) -> np.ndarray:
    """Squares of the colours of `COLOURS` around the places (x, y)."""
    image = np.full((height, width, 3), 128, np.uint8)
    for (x, y), colour in zip(places, COLOURS, strict=False):
        image[max(y - 12, 0) : y + 12, max(x - 12, 0) : x + 12] = colour
    return image


def write_picture(path: Path, places: Sequence[tuple[int, int]] = ((40, 60), (110, 60))) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(places)).save(path)
    return path


def write_clip(path: Path, frames: int = 30, rate: int = 25) -> Path:
    """Two squares that walk towards each other, one above the other."""
    with VideoWriter(path, 160, 120, Fraction(rate)) as video:
        for i in range(frames):
            across = 20 + round(110 * i / frames)
            video.write(picture([(across, 30), (150 - across, 90)]))
    return path
