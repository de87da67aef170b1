"""HRNet's trunk: branches of several resolutions side by side, fused again and again.

Sun, Xiao, Liu, Wang: "Deep High-Resolution Representation Learning for Human Pose Estimation",
CVPR 2019 (arXiv 1902.09212), section 3. State-dict keys are the released ones
(`stage3.0.branches.1.2.conv1.weight`, `stage3.0.fuse_layers.2.0.1.0.weight`), which the ImageNet
weights of that code and of timm have, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.errors import InputError
from vitruvian.nn.resnet import BasicBlock, Bottleneck

STEM = 64
"""Channels of the two convolutions at the beginning, and inside of the first four bottlenecks."""
STEM_BLOCKS = 4


@dataclass(frozen=True)
class Stage:
    """One stage: modules one after the other, with the same branches.

    Attributes:
        modules: How often the branches are fused.
        blocks: Residual blocks of each branch between two fusions, the finest branch first.
        channels: Channels inside the blocks of each branch.
        bottleneck: Bottlenecks, which give out four times as many, or basic blocks.
    """

    modules: int
    blocks: tuple[int, ...]
    channels: tuple[int, ...]
    bottleneck: bool = False

    @property
    def output(self) -> tuple[int, ...]:
        """Channels that each branch gives out."""
        expansion = Bottleneck.expansion if self.bottleneck else BasicBlock.expansion
        return tuple(expansion * channels for channels in self.channels)


def hrnet_stages(
    width: int = 32, modules: Sequence[int] = (1, 4, 3), blocks: int = 4
) -> tuple[Stage, ...]:
    """The stages of HRNet-W`width`: stage n has n branches, each of twice its neighbour's channels.

    Args:
        width: Channels of the finest branch: 18, 32 or 48 as published.
        modules: Of stage 2, 3 and so on.
        blocks: Of each branch and module.

    Raises:
        InputError: there is no stage, or a number is below one.
    """
    if not modules or min(width, blocks, *modules) < 1:
        msg = f"HRNet needs stages, width and blocks of 1 or more: {width}, {modules}, {blocks}."
        raise InputError(msg)
    return tuple(
        Stage(count, (blocks,) * branches, tuple(width << branch for branch in range(branches)))
        for branches, count in enumerate(modules, start=2)
    )


def hrnet_stages_like(shapes: Mapping[str, Sequence[int]]) -> tuple[Stage, ...]:
    """The stages that a checkpoint with these shapes belongs to.

    Args:
        shapes: Published key → shape.

    Raises:
        InputError: the shapes are not those of this network.
    """
    stages = []
    for number in _numbers(key.split(".")[0][5:] for key in shapes if key.startswith("stage")):
        name = f"stage{number}."
        modules = _numbers(key.split(".")[1] for key in shapes if key.startswith(name))
        prefix = f"{name}0.branches."
        inside = [key.split(".")[3:] for key in shapes if key.startswith(prefix)]
        branches = _numbers(branch for branch, *_ in inside)
        blocks = tuple(
            len({block for branch, block, *_ in inside if branch == str(place)})
            for place in branches
        )
        channels = tuple(
            shapes.get(f"{prefix}{place}.0.conv1.weight", (0,))[0] for place in branches
        )
        bottleneck = f"{prefix}0.0.conv3.weight" in shapes
        stages.append(Stage(len(modules), blocks, channels, bottleneck))
    if not stages or not all(stage.channels and all(stage.channels) for stage in stages):
        raise InputError("The checkpoint is not one of HRNet: its keys are others.")
    return tuple(stages)


def stem_blocks_like(shapes: Mapping[str, Sequence[int]]) -> int:
    """Bottlenecks before the stages of a checkpoint with these shapes."""
    return len(_numbers(key.split(".")[1] for key in shapes if key.startswith("layer1.")))


class Fusion(nn.Module):
    """One module (section 3, "repeated multi-scale fusion"): the branches, then their exchange.

    Args:
        stage: The stage it belongs to.
        outputs: Branches that it gives out; the last module of the network gives one.
    """

    def __init__(self, stage: Stage, outputs: int) -> None:
        super().__init__()
        block = Bottleneck if stage.bottleneck else BasicBlock
        channels = stage.output
        self.branches = nn.ModuleList(
            nn.Sequential(*(block(out, inside) for _ in range(blocks)))
            for out, inside, blocks in zip(channels, stage.channels, stage.blocks, strict=True)
        )
        self.relu = nn.ReLU(inplace=True)
        self.fuse_layers = nn.ModuleList()
        if len(channels) > 1:
            for to in range(outputs):
                exchange = (_exchange(channels, origin, to) for origin in range(len(channels)))
                self.fuse_layers.append(nn.ModuleList(exchange))

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        """Branches at strides 4, 8, 16, … → those that are given out."""
        x = [branch(each) for branch, each in zip(self.branches, x, strict=True)]
        if not self.fuse_layers:
            return x
        fused = []
        for exchange in self.fuse_layers:
            # The first branch's own map enters the sum as it is: adding makes a new tensor.
            terms = [layer(each) for layer, each in zip(exchange, x, strict=True)]  # type: ignore[call-overload]
            total = terms[0] + terms[1]
            for term in terms[2:]:
                total += term
            fused.append(self.relu(total))
        return fused


class HRNet(nn.Module):
    """Stem, four bottlenecks, and the stages, the last of which gives out the finest branch alone.

    Args:
        stages: See `hrnet_stages`.
        stem_blocks: Bottlenecks before them; as published there are four, which in a small network
            are most of the work.

    Attributes:
        channels: Of what it gives out.
    """

    def __init__(self, stages: Sequence[Stage], *, stem_blocks: int = STEM_BLOCKS) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.conv2 = nn.Conv2d(STEM, STEM, 3, 2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM)
        self.relu = nn.ReLU(inplace=True)
        wide = STEM * Bottleneck.expansion
        places = (STEM, *(wide,) * (stem_blocks - 1))
        self.layer1 = nn.Sequential(*(Bottleneck(channels, STEM) for channels in places))
        widths = [(wide,), *(stage.output for stage in stages)]
        self.count = len(stages)
        for number, (stage, (before, after)) in enumerate(
            zip(stages, pairwise(widths), strict=True), start=1
        ):
            self.add_module(f"transition{number}", transition(before, after))
            branches, last = len(stage.channels), number == len(stages)
            outputs = [branches] * (stage.modules - 1) + [1 if last else branches]
            modules = (Fusion(stage, count) for count in outputs)
            self.add_module(f"stage{number + 1}", nn.Sequential(*modules))
        self.channels = widths[-1][0]

    def initialise(self) -> None:
        """N(0, 0.001) weights and zero biases of all convolutions, as the released code has it."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def features(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels height/4 width/4"]:
        """The finest branch after the last fusion; height and width are multiples of 32."""
        return self.after_stem(self.stem(image)[1])

    def stem(self, image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, Tensor]:
        """The first two convolutions: features of strides 2 and 4."""
        x = self.relu(self.bn1(self.conv1(image)))
        return x, self.relu(self.bn2(self.conv2(x)))

    def after_stem(self, x: Float[Tensor, "batch 64 height width"]) -> Tensor:
        """The finest branch, from features of stride 4."""
        branches = [self.layer1(x)]
        for number in range(1, self.count + 1):
            transition = self.get_submodule(f"transition{number}")
            assert isinstance(transition, nn.ModuleList)
            # A new branch comes from the coarsest one before.
            sources = branches + branches[-1:] * (len(transition) - len(branches))
            entering = [layer(each) for layer, each in zip(transition, sources, strict=True)]
            branches = self.get_submodule(f"stage{number + 1}")(entering)
        return branches[0]

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels height/4 width/4"]:
        """`features(image)`."""
        return self.features(image)


def transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """From the branches of one stage to those of the next."""
    layers = nn.ModuleList()
    for place, channels in enumerate(after):
        if place < len(before):
            same = before[place] == channels
            layers.append(nn.Identity() if same else unit(before[place], channels, stride=1))
            continue
        steps = place - len(before) + 1
        widths = [before[-1]] * steps + [channels]
        layers.append(nn.Sequential(*(unit(a, b, stride=2) for a, b in pairwise(widths))))
    return layers


def _exchange(channels: Sequence[int], origin: int, to: int) -> nn.Module:
    """What brings branch `origin` to the size and channels of branch `to` (figure 3)."""
    if origin == to:
        return nn.Identity()
    if origin > to:
        return nn.Sequential(
            nn.Conv2d(channels[origin], channels[to], 1, bias=False),
            nn.BatchNorm2d(channels[to]),
            nn.Upsample(scale_factor=2 ** (origin - to), mode="nearest"),
        )
    widths = [channels[origin]] * (to - origin) + [channels[to]]
    steps = [unit(a, b, stride=2) for a, b in pairwise(widths)]
    return nn.Sequential(*steps[:-1], steps[-1][:2])


def unit(channels: int, out: int, stride: int) -> nn.Sequential:
    """A 3×3 convolution, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


def _numbers(found: Iterable[str]) -> list[int]:
    return sorted({int(text) for text in found if text.isdigit()})
