"""Skeletons: the joints of each data set in their published order, and conversion by name.

A joint's name says its side as the *person's* own left or right (`left_wrist`). Flip pairs follow
from the names; a skeleton holds nothing that can be derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import UnknownNameError


@dataclass(frozen=True, eq=False)
class Skeleton:
    """The joints that a data set or a network knows.

    Attributes:
        name: For instance "coco17".
        joints: Joint names in the published order.
        edges: Pairs of joint names that are drawn as limbs.
        sigmas: Per joint, the standard deviation of the annotators (OKS uses twice that);
            empty where the data set defines none.
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def index(self) -> dict[str, int]:
        """Joint name → place."""
        return {joint: place for place, joint in enumerate(self.joints)}

    @cached_property
    def edge_indices(self) -> NDArray[np.int64]:
        """`edges` as places, (edges, 2)."""
        return np.array([(self.index[a], self.index[b]) for a, b in self.edges], dtype=np.int64)

    @cached_property
    def flip_order(self) -> NDArray[np.int64]:
        """(joints,): place i of a mirrored person is place `flip_order[i]` of the person."""
        return np.array([self.index[mirrored_name(joint)] for joint in self.joints])

    @cached_property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """Places that change with each other in a mirrored picture, each pair once."""
        return tuple((a, int(b)) for a, b in enumerate(self.flip_order) if a < b)


def mirrored_name(joint: str) -> str:
    """`left_knee` → `right_knee` and back; a joint of the middle is its own mirror."""
    if joint.startswith("left_"):
        return "right_" + joint[len("left_") :]
    if joint.startswith("right_"):
        return "left_" + joint[len("right_") :]
    return joint


def both(*names: str) -> tuple[str, ...]:
    """Left and right of each name: `both("eye")` is `("left_eye", "right_eye")`."""
    return tuple(f"{side}_{name}" for name in names for side in ("left", "right"))


_LIMBS = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("right", "left")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
_HEAD = tuple(
    edge for s in ("right", "left") for edge in (("nose", f"{s}_eye"), (f"{s}_eye", f"{s}_ear"))
)
_TRUNK = tuple(
    edge for s in ("right", "left") for edge in (("neck", f"{s}_shoulder"), ("neck", f"{s}_hip"))
)
_BOX = (
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
)

