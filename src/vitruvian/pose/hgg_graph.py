"""Hierarchical graph grouping: joint candidates become people, layer by layer.

Jin, Liu, Xie, Wang, Qian, Ouyang, Luo: "Differentiable Hierarchical Graph Grouping for Multi-Person
Pose Estimation", ECCV 2020 (arXiv 2007.11864). No code was published. That candidates are the nodes
of a graph, that edges and merged (macro) nodes are each judged at every layer, and that all of it
is trained together with the detector is the paper's; sizes, features and thresholds here are ours.

Points are pixels of the network's picture, the middle of the top-left pixel at (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

RELATIONS = 4
"""Of two nodes: x, y and length of the way between them, and the difference of their tags."""
ACCEPTED = 0.5
"""Edges above it merge; macro nodes below it are taken apart again."""


@dataclass(frozen=True)
class Nodes:
    """The nodes of one picture's graph.

    Attributes:
        features: (nodes, width).
        kinds: (nodes, joints): which kinds of joints a node has.
        points: (nodes, 2): the mean place of its joints, weighed by their heights; as a share of
            the picture's longer side.
        scores: (nodes,): mean height of its joints.
        tags: (nodes,): mean tag.
        members: Of each node its joints, as places among the candidates.
    """

    features: Float[Tensor, "nodes width"]
    kinds: Bool[Tensor, "nodes joints"]
    points: Float[Tensor, "nodes 2"]
    scores: Float[Tensor, " nodes"]
    tags: Float[Tensor, " nodes"]
    members: Sequence[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.members)

    def facts(self) -> Float[Tensor, "nodes facts"]:
        """What is known of each node besides its features: joints + 4 numbers."""
        kinds = self.kinds.to(self.points.dtype)
        return torch.cat([kinds, self.points, self.scores[:, None], self.tags[:, None]], dim=1)


@dataclass(frozen=True)
class Judgement:
    """What one layer says.

    Attributes:
        nodes: The nodes it looked at.
        pairs: (pairs, 2): first < second, of nodes that have no kind of joint in common.
        edges: (pairs,): logit that both are of one person.
        merged: What became of them: each new node's nodes.
        macro: (len(merged),): logit that the joints of a new node are of one person.
    """

    nodes: Nodes
    pairs: Int[Tensor, "pairs 2"]
    edges: Float[Tensor, " pairs"]
    merged: Sequence[tuple[int, ...]]
    macro: Float[Tensor, " merged"]


class EdgeConvolution(nn.Module):
    """h_i ← max over neighbours j of φ(h_i, h_j - h_i, r_ij)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.message = nn.Sequential(
            nn.Linear(2 * width + RELATIONS, width),
            nn.LayerNorm(width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
        )

    def forward(
        self, nodes: Nodes, neighbours: Int[Tensor, "nodes near"]
    ) -> Float[Tensor, "nodes width"]:
        """The nodes' new features."""
        own = nodes.features[:, None].expand(-1, neighbours.shape[1], -1)
        other = pick(nodes.features, neighbours)
        near = relations(nodes, torch.arange(len(nodes), device=own.device)[:, None], neighbours)
        return self.message(torch.cat([own, other - own, near], dim=-1)).amax(dim=1)


class GraphLayer(nn.Module):
    """Messages, edges, a merge, and a judgement of what was merged.

    Args:
        joints: Kinds of joints.
        width: Of the nodes' features.
        near: Neighbours that a node hears.
    """

    def __init__(self, joints: int, width: int, near: int = 32) -> None:
        super().__init__()
        self.near = near
        self.messages = nn.ModuleList(EdgeConvolution(width) for _ in range(2))
        self.edge = nn.Sequential(
            nn.Linear(2 * width + RELATIONS, width), nn.ReLU(inplace=True), nn.Linear(width, 1)
        )
        self.join = encoder(width + joints + 4, width)
        self.macro = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, 1)
        )

    def forward(self, nodes: Nodes) -> tuple[Judgement, Nodes]:
        """What it says of the nodes, and the nodes of the next layer."""
        neighbours = nearest(nodes.points, self.near)
        for message in self.messages:
            nodes = replace(nodes, features=message(nodes, neighbours))
        pairs = free_pairs(nodes.kinds)
        first, second = pairs.unbind(dim=1)
        one, other = pick(nodes.features, first), pick(nodes.features, second)
        between = relations(nodes, first, second).abs()
        edges = self.edge(torch.cat([(one - other).abs(), one + other, between], dim=1))[:, 0]
        merged = merge(
            len(nodes),
            pairs.cpu().numpy(),
            edges.detach().float().sigmoid().cpu().numpy(),
        )
        macro = _encoded(self.join, join(nodes, merged))
        judged = self.macro(macro.features)[:, 0]
        judgement = Judgement(nodes, pairs, edges, merged, judged)
        return judgement, take_apart(nodes, macro, judgement)


