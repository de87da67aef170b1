"""Garments: DeepFashion2's thirteen categories, their attributes, and how each one looks.

A garment is a function of its identity alone, so the same one can be worn by another body in
another place: that is what retrieval pairs are made of.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.world.kernels import colors
from vitruvian.world.kernels import materials as kernels

CATEGORIES = (
    "short_sleeve_top",
    "long_sleeve_top",
    "short_sleeve_outwear",
    "long_sleeve_outwear",
    "vest",
    "sling",
    "shorts",
    "trousers",
    "skirt",
    "short_sleeve_dress",
    "long_sleeve_dress",
    "vest_dress",
    "sling_dress",
)
"""DeepFashion2's categories, in its order: its `category_id` is the place plus one."""

NECKLINES = {
    "round": kernels.ROUND,
    "v": kernels.V_NECK,
    "square": kernels.SQUARE,
    "boat": kernels.BOAT,
    "high": kernels.HIGH,
    "collar": kernels.COLLAR,
}
PATTERNS = {
    "plain": 0,
    "stripes": colors.STRIPES,
    "upright stripes": colors.UPRIGHT_STRIPES,
    "checks": colors.CHECKS,
    "dots": colors.DOTS,
    "floral": colors.FLORAL,
    "print": colors.PRINT,
}
FABRICS = {
    "cotton": colors.COTTON,
    "denim": colors.DENIM,
    "leather": colors.LEATHER,
    "silk": colors.SILK,
    "wool": colors.KNIT,
}
FITS = ("tight", "regular", "loose")
LENGTHS = {
    "top": {"waist": (0.96, 1.0), "hip": (0.88, 0.94), "thigh": (0.79, 0.85)},
    "bottom": {"short": (0.58, 0.64), "knee": (0.44, 0.52), "cropped": (0.2, 0.32)},
    "skirt": {"mini": (0.6, 0.65), "knee": (0.46, 0.56), "midi": (0.28, 0.38), "maxi": (0.1, 0.16)},
}
"""Where hems are, in metres on the neutral adult; full trousers end at the ankle."""

Color = tuple[float, float, float]
NEUTRALS: tuple[Color, ...] = (
    (0.03, 0.03, 0.035),
    (0.75, 0.75, 0.74),
    (0.2, 0.2, 0.21),
    (0.03, 0.05, 0.12),
    (0.45, 0.38, 0.28),
)
_DENIM: tuple[Color, ...] = ((0.05, 0.09, 0.2), (0.13, 0.2, 0.33), (0.02, 0.025, 0.05))
_LEATHER: tuple[Color, ...] = ((0.02, 0.02, 0.02), (0.09, 0.04, 0.02), (0.2, 0.02, 0.02))
_SLEEVES = {"short": (0.4, 0.8), "half": (0.9, 1.3), "long": (1.8, 2.02)}


@dataclass(frozen=True)
class Garment:
    """One garment. Heights are metres on the neutral adult of 1.84 m.

    Attributes:
        category: Name in `CATEGORIES`.
        attributes: In words: sleeve, length, neckline, fit, pattern, material; those that the
            category has.
        identity: What the garment is a function of.
        label: Its material, a name in `clothes.MATERIALS`.
        look: Cut and colours: fields of `materials.Outfit` without their prefix.
    """

    category: str
    attributes: dict[str, str]
    identity: int
    label: str
    look: dict[str, Any]


def garment_identity(category: str, number: int) -> int:
    """The identity of garment `number` of a category.

    Raises:
        UnknownNameError: no such category.
        InputError: the number is negative.
    """
    if category not in CATEGORIES:
        raise UnknownNameError("garment category", category, CATEGORIES)
    if number < 0:
        raise InputError(f"Garment {number} does not exist: numbers count from 0.")
    return number * len(CATEGORIES) + CATEGORIES.index(category)


def category_of(identity: int) -> str:
    """The category of a garment, from its identity."""
    return CATEGORIES[identity % len(CATEGORIES)]


def sample_garment(identity: int) -> Garment:
    """The garment of that identity: the same whoever wears it."""
    rng = np.random.default_rng([0xC107, identity])
    category = category_of(identity)
    if category in ("shorts", "trousers"):
        label, look, attributes = "bottom", *_legs(rng, category)
    elif category == "skirt":
        label, look, attributes = "skirt", *_skirt(rng)
    elif category.endswith("outwear"):
        label, look, attributes = "jacket", *_outwear(rng, category)
    else:
        label, look, attributes = "top", *_top(rng, category)
        if category.endswith("dress"):
            skirt, more = _skirt(rng)
            label, look, attributes = "dress", look | skirt, attributes | more
    cloth, more = _cloth(rng, label)
    return Garment(category, attributes | more, identity, label, look | cloth)


