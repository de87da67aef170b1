"""Clothes, hair and shoes: what a person wears, drawn at random.

A garment is a set of places on the neutral adult (`material_at`) and a thickness, and skirts, long
hair, hats and glasses are shells of their own (`extras`). Trunk and thighs are covered whatever the
outfit says; `surface.must_cover` names the vertices, and a test holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import warp as wp

from vitruvian.core.errors import InputError
from vitruvian.world.bodies import Body
from vitruvian.world.garments import (
    NEUTRALS,
    Garment,
    category_of,
    garment_identity,
    linear,
    pick,
    sample_garment,
)
from vitruvian.world.kernels import materials as kernels
from vitruvian.world.looks import PLAIN, Look

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

GARMENT_NUMBERS = 1024
"""Garments of a category that people wear, unless they are told which."""

_HAIR = ((0.02, 0.015, 0.012), (0.09, 0.05, 0.03), (0.25, 0.14, 0.06), (0.55, 0.38, 0.18))
_RED_HAIR = (0.3, 0.08, 0.025)
_GREY = (0.55, 0.55, 0.56)
_IRIS = ((0.10, 0.05, 0.02), (0.06, 0.03, 0.015), (0.10, 0.20, 0.32), (0.09, 0.16, 0.08))
_SHOES = (*NEUTRALS, (0.08, 0.04, 0.02), (0.35, 0.02, 0.03), (0.02, 0.08, 0.2))

_SHIRT = 1.08  # metres on the neutral adult, from where a shirt hangs
_CUTS = (
    *("neck", "neckline", "neck_width", "bust", "strap_inner", "strap_outer"),
    *("sleeve", "hem", "waist", "legs", "shell_hem"),
)

# Which categories a woman and a man wear, and how often.
_UPPER = (
    {"short_sleeve_top": 0.45, "long_sleeve_top": 0.42, "vest": 0.13},
    {"short_sleeve_top": 0.36, "long_sleeve_top": 0.32, "vest": 0.16, "sling": 0.16},
)
_LOWER = ({"trousers": 0.7, "shorts": 0.3}, {"trousers": 0.5, "shorts": 0.17, "skirt": 0.33})
_DRESSES = {
    "short_sleeve_dress": 0.3,
    "long_sleeve_dress": 0.28,
    "vest_dress": 0.22,
    "sling_dress": 0.2,
}
_OUTWEAR = {"short_sleeve_outwear": 0.3, "long_sleeve_outwear": 0.7}


@dataclass(frozen=True)
class Clothes:
    """What one person wears. Heights are metres on the neutral adult of 1.84 m.

    Attributes:
        values: The fields of `materials.Outfit`; colours are linear.
        labels: In words: top, bottom, sleeve, pattern, hair, hair_color, beard, jacket, hat,
            glasses, shoes.
        garments: From the inside out.
        shape: Of the extras: hair's length, the hat's brim, the skirt's flare and folds …
        look: What is on the face.
    """

    values: dict[str, Any]
    labels: dict[str, str]
    garments: tuple[Garment, ...] = ()
    shape: dict[str, float] | None = None
    look: Look = PLAIN

    @property
    def covered(self) -> float:
        """Height down to which other clothes hide a skirt or a shirt's shell."""
        return (self.shape or {}).get("covered", 9.0)

    @cached_property
    def struct(self) -> Any:
        """The outfit as the kernels read it."""
        outfit = kernels.Outfit()
        for name, value in self.values.items():
            setattr(outfit, name, wp.vec3(*value) if isinstance(value, tuple) else value)
        outfit.face = self.look.struct()
        return outfit


def sample_clothes(rng: np.random.Generator, body: Body, wearing: Sequence[int] = ()) -> Clothes:
    """An outfit, hair and shoes for a person.

    Args:
        rng: Where everything that is not told is drawn from.
        body: Who wears it.
        wearing: Identities of garments that the person must wear.

    Raises:
        InputError: two of them cannot be worn at once.
    """
    garments = _sample_garments(rng, body, wearing)
    values, shape, worn = _worn(
        garments, tucked=any(garment.label == "skirt" for garment in garments)
    )
    own, labels, more = _sample_person(rng, body)
    tights = bool(rng.uniform() < 0.25)
    if tights and (values["skirt"] or values["dress"]):
        own["sock"] = 0.64
    return Clothes(
        values=values | own,
        labels=worn | labels,
        garments=garments,
        shape=shape | more,
        look=body.look,
    )


