"""Clothes, hair and shoes: what a person wears, drawn at random, and put on the body.

A garment is a set of places on the neutral adult (`material_at`) and a thickness: the dressed body
is the body with those places moved off the skin. Trunk and thighs are covered whatever the
outfit says; `must_cover` names the vertices, and a test holds it.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy import sparse

from vitruvian.world.bodies import Body
from vitruvian.world.kernels import materials as kernels
from vitruvian.world.rig import load_rig

MATERIALS = (
    "background",
    "skin",
    "hair",
    "top",
    "jacket",
    "bottom",
    "socks",
    "shoes",
    "eyes",
    "lips",
    "brows",
    "mouth",
    "prop",
    "skirt",
    "dress",
    "hat",
    "glasses",
)
"""What a pixel shows, by its number."""

PARTS = (
    "background",
    "head",
    "torso",
    *(f"{side}_{part}" for part in ("upper_arm", "forearm", "hand") for side in ("left", "right")),
    *(f"{side}_{part}" for part in ("thigh", "shin", "foot") for side in ("left", "right")),
)
"""Body parts, by their number; the sides are the person's own."""

_PART_BONES = {
    "upper_arm": ("upperarm",),
    "forearm": ("lowerarm",),
    "hand": ("wrist", "finger", "metacarpal"),
    "thigh": ("upperleg",),
    "shin": ("lowerleg",),
    "foot": ("foot", "toe"),
}
_KINDS = {
    "eye_front": kernels.EYEBALL,
    "eye_back": kernels.EYEBALL,
    "eye_cavity": kernels.HEAD,
    "head": kernels.HEAD,
    "mouth": kernels.CAVITY,
    "tongue": kernels.CAVITY,
    "hand": kernels.HAND,
}
_HAIR = ((0.02, 0.015, 0.012), (0.09, 0.05, 0.03), (0.25, 0.14, 0.06), (0.55, 0.38, 0.18))
_GREY = (0.55, 0.55, 0.56)
_IRIS = ((0.10, 0.05, 0.02), (0.06, 0.03, 0.015), (0.10, 0.20, 0.32), (0.09, 0.16, 0.08))
_NEUTRALS = ((0.03, 0.03, 0.035), (0.75, 0.75, 0.74), (0.2, 0.2, 0.21), (0.03, 0.05, 0.12))
_SHOES = (*_NEUTRALS, (0.08, 0.04, 0.02), (0.35, 0.02, 0.03), (0.02, 0.08, 0.2))
_DENIM = ((0.05, 0.09, 0.2), (0.13, 0.2, 0.33), (0.02, 0.025, 0.05))


Color = tuple[float, float, float]


@dataclass(frozen=True)
class Clothes:
    """What one person wears. Heights are metres on the neutral adult of 1.84 m.

    Attributes:
        values: The fields of `materials.Outfit`; colours are linear.
        labels: In words: top, bottom, sleeve, pattern, hair, beard, jacket.
    """

    values: dict[str, Any]
    labels: dict[str, str]

    def struct(self) -> Any:
        """The outfit as the kernels read it."""
        outfit = kernels.Outfit()
        for name, value in self.values.items():
            setattr(outfit, name, wp.vec3(*value) if isinstance(value, tuple) else value)
        return outfit


@dataclass(frozen=True, eq=False)
class Surface:
    """What dressing and shading know of the body's surface.

    Attributes:
        arms: (V,): how far along the arm: 0 up to the shoulder, 1 at the elbow, 2 at the wrist.
        kinds: (F,): `materials.EYEBALL`, `CAVITY`, `HEAD`, `HAND`, or 0.
        vertex_kinds: (V,): the same for vertices.
        parts: (F,): place in `PARTS`.
        face_starts: (V + 1,), and `face_around`: the triangles around each vertex.
        neighbour_starts: (V + 1,), and `neighbours`: the vertices around each vertex.
    """

    arms: NDArray[np.float32]
    kinds: NDArray[np.int32]
    vertex_kinds: NDArray[np.int32]
    parts: NDArray[np.int32]
    face_starts: NDArray[np.int32]
    face_around: NDArray[np.int32]
    neighbour_starts: NDArray[np.int32]
    neighbours: NDArray[np.int32]


