"""A body as capsules: how thick and heavy its limbs are, where they are, and what moves them.

Cheap enough to ask again and again whether an arm runs through the chest, or where the weight is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vitruvian.world.angles import (
    Angles,
    arm_rotations,
    ball_rotation,
    elbow_axis,
    leg_rotations,
    mirror_rotation,
    root_rotation,
    side_angles,
    trunk_rotations,
)
from vitruvian.world.bodies import Rest
from vitruvian.world.rig import load_rig

Floats = NDArray[np.float64]

_TRUNK = ("pelvis", "waist", "belly", "chest", "shoulders", "neck", "head")
_ARM = ("upper_arm", "forearm", "hand")
_LEG = ("thigh", "shin", "foot")
CAPSULES = (*_TRUNK, *(f"{side}_{part}" for side in ("left", "right") for part in (*_ARM, *_LEG)))
"""Names of the capsules."""

_ARM_ANGLES = ("shoulder_flexion", "shoulder_abduction", "shoulder_rotation", "elbow_flexion")
_LEG_ANGLES = ("hip_flexion", "hip_abduction", "hip_rotation", "knee_flexion", "ankle_flexion")
MOVERS = (
    "pitch",
    *(f"{side}_{name}" for side in ("left", "right") for name in (*_ARM_ANGLES, *_LEG_ANGLES)),
)
"""Names of the angles that move capsules, as the columns of `Figure.moves`."""

SOLES = tuple(f"{side}_{part}" for side in ("left", "right") for part in ("heel", "ball"))
"""Points under the feet."""

_HANDS = [CAPSULES.index(f"{side}_hand") for side in ("left", "right")]
_THIGHS = [CAPSULES.index(f"{side}_thigh") for side in ("left", "right")]

# Shares of the body's mass (Winter, Biomechanics and Motor Control, table 4.1).
_MASSES = {
    "pelvis": 0.082,
    "waist": 0.08,
    "belly": 0.119,
    "chest": 0.12,
    "shoulders": 0.096,
    "neck": 0.01,
    "head": 0.071,
    "upper_arm": 0.028,
    "forearm": 0.016,
    "hand": 0.006,
    "thigh": 0.1,
    "shin": 0.0465,
    "foot": 0.0145,
}
MASSES = np.array([_MASSES[name.split("_", 1)[-1] if "_" in name else name] for name in CAPSULES])
"""(capsules,): shares of the body's mass."""

# A trunk's slab: the bone that carries it, and from where to where it is on the neutral adult.
_SLABS = {
    "pelvis": ("root", 0.86, 0.96),
    "waist": ("spine05", 0.98, 1.06),
    "belly": ("spine04", 1.08, 1.17),
    "chest": ("spine02", 1.22, 1.34),
    "shoulders": ("spine01", 1.38, 1.46),
    "neck": ("neck02", 1.54, 1.59),
    "head": ("head", 1.66, 1.80),
}
_LIMB_BONES = {
    "upper_arm": "upperarm02",
    "forearm": "lowerarm01",
    "hand": "metacarpal3",
    "thigh": "upperleg02",
    "shin": "lowerleg01",
    "foot": "foot",
}


def _moved() -> NDArray[np.bool_]:
    """(capsules, movers): which angle moves which capsule."""
    result = np.zeros((len(CAPSULES), len(MOVERS)), dtype=bool)
    result[:, 0] = True
    for side in ("left", "right"):
        for parts, names, counts in (
            (_ARM, _ARM_ANGLES, (3, 4, 4)),
            (_LEG, _LEG_ANGLES, (3, 4, 5)),
        ):
            for part, count in zip(parts, counts, strict=True):
                for name in names[:count]:
                    result[CAPSULES.index(f"{side}_{part}"), MOVERS.index(f"{side}_{name}")] = True
    return result


MOVED = _moved()
"""(capsules, movers): which angle moves which capsule."""


