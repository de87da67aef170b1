"""Plausible postures: no limb through the body, feet on the floor, the weight above them.

A pose is moved, as little as it takes, by damped least squares on the angles that turn the limbs.
The result follows the pose smoothly, so a clip stays smooth.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from vitruvian.world.angles import LIMITS, Angles
from vitruvian.world.limbs import CAPSULES, MASSES, MOVED, MOVERS, SOLES, Figure, Limbs, pose_limbs

Floats = NDArray[np.float64]

_SIDES = ("left", "right")


def _pairs() -> list[tuple[str, str]]:
    """Capsules that could run through each other."""
    trunk = ("pelvis", "waist", "belly", "chest", "shoulders", "neck", "head")
    pairs = []
    for side in _SIDES:
        pairs += [(f"{side}_upper_arm", part) for part in ("belly", "chest", "head")]
        pairs += [(f"{side}_{part}", own) for part in ("forearm", "hand") for own in trunk]
        pairs += [(f"{side}_thigh", part) for part in ("belly", "chest")]
        pairs += [
            (f"{side}_{part}", f"{other}_{leg}")
            for part in ("upper_arm", "forearm", "hand")
            for other in _SIDES
            for leg in ("thigh", "shin")
        ]
    for first, second in product(("upper_arm", "forearm", "hand"), repeat=2):
        if first != "upper_arm" or second != "upper_arm":
            pairs.append((f"left_{first}", f"right_{second}"))
    for first, second in product(("thigh", "shin", "foot"), repeat=2):
        pairs.append((f"left_{first}", f"right_{second}"))
    return pairs


PAIRS = _pairs()
"""Names of the capsules that could run through each other."""

_FIRST = np.array([CAPSULES.index(first) for first, _ in PAIRS])
_SECOND = np.array([CAPSULES.index(second) for _, second in PAIRS])


def _give(first: str, second: str) -> float:
    """How far flesh gives way where two capsules press, in metres."""
    if first.endswith("upper_arm") or second.endswith("upper_arm"):
        return 0.03
    if first.endswith(("thigh", "shin", "foot")):
        return 0.05 if first.endswith("thigh") else 0.0
    return 0.01


_GIVE = np.array([_give(*pair) for pair in PAIRS])
_OUTWARDS = np.array(
    [
        0.0
        if first.endswith(("thigh", "shin", "foot")) or second.endswith(("arm", "hand"))
        else (0.8 if first.startswith("left") else -0.8)
        for first, second in PAIRS
    ]
)
_GIVES_WAY = np.array(
    [
        [
            not first.endswith(("arm", "hand")) or ("hip" not in name and "knee" not in name)
            for name in MOVERS
        ]
        for first, _ in PAIRS
    ]
)
_HIPS = [MOVERS.index(f"{side}_hip_flexion") for side in _SIDES]
_SOLE_CAPSULES = [CAPSULES.index(f"{sole.split('_')[0]}_foot") for sole in SOLES]
_LOW = np.array([LIMITS[name][0] for name in MOVERS])
_HIGH = np.array([LIMITS[name][1] for name in MOVERS])
_EVERY = np.arange(len(CAPSULES))
_LEAN = 14.0  # degrees that the whole body may be tilted to keep its balance
_DAMPING = 1e-3
_STEP = 0.35  # radians in a round, at most
_BALANCE = 0.7  # of the support's half axes


def _nearest(figure: Figure) -> tuple[Floats, Floats]:
    """(pairs, 3) twice: the nearest points of the two axes of each pair."""
    a, c = figure.starts[_FIRST], figure.starts[_SECOND]
    u, v = figure.ends[_FIRST] - a, figure.ends[_SECOND] - c
    w = a - c
    uu, vv, uv = (u * u).sum(1) + 1e-12, (v * v).sum(1) + 1e-12, (u * v).sum(1)
    uw, vw = (u * w).sum(1), (v * w).sum(1)
    # A little stiffness keeps the points of parallel axes from jumping.
    s = np.clip((uv * vw - vv * uw + 0.025 * uu * vv) / (uu * vv * 1.05 - uv * uv), 0, 1)
    t = np.clip((uv * s + vw) / vv, 0, 1)
    s = np.clip((uv * t - uw) / uu, 0, 1)
    return a + s[:, None] * u, c + t[:, None] * v


def penetrations(limbs: Limbs, figure: Figure) -> Floats:
    """(pairs,): how far each pair of `PAIRS` overlaps, in metres; negative where it is free."""
    first, second = _nearest(figure)
    return _overlaps(limbs, np.linalg.norm(first - second, axis=1))


def _overlaps(limbs: Limbs, distances: Floats) -> Floats:
    return np.asarray(limbs.radii[_FIRST] + limbs.radii[_SECOND] - _GIVE - distances)


def _velocities(figure: Figure, points: Floats, capsules: NDArray[np.int64] | list[int]) -> Floats:
    """(points, movers, 3): how points on capsules move with each angle, in metres a radian."""
    arms = points[:, None] - figure.origins
    x, y, z = figure.axes.T
    turned = np.stack(
        [
            y * arms[..., 2] - z * arms[..., 1],
            z * arms[..., 0] - x * arms[..., 2],
            x * arms[..., 1] - y * arms[..., 0],
        ],
        axis=-1,
    )
    return np.asarray(turned * MOVED[capsules][..., None])


def footprint(limbs: Limbs, figure: Figure, soles: Sequence[int]) -> Floats:
    """(points, 2): what the soles that stand cover of the floor; its convex hull is the support.

    Args:
        limbs: Of the body.
        figure: Its pose.
        soles: By their places in `limbs.SOLES`.
    """
    half = 0.8 * limbs.radii[[_SOLE_CAPSULES[sole] for sole in soles], None]
    # A ball of the foot has its toes before it.
    ahead = half * [[SOLES[sole].endswith("ball")] for sole in soles]
    points = figure.soles[list(soles), :2]
    step, zero = np.concatenate([half, 0 * half], axis=1), np.concatenate([0 * half, ahead], axis=1)
    return np.concatenate(
        [points - step, points + step, points - step - zero, points + step - zero]
    )


def _imbalance(limbs: Limbs, figure: Figure, soles: Sequence[int]) -> tuple[float, Floats]:
    """How far the weight is outside the ellipse of the support, in metres, and the way back.

    An ellipse, not the hull's edges: which edge is nearest jumps as a body sways.
    """
    points = footprint(limbs, figure, soles)
    middle = points.mean(axis=0)
    spread = (points - middle).T @ (points - middle) / len(points)
    away = figure.weight[:2] - middle
    slope = np.linalg.solve(spread, away)
    reach, steep = float(np.sqrt(away @ slope)), float(np.linalg.norm(slope))
    return (reach - _BALANCE) * reach / max(steep, 1e-9), -slope / max(steep, 1e-9)


def settle(
    limbs: Limbs,
    angles: Angles,
    *,
    soles: Sequence[str] = (),
    balanced: bool = False,
    rounds: int = 6,
) -> Angles:
    """Move a pose as little as it takes to be plausible.

    Args:
        limbs: Of the body.
        angles: Degrees by the names of `LIMITS`.
        soles: Points of `SOLES` that stand on one floor; none where the feet are free.
        balanced: Whether the centre of mass is to be above the support of `soles`.
        rounds: Steps at most.

    Returns:
        The angles, within `LIMITS`.
    """
    planted = [SOLES.index(sole) for sole in soles]
    result = dict(angles)
    values = np.array([angles.get(name, 0.0) for name in MOVERS])
    low, high = _LOW.copy(), _HIGH.copy()
    low[0], high[0] = values[0] - _LEAN, values[0] + _LEAN
    if not planted:
        low[0] = high[0] = values[0]
    for _ in range(rounds):
        figure = pose_limbs(limbs, result)
        rows, targets = _wishes(limbs, figure, planted, balanced)
        if not len(rows) or np.abs(targets).max() < 0.002:
            break
        values = _step(rows, targets, values, low, high)
        result.update(zip(MOVERS, values.tolist(), strict=True))
    return result


def _step(rows: Floats, targets: Floats, values: Floats, low: Floats, high: Floats) -> Floats:
    """(movers,): the damped least-squares step, within the limits."""
    ease = np.ones(len(values))
    damping = _DAMPING * np.eye(len(rows))
    for _ in range(2):
        own = rows * ease
        change = ease * (own.T @ np.linalg.solve(own @ own.T + damping, targets))
        change *= min(1.0, _STEP / max(float(np.abs(change).max()), 1e-9))
        wanted = np.degrees(change)
        moved = np.clip(values + wanted, low, high)
        # What a limit stops, the other angles take over.
        ease = np.clip(np.abs(moved - values) / np.maximum(np.abs(wanted), 1e-6), 0, 1)
    return np.asarray(moved)


def _wishes(
    limbs: Limbs, figure: Figure, planted: list[int], balanced: bool
) -> tuple[Floats, Floats]:
    """(wishes, movers) and (wishes,): what should change, in metres a radian and in metres."""
    rows: list[Floats] = []
    targets: list[Floats] = []
    first, second = _nearest(figure)
    apart = first - second
    distances = np.linalg.norm(apart, axis=1)
    overlaps = _overlaps(limbs, distances)
    deep = np.flatnonzero(overlaps > 0)
    if len(deep):
        away = apart[deep] / np.maximum(distances[deep], 1e-6)[:, None]
        # An arm goes round the body on its own side: it does not jump from front to back.
        left, right = figure.origins[_HIPS]
        away += _OUTWARDS[deep, None] * (left - right) / np.linalg.norm(left - right)
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        speeds = _velocities(figure, first[deep], _FIRST[deep])
        speeds = speeds - _velocities(figure, second[deep], _SECOND[deep])
        # A contact that only begins counts little: poses then follow each other smoothly.
        share = np.minimum(overlaps[deep] / 0.01, 1.0)
        # Arms give way to legs, which carry.
        rows.append(share[:, None] * np.einsum("pmi,pi->pm", speeds, away) * _GIVES_WAY[deep])
        targets.append(share * overlaps[deep])
    if planted:
        points = figure.soles[planted]
        speeds = _velocities(figure, points, [_SOLE_CAPSULES[sole] for sole in planted])
        heights = speeds[..., 2] - speeds[..., 2].mean(axis=0)
        rows.append(heights)
        targets.append(points[:, 2].mean() - points[:, 2])
        if balanced:
            excess, inwards = _imbalance(limbs, figure, planted)
            if excess > 0:
                middles = (figure.starts + figure.ends) / 2
                moves = np.einsum("c,cmi->mi", MASSES, _velocities(figure, middles, _EVERY))
                weight = min(excess / 0.01, 1.0)
                rows.append(weight * ((moves - speeds.mean(axis=0))[None, :, :2] @ inwards))
                targets.append(np.array([weight * excess]))
    if not rows:
        return np.zeros((0, len(MOVERS))), np.zeros(0)
    return np.concatenate(rows), np.concatenate(targets)
