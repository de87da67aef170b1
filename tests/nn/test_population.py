"""What batch norm regularizes: the penalty's formulas against simulated noise, and the layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.nn.norms import (
    PopulationNorm1d,
    PopulationNorm2d,
    gamma_decay,
    parameter_groups,
    penalty_coefficients,
)
from vitruvian.nn.norms.population import SLOPES

DRAWS = {
    "gaussian": torch.randn,
    "uniform": lambda n: torch.rand(n) - 0.5,
    "laplace": lambda n: torch.distributions.Laplace(0.0, 1.0).sample((n,)),
}


def standard(kind: str, samples: int = 40_000) -> torch.Tensor:
    torch.manual_seed(0)
    z = DRAWS[kind](samples).double()
    return (z - z.mean()) / z.std(correction=0)


def zeta(z: torch.Tensor, size: float, activation: str = "identity", gamma: float = 1.0) -> float:
    weight, bias = torch.tensor([gamma]).double(), torch.zeros(1).double()
    return float(sum(penalty_coefficients(z[:, None], weight, bias, size, activation)))


@pytest.mark.parametrize(("kind", "kurtosis"), [("gaussian", 0), ("uniform", -1.2), ("laplace", 3)])
def test_identity_is_the_closed_form(kind, kurtosis):
    assert zeta(standard(kind), 32) == pytest.approx((kurtosis + 6) / (8 * 32), rel=0.05)


def test_relu_is_half_of_identity_for_symmetric_inputs():
    z = standard("gaussian")
    assert zeta(z, 64, "relu") == pytest.approx(3 / (8 * 64), rel=0.05)
    assert zeta(z, 64, "relu") == pytest.approx(zeta(z, 64) / 2, rel=0.02)
    slope = torch.sigmoid(0.7 * z)  # the paper's smooth ReLU: (ρ + 2)/(8M) I(γ) + mean(s)/(2M)
    kurtosis = (z**4).mean() - 3
    paper = (kurtosis + 2) / (8 * 64) * (slope * z**2).mean() + slope.mean() / 128
    assert zeta(z, 64, "softplus", 0.7) == pytest.approx(float(paper), rel=1e-6)


@pytest.mark.parametrize("name", sorted(SLOPES))
def test_slopes_are_derivatives(name):
    functions = {
        "identity": lambda h: h,
        "relu": torch.relu,
        "softplus": nn.functional.softplus,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
    }
    h = torch.linspace(-2, 2, 10, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(functions[name](h).sum(), h)
    torch.testing.assert_close(SLOPES[name](h), slope)


def noise(z: torch.Tensor, size: int, batches: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and deviations of batches."""
    rows = z[torch.randint(len(z), (batches, size))]
    return rows.mean(1), rows.std(1, correction=0)


def identity_gap(mean: torch.Tensor, deviation: torch.Tensor, gamma: float) -> float:
    """E ℓ(batch norm) − ℓ(PN), square loss against y = γ z, in closed form over the samples."""
    scale = 1 / deviation
    return float((gamma**2 * ((scale - 1) ** 2 + (mean * scale) ** 2)).mean() / 2)


# (E ℓ_BN − ℓ_PN)/(ζγ²), with statistics of an independent batch: the sheet of the theory.
MEASURED = {
    ("gaussian", 64): 1.08,
    ("gaussian", 128): 1.05,
    ("gaussian", 256): 1.03,
    ("uniform", 64): 1.08,
    ("uniform", 128): 1.02,
    ("laplace", 64): 1.09,
    ("laplace", 128): 1.05,
}


@pytest.mark.parametrize(("kind", "size"), MEASURED)
def test_the_penalty_is_what_the_noise_costs(kind, size):
    z = standard(kind)
    torch.manual_seed(size)
    gap = identity_gap(*noise(z, size), 0.8)
    ratio = gap / (zeta(z, size) * 0.8**2)
    assert ratio == pytest.approx(MEASURED[kind, size], abs=0.06)


def test_the_two_terms_apart():
    z = standard("gaussian")
    torch.manual_seed(0)
    mean, deviation = noise(z, 128)
    weight, bias = torch.ones(1).double(), torch.zeros(1).double()
    by_deviation, by_mean = penalty_coefficients(z[:, None], weight, bias, 128, "identity")
    ones, zeros = torch.ones_like(mean), torch.zeros_like(mean)
    assert identity_gap(zeros, deviation, 1) == pytest.approx(float(by_deviation), rel=0.1)
    assert identity_gap(mean, ones, 1) == pytest.approx(float(by_mean), rel=0.1)


def test_hard_relu_penalty_is_what_the_noise_costs():
    z = standard("gaussian", 20_000)
    teacher = torch.relu(0.9 * z + 0.4 * torch.randn_like(z))
    active = (z > 0).double()
    gamma = float((teacher * z).mean() / (active * z**2).mean())

    def loss(h: torch.Tensor) -> torch.Tensor:
        return (torch.relu(h) ** 2 / 2 - teacher * h).mean(-1)

    torch.manual_seed(1)
    mean, deviation = noise(z, 64, 2000)
    batches = zip(mean, deviation, strict=True)
    values = torch.stack([loss(gamma * (z - m) / s) for m, s in batches])
    gap = float(values.mean() - loss(gamma * z))
    assert gap == pytest.approx(zeta(z, 64, "relu", gamma) * gamma**2, rel=0.15)


