"""MaskGAN: the network between masks, built from the shapes alone."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import one_hot

from tests.parity.adapters import published
from tests.parity.fixture import Fixture
from vitruvian.core.published import load_published
from vitruvian.face.maskgan.mask_vae import MaskVAE


@published("switchablenorms/CelebAMask-HQ", "VAE")
def mask_vae(fixture: Fixture) -> dict[str, Tensor]:
    shapes = fixture.shapes()
    encoder_width, classes = shapes["e1.weight"][:2]
    network = MaskVAE(
        classes,
        encoder_width=encoder_width,
        decoder_width=shapes["d8.weight"][1],
        latent=shapes["fc1.weight"][0],
    )
    load_published(network, fixture.state_dict())
    (mask,) = fixture.inputs().values()
    if not mask.is_floating_point():
        mask = one_hot(mask, classes).movedim(-1, 1).float()
    mean, log_variance = network.eval().encode(mask)
    return {"mean": mean, "log_variance": log_variance, "decoded": network.decode(mean)}
