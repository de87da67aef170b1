"""Hierarchical graph grouping: merges and labels by hand, planted people, pictures end to end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import vitruvian
from vitruvian.core.errors import UnknownNameError
from vitruvian.core.published import save_published
from vitruvian.core.skeletons import COCO17
from vitruvian.pose.ae_hourglass import AEHourglass
from vitruvian.pose.crowd_data import Pictures
from vitruvian.pose.datasets.coco import CocoKeypoints, write_fake_coco
from vitruvian.pose.hgg import HierarchicalGraphGrouping
from vitruvian.pose.hgg_graph import (
    GraphGrouping,
    Judgement,
    Nodes,
    free_pairs,
    join,
    merge,
    read_nodes,
    take_apart,
)
from vitruvian.pose.hgg_losses import balanced, graph_losses, match_candidates

SMALL = {"stacks": 1, "widths": [8, 8, 8], "unused": 0, "size": 64}


def planted(people: int, seed: int = 0, joints: int = 17) -> tuple[Nodes, torch.Tensor]:
    """Everyone's joints in a random order, each person with a tag and features of its own."""
    random = torch.Generator().manual_seed(seed)
    owner = torch.arange(people).repeat_interleave(joints)
    kind = torch.arange(joints).repeat(people)
    order = torch.randperm(len(owner), generator=random)
    owner, kind = owner[order], kind[order]
    own = torch.randn(people, 8, generator=random)[owner]
    points = torch.rand(len(owner), 2, generator=random) * 0.2 + owner[:, None] / people
    nodes = Nodes(
        own + 0.1 * torch.randn(own.shape, generator=random),
        torch.nn.functional.one_hot(kind, joints) > 0,
        points,
        torch.rand(len(owner), generator=random) * 0.5 + 0.5,
        owner * 2.0,
        [(place,) for place in range(len(owner))],
    )
    return nodes, owner


def test_the_strongest_mean_edges_merge_and_no_person_gets_a_joint_twice() -> None:
    # The second and the third node are of one kind.
    pairs = np.array([[0, 1], [0, 2], [0, 3], [1, 3], [2, 3]])
    assert merge(4, pairs, np.array([0.6, 0.9, 0.2, 0.8, 0.3])) == [(0, 2), (1, 3)]
    assert merge(4, pairs, np.array([0.6, 0.9, 0.7, 0.8, 0.3])) == [(0, 2), (1, 3)]
    assert merge(4, pairs, np.array([0.9, 0.9, 0.7, 0.1, 0.3])) == [(0, 1), (2,), (3,)]
    assert merge(4, pairs, np.array([0.9, 0.9, 0.8, 0.4, 0.3])) == [(0, 1, 3), (2,)]
    assert merge(4, pairs, np.full(5, 0.5)) == [(0,), (1,), (2,), (3,)]
    assert merge(0, pairs[:0], np.zeros(0)) == []


def test_pairs_are_of_different_kinds() -> None:
    kinds = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 1], [0, 1, 0]]) > 0
    assert free_pairs(kinds).tolist() == [[0, 1], [0, 2], [0, 3], [2, 3]]


def test_a_macro_node_is_the_mean_of_its_nodes() -> None:
    nodes, _ = planted(1, joints=3)
    nodes = replace(
        nodes,
        features=torch.tensor([[1.0, 5.0], [3.0, 2.0], [0.0, 0.0]]),
        points=torch.tensor([[0.0, 0.0], [1.0, 0.5], [0.3, 0.3]]),
        scores=torch.tensor([0.25, 0.75, 0.5]),
        tags=torch.tensor([1.0, 2.0, 7.0]),
    )
    macro = join(nodes, [(0, 1), (2,)])
    assert macro.features.tolist() == [[3, 5], [0, 0]]
    assert macro.points[0].tolist() == [0.75, 0.375]
    assert macro.tags.tolist() == [1.5, 7]
    assert macro.kinds.sum(dim=1).tolist() == [2, 1]
    assert macro.members == [(0, 1), (2,)]
    judged = Judgement(
        nodes, free_pairs(nodes.kinds), torch.zeros(3), [(0, 1), (2,)], torch.tensor([-1.0, -1.0])
    )
    assert take_apart(nodes, macro, judged).members == [(2,), (0,), (1,)]
    stands = replace(judged, macro=torch.tensor([0.1, -1.0]))
    assert take_apart(nodes, macro, stands).members == [(0, 1), (2,)]


