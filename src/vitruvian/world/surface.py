"""The surface that clothes are put on: the body's, and the extras' (`extras`) behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from vitruvian.world.extras import Extras, make_extras
from vitruvian.world.kernels import materials as kernels
from vitruvian.world.rig import load_rig

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


@dataclass(frozen=True, eq=False)
class Surface:
    """The mesh of a dressed person: the body's V vertices, then the extras'; the same for everyone.

    Attributes:
        body: Number of the body's vertices, V.
        extras: Where the extras are, and where they lie on the neutral adult.
        canonical: (N, 3): vertices of a neutral adult; of a skirt, metres around, 0, and the share
            of its height from 0 at the hem to 1 at the waist.
        faces: (F, 3): triangles, the body's first.
        face_uv: (F, 3, 2): texture coordinates of the corners; an extra has those of the nearest
            point of the body.
        arms: (N,): how far along the arm: 0 up to the shoulder, 1 at the elbow, 2 at the wrist;
            -1 of a skirt, -2 of a lens.
        lips: (N,): how much of a vertex is lip.
        kinds: (F,): `materials.EYEBALL`, `CAVITY`, `HEAD`, `HAND`, an extra's, or 0.
        vertex_kinds: (N,): the same for vertices.
        parts: (F,): place in `PARTS`.
        face_starts: (N + 1,), and `face_around`: the triangles around each vertex.
        neighbour_starts: (N + 1,), and `neighbours`: the vertices around each vertex.
    """

    body: int
    extras: Extras
    canonical: NDArray[np.float32]
    faces: NDArray[np.int32]
    face_uv: NDArray[np.float32]
    arms: NDArray[np.float32]
    lips: NDArray[np.float32]
    kinds: NDArray[np.int32]
    vertex_kinds: NDArray[np.int32]
    parts: NDArray[np.int32]
    face_starts: NDArray[np.int32]
    face_around: NDArray[np.int32]
    neighbour_starts: NDArray[np.int32]
    neighbours: NDArray[np.int32]


@lru_cache(maxsize=1)
def load_surface() -> Surface:
    """The surface of the body model and its extras."""
    rig = load_rig()
    extras = make_extras()
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

    # The extras take parts and texture coordinates from the body next to them.
    nearest = cKDTree(rig.canonical[rig.faces].mean(axis=1)).query(
        extras.places[extras.faces].mean(axis=1)
    )[1]
    faces = np.concatenate([rig.faces, extras.faces + len(rig.template)]).astype(np.int32)
    count = len(rig.template) + len(extras.kinds)
    incidence = sparse.csr_matrix(
        (
            np.ones(faces.size, dtype=np.int32),
            (faces.ravel(), np.repeat(np.arange(len(faces)), 3)),
        ),
        shape=(count, len(faces)),
    )
    incidence.sort_indices()
    edges = sparse.csr_matrix(incidence @ incidence.T)
    edges.setdiag(0)
    edges.eliminate_zeros()
    edges.sort_indices()
    return Surface(
        body=len(rig.template),
        extras=extras,
        canonical=np.concatenate([rig.canonical, extras.cloth]).astype(np.float32),
        faces=faces,
        face_uv=np.concatenate([rig.face_uv, rig.face_uv[nearest]]),
        arms=np.concatenate([_along_arms(shares), extras.arms]).astype(np.float32),
        lips=np.concatenate([rig.lips, np.zeros(len(extras.kinds), dtype=np.float32)]),
        kinds=np.concatenate([kinds, extras.kinds[extras.faces[:, 0]]]).astype(np.int32),
        vertex_kinds=np.concatenate([vertex_kinds, extras.kinds]).astype(np.int32),
        parts=np.concatenate([parts, parts[nearest]]),
        face_starts=incidence.indptr.astype(np.int32),
        face_around=incidence.indices.astype(np.int32),
        neighbour_starts=edges.indptr.astype(np.int32),
        neighbours=edges.indices.astype(np.int32),
    )


def must_cover() -> NDArray[np.bool_]:
    """(N,): the vertices of trunk and thighs that clothes cover on everyone."""
    surface = load_surface()
    height = surface.canonical[:, 2]
    return (
        (height > kernels.COVERED_FROM)
        & (height < kernels.COVERED_TO)
        & (surface.arms < kernels.COVERED_ARM)
        & (surface.vertex_kinds == 0)
    )


def _along_arms(shares: NDArray[np.float64]) -> NDArray[np.float32]:
    """`Surface.arms` of the body, from the share that each part's bones have in a vertex."""
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
