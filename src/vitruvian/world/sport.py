"""Sport: kicks, throws, serves, swings, jumps and stretches, as cycles through key poses."""

from __future__ import annotations

import numpy as np

from vitruvian.world.angles import Angles
from vitruvian.world.keys import FEET, Written, both_sides, keyed


def _arm(side: str, flexion: float, abduction: float, rotation: float, elbow: float) -> Angles:
    """One arm."""
    return {
        f"{side}_shoulder_flexion": flexion,
        f"{side}_shoulder_abduction": abduction,
        f"{side}_shoulder_rotation": rotation,
        f"{side}_elbow_flexion": elbow,
        f"{side}_fingers": 30.0,
    }


def _leg(side: str, hip: float, abduction: float, knee: float, ankle: float = 0.0) -> Angles:
    """One leg."""
    return {
        f"{side}_hip_flexion": hip,
        f"{side}_hip_abduction": abduction,
        f"{side}_knee_flexion": knee,
        f"{side}_ankle_flexion": ankle,
    }


def kicking(rng: np.random.Generator) -> Written:
    """The right leg back, through a ball and high, the left one planted and a little bent."""
    power, aside = rng.uniform(0.6, 1), rng.uniform(2, 20)
    high = bool(rng.uniform() < 0.3)
    lean = rng.uniform(-4, 10)
    stand = _leg("left", 14, 3, 24, 12)
    back = {**stand, **_leg("right", -22 * power, aside, 85 * power, -30)}
    back |= _arm("left", 30, 75 * power, 0, 20) | _arm("right", -35 * power, 25, 0, 30)
    back |= {"spine_twist": -20 * power, "spine_flexion": lean, "pitch": 8 * power}
    strike = {**stand, **_leg("right", 42 * power, aside, 18, -40)}
    strike |= _arm("left", -15, 60, 0, 35) | _arm("right", 20, 45, 0, 30)
    strike |= {"spine_twist": 12 * power, "spine_flexion": lean + 12, "pitch": -6.0}
    through = {**stand, **_leg("right", (105 if high else 75) * power, aside / 2, 12, -40)}
    through |= _arm("left", 45 * power, 40, 30, 40) | _arm("right", -30, 55, 0, 20)
    through |= {"spine_twist": 24 * power, "spine_flexion": lean + 22, "pitch": -12 * power}
    rest = {**_leg("left", 8, 5, 14, 6), **_leg("right", 6, 5, 14, 8), "spine_flexion": lean}
    rest |= _arm("left", 10, 20, 0, 40) | _arm("right", 0, 20, 0, 40)
    at = keyed(
        [(0.0, rest), (0.3, back), (0.46, strike), (0.6, through)],
        rng.uniform(1.6, 2.4),
        rng.uniform(),
    )
    return Written(at, soles=FEET[:2])


def throwing(rng: np.random.Generator) -> Written:
    """The right arm cocked behind the head, over and down across the body; a step with the left."""
    power, arm = rng.uniform(0.6, 1), rng.uniform(85, 115)
    legs = {**_leg("left", 26 * power, 6, 22), **_leg("right", -12 * power, 12, 22, 6)}
    legs |= {"right_toes": 15.0}
    ready = {**legs, **_arm("left", 45, 15, 30, 80), **_arm("right", 45, 15, 30, 90)}
    cocked = {**legs, **_arm("left", 70, 30, 10, 25), **_arm("right", -10, arm, -55, 95)}
    cocked |= {"spine_twist": -34 * power, "spine_flexion": -10 * power, "neck_twist": 30 * power}
    release = {**legs, **_arm("left", 20, 20, 30, 80), **_arm("right", 70, arm - 10, 0, 25)}
    release |= {"spine_twist": 12 * power, "spine_flexion": 14 * power, "spine_bend": 10 * power}
    down = {**legs, **_arm("left", -20, 25, 10, 60), **_arm("right", 48, 0, 45, 25)}
    down |= {"spine_twist": 34 * power, "spine_flexion": 40 * power, "neck_flexion": -20 * power}
    at = keyed(
        [(0.0, ready), (0.35, cocked), (0.5, release), (0.64, down)],
        rng.uniform(1.8, 2.8),
        rng.uniform(),
    )
    return Written(at, soles=(*FEET[:2], "right_ball"))


