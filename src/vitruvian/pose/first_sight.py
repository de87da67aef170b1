"""What a network that knows photos sees in a crop, for one that learns from rendered people.

Ours, not of a paper. Features and the first stage's maps of the embedded OpenPose, which learned
from the people of COCO, are added to another network's own. That one begins as if they were not
there (its layer that reads them is 0), and learns what to believe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.card import find_card
from vitruvian.core.published import load_published, read_checkpoint
from vitruvian.core.weights import find_weights
from vitruvian.pose.openpose.mobilenet import MobileNetOpenPose

FirstSight = Literal["none", "frozen", "trained"]
"""Whether a network has it, and whether it learns."""

FEATURES = 64
MAPS = 57
STRIDE = 8


class OpenPoseSight(nn.Module):
    """The embedded OpenPose's trunk and first stage, and the layer that reads them.

    Its norms always work as in evaluation: they are the picture's own, or those of its training.

    Args:
        channels: Of what it gives out.
        mean: Of red, green and blue in [0, 1], that was taken off the crop.
        deviation: By which they were divided.
        trained: Whether OpenPose's part learns, or only the layer that reads it.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        channels: int,
        mean: Sequence[float],
        deviation: Sequence[float],
        *,
        trained: bool = False,
    ) -> None:
        super().__init__()
        self.openpose = MobileNetOpenPose(stages=1).requires_grad_(trained)
        self.read = nn.Conv2d(FEATURES + MAPS, channels, 1)
        for parameter in self.read.parameters():
            nn.init.zeros_(parameter)
        for name, values in (("mean", mean), ("deviation", deviation)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels height/4 width/4"]:
        """What is added to another network's features of stride 4.

        Args:
            image: RGB, normalised; height and width are multiples of 16.
        """
        seen = ((image * self.deviation + self.mean) * 2 - 1).flip(1)
        features = self.openpose.features(seen)
        stage = self.openpose.stages[0]
        maps = (stage.get_submodule("affinities"), stage.get_submodule("heatmaps"))
        found = torch.cat([features, *(branch(features) for branch in maps)], dim=1)
        return F.interpolate(self.read(found), scale_factor=STRIDE // 4, mode="bilinear")

    def train(self, mode: bool = True) -> Self:
        """See the class."""
        super().train(mode)
        self.openpose.eval()
        return self

    def load_embedded(self) -> None:
        """Put in the weights that the package embeds.

        Raises:
            WeightsError: the package's file is damaged.
        """
        weights = find_weights(find_card("pose/openpose"))
        whole = MobileNetOpenPose()
        load_published(whole, read_checkpoint(weights.file), origin=str(weights.file))
        known, own = whole.state_dict(), self.openpose.state_dict()
        self.openpose.load_state_dict({key: known[key] for key in own})