@pytest.mark.parametrize("layer", [PopulationNorm2d(4), PopulationNorm1d(4)])
def test_the_first_batch_is_the_population(layer):
    torch.manual_seed(0)
    x = torch.randn(6, 4, 5, 5) if isinstance(layer, PopulationNorm2d) else torch.randn(6, 4)
    peer = nn.BatchNorm2d(4) if x.ndim == 4 else nn.BatchNorm1d(4)
    copies = [x.clone().requires_grad_() for _ in range(2)]
    ours, theirs = layer(copies[0]), peer(copies[1])
    torch.testing.assert_close(ours, theirs)
    cotangent = torch.randn_like(x)
    (ours * cotangent).sum().backward()
    (theirs * cotangent).sum().backward()
    torch.testing.assert_close(copies[0].grad, copies[1].grad)
    torch.testing.assert_close(layer.weight.grad, peer.weight.grad)


def test_no_gap_between_training_and_evaluation():
    torch.manual_seed(0)
    layer = PopulationNorm2d(3)
    for _ in range(300):
        layer(2 * torch.randn(2, 3, 4, 4) + 1)
    assert layer.running_mean.mean() == pytest.approx(1, abs=0.2)
    assert layer.running_var.mean() == pytest.approx(4, rel=0.15)  # of all, not within batches
    x = torch.randn(2, 3, 4, 4)
    y = layer(x)
    torch.testing.assert_close(layer.eval()(x), y)


def test_scale_of_the_weights_has_no_gradient():
    """The gradient of the scale of what comes in: as in batch norm it is (all but) zero."""
    torch.manual_seed(0)
    layer = PopulationNorm2d(3)
    scale = torch.ones((), requires_grad=True)
    for _ in range(20):
        layer(torch.randn(64, 3, 6, 6))
    x = torch.randn(64, 3, 6, 6)
    (layer(x * scale) * x).mean().backward()
    assert abs(float(scale.grad)) < 0.02


def test_the_batch_size_that_counts_is_measured():
    """Positions that are equal within a sample count once: M is N, not N·S."""
    torch.manual_seed(0)
    layer, independent = PopulationNorm2d(64), PopulationNorm2d(64)
    for _ in range(60):
        layer(torch.randn(8, 64, 1, 1).expand(8, 64, 4, 4))
        independent(torch.randn(8, 64, 4, 4))
    sizes = [(lay.running_var / lay.mean_spread).mean() for lay in (layer, independent)]
    assert float(sizes[0]) == pytest.approx(8, rel=0.35)
    assert float(sizes[1]) == pytest.approx(128, rel=0.35)
    assert layer.zeta.mean() > 8 * independent.zeta.mean()


def test_gamma_decay_of_a_network():
    torch.manual_seed(0)
    network = nn.Sequential(PopulationNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1), PopulationNorm2d(3))
    assert float(gamma_decay(network)) == 0  # before any pass
    network(torch.randn(4, 4, 6, 6))
    whole = gamma_decay(network)
    expected = sum(
        (layer.zeta * layer.weight.detach() ** 2).sum() for layer in (network[0], network[3])
    )
    assert float(whole.detach()) == pytest.approx(float(expected))
    assert float(gamma_decay(network, 8).detach()) == pytest.approx(float(whole.detach()) / 2)
    whole.backward()
    torch.testing.assert_close(network[0].weight.grad, 2 * network[0].zeta)
    assert network[2].weight.grad is None
    assert float(gamma_decay(nn.ReLU())) == 0
    groups = parameter_groups(network, lr=0.1, weight_decay=1e-4)
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(4, 1e-4), (2, 0)]


def test_bad_input():
    layer = PopulationNorm2d(3)
    with pytest.raises(InputError, match="larger batch"):
        layer(torch.randn(1, 3, 1, 1))
    with pytest.raises(InputError, match="give 4 axes"):
        layer(torch.randn(2, 4, 3, 3))
    with pytest.raises(InputError, match="not finite"):
        layer(torch.full((2, 3, 4, 4), float("nan")))
    with pytest.raises(UnknownNameError, match="relu"):
        PopulationNorm2d(3, activation="rleu")
    assert PopulationNorm2d(0)(torch.randn(2, 0, 4, 4)).shape == (2, 0, 4, 4)
    assert layer(torch.randn(0, 3, 4, 4)).shape == (0, 3, 4, 4)
    assert layer(torch.randn(1, 3, 4, 4)).isfinite().all()
    assert layer(torch.randn(2, 3, 1, 1)).isfinite().all()
    half = layer(torch.randn(2, 3, 4, 4).half())
    assert half.dtype == torch.float16
    assert half.isfinite().all()
