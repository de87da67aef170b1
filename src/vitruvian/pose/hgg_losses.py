"""What the graph of hierarchical graph grouping learns: which edges and macro nodes are right.

Labels and weights are ours, as the graph is; see `pose/hgg_graph.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vitruvian.core.assignment import best_assignment
from vitruvian.pose.hgg_graph import Judgement, members_of

MATCHED = 0.5
"""What a candidate's similarity with an annotated joint must exceed to stand for it."""
CELL = 1.0
"""Deviation of a place in a map, in its cells, that is forgiven to a joint of any size."""


def graph_losses(
    judgements: Sequence[Judgement], owners: Int[Tensor, " candidates"]
) -> dict[str, Tensor]:
    """`edges` and `macro`: cross-entropies of every layer, each label with half of the weight.

    A node that holds joints of one person and candidates that stand for nobody's joint is that
    person's; an edge or a macro node with joints of two people is wrong, and so is one of nobody.

    Args:
        judgements: Of the layers.
        owners: The person that each candidate belongs to; -1: none.
    """
    losses: dict[str, list[Tensor]] = {"edges": [], "macro": []}
    for judgement in judgements:
        members = judgement.nodes.members
        single = _owner_of_each(owners, members)
        first, second = judgement.pairs.unbind(dim=1)
        same = (single[first] == single[second]) & (single[first] >= 0)
        losses["edges"].append(balanced(judgement.edges, same))
        united = [tuple(m for node in group for m in members[node]) for group in judgement.merged]
        losses["macro"].append(balanced(judgement.macro, _owner_of_each(owners, united) >= 0))
    return {name: torch.stack(values).sum() for name, values in losses.items() if values}


def balanced(logits: Float[Tensor, " n"], labels: Bool[Tensor, " n"]) -> Tensor:
    """Binary cross-entropy in which both labels weigh the same, however many there are."""
    each = F.binary_cross_entropy_with_logits(
        logits.float(), labels.to(torch.float32), reduction="none"
    )
    means = [each[chosen].mean() for chosen in (labels, ~labels) if chosen.any()]
    return 0.5 * torch.stack(means).sum() if means else logits.sum() * 0


def _owner_of_each(
    owners: Int[Tensor, " n"], groups: Sequence[tuple[int, ...]]
) -> Int[Tensor, " groups"]:
    """The one person that a group's members belong to, but for members of nobody; -1: none."""
    place, group = members_of(groups, owners.device)
    known = owners[place] >= 0
    place, group = place[known], group[known]
    none = owners.new_full((len(groups),), -1)
    least, most = (
        none.scatter_reduce(0, group, owners[place], how, include_self=False)
        for how in ("amin", "amax")
    )
    return torch.where(least == most, least, -1)


def match_candidates(
    points: NDArray[np.floating],
    kinds: NDArray[np.int64],
    people: NDArray[np.floating],
    labelled: NDArray[np.bool_],
    sigmas: Sequence[float],
) -> NDArray[np.int64]:
    """The annotated person that each candidate stands for, one candidate a joint; -1: none.

    A candidate matches a joint of its kind where exp(-d² / 2 (s² (2σ)² + c²)) > `MATCHED`; s² is
    0.53 of the box around the person's joints, and c is `CELL`: the maps of small people tell no
    better where a joint is.

    Args:
        points: (candidates, 2), in cells of the map.
        kinds: (candidates,).
        people: (people, joints, 2).
        labelled: (people, joints).
        sigmas: (joints,).
    """
    owners = np.full(len(points), -1, dtype=np.int64)
    low = np.where(labelled[..., None], people, np.inf).min(axis=1)
    high = np.where(labelled[..., None], people, -np.inf).max(axis=1)
    sides = np.where(np.isfinite(high - low), high - low, 0)
    areas = 0.53 * np.maximum(sides, 1).prod(axis=-1)
    for kind, sigma in enumerate(sigmas):
        chosen, known = np.flatnonzero(kinds == kind), np.flatnonzero(labelled[:, kind])
        if not len(chosen) or not len(known):
            continue
        squared = ((points[chosen, None] - people[known, kind]) ** 2).sum(axis=-1)
        likeness = np.exp(-squared / (2 * areas[known] * (2 * sigma) ** 2 + 2 * CELL**2))
        gains = np.where(likeness > MATCHED, likeness, 0)
        for row, column in enumerate(best_assignment(gains.tolist())):
            if column >= 0 and gains[row, column] > 0:
                owners[chosen[row]] = known[column]
    return owners
