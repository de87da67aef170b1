"""Switchable normalization (Luo et al., ICLR 2019, arXiv 1806.10779).

A layer mixes instance, layer and batch statistics by ratios that it learns, one set for the mean
and one for the variance: y = γ (x − Σ w_k μ_k) / √(Σ w′_k σ²_k + ε) + β, w = softmax(λ) (eqn. 3–5).

State-dict keys and shapes are the release's. Three things differ: a spatial size of one, where the
release divides by zero, has an instance variance of zero; values that are not finite raise; and the
synchronized layer gives the gradients of one process with the whole batch (the release's are wrong
for the ratios, and for the variance by S/(S − 1)).
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vitruvian.core.errors import InputError
from vitruvian.nn.norms.mixing import at_least_float32, check_finite, mixed_norm

INSTANCE, LAYER, BATCH = "instance", "layer", "batch"


class SwitchableNorm(nn.Module):
    """What the switchable norms share: options, parameters, buffers and ratios.

    Args:
        num_features: Channels.
        eps: ε.
        momentum: Share of the *old* running value, opposite to PyTorch's; None: the release's,
            `released_momentum`.
        using_moving_average: False: running buffers are sums over training passes, to be finished
            by `average_statistics`.
        using_bn: False: no batch statistics. For training with one sample a device.
        last_gamma: γ starts at 0: for the last norm of a residual branch.
    """

    dims: tuple[int, ...] = (4,)  # axes that an input may have
    kinds: tuple[str, ...] = (INSTANCE, LAYER, BATCH)
    released_momentum: float = 0.9

    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = None,
        using_moving_average: bool = True,
        using_bn: bool = True,
        last_gamma: bool = False,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = self.released_momentum if momentum is None else momentum
        self.using_moving_average = using_moving_average
        self.using_bn = using_bn
        self.last_gamma = last_gamma
        self.hard_ratios = False
        if not using_bn:
            self.kinds = self.kinds[:-1]
        spatial = (1,) * (self.dims[0] - 2)
        self.weight = nn.Parameter(torch.empty(1, num_features, *spatial))
        self.bias = nn.Parameter(torch.empty(1, num_features, *spatial))
        self.mean_weight = nn.Parameter(torch.empty(len(self.kinds)))
        self.var_weight = nn.Parameter(torch.empty(len(self.kinds)))
        shape = (1, num_features) if not spatial else (1, num_features, 1)
        self.register_buffer("running_mean", torch.zeros(shape) if using_bn else None)
        self.register_buffer("running_var", torch.zeros(shape) if using_bn else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """γ = 1 (0 with `last_gamma`), β = 0, λ = 1 (equal ratios), running buffers 0."""
        nn.init.constant_(self.weight, 0.0 if self.last_gamma else 1.0)
        nn.init.zeros_(self.bias)
        nn.init.ones_(self.mean_weight)
        nn.init.ones_(self.var_weight)
        for buffer in (self.running_mean, self.running_var):
            if buffer is not None:
                buffer.zero_()

    def mixing_ratios(self) -> tuple[Tensor, Tensor]:
        """(w, w′), each (kinds,), in float32 at least, as the forward pass uses them."""
        if self.hard_ratios:
            return one_hot(self.mean_weight), one_hot(self.var_weight)
        return at_least_float32(self.mean_weight).softmax(0), at_least_float32(
            self.var_weight
        ).softmax(0)

    def ratios(self) -> dict[str, dict[str, float]]:
        """{"mean": {"instance": …, "layer": …, "batch": …}, "variance": {…}}; each sums to 1."""
        with torch.no_grad():
            pairs = zip(("mean", "variance"), self.mixing_ratios(), strict=True)
            return {name: dict(zip(self.kinds, w.tolist(), strict=True)) for name, w in pairs}

    def is_batch_norm(self) -> bool:
        """Whether the ratios are one-hot on the batch, for the mean and the variance."""
        return self.using_bn and all(share[BATCH] == 1 for share in self.ratios().values())

    def forward(self, x: Float[Tensor, "batch channels *spatial"]) -> Tensor:
        """The same shape and type."""
        self._check(x)
        traced = torch.compiler.is_compiling()  # then the ratios have no values to look at
        if self.hard_ratios and not self.training and not traced and self.is_batch_norm():
            return self._as_batch_norm(x)
        return self._mixed(x, *self.mixing_ratios())

    def extra_repr(self) -> str:
        """What distinguishes the layer in a printed network."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"

    def _check(self, x: Tensor) -> None:
        if x.ndim not in self.dims or x.shape[1] != self.num_features:
            raise InputError(
                f"{type(self).__name__} with {self.num_features} channels cannot normalize an "
                f"input of shape {tuple(x.shape)}: give {self.dims[0]} axes, channels second."
            )

    def _as_batch_norm(self, x: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.running_var is not None
        mean, variance = self.running_mean.flatten(), self.running_var.flatten()
        weight, bias = self.weight.flatten(), self.bias.flatten()
        if x.dtype != weight.dtype and x.device.type == "cpu" and x.dtype == torch.float16:
            return F.batch_norm(x.float(), mean, variance, weight, bias, eps=self.eps).to(x.dtype)
        return F.batch_norm(x, mean, variance, weight, bias, eps=self.eps)

    def _mixed(self, x: Tensor, w: Tensor, w_var: Tensor) -> Tensor:
        group = self._group()
        if not x.numel() and group is None:
            return x * self.weight.to(x.dtype)
        running = None
        if not self.using_bn:
            w, w_var = F.pad(w, (0, 1)), F.pad(w_var, (0, 1))
        elif not self.training:
            assert self.running_mean is not None
            assert self.running_var is not None
            running = self.running_mean.flatten(), self.running_var.flatten()
        y, mean, variance = mixed_norm(
            x.flatten(2), self.weight.flatten(), self.bias.flatten(), w, w_var,
            eps=self.eps, running=running, group=group,
        )  # fmt: skip
        if self.training:
            check_finite(mean, variance, type(self).__name__)
            self._update(mean, variance)
        return y.view(x.shape)

    def _group(self) -> dist.ProcessGroup | None:
        return None

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        if not self.using_moving_average:
            self.running_mean += mean.view_as(self.running_mean)
            self.running_var += (mean.square() + variance).view_as(self.running_var)
            return
        finite = mean.isfinite() & variance.isfinite()
        for buffer, value in ((self.running_mean, mean), (self.running_var, variance)):
            value = value.to(buffer.dtype).view_as(buffer)
            new = buffer.lerp(value, 1 - self.momentum)
            buffer.copy_(torch.where(finite.view_as(buffer), new, buffer))


class SwitchableNorm1d(SwitchableNorm):
    """(batch, channels), or (batch, channels, length): layer and batch statistics, both unbiased.

    With one sample, or one channel, that variance is zero.
    """

    dims = (2, 3)
    released_momentum = 0.997
    kinds = (LAYER, BATCH)

    def _mixed(self, x: Tensor, w: Tensor, w_var: Tensor) -> Tensor:
        if not x.numel():
            return x * self.weight.view(1, -1, *(1,) * (x.ndim - 2)).to(x.dtype)
        wide = at_least_float32(x)
        spatial = tuple(range(2, x.ndim))
        mean, variance = _moments(wide, (1, *spatial))
        mean, variance = w[0] * mean, w_var[0] * variance
        if self.using_bn:
            shape = (1, -1, *(1,) * len(spatial))
            if self.training:
                batch_mean, batch_variance = _moments(wide, (0, *spatial))
                check_finite(batch_mean, batch_variance, type(self).__name__)
                self._update(batch_mean.detach().flatten(), batch_variance.detach().flatten())
            else:
                assert self.running_mean is not None
                assert self.running_var is not None
                batch_mean = self.running_mean.view(shape)
                batch_variance = self.running_var.view(shape)
            mean, variance = mean + w[1] * batch_mean, variance + w_var[1] * batch_variance
        affine = (1, -1, *(1,) * len(spatial))
        scale = self.weight.view(affine) * (variance + self.eps).rsqrt()
        return ((wide - mean) * scale + self.bias.view(affine)).to(x.dtype)


class SwitchableNorm2d(SwitchableNorm):
    """(batch, channels, height, width)."""


class SwitchableNorm3d(SwitchableNorm):
    """(batch, channels, depth, height, width)."""

    dims = (5,)
    released_momentum = 0.997


class SyncSwitchableNorm2d(SwitchableNorm):
    """`SwitchableNorm2d` whose batch is that of all processes, of any sizes.

    Outputs, running buffers and gradients of the input are those of one process with the whole
    batch. Gradients of the parameters are each process's share of them: they add up to the whole
    batch's, as DistributedDataParallel expects. Without `torch.distributed` it is
    `SwitchableNorm2d`.

    Args:
        process_group: The processes; all of them where left out.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.9,
        using_moving_average: bool = True,
        last_gamma: bool = False,
        process_group: dist.ProcessGroup | None = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, using_moving_average, True, last_gamma)
        self.process_group = process_group

    def _group(self) -> dist.ProcessGroup | None:
        if not self.training or not dist.is_available() or not dist.is_initialized():
            return None
        return self.process_group or dist.group.WORLD


def one_hot(logits: Tensor) -> Tensor:
    """1 at the largest entry, 0 elsewhere; no gradient."""
    return F.one_hot(logits.detach().argmax(), len(logits)).to(at_least_float32(logits).dtype)


def _moments(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance over axes that are kept; a variance of 0 over one value."""
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    mean = x.mean(axes, keepdim=True)
    return mean, (x - mean).square().sum(axes, keepdim=True) / max(count - 1, 1)
