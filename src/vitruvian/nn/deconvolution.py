"""Transposed convolutions that double a map, as Simple Baselines and HigherHRNet have them."""

from __future__ import annotations

from torch import nn

from vitruvian.core.errors import UnknownNameError

_PADDINGS = {4: (1, 0), 3: (1, 1), 2: (0, 0)}  # kernel → padding, output padding


def doubling(channels: int, out: int, kernel: int = 4, *, bias: bool = False) -> nn.ConvTranspose2d:
    """(batch, channels, height, width) → (batch, out, 2 height, 2 width).

    Args:
        channels: That come in.
        out: That go out.
        kernel: 4, 3 or 2.
        bias: Whether there is one.

    Raises:
        UnknownNameError: another kernel.
    """
    if kernel not in _PADDINGS:
        raise UnknownNameError("deconvolution kernel", str(kernel), map(str, _PADDINGS))
    padding, extra = _PADDINGS[kernel]
    return nn.ConvTranspose2d(
        channels, out, kernel, stride=2, padding=padding, output_padding=extra, bias=bias
    )
