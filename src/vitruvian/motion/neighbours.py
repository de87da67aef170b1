"""Who is near whom, by cell lists: the cost grows with the number of people, not its square."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_FARTHEST = 1 << 20  # cells from the origin; beyond, all share a cell, which costs only time


def near_pairs(
    positions: Float[Tensor, "people 2"], scene: Int[Tensor, " people"], radius: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Everyone within a radius of everyone in the same scene, each pair both ways, selves too.

    The ground is cut into squares of the radius's side; only a person's own and the eight squares
    around it are looked into.

    Args:
        positions: On the ground.
        scene: The scene of each; people of different scenes never see each other.
        radius: In the positions' unit.

    Returns:
        (pairs,) int64: the person; (pairs,) int64: the other; (pairs,): the squared distance.
    """
    count = len(positions)
    cells = (positions.double() / radius).floor().clamp(-_FARTHEST, _FARTHEST).long()
    side = 2 * _FARTHEST + 4
    base = (scene * side + cells[:, 0] + _FARTHEST + 1) * side + cells[:, 1] + _FARTHEST + 1
    keys, order = base.sort()
    near = torch.tensor([x * side - 1 for x in (-1, 0, 1)], device=base.device)
    # The three squares of a column follow each other in the order of the keys.
    wanted = base[:, None] + near
    first = torch.searchsorted(keys, wanted.flatten())
    counts = torch.searchsorted(keys, wanted.flatten() + 2, right=True) - first
    person = torch.arange(count, device=base.device).repeat_interleave(3)
    person = person.repeat_interleave(counts)
    begun = (counts.cumsum(0) - counts).repeat_interleave(counts)
    place = torch.arange(len(person), device=base.device) - begun
    other = order[first.repeat_interleave(counts) + place]
    squared = (positions[person] - positions[other]).square().sum(1)
    close = (squared <= radius**2) | (person == other)
    return person[close], other[close], squared[close]


def nearest(
    positions: Float[Tensor, "people 2"],
    scene: Int[Tensor, " people"],
    radius: float,
    most: int,
) -> tuple[Int[Tensor, "people most"], Bool[Tensor, "people most"]]:
    """The nearest people of each within a radius, themselves first.

    Args:
        positions: On the ground.
        scene: The scene of each.
        radius: In the positions' unit.
        most: At most so many, the person too.

    Returns:
        Their rows, (people, n) with n ≤ `most`, and whether each place is taken; a free place
        holds the person's own row.
    """
    person, other, squared = near_pairs(positions, scene, radius)
    squared = torch.where(person == other, -1.0, squared)
    order = squared.argsort(stable=True)
    order = order[person[order].argsort(stable=True)]
    person, other = person[order], other[order]
    counts = torch.bincount(person, minlength=len(positions))
    rank = torch.arange(len(person), device=person.device)
    rank = rank - (counts.cumsum(0) - counts)[person]
    kept = rank < most
    width = min(most, int(counts.max())) if len(positions) else 1
    rows = torch.arange(len(positions), device=person.device)[:, None].repeat(1, width)
    rows[person[kept], rank[kept]] = other[kept]
    taken = torch.arange(width, device=person.device) < counts[:, None]
    return rows, taken