def serving(rng: np.random.Generator) -> Written:
    """A ball tossed with the left hand and hit overhead with the right."""
    power, bend = rng.uniform(0.6, 1), rng.uniform(10, 40)
    wide = rng.uniform(4, 14)

    def legs(knees: float) -> Angles:
        return {**_leg("left", 14 + knees / 2, wide, knees), **_leg("right", -4, wide, knees + 6)}

    ready = {**legs(8), **_arm("left", 40, 5, 25, 45), **_arm("right", 30, 10, 25, 60)}
    toss = {**legs(bend), **_arm("left", 165, 10, 0, 6), **_arm("right", -20, 85, -40, 90)}
    toss |= {"spine_flexion": -18 * power, "spine_bend": 12 * power, "spine_twist": -25 * power}
    toss |= {"neck_flexion": -35.0}
    hit = {**legs(4), **_arm("left", 50, 10, 40, 90), **_arm("right", 168, 20, 0, 10)}
    hit |= {"spine_bend": 16 * power, "spine_twist": 8 * power, "neck_flexion": -30.0}
    hit |= both_sides(ankle_flexion=-25 * power, toes=20 * power)
    down = {**legs(16), **_arm("left", 0, 25, 20, 70), **_arm("right", 48, 0, 55, 20)}
    down |= {"spine_flexion": 38 * power, "spine_twist": 30 * power}
    at = keyed(
        [(0.0, ready), (0.35, toss), (0.52, hit), (0.68, down)],
        rng.uniform(2.2, 3.2),
        rng.uniform(),
    )
    return Written(at, soles=("left_ball", "right_ball"))


def swinging(rng: np.random.Generator) -> Written:
    """Both hands on a bat, a club or a racket, turned far back and through."""
    low = bool(rng.integers(2))
    lean, knees = (rng.uniform(20, 32), 22.0) if low else (rng.uniform(2, 10), 28.0)
    wide = rng.uniform(10, 22)
    legs = both_sides(hip_flexion=lean + 16, knee_flexion=knees, hip_abduction=wide)
    legs |= both_sides(ankle_flexion=8.0, hip_rotation=8.0) | {"pitch": lean}
    stretch = both_sides(fingers=70.0)
    drop = 30.0 if low else 62.0
    address = {**legs, **stretch, **_arm("left", drop, 0, 25, 20), **_arm("right", drop, 0, 25, 24)}
    address |= {"spine_flexion": 20.0, "neck_flexion": 10.0}
    back = {**legs, **stretch, **_arm("left", 88, 0, 62, 22), **_arm("right", 70, 42, -10, 95)}
    back |= {"spine_twist": -40.0, "spine_flexion": 12.0, "neck_twist": 42.0}
    through = {**legs, **stretch, **_arm("right", 95, 0, 62, 25), **_arm("left", 75, 42, -10, 95)}
    through |= {"spine_twist": 40.0, "spine_flexion": 6.0, "neck_twist": -25.0, "pitch": lean / 2}
    through |= {"right_knee_flexion": knees + 14, "left_knee_flexion": knees - 12}
    at = keyed(
        [(0.0, address), (0.38, back), (0.54, address), (0.68, through)],
        rng.uniform(1.8, 2.8),
        rng.uniform(),
    )
    return Written(at, soles=("left_heel", "left_ball", "right_ball"))


