"""What batch norm regularizes (Luo et al., ICLR 2019, arXiv 1809.00846): PN + gamma decay.

Batch norm in training is normalization by population statistics (PN) plus a penalty on γ, from the
noise that a batch of M samples puts into its mean and deviation:

    E ℓ(batch norm) ≈ ℓ(PN) + ζ γ²,  ζ = (ρ + 2)/(8M) · mean(g′ z²) + 1/(2M) · mean(g′)

with z the input standardized by the population, ρ its excess kurtosis and g the activation. The
first term is the noise of the deviation, the second that of the mean.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.nn.norms.mixing import at_least_float32, batch_statistics, check_finite

SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": torch.ones_like,
    "relu": lambda h: (h > 0).to(h.dtype),
    "softplus": torch.sigmoid,  # the smooth ReLU of the paper's own formula
    "sigmoid": lambda h: h.sigmoid() * (1 - h.sigmoid()),
    "tanh": lambda h: 1 - h.tanh().square(),
}
"""g′ by the activation's name."""

SAMPLES = 4096  # values a channel that ζ is estimated from, in training


def penalty_coefficients(
    z: Float[Tensor, "samples channels *spatial"],
    weight: Float[Tensor, " channels"],
    bias: Float[Tensor, " channels"],
    size: float | Tensor,
    activation: str = "relu",
) -> tuple[Tensor, Tensor]:
    """The two terms of ζ, (channels,) each: from the deviation's noise, and from the mean's.

    Identity: (ρ + 2)/(8M) and 1/(2M). ReLU: the active share stands in both; for β = 0 and
    symmetric z that is half of identity's. "softplus": the paper's ReLU formula, sigmoid(h) for the
    slope and mean(slope · z²) for the Fisher information of γ. γ² ζ is for a loss that is averaged
    over samples.

    Args:
        z: Inputs standardized by the population's statistics.
        weight: γ.
        bias: β.
        size: M, the values that batch statistics are taken over.
        activation: A key of `SLOPES`.
    """
    if activation not in SLOPES:
        raise UnknownNameError("activation", activation, SLOPES)
    z = z.flatten(2) if z.ndim > 2 else z[..., None]
    slope = SLOPES[activation](torch.addcmul(bias[:, None], z, weight[:, None]))
    squares = z.square()
    power = squares.mean((0, 2)).square().clamp_min(1e-12)
    kurtosis = squares.square().mean((0, 2)) / power - 3
    deviation = (kurtosis + 2) / 8 * (slope * squares).mean((0, 2))
    return deviation / size, slope.mean((0, 2)) / 2 / size