@dataclass(frozen=True, eq=False)
class Limbs:
    """One person's capsules, before they are posed.

    Attributes:
        offsets: (B, 3): of each bone's head from its parent's, in the parent's axes.
        steps: (2, steps, 3): from joint to joint of the left and the right limbs.
        radii: (capsules,): in metres.
        slabs: (trunk's capsules, 2, 3): their ends, against the heads of the bones they lie on.
        soles: (4, 3): the points of `SOLES`, against the heads of the feet's bones.
        tips: (2, 3): the ends of the hands, against the heads of the wrists' bones.
        toes: (2, 3): the ends of the feet, against the heads of the feet's bones.
    """

    offsets: Floats
    steps: Floats
    radii: Floats
    slabs: Floats
    soles: Floats
    tips: Floats
    toes: Floats


@dataclass(frozen=True, eq=False)
class Figure:
    """Posed capsules, with the root's head at the origin.

    Attributes:
        starts: (capsules, 3): one end of each capsule's axis, in metres.
        ends: (capsules, 3): the other.
        soles: (4, 3): the points of `SOLES`.
        axes: (movers, 3): what each angle turns about.
        origins: (movers, 3): points on those axes.
    """

    starts: Floats
    ends: Floats
    soles: Floats
    axes: Floats
    origins: Floats

    @property
    def weight(self) -> Floats:
        """(3,): the centre of mass."""
        return np.asarray(MASSES @ (self.starts + self.ends) / 2)


@lru_cache(maxsize=1)
def _samples() -> tuple[tuple[slice, ...], Floats, Floats]:
    """Vertices to measure: which belong to each capsule and sole; templates; flat shapes."""
    rig = load_rig()
    canonical = rig.canonical
    owners = rig.weight_bones[np.arange(len(canonical)), rig.weights.argmax(axis=1)]
    arms = np.zeros(len(rig.bones), dtype=bool)
    for bone, parent in enumerate(rig.parents):
        name = str(rig.bones[bone])
        arms[bone] = name.startswith(("clavicle", "shoulder")) or (parent >= 0 and arms[parent])
    trunk = ~arms[owners] & (np.abs(canonical[:, 0]) < 0.25)
    groups = []
    for name in CAPSULES:
        if name in _SLABS:
            _, low, high = _SLABS[name]
            inside = trunk & (canonical[:, 2] > low) & (canonical[:, 2] < high)
            groups.append(_some(np.flatnonzero(inside), 50))
        else:
            side, part = name.split("_", 1)
            bone = rig.bone(f"{_LIMB_BONES[part]}.{side[0].upper()}")
            share = (rig.weights * (rig.weight_bones == bone)).sum(axis=1)
            groups.append(_some(np.flatnonzero(share > 0.5), 24))
    for sole in SOLES:
        sign = 1 if sole.startswith("left") else -1
        foot = (canonical[:, 2] < 0.02) & (sign * canonical[:, 0] > 0)
        back, front = canonical[foot][:, 1].max(), canonical[foot][:, 1].min()
        behind = canonical[:, 1] > back - 0.06
        before = np.abs(canonical[:, 1] - front - 0.06) < 0.02
        groups.append(_some(np.flatnonzero(foot & (behind if "heel" in sole else before)), 16))
    every = np.concatenate(groups)
    edges = np.cumsum([0, *(len(group) for group in groups)])
    shapes = rig.shapes[every].transpose(1, 0, 2).reshape(rig.shapes.shape[1], -1)
    return (
        tuple(slice(first, last) for first, last in pairwise(edges)),
        rig.template[every].astype(np.float64),
        shapes.astype(np.float64),
    )