def jumping(rng: np.random.Generator) -> Written:
    """Down, up and off the floor: straight, star, tuck or a split leap."""
    height, start = rng.uniform(0.12, 0.4), rng.uniform()
    period = rng.uniform(1.3, 1.9)
    deep = rng.uniform(0.4, 0.9)
    flight = float(np.sqrt(8 * height / 9.81)) / period  # share of the cycle
    off = 0.34
    stand = both_sides(knee_flexion=8.0, hip_flexion=5.0, hip_abduction=4.0, shoulder_flexion=10.0)
    stand |= both_sides(elbow_flexion=30.0, shoulder_abduction=10.0)
    low = both_sides(knee_flexion=105 * deep, hip_flexion=95 * deep, ankle_flexion=26 * deep)
    low |= both_sides(shoulder_flexion=-15.0, elbow_flexion=15.0, shoulder_abduction=18.0)
    low |= {"spine_flexion": 22 * deep, "pitch": 14 * deep}
    up = both_sides(ankle_flexion=-38.0, toes=25.0, elbow_flexion=15.0, hip_abduction=4.0)
    up |= both_sides(shoulder_flexion=rng.uniform(60, 150), shoulder_abduction=10.0)
    style = rng.integers(4)
    high = dict(up)
    if style == 0:
        up |= both_sides(shoulder_flexion=40.0, shoulder_abduction=60.0)
        high |= both_sides(hip_abduction=38.0, shoulder_flexion=20.0, shoulder_abduction=120.0)
    elif style == 1:
        high |= both_sides(hip_flexion=85.0, knee_flexion=100.0, shoulder_flexion=60.0)
    elif style == 2:
        high |= _leg("left", 70, 6, 15, -30) | _leg("right", -22, 6, 25, -40)
        high |= _arm("left", 20, 80, 0, 10) | _arm("right", 60, 80, 0, 10)
    else:
        high |= both_sides(knee_flexion=rng.uniform(10, 80), hip_flexion=-5.0)
    keys = [(0.0, stand), (off - 0.19, low), (off, up), (off + flight / 2, high)]
    keys += [(off + flight, up), (min(off + flight + 0.16, 0.95), low)]

    def lift(seconds: float) -> float:
        place = ((seconds / period + start) % 1.0 - off) / flight
        return height * 4 * place * (1 - place) if 0 < place < 1 else 0.0

    return Written(keyed(keys, period, start), lift=lift)


def stretching(rng: np.random.Generator) -> Written:
    """To the toes, to the side, overhead, or a knee to the chest."""
    amount = rng.uniform(0.6, 1)
    style = rng.integers(4)
    soles, balanced = FEET, True
    if style == 0:  # towards the toes
        goal = both_sides(hip_flexion=62 * amount, shoulder_flexion=115 * amount, elbow_flexion=8.0)
        goal |= {"pitch": 62 * amount, "spine_flexion": 55 * amount, "neck_flexion": 20.0}
    elif style == 1:  # to the side, one arm over the head
        goal = both_sides(hip_abduction=18.0) | _arm("left", 0, 8, 0, 25)
        goal |= _arm("right", 60, 145, 0, 20) | {"spine_bend": 29 * amount, "neck_bend": 12.0}
    elif style == 2:  # both arms up, on the balls of the feet
        goal = both_sides(shoulder_flexion=170 * amount, shoulder_abduction=10.0, clavicle=18.0)
        goal |= both_sides(ankle_flexion=-25 * amount, toes=25 * amount, elbow_flexion=10.0)
        goal |= {"spine_flexion": -14 * amount, "neck_flexion": -25.0}
        soles = ("left_ball", "right_ball")
    else:  # a knee to the chest
        goal = _leg("right", 112 * amount, 4, 120, 0) | _leg("left", 2, 2, 5)
        goal |= both_sides(shoulder_flexion=50.0, elbow_flexion=60.0, shoulder_rotation=20.0)
        soles = FEET[:2]
    stand = both_sides(shoulder_abduction=8.0, elbow_flexion=12.0)
    if style in (1, 2):
        # Half way to the goal is as far as the arms go down.
        stand = {name: 0.5 * value for name, value in goal.items()}
    elif style == 3:
        stand = {**goal, "right_hip_flexion": 80.0, "right_knee_flexion": 100.0}
    at = keyed([(0.0, stand), (0.3, goal), (0.7, goal)], rng.uniform(4, 7), rng.uniform())
    return Written(at, soles=soles, balanced=balanced)
