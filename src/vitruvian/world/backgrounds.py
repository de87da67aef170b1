"""Places: procedural rooms, streets, lawns and studios, as a floor, a wall and a sky.

The floor is z = 0 and the wall a vertical plane behind the people, so perspective, shadows and the
people's feet agree. Colours are linear light.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.world.render import Camera, Light

PLACES = ("room", "street", "lawn", "studio")
SCENE_LABELS = ("nothing", "floor", "wall", "sky", "window", "grass", "person", "thing")
"""What a pixel of a scene belongs to, by its number."""

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Background:
    """What lies behind the people.

    Attributes:
        place: Name in `PLACES`.
        image: (height, width, 3): linear light, without shadows.
        labels: (height, width): place in `SCENE_LABELS`.
        depth: (height, width): metres along the optical axis; infinite in the sky.
    """

    place: str
    image: Floats
    labels: NDArray[np.int32]
    depth: Floats


def sample_light(rng: np.random.Generator, place: str) -> Light:
    """Sun and sky outside, a lamp and bright walls inside."""
    outside = place in ("street", "lawn")
    height, around = np.radians(rng.uniform(22, 75)), rng.uniform(-np.pi, np.pi)
    direction = np.array(
        [np.cos(height) * np.sin(around), -np.cos(height) * np.cos(around), np.sin(height)]
    )
    overcast = rng.uniform(0, 1) ** 1.5 if outside else rng.uniform(0.3, 0.9)
    warmth = rng.uniform(-0.12, 0.2)
    sun = (2.4 if outside else 1.5) * (1 - 0.85 * overcast)
    sky = 0.35 + 0.5 * overcast + (0.0 if outside else 0.15)
    return Light(
        direction=(float(direction[0]), float(direction[1]), float(direction[2])),
        sun=(sun * (1 + warmth), sun, sun * (1 - warmth)),
        sky=(sky * 0.95, sky, sky * (1.12 if outside else 0.98)),
        ground=(sky * 0.5, sky * 0.47, sky * 0.43),
        size=float(rng.uniform(0.02, 0.06) if outside else rng.uniform(0.06, 0.16)),
    )


def _noise(rng: np.random.Generator, x: Floats, y: Floats, octaves: int = 3) -> NDArray[np.float32]:
    """Smooth noise in about [-1, 1] at places on a plane, metres: value noise on a lattice."""
    table = rng.uniform(-1, 1, (64, 64)).astype(np.float32)
    total = np.zeros(x.shape, dtype=np.float32)
    for octave in range(octaves):
        u, v = (np.mod(place * (1.7 * 2.3**octave), 64).astype(np.float32) for place in (x, y))
        values = cv2.remap(table, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        total += values / np.float32(1.8**octave)
    return total


def _color(rng: np.random.Generator, low: float, high: float, spread: float = 0.04) -> Floats:
    """A muted colour."""
    color = np.clip(rng.uniform(low, high) + rng.normal(0, spread, 3), 0.01, 0.95)
    return color.astype(np.float32)


def sample_background(
    rng: np.random.Generator, place: str, camera: Camera, light: Light
) -> Background:
    """Paint a place as the camera sees it.

    Args:
        rng: Drawn from in an order that depends on `place` alone.
        place: Name in `PLACES`.
        camera: The camera, above the floor.
        light: Lights floor and wall.
    """
    rays = camera.rays().astype(np.float32)
    eye = camera.position.astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        to_floor = np.where(rays[..., 2] < -1e-6, -eye[2] / rays[..., 2], np.float32(np.inf))
        ahead = camera.rotation[2, :2] / np.linalg.norm(camera.rotation[2, :2])
        far = rng.uniform(2.0, 5.0) if place in ("room", "studio") else rng.uniform(6, 25)
        angle = rng.normal(0, 0.35)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        facing = (turn @ ahead).astype(np.float32)
        reach = np.float32(far) - eye[:2] @ facing
        speed = rays[..., :2] @ facing
        to_wall = np.where(speed > 1e-6, reach / speed, np.float32(np.inf))
    depth = np.minimum(to_floor, to_wall)
    safe = np.where(np.isfinite(depth), depth, np.float32(0))
    points = eye + rays * safe[..., None]
    along = points[..., :2] @ np.array([-facing[1], facing[0]], dtype=np.float32)
    height = points[..., 2]
    on_floor = to_floor < to_wall
    labels = np.where(on_floor, 1, 2).astype(np.int32)
    labels[~np.isfinite(depth)] = 3

    tall = {"room": 30.0, "studio": 30.0}.get(place, rng.uniform(2.5, 16))
    labels[(labels == 2) & (height > tall)] = 3
    wall = _wall(rng, place, along, height, labels)
    floor = _floor(rng, place, points[..., 0], points[..., 1])
    if place == "lawn":
        labels[labels == 1] = 5
    top = np.clip(rays[..., 2] / np.linalg.norm(rays, axis=-1), 0, 1)[..., None]
    blue = rng.uniform(0.3, 1.0)
    pale = np.array([0.75, 0.8, 0.85], dtype=np.float32)
    sky = pale * (1 - top) + top * (
        blue * np.array([0.2, 0.4, 0.8], dtype=np.float32) + (1 - blue) * pale
    )
    sky = sky * (1 + 0.15 * _noise(rng, rays[..., 0] * 3, rays[..., 2] * 6)[..., None])

    sun, up = np.array(light.sun, dtype=np.float32), light.direction[2]
    ambient = np.array(light.sky, dtype=np.float32)
    shine = max(0.0, -float(np.dot(light.direction[:2], facing)))
    image = np.where(on_floor[..., None], floor * (ambient + sun * up), sky)
    lit = wall * ((ambient + np.array(light.ground, dtype=np.float32)) / 2 + sun * shine)
    is_wall = np.isin(labels, (2, 4))
    image = np.where(is_wall[..., None], lit, image)
    depth = np.where(labels == 3, np.inf, depth)
    return Background(place, np.clip(image, 0, 4), labels, depth)


def _wall(
    rng: np.random.Generator,
    place: str,
    along: Floats,
    height: Floats,
    labels: NDArray[np.int32],
) -> Floats:
    """Plaster, bricks or a façade with windows, (height, width, 3); marks windows in `labels`."""
    base = (
        _color(rng, 0.15, 0.75)
        if place != "lawn"
        else np.array([0.06, 0.12, 0.04], dtype=np.float32)
    )
    rough = 0.5 if place == "lawn" else 0.06
    wall = base * (1 + rough * _noise(rng, along, height)[..., None])
    style = rng.uniform()
    if place == "studio":
        return wall
    if place == "lawn":
        return wall * (0.7 + 0.3 * np.sin(along * rng.uniform(1, 4)) ** 2)[..., None]
    if style < 0.4:  # bricks
        brick = 0.08 if place == "room" else 0.3
        row = np.floor(height / brick)
        joint = (height / brick - row < 0.1) | (np.mod(along / (2.6 * brick) + row / 2, 1) < 0.05)
        wall = np.where(joint[..., None], base * 0.6, wall)
    if style > 0.25:  # windows, pictures, doors
        wide, high = rng.uniform(1.2, 3.5), rng.uniform(2.2, 3.4)
        u, v = np.mod(along / wide + rng.uniform(), 1), np.mod((height - 0.9) / high, 1)
        inside = (u > 0.25) & (u < 0.72) & (v < rng.uniform(0.35, 0.6)) & (height > 0.9)
        if place == "room":
            inside &= height < 0.9 + high
        pane = _color(rng, 0.05, 0.6, 0.12)
        frame = inside & ((u < 0.28) | (u > 0.69) | (v < 0.03))
        wall = np.where(inside[..., None], pane * (1 + 0.3 * (u - 0.5))[..., None], wall)
        wall = np.where(frame[..., None], np.full(3, 0.7, dtype=np.float32), wall)
        labels[inside & (labels == 2)] = 4
    if place == "room":
        skirting = (height < 0.1) & (height >= 0)
        wall = np.where(skirting[..., None], np.full(3, 0.6, dtype=np.float32), wall)
    return wall


def _floor(rng: np.random.Generator, place: str, x: Floats, y: Floats) -> Floats:
    """Boards, tiles, asphalt, slabs or grass, (height, width, 3)."""
    if place == "lawn":
        green = np.array([0.09, 0.16, 0.03], dtype=np.float32) * rng.uniform(0.7, 1.5)
        blades = _noise(rng, x * 9, y * 9, 2) + _noise(rng, x, y)
        return green * (1 + 0.28 * blades)[..., None]
    base = _color(rng, 0.12, 0.5, 0.04)
    floor: Floats = base * (1 + 0.1 * _noise(rng, x * 2, y * 2))[..., None]
    style = rng.uniform()
    if place == "studio" or style < 0.3:
        return floor
    size = rng.uniform(0.25, 0.8)
    if place == "room" and style < 0.65:  # boards
        row = np.floor(x / 0.14)
        shade = np.mod(row * 0.618, 1) * 0.35
        floor = floor * (0.8 + shade)[..., None]
        joint = np.mod(x / 0.14, 1) < 0.06
    else:
        joint = (np.mod(x / size, 1) < 0.03) | (np.mod(y / size, 1) < 0.03)
        if style > 0.85:
            odd = np.mod(np.floor(x / size) + np.floor(y / size), 2)
            floor = floor * (0.6 + 0.6 * odd)[..., None]
    return np.where(joint[..., None], floor * 0.6, floor)
