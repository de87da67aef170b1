"""Clothing Co-Parsing (Yang, Luo, Lin, CVPR 2014): photos and maps of 59 clothes labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vitruvian.world.writers.base import Entry, Record, Writer, jpeg, lines, png

if TYPE_CHECKING:
    from vitruvian.world.clothes import Clothes
    from vitruvian.world.garments import Garment
    from vitruvian.world.sample import Sample

LABELS = (
    *("null", "accessories", "bag", "belt", "blazer", "blouse", "bodysuit", "boots", "bra"),
    *("bracelet", "cape", "cardigan", "clogs", "coat", "dress", "earrings", "flats", "glasses"),
    *("gloves", "hair", "hat", "heels", "hoodie", "intimate", "jacket", "jeans", "jumper"),
    *("leggings", "loafers", "necklace", "panties", "pants", "pumps", "purse", "ring", "romper"),
    *("sandals", "scarf", "shirt", "shoes", "shorts", "skin", "skirt", "sneakers", "socks"),
    *("stockings", "suit", "sunglasses", "sweater", "sweatshirt", "swimwear", "t-shirt", "tie"),
    *("tights", "top", "vest", "wallet", "watch", "wedges"),
)


def encode(sample: Sample, part: str) -> Entry:
    """A photo and its map."""
    del part  # the set has no official parts
    name = f"{sample.index + 1:04d}"
    files = {
        f"photos/{name}.jpg": jpeg(sample.image),
        f"pixel-level/{name}.png": png(ccp_labels(sample)),
    }
    people = np.unique(sample.rendering.person[sample.rendering.person >= 0])
    return Entry(files, {}, len(people))


def ccp_labels(sample: Sample) -> NDArray[np.uint8]:
    """(height, width): place in `LABELS`; things and the background are null."""
    from vitruvian.world.clothes import MATERIALS

    shown = sample.rendering
    labels = np.zeros(shown.person.shape, dtype=np.uint8)
    for place, person in enumerate(sample.people):
        names = _names(person.clothes)
        table = [LABELS.index(names.get(material, "skin")) for material in MATERIALS]
        own = shown.person == place
        labels[own] = np.array(table, dtype=np.uint8)[shown.materials[own]]
    return labels


def _names(clothes: Clothes) -> dict[str, str]:
    """Material → label on this person; what is left out is skin."""
    names = {name: name for name in ("hair", "socks", "shoes", "hat")}
    eyewear = clothes.labels.get("glasses", "glasses")
    names["glasses"] = eyewear if eyewear in LABELS else "glasses"
    return names | {garment.label: _garment_name(garment) for garment in clothes.garments}


def _garment_name(garment: Garment) -> str:
    """The label of a garment by its category and cloth."""
    category, cloth = garment.category, garment.attributes.get("material")
    if category.endswith("dress"):
        return "dress"
    if category.endswith("outwear"):
        return "cardigan" if cloth == "wool" else "jacket"
    if category == "trousers":
        return "jeans" if cloth == "denim" else "pants"
    if category in ("shorts", "skirt", "vest"):
        return category
    if garment.attributes.get("neckline") == "collar":
        return "shirt"
    if category == "long_sleeve_top":
        return "sweater" if cloth == "wool" else "blouse"
    return "t-shirt" if category == "short_sleeve_top" else "top"


def finish(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """The labels' names, a line each."""
    del records
    yield "labels.txt", lines(LABELS)


WRITER = Writer(
    "ccp",
    "Clothing Co-Parsing: photos and maps of 59 clothes labels.",
    encode,
    finish,
    size=(320, 480),
)
