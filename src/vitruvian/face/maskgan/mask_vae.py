"""MaskVAE: masks of a face as points of a space in which one walks from mask to mask.

Lee, Liu, Wu, Luo: "MaskGAN: Towards Diverse and Interactive Facial Image Manipulation", CVPR 2020
(arXiv 1907.11922), section 3, editing behavior simulated training: a mask between two others, or
past one of them, stands for what a user's edit may look like. Widths, norms and names are those of
the authors' code.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEVELS = 7
"""Halvings of the encoder, from 512 × 512 places to 4 × 4."""


class MaskVAE(nn.Module):
    """The network: an encoder to a normal distribution, and a decoder from its samples.

    Args:
        classes: Of the mask.
        encoder_width: Channels after the encoder's first convolution; each further one doubles
            them.
        decoder_width: Likewise of the decoder, before its last convolution.
        latent: Numbers that stand for a mask.
    """

    def __init__(
        self,
        classes: int = 19,
        *,
        encoder_width: int = 32,
        decoder_width: int = 32,
        latent: int = 1024,
    ) -> None:
        super().__init__()
        down = [encoder_width * 2**level for level in range(LEVELS)]
        up = [decoder_width * 2**level for level in reversed(range(LEVELS))]
        self.encoder = nn.Sequential(*(_down(*pair) for pair in pairwise([classes, *down])))
        self.mean = nn.Linear(down[-1] * 4 * 4, latent)
        self.log_variance = nn.Linear(down[-1] * 4 * 4, latent)
        self.expand = nn.Linear(latent, up[0] * 4 * 4)
        self.start = nn.Sequential(nn.ReLU(), nn.Unflatten(1, (up[0], 4, 4)))
        self.decoder = nn.Sequential(*(_up(*pair) for pair in pairwise(up)))
        self.last = nn.Sequential(nn.Upsample(scale_factor=2), _convolution(up[-1], classes))

    def encode(
        self, mask: Float[Tensor, "batch classes 512 512"]
    ) -> tuple[Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        """Mean and logarithm of the variance; the mask has 1 in its class's plane, 0 elsewhere."""
        x = self.encoder(mask).flatten(1)
        return self.mean(x), self.log_variance(x)

    def decode(
        self, latent: Float[Tensor, "batch latent"]
    ) -> Float[Tensor, "batch classes 512 512"]:
        """Logits of the classes."""
        return self.last(self.decoder(self.start(self.expand(latent))))

    def forward(
        self, mask: Float[Tensor, "batch classes 512 512"]
    ) -> tuple[
        Float[Tensor, "batch classes 512 512"],
        Float[Tensor, "batch latent"],
        Float[Tensor, "batch latent"],
    ]:
        """Logits from a sample, and the mean and log variance that it was drawn with."""
        mean, log_variance = self.encode(mask)
        return self.decode(draw_latent(mean, log_variance)), mean, log_variance

    def published_keys(self) -> dict[str, str]:
        """Our keys → those of the authors' checkpoints."""
        return {key: _published_key(key) for key in self.state_dict()}


def draw_latent(
    mean: Float[Tensor, "batch latent"], log_variance: Float[Tensor, "batch latent"]
) -> Float[Tensor, "batch latent"]:
    """A sample of the normal distribution, through which gradients reach both arguments."""
    return mean + torch.randn_like(mean) * (log_variance / 2).exp()


def _down(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 4, 2, padding=1), nn.BatchNorm2d(out), nn.LeakyReLU(0.2)
    )


def _up(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        _convolution(channels, out),
        nn.BatchNorm2d(out, eps=1e-3),
        nn.LeakyReLU(0.2),
    )


def _convolution(channels: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, padding=1, padding_mode="replicate")


def _published_key(key: str) -> str:
    """`e1`, `bn1` … of the encoder, `d1` … `d8` and `bn8` … of the decoder, `fc1`, `fc2`."""
    match key.split("."):
        case ["encoder", level, place, name]:
            return f"{'e' if place == '0' else 'bn'}{int(level) + 1}.{name}"
        case ["decoder", level, "1", name]:
            return f"d{int(level) + 2}.{name}"
        case ["decoder", level, _, name]:
            return f"bn{int(level) + LEVELS + 1}.{name}"
        case [part, *_, name]:
            names = {"mean": "fc1", "log_variance": "fc2", "expand": "d1", "last": "d8"}
            return f"{names[part]}.{name}"
    raise KeyError(key)
