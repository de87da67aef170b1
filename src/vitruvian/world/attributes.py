"""Face attributes by CelebA's names: those that follow from what a person is drawn from.

Of CelebA's 40 these 32 are controlled, each by the rule below; the other eight (Attractive, Bangs,
Blurry, Straight_Hair, Wavy_Hair, Wearing_Earrings, Wearing_Necklace, Wearing_Necktie) are not said.
A person has an attribute whether or not the camera sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vitruvian.world.bodies import Body
from vitruvian.world.clothes import Clothes


class Who(NamedTuple):
    """A person before anything is rendered."""

    body: Body
    clothes: Clothes


Rule = Callable[[Who], bool]

_TRAIT = 0.4  # from which on a feature of the face (`rig.FEATURES`, 0 to 1) is called so


def _trait(name: str) -> Rule:
    return lambda who: who.body.features.get(name, 0.0) >= _TRAIT


def _worn(label: str, *values: str) -> Rule:
    return lambda who: who.clothes.labels[label] in values


def _beard(*styles: str) -> Rule:
    return lambda who: who.body.look.beard in styles


def _hair(color: str) -> Rule:
    def rule(who: Who) -> bool:
        return who.clothes.labels["hair_color"] == color and who.clothes.labels["hair"] != "bald"

    return rule


def _acts(who: Who, action: str) -> float:
    """The mean of a facial action's two sides."""
    return sum(who.body.actions.get(action + side, 0.0) for side in ("Left", "Right")) / 2


def _narrow_eyes(who: Who) -> bool:
    closed = _acts(who, "eyeSquint") + _acts(who, "eyeBlink")
    return who.body.features.get("narrow_eyes", 0.0) + closed >= _TRAIT


ATTRIBUTES: dict[str, tuple[str, Rule]] = {
    "5_o_Clock_Shadow": ("stubble", _beard("stubble")),
    "Arched_Eyebrows": (
        "arch of the brows 0.65 or more, or raised brows 0.4 or more",
        lambda who: (
            who.body.look.brow_arch >= 0.65 or who.body.features.get("raised_brows", 0.0) >= _TRAIT
        ),
    ),
    "Bags_Under_Eyes": ("bags under the eyes 0.4 or more", _trait("bags_under_eyes")),
    "Bald": ("no hair", _worn("hair", "bald")),
    "Big_Lips": ("big lips 0.4 or more", _trait("big_lips")),
    "Big_Nose": ("big nose 0.4 or more", _trait("big_nose")),
    "Black_Hair": ("black hair", _hair("black")),
    "Blond_Hair": ("blond hair", _hair("blond")),
    "Brown_Hair": ("brown hair", _hair("brown")),
    "Bushy_Eyebrows": (
        "brows 1.3 times as thick as ordinary, or more",
        lambda who: who.body.look.brow_width >= 1.3,
    ),
    "Chubby": (
        "weight 0.7 or more, or full cheeks 0.6 or more",
        lambda who: (
            who.body.phenotype["weight"] >= 0.7 or who.body.features.get("full_cheeks", 0.0) >= 0.6
        ),
    ),
    "Double_Chin": ("double chin 0.4 or more", _trait("double_chin")),
    "Eyeglasses": ("glasses or sunglasses", _worn("glasses", "glasses", "sunglasses")),
    "Goatee": ("a goatee", _beard("goatee")),
    "Gray_Hair": ("hair more grey than not", _hair("grey")),
    "Heavy_Makeup": ("painted lids", lambda who: who.body.look.eye_shadow > 0),
    "High_Cheekbones": ("high cheekbones 0.4 or more", _trait("high_cheekbones")),
    "Male": ("gender below 0.5", lambda who: who.body.phenotype["gender"] < 0.5),
    "Mouth_Slightly_Open": (
        "jaw open by 0.12 or more",
        lambda who: who.body.actions.get("jawOpen", 0.0) >= 0.12,
    ),
    "Mustache": ("a moustache, or a full beard", _beard("moustache", "full")),
    "Narrow_Eyes": ("narrow eyes, squint and blink together 0.4 or more", _narrow_eyes),
    "No_Beard": ("no beard of any style", _beard("none")),
    "Oval_Face": ("oval face 0.4 or more", _trait("oval_face")),
    "Pale_Skin": (
        "skin's display values 0.765 on average, or more",
        lambda who: sum(who.body.skin) / 3 >= 0.765,
    ),
    "Pointy_Nose": ("pointy nose 0.4 or more", _trait("pointy_nose")),
    "Receding_Hairline": (
        "hair that begins at the top of the forehead or above",
        lambda who: (
            who.clothes.values["hairline"] >= 1.784 and who.clothes.labels["hair"] != "bald"
        ),
    ),
    "Rosy_Cheeks": (
        "blush of 0.5 or more",
        lambda who: who.body.look.blush >= 0.5,
    ),
    "Sideburns": ("sideburns, or a full beard", _beard("sideburns", "full")),
    "Smiling": (
        "smile of 0.3 or more",
        lambda who: _acts(who, "mouthSmile") >= 0.3,
    ),
    "Wearing_Hat": ("any hat", _worn("hat", "cap", "beanie", "brimmed")),
    "Wearing_Lipstick": ("lipstick", lambda who: who.body.look.lipstick > 0),
    "Young": ("younger than 45 years", lambda who: who.body.years < 45),
}
"""CelebA's names in its order, each with its rule in words and as a function."""


def face_attributes(body: Body, clothes: Clothes) -> dict[str, bool]:
    """Whether a person has each of `ATTRIBUTES`."""
    who = Who(body, clothes)
    return {name: bool(rule(who)) for name, (_, rule) in ATTRIBUTES.items()}
