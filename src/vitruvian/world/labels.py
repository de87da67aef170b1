"""Labels of every pixel in the sets that people annotate: human parsing, and DensePose's charts.

All follow from what a sample keeps anyway (materials, parts, triangles), so they are made when they
are asked for.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vitruvian.world.charts import load_charts
from vitruvian.world.clothes import MATERIALS
from vitruvian.world.kernels import materials as kernels
from vitruvian.world.render import Rendering
from vitruvian.world.sample import Sample
from vitruvian.world.shells import is_shell, nearest_charts
from vitruvian.world.surface import PARTS, load_surface

LIP = (
    *("background", "hat", "hair", "glove", "sunglasses", "upper-clothes", "dress", "coat"),
    *("socks", "pants", "jumpsuits", "scarf", "skirt", "face", "left-arm", "right-arm"),
    *("left-leg", "right-leg", "left-shoe", "right-shoe"),
)
"""The 20 labels of Look into Person."""

ATR = (
    *("background", "hat", "hair", "sunglasses", "upper-clothes", "skirt", "pants", "dress"),
    *("belt", "left-shoe", "right-shoe", "face", "left-leg", "right-leg", "left-arm"),
    *("right-arm", "bag", "scarf"),
)
"""The 18 labels of ATR."""

PASCAL_PERSON_PART = (
    *("background", "head", "torso", "upper arms", "lower arms", "upper legs", "lower legs"),
)
"""The 7 labels of PASCAL-Person-Part."""

# A material's label in LIP and in ATR; None where it is told by the part of the body.
_CLOTHES: dict[str, tuple[str | None, str | None]] = {
    "hair": ("hair", "hair"),
    "hat": ("hat", "hat"),
    "top": ("upper-clothes", "upper-clothes"),
    "jacket": ("coat", "upper-clothes"),
    "bottom": ("pants", "pants"),
    "skirt": ("skirt", "skirt"),
    "dress": ("dress", "dress"),
    "socks": ("socks", None),
    "eyes": ("face", "face"),
    "lips": ("face", "face"),
    "brows": ("face", "face"),
    "mouth": ("face", "face"),
    "glasses": ("face", "face"),
    "skin": (None, None),
}
_LIMBS = {"arm": ("upper_arm", "forearm", "hand"), "leg": ("thigh", "shin", "foot")}
_PASCAL = {
    "head": "head",
    "torso": "torso",
    **{f"{side}_upper_arm": "upper arms" for side in ("left", "right")},
    **{
        f"{side}_{part}": "lower arms" for side in ("left", "right") for part in ("forearm", "hand")
    },
    **{f"{side}_thigh": "upper legs" for side in ("left", "right")},
    **{f"{side}_{part}": "lower legs" for side in ("left", "right") for part in ("shin", "foot")},
}


def lip_labels(sample: Sample) -> NDArray[np.uint8]:
    """(height, width): place in `LIP`.

    Gloves, jumpsuits and scarves are not met. The skin of neck and trunk has no label in LIP and is
    background there, as it is here; a beard is face, and so are glasses that are not dark.
    """
    return _parsed(sample, 0, LIP)


def atr_labels(sample: Sample) -> NDArray[np.uint8]:
    """(height, width): place in `ATR`.

    As `lip_labels`; belts, bags and scarves are not met, and socks are leg.
    """
    return _parsed(sample, 1, ATR)


def pascal_labels(sample: Sample) -> NDArray[np.uint8]:
    """(height, width): place in `PASCAL_PERSON_PART`; hands are lower arm, feet lower leg."""
    table = [PASCAL_PERSON_PART.index(_PASCAL.get(part, "background")) for part in PARTS]
    return np.array(table, dtype=np.uint8)[sample.rendering.parts]


def iuv(sample: Sample) -> NDArray[np.float32]:
    """(height, width, 3): DensePose's I, place in `charts.CHARTS`, and U and V in [0, 1].

    I is 0 exactly where nobody is seen. Clothes, hair and hats show the place of the body that is
    below them, or that is nearest to them where they hang loose. See `charts` for how U and V
    differ from SMPL's.
    """
    shown, charts = sample.rendering, load_charts()
    result = np.zeros((*shown.faces.shape, 3), dtype=np.float32)
    rows, columns = np.nonzero(shown.faces >= 0)
    face, shares = shown.faces[rows, columns], shown.places[rows, columns]
    shares = np.concatenate([shares, 1 - shares.sum(axis=1, keepdims=True)], axis=1)
    chart = charts.face_chart[face]
    uv = np.einsum("ni,nij->nj", shares, charts.face_uv[face])
    loose = is_shell(face)
    owners = shown.person[rows, columns]
    for number in np.unique(owners[loose]):
        own = loose & (owners == number)
        mesh, corners = sample.meshes[number], load_surface().faces[face[own]]
        points = np.einsum("nc,nci->ni", shares[own], mesh[corners])
        chart[own], uv[own] = nearest_charts(points, mesh)
    result[rows, columns, 0] = chart
    result[rows, columns, 1:] = np.clip(uv, 0, 1)
    return result


@lru_cache(maxsize=2)
def _table(column: int, labels: tuple[str, ...]) -> NDArray[np.uint8]:
    """(MATERIALS, PARTS): the label of each."""
    result = np.zeros((len(MATERIALS), len(PARTS)), dtype=np.uint8)
    for row, material in enumerate(MATERIALS):
        for place, part in enumerate(PARTS):
            side, _, limb = part.partition("_")
            name = _CLOTHES.get(material, ("background", "background"))[column]
            if material == "shoes":
                name = f"{side}-shoe"
            elif name is None:
                limbs = [kind for kind, own in _LIMBS.items() if limb in own]
                name = f"{side}-{limbs[0]}" if limbs else "background"
            result[row, place] = labels.index(name) if name in labels else 0
    return result


def _parsed(sample: Sample, column: int, labels: tuple[str, ...]) -> NDArray[np.uint8]:
    shown, face = sample.rendering, labels.index("face")
    result = _table(column, labels)[shown.materials, shown.parts]
    result[shown.person < 0] = 0
    on_head = _on_face(shown)
    skin, hair = MATERIALS.index("skin"), MATERIALS.index("hair")
    result[(shown.materials == skin) & on_head] = face
    beard = (shown.materials == hair) & on_head
    beard[beard] = _is_low(shown, beard)
    result[beard] = face
    glasses = shown.materials == MATERIALS.index("glasses")
    if glasses.any():
        for number, person in enumerate(sample.people):
            if person.clothes.labels.get("glasses") == "sunglasses":
                result[glasses & (shown.person == number)] = labels.index("sunglasses")
    return result


def _on_face(shown: Rendering) -> NDArray[np.bool_]:
    """(height, width): pixels of the head's skin, neck apart."""
    result = np.zeros(shown.faces.shape, dtype=bool)
    seen = shown.faces >= 0
    result[seen] = _head_faces()[shown.faces[seen]]
    return result


@lru_cache(maxsize=1)
def _head_faces() -> NDArray[np.bool_]:
    """(F,): triangles of the head's skin, neck apart."""
    surface = load_surface()
    height = surface.canonical[surface.faces][..., 2].mean(axis=1)
    return (surface.kinds == kernels.HEAD) & (height > 1.59)


def _is_low(shown: Rendering, pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of these pixels, whether they lie in front below the temples, where only beards grow."""
    surface = load_surface()
    middles = surface.canonical[surface.faces[shown.faces[pixels]]].mean(axis=1)
    result: NDArray[np.bool_] = (middles[:, 1] < -0.045) & (middles[:, 2] < 1.715)
    return result
