"""Joint angles with limits, and the rotations of the body model's bones that they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vitruvian.world.bodies import Body, identity_pose, pose_skeleton, rest_body
from vitruvian.world.rig import load_rig

Floats = NDArray[np.float64]
Angles = dict[str, float]

_SIDED = {
    "clavicle": (-10, 30),
    "shoulder_flexion": (-50, 175),
    "shoulder_abduction": (-15, 150),
    "shoulder_rotation": (-60, 80),
    "elbow_flexion": (0, 145),
    "forearm_pronation": (-70, 80),
    "wrist_flexion": (-55, 65),
    "fingers": (0, 85),
    "thumb": (-10, 40),
    "hip_flexion": (-25, 120),
    "hip_abduction": (-15, 50),
    "hip_rotation": (-35, 40),
    "knee_flexion": (0, 140),
    "ankle_flexion": (-45, 28),
    "toes": (-10, 45),
}
LIMITS: dict[str, tuple[float, float]] = {
    "spine_flexion": (-25, 75),
    "spine_bend": (-30, 30),
    "spine_twist": (-40, 40),
    "neck_flexion": (-45, 45),
    "neck_bend": (-30, 30),
    "neck_twist": (-65, 65),
    "pitch": (-180, 180),
    "roll": (-180, 180),
    **{f"{side}_{name}": limit for name, limit in _SIDED.items() for side in ("left", "right")},
}
"""Range of each angle, in degrees: what a healthy adult reaches, or a little less.

0 everywhere is standing upright with hanging arms. Flexion is forwards (a knee's backwards, an
ankle's with the toes up), abduction outwards, a bend or twist to the person's left, a shoulder's
rotation inwards, a hip's outwards. `pitch` turns the whole body forwards, `roll` about its own long
axis first; all others turn a joint."""

_SPINE = {"spine05": 0.15, "spine04": 0.2, "spine03": 0.25, "spine02": 0.2, "spine01": 0.2}
_NECK = {"neck01": 0.2, "neck02": 0.25, "neck03": 0.25, "head": 0.3}
_STANCE = 5.0  # degrees that the reference pose's legs stand apart
_KNEE = 4.0  # degrees that its knees are bent
_MIRROR = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class _Arm:
    """The left arm of the reference pose: how it hangs, and the axes that it bends about."""

    hang: Floats
    elbow: Floats
    elbow_angle: float
    forearm: Floats
    knuckles: Floats
    thumb: Floats


def _unit(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector)


@lru_cache(maxsize=1)
def _arm() -> _Arm:
    rig = load_rig()
    neutral = dict.fromkeys((str(name) for name in rig.phenotypes), 0.5)
    rest = rest_body(Body(neutral | {"age": 2 / 3}, {}, (0, 0, 0)))
    heads, _ = pose_skeleton(rest, identity_pose(rig))

    def along(first: str, second: str) -> Floats:
        return _unit(heads[rig.bone(f"{second}.L")] - heads[rig.bone(f"{first}.L")])

    def curl(finger: int) -> Floats:
        first = along(f"finger{finger}-1", f"finger{finger}-2")
        return np.cross(first, along(f"finger{finger}-2", f"finger{finger}-3"))

    upper, forearm = along("upperarm01", "lowerarm01"), along("lowerarm01", "wrist")
    elbow = _unit(np.cross(upper, forearm))
    down = np.array([0.0, 0.0, -1.0])
    axis = np.cross(upper, down)
    hang = _turn(_unit(axis) * np.degrees(np.arcsin(np.linalg.norm(axis))))
    # About the hanging arm's own axis, so that the elbow bends straight forwards.
    hinge = hang @ elbow
    hang = _turn([0, 0, np.degrees(np.pi - np.arctan2(hinge[1], hinge[0]))]) @ hang
    return _Arm(
        hang=hang,
        elbow=elbow,
        elbow_angle=float(np.degrees(np.arccos(upper @ forearm))),
        forearm=forearm,
        knuckles=_unit(np.sum([curl(finger) for finger in (2, 3, 4, 5)], axis=0)),
        thumb=_unit(curl(1)),
    )


def _turn(degrees: Floats | list[float]) -> Floats:
    """The rotation of a rotation vector in degrees (Rodrigues' formula)."""
    x, y, z = (float(value) * (np.pi / 180) for value in degrees)
    angle = math.sqrt(x * x + y * y + z * z)
    if angle < 1e-12:
        return np.eye(3)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) / angle
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)


