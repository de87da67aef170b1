"""Acrobatics: bodies at any angle to the ground, tucked, spread, hanging, upside down.

What gymnasts, climbers and divers do, and what people who stand and walk never show. No such pose
is drawn unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vitruvian.world.angles import Angles
from vitruvian.world.keys import Written, both_sides

Draw = Callable[[np.random.Generator], Angles]


def _each(draw: Draw) -> Draw:
    """Left and right drawn apart; `draw` gives names without a side."""

    def both(rng: np.random.Generator) -> Angles:
        return {
            f"{side}_{name}": value
            for side in ("left", "right")
            for name, value in draw(rng).items()
        }

    return both


def _tucked(rng: np.random.Generator) -> Angles:
    hip = rng.uniform(85, 120)
    return both_sides(
        hip_flexion=hip, knee_flexion=rng.uniform(80, 140), hip_abduction=rng.uniform(-2, 25)
    )


def _piked(rng: np.random.Generator) -> Angles:
    return both_sides(
        hip_flexion=rng.uniform(60, 120),
        knee_flexion=rng.uniform(0, 25),
        hip_abduction=rng.uniform(0, 15),
        ankle_flexion=-35.0,
    )


def _straddled(rng: np.random.Generator) -> Angles:
    return both_sides(
        hip_abduction=rng.uniform(25, 50),
        hip_flexion=rng.uniform(-10, 100),
        knee_flexion=rng.uniform(0, 30),
        hip_rotation=rng.uniform(0, 35),
        ankle_flexion=-30.0,
    )


def _split(rng: np.random.Generator) -> Angles:
    """One leg forwards, the other one back, straight or as in a leap."""
    bent = rng.uniform(0, 110) if rng.uniform() < 0.5 else rng.uniform(0, 20)
    return {
        "left_hip_flexion": rng.uniform(60, 120),
        "left_knee_flexion": rng.uniform(0, 40),
        "right_hip_flexion": rng.uniform(-25, 0),
        "right_knee_flexion": bent,
        **both_sides(hip_abduction=rng.uniform(0, 20), ankle_flexion=-30.0),
    }


def _straight(rng: np.random.Generator) -> Angles:
    return both_sides(
        hip_flexion=rng.uniform(-25, 15),
        hip_abduction=rng.uniform(-2, 20),
        knee_flexion=rng.uniform(0, 35),
        ankle_flexion=-35.0,
    )


def _leg(rng: np.random.Generator) -> Angles:
    return {
        "hip_flexion": rng.uniform(-25, 115),
        "hip_abduction": rng.triangular(-10, 5, 50),
        "hip_rotation": rng.uniform(-20, 35),
        "knee_flexion": rng.triangular(0, 20, 135),
        "ankle_flexion": rng.uniform(-45, 20),
    }


def _overhead(rng: np.random.Generator) -> Angles:
    """As in a handstand, or hanging from a bar."""
    return both_sides(
        shoulder_flexion=rng.uniform(140, 175),
        shoulder_abduction=rng.uniform(-5, 40),
        elbow_flexion=rng.triangular(0, 5, 100),
        clavicle=20.0,
    )


def _spread(rng: np.random.Generator) -> Angles:
    return both_sides(
        shoulder_abduction=rng.uniform(60, 140),
        shoulder_flexion=rng.uniform(-30, 30),
        elbow_flexion=rng.triangular(0, 5, 70),
    )


def _forwards(rng: np.random.Generator) -> Angles:
    """On the floor, around the knees, at the feet."""
    return both_sides(
        shoulder_flexion=rng.uniform(45, 120),
        shoulder_abduction=rng.uniform(-10, 30),
        elbow_flexion=rng.triangular(0, 10, 110),
        wrist_flexion=rng.uniform(-55, 20),
    )


def _arm(rng: np.random.Generator) -> Angles:
    return {
        "shoulder_flexion": rng.uniform(-50, 175),
        "shoulder_abduction": rng.uniform(-10, 120),
        "shoulder_rotation": rng.uniform(-50, 70),
        "elbow_flexion": rng.triangular(0, 15, 140),
        "forearm_pronation": rng.uniform(-60, 70),
        "fingers": rng.uniform(0, 80),
    }


LEGS: tuple[tuple[Draw, float], ...] = (
    (_tucked, 0.17),
    (_piked, 0.1),
    (_straddled, 0.1),
    (_split, 0.15),
    (_straight, 0.13),
    (_each(_leg), 0.35),
)
ARMS: tuple[tuple[Draw, float], ...] = (
    (_overhead, 0.2),
    (_spread, 0.15),
    (_forwards, 0.2),
    (_each(_arm), 0.45),
)
"""Ways to hold them, and their shares."""


def acrobatics(rng: np.random.Generator) -> Written:
    """A held pose with the body upright, upside down, or at any angle; in the air or not."""
    angles = _one_of(LEGS, rng) | _one_of(ARMS, rng)
    angles |= {
        "spine_flexion": rng.triangular(-25, 5, 70),
        "spine_bend": rng.normal(0, 12),
        "spine_twist": rng.normal(0, 18),
        "neck_flexion": rng.normal(0, 20),
        "neck_twist": rng.normal(0, 25),
    }
    way = rng.uniform()
    if way < 0.35:
        pitch = rng.normal(10, 30)
    elif way < 0.6:
        pitch = 180 - abs(rng.normal(0, 35))
    else:
        pitch = rng.uniform(-180, 180)
    pose = angles | {"pitch": pitch, "roll": rng.uniform(-180, 180)}
    height = rng.uniform(0.05, 1.0) if rng.uniform() < 0.6 else 0.0
    return Written(lambda _: pose, lift=lambda _: height)


def _one_of(ways: tuple[tuple[Draw, float], ...], rng: np.random.Generator) -> Angles:
    place = int(rng.choice(len(ways), p=[share for _, share in ways]))
    return ways[place][0](rng)
