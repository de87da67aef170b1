"""Associative embedding: joints that belong to one person carry the same tag.

Newell, Huang, Deng: "Associative Embedding: End-to-End Learning for Joint Detection and Grouping",
NIPS 2017 (arXiv 1611.05424), section 3.2. Beside each joint's heat map a network gives a map of
tags. `tag_loss` pulls the tags of a person together and pushes those of different people apart;
`parse_people` finds the joints of a picture and groups them by their tags. The options are those of
the two released decoders, of the paper and of HigherHRNet (arXiv 1908.10357).

Places are *indices* of the map; after `adjust_joints`, continuous: the middle of the top-left pixel
at (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vitruvian.core.assignment import munkres_assignment
from vitruvian.core.errors import UnknownNameError

Floats = NDArray[np.floating[Any]]
TagKind = Literal["exp", "max"]

ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
"""COCO's joints as they are grouped: the trunk before the limbs."""


def tag_loss(
    tags: Float[Tensor, "batch pixels"],
    joints: Int[Tensor, "batch people joints 2"],
    kind: TagKind = "exp",
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """How far the tags of a person differ, and how close different people's means are (eq. 1).

    Args:
        tags: All tag maps of a picture, one after the other.
        joints: Place of each labelled joint's tag among them, and 1; or anything, and 0.
        kind: "exp" pushes means apart by exp(-d²), "max" by 1 - |d| where that is positive. The
            former pushes least where all tags are the same, as they soon are from random numbers;
            the latter as much as anywhere.

    Returns:
        push, 0 where there are less than two people; and pull, 0 where there is none.

    Raises:
        UnknownNameError: there is no such kind.
    """
    if kind not in get_args(TagKind):
        raise UnknownNameError("tag loss", kind, get_args(TagKind))
    places, labelled = joints[..., 0] * (joints[..., 1] > 0), (joints[..., 1] > 0).to(tags.dtype)
    values = tags.gather(1, places.flatten(1)).view(places.shape)
    number = labelled.sum(dim=-1)
    mean = (values * labelled).sum(dim=-1) / number.clamp(min=1)
    spread = ((values - mean[..., None]) ** 2 * labelled).sum(dim=-1) / number.clamp(min=1)
    present = (number > 0).to(tags.dtype)
    people = present.sum(dim=-1)
    pull = spread.sum(dim=-1) / people.clamp(min=1)
    apart = mean[:, :, None] - mean[:, None]
    closeness = torch.exp(-(apart**2)) if kind == "exp" else (1 - apart.abs()).clamp(min=0)
    total = (closeness * present[:, :, None] * present[:, None]).sum(dim=(1, 2)) - people
    return 0.5 * total / (people * (people - 1)).clamp(min=1), pull


@dataclass(frozen=True)
class Grouping:
    """How joints are found and grouped. The defaults are HigherHRNet's.

    Attributes:
        kernel: Side of the window in which a joint is the highest.
        limit: Joints of a kind, and people that can get further joints.
        score: What a joint's height must exceed.
        tag: What the distance of a joint's tag from its person's mean must stay below.
        distance: "norm" of the difference of tags, or its "root_mean" square (the paper's code).
        rounded: Whether joints are assigned by 100 times the rounded distance, less their height;
            else by the distance alone.
        closed: Whether joints of further kinds are left out once there are `limit` people.
    """

    kernel: int = 5
    limit: int = 30
    score: float = 0.1
    tag: float = 1.0
    distance: Literal["norm", "root_mean"] = "norm"
    rounded: bool = True
    closed: bool = False


def parse_people(
    heatmaps: Float[Tensor, "joints height width"],
    tags: Float[Tensor, "maps height width tags"],
    options: Grouping = Grouping(),
    *,
    refine: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The people of one picture.

    Args:
        heatmaps: Of the joints.
        tags: One map a joint, or a single one; several tags a pixel where several passes gave one.
        options: How.
        refine: Whether joints that were not found are looked for where their tag fits.

    Returns:
        (people, joints, 3 + tags): x, y in pixels of the map, height, tags; all 0 for a joint that
        was not found. Scores (people,): mean height of all joints before the refinement.
    """
    people = group_joints(*find_candidates(heatmaps, tags, options), options)
    return finish_people(people, heatmaps, tags, refine=refine)


def finish_people(
    people: Floats,
    heatmaps: Float[Tensor, "joints height width"],
    tags: Float[Tensor, "maps height width tags"],
    *,
    refine: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Grouped joints (people, joints, 3 + tags), as indices → what `parse_people` returns."""
    people = adjust_joints(people, heatmaps.cpu().numpy())
    if not len(people):
        return people, np.zeros(0, dtype=np.float32)
    mean = people[..., 2].mean(axis=1)
    if refine:
        people = refine_people(people, heatmaps.cpu().numpy(), tags.cpu().numpy())
    return people, mean


def find_candidates(
    heatmaps: Float[Tensor, "joints height width"],
    tags: Float[Tensor, "maps height width tags"],
    options: Grouping = Grouping(),
) -> tuple[Floats, Floats, Floats]:
    """The highest local maxima of each map.

    Returns:
        Places (joints, candidates, 2), heights (joints, candidates) and tags (joints, candidates,
        tags), the highest first.
    """
    joints, height, width = heatmaps.shape
    pooled = F.max_pool2d(heatmaps[None], options.kernel, 1, options.kernel // 2)[0]
    maxima = (heatmaps * (pooled == heatmaps)).flatten(1)
    scores, places = maxima.topk(min(options.limit, height * width), dim=1)
    flat = tags.flatten(1, 2).expand(joints, -1, -1)
    index = places[..., None].expand(-1, -1, flat.shape[-1])
    found = flat.gather(1, index)
    points = torch.stack([places % width, places // width], dim=-1)
    return points.cpu().numpy().astype(np.float64), scores.cpu().numpy(), found.cpu().numpy()


def group_joints(
    points: Floats, scores: Floats, tags: Floats, options: Grouping = Grouping()
) -> NDArray[np.float32]:
    """Give each candidate to the person whose mean tag is nearest, one kind of joint at a time.

    Args:
        points: (joints, candidates, 2).
        scores: (joints, candidates).
        tags: (joints, candidates, tags).
        options: How.

    Returns:
        (people, joints, 3 + tags), in the order in which the people came up.
    """
    number, _, size = tags.shape
    people: list[Floats] = []
    known: list[list[Floats]] = []
    rest = tuple(joint for joint in range(number) if joint not in ORDER)
    # A point besides the joints (HigherHRNet's "centre") is grouped first.
    for joint in (*rest, *(joint for joint in ORDER if joint < number)):
        chosen = scores[joint] > options.score
        rows = np.concatenate(
            [points[joint], scores[joint][:, None], tags[joint]], axis=1, dtype=np.float64
        )[chosen]
        if options.closed and len(people) >= options.limit:
            continue
        owners = _owners(rows, known[: options.limit], options)
        for row, owner in zip(rows, owners, strict=True):
            if owner < 0:
                people.append(np.zeros((number, 3 + size)))
                known.append([])
            people[owner][joint] = row
            known[owner].append(row[3:])
    return np.array(people, dtype=np.float32).reshape(-1, number, 3 + size)


def _owners(rows: Floats, known: list[list[Floats]], options: Grouping) -> list[int]:
    """The person of each candidate of one kind; -1: a new one."""
    if not len(rows) or not known:
        return [-1] * len(rows)
    means = np.array([np.mean(tags, axis=0) for tags in known])
    squares = (rows[:, None, 3:] - means) ** 2
    reduced = squares.sum(axis=2) if options.distance == "norm" else squares.mean(axis=2)
    distance = np.sqrt(reduced)
    cost = 100 * np.round(distance) - rows[:, 2:3] if options.rounded else distance
    # All people get a joint before any joint goes without.
    cost = np.pad(cost, ((0, 0), (0, max(len(rows) - len(known), 0))), constant_values=1e10)
    assigned = munkres_assignment(cost)
    return [
        owner if owner < len(known) and distance[row, owner] < options.tag else -1
        for row, owner in enumerate(assigned)
    ]


def adjust_joints(people: Floats, heatmaps: Floats) -> NDArray[np.float32]:
    """A quarter pixel towards the higher neighbour, always; and from indices to pixels.

    Args:
        people: (people, joints, 3 or more): x, y as indices, height. Those of height 0 stay.
        heatmaps: (joints, height, width).
    """
    adjusted = np.array(people, dtype=np.float32)
    for joint, points in enumerate(np.swapaxes(adjusted, 0, 1)):
        move = _quarter(points[:, :2].astype(int), heatmaps[joint])
        points[:, :2] += (move + 0.5) * (points[:, 2:3] > 0)
    return adjusted


def _quarter(cells: NDArray[Any], heatmap: Floats) -> Floats:
    """(points, 2): ±0.25 towards the higher neighbour of each cell; towards 0 where both are."""
    height, width = heatmap.shape
    x, y = cells.T
    right, left = heatmap[y, np.minimum(x + 1, width - 1)], heatmap[y, np.maximum(x - 1, 0)]
    below, above = heatmap[np.minimum(y + 1, height - 1), x], heatmap[np.maximum(y - 1, 0), x]
    return np.where(np.stack([right > left, below > above], axis=-1), 0.25, -0.25)


def refine_people(people: Floats, heatmaps: Floats, tags: Floats) -> NDArray[np.float32]:
    """Look for each missing joint where its map is high and the tag is near the person's mean.

    Args:
        people: (people, joints, 3 + tags), adjusted.
        heatmaps: (joints, height, width).
        tags: (maps, height, width, tags), as in `parse_people`.
    """
    refined = np.array(people, dtype=np.float32)
    joints, height, width = heatmaps.shape
    every = np.broadcast_to(tags, (joints, *tags.shape[1:]))
    for person in refined:
        found = person[:, 2] > 0
        if not found.any():
            continue
        x, y = person[found, :2].astype(int).T
        mean = every[np.flatnonzero(found), y, x].mean(axis=0)
        missing = np.flatnonzero(person[:, 2] == 0)
        # With a single map for all joints the distance is the same for all.
        sought = tags[missing] if len(tags) > 1 else tags
        distance = np.round(np.sqrt(((sought - mean) ** 2).sum(axis=-1)))
        fit = (heatmaps[missing] - distance).reshape(len(missing), height * width)
        for joint, place in zip(missing, fit.argmax(axis=1), strict=True):
            row, column = divmod(int(place), width)
            value = heatmaps[joint, row, column]
            if value > 0:
                move = _quarter(np.array([[column, row]]), heatmaps[joint])[0]
                person[joint, :3] = (column + 0.5 + move[0], row + 0.5 + move[1], value)
    return refined
