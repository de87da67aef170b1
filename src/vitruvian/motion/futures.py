"""Futures: the record of who goes where, with its uncertainty."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Future:
    """Where one person may go.

    Attributes:
        id: The person's number.
        past: (observed, 2): what was seen, the last one being now.
        seen: How many of `past` were really seen; the earlier ones continue them backwards.
        samples: (samples, steps, 2); the first one is the latent's mean.
        truth: (steps, 2): what happened, where it is known; else NaN.
    """

    id: int
    past: Floats
    seen: int
    samples: Floats
    truth: Floats

    def to_dict(self) -> dict[str, Any]:
        """`{"id", "seen", "past", "samples", "truth"}`; an unknown position is null."""
        return {
            "id": self.id,
            "seen": self.seen,
            "past": _plain(self.past),
            "samples": [_plain(sample) for sample in self.samples],
            "truth": _plain(self.truth),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Future:
        """The future that `to_dict` wrote."""
        truth = [[np.nan, np.nan] if point is None else point for point in data["truth"]]
        return cls(
            data["id"],
            np.array(data["past"], dtype=np.float64),
            data["seen"],
            np.array(data["samples"], dtype=np.float64),
            np.array(truth, dtype=np.float64),
        )


@dataclass(frozen=True, eq=False)
class Futures:
    """Where everyone of a scene may go. Iterates over its people.

    Attributes:
        source: The file of the tracks.
        frame: The frame that is now.
        frames: Numbers of the predicted frames.
        unit: Of all positions: "m", "px" or "heights".
        people: One each.
    """

    source: str
    frame: int
    frames: tuple[int, ...]
    unit: str
    people: tuple[Future, ...]

    def __iter__(self) -> Iterator[Future]:
        return iter(self.people)

    def __len__(self) -> int:
        return len(self.people)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; positions to 0.0001."""
        return {
            "source": self.source,
            "frame": self.frame,
            "frames": list(self.frames),
            "unit": self.unit,
            "people": [person.to_dict() for person in self.people],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Futures:
        """The futures that `to_dict` wrote."""
        people = tuple(Future.from_dict(person) for person in data["people"])
        return cls(data["source"], data["frame"], tuple(data["frames"]), data["unit"], people)

    def to_csv(self) -> str:
        """A row a position: person, sample, frame, x, y."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["person", "sample", "frame", "x", "y"])
        for person in self.people:
            for number, sample in enumerate(person.samples):
                for frame, (x, y) in zip(self.frames, sample, strict=True):
                    rows.writerow([person.id, number, frame, f"{x:.4f}", f"{y:.4f}"])
        return text.getvalue()

    def draw(
        self, image: NDArray[np.uint8] | None = None, to_pixels: Floats | None = None
    ) -> Image.Image:
        """Pasts, samples, truth and heat map on a picture of the scene, or on white.

        Args:
            image: (height, width, 3) RGB uint8 of the scene.
            to_pixels: (3, 3): the homography from positions to its pixels; needed with `image`.
        """
        from PIL import Image

        from vitruvian.motion.drawing import draw_futures

        return Image.fromarray(draw_futures(self, image, to_pixels))


def _plain(points: Floats) -> list[list[float] | None]:
    return [
        [round(float(x), 4), round(float(y), 4)] if np.isfinite(x) and np.isfinite(y) else None
        for x, y in points
    ]