def outfit_of(garments: tuple[Garment, ...], *, tucked: bool = False) -> Clothes:
    """Garments worn alone: no hair, no shoes, nothing else that could lie on them.

    Args:
        garments: What is worn.
        tucked: Whether a top is tucked into a skirt, so that it does not hang.
    """
    values, shape, labels = _worn(garments, tucked=tucked)
    bare = dict.fromkeys(("sleeve", "hem", "waist", "legs", "neckline"), 0.0)
    bare |= {"waist": -9.0, "legs": 9.0, "hem": 9.0, "neck_width": 0.1, "hairline": 9.0}
    bare |= {"hat_line": 9.0, "sock": -1.0, "shoe": -1.0}
    return Clothes(bare | values, labels, garments, shape)


def _sample_garments(
    rng: np.random.Generator, body: Body, wearing: Sequence[int]
) -> tuple[Garment, ...]:
    """What is worn, from the inside out: a top and a bottom or a dress, and perhaps a jacket."""
    told: dict[str, int] = {}
    for identity in wearing:
        name = _place(category_of(identity))
        if name in told or (name == "dress" and told.keys() & {"upper", "lower"}):
            raise InputError(f"Nobody can wear the garments {list(wearing)} at once.")
        told[name] = identity
    if "dress" in told and told.keys() & {"upper", "lower"}:
        raise InputError(f"Nobody can wear the garments {list(wearing)} at once.")
    woman = int(body.phenotype["gender"] > 0.5)
    dressy = bool(rng.uniform() < 0.3 * woman)
    drawn = {
        "dress": pick(rng, _DRESSES),
        "upper": pick(rng, _UPPER[woman]),
        "lower": pick(rng, _LOWER[woman]),
        "outer": pick(rng, _OUTWEAR),
    }
    numbers = rng.integers(GARMENT_NUMBERS, size=len(drawn))
    outer = bool(rng.uniform() < 0.27) or "outer" in told
    dressy = "dress" in told or (dressy and not told.keys() & {"upper", "lower"})
    names = ["dress"] if dressy else ["upper", "lower"]
    identities = [
        told.get(name, garment_identity(drawn[name], int(number)))
        for name, number in zip(drawn, numbers, strict=True)
        if name in names or (name == "outer" and outer)
    ]
    return tuple(sample_garment(identity) for identity in identities)


def _place(category: str) -> str:
    """Where a category is worn."""
    if category.endswith("dress"):
        return "dress"
    if category.endswith("outwear"):
        return "outer"
    return "lower" if category in ("shorts", "trousers", "skirt") else "upper"


def _worn(
    garments: tuple[Garment, ...], *, tucked: bool
) -> tuple[dict[str, Any], dict[str, float], dict[str, str]]:
    """Values, shapes and labels that follow from the garments."""
    values: dict[str, Any] = {"opening": -1.0, "skirt": 0, "dress": 0, "shell_top": 0.0}
    values |= {"shell_hem": 0.0, "jacket_sleeve": 0.0, "jacket_hem": 0.0, "shell": 0}
    labels = {"jacket": "none"}
    shape = {"covered": 9.0}
    for garment in garments:
        values |= _cut(garment)
        if garment.label == "jacket":
            labels["jacket"] = "open"
        if garment.label in ("top", "dress"):
            labels["top"] = garment.category
            labels["pattern"] = garment.attributes["pattern"]
            sleeve = garment.attributes["sleeve"]
            labels["sleeve"] = "none" if sleeve == "sleeveless" else sleeve
        if garment.label in ("bottom", "skirt", "dress"):
            labels["bottom"] = garment.category
        look = garment.look
        if "shell_flare" in look and not (garment.label == "top" and tucked):
            shape |= {name: look[name] for name in ("shell_flare", "shell_folds", "shell_waves")}
            values["shell"] = MATERIALS.index(garment.label)
            values["shell_top"] = look.get("waist", _SHIRT)
            values["shell_hem"] = look["shell_hem"] if "shell_hem" in look else look["hem"]
            if garment.label == "top":
                values["hem"] += 0.03
    if values["skirt"] and garments[0].label == "top" and garments[0].identity % 2:
        shape["covered"] = values["hem"]  # the top hangs over the skirt
    if values["opening"] >= 0:
        shape["covered"] = min(shape["covered"], values["jacket_hem"])
    return values, shape, labels


