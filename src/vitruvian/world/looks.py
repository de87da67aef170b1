"""Looks: what is on a face that is no shape of it: brows, beard, make-up, flushed cheeks."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp

from vitruvian.world.kernels import faces as kernels

BEARDS = ("none", "stubble", "moustache", "goatee", "sideburns", "full")
"""Styles of beard."""

_BEARD_SHARES = (0.46, 0.16, 0.09, 0.1, 0.06, 0.13)


@dataclass(frozen=True)
class Look:
    """What is on a face.

    Attributes:
        brow_width: How thick the brows are; 1 is ordinary.
        brow_arch: How much they rise towards the temples, in [0, 1].
        lipstick: How much of the lips' colour is `lip_color`, in [0, 1].
        lip_color: Display values in [0, 1].
        blush: How red the cheeks are, in [0, 1].
        eye_shadow: How dark the lids are painted, in [0, 1].
        beard: Name in `BEARDS`.
    """

    brow_width: float
    brow_arch: float
    lipstick: float
    lip_color: tuple[float, float, float]
    blush: float
    eye_shadow: float
    beard: str

    def struct(self) -> Any:
        """The look as the kernels read it."""
        face = kernels.Face()
        for name in ("brow_width", "brow_arch", "lipstick", "blush", "eye_shadow"):
            setattr(face, name, getattr(self, name))
        red, green, blue = (float(value) ** 2.2 for value in self.lip_color)
        face.lip_color = wp.vec3(red, green, blue)
        for name in ("stubble", "moustache", "goatee", "sideburns", "full_beard"):
            setattr(face, name, float(name.removesuffix("_beard") == self.beard))
        return face


PLAIN = Look(1.0, 0.3, 0.0, (0.6, 0.2, 0.2), 0.1, 0.0, "none")
"""An ordinary face with nothing on it."""


def sample_look(rng: np.random.Generator, *, woman: bool, child: bool) -> Look:
    """Make-up and beards for grown-ups, brows for all."""
    width, arch = rng.uniform(0.65, 1.45) + (0.0 if woman else 0.2), rng.uniform(0, 1) ** 1.5
    painted = woman and not child and rng.uniform() < 0.5
    heavy = bool(painted and rng.uniform() < 0.45)
    hue, value = rng.uniform(-0.07, 0.04) % 1, rng.uniform(0.45, 0.85)
    red, green, blue = colorsys.hsv_to_rgb(float(hue), float(rng.uniform(0.55, 0.9)), float(value))
    flushed = rng.uniform() < 0.18
    blush = rng.uniform(0.5, 1.0) if flushed or heavy else rng.uniform(0, 0.3)
    beard = str(rng.choice(BEARDS, p=_BEARD_SHARES))
    lipstick, shadow = rng.uniform(0.5, 1.0), rng.uniform(0.5, 1.0)
    return Look(
        brow_width=float(width),
        brow_arch=float(arch),
        lipstick=float(lipstick) if painted else 0.0,
        lip_color=(red, green, blue),
        blush=float(blush),
        eye_shadow=float(shadow) if heavy else 0.0,
        beard="none" if woman or child else beard,
    )
