"""The graph learns with its detector: on two pictures it comes to know whose joints are whose."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vitruvian.pose.crowd_data import Pictures
from vitruvian.pose.datasets.coco import CocoKeypoints, write_fake_coco
from vitruvian.pose.hgg import HierarchicalGraphGrouping

STEPS = 200
BAR = 0.9
"""Mean of the shares of right and of wrong edges that are known, 0.5 untrained. Whole people are
found in `tests/pose/test_hgg.py`, where the candidates are planted: a detector of plain
convolutions takes hours to find any."""


@pytest.mark.slow
def test_edges_are_learned(tmp_path):
    torch.manual_seed(0)
    people = CocoKeypoints("train", write_fake_coco(tmp_path, 2))
    pictures = Pictures(people, 64, strides=(4,), side="long")
    rows = [pictures[index] for index in range(2)]
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    small = {"stacks": 1, "widths": [16, 16, 16], "unused": 0, "size": 64, "features": 32}
    system = HierarchicalGraphGrouping(**small)
    system.grouping = replace(system.grouping, score=0.5)  # nearly only annotated joints
    optimizer = torch.optim.Adam(system.parameters(), lr=3e-3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.stack(list(system.losses(batch).values())).sum().backward()
        optimizer.step()
    found = [known_edges(system, batch, place) for place in range(2)]
    assert min(found) >= BAR, found


@torch.no_grad()
def known_edges(system, batch, place):
    """Of the first layer: mean of the shares of right and of wrong edges that it knows."""
    outputs, features = system.network.base.forward_features(system.normalised(batch["image"]))
    nodes, owners = system.labelled_nodes(
        system.read_stages(outputs)[-1], features[place], batch, place
    )
    first = system.network.graph(nodes)[0][0]
    same = owners[first.pairs]
    right = (same[:, 0] == same[:, 1]) & (same[:, 0] >= 0)
    said = first.edges > 0
    return float(said[right].float().mean() + (~said[~right]).float().mean()) / 2
