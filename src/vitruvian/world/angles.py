"""Joint angles with limits, and the rotations of the body model's bones that they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

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
_MIRRORED = np.array([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])


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


def _turn(degrees: Floats | list[float], share: float = 1.0) -> Floats:
    """The rotation of a rotation vector in degrees, or a share of it (Rodrigues' formula)."""
    x, y, z = (float(value) * (share * math.pi / 180) for value in degrees)
    angle = math.sqrt(x * x + y * y + z * z)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = x / angle, y / angle, z / angle
    sine, cosine = math.sin(angle), math.cos(angle)
    rest = 1 - cosine
    return np.array(
        [
            [cosine + rest * x * x, rest * x * y - sine * z, rest * x * z + sine * y],
            [rest * x * y + sine * z, cosine + rest * y * y, rest * y * z - sine * x],
            [rest * x * z - sine * y, rest * y * z + sine * x, cosine + rest * z * z],
        ]
    )


def _fifth(rotation: Floats) -> Floats:
    """A fifth of a rotation."""
    rows = rotation.tolist()
    x, y, z = rows[2][1] - rows[1][2], rows[0][2] - rows[2][0], rows[1][0] - rows[0][1]
    length = math.sqrt(x * x + y * y + z * z)
    angle = math.atan2(length, rows[0][0] + rows[1][1] + rows[2][2] - 1)
    scale = 0.2 * math.degrees(angle) / max(length, 1e-9)
    return _turn([scale * x, scale * y, scale * z])


def _xyz(x: float, y: float, z: float) -> Floats:
    """Turn about z, then y, then x: degrees about the fixed axes."""
    x, y, z = math.radians(x), math.radians(y), math.radians(z)
    a, b, c = math.cos(x), math.cos(y), math.cos(z)
    d, e, f = math.sin(x), math.sin(y), math.sin(z)
    return np.array(
        [
            [b * c, -b * f, e],
            [d * e * c + a * f, a * c - d * e * f, -d * b],
            [d * f - a * e * c, a * e * f + d * c, a * b],
        ]
    )


def bone_rotations(angles: Angles) -> Floats:
    """(B, 3, 3): the rotations of the bones, each against its parent, in reference-pose axes.

    Args:
        angles: Degrees by the names of `LIMITS`; those left out are 0.
    """
    rig = load_rig()
    result = identity_pose(rig)

    result[0] = root_rotation(angles)
    for bone, rotation in trunk_rotations(angles).items():
        result[rig.bone(bone)] = rotation
    for side, letter in (("left", "L"), ("right", "R")):
        own = side_angles(angles, side)
        for bone, rotation in {
            **arm_rotations(own),
            **_hand_rotations(own),
            **leg_rotations(own),
            **_toe_rotations(own),
        }.items():
            if side == "right":
                rotation = mirror_rotation(rotation)
            result[rig.bone(f"{bone}.{letter}")] = rotation
    return result


def side_angles(angles: Angles, side: str) -> Angles:
    """The angles of one side, without its name: what `arm_rotations` and its like read."""
    return {name: angles.get(f"{side}_{name}", 0.0) for name in _SIDED}


def mirror_rotation(rotation: Floats) -> Floats:
    """The rotation as a mirror shows it: of a right limb from a left one's."""
    return np.asarray(rotation * _MIRRORED)


def root_rotation(angles: Angles) -> Floats:
    """(3, 3): of the whole body."""
    return _xyz(angles.get("pitch", 0.0), 0, angles.get("roll", 0.0))


def trunk_rotations(angles: Angles) -> dict[str, Floats]:
    """The bones of spine and neck."""
    result = {}
    for part, shares in (("spine", _SPINE), ("neck", _NECK)):
        whole = [angles.get(f"{part}_{name}", 0.0) for name in ("flexion", "bend", "twist")]
        for bone, share in shares.items():
            result[bone] = _xyz(*(share * angle for angle in whole))
    return result


def ball_rotation(own: Angles, joint: str) -> Floats:
    """(3, 3): of the left "shoulder" or "hip": flexion outside, then abduction, then rotation."""
    if joint == "hip":
        apart = own["hip_abduction"] - _STANCE
        return _xyz(-own["hip_flexion"], -apart, own["hip_rotation"])
    flexion, abduction = own["shoulder_flexion"], own["shoulder_abduction"]
    return _xyz(-flexion, -abduction, -own["shoulder_rotation"])


def elbow_axis() -> Floats:
    """(3,): what the left elbow bends about, against the upper arm in the reference pose."""
    return _arm().elbow


def arm_rotations(own: Angles) -> dict[str, Floats]:
    """The bones of the left arm, without the hand's."""
    arm = _arm()
    # The collar bone rises with the arm above 40 degrees.
    raised = max(0.0, max(own["shoulder_flexion"], own["shoulder_abduction"]) - 40) * 0.2
    collar = _xyz(0, -own["clavicle"] - raised, 0)
    upper = collar.T @ ball_rotation(own, "shoulder") @ arm.hang
    # A fifth of the turn lies in the shoulder blade: the skin folds less.
    blade = _fifth(upper)
    return {
        "clavicle": collar,
        "shoulder01": blade,
        "upperarm01": blade.T @ upper,
        "lowerarm01": _turn(arm.elbow, own["elbow_flexion"] - arm.elbow_angle),
        "lowerarm02": _turn(arm.forearm, own["forearm_pronation"]),
        "wrist": _turn(arm.knuckles, own["wrist_flexion"]),
    }


def _hand_rotations(own: Angles) -> dict[str, Floats]:
    """The fingers of the left hand."""
    arm = _arm()
    result: dict[str, Floats] = {}
    for knuckle, share in ((1, 0.8), (2, 1.0), (3, 0.6)):
        bend = _turn(arm.knuckles, share * (own["fingers"] - 15))
        result |= {f"finger{finger}-{knuckle}": bend for finger in (2, 3, 4, 5)}
    thumb = _turn(arm.thumb, own["thumb"])
    return result | {"finger1-2": thumb, "finger1-3": thumb}


def leg_rotations(own: Angles) -> dict[str, Floats]:
    """The bones of the left leg, without the toes."""
    apart = own["hip_abduction"] - _STANCE
    return {
        "upperleg01": ball_rotation(own, "hip"),
        "lowerleg01": _xyz(own["knee_flexion"] - _KNEE, 0, 0),
        # The ankle gives way sideways, so that the sole stays flat.
        "foot": _xyz(_KNEE - own["ankle_flexion"], min(max(apart, -15.0), 15.0), 0),
    }


def _toe_rotations(own: Angles) -> dict[str, Floats]:
    """The toes of the left foot."""
    toes = _xyz(-own["toes"], 0, 0)
    return {f"toe{toe}-1": toes for toe in range(1, 6)}
