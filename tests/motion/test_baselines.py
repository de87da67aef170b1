"""The peers: rules worked out by hand, networks that keep scenes apart and learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vitruvian.motion.baselines import (
    SocialLstm,
    SocialLstmNetwork,
    VarietyLstm,
    constant_velocity,
    gaussian_loss,
    straight_line,
)


def test_constant_velocity_goes_on_as_in_the_last_step():
    past = torch.tensor([[[0.0, 0], [5, 5], [6, 5.5]]])
    assert constant_velocity(past, 2).tolist() == [[[[1, 0.5], [2, 1]]]]


def test_a_straight_line_fits_everything_seen():
    past = torch.tensor([[[0.0, 0], [1, 2], [2, 0]]])  # y: mean 2/3, slope 0
    found = straight_line(past, 2)
    assert found.flatten().tolist() == pytest.approx([1, 2 / 3, 2, 2 / 3])
    walk = torch.arange(8.0)[None, :, None] * torch.tensor([0.3, -0.1])
    assert torch.allclose(straight_line(walk), constant_velocity(walk), atol=1e-5)


def test_others_are_summed_in_the_cell_where_they_are():
    network = SocialLstmNetwork(hidden=2, cells=2, reach=4.0)
    places = torch.tensor([[0.0, 0], [1, 1], [1, 1.5], [-1, 0.5], [3, 0], [1, 1]])
    scene = torch.tensor([0, 0, 0, 0, 0, 1])
    hidden = torch.arange(12.0).view(6, 2)
    grid = network.grid(places, scene, hidden)[0].view(2, 2, 2)  # row, column, hidden
    assert grid[1, 1].tolist() == (hidden[1] + hidden[2]).tolist()
    assert grid[1, 0].tolist() == hidden[3].tolist()
    assert not grid[0].any()


def test_the_likelihood_is_that_of_a_gaussian():
    from scipy.stats import multivariate_normal

    values = torch.tensor([[[0.1, -0.2, math.log(0.5), math.log(2.0), 0.3]]])
    correlation = 0.95 * math.tanh(0.3)
    covariance = np.array([[0.25, correlation], [correlation, 4.0]])
    expected = -multivariate_normal([0.1, -0.2], covariance).logpdf([0.7, 1.0])
    assert gaussian_loss(values, torch.tensor([[[0.7, 1.0]]])).item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", [SocialLstm, VarietyLstm])
def test_networks_keep_scenes_apart_and_learn(kind):
    torch.manual_seed(0)
    system = kind(hidden=16, samples=4)
    speed = torch.randn(6, 1, 2) * 0.5
    track = speed * torch.arange(20.0)[None, :, None] + 3 * torch.randn(6, 1, 2)
    batch = {
        "past": track[:, :8],
        "future": track[:, 8:],
        "scene": torch.tensor([0, 0, 0, 1, 1, 1]),
        "index": torch.arange(2),
    }
    optimizer = torch.optim.Adam(system.parameters(), 0.02)
    losses = []
    for _ in range(40):
        loss = torch.stack([*system.losses(batch).values()]).sum()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 0.5 * abs(losses[0])
    with torch.inference_mode():
        both = system.futures_of(batch["past"], batch["scene"], 1)
        alone = system.futures_of(batch["past"][:3], batch["scene"][:3], 1)
    assert both.shape == (6, 1, 12, 2)
    assert torch.allclose(both[:3], alone, atol=1e-5)
