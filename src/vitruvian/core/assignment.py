"""The assignment problem for small tables, without importing SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

INFINITY = float("inf")


def best_assignment(gains: list[list[float]]) -> list[int]:
    """The column of each row, all different, with the highest sum of gains; -1: none left.

    The Hungarian method with potentials (Kuhn 1955). Twenty rows take 0.3 ms; SciPy's is fifty
    times faster, but importing it takes a quarter of a second of the second that a photo takes.

    Args:
        gains: (rows, columns), none below 0.
    """
    if not gains:
        return []
    rows, columns = len(gains), len(gains[0])
    if rows > columns:
        gains = [row + [0.0] * (rows - columns) for row in gains]
    width = max(rows, columns)
    row_potential, potential = [0.0] * rows, [0.0] * (width + 1)
    # Column `width` stands before the first one: each new row starts there.
    owner = [-1] * (width + 1)
    for new in range(rows):
        owner[width], column = new, width
        slack, came_from = [INFINITY] * width, [width] * width
        reached = [width]
        waiting = set(range(width))
        while owner[column] >= 0:
            row = owner[column]
            for other in waiting:
                reduced = -gains[row][other] - row_potential[row] - potential[other]
                if reduced < slack[other]:
                    slack[other], came_from[other] = reduced, column
            column = min(waiting, key=slack.__getitem__)
            step = slack[column]
            for other in reached:
                row_potential[owner[other]] += step
                potential[other] -= step
            for other in waiting:
                slack[other] -= step
            waiting.remove(column)
            reached.append(column)
        while column != width:  # along the path, every row moves on by one column
            owner[column] = owner[came_from[column]]
            column = came_from[column]
    result = [-1] * rows
    for column, row in enumerate(owner[:columns]):
        if row >= 0:
            result[row] = column
    return result


def munkres_assignment(costs: NDArray[np.floating[Any]]) -> list[int]:
    """The column of each row with the lowest sum of costs; -1: none left.

    Where several assignments are equally good, the order in which Munkres's algorithm (1957) looks
    for zeros decides, as it does in the package `munkres`. Decoders that round their costs rely on
    it; for others `best_assignment` is faster.

    Args:
        costs: (rows, columns).
    """
    rows, columns = costs.shape
    size = max(rows, columns)
    table = np.zeros((size, size))
    table[:rows, :columns] = costs
    table -= table.min(axis=1, keepdims=True)
    starred, primed = np.full(size, -1), np.full(size, -1)  # the column in each row
    free = np.ones(size, dtype=bool)
    for row in range(size):
        zeros = (table[row] == 0) & free
        if zeros.any():
            starred[row] = zeros.argmax()
            free[starred[row]] = False
    while (starred < 0).any():
        covered_rows, covered_columns = np.zeros((2, size), dtype=bool)
        covered_columns[starred[starred >= 0]] = True
        primed[:] = -1
        row = column = 0
        while True:
            found = _uncovered_zero(table, covered_rows, covered_columns, row, column)
            if found is None:
                least = table[~covered_rows][:, ~covered_columns].min()
                table[covered_rows] += least
                table[:, ~covered_columns] -= least
                row = column = 0
                continue
            row, column = found
            primed[row] = column
            if starred[row] < 0:
                break
            column = int(starred[row])
            covered_rows[row], covered_columns[column] = True, False
        while True:  # along the path, each primed zero takes the star of its column
            owner = np.flatnonzero(starred == primed[row])
            starred[row] = primed[row]
            if not len(owner):
                break
            row = int(owner[0])
    return [int(column) if column < columns else -1 for column in starred[:rows]]


def _uncovered_zero(
    table: NDArray[np.float64],
    covered_rows: NDArray[np.bool_],
    covered_columns: NDArray[np.bool_],
    row: int,
    column: int,
) -> tuple[int, int] | None:
    """The first row from `row` on, round the end, with a zero; its last one from `column` on."""
    zeros = (table == 0) & ~covered_rows[:, None] & ~covered_columns
    with_zero = np.roll(zeros.any(axis=1), -row)
    if not with_zero.any():
        return None
    chosen = (int(with_zero.argmax()) + row) % len(table)
    places = np.flatnonzero(np.roll(zeros[chosen], -column))
    return chosen, (int(places[-1]) + column) % len(table)
