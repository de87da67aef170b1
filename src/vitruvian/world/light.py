"""Light: a sun or a lamp of some size, and what comes from all around."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import warp as wp

from vitruvian.world.kernels import rays


@dataclass(frozen=True)
class Light:
    """Light in linear colours: a sun (or a lamp) and what comes from above and below.

    Attributes:
        direction: Towards the sun or the lamp from the world's origin; a unit vector.
        sun: Colour and strength at the origin.
        sky: Of the light from above.
        ground: Of the light from below.
        size: Radius of the disc that shines, as a tangent seen from the origin: how soft shadows
            are.
        distance: Of a lamp from the origin, in metres; its light falls off with the square. 0 is a
            sun, without end.
    """

    direction: tuple[float, float, float]
    sun: tuple[float, float, float]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    size: float
    distance: float = 0.0

    @cached_property
    def struct(self) -> Any:
        """The light as the kernels read it."""
        light = rays.Light()
        for name in ("direction", "sun", "sky", "ground"):
            setattr(light, name, wp.vec3(*getattr(self, name)))
        light.size, light.distance = self.size, self.distance
        return light


def sample_light(rng: np.random.Generator, place: str, reach: float = 1.0) -> Light:
    """Sun and sky outside; inside bright walls, and a lamp or a window of some size.

    Args:
        rng: Drawn from in an order that depends on nothing else.
        place: Name in `backgrounds.PLACES`.
        reach: How far from the origin the people reach, in metres: a lamp hangs beyond.
    """
    outside = place not in ("room", "studio")
    height, around = np.radians(rng.uniform(22, 75)), rng.uniform(-np.pi, np.pi)
    direction = np.array(
        [np.cos(height) * np.sin(around), -np.cos(height) * np.cos(around), np.sin(height)]
    )
    cloud, far = rng.uniform(0, 1) ** 1.5, rng.uniform(2.5, 8.0)
    overcast = float(cloud if outside else 0.3 + 0.6 * cloud)
    warmth = rng.uniform(-0.12, 0.2)
    sun = (2.4 if outside else 1.5) * (1 - 0.85 * overcast)
    sky = 0.35 + 0.5 * overcast + (0.0 if outside else 0.15)
    soft = rng.uniform()
    return Light(
        direction=(float(direction[0]), float(direction[1]), float(direction[2])),
        sun=(sun * (1 + warmth), sun, sun * (1 - warmth)),
        sky=(sky * 0.95, sky, sky * (1.12 if outside else 0.98)),
        ground=(sky * 0.5, sky * 0.47, sky * 0.43),
        size=float(0.02 + 0.04 * soft if outside else 0.06 + 0.14 * soft),
        distance=0.0 if outside else float(far + 2 * max(reach - 1, 0)),
    )
