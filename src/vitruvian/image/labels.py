"""What classification says of a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont


@dataclass(frozen=True)
class Label:
    """A class and its probability in [0, 1]."""

    name: str
    score: float


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """The best classes of one picture, the likeliest first.

    Attributes:
        source: The file or name that the picture came from.
        width: Of the picture, in pixels.
        height: Likewise.
        labels: At most five.
        image: (height, width, 3) RGB uint8, where it was kept; no part of `to_dict`.
    """

    source: str
    width: int
    height: int
    labels: tuple[Label, ...]
    image: NDArray[np.uint8] | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; scores to 0.0001."""
        return {
            "source": self.source,
            "width": self.width,
            "height": self.height,
            "labels": [
                {"name": label.name, "score": round(label.score, 4)} for label in self.labels
            ],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LabelledPicture:
        """The inverse of `to_dict`."""
        labels = tuple(Label(item["name"], item["score"]) for item in data["labels"])
        return cls(data["source"], data["width"], data["height"], labels)

    def summary(self) -> str:
        """The first label in words: `dress 0.93`."""
        best = self.labels[0]
        return f"{best.name} {best.score:.2f}"

    def draw(self) -> Image.Image:
        """The picture with its first label; needs `image`."""
        assert self.image is not None
        drawn = Image.fromarray(self.image)
        size = max(min(drawn.size) // 16, 10)
        font = ImageFont.load_default(size)
        text, pen = self.summary(), ImageDraw.Draw(drawn)
        box = pen.textbbox((size // 3, size // 4), text, font=font)
        pen.rectangle((0, 0, box[2] + size // 3, box[3] + size // 4), fill=(0, 0, 0))
        pen.text((size // 3, size // 4), text, fill=(255, 255, 255), font=font)
        return drawn