class GraphGrouping(nn.Module):
    """The whole hierarchy.

    Args:
        joints: Kinds of joints.
        inputs: Channels of the feature map that candidates are read from.
        width: Of the nodes' features.
        layers: Of the hierarchy.
    """

    def __init__(self, joints: int, inputs: int, *, width: int = 128, layers: int = 3) -> None:
        super().__init__()
        self.joints = joints
        self.encode = encoder(inputs + joints + 4, width)
        self.layers = nn.ModuleList(GraphLayer(joints, width) for _ in range(layers))

    def forward(self, nodes: Nodes) -> tuple[list[Judgement], Nodes]:
        """What each layer says, and the nodes that are left: the people.

        It stops at the layer at which nothing is merged.
        """
        judgements: list[Judgement] = []
        if not len(nodes):
            return judgements, nodes
        nodes = _encoded(self.encode, nodes)
        for layer in self.layers:
            judgement, nodes = layer(nodes)
            judgements.append(judgement)
            if len(judgement.merged) == len(judgement.nodes):
                break
        return judgements, nodes


def encoder(inputs: int, width: int) -> nn.Sequential:
    """Two linear layers to a node's features."""
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.LayerNorm(width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width),
        nn.ReLU(inplace=True),
    )


def read_nodes(
    features: Float[Tensor, "channels height width"],
    points: Float[Tensor, "nodes 2"],
    kinds: Int[Tensor, " nodes"],
    scores: Float[Tensor, " nodes"],
    tags: Float[Tensor, " nodes"],
    size: tuple[int, int],
    joints: int,
) -> Nodes:
    """Candidates as nodes, with what the network's features are where they lie.

    Args:
        features: Of the picture.
        points: In pixels of it.
        kinds: Which joint each is.
        scores: Heights of the heat maps.
        tags: Of the first pass.
        size: Width and height of the picture.
        joints: How many kinds there are.
    """
    grid = points * 2 / points.new_tensor(size) - 1
    read = F.grid_sample(features[None], grid[None, None].to(features.dtype), align_corners=False)
    return Nodes(
        read[0, :, 0].T.float(),
        F.one_hot(kinds, joints) > 0,
        points / max(size),
        scores,
        tags,
        [(place,) for place in range(len(points))],
    )


def relations(
    nodes: Nodes, first: Int[Tensor, "*pairs"], second: Int[Tensor, "*pairs"]
) -> Float[Tensor, "*pairs 4"]:
    """From the first node to the second: x, y, length, and difference of tags."""
    way = pick(nodes.points, second) - pick(nodes.points, first)
    length = (way.square().sum(dim=-1) + 1e-12).sqrt()
    apart = pick(nodes.tags, second) - pick(nodes.tags, first)
    return torch.cat([way, length[..., None], apart[..., None]], dim=-1)


def pick(values: Float[Tensor, "nodes ..."], places: Int[Tensor, "*pairs"]) -> Tensor:
    """`values[places]`, with a gradient that takes a quarter of the time."""
    picked = values.index_select(0, places.flatten())
    return picked.view(*places.shape, *values.shape[1:])


def nearest(points: Float[Tensor, "nodes 2"], count: int) -> Int[Tensor, "nodes near"]:
    """The so many nodes that are nearest to each, itself among them."""
    distance = torch.cdist(points, points)
    return distance.topk(min(count, len(points)), dim=1, largest=False).indices


def free_pairs(kinds: Bool[Tensor, "nodes joints"]) -> Int[Tensor, "pairs 2"]:
    """Each pair of nodes without a kind of joint in common, once: a person has each joint once."""
    numbers = kinds.float()
    return ((numbers @ numbers.T) == 0).triu(diagonal=1).nonzero()


