"""Scenes that crowds walk through, as semantic maps seen from above, and the ways across them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

Floats = NDArray[np.float64]

MAP_LABELS = ("walkable", "obstacle", "entrance")
"""What a pixel of a semantic map is, by its number."""

_CELL = 0.1  # metres a pixel
_COARSE = 4  # pixels a cell of the way fields
_ROOM = 0.45  # metres that a planned way keeps from walls


@dataclass(frozen=True, eq=False)
class Square:
    """A scene from above.

    Attributes:
        labels: (height, width): place in `MAP_LABELS`.
        metres_per_pixel: Of the map.
        entrances: (entrances, 2, 2): the ends of each, x and y in metres.
    """

    labels: NDArray[np.uint8]
    metres_per_pixel: float
    entrances: Floats

    @property
    def homography(self) -> Floats:
        """(3, 3): from the map's pixels (x, y, 1), continuous, to metres."""
        return np.diag([self.metres_per_pixel, self.metres_per_pixel, 1.0])

    @property
    def size(self) -> tuple[float, float]:
        """Metres in x and y."""
        height, width = self.labels.shape
        return width * self.metres_per_pixel, height * self.metres_per_pixel


def sample_square(rng: np.random.Generator) -> Square:
    """A square, a street or a crossing: walls with entrances, and things that stand in the way."""
    street = bool(rng.uniform() < 0.35)
    width = rng.uniform(18, 30) if street else rng.uniform(12, 26)
    height = rng.uniform(7, 11) if street else rng.uniform(11, 22)
    shape = (round(height / _CELL), round(width / _CELL))
    labels = np.full(shape, MAP_LABELS.index("obstacle"), dtype=np.uint8)
    rim = 6
    labels[rim:-rim, rim:-rim] = MAP_LABELS.index("walkable")
    inside = labels == MAP_LABELS.index("walkable")
    things = np.zeros(shape, dtype=np.uint8)
    for _ in range(int(rng.integers(0, 4 if street else 8))):
        x, y = rng.uniform(3.2, width - 3.2), rng.uniform(2.6, height - 2.6)
        half = rng.uniform(0.2, 1.4, 2)
        if rng.uniform() < 0.5:
            half = np.repeat(rng.uniform(0.15, 0.9), 2)
            center, radius = (round(x / _CELL), round(y / _CELL)), round(half[0] / _CELL)
            cv2.circle(things, center, radius, 1, -1)
        else:
            first = (round((x - half[0]) / _CELL), round((y - half[1]) / _CELL))
            last = (round((x + half[0]) / _CELL), round((y + half[1]) / _CELL))
            cv2.rectangle(things, first, last, 1, -1)
    labels[inside & (things > 0)] = MAP_LABELS.index("obstacle")
    entrances = []
    sides = [0, 1, *rng.permutation([0, 1, 2, 3]).tolist()[: int(rng.integers(1, 4))]]
    for number, side in enumerate(sides):
        along, across = (height, width) if side < 2 else (width, height)
        wide = min(rng.uniform(2.5, 6.0) if not (street and number < 2) else along - 2.4, along - 2)
        start = rng.uniform(1.0, along - 1.0 - wide)
        # In the middle of the wall's thickness.
        depth = 0.3 if side % 2 == 0 else across - 0.3
        ends = np.array([[depth, start], [depth, start + wide]])
        low, high = round(start / _CELL), round((start + wide) / _CELL)
        edge = slice(0, rim) if side % 2 == 0 else slice(-rim, None)
        if side < 2:
            labels[low:high, edge] = MAP_LABELS.index("entrance")
        else:
            labels[edge, low:high] = MAP_LABELS.index("entrance")
            ends = ends[:, ::-1]
        entrances.append(ends)
    return Square(labels, _CELL, np.array(entrances))


