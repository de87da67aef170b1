"""Landmarks of garments: DeepFashion2's of each category, and DeepFashion's eight.

A landmark is the first point of a garment's own cloth along a path on the neutral adult: down from
the throat for a collar, up an arm from the wrist for a cuff. It is kept as a place on a triangle of
the dressed mesh, so it stays on its garment whoever wears it, in any pose.

DeepFashion2 counts around a garment from the wearer's right to the left (its viewer's left to
right), as its sample annotations show; of jackets, as the links of mmpose's `deepfashion2.py` do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from vitruvian.world.clothes import MATERIALS, Clothes, outfit_of
from vitruvian.world.extras import SKIRT_COLUMNS, SKIRT_RINGS
from vitruvian.world.garments import Garment, sample_garment
from vitruvian.world.kernels import materials as kernels
from vitruvian.world.kernels import mesh
from vitruvian.world.rig import load_rig
from vitruvian.world.surface import load_surface

Floats = NDArray[np.float64]

DEEPFASHION = (
    "left_collar",
    "right_collar",
    "left_sleeve",
    "right_sleeve",
    "left_waistline",
    "right_waistline",
    "left_hem",
    "right_hem",
)
"""DeepFashion's landmarks, in its order; left is the viewer's, as in its pictures."""

_ARM = np.array([[0.175, -0.007, 1.494], [0.365, -0.025, 1.268], [0.503, -0.194, 1.1225]])
_LEG = np.array([[0.1005, -0.0125, 0.954], [0.157, -0.022, 0.527], [0.1975, 0.003, 0.1]])
_STEPS = 48  # points along a path
_WAIST, _HIP, _KNEE = 1.17, 0.93, 0.527  # heights on the neutral adult


def landmark_names(category: str) -> tuple[str, ...]:
    """Names of a category's landmarks in DeepFashion2's order; the sides are the wearer's."""
    if category in ("shorts", "trousers", "skirt"):
        return _lower_names(category)
    sleeve = {"short": 1, "long": 3}.get(category.split("_")[0], 0)
    right = ["shoulder_right"]
    if sleeve:
        right += [f"sleeve_outer_{number + 1}_right" for number in range(sleeve)]
        right += ["cuff_outer_right", "cuff_inner_right"]
        right += [f"sleeve_inner_{number}_right" for number in range(sleeve, 0, -1)]
        right += ["armpit_right"]
    right += ["side_right", "waist_right"]
    if category.endswith("dress"):
        right += ["hip_right", "skirt_right"]
    right += ["hem_right"]
    left = [name.replace("_right", "_left") for name in reversed(right)]
    collar = ["collar_back", "collar_right", "collar_front_right"]
    if category.endswith("outwear"):
        edge = ["edge_top_left", "edge_upper_left", "edge_lower_left", "edge_bottom_left"]
        edge += ["edge_upper_right", "edge_lower_right"]
        collar += ["edge_top_right", "collar_front_left", "collar_left"]
        return (*collar, *right, "edge_bottom_right", *left, *edge)
    collar += ["collar_front", "collar_front_left", "collar_left"]
    return (*collar, *right, "hem", *left)


def _lower_names(category: str) -> tuple[str, ...]:
    waist = ("waist_right", "waist_front", "waist_left")
    if category == "skirt":
        return (*waist, "skirt_right", "hem_right", "hem", "hem_left", "skirt_left")
    right = ["thigh_right", "cuff_outer_right", "cuff_inner_right"]
    if category == "trousers":
        right = ["thigh_right", "knee_outer_right", *right[1:], "knee_inner_right"]
    left = [name.replace("_right", "_left") for name in reversed(right)]
    return (*waist, *right, "crotch", *left)


def deepfashion_places(category: str) -> tuple[int | None, ...]:
    """For each of `DEEPFASHION`, its place in `landmark_names`; None where a category has none."""
    names = landmark_names(category)
    words = [
        *("collar_right", "collar_left", "cuff_outer_right", "cuff_outer_left"),
        *("waist_right", "waist_left", "hem_right", "hem_left"),
    ]
    if category in ("shorts", "trousers"):
        words[2:4] = ["", ""]
        words[6:] = ["cuff_outer_right", "cuff_outer_left"]
    if not category.endswith("dress") and category not in ("shorts", "trousers", "skirt"):
        words[4:6] = ["", ""]
    if "_outer_" not in " ".join(names):
        words[2:4] = ["", ""]
    return tuple(names.index(word) if word in names else None for word in words)