def test_both_labels_weigh_the_same() -> None:
    logits = torch.tensor([0.0, 0.0, 0.0, 100.0])
    labels = torch.tensor([True, True, True, False])
    assert balanced(logits, labels).item() == pytest.approx(0.5 * np.log(2) + 50)
    assert balanced(logits[:3], labels[:3]).item() == pytest.approx(0.5 * np.log(2))
    assert balanced(logits[:0], labels[:0]).item() == 0


def test_edges_and_macro_nodes_are_labelled_by_hand() -> None:
    nodes, _ = planted(1, joints=3)
    pairs = torch.tensor([[0, 1], [0, 2], [1, 2]])
    edges, macro = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, -1.0])
    judged = Judgement(nodes, pairs, edges, [(0, 1), (2,)], macro)
    softplus = torch.nn.functional.softplus
    losses = graph_losses([judged], torch.tensor([4, 4, -1]))
    expected = 0.5 * (softplus(-edges[0]) + softplus(edges[1:]).mean())
    assert losses["edges"].item() == pytest.approx(expected.item())
    expected = 0.5 * (softplus(-macro[0]) + softplus(macro[1]))
    assert losses["macro"].item() == pytest.approx(expected.item())
    losses = graph_losses([judged], torch.tensor([4, -1, 5]))  # a joint and nobody's; another's
    assert losses["macro"].item() == pytest.approx(0.5 * softplus(-macro).mean().item())
    losses = graph_losses([judged], torch.tensor([4, 5, -1]))  # two people's
    assert losses["macro"].item() == pytest.approx(0.5 * softplus(macro).mean().item())
    lone = graph_losses([judged], torch.tensor([-1, -1, -1]))["edges"]
    assert lone.item() == pytest.approx(0.5 * softplus(edges).mean().item())


def test_a_candidate_stands_for_the_nearest_joint_of_its_kind() -> None:
    people = np.array([[[10, 10], [20, 30]], [[40, 10], [50, 30]]], dtype=float)
    labelled = np.array([[True, True], [True, False]])
    points = np.array([[10.2, 10], [12, 10], [40, 10], [50, 30], [20, 30]])
    owners = match_candidates(points, np.array([0, 0, 0, 1, 1]), people, labelled, (0.05, 0.05))
    assert owners.tolist() == [0, -1, 1, -1, 0]
    owners = match_candidates(points[:0], np.zeros(0, int), people, labelled, (0.05, 0.05))
    assert owners.shape == (0,)
    tiny = people[:1] / 10  # of whom a cell is more than a joint may be off
    owners = match_candidates(tiny[0] + [1, 0], np.arange(2), tiny, labelled[:1], (0.05, 0.05))
    assert owners.tolist() == [0, 0]


def test_features_are_read_where_the_joint_lies() -> None:
    features = torch.arange(16.0).view(1, 4, 4)
    points = torch.tensor([[2.0, 2.0], [16.0, 2.0], [8.0, 8.0]])  # of 16×16 pixels
    nodes = read_nodes(
        features, points, torch.tensor([0, 1, 1]), torch.ones(3), torch.zeros(3), (16, 16), 2
    )
    assert nodes.features[0].item() == 0
    assert nodes.features[2].item() == pytest.approx(7.5)
    assert nodes.points[1].tolist() == [1, 0.125]


def test_the_order_of_nodes_does_not_matter() -> None:
    torch.manual_seed(0)
    nodes, _ = planted(2, joints=5)
    graph = GraphGrouping(5, 8, width=8).eval()
    order = torch.randperm(len(nodes))
    turned = Nodes(
        *(getattr(nodes, n)[order] for n in ("features", "kinds", "points", "scores", "tags")),
        members=nodes.members,
    )
    first, second = graph.layers[0](nodes)[0], graph.layers[0](turned)[0]
    edges = torch.zeros(2, len(nodes), len(nodes))
    for place, judged in enumerate((first, second)):
        a, b = judged.pairs.unbind(dim=1)
        edges[place, a, b] = edges[place, b, a] = judged.edges.detach()
    assert torch.allclose(edges[0][order][:, order], edges[1], atol=1e-5)


