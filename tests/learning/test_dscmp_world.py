"""On simulated crowds the scene's map is worth something: a lower error at the end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitruvian.motion.data import TrackWindows
from vitruvian.motion.datasets.world import WorldCrowds
from vitruvian.motion.dscmp import Dscmp
from vitruvian.motion.metrics import mean_scores, score_window

BAR = 0.95  # of the error without the map
EPOCHS, BATCH, RATE = 8, 32, 2e-3


def trained(layouts):
    torch.manual_seed(0)
    windows = WorldCrowds("train", count=60).windows
    data = TrackWindows(windows, layouts=layouts, augment=True, most=16)
    system = Dscmp(classes=3, latent=4)
    optimizer = torch.optim.AdamW(system.parameters(), RATE, weight_decay=1e-4)
    batches = len(windows) // BATCH
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * batches)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(windows))[: batches * BATCH].view(batches, BATCH)
        for places in order.tolist():
            batch = data.__getitems__([(place, epoch) for place in places])
            loss = torch.stack([*system.losses(batch).values()]).sum()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(system.parameters(), 1.5)
            optimizer.step()
            slower.step()
    return system.eval()


@torch.inference_mode()
def final_error(system, layouts):
    data = TrackWindows(WorldCrowds("val", count=16).windows, layouts=layouts)
    scores = []
    for place in range(len(data)):
        batch = data[place]
        past = batch["past"]
        found = system.futures_of(past, batch["scene"], 20, batch.get("patches"))
        futures = (past[:, None, -1:] + found).numpy()
        scores.append(score_window(futures, batch["future"].numpy(), collisions=False))
    return mean_scores(scores)["fde_scene"]


@pytest.mark.slow
def test_the_map_lowers_the_final_error_by_five_per_cent():
    with_map, without = (final_error(trained(layouts), layouts) for layouts in (True, False))
    assert np.isfinite(with_map)
    assert with_map <= BAR * without, (with_map, without)