def _linear(color: tuple[float, ...]) -> Color:
    """From display values to linear light."""
    red, green, blue = (float(value) ** 2.2 for value in color)
    return red, green, blue


def _cloth(rng: np.random.Generator) -> Color:
    """A colour of cloth: often black, white, grey or navy, else any hue."""
    neutral = _NEUTRALS[int(rng.integers(len(_NEUTRALS)))]
    hue, strength, value = rng.uniform(), rng.beta(2, 3.2), rng.uniform(0.25, 0.9)
    if rng.uniform() < 0.45:
        return neutral
    return _linear(colorsys.hsv_to_rgb(float(hue), float(strength), float(value)))


def sample_clothes(rng: np.random.Generator, body: Body) -> Clothes:
    """An outfit, hair and shoes for a person."""
    woman, age = body.phenotype["gender"] > 0.5, body.phenotype["age"]
    sleeve = str(rng.choice(["none", "short", "half", "long"], p=[0.1, 0.35, 0.1, 0.45]))
    legs = str(rng.choice(["shorts", "knee", "cropped", "trousers"], p=[0.15, 0.1, 0.1, 0.65]))
    jacket = bool(rng.uniform() < 0.25)
    patterns = ["plain", "stripes", "upright stripes", "checks", "dots"]
    pattern = int(rng.choice(5, p=[0.6, 0.12, 0.1, 0.1, 0.08]))
    bottom_pattern = int(rng.choice(5, p=[0.85, 0.0, 0.05, 0.1, 0.0]))
    hair = str(
        rng.choice(["bald", "short", "long"], p=[0.01, 0.22, 0.77] if woman else [0.1, 0.83, 0.07])
    )
    beard = bool(rng.uniform() < 0.3 and not woman and not body.is_child)
    hair_color = _HAIR[int(rng.choice(4, p=[0.4, 0.28, 0.2, 0.12]))]
    grey = float(np.clip((age - 0.8) / 0.2 + rng.normal(0, 0.3), 0, 1)) if age > 0.75 else 0.0
    mixed = [(1 - grey) * own + grey * old for own, old in zip(hair_color, _GREY, strict=True)]
    top, bottom = _cloth(rng), _cloth(rng)
    if rng.uniform() < 0.4:
        bottom = _DENIM[int(rng.integers(len(_DENIM)))]
    ends = {"none": (0.08, 0.14), "short": (0.4, 0.8), "half": (0.9, 1.3), "long": (1.8, 2.02)}
    hems = {"shorts": (0.58, 0.64), "knee": (0.44, 0.52), "cropped": (0.22, 0.34)}
    values = {
        "skin": _linear(body.skin),
        "hair": tuple(mixed),
        "top": top,
        "top_second": _cloth(rng),
        "jacket": _cloth(rng),
        "bottom": bottom,
        "bottom_second": tuple(0.6 * value for value in bottom),
        "socks": _NEUTRALS[int(rng.integers(3))],
        "shoes": _SHOES[int(rng.integers(len(_SHOES)))],
        "iris": _IRIS[int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))],
        "sleeve": float(rng.uniform(*ends["long" if jacket else sleeve])),
        "hem": float(rng.uniform(0.84, 0.98)),
        "neckline": float(rng.uniform(0.0, 0.08)),
        "neck_width": float(rng.uniform(0.06, 0.11)),
        "opening": float(rng.uniform(0.02, 0.09)) if jacket else -1.0,
        "waist": float(rng.uniform(1.0, 1.08)),
        "legs": float(rng.uniform(*hems.get(legs, (0.085, 0.12)))),
        "sock": float(rng.uniform(0.1, 0.3)),
        "shoe": float(rng.choice([0.075, 0.09, 0.14, 0.3], p=[0.45, 0.3, 0.15, 0.1])),
        "hair_length": float(rng.uniform(0.03, 0.2)) if hair == "long" else 0.0,
        "hairline": 1.9 if hair == "bald" else float(rng.uniform(1.765, 1.79)),
        "beard": float(beard),
        "top_pattern": pattern,
        "bottom_pattern": bottom_pattern,
        "scale": float(rng.uniform(0.02, 0.09)),
        "top_fit": float(rng.uniform(0.004, 0.018)),
        "bottom_fit": float(rng.uniform(0.004, 0.018)),
        "hair_volume": float(rng.uniform(0.006, 0.016 if hair == "short" else 0.028)),
    }
    labels = {
        "sleeve": "long" if jacket else sleeve,
        "bottom": legs,
        "jacket": "open" if jacket else "none",
        "pattern": patterns[pattern],
        "hair": hair,
        "beard": "beard" if beard else "none",
    }
    return Clothes(values, labels)


