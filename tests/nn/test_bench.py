"""The benchmark of norms runs; what it measures on is told by the figures, not by a test."""

from __future__ import annotations

import torch

from vitruvian.nn.norms.bench import bench_norms


def test_norms_are_measured_beside_batch_norm():
    spreads, ratios = bench_norms(1, (2, 8, 4, 4))
    places = 3 * (1 + torch.cuda.is_available())
    assert len(spreads) == places
    assert all(spread.median > 0 for rows in spreads.values() for spread in rows.values())
    assert any(name.startswith("switchable / batch, forward and backward") for name in ratios)