def test_planted_people_are_recovered() -> None:
    torch.manual_seed(0)
    graph = GraphGrouping(6, 8, width=24)
    optimizer = torch.optim.Adam(graph.parameters(), lr=3e-3)
    for step in range(60):
        nodes, owners = planted(2 + step % 3, seed=step, joints=6)
        losses = graph_losses(graph(nodes)[0], owners)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
    for seed in (1000, 1001, 1002):
        nodes, owners = planted(3, seed=seed, joints=6)
        _, found = graph.eval()(nodes)
        groups = {frozenset(members) for members in found.members}
        truth = {frozenset((owners == person).nonzero()[:, 0].tolist()) for person in range(3)}
        assert groups == truth


def test_no_node_and_one_node() -> None:
    graph = GraphGrouping(5, 8, width=16)
    nodes, _ = planted(1, joints=5)
    for count in (0, 1):
        few = Nodes(
            *(getattr(nodes, n)[:count] for n in ("features", "kinds", "points", "scores", "tags")),
            members=nodes.members[:count],
        )
        judgements, left = graph(few)
        assert len(left) == count
        assert graph_losses(judgements, torch.zeros(count, dtype=torch.long)).keys() <= {
            "edges",
            "macro",
        }


def test_losses_reach_graph_and_detector(tmp_path) -> None:
    torch.manual_seed(0)
    pictures = Pictures(
        CocoKeypoints("train", write_fake_coco(tmp_path, 2)), 64, strides=(4,), side="long"
    )
    rows = [pictures[index] for index in range(2)]
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    system = HierarchicalGraphGrouping(**SMALL)
    losses = system.losses(batch)
    assert set(losses) == {"heatmaps", "push", "pull", "edges", "macro"}
    (losses["edges"] + losses["macro"]).backward()
    assert system.network.base.stem[0].conv.weight.grad.abs().max() > 0
    assert system.network.graph.layers[0].edge[0].weight.grad.abs().max() > 0
    batch = {**batch, "places4": torch.zeros_like(batch["places4"])}  # nobody is annotated
    assert all(torch.isfinite(value) for value in system.losses(batch).values())


def test_a_system_reads_any_picture_and_comes_back(tmp_path) -> None:
    torch.manual_seed(0)
    system = HierarchicalGraphGrouping(**SMALL).eval()
    torch.nn.init.normal_(system.network.base.outs[0].weight)
    for layer in system.network.graph.layers:  # merges whatever may be merged
        layer.edge[2].bias.data.fill_(5)
        layer.macro[2].bias.data.fill_(5)
    random = np.random.default_rng(0)
    sizes = ((90, 70, 3), (1, 300, 3), (64, 64, 3))
    images = [random.integers(0, 255, size, dtype=np.uint8) for size in sizes]
    frames = system.predict(images)
    assert [(frame.height, frame.width) for frame in frames] == [(90, 70), (1, 300), (64, 64)]
    assert any(len(frame.people) for frame in frames)
    system.save(tmp_path / "w.safetensors")
    loaded = vitruvian.load("hgg", tmp_path / "w.safetensors", device="cpu")
    for one, other in zip(frames, loaded.predict(images), strict=True):
        assert len(one.people) == len(other.people)
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.pose.joints, b.pose.joints)
    loaded.group_by = "tags"
    plain = loaded.predict(images)
    assert any(
        len(one.people) != len(other.people) for one, other in zip(frames, plain, strict=True)
    )


def test_an_associative_embedding_is_a_backbone(tmp_path) -> None:
    torch.manual_seed(0)
    base = AEHourglass(34, stacks=1, widths=(8, 8, 8))
    save_published(base, tmp_path / "ae.safetensors")
    system = HierarchicalGraphGrouping(backbone=str(tmp_path / "ae.safetensors"), **SMALL)
    system.load_backbone()
    assert torch.equal(system.network.base.outs[0].weight, base.outs[0].weight)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="grouping"):
        HierarchicalGraphGrouping(group_by="names", **SMALL)
    assert len(COCO17) == HierarchicalGraphGrouping(**SMALL).network.graph.joints