@dataclass(frozen=True, eq=False)
class Ways:
    """How to walk across a scene.

    Attributes:
        fields: (entrances, rows, columns): metres to walk from each coarse cell to an entrance.
        clear: (height, width): metres from each of the map's pixels to the nearest obstacle,
            negative within.
        slopes: (height, width, 2): its gradient, of length 1: away from the obstacle.
        turns: (entrances, rows, columns, 2): the way down each field, of length 1.
    """

    fields: Floats
    clear: Floats
    slopes: Floats
    turns: Floats

    def directions(self, goals: NDArray[np.int64], places: Floats) -> Floats:
        """(people, 2): unit vectors along the shortest ways to the goals."""
        cell = _CELL * _COARSE
        rows, columns = self.fields.shape[1:]
        u = np.clip(places[:, 0] / cell - 0.5, 0, columns - 1.001)
        v = np.clip(places[:, 1] / cell - 0.5, 0, rows - 1.001)
        column, row = u.astype(int), v.astype(int)
        a, b = (u - column)[:, None], (v - row)[:, None]
        turns = self.turns
        way = (1 - b) * ((1 - a) * turns[goals, row, column] + a * turns[goals, row, column + 1])
        way += b * ((1 - a) * turns[goals, row + 1, column] + a * turns[goals, row + 1, column + 1])
        return np.asarray(way / (np.linalg.norm(way, axis=1, keepdims=True) + 1e-9))

    def at_goal(self, goals: NDArray[np.int64], places: Floats) -> NDArray[np.bool_]:
        """(people,): who stands in the entrance that is the goal."""
        cell = _CELL * _COARSE
        rows, columns = self.fields.shape[1:]
        row = np.clip((places[:, 1] / cell).astype(int), 0, rows - 1)
        column = np.clip((places[:, 0] / cell).astype(int), 0, columns - 1)
        return np.asarray(self.fields[goals, row, column] < 0.5)

    def room(self, places: Floats) -> tuple[Floats, Floats]:
        """(people,): metres to the nearest obstacle; (people, 2): the way from it."""
        height, width = self.clear.shape
        row = np.clip((places[:, 1] / _CELL).astype(int), 0, height - 1)
        column = np.clip((places[:, 0] / _CELL).astype(int), 0, width - 1)
        return self.clear[row, column], self.slopes[row, column]


def find_ways(square: Square) -> Ways:
    """Distances and directions to every entrance, and the room around obstacles."""
    solid = square.labels == MAP_LABELS.index("obstacle")
    padded = np.pad(solid, 4, mode="edge")
    outside = cv2.distanceTransform((~padded).astype(np.uint8), cv2.DIST_L2, 5)
    within = cv2.distanceTransform(padded.astype(np.uint8), cv2.DIST_L2, 5)
    clear = (_CELL * (outside - within)).astype(np.float64)
    slopes = np.stack(np.gradient(cv2.GaussianBlur(clear, (0, 0), 1.5))[::-1], axis=-1)
    slopes /= np.linalg.norm(slopes, axis=-1, keepdims=True) + 1e-9
    clear, slopes = clear[4:-4, 4:-4], slopes[4:-4, 4:-4]
    fields = _way_fields(square, clear)
    turns = np.stack([np.stack(np.gradient(-field)[::-1], axis=-1) for field in fields])
    turns /= np.linalg.norm(turns, axis=-1, keepdims=True) + 1e-9
    return Ways(fields, clear, slopes, turns)


def _way_fields(square: Square, clear: Floats) -> Floats:
    """(entrances, rows, columns): metres to walk; cells near walls cost more, those within most."""
    height, width = (-(-size // _COARSE) for size in clear.shape)
    cell = _CELL * _COARSE
    rows = np.minimum(np.arange(height) * _COARSE + _COARSE // 2, clear.shape[0] - 1)
    columns = np.minimum(np.arange(width) * _COARSE + _COARSE // 2, clear.shape[1] - 1)
    room = clear[np.ix_(rows, columns)]
    cost = np.where(room < 0.15, 40.0, np.where(room < _ROOM, 2.5, 1.0))
    numbers = np.arange(height * width).reshape(height, width)
    first, second, weights = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1)):
        top, left = slice(0, height - down), slice(max(0, -right), width - max(0, right))
        low = slice(down, height)
        far = slice(max(0, right), width - max(0, -right))
        first.append(numbers[top, left].ravel())
        second.append(numbers[low, far].ravel())
        step = cell * np.hypot(down, right)
        weights.append((step * (cost[top, left] + cost[low, far]) / 2).ravel())
    graph = sparse.csr_matrix(
        (np.concatenate(weights), (np.concatenate(first), np.concatenate(second))),
        shape=(height * width, height * width),
    )
    fields = []
    for entrance in square.entrances:
        share = np.linspace(0.1, 0.9, 9)[:, None]
        points = (1 - share) * entrance[0] + share * entrance[1]
        row = np.clip((points[:, 1] / cell).astype(int), 0, height - 1)
        column = np.clip((points[:, 0] / cell).astype(int), 0, width - 1)
        sources = np.unique(numbers[row, column])
        distance = dijkstra(graph, directed=False, indices=sources, min_only=True)
        field = distance.reshape(height, width)
        fields.append(cv2.GaussianBlur(field, (0, 0), 0.8, borderType=cv2.BORDER_REPLICATE))
    return np.array(fields)