COCO17 = Skeleton(
    "coco17",
    ("nose", *both("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
    _HEAD + _BOX + _LIMBS,
    (0.026, *(s for s in (0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089) for _ in "lr")),
)

OPENPOSE18 = Skeleton(
    "openpose18",
    (
        "nose",
        "neck",
        *(f"right_{joint}" for joint in ("shoulder", "elbow", "wrist")),
        *(f"left_{joint}" for joint in ("shoulder", "elbow", "wrist")),
        *(f"right_{joint}" for joint in ("hip", "knee", "ankle")),
        *(f"left_{joint}" for joint in ("hip", "knee", "ankle")),
        "right_eye",
        "left_eye",
        "right_ear",
        "left_ear",
    ),
    (("neck", "nose"), *_HEAD, *_TRUNK, *_LIMBS),
)

OPENPOSE25 = Skeleton(
    "openpose25",
    (
        *OPENPOSE18.joints[:8],
        "mid_hip",
        *OPENPOSE18.joints[8:],
        *(f"left_{toe}" for toe in ("big_toe", "small_toe", "heel")),
        *(f"right_{toe}" for toe in ("big_toe", "small_toe", "heel")),
    ),
    (
        ("neck", "nose"),
        *_HEAD,
        ("neck", "mid_hip"),
        *((("neck", f"{s}_shoulder")) for s in ("right", "left")),
        *((("mid_hip", f"{s}_hip")) for s in ("right", "left")),
        *_LIMBS,
        *(
            edge
            for s in ("right", "left")
            for edge in (
                (f"{s}_ankle", f"{s}_big_toe"),
                (f"{s}_big_toe", f"{s}_small_toe"),
                (f"{s}_ankle", f"{s}_heel"),
            )
        ),
    ),
)

MPII16 = Skeleton(
    "mpii16",
    (
        *(f"right_{joint}" for joint in ("ankle", "knee", "hip")),
        *(f"left_{joint}" for joint in ("hip", "knee", "ankle")),
        "pelvis",
        "thorax",
        "upper_neck",
        "head_top",
        *(f"right_{joint}" for joint in ("wrist", "elbow", "shoulder")),
        *(f"left_{joint}" for joint in ("shoulder", "elbow", "wrist")),
    ),
    (
        ("head_top", "upper_neck"),
        ("upper_neck", "thorax"),
        ("thorax", "pelvis"),
        *((("thorax", f"{s}_shoulder")) for s in ("right", "left")),
        *((("pelvis", f"{s}_hip")) for s in ("right", "left")),
        *_LIMBS,
    ),
)

LSP14 = Skeleton(
    "lsp14",
    (
        *MPII16.joints[:6],
        *MPII16.joints[10:],
        "neck",
        "head_top",
    ),
    (("head_top", "neck"), *_TRUNK, *_LIMBS),
)

CROWDPOSE14 = Skeleton(
    "crowdpose14",
    (*both("shoulder", "elbow", "wrist", "hip", "knee", "ankle"), "head_top", "neck"),
    (("head_top", "neck"), *_TRUNK, *_LIMBS),
    (*(s for s in (0.079, 0.072, 0.062, 0.107, 0.087, 0.089) for _ in "lr"), 0.079, 0.079),
)


AIC14 = Skeleton(
    "aic14",
    (
        *(f"right_{joint}" for joint in ("shoulder", "elbow", "wrist")),
        *(f"left_{joint}" for joint in ("shoulder", "elbow", "wrist")),
        *(f"right_{joint}" for joint in ("hip", "knee", "ankle")),
        *(f"left_{joint}" for joint in ("hip", "knee", "ankle")),
        *("head_top", "neck"),
    ),
    (("head_top", "neck"), *_TRUNK, *_LIMBS),
    (
        *(0.01388152, 0.01515228, 0.01057665, 0.01417709, 0.01497891, 0.01402144),
        *(0.03909642, 0.03686941, 0.01981803, 0.03843971, 0.03412318, 0.02415081),
        *(0.01291456, 0.01236173),
    ),
)

POSETRACK17 = Skeleton(
    "posetrack17",
    (
        *("nose", "upper_neck", "head_top"),
        *both("ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
    ),
    (
        *(("nose", "upper_neck"), ("nose", "head_top")),
        *(("upper_neck", f"{side}_shoulder") for side in ("right", "left")),
        *_BOX,
        *_LIMBS,
    ),
    COCO17.sigmas,
)
"""PoseTrack 2018. It defines no spreads; COCO's by place are what everybody uses."""

FLIC11 = Skeleton(
    "flic11",
    (
        *(f"left_{joint}" for joint in ("shoulder", "elbow", "wrist")),
        *(f"right_{joint}" for joint in ("shoulder", "elbow", "wrist")),
        *both("hip", "eye"),
        "nose",
    ),
    (
        *(("nose", f"{side}_eye") for side in ("right", "left")),
        *_BOX,
        *(edge for edge in _LIMBS if "hip" not in edge[0] and "knee" not in edge[0]),
    ),
)


def _chain(*joints: str) -> tuple[tuple[str, str], ...]:
    """Edges from each joint to the next."""
    return tuple(pairwise(joints))


def _row(name: str, count: int, *, backwards: bool = False) -> tuple[str, ...]:
    """`name_1` … `name_count`."""
    places = range(count, 0, -1) if backwards else range(1, count + 1)
    return tuple(f"{name}_{place}" for place in places)


_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "little_finger")
_FEET = tuple(f"{s}_{toe}" for s in ("left", "right") for toe in ("big_toe", "small_toe", "heel"))
_JAW = (*_row("right_jaw", 8), "chin", *_row("left_jaw", 8, backwards=True))
_EYES = (*_row("right_eye", 6), *(f"left_eye_{place}" for place in (4, 3, 2, 1, 6, 5)))
_OUTER_LIPS = (
    *(*_row("right_outer_lip", 3), "upper_outer_lip", *_row("left_outer_lip", 3, backwards=True)),
    *("left_outer_lip_4", "left_outer_lip_5", "lower_outer_lip"),
    *("right_outer_lip_5", "right_outer_lip_4"),
)
_INNER_LIPS = (
    *(*_row("right_inner_lip", 2), "upper_inner_lip", *_row("left_inner_lip", 2, backwards=True)),
    *("left_inner_lip_3", "lower_inner_lip", "right_inner_lip_3"),
)
_NOSTRILS = (*_row("right_nostril", 2), "nose_base", *_row("left_nostril", 2, backwards=True))
_HAND_SIGMAS = (
    *(0.029, 0.022, 0.035, 0.037, 0.047, 0.026, 0.025, 0.024, 0.035, 0.018, 0.024),
    *(0.022, 0.026, 0.017, 0.021, 0.021, 0.032, 0.020, 0.019, 0.022, 0.031),
)

WHOLEBODY133 = Skeleton(
    "wholebody133",
    (
        *COCO17.joints,
        *_FEET,
        *_JAW,
        *_row("right_brow", 5),
        *_row("left_brow", 5, backwards=True),
        *_row("nose_ridge", 4),
        *_NOSTRILS,
        *_EYES,
        *_OUTER_LIPS,
        *_INNER_LIPS,
        *(
            joint
            for side in ("left", "right")
            for joint in (
                f"{side}_hand_root",
                *(tip for finger in _FINGERS for tip in _row(f"{side}_{finger}", 4)),
            )
        ),
    ),
    (
        *COCO17.edges,
        *((f"{toe.split('_')[0]}_ankle", toe) for toe in _FEET),
        *_chain(*_JAW),
        *_chain(*_row("right_brow", 5)),
        *_chain(*_row("left_brow", 5)),
        *_chain(*_row("nose_ridge", 4)),
        *_chain(*_NOSTRILS),
        *_chain(*_row("right_eye", 6), "right_eye_1"),
        *_chain(*_row("left_eye", 6), "left_eye_1"),
        *_chain(*_OUTER_LIPS, _OUTER_LIPS[0]),
        *_chain(*_INNER_LIPS, _INNER_LIPS[0]),
        *((f"{side}_wrist", f"{side}_hand_root") for side in ("left", "right")),
        *(
            edge
            for side in ("left", "right")
            for finger in _FINGERS
            for edge in _chain(f"{side}_hand_root", *_row(f"{side}_{finger}", 4))
        ),
    ),
    (
        *COCO17.sigmas,
        *(0.068, 0.066, 0.066, 0.092, 0.094, 0.094),
        *(0.042, 0.043, 0.044, 0.043, 0.040, 0.035, 0.031, 0.025, 0.020),  # jaw
        *(0.023, 0.029, 0.032, 0.037, 0.038, 0.043, 0.041, 0.045),
        *(0.013, 0.012, 0.011, 0.011, 0.012, 0.012, 0.011, 0.011, 0.013, 0.015),  # brows
        *(0.009, 0.007, 0.007, 0.007, 0.012, 0.009, 0.008, 0.016, 0.010),  # nose
        *(0.017, 0.011, 0.009, 0.011, 0.009, 0.007),  # eyes
        *(0.013, 0.008, 0.011, 0.012, 0.010, 0.034),
        *(0.008, 0.008, 0.009, 0.008, 0.008, 0.007),  # outer lips
        *(0.010, 0.008, 0.009, 0.009, 0.009, 0.007),
        *(0.007, 0.008, 0.011, 0.008, 0.008, 0.008, 0.010, 0.008),  # inner lips
        *_HAND_SIGMAS,
        *_HAND_SIGMAS,
    ),
)

HALPE136 = Skeleton(
    "halpe136",
    (
        *COCO17.joints,
        *("head_top", "neck", "mid_hip"),
        *both("big_toe", "small_toe", "heel"),
        *WHOLEBODY133.joints[23:],
    ),
    (
        *(("head_top", "neck"), ("neck", "mid_hip")),
        *(("neck", f"{side}_shoulder") for side in ("right", "left")),
        *(("mid_hip", f"{side}_hip") for side in ("right", "left")),
        *_HEAD,
        *_LIMBS,
        *WHOLEBODY133.edges[len(COCO17.edges) :],
    ),
    (*COCO17.sigmas, *(0.08,) * 3, *(0.089,) * 6, *(0.015,) * 110),
)

_BODY = 26
HALPE26 = Skeleton(
    "halpe26",
    HALPE136.joints[:_BODY],
    tuple(pair for pair in HALPE136.edges if set(pair) <= set(HALPE136.joints[:_BODY])),
    HALPE136.sigmas[:_BODY],
)
"""Halpe's body and feet, without face and hands."""

_PUPILS = ("right_pupil", "left_pupil")

OPENPOSE137 = Skeleton(
    "openpose137",
    (*OPENPOSE25.joints, *WHOLEBODY133.joints[23:91], *_PUPILS, *WHOLEBODY133.joints[91:]),
    (*OPENPOSE25.edges, *WHOLEBODY133.edges[len(COCO17.edges) + len(_FEET) :]),
)
"""BODY_25 with the 70 points of the face and 21 of each hand."""

H36M17 = Skeleton(
    "h36m17",
    (
        "pelvis",
        *(f"right_{joint}" for joint in ("hip", "knee", "ankle")),
        *(f"left_{joint}" for joint in ("hip", "knee", "ankle")),
        *("spine", "thorax", "neck_base", "head_top"),
        *(f"left_{joint}" for joint in ("shoulder", "elbow", "wrist")),
        *(f"right_{joint}" for joint in ("shoulder", "elbow", "wrist")),
    ),
    (
        *_chain("pelvis", "spine", "thorax", "neck_base", "head_top"),
        *((("thorax", f"{s}_shoulder")) for s in ("right", "left")),
        *((("pelvis", f"{s}_hip")) for s in ("right", "left")),
        *_LIMBS,
    ),
)
"""Human3.6M's usual 17 of 32, whose neck_base is the point that many call neck or nose."""

SKELETONS: dict[str, Skeleton] = {
    skeleton.name: skeleton
    for skeleton in (
        *(COCO17, OPENPOSE18, OPENPOSE25, MPII16, LSP14, CROWDPOSE14, AIC14, POSETRACK17, FLIC11),
        *(WHOLEBODY133, HALPE26, HALPE136, OPENPOSE137, H36M17),
    )
}

# A joint that the source lacks but whose parts it has: the mean of the parts, with their least
# score. OpenPose trains its neck as the middle of the shoulders.
_MIDDLES = {
    "neck": ("left_shoulder", "right_shoulder"),
    "thorax": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    "pelvis": ("left_hip", "right_hip"),
}


def find_skeleton(name: str) -> Skeleton:
    """The skeleton of that name, or the user's own in a YAML file.

    Raises:
        UnknownNameError: there is none.
        InputError: the file describes none.
    """
    from vitruvian.core.own_skeletons import is_own, own_skeleton

    if is_own(name):
        return own_skeleton(name)
    if name not in SKELETONS:
        raise UnknownNameError("skeleton", name, SKELETONS)
    return SKELETONS[name]


def convert_joints(
    joints: NDArray[np.floating], source: Skeleton, target: Skeleton
) -> NDArray[np.float32]:
    """Joints of one skeleton in the order of another, by name.

    Args:
        joints: (..., source joints, 3): x, y, score; a score of 0 marks a joint that was not found.
        source: The skeleton of `joints`.
        target: The skeleton wanted.

    Returns:
        (..., target joints, 3). A joint that the source does not know is not found (0, 0, 0), save
        the middles (neck, hips), which are made from their two parts where both are found.
    """
    result = np.zeros((*joints.shape[:-2], len(target), 3), dtype=np.float32)
    for place, joint in enumerate(target.joints):
        if joint in source.index:
            result[..., place, :] = joints[..., source.index[joint], :]
        elif joint in _MIDDLES and all(part in source.index for part in _MIDDLES[joint]):
            left, right = (joints[..., source.index[part], :] for part in _MIDDLES[joint])
            score = np.minimum(left[..., 2], right[..., 2])
            middle = np.concatenate([(left + right)[..., :2] / 2, score[..., None]], axis=-1)
            result[..., place, :] = np.where(score[..., None] > 0, middle, 0)
    return result