def garment_points(
    clothes: Clothes, vertices: NDArray[np.floating]
) -> list[tuple[Garment, Floats, NDArray[np.bool_]]]:
    """Where the landmarks of what a person wears are.

    Args:
        clothes: What is worn.
        vertices: (N, 3): the dressed mesh, as `Stage.extents` has it.

    Returns:
        Of each garment: the garment; (n, 3): the points of `landmark_names`, on the mesh; (n,):
        which of them another garment lies on, so that no camera sees them.
    """
    faces = load_surface().faces
    found = []
    for garment in clothes.garments:
        face, shares, points, arms = _landmarks(garment.identity, bool(clothes.values["skirt"]))
        world = (vertices[faces[face]] * shares[..., None]).sum(axis=1).astype(np.float64)
        label = MATERIALS.index(garment.label)
        shown = _materials(points, arms, face, clothes)
        over = (arms < -0.5) & (points[:, 2] > _share(clothes, clothes.covered))
        found.append((garment, world, (shown != label) | over))
    return found


def _share(clothes: Clothes, height: float) -> float:
    """How high up its shell a height on the neutral adult is: 0 at the hem, 1 at the waist."""
    top, hem = clothes.values["shell_top"], clothes.values["shell_hem"]
    return float((height - hem) / max(top - hem, 1e-6))


def _materials(points: Floats, arms: Floats, faces: Any, clothes: Clothes) -> NDArray[np.int32]:
    """(n,): what points of the neutral adult show."""
    shown = wp.empty(len(points), dtype=int, device="cpu")
    off = wp.empty(len(points), dtype=float, device="cpu")
    inputs = [
        wp.array(points.astype(np.float32), dtype=wp.vec3, device="cpu"),
        wp.array(arms.astype(np.float32), dtype=float, device="cpu"),
        wp.zeros(len(points), dtype=float, device="cpu"),
        wp.array(load_surface().kinds[faces], dtype=int, device="cpu"),
        clothes.struct,
    ]
    wp.launch(kernels.wear, len(points), inputs=inputs, outputs=[shown, off], device="cpu")
    return np.asarray(shown.numpy())


@lru_cache(maxsize=1)
def _adult() -> Any:
    """The neutral adult's body, to send rays through from inside."""
    rig = load_rig()
    points = wp.array(rig.canonical, dtype=wp.vec3, device="cpu")
    return wp.Mesh(points=points, indices=wp.array(rig.faces.ravel(), dtype=int, device="cpu"))


@lru_cache(maxsize=4096)
def _landmarks(identity: int, tucked: bool) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """Triangles (n,), shares of their corners (n, 3), points (n, 3) and arms (n,) as worn alone.

    Args:
        identity: Of the garment.
        tucked: Whether a skirt is worn, so that a top has no hanging shell.
    """
    garment, surface = sample_garment(identity), load_surface()
    alone = outfit_of((garment,), tucked=tucked)
    names = landmark_names(garment.category)
    paths = np.full((len(names), _STEPS, 2, 3), np.nan)
    rings: dict[int, tuple[int, int]] = {}
    for place, name in enumerate(names):
        ring = _on_shell(name, alone, garment)
        if ring is None:
            paths[place] = _path(name, garment)
        else:
            rings[place] = ring
            paths[place] = paths[place - 1]
    rays = paths.reshape(-1, 2, 3).astype(np.float32)
    faces = wp.empty(len(rays), dtype=int, device="cpu")
    places = wp.zeros(len(rays), dtype=wp.vec2, device="cpu")
    inputs = [wp.array(np.nan_to_num(rays[:, end]), dtype=wp.vec3, device="cpu") for end in (0, 1)]
    wp.launch(
        mesh.pierce,
        len(rays),
        inputs=[_adult().id, *inputs],
        outputs=[faces, places],
        device="cpu",
    )
    hit = np.maximum(faces.numpy(), 0)
    shares = np.c_[places.numpy(), 1 - places.numpy().sum(axis=1)].astype(np.float64)
    corners = surface.faces[hit]
    points = (surface.canonical[corners] * shares[..., None]).sum(axis=1)
    arms = (surface.arms[corners] * shares).sum(axis=1)
    shown = _materials(points, arms, hit, alone)
    right = (shown == MATERIALS.index(garment.label)) & (faces.numpy() >= 0)
    # The point just inside an edge, not the one on it.
    first = right.reshape(len(names), _STEPS).argmax(axis=1)
    chosen = np.arange(len(names)) * _STEPS + first
    hit, shares = hit[chosen].astype(np.int64), shares[chosen]
    points, arms = points[chosen], arms[chosen]
    block = surface.extras.block(int(kernels.SHELL)).start + surface.body
    for place, (row, column) in rings.items():
        vertex = block + row * SKIRT_COLUMNS + column
        hit[place] = surface.face_around[surface.face_starts[vertex]]
        shares[place] = surface.faces[hit[place]] == vertex
        points[place], arms[place] = surface.canonical[vertex], -1.0
    return hit, shares, points, arms