class PopulationNorm(nn.Module):
    """Normalizes by the population's statistics in training, too; gradients as in batch norm.

    The values are those of running averages that include the present batch. The gradient flows
    through the batch's own statistics: with constants there, w would lose its invariance to scale
    and training can diverge (the same device as in batch renormalization, without its bounds).

    After each training pass `zeta` holds ζ of every channel for batches of this size, without
    gradient; `gamma_decay` adds it up over a network. M is measured: σ_P²/Var(μ_B), since positions
    of one picture are correlated.

    Args:
        num_features: Channels.
        eps: ε.
        momentum: Share of the *new* batch in the running values, as in PyTorch's batch norm; the
            first batches are averaged evenly.
        activation: What follows the layer, a key of `SLOPES`.
    """

    dims: tuple[int, ...] = (4,)

    running_mean: Tensor
    running_var: Tensor
    mean_spread: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if activation not in SLOPES:
            raise UnknownNameError("activation", activation, SLOPES)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.activation = activation
        self.zeta: Tensor | None = None
        self.batch_size = 0  # of the last training pass
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("mean_spread", torch.zeros(num_features))  # Var(μ_B)
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Float[Tensor, "batch channels *spatial"]) -> Tensor:
        """The same shape and type.

        Raises:
            InputError: another shape, one value a channel in training, or values not finite.
        """
        if x.ndim not in self.dims or x.shape[1] != self.num_features:
            raise InputError(
                f"{type(self).__name__} with {self.num_features} channels cannot normalize an "
                f"input of shape {tuple(x.shape)}: give {self.dims[0]} axes, channels second."
            )
        shape = (1, -1, *(1,) * (x.ndim - 2))
        if not x.numel():
            return x * self.weight.view(shape).to(x.dtype)
        wide = at_least_float32(x)
        weight, bias = self.weight.to(wide.dtype), self.bias.to(wide.dtype)
        if not self.training:
            deviation = (self.running_var.to(wide.dtype) + self.eps).sqrt()
            scale = weight / deviation
            shift = bias - self.running_mean.to(wide.dtype) * scale
            return torch.addcmul(shift.view(shape), wide, scale.view(shape)).to(x.dtype)
        if x.numel() == x.shape[1]:
            raise InputError(
                f"{type(self).__name__} got one value a channel: training needs a larger batch."
            )
        with torch.no_grad():
            mean, variance = batch_statistics(wide)
            check_finite(mean, variance, type(self).__name__)
            self._track(mean, variance)
            deviation = (self.running_var.to(wide.dtype) + self.eps).sqrt()
            ratio = (variance + self.eps).sqrt() / deviation
            offset = (mean - self.running_mean.to(wide.dtype)) / deviation
            self.zeta = self._zeta(wide, deviation, weight, bias)
            self.batch_size = len(x)
        # Batch norm whose γ and β undo the batch's statistics and apply the population's.
        scale, shift = weight * ratio, weight * offset + bias
        y = F.batch_norm(wide, None, None, scale, shift, training=True, eps=self.eps)
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        """What distinguishes the layer in a printed network."""
        return f"{self.num_features}, eps={self.eps}, activation={self.activation}"

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked += 1
        share = torch.clamp(1 / self.num_batches_tracked, min=self.momentum)
        away = mean - self.running_mean
        spread = share * away.square()
        spread = torch.where(self.num_batches_tracked == 1, 0.0, spread)
        first = self.num_batches_tracked == 1
        old = torch.where(first, 0.0, self.running_var)  # before any batch there is no variance
        finite = mean.isfinite() & variance.isfinite()
        for buffer, value in (
            (self.running_mean, self.running_mean + share * away),
            (self.running_var, (1 - share) * (old + spread) + share * variance),
            (self.mean_spread, (1 - share) * (self.mean_spread + spread)),
        ):
            buffer.copy_(torch.where(finite, value.to(buffer.dtype), buffer))

    def _zeta(self, x: Tensor, deviation: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        measured = self.running_var / self.mean_spread.clamp_min(1e-12)
        size = measured.clamp(len(x), x.numel() // x.shape[1])
        x = x.flatten(2) if x.ndim > 2 else x[..., None]
        step = max(1, len(x) * x.shape[2] // SAMPLES)
        x = x[:, :, ::step] if step < x.shape[2] else x
        z = (x - self.running_mean[:, None]) / deviation[:, None]
        return torch.stack(penalty_coefficients(z, weight, bias, size, self.activation)).sum(0)


class PopulationNorm1d(PopulationNorm):
    """(batch, channels) or (batch, channels, length)."""

    dims = (2, 3)


class PopulationNorm2d(PopulationNorm):
    """(batch, channels, height, width)."""


class PopulationNorm3d(PopulationNorm):
    """(batch, channels, depth, height, width)."""

    dims = (5,)


def gamma_decay(model: nn.Module, batch_size: int | None = None) -> Tensor:
    """Σ ζ γ² over the channels of a network's population norms: add it to the loss.

    ζ is that of the last training pass and carries no gradient. Keep γ out of weight decay
    (`parameter_groups`).

    Args:
        model: Any network; without population norms the sum is 0.
        batch_size: Samples of the batch norm that is imitated; those of the pass where left out.
    """
    total = torch.zeros(())
    for module in model.modules():
        if isinstance(module, PopulationNorm) and module.zeta is not None:
            zeta = module.zeta * (module.batch_size / (batch_size or module.batch_size))
            total = total.to(zeta.device) + (zeta * module.weight.square()).sum()
    return total
