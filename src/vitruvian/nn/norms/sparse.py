"""Sparse switchable normalization (Shao et al., CVPR 2019, arXiv 1903.03793).

Switchable normalization whose ratios come from SparsestMax instead of softmax: soft at the start of
a training run and one-hot at its end. SparsestMax projects the logits onto the simplex without a
disc of radius r around its centre; r grows over training until only the corners are left.

State-dict keys and shapes are the release's. Flags are set in training only; the release also sets
them in evaluation, where they change nothing.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.errors import InputError
from vitruvian.nn.norms.mixing import at_least_float32
from vitruvian.nn.norms.switchable import SwitchableNorm, one_hot

TINY = 1e-6  # nearer to the centre than this there is no direction to leave it


def sparsemax(logits: Float[Tensor, "*rows kinds"]) -> Tensor:
    """The nearest point of the simplex (Martins and Astudillo, ICML 2016), row by row."""
    ordered = logits.sort(-1, descending=True).values
    ranks = torch.arange(1, logits.shape[-1] + 1, device=logits.device, dtype=logits.dtype)
    sums = ordered.cumsum(-1)
    kept = (1 + ranks * ordered > sums).sum(-1, keepdim=True)
    # A row that is not finite keeps nothing; its result is not finite either.
    threshold = (sums.gather(-1, (kept - 1).clamp_min(0)) - 1) / kept
    return (logits - threshold).clamp_min(0)


def sparsestmax(
    logits: Float[Tensor, "*rows kinds"], radius: float | Tensor, *, as_released: bool = True
) -> Tensor:
    """The nearest point of the simplex that is at least `radius` away from its centre.

    Any number of normalizers, row by row; the gradient follows from the steps p0 … p3 (section 3).

    Args:
        logits: λ.
        radius: r. 0 is sparsemax; from √((K − 1) / K) on, the result is one-hot.
        as_released: The release measures from the centre of sparsemax's own support, with the whole
            radius, so it leaves edges earlier. False: the paper's definition.

    Raises:
        InputError: there is nothing to choose from, or the radius is negative or not a number.
    """
    kinds = logits.shape[-1] if logits.ndim else 0
    if kinds == 0:
        raise InputError("SparsestMax needs the logits of one normalizer at least.")
    radius = torch.as_tensor(radius, dtype=logits.dtype, device=logits.device)
    # Values are looked at where that costs no wait for a device.
    checked = logits.device.type == "cpu" and not torch.compiler.is_compiling()
    if checked and not float(radius.min()) >= 0:
        raise InputError(f"SparsestMax got the radius {float(radius.min())}: give 0 or more.")
    point = sparsemax(logits)
    first_size = (point > 0).sum(-1, keepdim=True, dtype=point.dtype)
    result, done = point, torch.zeros_like(first_size, dtype=torch.bool)
    for _ in range(kinds):  # each round leaves at least one normalizer out
        support = point > 0
        size = support.sum(-1, keepdim=True, dtype=point.dtype)
        centre = support.to(point.dtype) / size
        # The centre of a face is so much further from the first centre, squared.
        start = first_size if as_released else kinds
        left = (radius.square() - (1 / size - 1 / start)).clamp_min(0).sqrt()
        away = point - centre
        far = away.detach().norm(dim=-1, keepdim=True)
        corner = size == 1
        stays = corner | (far >= left) | (far < TINY)
        pushed = _push(away, centre, left, far)
        inside = (pushed >= 0).all(-1, keepdim=True)
        found = torch.where(corner, support.to(point.dtype), torch.where(stays, point, pushed))
        result = torch.where(done, result, found)
        done = done | stays | inside
        if checked and bool(done.all()):
            break
        point = sparsemax(pushed)
    return result


def _push(away: Tensor, centre: Tensor, radius: Tensor, far: Tensor) -> Tensor:
    """The point on the circle of this radius in the direction of `away`."""
    direction = away / torch.where(far < TINY, 1.0, away.norm(dim=-1, keepdim=True))
    return centre + radius * direction


class SparseSwitchableNorm2d(SwitchableNorm):
    """(batch, channels, height, width). Set `radius` before each step: `set_radius`.

    Once a ratio is one-hot in training it is fixed: λ becomes the one-hot itself and its gradient
    zero. A layer whose ratios are both one-hot on the batch is batch norm in evaluation.

    Args:
        num_features: Channels.
        eps: ε.
        momentum: Share of the *old* running value, opposite to PyTorch's.
        using_moving_average: As in switchable norm.
        last_gamma: γ starts at 0.
    """

    mean_fixed: Tensor
    var_fixed: Tensor
    radius: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.997,
        using_moving_average: bool = True,
        last_gamma: bool = False,
    ) -> None:
        super().__init__(num_features, eps, momentum, using_moving_average, True, last_gamma)
        self.register_buffer("mean_fixed", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("var_fixed", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("radius", torch.zeros(1))
        self._batch_only: bool | None = None  # unknown until asked for in evaluation

    def train(self, mode: bool = True) -> SparseSwitchableNorm2d:
        """As any module's; what evaluation found out about the ratios is forgotten."""
        self._batch_only = None
        return super().train(mode)

    def _load_from_state_dict(self, *args: object, **options: object) -> None:
        self._batch_only = None
        super()._load_from_state_dict(*args, **options)  # type: ignore[arg-type]

    def mixing_ratios(self) -> tuple[Tensor, Tensor]:
        """(w, w′), each (3,), in float32 at least, as the forward pass uses them."""
        if self.hard_ratios:
            return one_hot(self.mean_weight), one_hot(self.var_weight)
        logits = at_least_float32(torch.stack([self.mean_weight, self.var_weight]))
        points = sparsestmax(logits, self.radius.to(logits.dtype))
        fixed = (self.mean_fixed != 0, self.var_fixed != 0)
        mean, variance = (
            torch.where(known, one_hot(logit), point)
            for known, logit, point in zip(fixed, logits, points, strict=True)
        )
        return mean, variance

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Tensor:
        """The same shape and type."""
        self._check(x)
        if self.training:
            self._batch_only = None
            w, w_var = self.mixing_ratios()
            if not self.hard_ratios:
                w = self._fix(w, self.mean_weight, self.mean_fixed)
                w_var = self._fix(w_var, self.var_weight, self.var_fixed)
            return self._mixed(x, w, w_var)
        if self._batch_only is None and not torch.compiler.is_compiling():
            self._batch_only = self.is_batch_norm()
        if self._batch_only:
            return self._as_batch_norm(x)
        return self._mixed(x, *self.mixing_ratios())

    @staticmethod
    def _fix(ratio: Tensor, logits: nn.Parameter, fixed: Tensor) -> Tensor:
        with torch.no_grad():
            single = bool((ratio > 0).sum() == 1)
            if single:  # again at every step: an optimizer's momentum goes on moving λ
                logits.copy_(ratio)
                fixed.fill_(1)
        # A gradient of zero rather than none: DistributedDataParallel waits for every parameter.
        return ratio.detach() + 0 * logits if single else ratio


def radius_at(step: int, steps: int) -> float:
    """The release's schedule: from 0 at the first step to 1 after the last.

    With three normalizers everything is one-hot by 0.816, so the last fifth trains as it will be
    used.
    """
    return min(step / max(steps, 1), 1.0)


def set_radius(model: nn.Module, radius: float) -> None:
    """Give every sparse switchable norm of a network its radius, in [0, 1]."""
    for module in model.modules():
        if isinstance(module, SparseSwitchableNorm2d):
            module.radius.fill_(radius)
            module._batch_only = None
