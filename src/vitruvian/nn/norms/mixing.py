"""Instance, layer and batch statistics from one pass, their mix, and its gradient by hand.

The arithmetic under switchable normalization (arXiv 1806.10779, section 2): every statistic follows
from the mean and the variance of each sample's channel, so forward and backward read the pictures
as often as batch norm does.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from vitruvian.core.errors import InputError

Statistics = tuple[Tensor, Tensor]  # mean, variance
CACHED = 1 << 18  # values that stay in a core's cache between two operations


def mixed_norm(
    x: Float[Tensor, "batch channels positions"],
    weight: Float[Tensor, " channels"],
    bias: Float[Tensor, " channels"],
    mean_ratios: Float[Tensor, " kinds"],
    variance_ratios: Float[Tensor, " kinds"],
    *,
    eps: float,
    running: Statistics | None = None,
    group: dist.ProcessGroup | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """γ (x − Σ w μ) / √(Σ w′ σ² + ε) + β over instance, layer and batch statistics, in this order.

    The instance variance has the divisor S − 1 (1 where S = 1); the layer's and the batch's follow
    from it. Statistics are taken in float32 at least, whatever x is.

    Args:
        x: S = positions of every sample's channel.
        weight: γ.
        bias: β.
        mean_ratios: w, of instance, layer and batch.
        variance_ratios: w′.
        eps: ε.
        running: Batch statistics (channels,) to use in place of this batch's; they get no gradient.
        group: Processes whose batches count as one. Batches may differ in size, even be empty.

    Returns:
        y in the type of x, and the batch's mean and variance (channels,), without gradient.
    """
    if group is None and torch.compiler.is_compiling():
        return plain_mixed_norm(
            x, weight, bias, mean_ratios, variance_ratios, eps=eps, running=running
        )
    mean, variance = running if running is not None else (None, None)
    return _MixedNorm.apply(
        x, weight, bias, mean_ratios, variance_ratios, eps, mean, variance, group
    )


def plain_mixed_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean_ratios: Tensor,
    variance_ratios: Tensor,
    *,
    eps: float,
    running: Statistics | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """`mixed_norm` in differentiable operations, for graphs that are traced; one process only."""
    wide = at_least_float32(x)
    positions = x.shape[2]
    mean = wide.mean(2)
    variance = (wide - mean[..., None]).square().sum(2) / max(positions - 1, 1)
    layer = _pool(mean, variance, 1)
    batch = _pool(mean, variance, 0) if running is None else running
    mu, scale = _mix(
        (mean, variance), layer, batch, mean_ratios.float(), variance_ratios.float(), eps
    )
    scale = scale * weight
    y = torch.addcmul((bias - mu * scale)[..., None], wide, scale[..., None])
    return y.to(x.dtype), batch[0].detach().flatten(), batch[1].detach().flatten()


class _MixedNorm(torch.autograd.Function):
    """The sums of the pictures are taken in fused kernels, the rest is on (batch, channels)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean_ratios: Tensor,
        variance_ratios: Tensor,
        eps: float,
        running_mean: Tensor | None,
        running_variance: Tensor | None,
        group: dist.ProcessGroup | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        wide = at_least_float32(x).contiguous()
        gamma, beta, w, w_var = (
            t.to(wide.dtype) for t in (weight, bias, mean_ratios, variance_ratios)
        )
        mean, squares = _moments(wide)
        variance = squares / max(wide.shape[2] - 1, 1)
        layer = _pool(mean, variance, 1)
        count = torch.tensor(float(len(x)), dtype=wide.dtype, device=x.device)
        if running_mean is not None and running_variance is not None:
            batch = (running_mean.to(wide.dtype)[None], running_variance.to(wide.dtype)[None])
        else:
            batch = _pool(mean, variance, 0)
            if group is not None:
                batch, count = _gather(batch, count, group)
        mu, scale = _mix((mean, variance), layer, batch, w, w_var, eps)
        y = _scale_and_shift(wide, gamma * scale, beta - mu * gamma * scale)
        ctx.save_for_backward(x, weight, w, w_var, mean, variance, *layer, *batch, mu, scale, count)
        ctx.types = [t.dtype for t in (weight, bias, mean_ratios, variance_ratios)]
        ctx.frozen = running_mean is not None
        ctx.group = group
        batch_mean, batch_variance = batch[0].flatten(), batch[1].flatten()
        ctx.mark_non_differentiable(batch_mean, batch_variance)
        return y.to(x.dtype), batch_mean, batch_variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, w, w_var, mean, variance, *pooled, mu, scale, count = ctx.saved_tensors
        layer_mean, layer_variance, batch_mean, batch_variance = pooled
        wide = at_least_float32(x).contiguous()
        g = gradients[0].to(wide.dtype).contiguous()
        gamma = weight.to(wide.dtype)
        channels, positions = x.shape[1:]

        total, moment = _gradient_sums(g, wide, mean)
        moment = scale * (moment + (mean - mu) * total)  # Σ g x̂
        d_mean = -gamma * scale * total
        d_variance = -0.5 * gamma * scale.square() * moment

        # What reaches a sample's own mean and variance, straight and by the layer's and batch's.
        over_c, over_c_var = d_mean.sum(1, True) / channels, d_variance.sum(1, True) / channels
        to_mean = w[0] * d_mean + w[1] * over_c
        to_mean = to_mean + 2 * w_var[1] * over_c_var * (mean - layer_mean)
        to_variance = w_var[0] * d_variance + w_var[1] * over_c_var
        if not ctx.frozen:
            sums = torch.stack([d_mean.sum(0), d_variance.sum(0)])
            if ctx.group is not None:
                dist.all_reduce(sums, group=ctx.group)
            over_n, over_n_var = sums / count
            to_mean = to_mean + w[2] * over_n + 2 * w_var[2] * over_n_var * (mean - batch_mean)
            to_variance = to_variance + w_var[2] * over_n_var

        slope = 2 * to_variance / max(positions - 1, 1)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = _combine(g, gamma * scale, wide, slope, to_mean / positions - slope * mean)
            dx = dx.to(x.dtype)
        ratios = [
            torch.stack([(d * part).sum() for part in parts])
            for d, parts in (
                (d_mean, (mean, layer_mean, batch_mean)),
                (d_variance, (variance, layer_variance, batch_variance)),
            )
        ]
        others = (moment.sum(0), total.sum(0), *ratios)
        typed = (t.to(kind) for t, kind in zip(others, ctx.types, strict=True))
        return dx, *typed, None, None, None, None