def pick(rng: np.random.Generator, shares: dict[str, float]) -> str:
    """A name, by its share."""
    total = sum(shares.values())
    return str(rng.choice(list(shares), p=[share / total for share in shares.values()]))


def linear(color: tuple[float, ...]) -> Color:
    """From display values to linear light."""
    red, green, blue = (float(value) ** 2.2 for value in color)
    return red, green, blue


def dyed(rng: np.random.Generator) -> Color:
    """A colour of cloth: often black, white, grey, beige or navy, else any hue."""
    neutral = NEUTRALS[int(rng.integers(len(NEUTRALS)))]
    hue, strength, value = rng.uniform(), rng.beta(2, 3.2), rng.uniform(0.25, 0.9)
    if rng.uniform() < 0.45:
        return neutral
    return linear(colorsys.hsv_to_rgb(float(hue), float(strength), float(value)))


def _cloth(rng: np.random.Generator, label: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Pattern, fabric and colours."""
    fabrics = {
        "top": {"cotton": 0.66, "denim": 0.05, "leather": 0.02, "silk": 0.12, "wool": 0.15},
        "dress": {"cotton": 0.55, "denim": 0.08, "leather": 0.03, "silk": 0.22, "wool": 0.12},
        "jacket": {"cotton": 0.4, "denim": 0.17, "leather": 0.18, "silk": 0.05, "wool": 0.2},
        "bottom": {"cotton": 0.48, "denim": 0.42, "leather": 0.05, "silk": 0.01, "wool": 0.04},
        "skirt": {"cotton": 0.5, "denim": 0.15, "leather": 0.1, "silk": 0.13, "wool": 0.12},
    }
    fabric = pick(rng, fabrics[label])
    shares = {"plain": 0.46, "stripes": 0.1, "upright stripes": 0.08, "checks": 0.1, "dots": 0.08}
    shares |= {"floral": 0.09, "print": 0.09}
    if label in ("bottom", "jacket"):
        shares = {"plain": 0.8, "upright stripes": 0.05, "checks": 0.09, "floral": 0.03}
        shares |= {"dots": 0.03}
    pattern = "plain" if fabric in ("denim", "leather") else pick(rng, shares)
    color, second = dyed(rng), dyed(rng)
    if sum(abs(own - other) for own, other in zip(color, second, strict=True)) < 0.25:
        # Two colours too close for a pattern: the second is made light or dark.
        light = sum(color) < 0.8
        second = (0.7, 0.68, 0.64) if light else (0.04, 0.04, 0.07)
    if fabric == "denim":
        color = _DENIM[int(rng.integers(len(_DENIM)))]
    if fabric == "leather":
        color = _LEATHER[int(rng.integers(len(_LEATHER)))]
    look = {
        "color": color,
        "second": second,
        "pattern": int(PATTERNS[pattern]),
        "scale": float(rng.uniform(0.025, 0.09)),
        "fabric": int(FABRICS[fabric]),
    }
    return look, {"pattern": pattern, "material": fabric}


def _top(rng: np.random.Generator, category: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A top, or a dress above the waist."""
    loose = category.startswith(("short", "long"))
    fit = pick(rng, {"tight": 0.3, "regular": 0.45, "loose": 0.25 if loose else 0.12})
    length = pick(rng, {"waist": 0.25, "hip": 0.55, "thigh": 0.2})
    necklines = {"round": 0.42, "v": 0.18, "square": 0.08, "boat": 0.09, "high": 0.1}
    if category.endswith(("top", "dress")):
        necklines["collar"] = 0.15
    if not loose:
        necklines = {"round": 0.5, "v": 0.3, "square": 0.2}
    neckline = pick(rng, necklines)
    depth = {"round": (0.0, 0.05), "v": (0.05, 0.1), "square": (0.02, 0.06), "collar": (0.03, 0.08)}
    width = {"round": (0.065, 0.09), "boat": (0.12, 0.13), "square": (0.08, 0.1)}
    look: dict[str, Any] = {
        "neck": int(NECKLINES[neckline]),
        "neckline": float(rng.uniform(*depth.get(neckline, (0.0, 0.005)))),
        "neck_width": float(rng.uniform(*width.get(neckline, (0.06, 0.08)))),
        "bust": 9.0,
        "strap_inner": -1.0,
        "strap_outer": 9.0,
        "hem": float(rng.uniform(*LENGTHS["top"][length])),
        "fit": {"tight": 0.003, "regular": 0.009, "loose": 0.016}[fit] + rng.uniform(0, 0.003),
        "flare": {"tight": 0.0, "regular": 0.006, "loose": 0.025}[fit],
    }
    sleeve = "sleeveless"
    if loose:
        short = "half" if rng.uniform() < 0.2 else "short"
        sleeve = "long" if category.startswith("long") else short
        look["sleeve"] = float(rng.uniform(*_SLEEVES[sleeve]))
    else:
        look["sleeve"] = 0.12
        look["bust"] = float(rng.uniform(1.425, 1.445))
        look["strap_inner"], look["strap_outer"] = 0.0, float(rng.uniform(0.12, 0.15))
    if category.startswith("sling"):
        middle, half = rng.uniform(0.085, 0.1), rng.uniform(0.006, 0.012)
        look["strap_inner"], look["strap_outer"] = float(middle - half), float(middle + half)
        look["neck"], look["neckline"], look["neck_width"] = int(kernels.HIGH), 0.0, 0.07
        neckline = "straps"
    look["fit"] = float(look["fit"])
    attributes = {"sleeve": sleeve, "neckline": neckline, "fit": fit}
    if category.endswith("dress"):
        look["hem"] = 0.9
    else:
        attributes["length"] = length
        if length != "waist":
            look["shell_folds"] = 0.0 if fit == "tight" else 0.004
            look["shell_waves"] = float(rng.integers(4, 9))
            look["shell_flare"] = {"tight": -0.05, "regular": 0.02, "loose": 0.1}[fit]
    return look, attributes


def _outwear(rng: np.random.Generator, category: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A jacket, a cardigan or a coat, worn open."""
    fit = pick(rng, {"tight": 0.2, "regular": 0.5, "loose": 0.3})
    length = pick(rng, {"waist": 0.3, "hip": 0.45, "thigh": 0.25})
    sleeve = "long" if category.startswith("long") else "short"
    look = {
        "sleeve": float(rng.uniform(1.85, 2.05) if sleeve == "long" else rng.uniform(0.5, 0.95)),
        "hem": float(rng.uniform(*LENGTHS["top"][length])),
        "opening": float(rng.uniform(0.02, 0.08)),
        "fit": {"tight": 0.012, "regular": 0.017, "loose": 0.024}[fit],
    }
    return look, {"sleeve": sleeve, "length": length, "fit": fit}


def _legs(rng: np.random.Generator, category: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Shorts or trousers."""
    fit = pick(rng, {"tight": 0.3, "regular": 0.45, "loose": 0.25})
    lengths = {"short": 0.6, "knee": 0.4}
    if category == "trousers":
        lengths = {"cropped": 0.2, "full": 0.8}
    length = pick(rng, lengths)
    look = {
        "waist": float(rng.uniform(1.0, 1.07)),
        "legs": float(rng.uniform(*LENGTHS["bottom"].get(length, (0.075, 0.11)))),
        "fit": {"tight": 0.003, "regular": 0.012, "loose": 0.017}[fit],
        "flare": {"tight": 0.0, "regular": 0.012, "loose": 0.035}[fit]
        * (0.35 if category == "shorts" else 1.0),
    }
    return look, {"length": length, "fit": fit}


def _skirt(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, str]]:
    """A skirt, or a dress below the waist: a shell that hangs."""
    fit = pick(rng, {"tight": 0.25, "regular": 0.4, "loose": 0.35})
    length = pick(rng, {"mini": 0.3, "knee": 0.35, "midi": 0.2, "maxi": 0.15})
    look = {
        "waist": float(rng.uniform(1.02, 1.1)),
        "shell_hem": float(rng.uniform(*LENGTHS["skirt"][length])),
        "shell_flare": {
            "tight": -0.08,
            "regular": float(rng.uniform(0.05, 0.15)),
            "loose": float(rng.uniform(0.2, 0.42)),
        }[fit],
        "shell_folds": {"tight": 0.0, "regular": 0.004, "loose": 0.014}[fit],
        "shell_waves": float(rng.integers(6, 12)),
    }
    return look, {"length": length, "fit": fit}