def _cut(garment: Garment) -> dict[str, Any]:
    """The fields of `materials.Outfit` that one garment gives."""
    look = garment.look
    prefix = {"dress": "top", "skirt": "bottom"}.get(garment.label, garment.label)
    names = ("second", "pattern", "scale", "fabric", "fit", "flare")
    values = {f"{prefix}_{name}": look[name] for name in names if name in look}
    values[prefix] = look["color"]
    if garment.label == "jacket":
        values |= {"jacket_sleeve": look["sleeve"], "jacket_hem": look["hem"]}
        return values | {"opening": look["opening"]}
    values |= {name: look[name] for name in _CUTS if name in look}
    if "shell_hem" in look:
        values["dress" if garment.label == "dress" else "skirt"] = 1
        # What lies below is lined with the same cloth, and ends before the hem.
        values["legs"] = min(look["shell_hem"] + 0.03, 0.66)
    return values


def _sample_person(
    rng: np.random.Generator, body: Body
) -> tuple[dict[str, Any], dict[str, str], dict[str, float]]:
    """What is not a garment: skin, hair, beard, shoes, hat and glasses."""
    woman, age = body.phenotype["gender"] > 0.5, body.phenotype["age"]
    man = not woman and not body.is_child
    hair = pick(rng, {"bald": 0.01 + 0.11 * man, "short": 0.25 if woman else 0.8, "long": 0.1})
    if woman and hair == "short" and rng.uniform() < 0.35:
        hair = "long"
    if woman and rng.uniform() < 0.5:
        hair = "long"
    color = int(rng.choice(5, p=[0.38, 0.27, 0.19, 0.12, 0.04]))
    hair_color = (*_HAIR, _RED_HAIR)[color]
    grey = float(np.clip((age - 0.8) / 0.2 + rng.normal(0, 0.3), 0, 1)) if age > 0.75 else 0.0
    mixed = [(1 - grey) * own + grey * old for own, old in zip(hair_color, _GREY, strict=True)]
    hat = pick(rng, {"none": 0.84, "cap": 0.07, "beanie": 0.05, "brimmed": 0.04})
    glasses = pick(rng, {"none": 0.8, "glasses": 0.13, "sunglasses": 0.07})
    shoe = pick(rng, {"low": 0.4, "sneakers": 0.35, "boots": 0.15, "high boots": 0.1})
    heights = {"low": 0.075, "sneakers": 0.09, "boots": 0.14, "high boots": 0.3}
    names = ["black", "brown", "brown", "blond", "red"]
    values = {
        "skin": linear(body.skin),
        "hair": tuple(mixed),
        "socks": NEUTRALS[int(rng.integers(3))],
        "shoes": _SHOES[int(rng.integers(len(_SHOES)))],
        "iris": _IRIS[int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))],
        "hat": NEUTRALS[int(rng.integers(len(NEUTRALS)))],
        "glasses": NEUTRALS[int(rng.choice([0, 2, 4]))],
        "lens": (0.015, 0.015, 0.02),
        "sock": float(rng.uniform(0.1, 0.3)),
        "shoe": heights[shoe],
        "hair_length": 0.05 if hair == "long" else 0.0,
        "hairline": 1.9 if hair == "bald" else float(rng.uniform(1.765, 1.79)),
        "hair_volume": float(rng.uniform(0.006, 0.016 if hair == "short" else 0.024)),
        "hat_line": 9.0 if hat == "none" else float(rng.uniform(1.772, 1.782)),
        "hat_crown": {"brimmed": 0.05, "cap": 0.012, "beanie": 0.016}.get(hat, 0.0),
    }
    labels = {
        "hair": hair,
        "hair_color": "grey" if grey > 0.5 else names[color],
        "beard": body.look.beard,
        "hat": hat,
        "glasses": glasses,
        "shoes": shoe,
    }
    shape = {
        "locks": float(rng.uniform(0.12, 0.45)) if hair == "long" else 0.0,
        "brim": {"brimmed": float(rng.uniform(0.05, 0.09)), "cap": 0.075}.get(hat, 0.0),
        "visor": float(hat == "cap"),
        "frame": float(glasses != "none"),
        "lens": float(glasses == "sunglasses"),
    }
    return values, labels, shape
