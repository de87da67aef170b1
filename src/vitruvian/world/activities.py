"""What people do: standing, walking, sitting and the like, written as angles over time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vitruvian.world import sport
from vitruvian.world.acrobatics import acrobatics
from vitruvian.world.angles import Angles
from vitruvian.world.keys import FEET, Written, both_sides


def _standing(rng: np.random.Generator) -> Written:
    """Weight on one leg, arms hanging, on the hips, folded, raised, behind the back."""
    shift, turn = rng.uniform(0, 8), rng.uniform(-50, 50)
    angles = both_sides(shoulder_abduction=rng.uniform(4, 14), elbow_flexion=rng.uniform(8, 30))
    angles |= both_sides(fingers=rng.uniform(10, 45), hip_abduction=rng.uniform(1, 9))
    # The hip of the leg that carries goes out, the shoulders lean back over it.
    angles |= {"spine_bend": shift, "left_hip_abduction": 2 + shift, "left_knee_flexion": 3 * shift}
    angles |= {"left_hip_flexion": 1.5 * shift, "neck_twist": turn, "spine_twist": turn / 4}
    angles |= {"neck_flexion": rng.uniform(-12, 25), "neck_bend": -shift * rng.uniform(0, 1)}
    angles |= both_sides(hip_rotation=rng.uniform(0, 14))
    style = rng.integers(9)
    if style in (0, 1):  # a hand or both on the hips
        for side in ("left", "right")[: style + 1]:
            angles |= {f"{side}_shoulder_abduction": 48.0, f"{side}_shoulder_rotation": 65.0}
            angles |= {f"{side}_elbow_flexion": 105.0, f"{side}_shoulder_flexion": -18.0}
    elif style == 2:  # a hand at the ear, or waving
        angles |= {"right_shoulder_flexion": rng.uniform(40, 110), "right_elbow_flexion": 130.0}
        angles |= {"right_shoulder_abduction": rng.uniform(10, 60)}
    elif style == 3:  # holding something before the chest
        angles |= both_sides(shoulder_flexion=rng.uniform(15, 45), shoulder_rotation=30.0)
        angles |= both_sides(elbow_flexion=rng.uniform(70, 105), forearm_pronation=20.0)
    elif style == 4:  # folded arms
        angles |= both_sides(shoulder_flexion=rng.uniform(28, 40), shoulder_rotation=70.0)
        angles |= both_sides(elbow_flexion=rng.uniform(90, 105), shoulder_abduction=8.0)
        angles |= {"left_shoulder_flexion": 46.0}
    elif style == 5:  # hands behind the back
        angles |= both_sides(shoulder_flexion=-32.0, shoulder_rotation=60.0)
        angles |= both_sides(elbow_flexion=rng.uniform(35, 70), shoulder_abduction=14.0)
    elif style == 6:  # both hands behind the head
        angles |= both_sides(shoulder_abduction=rng.uniform(110, 130), elbow_flexion=135.0)
        angles |= both_sides(shoulder_rotation=-50.0)
    return Written(lambda _: angles, soles=FEET, balanced=True)


def _gait(
    rng: np.random.Generator,
    *,
    speed: float,
    rate: float,
    swing: float,
    knee: float,
    arms: float,
    elbow: float,
    flight: float = 0.0,
) -> Written:
    """A cycle of two steps: hips and arms against each other, the knee bent as the leg swings.

    `flight` is the share of a step that both feet are off the floor.
    """
    start, lean = rng.uniform(0, 1), rng.uniform(2, 6) + 0.15 * (elbow - 10)
    look, wide = rng.uniform(-35, 35), rng.uniform(8, 14) + 30 * flight

    def at(seconds: float) -> Angles:
        angles = {"spine_flexion": lean, "neck_flexion": -lean / 2, "neck_twist": look}
        for side, offset in (("left", 0.0), ("right", 0.5)):
            phase = 2 * np.pi * (rate * seconds + start + offset)
            hip = swing * np.cos(phase)
            # The knee bends most while the hip comes forwards, and a little at the strike.
            bend = np.exp(2.2 * (np.cos(phase + 1.25) - 1))
            strike = np.exp(6.0 * (np.cos(phase - 0.6) - 1))
            flexion = 4 + knee * bend + 0.25 * knee * strike
            push = np.exp(5.0 * (np.cos(phase + 2.35 + 2 * flight) - 1))
            angles |= {
                f"{side}_hip_flexion": 6 + hip + 0.15 * knee * bend,
                f"{side}_knee_flexion": flexion,
                f"{side}_ankle_flexion": 6 * np.cos(phase + 0.5) - 20 * push,
                f"{side}_toes": 25 * push,
                f"{side}_hip_abduction": 1.0,
                f"{side}_shoulder_flexion": -arms * np.cos(phase),
                f"{side}_shoulder_abduction": wide,
                f"{side}_elbow_flexion": elbow - 0.35 * arms * np.cos(phase),
                f"{side}_fingers": 35.0 + elbow / 4,
                f"{side}_shoulder_rotation": 10.0,
            }
        turn = 0.3 * swing * np.cos(2 * np.pi * (rate * seconds + start))
        return angles | {"spine_twist": turn}

    def lift(seconds: float) -> float:
        # Each step ends where the other foot strikes, a little after its hip is foremost.
        step = 2 * (rate * seconds + start) - 0.6 / np.pi
        place = (step - np.floor(step) - (1 - flight)) / max(flight, 1e-9)
        if place < 0:
            return 0.0
        # Half of gravity by the square of the time: what is thrown up comes down.
        return float(4.9 * (flight / (2 * rate)) ** 2 * place * (1 - place))

    return Written(at, speed, lift=lift)


def _walking(rng: np.random.Generator) -> Written:
    speed = rng.uniform(0.8, 1.7)
    return _gait(
        rng,
        speed=speed,
        rate=0.55 + 0.3 * speed,
        swing=12 + 10 * speed,
        knee=rng.uniform(50, 62),
        arms=rng.uniform(8, 28),
        elbow=rng.uniform(10, 30),
    )


def _running(rng: np.random.Generator) -> Written:
    speed = rng.uniform(2.2, 4.5)
    return _gait(
        rng,
        speed=speed,
        flight=0.12 + 0.05 * speed,
        rate=1.1 + 0.08 * speed,
        swing=26 + 5 * speed,
        knee=70 + 8 * speed,
        arms=rng.uniform(30, 50),
        elbow=rng.uniform(75, 100),
    )


def _sitting(rng: np.random.Generator) -> Written:
    """On something as high as a chair, or on the floor; hands on the thighs or on a table."""
    hip = rng.uniform(75, 95)
    angles = both_sides(hip_flexion=hip, knee_flexion=hip + rng.uniform(-20, 12))
    angles |= both_sides(hip_abduction=rng.uniform(2, 16), shoulder_rotation=rng.uniform(5, 35))
    angles |= both_sides(shoulder_flexion=rng.uniform(15, 50), elbow_flexion=rng.uniform(65, 105))
    angles |= both_sides(shoulder_abduction=rng.uniform(6, 16), fingers=rng.uniform(10, 40))
    angles |= {"spine_flexion": rng.uniform(0, 28), "neck_flexion": rng.uniform(-10, 25)}
    angles |= {"neck_twist": rng.uniform(-40, 40), "spine_twist": rng.uniform(-12, 12)}
    style = rng.uniform()
    soles = FEET
    if style < 0.15:  # one leg over the other
        angles |= {"left_hip_flexion": hip + 14, "left_hip_abduction": -12.0}
        angles |= {"left_knee_flexion": 80.0, "left_hip_rotation": -8.0}
        soles = FEET[2:]
    elif style < 0.3:  # legs stretched out before the seat
        angles |= both_sides(knee_flexion=rng.uniform(15, 45), ankle_flexion=0.0)
        soles = ()
    elif style < 0.4:  # cross-legged on the floor
        angles |= both_sides(hip_flexion=95.0, hip_abduction=44.0, hip_rotation=36.0)
        angles |= both_sides(knee_flexion=rng.uniform(118, 135), ankle_flexion=-15.0)
        angles |= {"spine_flexion": rng.uniform(10, 35)}
        soles = ()
    elif style < 0.5:  # on the floor, legs ahead, leaning back on the hands
        angles |= both_sides(hip_flexion=rng.uniform(68, 85), knee_flexion=rng.uniform(0, 20))
        angles |= both_sides(shoulder_flexion=-45.0, elbow_flexion=8.0, wrist_flexion=-50.0)
        angles |= both_sides(shoulder_abduction=24.0)
        angles |= {"pitch": -14.0, "spine_flexion": rng.uniform(0, 15)}
        soles = ()
    return Written(lambda _: angles, soles=soles)


def _reaching(rng: np.random.Generator) -> Written:
    """One or both arms out to something, swinging slowly."""
    base = _standing(rng)
    flexion, aside = rng.uniform(50, 165), rng.uniform(0, 60)
    both, rate = bool(rng.integers(2)), rng.uniform(0.1, 0.4)

    def at(seconds: float) -> Angles:
        swing = 12 * np.sin(2 * np.pi * rate * seconds)
        angles = dict(base.at(seconds))
        for side in ("left", "right") if both else ("right",):
            angles[f"{side}_shoulder_flexion"] = flexion + swing
            angles[f"{side}_shoulder_abduction"] = aside
            angles[f"{side}_elbow_flexion"] = 15 - swing
            angles[f"{side}_clavicle"] = flexion / 9
        return angles | {"spine_flexion": 8.0, "spine_twist": 0.0 if both else 12.0}

    return Written(at, soles=FEET, balanced=True)


def _crouching(rng: np.random.Generator) -> Written:
    """From a slight knee bend to a full squat, or on one knee."""
    depth = rng.uniform(0.35, 1)
    angles = both_sides(hip_flexion=105 * depth, knee_flexion=125 * depth, ankle_flexion=26 * depth)
    angles |= both_sides(hip_abduction=rng.uniform(8, 22), hip_rotation=rng.uniform(0, 12))
    angles |= both_sides(shoulder_flexion=rng.uniform(35, 75), elbow_flexion=rng.uniform(10, 60))
    angles |= {"spine_flexion": 45 * depth, "neck_flexion": -22 * depth}
    angles |= both_sides(shoulder_abduction=14.0)
    if rng.uniform() < 0.3:  # on one knee
        angles |= both_sides(hip_abduction=6.0, hip_rotation=0.0)
        angles |= {"left_hip_flexion": 88.0, "left_knee_flexion": 88.0, "left_ankle_flexion": 2.0}
        angles |= {"right_hip_flexion": -2.0, "right_knee_flexion": 88.0}
        angles |= {"right_ankle_flexion": 20.0, "right_toes": 45.0}
        angles |= {"spine_flexion": rng.uniform(0, 35)}
        return Written(lambda _: angles, soles=FEET[:2])
    return Written(lambda _: angles, soles=FEET, balanced=True)


def _lifting(rng: np.random.Generator) -> Written:
    """Down to something on the floor and up with it, with a straight back or a bent one."""
    rate, start = rng.uniform(0.15, 0.35), rng.uniform(0, 1)
    straight = bool(rng.integers(2))
    deep, narrow = rng.uniform(0.6, 1), rng.uniform(5, 40)
    load = rng.uniform(0, 70)
    apart = rng.uniform(6, 18)

    def at(seconds: float) -> Angles:
        down = deep * (0.5 - 0.5 * np.cos(2 * np.pi * (rate * seconds + start)))
        lean = (38 if straight else 25) * down
        hips, knees = (118, 112) if straight else (50, 28)
        spine = (12 if straight else 62) * down
        # The arms hang down from the leaning chest; upright, they carry before the belly.
        hang = lean + 0.8 * spine
        angles = both_sides(
            hip_flexion=lean + (hips - 38) * down,
            knee_flexion=knees * down + 3,
            ankle_flexion=22 * down,
            hip_abduction=apart,
            hip_rotation=10.0,
            shoulder_flexion=hang + 12 + 14 * (1 - down),
            shoulder_rotation=narrow * 0.6,
            shoulder_abduction=4.0,
            elbow_flexion=8 + load * (1 - down),
            fingers=45.0,
        )
        return angles | {"pitch": lean, "spine_flexion": spine, "neck_flexion": -25 * down}

    return Written(at, soles=FEET, balanced=True)


def _lunging(rng: np.random.Generator) -> Written:
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
    return Written(lambda _: angles, soles=(*FEET[:2], "right_ball"), balanced=True)


def _dancing(rng: np.random.Generator) -> Written:
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

    return Written(at)


def _lying(rng: np.random.Generator) -> Written:
    """On the back, the front or a side."""
    face_down = rng.uniform() < 0.3
    angles = {"pitch": 90.0 if face_down else -90.0, "roll": 0.0}
    aside = not face_down and rng.uniform() < 0.4
    if aside:
        angles |= {"roll": 80.0, **both_sides(shoulder_flexion=rng.uniform(30, 80))}
    bend = 0.0 if face_down else rng.uniform(0, 60)
    angles |= {"left_hip_flexion": bend, "left_knee_flexion": 1.7 * bend}
    angles |= {"right_hip_flexion": bend / 3, "right_knee_flexion": bend / 2}
    angles |= both_sides(shoulder_abduction=rng.uniform(0, 12 if aside else 60))
    angles |= both_sides(elbow_flexion=rng.uniform(5, 60 if aside else 25))
    angles |= both_sides(ankle_flexion=-20.0, fingers=30.0, hip_abduction=2.0)
    return Written(lambda _: angles)


ACTIVITIES: dict[str, tuple[Callable[[np.random.Generator], Written], float]] = {
    "standing": (_standing, 0.20),
    "walking": (_walking, 0.18),
    "running": (_running, 0.08),
    "sitting": (_sitting, 0.09),
    "reaching": (_reaching, 0.07),
    "crouching": (_crouching, 0.05),
    "lifting": (_lifting, 0.05),
    "lunging": (_lunging, 0.04),
    "dancing": (_dancing, 0.05),
    "kicking": (sport.kicking, 0.03),
    "throwing": (sport.throwing, 0.03),
    "serving": (sport.serving, 0.025),
    "swinging": (sport.swinging, 0.025),
    "jumping": (sport.jumping, 0.03),
    "stretching": (sport.stretching, 0.02),
    "lying": (_lying, 0.03),
    "acrobatics": (acrobatics, 0.0),
}
"""Each activity and its share of the samples where none is asked for."""

MIXABLE = ("standing", "walking", "lunging")
GESTURES = ("standing", "reaching", "dancing", "throwing", "serving", "lunging")
"""Activities that may take the arms of another, and those that give theirs."""
