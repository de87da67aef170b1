"""A stacked hourglass with a depth for each joint: 3D pose from one picture of a person.

Zhou, Huang, Sun, Xue, Wei: "Towards 3D Human Pose Estimation in the Wild: a Weakly-supervised
Approach", ICCV 2017 (arXiv 1704.02447), section 3: a 2D module, which is a stacked hourglass, and a
depth regression module on the features and heat maps of that. It is also the generator of Yang et
al.: "3D Human Pose Estimation in the Wild by Adversarial Learning", CVPR 2018 (arXiv 1803.09722).

Names are those of the authors' second code base, the one nearest to the paper.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.errors import InputError
from vitruvian.nn.hourglass import STEM, Residual, Stack

LEVELS = 4
"""Of an hourglass, and of the way from its 64 × 64 places to 4 × 4."""


class Hourglass3D(nn.Module):
    """The network.

    Unlike in 2D, every stack feeds its features and maps back, the last one too: there the sum is
    what depths are read from.

    Args:
        joints: Of the skeleton; as published MPII's.
        stacks: Hourglasses one after the other.
        blocks: Residual modules at each place of an hourglass, and after it.
        features: Channels throughout.
        depth_blocks: Residual modules before each pooling of the depth regression.

    Raises:
        InputError: there would be no stack or no residual module.
    """

    def __init__(
        self,
        joints: int = 16,
        *,
        stacks: int = 2,
        blocks: int = 2,
        features: int = 256,
        depth_blocks: int = 2,
    ) -> None:
        super().__init__()
        if min(stacks, blocks) < 1:
            raise InputError(f"An hourglass needs a stack and a block: {stacks}, {blocks}.")
        self.blocks, self.depth_blocks = blocks, depth_blocks
        first, second = STEM
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 7, 2, padding=3),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
            Residual(first, second),
            nn.MaxPool2d(2),
            Residual(second, second),
            Residual(second, features),
        )
        widths = [features] * (LEVELS + 1)
        self.stacks = nn.ModuleList(Stack(widths, joints, blocks) for _ in range(stacks))
        self.regression = nn.Sequential(
            *(
                nn.Sequential(
                    *(Residual(features, features) for _ in range(depth_blocks)), nn.MaxPool2d(2)
                )
                for _ in range(LEVELS)
            )
        )
        self.depth = nn.Linear(4 * 4 * features, joints)

    def forward(
        self, image: Float[Tensor, "batch 3 256 256"]
    ) -> tuple[list[Float[Tensor, "batch joints 64 64"]], Float[Tensor, "batch joints"]]:
        """The heat maps of each stack, and depths from a root that training chooses.

        Depths count in half sides of the crop, away from the camera.
        """
        x = self.stem(image)
        found = []
        for stack in self.stacks:
            x, maps = stack(x)
            found.append(maps)
        return found, self.depth(self.regression(x).flatten(1))

    def published_keys(self) -> dict[str, str]:
        """Our keys → those of the authors' checkpoints."""
        return {key: self._published_key(key) for key in self.state_dict()}

    def _published_key(self, key: str) -> str:
        parts = key.split(".")
        parts[-2] = _RESIDUAL.get(parts[-2], parts[-2])
        match parts:
            case ["stem", place, *rest]:
                names = [_STEM[place]]
            case ["stacks", stack, "hourglass", *rest]:
                names = ["hourglass", stack]
                rest = [_PLACES.get(name, name) for name in rest]
            case ["stacks", stack, "residuals", block, *rest]:
                names = ["Residual", str(int(stack) * self.blocks + int(block))]
            case ["stacks", stack, head, *rest]:
                names = [_HEADS[head], stack]
            case ["regression", level, block, *rest]:
                names = ["reg_", str(int(level) * self.depth_blocks + int(block))]
            case [_, *rest]:
                names = ["reg"]
        return ".".join([*names, *rest])


_STEM = {"0": "conv1_", "1": "bn1", "3": "r1", "5": "r4", "6": "r5"}
_RESIDUAL = {"bn1": "bn", "bn2": "bn1", "bn3": "bn2", "project": "conv4"}
_PLACES = {"inner": "low2", "skip": "up1_", "down": "low1_", "middle": "low2_", "up": "low3_"}
_HEADS = {"feature": "lin_", "score": "tmpOut", "from_feature": "ll_", "from_score": "tmpOut_"}
