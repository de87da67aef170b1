"""PyraNet, DeepPose and the heat-map cascade begin to learn: errors fall within a few steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitruvian.pose.data import TopDownCrops
from vitruvian.pose.datasets.lsp import Lsp, write_fake_lsp
from vitruvian.pose.deeppose import DeepPose
from vitruvian.pose.heatmap_cascade import CascadedHeatmaps
from vitruvian.pose.pyranet import PyramidNetwork

SYSTEMS = {
    "pyranet": (
        PyramidNetwork,
        {"stacks": 1, "features": 32, "decoder": "dark"},
        {"rate": 3e-3, "steps": 100, "bar": 8.0},
    ),
    "deeppose": (
        DeepPose,
        {"stages": 2, "resolution": 67, "hidden": 256, "norm": "batch"},
        {"rate": 1e-3, "steps": 30, "bar": 6.0},
    ),
    "heatmap_cascade": (
        CascadedHeatmaps,
        {"features": 16, "radius": 4, "norm": "batch"},
        {"rate": 3e-3, "steps": 60, "bar": 12.0},
    ),
}
"""System, options, and the mean error in pixels after so many steps; saying the middle of the crop
for every joint errs by 14.7."""


@pytest.mark.parametrize("name", SYSTEMS)
def test_errors_fall(name, tmp_path):
    torch.manual_seed(0)
    kind, options, plan = SYSTEMS[name]
    people = Lsp("train", write_fake_lsp(tmp_path, 11))
    people.people = people.people[:4]
    crops = TopDownCrops(people, (64, 64), encoding="unbiased")
    rows = [crops[index] for index in range(len(crops))]
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    system = kind("lsp14", width=64, height=64, channels="rgb", flip_test=False, **options)
    optimizer = torch.optim.Adam(system.parameters(), lr=plan["rate"])
    for _ in range(plan["steps"]):
        loss = torch.stack(list(system.losses(batch).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        points, _ = system.eval().read(batch["image"])
    truth = batch["keypoints"].numpy()
    assert np.linalg.norm(truth - 32, axis=-1).mean() == pytest.approx(14.7, abs=0.1)
    assert np.linalg.norm(points - truth, axis=-1).mean() < plan["bar"]