def merge(
    nodes: int, pairs: NDArray[np.int64], strengths: NDArray[np.floating]
) -> list[tuple[int, ...]]:
    """Unite the two groups of nodes between which the mean edge is strongest, again and again.

    Two groups stay apart where two of their nodes are no pair. One wrong edge does not unite two
    people, as it would if the strongest one between them decided.

    Args:
        nodes: How many there are.
        pairs: (pairs, 2): those without a kind of joint in common.
        strengths: (pairs,) in [0, 1]; groups with a mean of `ACCEPTED` or less stay apart. Of
            equal ones the first groups go first.

    Returns:
        The nodes of each group, in order of their first one; every node is in one.
    """
    groups = [[node] for node in range(nodes)]
    total, free = np.zeros((2, nodes, nodes))
    for one, other in (pairs.T, pairs.T[::-1]):
        total[one, other] = strengths
        free[one, other] = 1
    sizes, mean = np.ones(nodes), total * free
    while mean.size and mean.max() > ACCEPTED:
        first, second = (int(place) for place in divmod(mean.argmax(), nodes))
        groups[first] += groups[second]
        groups[second] = []
        sizes[first] += sizes[second]
        total[first] += total[second]
        free[first] *= free[second]
        total[:, first], free[:, second], free[second] = total[first], 0, 0
        free[:, first] = free[first]
        mean[first] = mean[:, first] = total[first] * free[first] / (sizes[first] * sizes)
        mean[second] = mean[:, second] = 0
    return [tuple(sorted(group)) for group in groups if group]


def join(nodes: Nodes, groups: Sequence[tuple[int, ...]]) -> Nodes:
    """A node for each group: the greatest features, all kinds, mean place and tag."""
    place, group = members_of(groups, nodes.points.device)
    count = len(groups)

    def total(values: Tensor) -> Tensor:
        return values.new_zeros((count, *values.shape[1:])).index_add(0, group, values[place])

    weights = nodes.scores.clamp(min=1e-6)[:, None]
    number = total(torch.ones_like(nodes.scores))
    width = nodes.features.shape[1]
    features = nodes.features.new_zeros((count, width))
    return Nodes(
        features.scatter_reduce(
            0,
            group[:, None].expand(-1, width),
            nodes.features[place],
            "amax",
            include_self=False,
        ),
        total(nodes.kinds.to(weights.dtype)) > 0,
        total(nodes.points * weights) / total(weights),
        total(nodes.scores) / number,
        total(nodes.tags) / number,
        [tuple(m for node in group for m in nodes.members[node]) for group in groups],
    )


def take_apart(nodes: Nodes, macro: Nodes, judgement: Judgement) -> Nodes:
    """The macro nodes that stand; in place of the others what they were merged from."""
    good = (judgement.macro.detach().sigmoid() >= ACCEPTED).tolist()
    kept: list[int] = []
    parts: list[int] = []
    for place, (group, yes) in enumerate(zip(judgement.merged, good, strict=True)):
        if yes or len(group) == 1:
            kept.append(place)
        else:
            parts += group
    return Nodes(
        torch.cat([macro.features[kept], nodes.features[parts]]),
        torch.cat([macro.kinds[kept], nodes.kinds[parts]]),
        torch.cat([macro.points[kept], nodes.points[parts]]),
        torch.cat([macro.scores[kept], nodes.scores[parts]]),
        torch.cat([macro.tags[kept], nodes.tags[parts]]),
        [*(macro.members[place] for place in kept), *(nodes.members[node] for node in parts)],
    )


def members_of(
    groups: Sequence[tuple[int, ...]], device: torch.device
) -> tuple[Int[Tensor, " members"], Int[Tensor, " members"]]:
    """Every group's members, one group after the other, and the group that each is in."""
    members = [member for group in groups for member in group]
    sizes = torch.tensor([len(group) for group in groups], device=device)
    numbers = torch.arange(len(groups), device=device)
    return torch.tensor(members, device=device), numbers.repeat_interleave(sizes)


def _encoded(network: nn.Module, nodes: Nodes) -> Nodes:
    """The nodes with features made of their own and of what is known of them."""
    return replace(nodes, features=network(torch.cat([nodes.features, nodes.facts()], dim=1)))
