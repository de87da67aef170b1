"""MaskVAE: published size and names, edges, and what a latent is drawn from."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import one_hot

from vitruvian.core.published import load_published, to_published
from vitruvian.face.maskgan.mask_vae import MaskVAE, draw_latent

SMALL = {"encoder_width": 2, "decoder_width": 1, "latent": 3}


def test_it_has_the_published_size() -> None:
    with torch.device("meta"):
        network = MaskVAE()
    found = sum(each.numel() for each in network.parameters())
    assert found == 170_619_571


def test_published_names_and_back() -> None:
    network = MaskVAE(5, **SMALL)
    state = to_published(network)
    assert len(state) == len(network.state_dict()) == 99
    assert state["e7.weight"].shape == (128, 64, 4, 4)
    assert state["fc2.weight"].shape == (3, 2048)
    assert state["d2.weight"].shape == (32, 64, 3, 3)
    assert state["bn13.weight"].shape == (1,)
    load_published(MaskVAE(5, **SMALL), state)


def test_masks_in_and_out() -> None:
    torch.manual_seed(0)
    network = MaskVAE(5, **SMALL)
    mask = one_hot(torch.randint(0, 5, (2, 512, 512)), 5).movedim(-1, 1).float()
    logits, mean, log_variance = network(mask)
    assert logits.shape == mask.shape
    assert mean.shape == log_variance.shape == (2, 3)
    logits.mean().backward()
    assert network.log_variance.weight.grad.abs().sum() > 0  # through the sample


def test_edges_are_repeated() -> None:
    network = MaskVAE(5, **SMALL).eval()
    with torch.no_grad():
        for level in network.decoder:
            level[1].weight.fill_(1 / (9 * level[1].in_channels))
            level[1].bias.zero_()
            level[2].eps = 0.0
        network.last[1].weight.fill_(1 / 9)
        network.last[1].bias.copy_(torch.arange(5.0))
        network.expand.weight.zero_()
        network.expand.bias.fill_(2.0)
        logits = network.decode(torch.zeros(1, 3))
    # Means of a constant are that constant, up to the border, where zeros would lower it.
    expected = (2 + torch.arange(5.0))[:, None, None].expand(5, 512, 512)
    torch.testing.assert_close(logits[0], expected)


def test_a_latent_is_drawn_around_its_mean() -> None:
    torch.manual_seed(0)
    mean = torch.full((100_000, 1), 3.0)
    drawn = draw_latent(mean, torch.full_like(mean, 0.25).log())
    assert float(drawn.mean()) == pytest.approx(3, abs=0.01)
    assert float(drawn.std()) == pytest.approx(0.5, abs=0.01)