def _some(vertices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of them, evenly."""
    return vertices[np.linspace(0, len(vertices) - 1, min(most, len(vertices))).astype(int)]


@lru_cache(maxsize=1)
def _chain() -> dict[str, int]:
    return {str(bone): place for place, bone in enumerate(load_rig().bones)}


@lru_cache(maxsize=2)
def _places(letter: str) -> tuple[list[int], ...]:
    """Bones whose offsets make up the steps from joint to joint, on one side."""
    bones = _chain()
    steps = (
        *(("clavicle",), ("shoulder01",), ("upperarm01",), ("upperarm02", "lowerarm01")),
        *(("lowerarm02",), ("wrist",), ("pelvis", "upperleg01")),
        *(("upperleg02", "lowerleg01"), ("lowerleg02", "foot")),
    )
    return tuple([bones[f"{name}.{letter}"] for name in step] for step in steps)


def body_limbs(rest: Rest) -> Limbs:
    """Measure a body.

    Args:
        rest: From `bodies.rest_body`.
    """
    rig, bones = load_rig(), _chain()
    groups, template, shapes = _samples()
    moved = np.einsum("k,kn->n", rest.coefficients.astype(np.float64), shapes)
    vertices = template + moved.reshape(-1, 3)
    parents = rig.parents[1:]
    offsets = np.zeros_like(rest.heads)
    aligns = rest.aligns.copy()
    aligns[0] = np.eye(3)  # the root has no rest orientation of its own
    steps = rest.heads[1:] - rest.heads[parents]
    offsets[1:] = np.einsum("bij,bj->bi", aligns[parents], steps)
    radii, slabs = np.empty(len(CAPSULES)), np.empty((len(_TRUNK), 2, 3))

    def local(place: int, bone: int) -> Floats:
        return np.asarray((vertices[groups[place]] - rest.heads[bone]) @ aligns[bone].T)

    for place, name in enumerate(_TRUNK):
        points = np.sort(local(place, bones[_SLABS[name][0]]), axis=0)
        low, high = points[len(points) // 25], points[-1 - len(points) // 25]
        middle = np.array([0.0, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2])
        radii[place] = min((high[1] - low[1]) / 2, (high[0] - low[0]) / 2)
        reach = max((high[0] - low[0]) / 2 - radii[place], 0.0)
        if name == "head":
            radii[place] = (high[0] - low[0] + high[1] - low[1]) / 4
        end = np.array([0, 0, 0.03] if name == "head" else [reach, 0, 0])
        slabs[place] = middle - end, middle + end
    tips, toes = np.empty((2, 3)), np.empty((2, 3))
    spreads, long = [], []
    for number, (side, letter) in enumerate((("left", "L"), ("right", "R"))):
        for part in (*_ARM, *_LEG):
            place = CAPSULES.index(f"{side}_{part}")
            points = local(place, bones[f"{_LIMB_BONES[part]}.{letter}"])
            if part == "foot":
                radii[place] = 0.45 * np.ptp(points[:, 0])
                continue
            points = points - points.mean(axis=0)
            spreads.append(points.T @ points / len(points))
            long.append(place)
        wrist, finger = bones[f"wrist.{letter}"], bones[f"finger3-2.{letter}"]
        tips[number] = aligns[wrist] @ (rest.heads[finger] - rest.heads[wrist])
        foot, toe = bones[f"foot.{letter}"], bones[f"toe3-3.{letter}"]
        toes[number] = aligns[foot] @ (rest.heads[toe] - rest.heads[foot])
    # The mean of both thicknesses; fingers curl away from a hand; a thigh is conical.
    radii[long] = np.sqrt(np.linalg.eigvalsh(np.array(spreads))[:, :2].sum(axis=1))
    radii[_HANDS] *= 3.3
    radii[_THIGHS] *= 1.3
    soles = np.empty((len(SOLES), 3))
    for number in range(len(SOLES)):
        points = local(len(CAPSULES) + number, bones[f"foot.{'LR'[number // 2]}"])
        soles[number] = points.mean(axis=0)
    steps = np.array(
        [[offsets[step].sum(axis=0) for step in _places(letter)] for letter in ("L", "R")]
    )
    return Limbs(offsets, steps, radii, slabs, soles, tips, toes)


@lru_cache(maxsize=2)
def _side_axes(mirrored: bool) -> tuple[Floats, ...]:
    """What a limb's joints turn about at zero: the arm's four, the leg's five."""
    flip = np.array([1.0, -1.0, -1.0] if mirrored else [1.0, 1.0, 1.0])
    x, y, z = np.eye(3)
    axes = (-x, -y, -z, elbow_axis(), -x, -y, z, x, -x)
    return tuple(flip * axis for axis in axes)


def _bent(flexion: float) -> Floats:
    """(3, 3): of a limb that is lifted forwards, in degrees."""
    cosine, sine = math.cos(math.radians(flexion)), math.sin(math.radians(flexion))
    return np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])


