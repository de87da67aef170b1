"""Poses and motion: a written model of what people do, in joint angles with limits.

An activity is a function of time that gives angles in degrees. Angles are anatomical: 0 is standing
upright with the arms hanging and the palms to the thighs. What is not written is drawn: every
activity has its own numbers, and slow noise moves every angle a little, so no two are alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vitruvian.world.angles import LIMITS, Angles

Activity = Callable[[float], Angles]


@dataclass(frozen=True, eq=False)
class Motion:
    """One person's motion.

    Attributes:
        activity: Name in `ACTIVITIES`.
        speed: Metres a second that the stride is drawn for; 0 where the person stays.
        at: From a time in seconds to angles in degrees, within `LIMITS`.
    """

    activity: str
    speed: float
    at: Activity


def sample_motion(rng: np.random.Generator, activity: str | None = None) -> Motion:
    """A motion.

    Args:
        rng: Drawn from in a fixed order: the same generator state gives the same motion.
        activity: Name in `ACTIVITIES`; drawn where left out.

    Raises:
        KeyError: there is no such activity.
    """
    names = list(ACTIVITIES)
    drawn = str(rng.choice(names, p=[ACTIVITIES[name][1] for name in names]))
    activity = activity or drawn
    written, speed = ACTIVITIES[activity][0](rng)
    spread = 3.0 if speed else 4.0
    frequencies = rng.uniform(0.1, 0.5, (len(LIMITS), 2))
    phases = rng.uniform(0, 2 * np.pi, (len(LIMITS), 2))
    sizes = rng.normal(0, spread, (len(LIMITS), 2))
    mirrored = bool(rng.integers(2))

    def at(seconds: float) -> Angles:
        angles = written(seconds)
        noise = (sizes * np.sin(2 * np.pi * frequencies * seconds + phases)).sum(axis=1)
        result = {}
        for place, (name, (low, high)) in enumerate(LIMITS.items()):
            own = 0.0 if name in ("pitch", "roll") else float(noise[place])
            result[name] = float(np.clip(angles.get(name, 0.0) + own, low, high))
        return _mirror(result) if mirrored else result

    return Motion(activity, speed, at)


def _mirror(angles: Angles) -> Angles:
    """The same pose seen in a mirror."""
    result = {}
    for name, value in angles.items():
        if name.startswith("left_"):
            result["right_" + name[5:]] = value
        elif name.startswith("right_"):
            result["left_" + name[6:]] = value
        else:
            result[name] = -value if name.endswith(("bend", "twist", "roll")) else value
    return result


def _both(**angles: float) -> Angles:
    """The same angle on both sides."""
    return {f"{side}_{name}": value for name, value in angles.items() for side in ("left", "right")}


def _standing(rng: np.random.Generator) -> tuple[Activity, float]:
    """Weight on one leg, arms hanging, on the hip, folded or raised."""
    shift, turn = rng.uniform(0, 8), rng.uniform(-50, 50)
    angles = _both(shoulder_abduction=rng.uniform(4, 14), elbow_flexion=rng.uniform(8, 30))
    angles |= _both(fingers=rng.uniform(10, 45), hip_abduction=rng.uniform(1, 9))
    angles |= {"spine_bend": shift, "left_hip_abduction": 2 + shift, "left_knee_flexion": 3 * shift}
    angles |= {"left_hip_flexion": 1.5 * shift, "neck_twist": turn, "spine_twist": turn / 4}
    angles["neck_flexion"] = rng.uniform(-12, 25)
    style = rng.integers(5)
    if style == 0:  # a hand on the hip
        angles |= {"left_shoulder_abduction": 48.0, "left_shoulder_rotation": 65.0}
        angles |= {"left_elbow_flexion": 105.0, "left_shoulder_flexion": -18.0}
    elif style == 1:  # a hand at the ear, or waving
        angles |= {"right_shoulder_flexion": rng.uniform(40, 110), "right_elbow_flexion": 130.0}
        angles |= {"right_shoulder_abduction": rng.uniform(10, 60)}
    elif style == 2:  # holding something before the chest
        angles |= _both(shoulder_flexion=rng.uniform(15, 45), shoulder_rotation=30.0)
        angles |= _both(elbow_flexion=rng.uniform(70, 105), forearm_pronation=20.0)
    return lambda _: angles, 0.0


def _gait(
    rng: np.random.Generator, *, rate: float, swing: float, knee: float, arms: float, elbow: float
) -> Activity:
    """A cycle of two steps: hips and arms against each other, the knee bent as the leg swings."""
    start, lean = rng.uniform(0, 1), rng.uniform(2, 6) + 0.15 * (elbow - 10)
    look = rng.uniform(-35, 35)

    def at(seconds: float) -> Angles:
        angles = {"spine_flexion": lean, "neck_flexion": -lean / 2, "neck_twist": look}
        for side, offset in (("left", 0.0), ("right", 0.5)):
            phase = 2 * np.pi * (rate * seconds + start + offset)
            hip = swing * np.cos(phase)
            # The knee bends most while the hip comes forwards, and a little at the strike.
            bend = np.exp(2.2 * (np.cos(phase + 1.25) - 1))
            strike = np.exp(6.0 * (np.cos(phase - 0.6) - 1))
            flexion = 4 + knee * bend + 0.25 * knee * strike
            push = np.exp(5.0 * (np.cos(phase + 2.35) - 1))
            angles |= {
                f"{side}_hip_flexion": 6 + hip + 0.15 * knee * bend,
                f"{side}_knee_flexion": flexion,
                f"{side}_ankle_flexion": 6 * np.cos(phase + 0.5) - 20 * push,
                f"{side}_toes": 25 * push,
                f"{side}_hip_abduction": 1.0,
                f"{side}_shoulder_flexion": -arms * np.cos(phase),
                f"{side}_shoulder_abduction": 7.0,
                f"{side}_elbow_flexion": elbow - 0.35 * arms * np.cos(phase),
                f"{side}_fingers": 35.0 + elbow / 4,
                f"{side}_shoulder_rotation": 10.0,
            }
        turn = 0.3 * swing * np.cos(2 * np.pi * (rate * seconds + start))
        return angles | {"spine_twist": turn}

    return at


def _walking(rng: np.random.Generator) -> tuple[Activity, float]:
    speed = rng.uniform(0.8, 1.7)
    gait = _gait(
        rng,
        rate=0.55 + 0.3 * speed,
        swing=12 + 10 * speed,
        knee=rng.uniform(50, 62),
        arms=rng.uniform(8, 28),
        elbow=rng.uniform(10, 30),
    )
    return gait, speed


def _running(rng: np.random.Generator) -> tuple[Activity, float]:
    speed = rng.uniform(2.2, 4.5)
    gait = _gait(
        rng,
        rate=1.1 + 0.08 * speed,
        swing=26 + 5 * speed,
        knee=70 + 8 * speed,
        arms=rng.uniform(30, 50),
        elbow=rng.uniform(75, 100),
    )
    return gait, speed


def _sitting(rng: np.random.Generator) -> tuple[Activity, float]:
    """On something as high as a chair; hands on the thighs or on a table."""
    hip = rng.uniform(75, 95)
    angles = _both(hip_flexion=hip, knee_flexion=hip + rng.uniform(-20, 12))
    angles |= _both(hip_abduction=rng.uniform(2, 16), shoulder_rotation=rng.uniform(5, 35))
    reach = rng.uniform(15, 50)
    angles |= _both(shoulder_flexion=reach, elbow_flexion=rng.uniform(45, 95))
    angles |= _both(shoulder_abduction=rng.uniform(6, 16), fingers=rng.uniform(10, 40))
    angles |= {"spine_flexion": rng.uniform(0, 28), "neck_flexion": rng.uniform(-10, 25)}
    return lambda _: angles, 0.0


def _reaching(rng: np.random.Generator) -> tuple[Activity, float]:
    """One or both arms out to something, swinging slowly."""
    base, _ = _standing(rng)
    flexion, aside = rng.uniform(50, 165), rng.uniform(0, 60)
    both, rate = bool(rng.integers(2)), rng.uniform(0.1, 0.4)

    def at(seconds: float) -> Angles:
        swing = 12 * np.sin(2 * np.pi * rate * seconds)
        angles = dict(base(seconds))
        for side in ("left", "right") if both else ("right",):
            angles[f"{side}_shoulder_flexion"] = flexion + swing
            angles[f"{side}_shoulder_abduction"] = aside
            angles[f"{side}_elbow_flexion"] = 15 - swing
            angles[f"{side}_clavicle"] = flexion / 9
        return angles | {"spine_flexion": 8.0, "spine_twist": 0.0 if both else 12.0}

    return at, 0.0


def _crouching(rng: np.random.Generator) -> tuple[Activity, float]:
    """From a slight knee bend to a full squat; lifting something."""
    depth = rng.uniform(0.35, 1)
    angles = _both(hip_flexion=105 * depth, knee_flexion=125 * depth, ankle_flexion=26 * depth)
    angles |= _both(hip_abduction=rng.uniform(8, 22), hip_rotation=rng.uniform(0, 12))
    angles |= _both(shoulder_flexion=rng.uniform(35, 75), elbow_flexion=rng.uniform(10, 60))
    angles |= {"spine_flexion": 45 * depth, "neck_flexion": -22 * depth}
    angles |= _both(shoulder_abduction=14.0)
    return lambda _: angles, 0.0


def _lunging(rng: np.random.Generator) -> tuple[Activity, float]:
    """A long step with a bent front leg: sport, dance, stretching."""
    depth = rng.uniform(0.4, 1)
    angles = {
        "left_hip_flexion": 75 * depth,
        "left_knee_flexion": 85 * depth,
        "left_ankle_flexion": 8.0,
        "right_hip_flexion": -18 * depth,
        "right_knee_flexion": 30 * depth,
        "right_ankle_flexion": -12 * depth,
        "right_toes": 30 * depth,
        "spine_twist": rng.uniform(-25, 25),
        "spine_flexion": rng.uniform(-5, 18),
    }
    for side in ("left", "right"):
        angles[f"{side}_shoulder_flexion"] = rng.uniform(-20, 120)
        angles[f"{side}_shoulder_abduction"] = rng.uniform(15, 100)
        angles[f"{side}_elbow_flexion"] = rng.uniform(5, 90)
        angles[f"{side}_hip_abduction"] = rng.uniform(2, 14)
    return lambda _: angles, 0.0


def _dancing(rng: np.random.Generator) -> tuple[Activity, float]:
    """Arms and hips on a beat, one foot at a time a little off the ground."""
    rate = rng.uniform(0.8, 1.4)
    starts = rng.uniform(0, 2 * np.pi, 8)
    high = rng.uniform(30, 100)

    def at(seconds: float) -> Angles:
        beat = 2 * np.pi * rate * seconds
        wave = np.sin(beat / 2 + starts)
        step = np.sin(beat + starts[0])
        angles = {"spine_bend": 10 * wave[0], "spine_twist": 14 * wave[1], "neck_bend": 8 * wave[2]}
        for place, (side, sign) in enumerate((("left", 1), ("right", -1))):
            lift = max(0.0, sign * step)
            angles |= {
                f"{side}_shoulder_flexion": high / 2 + 30 * wave[3 + place],
                f"{side}_shoulder_abduction": high / 1.5 + 25 * wave[5 + place],
                f"{side}_elbow_flexion": 70 + 40 * wave[4 - place],
                f"{side}_hip_flexion": 8 + 35 * lift,
                f"{side}_knee_flexion": 12 + 55 * lift,
                f"{side}_hip_abduction": 9.0,
            }
        return angles

    return at, 0.0


def _lying(rng: np.random.Generator) -> tuple[Activity, float]:
    """On the back, the front or a side."""
    face_down = rng.uniform() < 0.3
    angles = {"pitch": 90.0 if face_down else -90.0, "roll": 0.0}
    aside = not face_down and rng.uniform() < 0.4
    if aside:
        angles |= {"roll": 80.0, **_both(shoulder_flexion=rng.uniform(30, 80))}
    bend = 0.0 if face_down else rng.uniform(0, 60)
    angles |= {"left_hip_flexion": bend, "left_knee_flexion": 1.7 * bend}
    angles |= {"right_hip_flexion": bend / 3, "right_knee_flexion": bend / 2}
    angles |= _both(shoulder_abduction=rng.uniform(0, 12 if aside else 60))
    angles |= _both(elbow_flexion=rng.uniform(5, 60 if aside else 25))
    angles |= _both(ankle_flexion=-20.0, fingers=30.0, hip_abduction=2.0)
    return lambda _: angles, 0.0


ACTIVITIES: dict[str, tuple[Callable[[np.random.Generator], tuple[Activity, float]], float]] = {
    "standing": (_standing, 0.26),
    "walking": (_walking, 0.24),
    "running": (_running, 0.09),
    "sitting": (_sitting, 0.10),
    "reaching": (_reaching, 0.10),
    "crouching": (_crouching, 0.07),
    "lunging": (_lunging, 0.05),
    "dancing": (_dancing, 0.06),
    "lying": (_lying, 0.03),
}
"""Each activity and its share of the samples."""
