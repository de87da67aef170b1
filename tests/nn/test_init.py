"""The initialisation of layers at which branches meet keeps variances; MSR's does not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitruvian.core.errors import UnknownNameError
from vitruvian.nn.init import init_multi_branch, multi_branch_variance

BRANCHES, WIDTH, DEPTH, PICTURES = 4, 128, 6, 256


class Branched(nn.Module):
    """Layers of four branches each: the next layer rectifies and reads their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(BRANCHES)) for _ in range(DEPTH)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What one branch of each layer gives."""
        seen = []
        for branches in self.layers:
            outputs = [branch(x) for branch in branches]
            seen.append(outputs[0])
            x = torch.stack(outputs).sum(dim=0).relu()
        return seen


def growth(branches_in: int) -> float:
    """Variance of a branch of the last layer over that of the second one."""
    torch.manual_seed(0)
    network = Branched()
    counts = {
        f"layers.{layer}.{branch}": (branches_in, 1)
        for layer in range(1, DEPTH)
        for branch in range(BRANCHES)
    }
    init_multi_branch(network, counts, direction="forward")
    with torch.no_grad():
        seen = network(torch.randn(PICTURES, WIDTH))
    return float(seen[-1].var() / seen[1].var())


def test_signals_keep_their_variance_where_branches_are_summed() -> None:
    steps = DEPTH - 2
    assert growth(BRANCHES) == pytest.approx(1, rel=0.4)
    assert growth(1) == pytest.approx(BRANCHES**steps, rel=0.4)  # MSR: fourfold a layer


def gradient_growth(branches_out: int) -> float:
    """Variance of the gradient at the first of the branched layers over that at the last one."""
    torch.manual_seed(0)
    network = Branched()
    counts = {
        f"layers.{layer}.{branch}": (1, branches_out)
        for layer in range(DEPTH)
        for branch in range(BRANCHES)
    }
    init_multi_branch(network, counts, direction="backward")
    x = torch.randn(PICTURES, WIDTH)
    sums = []
    for branches in network.layers:
        total = torch.stack([branch(x) for branch in branches]).sum(dim=0)
        total.retain_grad()
        sums.append(total)
        x = total.relu()
    (sums[-1] * torch.randn_like(sums[-1])).sum().backward()
    return float(sums[0].grad.var() / sums[-1].grad.var())


def test_gradients_keep_their_variance_where_branches_read() -> None:
    steps = DEPTH - 1
    assert gradient_growth(BRANCHES) == pytest.approx(1, rel=0.4)
    assert gradient_growth(1) == pytest.approx(BRANCHES**steps, rel=0.4)


@pytest.mark.parametrize(
    ("arguments", "variance"),
    [
        ({"slope": 1.0}, 2 / (288 + 576)),  # Xavier
        ({"direction": "forward"}, 2 / 288),  # MSR
        ({"direction": "backward"}, 2 / 576),
        ({"branches_in": 4, "direction": "forward"}, 1 / (0.5 * 4 * 288)),
        ({"branches_in": 4, "branches_out": 2}, 4 / (4 * 288 + 2 * 576)),  # the paper's, for ReLU
    ],
)
def test_the_rule(arguments, variance: float) -> None:
    assert multi_branch_variance(288, 576, **arguments) == pytest.approx(variance)


def test_weights_are_drawn_with_that_variance() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(32, 64, 3, groups=2), nn.ReLU(), nn.Linear(300, 200))
    init_multi_branch(network, {"0": (3, 2)})
    assert network[0].weight.var().item() == pytest.approx(4 / (3 * 16 * 9 + 2 * 32 * 9), rel=0.05)
    assert network[2].weight.var().item() == pytest.approx(4 / (300 + 200), rel=0.05)
    assert network[0].bias.abs().max() == network[2].bias.abs().max() == 0


def test_names_that_are_not_there_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="layer"):
        init_multi_branch(nn.Sequential(nn.Conv2d(3, 3, 1)), {"1": (2, 1)})
    with pytest.raises(UnknownNameError, match="direction"):
        multi_branch_variance(3, 3, direction="sideways")