def pose_limbs(limbs: Limbs, angles: Angles) -> Figure:
    """Where the capsules are.

    Args:
        limbs: From `body_limbs`.
        angles: Degrees by the names of `angles.LIMITS`.
    """
    bones, offsets = _chain(), limbs.offsets
    starts, ends = np.empty((len(CAPSULES), 3)), np.empty((len(CAPSULES), 3))
    axes, origins = np.empty((len(MOVERS), 3)), np.zeros((len(MOVERS), 3))
    soles = np.empty((len(SOLES), 3))
    root = root_rotation(angles)
    axes[0] = (1.0, 0.0, 0.0)

    turns, heads = {"root": root}, {"root": np.zeros(3)}
    before = "root"
    for bone, rotation in trunk_rotations(angles).items():
        heads[bone] = heads[before] + turns[before] @ offsets[bones[bone]]
        turns[bone] = turns[before] @ rotation
        before = bone
    for place, name in enumerate(_TRUNK):
        bone = _SLABS[name][0]
        slab = limbs.slabs[place] @ turns[bone].T + heads[bone]
        starts[place], ends[place] = slab
    chest, neck = turns["spine01"], heads["spine01"]

    for number, side in enumerate(("left", "right")):
        own = side_angles(angles, side)
        step, about = limbs.steps[number], _side_axes(number == 1)
        arm, leg = arm_rotations(own), leg_rotations(own)
        swing = ball_rotation(own, "shoulder")
        if number == 1:
            arm = {name: mirror_rotation(rotation) for name, rotation in arm.items()}
            leg = {name: mirror_rotation(rotation) for name, rotation in leg.items()}
            swing = mirror_rotation(swing)
        collar = chest @ arm["clavicle"]
        blade = collar @ arm["shoulder01"]
        upper = blade @ arm["upperarm01"]
        lower = upper @ arm["lowerarm01"]
        turned = lower @ arm["lowerarm02"]
        shoulder = neck + chest @ step[0] + collar @ step[1] + blade @ step[2]
        elbow = shoulder + upper @ step[3]
        wrist = elbow + lower @ step[4] + turned @ step[5]
        tip = wrist + turned @ (arm["wrist"] @ limbs.tips[number])

        thigh = root @ leg["upperleg01"]
        shin = thigh @ leg["lowerleg01"]
        foot = shin @ leg["foot"]
        hip = root @ step[6]
        knee = hip + thigh @ step[7]
        ankle = knee + shin @ step[8]
        soles[2 * number : 2 * number + 2] = limbs.soles[2 * number : 2 * number + 2] @ foot.T
        soles[2 * number : 2 * number + 2] += ankle

        first = len(_TRUNK) + number * (len(_ARM) + len(_LEG))
        # The shoulder belongs to the trunk.
        starts[first] = 0.6 * shoulder + 0.4 * elbow
        starts[first + 1] = 0.9 * elbow + 0.1 * wrist
        starts[first + 2] = wrist
        starts[first + 3] = 0.9 * hip + 0.1 * knee
        starts[first + 4] = 0.92 * knee + 0.08 * ankle
        starts[first + 5] = 0.6 * soles[2 * number] + 0.4 * ankle
        ends[first : first + 3] = elbow, wrist, tip
        ends[first + 3 : first + 6] = knee, ankle, ankle + foot @ limbs.toes[number]

        column = 1 + number * (len(_ARM_ANGLES) + len(_LEG_ANGLES))
        # Rotation leaves its own axis alone, so the whole swing tells where abduction put it.
        bent, raised = _bent(own["hip_flexion"]), _bent(own["shoulder_flexion"])
        frames = (
            chest,
            chest @ raised,
            chest @ swing,
            upper,
            root,
            root @ bent,
            thigh,
            thigh,
            shin,
        )
        joints = (shoulder, shoulder, shoulder, elbow, hip, hip, hip, knee, ankle)
        for place in range(len(frames)):
            axes[column + place] = frames[place] @ about[place]
            origins[column + place] = joints[place]
    return Figure(starts, ends, soles, axes, origins)
