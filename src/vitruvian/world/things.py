"""Things among the people: seats, boxes, poles, benches and plants, as plain meshes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Color = tuple[float, float, float]

_BOX_FACES = np.array(
    [
        *((0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4)),
        *((2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5)),
    ],
    dtype=np.int32,
)


@dataclass(frozen=True, eq=False)
class Thing:
    """A thing in one colour.

    Attributes:
        vertices: (vertices, 3): in the world.
        faces: (triangles, 3).
        color: Linear.
    """

    vertices: Floats
    faces: NDArray[np.int32]
    color: Color


def make_box(center: Sequence[float], size: Sequence[float], turn: float, color: Color) -> Thing:
    """A box.

    Args:
        center: In the world.
        size: In metres.
        turn: Degrees about z.
        color: Linear.
    """
    unit = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]) / 2
    return Thing(unit * size @ about_z(turn).T + np.asarray(center), _BOX_FACES, color)


def about_z(degrees: float) -> Floats:
    """(3, 3): the turn about the world's upright axis."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def _joined(things: Sequence[Thing], color: Color) -> Thing:
    starts = np.cumsum([0, *(len(thing.vertices) for thing in things[:-1])])
    faces = [thing.faces + start for thing, start in zip(things, starts, strict=True)]
    vertices = np.concatenate([thing.vertices for thing in things])
    return Thing(vertices, np.concatenate(faces).astype(np.int32), color)


def _pole(spot: Floats, radius: float, height: float, color: Color) -> Thing:
    sides = 10
    angles = 2 * np.pi * np.arange(sides) / sides
    ring = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1) + spot
    vertices = np.concatenate(
        [np.c_[ring, np.zeros(sides)], np.c_[ring, np.full(sides, height)], [[*spot, height]]]
    )
    faces = []
    for side in range(sides):
        after = (side + 1) % sides
        faces += [(side, after, sides + side), (after, sides + after, sides + side)]
        faces.append((sides + side, sides + after, 2 * sides))
    return Thing(vertices, np.array(faces, dtype=np.int32), color)


def _bench(spot: Floats, turn: float, color: Color) -> Thing:
    around = about_z(turn)
    parts = (
        ((0, 0, 0.43), (1.5, 0.4, 0.05)),
        ((0, 0.2, 0.68), (1.5, 0.04, 0.36)),
        ((-0.65, 0, 0.2), (0.06, 0.36, 0.4)),
        ((0.65, 0, 0.2), (0.06, 0.36, 0.4)),
    )
    boxes = []
    for center, size in parts:
        place = around @ np.array(center) + [*spot, 0]
        boxes.append(make_box(_listed(place), size, turn, color))
    return _joined(boxes, color)


def _plant(rng: np.random.Generator, spot: Floats, color: Color) -> Thing:
    """A shrub: leaves that stand out from its middle."""
    count, height = 70, rng.uniform(0.4, 1.3)
    way = rng.normal(size=(count, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    middle = np.array([*spot, height / 2])
    root = middle + way * rng.uniform(0.05, 0.6, (count, 1)) * [0.3, 0.3, height / 2]
    side = np.cross(way, rng.normal(size=(count, 3)))
    side *= 0.07 / np.linalg.norm(side, axis=1, keepdims=True)
    tip = root + 0.22 * way
    vertices = np.stack([root - side, root + side, tip], axis=1).reshape(-1, 3)
    vertices[:, 2] -= vertices[:, 2].min()
    return Thing(vertices, np.arange(3 * count, dtype=np.int32).reshape(-1, 3), color)


def _listed(point: Floats) -> list[float]:
    return [float(value) for value in point]


def sample_thing(rng: np.random.Generator, low: Floats, high: Floats, eye: Floats) -> Thing:
    """Something that hides a part of what stands between two corners from a camera.

    Args:
        rng: Drawn from in an order that depends on nothing else.
        low: (3,): of everything that may be hidden.
        high: (3,): likewise.
        eye: (3,): the camera, from which the thing keeps away.
    """
    middle = (low + high) / 2
    away = eye[:2] - middle[:2]
    distance = float(np.linalg.norm(away))
    away = away / distance
    aside = np.array([-away[1], away[0]])
    reach = float(np.linalg.norm((high - low)[:2])) / 2
    # Past the people's reach, and no nearer to the camera than two fifths of the way.
    ahead = reach + 0.3 + rng.uniform(0, 1) * max(0.0, 0.6 * distance - reach - 0.6)
    spot = middle[:2] + away * ahead + aside * rng.uniform(-1, 1) * (0.25 + 0.8 * reach)
    level, warmth = rng.uniform(0.04, 0.5), rng.normal(0, 0.15)
    color = (level * (1 + max(warmth, -0.8)), level, level * max(1 - warmth, 0.1))
    kind, turn = int(rng.integers(4)), float(rng.uniform(-180, 180))
    size = rng.uniform([0.25, 0.25, 0.3], [1.0, 0.7, 1.1])
    if kind == 0:
        return make_box([*_listed(spot), float(size[2]) / 2], _listed(size), turn, color)
    if kind == 1:
        return _pole(spot, 0.03 + 0.09 * float(size[0]), 1.0 + 2.5 * float(size[2]), color)
    if kind == 2:
        return _bench(spot, turn, color)
    return _plant(rng, spot, (0.25 * level + 0.02, 0.45 * level + 0.03, 0.1 * level))
