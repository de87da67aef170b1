"""Extras: what hangs on a person or stands off the head, beside the body's own surface.

A skirt's shell, long hair, a hat's brim and glasses are blocks of vertices behind the body's, the
same for everyone. What is not worn collapses into a point inside the body, where no ray meets it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitruvian.world.kernels import materials as kernels
from vitruvian.world.kernels.colors import LENS_ARM, SHELL_ARM

Floats = NDArray[np.float64]

SKIRT_RINGS, SKIRT_COLUMNS = 18, 41
LOCK_ROWS, LOCK_COLUMNS = 12, 27
BRIM_RINGS, BRIM_COLUMNS = 4, 33
RIM = 16  # corners of a glass of the glasses

SKIRT_ANGLES = np.linspace(-np.pi, np.pi, SKIRT_COLUMNS)
"""Around the person from the back by the right to the back: 0 is the front, π/2 the left."""

LOCK_ANGLES = np.linspace(-0.62 * np.pi, 0.62 * np.pi, LOCK_COLUMNS) + np.pi
"""From before one ear by the back to before the other."""

BRIM_ANGLES = np.linspace(-np.pi, np.pi, BRIM_COLUMNS)


@dataclass(frozen=True, eq=False)
class Extras:
    """The extras' mesh. E vertices; numbers count from the first extra.

    Attributes:
        places: (E, 3): on the neutral adult.
        cloth: (E, 3): where colours are read: `Surface.canonical`.
        faces: (F, 3): triangles.
        kinds: (E,): `materials.SHELL`, `LOCKS`, `BRIM` or `FRAME`.
        arms: (E,): marks for the colours.
    """

    places: Floats
    cloth: Floats
    faces: NDArray[np.int32]
    kinds: NDArray[np.int32]
    arms: Floats

    def block(self, kind: int) -> slice:
        """Where the vertices of a kind are."""
        rows = np.flatnonzero(self.kinds == kind)
        return slice(int(rows[0]), int(rows[-1]) + 1)


def outward(angles: NDArray[np.floating]) -> Floats:
    """(..., 3): level directions away from the person: 0 is the front, π/2 the left."""
    return np.stack([np.sin(angles), -np.cos(angles), np.zeros_like(angles)], axis=-1)


def _grid(rows: int, columns: int) -> NDArray[np.int32]:
    """Triangles between neighbours of a sheet of rows times columns."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
    pair = [[0, columns, 1], [1, columns, columns + 1]]
    return (first[:, None] + np.array(pair)).reshape(-1, 3).astype(np.int32)


def make_extras() -> Extras:
    """The extras on the neutral adult."""
    share = np.linspace(1, 0, SKIRT_RINGS)[:, None]
    ring = outward(SKIRT_ANGLES) * [0.19, 0.13, 0]
    skirt = ring + (0.35 + 0.7 * share)[..., None] * [0, 0, 1] + [0, -0.02, 0]
    skirt_cloth = np.stack(np.broadcast_arrays(0.15 * SKIRT_ANGLES, 0.0, share), axis=-1)

    down = np.linspace(1.75, 1.2, LOCK_ROWS)[:, None]
    locks = outward(LOCK_ANGLES) * [0.09, 0.1, 0] + down[..., None] * [0, 0, 1] + [0, -0.03, 0]

    width = np.linspace(0, 0.07, BRIM_RINGS)[:, None, None]
    brim = outward(BRIM_ANGLES) * (np.array([0.08, 0.1, 0]) + width) + [0, -0.05, 1.765]

    blocks = [
        (skirt, skirt_cloth, _grid(SKIRT_RINGS, SKIRT_COLUMNS), kernels.SHELL, float(SHELL_ARM)),
        (locks, locks, _grid(LOCK_ROWS, LOCK_COLUMNS), kernels.LOCKS, 0.0),
        (brim, brim, _grid(BRIM_RINGS, BRIM_COLUMNS), kernels.BRIM, float(SHELL_ARM)),
    ]
    frame, faces = glasses_frame()
    eye = np.array([0.0319, -0.13, 1.722])
    frame_arms = np.zeros(len(frame))
    frame_arms[4 * RIM : 6 * RIM] = float(LENS_ARM)
    places, cloth, kinds, arms, triangles, count = [], [], [], [], [], 0
    for grid, colors, between, kind, arm in blocks:
        places.append(grid.reshape(-1, 3))
        cloth.append(colors.reshape(-1, 3))
        kinds.append(np.full(len(places[-1]), int(kind)))
        arms.append(np.full(len(places[-1]), arm))
        triangles.append(between + count)
        count += len(places[-1])
    on_face = frame * eye[0] + [0, eye[1], eye[2]]
    return Extras(
        places=np.concatenate([*places, on_face]),
        cloth=np.concatenate([*cloth, on_face]),
        faces=np.concatenate([*triangles, faces + count]).astype(np.int32),
        kinds=np.concatenate([*kinds, np.full(len(frame), int(kernels.FRAME))]).astype(np.int32),
        arms=np.concatenate([*arms, frame_arms]),
    )


def glasses_frame() -> tuple[Floats, NDArray[np.int32]]:
    """Vertices and triangles of glasses, between the eyes, in half distances of the eyes.

    Two rims of an inner and an outer ring, two glasses, a bridge, and the temples' ends at the
    front and at the ears.
    """
    angles = np.linspace(0, 2 * np.pi, RIM, endpoint=False)
    circle = np.stack([np.cos(angles), np.zeros(RIM), np.sin(angles)], axis=-1)
    oval = np.sign(circle) * np.abs(circle) ** 0.8 * [0.74, 1, 0.58]
    rings = []
    for side in (1, -1):
        center = np.array([side, -0.45, -0.12])
        rings += [center + 0.88 * oval, center + oval]
    bridge = [[x, -0.5, z] for x in (-0.28, 0.28) for z in (0.0, 0.14)]
    temples = [[side * 1.74, y, z] for side in (1, -1) for y in (-0.42, 2.9) for z in (-0.05, 0.12)]
    vertices = np.concatenate([*rings, rings[0], rings[2], bridge, temples])
    faces: list[list[int]] = []
    for eye in (0, 1):
        inner = 2 * RIM * eye
        for corner in range(RIM):
            after = (corner + 1) % RIM
            faces += [
                [inner + corner, inner + after, inner + RIM + corner],
                [inner + after, inner + RIM + after, inner + RIM + corner],
            ]
        first = 4 * RIM + RIM * eye
        faces += [[first, first + corner, first + corner + 1] for corner in range(1, RIM - 1)]
    for strip in (6 * RIM, 6 * RIM + 4, 6 * RIM + 8):
        faces += [[strip, strip + 1, strip + 2], [strip + 1, strip + 3, strip + 2]]
    return vertices, np.array(faces, dtype=np.int32)
