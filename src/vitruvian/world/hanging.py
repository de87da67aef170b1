"""Hanging: where a skirt, long hair, a hat's brim and glasses are on a posed, dressed body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from vitruvian.world.clothes import Clothes
from vitruvian.world.extras import (
    BRIM_ANGLES,
    BRIM_RINGS,
    LOCK_ANGLES,
    LOCK_ROWS,
    RIM,
    SKIRT_ANGLES,
    SKIRT_COLUMNS,
    SKIRT_RINGS,
    glasses_frame,
    outward,
)
from vitruvian.world.kernels import materials as kernels
from vitruvian.world.rig import load_rig
from vitruvian.world.surface import load_surface

Floats = NDArray[np.float64]

_LEVELS = np.arange(1.12, 0.05, -0.02)  # heights on the neutral adult at which legs are cut
_SCALP_ROWS = 4  # rows of locks that lie on the head
_BALLS = tuple(
    (x, y, z, 0.09)
    for y, z in ((-0.02, 1.53), (0.0, 1.47), (0.0, 1.41), (-0.015, 1.34), (-0.03, 1.26))
    for x in (-0.11, -0.04, 0.04, 0.11)
)
"""Balls in the trunk of the neutral adult, that hair lies on: centres and radii."""


_SECANTS = 1 / np.maximum(np.cos(SKIRT_ANGLES[:, None] - SKIRT_ANGLES), 1e-3)


@dataclass(frozen=True, eq=False)
class _Anchors:
    """What hangs from what: numbers of the body's vertices.

    Attributes:
        legs: (levels, sides, M): around each leg, or each half of the hips; the left one first.
        skull: (M,): the upper head.
        skull_size: Their mean distance from their middle, on the neutral adult.
        hat: (columns,): around the head where a hat ends.
        eyes: (2, M): the front of the left and the right eye.
        balls: (balls, M): vertices about each ball.
        offsets: (balls, 3): from their mean to the ball's centre, on the neutral adult.
        head: The head's bone.
        chest: A bone of the chest.
    """

    legs: NDArray[np.int64]
    skull: NDArray[np.int64]
    skull_size: float
    hat: NDArray[np.int64]
    eyes: NDArray[np.int64]
    balls: NDArray[np.int64]
    offsets: Floats
    head: int
    chest: int


@lru_cache(maxsize=1)
def _anchors() -> _Anchors:
    rig, surface = load_rig(), load_surface()
    points, arms = rig.canonical, surface.arms[: surface.body]
    body = np.flatnonzero((arms < 0.01) & (surface.vertex_kinds[: surface.body] != kernels.HAND))
    legs = []
    for level in _LEVELS:
        near = body[np.abs(points[body, 2] - level) < 0.03]
        for sign in (1, -1):
            side = near[sign * points[near, 0] > -0.005]
            angles = np.arctan2(points[side, 1], points[side, 0] - points[side, 0].mean())
            legs.append(side[np.argsort(angles)][np.linspace(0, len(side) - 1, 36).astype(int)])
    head = np.flatnonzero(surface.vertex_kinds[: surface.body] == kernels.HEAD)
    tree = cKDTree(points[head])
    skull = head[(points[head, 2] > 1.72) & (points[head, 1] > -0.08)]
    spread = np.linalg.norm(points[skull] - points[skull].mean(axis=0), axis=1)
    rim = outward(BRIM_ANGLES) * [0.076, 0.1, 0] + [0, -0.045, 0]
    rim[:, 2] = 1.787 - 0.22 * (rim[:, 1] + 0.1)
    eyes = []
    for letter in "LR":
        region = list(rig.regions).index(f"eye_front.{letter}")
        eyes.append(np.unique(rig.faces[rig.face_region == region])[:40])
    bodies = cKDTree(points[body])
    centers = np.array(_BALLS)[:, :3]
    balls = body[bodies.query(centers, k=12)[1]]
    return _Anchors(
        legs=np.array(legs).reshape(len(_LEVELS), 2, -1),
        skull=skull,
        skull_size=float(spread.mean()),
        hat=head[tree.query(rim)[1]],
        eyes=np.array(eyes),
        balls=balls,
        offsets=centers - points[balls].mean(axis=1),
        head=rig.bone("head"),
        chest=rig.bone("spine01"),
    )


def hang(body: NDArray[np.floating], rotations: Floats, clothes: Clothes) -> Floats:
    """Where the extras' vertices are.

    Args:
        body: (V, 3): the dressed body's vertices, in metres.
        rotations: (B, 3, 3): of each bone, against the reference pose.
        clothes: What it wears.

    Returns:
        (E, 3): in the order of `extras`; what is not worn lies at a point inside the body.
    """
    extras, anchors = load_surface().extras, _anchors()
    inside = body[anchors.legs[4]].mean(axis=(0, 1))
    result = np.tile(inside.astype(np.float64), (len(extras.kinds), 1))
    shape = clothes.shape or {}
    head = rotations[anchors.head]
    if clothes.values["shell"]:
        skirt = _skirt(body, clothes.values, shape, anchors)
        result[extras.block(kernels.SHELL)] = skirt.reshape(-1, 3)
    if shape.get("locks"):
        locks = _locks(body, rotations, clothes.values["hair_volume"], shape["locks"], anchors)
        result[extras.block(kernels.LOCKS)] = locks.reshape(-1, 3)
    if shape.get("brim"):
        result[extras.block(kernels.BRIM)] = _brim(body, head, shape, anchors).reshape(-1, 3)
    if shape.get("frame"):
        frame = _frame(body, head, anchors)
        if not shape["lens"]:
            frame[4 * RIM : 6 * RIM] = inside
        result[extras.block(kernels.FRAME)] = frame
    return result


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


def _blurred(rings: Floats) -> Floats:
    """Each value with its neighbours around the ring; the last column is the first again."""
    ring = rings[..., :-1]
    mean = 0.5 * ring + 0.25 * (np.roll(ring, 1, axis=-1) + np.roll(ring, -1, axis=-1))
    return np.concatenate([mean, mean[..., :1]], axis=-1)


def _skirt(
    body: NDArray[np.floating], values: dict[str, float], shape: dict[str, float], anchors: _Anchors
) -> Floats:
    """(rings, columns, 3): cloth spans both legs, and falls from the hips where it is free to.

    A ring is told by its support function: how far it reaches in each direction across the legs.
    """
    heights = np.linspace(values["shell_top"], values["shell_hem"], SKIRT_RINGS)
    legs = body[anchors.legs].astype(np.float64)
    low = np.clip(((_LEVELS[0] - heights) / 0.02).astype(int), 0, len(_LEVELS) - 2)
    cuts = np.concatenate([legs[low], legs[low + 1]], axis=2)
    sides = cuts.mean(axis=2)
    centers = sides.mean(axis=1)
    smooth = np.concatenate([centers[:1], centers, centers[-1:]])
    down = _unit(smooth[2:] - smooth[:-2])
    across = legs[8].mean(axis=1)
    left = np.tile(across[0] - across[1], (SKIRT_RINGS, 1))
    left = _unit(left - (left * down).sum(axis=1, keepdims=True) * down)
    front = np.cross(down, left)
    sine, cosine = np.sin(SKIRT_ANGLES)[:, None], np.cos(SKIRT_ANGLES)[:, None]
    ways = sine * left[:, None] + cosine * front[:, None]
    points = (cuts - centers[:, None, None]).reshape(SKIRT_RINGS, -1, 3)
    reaches = ways @ points.transpose(0, 2, 1)
    per_side = cuts.shape[2]
    left_reach, right_reach = (
        reaches[..., :per_side].max(axis=2),
        reaches[..., per_side:].max(axis=2),
    )
    tight = _blurred(np.maximum(left_reach, right_reach))
    # A leg that is lifted carries its side of the ring along.
    lifts = ((sides - centers[:, None]) * down[:, None]).sum(axis=2)
    held = np.clip(0.5 + (left_reach - right_reach) / 0.08, 0, 1)
    raised = _blurred(held * lifts[:, :1] + (1 - held) * lifts[:, 1:])

    steps = np.linalg.norm(np.diff(centers, axis=0), axis=1)
    size = float(np.linalg.norm(across[0] - across[1])) / 0.19
    free = np.clip((-down[:, 2] - 0.35) / 0.4, 0, 1)
    begin = 0.003 if values["skirt"] else -0.006
    ease = np.interp(np.arange(SKIRT_RINGS), [0, 4], [begin, 0.012])
    ease = np.where(heights > shape["covered"], -0.05, ease) * size
    reach = np.empty((SKIRT_RINGS, SKIRT_COLUMNS))
    reach[0] = tight[0] + ease[0]
    for ring in range(1, SKIRT_RINGS):
        fallen = reach[ring - 1] + shape["shell_flare"] * steps[ring - 1]
        if heights[ring] > shape["covered"]:
            fallen = reach[ring - 1] - 1.0
        wrapped = tight[ring] + ease[ring]
        reach[ring] = np.maximum(wrapped, free[ring] * fallen + (1 - free[ring]) * wrapped)
    # Where a ring is, from how far it reaches in every direction.
    radius = (np.maximum(reach, 0.02 * size)[:, None] * _SECANTS).min(axis=2)
    low_share = np.linspace(0, 1, SKIRT_RINGS)[:, None]
    folds = shape["shell_folds"] * size * low_share * free[:, None]
    waves = np.cos(shape["shell_waves"] * SKIRT_ANGLES + 3 * low_share) + 0.4 * np.cos(
        (2 * shape["shell_waves"] + 1) * SKIRT_ANGLES
    )
    result = (
        centers[:, None]
        + (radius + folds * waves)[..., None] * ways
        + raised[..., None] * down[:, None]
    )
    # Cloth lies on the floor that the feet stand on, not below it.
    result[..., 2] = np.maximum(result[..., 2], float(body[:, 2].min()) + 0.01)
    return result


def _locks(
    body: NDArray[np.floating],
    rotations: Floats,
    volume: float,
    length: float,
    anchors: _Anchors,
) -> Floats:
    """(rows, columns, 3): hair that falls from the head, and behind the shoulders onto the back."""
    head = rotations[anchors.head]
    skull = body[anchors.skull].astype(np.float64)
    center = skull.mean(axis=0)
    size = float(np.linalg.norm(skull - center, axis=1).mean()) / anchors.skull_size
    ways = outward(LOCK_ANGLES) @ head.T
    down = np.linspace(0, 1, _SCALP_ROWS)[:, None]
    level = np.broadcast_to(0.012 - 0.135 * down, (_SCALP_ROWS, len(LOCK_ANGLES)))
    ring = outward(LOCK_ANGLES) * np.array([0.082, 0.088, 0]) * (1 + 0.08 * down)[..., None]
    scalp = np.concatenate([ring[..., :2] + [0, -0.012], level[..., None]], axis=-1)
    scalp[..., :2] += volume * 0.5 * outward(LOCK_ANGLES)[..., :2]
    result = np.empty((LOCK_ROWS, len(LOCK_ANGLES), 3))
    result[:_SCALP_ROWS] = center + size * scalp @ head.T
    chest = rotations[anchors.chest]
    large = float(np.clip(size, 0.5, 1.2))
    balls = body[anchors.balls].mean(axis=1) + large * anchors.offsets @ chest.T
    radii = (np.array(_BALLS)[:, 3] + 0.5 * volume) * large
    step = length * size / (LOCK_ROWS - _SCALP_ROWS)
    hanging = _unit(0.35 * -head[:, 2] + np.array([0.0, 0.0, -0.65]))
    back = chest[:, 1]
    # The ends of a lock lie closer together than its roots.
    inward = 0.13 * (ways - (ways @ back)[:, None] * back)
    pushed = np.zeros(len(LOCK_ANGLES))
    free = result[_SCALP_ROWS - 1]
    for row in range(_SCALP_ROWS, LOCK_ROWS):
        free = free + step * (hanging - inward)
        way = free[:, None] - balls
        along = way @ back
        depth = radii**2 - (way**2).sum(axis=2) + along**2
        out = np.where(depth > 0, np.sqrt(np.maximum(depth, 0)) - along, 0).max(axis=1)
        out = np.convolve(np.pad(out, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], mode="valid")
        pushed = np.maximum(out, pushed - 0.3 * step)
        result[row] = free + pushed[:, None] * back
    return result


def _brim(
    body: NDArray[np.floating], head: Floats, shape: dict[str, float], anchors: _Anchors
) -> Floats:
    """(rings, columns, 3): around the head, or a visor in front."""
    inner = body[anchors.hat].astype(np.float64)
    ring = inner[:-1]
    inner[:-1] = (np.roll(ring, 1, axis=0) + 2 * ring + np.roll(ring, -1, axis=0)) / 4
    inner[-1] = inner[0]
    size = float(np.linalg.norm(inner[8] - inner[24])) / 0.16
    width = np.full(len(BRIM_ANGLES), shape["brim"] * size)
    if shape["visor"]:
        width *= np.clip(np.cos(BRIM_ANGLES * 1.25), 0, 1) ** 0.5 * (np.abs(BRIM_ANGLES) < 1.25)
    share = np.linspace(0, 1, BRIM_RINGS)[:, None, None]
    ways = outward(BRIM_ANGLES) @ head.T
    drop = -0.3 if shape["visor"] else -0.12
    below = drop * share**2 * head[:, 2]
    return inner - 0.006 * size * ways + width[:, None] * (share * ways + below)


def _frame(body: NDArray[np.floating], head: Floats, anchors: _Anchors) -> Floats:
    """(vertices, 3): glasses before the eyes."""
    left, right = body[anchors.eyes].mean(axis=1).astype(np.float64)
    scale = float(np.linalg.norm(left - right)) / 2
    return (left + right) / 2 + scale * glasses_frame()[0] @ head.T