def _xyz(x: float, y: float, z: float) -> Floats:
    """Turn about z, then y, then x: degrees about the fixed axes."""
    return _turn([x, 0, 0]) @ _turn([0, y, 0]) @ _turn([0, 0, z])


def bone_rotations(angles: Angles) -> Floats:
    """(B, 3, 3): the rotations of the bones, each against its parent, in reference-pose axes.

    Args:
        angles: Degrees by the names of `LIMITS`; those left out are 0.
    """
    rig = load_rig()
    result = identity_pose(rig)

    def value(name: str) -> float:
        return angles.get(name, 0.0)

    result[0] = _turn([value("pitch"), 0, 0]) @ _turn([0, 0, value("roll")])
    for part, shares in (("spine", _SPINE), ("neck", _NECK)):
        whole = (value(f"{part}_flexion"), value(f"{part}_bend"), value(f"{part}_twist"))
        for bone, share in shares.items():
            result[rig.bone(bone)] = _xyz(*(share * angle for angle in whole))
    for side, letter in (("left", "L"), ("right", "R")):
        own = {name: value(f"{side}_{name}") for name in _SIDED}
        for bone, rotation in {**_arm_rotations(own), **_leg_rotations(own)}.items():
            if side == "right":
                rotation = _MIRROR @ rotation @ _MIRROR
            result[rig.bone(f"{bone}.{letter}")] = rotation
    return result


def _arm_rotations(own: Angles) -> dict[str, Floats]:
    """The bones of the left arm."""
    arm = _arm()
    flexion, abduction = own["shoulder_flexion"], own["shoulder_abduction"]
    # The collar bone rises with the arm above 40 degrees.
    raised = max(0.0, max(flexion, abduction) - 40) * 0.2
    swing = _turn([-flexion, 0, 0]) @ _turn([0, -abduction, 0])
    swing = swing @ _turn([0, 0, -own["shoulder_rotation"]]) @ arm.hang
    collar = _turn([0, -own["clavicle"] - raised, 0])
    upper = collar.T @ swing
    # A fifth of the turn lies in the shoulder blade: the skin folds less.
    blade = Rotation.from_rotvec(0.2 * Rotation.from_matrix(upper).as_rotvec()).as_matrix()
    result = {
        "clavicle": collar,
        "shoulder01": blade,
        "upperarm01": blade.T @ upper,
        "lowerarm01": _turn(arm.elbow * (own["elbow_flexion"] - arm.elbow_angle)),
        "lowerarm02": _turn(arm.forearm * own["forearm_pronation"]),
        "wrist": _turn(arm.knuckles * own["wrist_flexion"]),
    }
    for knuckle, share in ((1, 0.8), (2, 1.0), (3, 0.6)):
        bend = share * (own["fingers"] - 15)
        result |= {f"finger{f}-{knuckle}": _turn(arm.knuckles * bend) for f in (2, 3, 4, 5)}
    result |= {f"finger1-{knuckle}": _turn(arm.thumb * own["thumb"]) for knuckle in (2, 3)}
    return result


def _leg_rotations(own: Angles) -> dict[str, Floats]:
    """The bones of the left leg."""
    apart = own["hip_abduction"] - _STANCE
    result = {
        "upperleg01": _turn([-own["hip_flexion"], 0, 0])
        @ _turn([0, -apart, 0])
        @ _turn([0, 0, own["hip_rotation"]]),
        "lowerleg01": _turn([own["knee_flexion"] - _KNEE, 0, 0]),
        # The ankle gives way sideways, so that the sole stays flat.
        "foot": _turn([_KNEE - own["ankle_flexion"], 0, 0])
        @ _turn([0, float(np.clip(apart, -15, 15)), 0]),
    }
    return result | {f"toe{toe}-1": _turn([-own["toes"], 0, 0]) for toe in range(1, 6)}
