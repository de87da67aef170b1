"""The person detector that was released with Convolutional Pose Machines: people's centres.

Wei et al., CVPR 2016 (arXiv 1602.00134); the demo for several people looks for their centres in a
whole picture, and reads a crop around each with `cpm.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from vitruvian.nn.vgg import VGG, caffe_name, stage, trunk
from vitruvian.pose.cpm import STRIDE, VGG_LATER

_TRUNK = (*VGG, ("conv4_3", 512), ("conv4_4", 512), ("conv5_1", 512), ("conv5_2_CPM", 128))
_FIRST = (("conv6_1_CPM", 1, 512), ("conv6_2_CPM", 1, 0))


class CenterDetector(nn.Module):
    """The released person detector: one map, high at the middle of each person.

    Args:
        stages: 4.
        width: Channels of most convolutions, 128; those of the others are in proportion.
        norm: Put a batch norm after every convolution but a stage's last; the release has none.
    """

    def __init__(self, stages: int = 4, *, width: int = 128, norm: bool = False) -> None:
        super().__init__()
        table = [(name, channels * width // 128) for name, channels in _TRUNK]
        first, later = (
            [(name, kernel, channels * width // 128) for name, kernel, channels in layers]
            for layers in (_FIRST, VGG_LATER)
        )
        self.trunk = trunk(table, pool_up=True, norm=norm)
        self.stages = nn.ModuleList([stage(first, width, 1, "", norm=norm)])
        for number in range(2, stages + 1):
            self.stages.append(stage(later, 1 + width, 1, f"_stage{number}", norm=norm))

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch 1 height/8 width/8"]]:
        """The map of every stage, of a whole picture: BGR, x / 256 - 0.5."""
        features = self.trunk(image)
        maps = [self.stages[0](features)]
        for to_map in list(self.stages)[1:]:
            maps.append(to_map(torch.cat([maps[-1], features], dim=1)))
        return maps

    def published_keys(self) -> dict[str, str]:
        """Our key → Caffe's layer name and tensor."""
        return {key: caffe_name(key) for key in self.state_dict()}


def find_centers(heatmap: NDArray[np.floating[Any]], threshold: float = 0.3) -> NDArray[np.float32]:
    """The people's centres in the map of `CenterDetector`.

    Args:
        heatmap: (height, width).
        threshold: What a peak must exceed.

    Returns:
        (people, 3): x, y in pixels of the network's input (cells times 8, the first pixel's centre
        at (0.5, 0.5)), and the peak's height, the highest first.
    """
    padded = np.pad(np.asarray(heatmap, dtype=np.float32), 1, constant_values=-np.inf)
    middle = padded[1:-1, 1:-1]
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).reshape(*middle.shape, 9)
    # Of equal neighbours the first one in reading order is the peak.
    peak = (middle > around[..., :4].max(-1)) & (middle >= around[..., 5:].max(-1))
    rows, columns = np.nonzero(peak & (middle > threshold))
    scores = middle[rows, columns]
    found = np.stack([(columns + 0.5) * STRIDE, (rows + 0.5) * STRIDE, scores], axis=-1)
    return found[np.argsort(-scores, kind="stable")].astype(np.float32)
