"""Variety: how often each value of what the world draws is met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.skeletons import COCO17
from vitruvian.world.annotate import RenderedPerson
from vitruvian.world.attributes import ATTRIBUTES
from vitruvian.world.bodies import FACE_ACTIONS, SKIN_TONES
from vitruvian.world.sample import Sample

Shares = dict[str, dict[str, float]]

_YEARS = (0, 6, 12, 18, 30, 45, 60, 75, 200)
_VIEWS = ("front", "left half", "left side", "left back", "back")
_EXPRESSED = 0.15  # mean of an expression's actions from which on it is counted


class Census:
    """Counts samples, one by one."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._of: Counter[str] = Counter()

    def add(self, sample: Sample) -> None:
        """Count a sample and its people."""
        self._count("place", [sample.place])
        self._count("light", _light(sample))
        self._count("camera height", [_binned(sample.camera.position[2], (0.8, 1.6, 2.4), "m")])
        view = 2 * np.degrees(np.arctan(sample.camera.height / 2 / sample.camera.focal))
        self._count("field of view", [_binned(float(view), (15, 25, 40), "°")])
        for number, person in enumerate(sample.people):
            self._add_person(sample, number, person)

    def _add_person(self, sample: Sample, number: int, person: RenderedPerson) -> None:
        body, told = person.body, person.clothes.labels
        self._count("age", [_binned(body.years, _YEARS[1:-1], "years")])
        self._count("sex", ["woman" if body.phenotype["gender"] > 0.5 else "man"])
        self._count("weight", [_third(body.phenotype["weight"], "light", "heavy")])
        self._count("muscle", [_third(body.phenotype["muscle"], "little", "much")])
        origins = ("african", "asian", "caucasian")
        self._count("mostly of origin", [max(origins, key=lambda name: body.phenotype[name])])
        tones = np.abs(SKIN_TONES - body.skin).sum(axis=1)
        self._count("skin tone", [f"{tones.argmin() + 1} of {len(tones)}, from light to dark"])
        self._count("expression", _expressions(body.actions))
        self._count("activity", [person.activity])
        self._count("garment", [garment.category for garment in person.clothes.garments])
        for name in sorted({key for one in person.clothes.garments for key in one.attributes}):
            values = [
                one.attributes[name] for one in person.clothes.garments if name in one.attributes
            ]
            self._count(f"garment's {name}", values)
        for name in ("hair", "hair_color", "beard", "hat", "glasses", "shoes"):
            self._count(name.replace("_", " "), [told[name]])
        self._count("seen from", [_side(sample, person)])
        self._count("attribute", [name for name, there in person.attributes.items() if there])
        self._count(
            "no attribute", [name for name, there in person.attributes.items() if not there]
        )
        for joint, (_, _, seen) in zip(COCO17.joints, person.keypoints(COCO17), strict=True):
            self._count(f"joint {joint}", [("outside", "hidden", "seen")[int(seen)]])
        whole = sample.rendering.full_masks[number].sum()
        share = sample.mask(number).sum() / max(whole, 1)
        self._count("of what is in the picture is seen", [_binned(float(share), (0.5, 0.9), "")])

    def _count(self, group: str, values: Iterable[str]) -> None:
        self._counts.setdefault(group, Counter()).update(set(values))
        self._of[group] += 1

    def shares(self) -> Shares:
        """By group and value, the share of those asked that have it, in [0, 1].

        "attribute" is asked of everybody, so its shares do not sum to one; nor do a garment's.
        """
        return {
            group: {value: counts[value] / self._of[group] for value in sorted(counts, key=_order)}
            for group, counts in self._counts.items()
        }

    def rarest(self) -> tuple[str, str, float]:
        """Group, value and share of the rarest value; an attribute that all have counts, too."""
        everyone = self.shares()
        for name in ("attribute", "no attribute"):
            for value in ATTRIBUTES:
                everyone.setdefault(name, {}).setdefault(value, 0.0)
        rows = [
            (group, value, share) for group, own in everyone.items() for value, share in own.items()
        ]
        return min((row for row in rows if not row[0].startswith("joint ")), key=lambda row: row[2])


def _order(value: str) -> tuple[bool, float, str]:
    """Bins by where they begin, all else by name."""
    number = value.split()[0]
    known = number.replace(".", "").isdigit()
    return not value.startswith("under "), float(number) if known else 0.0, value


def _binned(value: float, edges: tuple[float, ...], unit: str) -> str:
    """The name of the bin that a value lies in."""
    unit = f" {unit}" if unit.isalpha() else unit
    if value < edges[0]:
        return f"under {edges[0]:g}{unit}"
    for low, high in pairwise(edges):
        if value < high:
            return f"{low:g} to {high:g}{unit}"
    return f"{edges[-1]:g}{unit} and more"


def _third(value: float, low: str, high: str) -> str:
    return low if value < 1 / 3 else high if value > 2 / 3 else "medium"


def _expressions(actions: dict[str, float]) -> list[str]:
    found = [
        name
        for name, (_, _, own) in FACE_ACTIONS.items()
        if np.mean([actions.get(action, 0.0) for action in own]) >= _EXPRESSED
    ]
    return found or ["none"]


def _light(sample: Sample) -> list[str]:
    sun, sky = float(np.mean(sample.light.sun)), float(np.mean(sample.light.sky))
    strength = "overcast" if sun < 1.2 * sky else "sunny" if sun > 3 * sky else "hazy"
    kind = "lamp" if sample.light.distance else "sun"
    height = np.degrees(np.arcsin(np.clip(sample.light.direction[2], -1, 1)))
    ahead = np.array(sample.light.direction) @ sample.camera.rotation[2]
    from_where = (
        "from behind the people"
        if ahead > 0.3
        else "from the camera"
        if ahead < -0.3
        else "from aside"
    )
    return [f"{kind}, {strength}", from_where, _binned(float(height), (35.0, 55.0), "° high")]


def _side(sample: Sample, person: RenderedPerson) -> str:
    """Which of a person's sides the camera sees, by the shoulders."""
    names = sample.joint_names
    left, right = (person.joints_3d[names.index(f"{side}_shoulder")] for side in ("left", "right"))
    hips = [person.joints_3d[names.index(f"{side}_hip")] for side in ("left", "right")]
    up: NDArray[np.float64] = (left + right) / 2 - np.mean(hips, axis=0)
    ahead = np.cross(left - right, up)
    way = sample.camera.position - (left + right) / 2
    across = left - right
    angle = np.degrees(
        np.arctan2(
            way @ across / max(np.linalg.norm(across), 1e-9),
            way @ ahead / max(np.linalg.norm(ahead), 1e-9),
        )
    )
    name = _VIEWS[int(np.clip(round(abs(float(angle)) / 45), 0, 4))]
    return name.replace("left", "right") if angle < 0 else name