def must_cover() -> NDArray[np.bool_]:
    """(V,): the vertices of trunk and thighs that clothes cover on everyone."""
    rig, surface = load_rig(), load_surface()
    height = rig.canonical[:, 2]
    return (
        (height > kernels.COVERED_FROM)
        & (height < kernels.COVERED_TO)
        & (surface.arms < kernels.COVERED_ARM)
        & (surface.vertex_kinds == 0)
    )


@lru_cache(maxsize=1)
def load_surface() -> Surface:
    """The surface of the body model."""
    rig = load_rig()
    regions = list(rig.regions)
    kinds = np.zeros(len(rig.faces), dtype=np.int32)
    for place, region in enumerate(regions):
        for start, kind in _KINDS.items():
            if region.startswith(start):
                kinds[rig.face_region == place] = kind
    vertex_kinds = np.zeros(len(rig.template), dtype=np.int32)
    vertex_kinds[rig.faces] = kinds[:, None]

    bone_parts = np.full(len(rig.bones), PARTS.index("torso"))
    for place, bone in enumerate(rig.bones):
        for part, starts in _PART_BONES.items():
            if str(bone).startswith(starts):
                side = "left" if str(bone).endswith(".L") else "right"
                bone_parts[place] = PARTS.index(f"{side}_{part}")
        if str(bone).startswith(("head", "eye", "neck02", "neck03")):
            bone_parts[place] = PARTS.index("head")
    rows = np.arange(len(rig.template))[:, None]
    shares = np.zeros((len(rig.template), len(PARTS)))
    np.add.at(shares, (rows, bone_parts[rig.weight_bones]), rig.weights)
    parts = shares[rig.faces].sum(axis=1).argmax(axis=1).astype(np.int32)

    count = len(rig.template)
    incidence = sparse.csr_matrix(
        (
            np.ones(rig.faces.size, dtype=np.int32),
            (rig.faces.ravel(), np.repeat(np.arange(len(rig.faces)), 3)),
        ),
        shape=(count, len(rig.faces)),
    )
    incidence.sort_indices()
    edges = sparse.csr_matrix(incidence @ incidence.T)
    edges.setdiag(0)
    edges.eliminate_zeros()
    edges.sort_indices()
    return Surface(
        arms=_along_arms(shares),
        kinds=kinds,
        vertex_kinds=vertex_kinds,
        parts=parts,
        face_starts=incidence.indptr.astype(np.int32),
        face_around=incidence.indices.astype(np.int32),
        neighbour_starts=edges.indptr.astype(np.int32),
        neighbours=edges.indices.astype(np.int32),
    )


def _along_arms(shares: NDArray[np.float64]) -> NDArray[np.float32]:
    """`Surface.arms`, from the share that each part's bones have in a vertex."""
    rig = load_rig()
    names = [str(name) for name in rig.joint_names]

    def joint(name: str) -> NDArray[np.float64]:
        return rig.joint_weights[names.index(f"left_{name}")] @ rig.canonical

    points = rig.canonical * [1, 1, 1]
    points[:, 0] = np.abs(points[:, 0])
    result = np.zeros(len(points))
    for begin, first, second in ((0, "shoulder", "elbow"), (1, "elbow", "wrist")):
        way = joint(second) - joint(first)
        share = (points - joint(first)) @ way / (way @ way)
        result = np.where(share > 0, begin + share, result) if begin else np.maximum(share, 0)
    arm = sum(
        shares[:, place] for place, part in enumerate(PARTS) if part.endswith(("arm", "hand"))
    )
    return (result * np.clip((arm - 0.3) / 0.4, 0, 1)).astype(np.float32)