def check_finite(mean: Tensor, variance: Tensor, name: str) -> None:
    """Refuse statistics that are not finite, on a CPU; elsewhere the look would stall the device.

    Raises:
        InputError: there is an infinite value, or none at all (NaN), in what was normalized.
    """
    if mean.device.type != "cpu" or torch.compiler.is_compiling():
        return
    if not bool((mean + variance).isfinite().all()):
        raise InputError(
            f"{name} got values that are not finite: look for a learning rate that is too "
            "high, or a division by zero before it."
        )


@torch.no_grad()
def batch_statistics(x: Float[Tensor, "batch channels *spatial"]) -> Statistics:
    """Mean and biased variance of each channel over samples and positions, (channels,)."""
    x = x.flatten(2).contiguous() if x.ndim > 2 else x[..., None]
    mean, squares = _moments(x)
    pooled = _pool(mean, squares / x.shape[2], 0)
    return pooled[0][0], pooled[1][0]


def at_least_float32(x: Tensor) -> Tensor:
    """In float32, or in float64 if it is that already."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _pool(mean: Tensor, variance: Tensor, axis: int) -> Statistics:
    """Statistics over the samples (axis 0) or the channels (1), from those of the instances.

    mean(σ² + μ²) − mean(μ)² in a form that does not cancel.
    """
    count = max(mean.shape[axis], 1)
    pooled = mean.sum(axis, keepdim=True) / count
    spread = (variance + (mean - pooled).square()).sum(axis, keepdim=True) / count
    return pooled, spread


def _mix(
    instance: Statistics, layer: Statistics, batch: Statistics, w: Tensor, w_var: Tensor, eps: float
) -> Statistics:
    """The mixed mean, and one over the mixed deviation: (batch, channels)."""
    mu = w[0] * instance[0] + w[1] * layer[0] + w[2] * batch[0]
    variance = w_var[0] * instance[1] + w_var[1] * layer[1] + w_var[2] * batch[1]
    return mu, (variance + eps).rsqrt()


def _gather(
    local: Statistics, count: Tensor, group: dist.ProcessGroup
) -> tuple[Statistics, Tensor]:
    """Batch statistics of all processes together; each counts by its number of samples."""
    mine = torch.cat([local[0][0], local[1][0], count[None]])
    everyone = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(everyone, mine, group=group)
    table = torch.stack(everyone)
    means, variances = table[:, :-1].chunk(2, 1)
    counts = table[:, -1:]
    whole = counts.sum()
    mean = (counts * means).sum(0, True) / whole.clamp_min(1)
    variance = (counts * (variances + (means - mean).square())).sum(0, True) / whole.clamp_min(1)
    return (mean, variance), whole.clamp_min(1)


# Sums over the positions of every sample's channel. PyTorch's batch norm kernels take them fused
# and vectorized if each sample's channel is shown to them as a channel of one sample.


def _moments(x: Tensor) -> Statistics:
    """Mean and sum of squared deviations over the positions: (batch, channels)."""
    mean = x.sum(2) / x.shape[2]
    if x.device.type != "cpu":
        return mean, (x - mean[..., None]).square().sum(2)
    squares = torch.empty_like(mean)
    rows = max(1, CACHED // max(x.shape[2], 1))
    parts = (torch.split(t.flatten(0, 1), rows) for t in (x, mean, squares))
    for values, centre, result in zip(*parts, strict=True):
        torch.square(torch.linalg.vector_norm(values - centre[:, None], dim=1), out=result)
    return mean, squares


def _gradient_sums(g: Tensor, x: Tensor, mean: Tensor) -> Statistics:
    """Σ g and Σ g (x − mean) over the positions: (batch, channels)."""
    if x.device.type != "cpu" or not x.numel():
        return g.sum(2), (g * (x - mean[..., None])).sum(2)
    ones = torch.ones_like(mean).flatten()
    _, moment, total = torch.ops.aten.native_batch_norm_backward(
        _as_channels(g), _as_channels(x), None, None, None, mean.flatten(), ones, True, 0.0,
        [False, True, True],
    )  # fmt: skip
    return total.view_as(mean), moment.view_as(mean)


def _scale_and_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """X · scale + shift, (batch, channels) each."""
    return torch.addcmul(shift[..., None], x, scale[..., None])


def _combine(g: Tensor, scale: Tensor, x: Tensor, slope: Tensor, shift: Tensor) -> Tensor:
    """G · scale + x · slope + shift."""
    dx = torch.addcmul(shift[..., None], x, slope[..., None])
    return dx.addcmul_(g, scale[..., None])


def _as_channels(x: Tensor) -> Tensor:
    return x.view(1, -1, x.shape[2])
