"""Samples as items: plain arrays and plain values, the same rendered now or read from a shard.

An item is a dict; N people, J points (`names`), pictures of `width` × `height`:

| key | shape, type | what |
| --- | --- | --- |
| `image` | (height, width, 3) uint8 | RGB |
| `person` | (height, width) uint8 | 1 for the first person, 2 for the second …, 0 nobody |
| `materials` | (height, width) uint8 | place in `clothes.MATERIALS` |
| `parts` | (height, width) uint8 | place in `surface.PARTS` |
| `scene` | (height, width) uint8 | place in `backgrounds.SCENE_LABELS` |
| `depth` | (height, width) uint16 | millimetres along the optical axis; 0 where nothing is |
| `normals` | (height, width, 3) uint8 | in the world, from -1 at 1 to 1 at 255; 0 where nobody is |
| `uv` | (height, width, 3) uint16 | texture coordinates in [0, 65535], the third is 0 |
| `iuv` | (height, width, 3) uint8 | DensePose's I, 255 U, 255 V; see `world.charts` |
| `full_masks` | (N, height, width) bool | each person as if nobody stood in front |
| `joints` | (N, J, 3) float64 | x and y in pixels, depth in metres |
| `joints_3d` | (N, J, 3) float64 | in the world, metres |
| `visibility` | (N, J) int64 | 2 seen, 1 hidden, 0 outside of the picture |
| `boxes`, `full_boxes` | (N, 4) float64 | x1, y1, x2, y2 of what is seen, and of the whole |
| `names` | list of str | the points |
| `people` | list of dict | everything else of `RenderedPerson`: body, angles, clothes, face, |
| | | attributes …; `identity`; `garments`: the fields of `RenderedGarment`, with landmarks |
| `seed`, `index`, `place`, `camera`, `light` | | as in `Sample` |
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.world.writers.base import png

if TYPE_CHECKING:
    from vitruvian.world.sample import Sample

Item = dict[str, Any]
PICTURES = (
    *("image", "person", "materials", "parts", "scene", "depth", "normals", "uv", "iuv", "covers"),
)
"""What is kept as a PNG; `covers` has a bit for each full mask."""

_ARRAYS = {
    "joints": np.float64,
    "joints_3d": np.float64,
    "visibility": np.int64,
    "boxes": np.float64,
    "full_boxes": np.float64,
}
_RENAMED = {"boxes": "box", "full_boxes": "full_box"}


def make_item(sample: Sample) -> Item:
    """A sample as an item."""
    return _item(_pictures(sample), _values(sample))


def pack_item(sample: Sample) -> dict[str, bytes]:
    """A sample as files: ending → content; `unpack_item` gives what `make_item` gives."""
    files = {f"{name}.png": png(picture) for name, picture in _pictures(sample).items()}
    return {**files, "json": json.dumps(_values(sample)).encode()}


def unpack_item(files: Mapping[str, bytes]) -> Item:
    """The item of the files that `pack_item` made."""
    pictures = {}
    for name in PICTURES:
        data = np.frombuffer(files[f"{name}.png"], dtype=np.uint8)
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))
        color = picture.ndim == 3
        pictures[name] = np.ascontiguousarray(picture[..., ::-1]) if color else picture
    return _item(pictures, json.loads(files["json"]))


def _item(pictures: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Item:
    item = {**pictures, **values}
    covers = item.pop("covers")
    count = len(values["people"])
    item["full_masks"] = np.stack([(covers >> place & 1).astype(bool) for place in range(count)])
    for name, kind in _ARRAYS.items():
        item[name] = np.array(values[name], dtype=kind)
    return item


def _pictures(sample: Sample) -> dict[str, NDArray[Any]]:
    from vitruvian.world.labels import iuv

    shown = sample.rendering
    someone = (shown.person >= 0)[..., None]
    metres = np.where(np.isfinite(shown.depth), shown.depth, 0)
    uv = np.concatenate([shown.uv, np.zeros_like(shown.uv[..., :1])], axis=-1)
    bits = 1 << np.arange(len(sample.people))
    covers = (shown.full_masks * bits[:, None, None]).sum(axis=0)
    return {
        "image": sample.image,
        "person": (shown.person + 1).astype(np.uint8),
        "materials": shown.materials.astype(np.uint8),
        "parts": shown.parts.astype(np.uint8),
        "scene": sample.scene.astype(np.uint8),
        "depth": np.clip(np.round(1000 * metres), 0, 65535).astype(np.uint16),
        "normals": np.where(someone, np.round(128 + 127 * shown.normals), 0).astype(np.uint8),
        "uv": np.round(65535 * np.clip(uv, 0, 1)).astype(np.uint16),
        "iuv": np.round(iuv(sample) * [1, 255, 255]).astype(np.uint8),
        "covers": covers.astype(np.uint16),
    }


def _values(sample: Sample) -> dict[str, Any]:
    """Everything that is no picture, as JSON holds it."""
    people = [
        {
            "identity": sample.identity(number),
            **plain(person),
            "garments": plain(sample.garments(number)),
        }
        for number, person in enumerate(sample.people)
    ]
    result: dict[str, Any] = {
        name: [person.pop(_RENAMED.get(name, name)) for person in people] for name in _ARRAYS
    }
    return {
        "seed": sample.seed,
        "index": sample.index,
        "place": sample.place,
        "names": list(sample.joint_names),
        **result,
        "people": people,
        "camera": plain(sample.camera),
        "light": plain(sample.light),
    }


def plain(value: Any) -> Any:
    """Dataclasses, arrays, tuples, paths and NumPy's numbers as JSON holds them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    return value