def _on_shell(name: str, alone: Clothes, garment: Garment) -> tuple[int, int] | None:
    """Ring and column of a landmark that lies on a skirt's shell, or None."""
    if not alone.values["shell"] or garment.label not in ("skirt", "dress", "top"):
        return None
    share = None
    if name.startswith("hem"):
        share = 1.0
    elif name.startswith("skirt"):
        share = (1 + _share_down(alone, _HIP)) / 2
    elif name.startswith("hip"):
        share = _share_down(alone, _HIP)
    elif name.startswith("waist") and garment.label == "skirt":
        share = 0.0
    if share is None:
        return None
    ring = int(np.clip(round(share * (SKIRT_RINGS - 1)), 1, SKIRT_RINGS - 1))
    turn = 0 if name in ("hem", "waist_front") else -1 if name.endswith("right") else 1
    return ring, (SKIRT_COLUMNS - 1) // 2 + turn * (SKIRT_COLUMNS - 1) // 4


def _share_down(alone: Clothes, height: float) -> float:
    return float(np.clip(1 - _share(alone, height), 0, 1))


def _path(name: str, garment: Garment) -> Floats:
    """(_STEPS, 2, 3): origins and directions of rays from inside the body, in order of choice."""
    side = -1.0 if name.endswith("_right") else 1.0
    finders: dict[str, Callable[[str, float, dict[str, Any]], Floats]] = {
        "collar": _collar,
        "edge": _edge,
        "shoulder": _shoulder,
        "sleeve": _sleeve,
        "armpit": _trunk,
        "side": _trunk,
        "waist": _trunk,
        "hip": _trunk,
        "hem": _trunk,
        "cuff": _sleeve if garment.label not in ("bottom",) else _leg,
    }
    return finders.get(name.split("_")[0], _leg)(name, side, garment.look)


def _rays(origins: Any, direction: Any) -> Floats:
    return np.stack(np.broadcast_arrays(np.asarray(origins, dtype=float), direction), axis=1)


def _collar(name: str, side: float, look: dict[str, Any]) -> Floats:
    """Down the back or the throat, or out over the shoulder."""
    height = np.linspace(1.6, 1.36, _STEPS)
    if name == "collar_back":
        return _rays(np.c_[0 * height, 0 * height - 0.01, height], [0, 1, 0])
    strap = "strap_inner" in look and look["strap_inner"] > 0
    if name in ("collar_right", "collar_left"):
        if strap:
            x = side * (look["strap_inner"] + look["strap_outer"]) / 2
            height = np.linspace(look["bust"], 1.3, _STEPS)
            return _rays(np.c_[0 * height + x, 0 * height - 0.01, height], [0, -1, 0])
        few = 12
        level = np.linspace(1.615, 1.56, few)
        out = np.linspace(0.062, 0.17, _STEPS - few)
        around = _rays(np.c_[0 * level, 0 * level, level], [side, 0, 0])
        over = _rays(np.c_[side * out, 0 * out + 0.015, 0 * out + 1.47], [0, 0, 1])
        return np.concatenate([around, over])
    width = look.get("neck_width", look.get("opening", 0.0) + 0.075)
    x = 0.0 if name == "collar_front" else side * (0.05 if strap else 0.6 * width)
    return _rays(np.c_[0 * height + x, 0 * height - 0.01, height], [0, -1, 0])


