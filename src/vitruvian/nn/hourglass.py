"""Parts of stacked hourglasses: residual modules, one hourglass, one stack with its heat maps.

Newell, Yang, Deng: "Stacked Hourglass Networks for Human Pose Estimation", ECCV 2016
(arXiv 1603.06937). `pose/hourglass.py` is that paper's network; others build theirs of these parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

STEM = (64, 128)
"""Channels of the first convolution, and of the residual module after it."""


class Residual(nn.Module):
    """Norm, ReLU and convolution three times, and the input (figure 4, left)."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        inside = out // 2
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, inside, 1)
        self.bn2 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, out, 1)
        self.relu = nn.ReLU(inplace=True)
        self.project = nn.Conv2d(channels, out, 1) if channels != out else None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) → (batch, out, height, width)."""
        y = self.conv1(self.relu(self.bn1(x)))
        y = self.conv2(self.relu(self.bn2(y)))
        y = self.conv3(self.relu(self.bn3(y)))
        return y + (x if self.project is None else self.project(x))


Unit = Callable[[int, int], nn.Module]


class Hourglass(nn.Module):
    """One hourglass (figure 3): each level keeps a branch at its own size and adds what is below.

    Args:
        widths: Channels of each level, the finest first, then those of the middle; one more than
            there are levels.
        unit: Makes what works at a place: channels in and out → module.
        last: Makes what works before going up; `unit` where left out.
    """

    def __init__(self, widths: Sequence[int], unit: Unit, last: Unit | None = None) -> None:
        super().__init__()
        width, lower, *further = widths
        self.skip = unit(width, width)
        self.down = unit(width, lower)
        if further:
            self.inner: nn.Module = Hourglass(widths[1:], unit, last)
        else:
            self.middle = unit(lower, lower)
        self.up = (last or unit)(lower, width)
        self.pool = nn.MaxPool2d(2)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) → the same; the sides are multiples of 2^levels."""
        y = self.down(self.pool(x))
        y = self.inner(y) if hasattr(self, "inner") else self.middle(y)
        return self.skip(x) + self.upsample(self.up(y))


class Stack(nn.Module):
    """An hourglass, its heat maps, and the way back into the next one (figure 4, right)."""

    def __init__(
        self, widths: Sequence[int], joints: int, blocks: int, *, is_last: bool = False
    ) -> None:
        super().__init__()
        features = widths[0]

        def unit(channels: int, out: int) -> nn.Module:
            places = [channels] + [out] * (blocks - 1)
            return nn.Sequential(*(Residual(place, out) for place in places))

        self.hourglass = Hourglass(widths, unit)
        self.residuals = unit(features, features)
        self.feature = nn.Sequential(
            nn.Conv2d(features, features, 1), nn.BatchNorm2d(features), nn.ReLU(inplace=True)
        )
        self.score = nn.Conv2d(features, joints, 1)
        self.from_feature = None if is_last else nn.Conv2d(features, features, 1)
        self.from_score = None if is_last else nn.Conv2d(joints, features, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features → those of the next stack, and heat maps."""
        feature = self.feature(self.residuals(self.hourglass(x)))
        maps = self.score(feature)
        if self.from_feature is None or self.from_score is None:
            return x, maps
        return x + self.from_feature(feature) + self.from_score(maps), maps