def _edge(name: str, side: float, look: dict[str, Any]) -> Floats:
    """Outwards from the front's middle to where an open jacket begins."""
    bottom = look["hem"] + 0.008
    level = {"top": 1.38, "upper": 1.26, "lower": (1.26 + bottom) / 2, "bottom": bottom}
    height = max(level[name.split("_")[1]], 0.0)
    x = look["opening"] + np.linspace(-0.01, 0.13, _STEPS)
    start = -0.05 if height > 0.9 else -0.02
    return _rays(np.c_[side * x, 0 * x + start, 0 * x + height], [0, -1, 0])


def _shoulder(name: str, side: float, look: dict[str, Any]) -> Floats:  # noqa: ARG001
    """The seam of the sleeve, the outer end of a vest's shoulder, or the top of a strap."""
    begin = 0.172
    if look.get("strap_outer", 9.0) < 1:
        begin = look["strap_outer"] - 0.01
        if look["strap_inner"] > 0:
            begin = (look["strap_inner"] + look["strap_outer"]) / 2
    x = np.linspace(begin, begin - 0.08, _STEPS)
    return _rays(np.c_[side * x, 0 * x + 0.005, 0 * x + 1.45], [0, 0, 1])


def _sleeve(name: str, side: float, look: dict[str, Any]) -> Floats:
    """Up the arm from where a sleeve ends, or from a share of it."""
    end = min(look["sleeve"], 2.02)
    count = 1 if end < 1.5 else 3
    share = 1.0 if name.startswith("cuff") else int(name.split("_")[2]) / (count + 1)
    along = share * end - 0.01 - np.linspace(0, 0.35, _STEPS)
    along = np.maximum(along, 0.12)
    points = np.stack([np.interp(along, [0, 1, 2], _ARM[:, axis]) for axis in range(3)], axis=1)
    way = np.where(along[:, None] < 1, _ARM[1] - _ARM[0], _ARM[2] - _ARM[1])
    way = way / np.linalg.norm(way, axis=1, keepdims=True)
    out = np.array([0.0, 0.0, 1.0]) - way[:, 2:] * way
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    mirror = np.array([side, 1, 1])
    return _rays(points * mirror, out * mirror * (1 if "outer" in name else -1))


def _trunk(name: str, side: float, look: dict[str, Any]) -> Floats:
    """The side of the trunk, or the middle of its front, upwards or downwards from a height."""
    word = name.split("_")[0]
    begin, end = {
        "armpit": (1.39, 1.3),
        "side": (1.32, 1.25),
        "waist": (_WAIST, 1.0),
        "hip": (_HIP, 1.0),
        "hem": (look.get("hem", 0.9) + 0.006, 1.1),
    }[word]
    if word == "waist" and "waist" in look and "neck" not in look:
        begin, end = look["waist"] - 0.004, look["waist"] - 0.1
    height = np.linspace(begin, end, _STEPS)
    front = name in ("hem", "waist_front")
    center = np.where(height < 0.9, np.interp(height, _LEG[::-1, 2], _LEG[::-1, 0]), 0.0)
    x = 0 * height if front else side * center
    return _rays(np.c_[x, 0 * x - 0.02, height], [0, -1, 0] if front else [side, 0, 0])


def _leg(name: str, side: float, look: dict[str, Any]) -> Floats:
    """The outer or the inner side of a trouser leg, up from a height; or the crotch."""
    if name == "crotch":
        y = np.linspace(-0.02, 0.03, _STEPS)
        return _rays(np.c_[0 * y, y, 0 * y + 0.95], [0, 0, -1])
    begin = look["legs"] + 0.005
    if name.startswith("knee"):
        begin = max(_KNEE, begin)
    elif name.startswith("thigh"):
        begin = (look["waist"] + (look["legs"] if look["legs"] > 0.4 else _KNEE)) / 2
    height = begin + np.linspace(0, 0.3, _STEPS)
    x = np.interp(height, _LEG[::-1, 2], _LEG[::-1, 0])
    y = np.interp(height, _LEG[::-1, 2], _LEG[::-1, 1])
    inward = -1 if "inner" in name else 1
    return _rays(np.c_[side * x, y, height], [side * inward, 0, 0])
