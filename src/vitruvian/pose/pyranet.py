"""PyraNet: a stacked hourglass whose residual modules see several scales at once.

Yang, Li, Ouyang, Li, Wang: "Learning Feature Pyramids for Human Pose Estimation", ICCV 2017
(arXiv 1708.01101). A Pyramid Residual Module (PRM) adds to a residual module a branch
that looks at the features at C smaller scales s_c = 2^(-c/C), so that people whose parts differ in
size are read with the same filters. Its four kinds are here; B is the released one.
The initialisation for layers at which branches meet, is `nn/init.py`.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vitruvian.core.errors import UnknownNameError
from vitruvian.core.skeletons import find_skeleton
from vitruvian.core.system import Batch
from vitruvian.nn.init import init_multi_branch
from vitruvian.pose.heatmaps import Decoder
from vitruvian.pose.topdown_system import OBJECTIVES, TopDownSystem

Kind = Literal["A", "B", "C", "D", "none"]
"""How a module builds its pyramid: A reduces each scale by itself; B shares one
reduction and sums the scales; C joins their channels instead; D dilates 3×3 convolutions instead of
making features smaller. "none" is a plain residual module."""

Init = Literal["multi_branch", "torch7"]

MEAN = (0.4404, 0.4440, 0.4327)
"""Of red, green, blue of MPII's photos, as other code bases have it; the released code measures the
training photos."""


class PyramidPool(nn.Module):
    """Fractional max pooling (Graham, arXiv 1412.6071) with windows of 2×2.

    Windows lie at random while training. Torch7 draws them in tests, too, so that its results
    change from run to run; here they lie evenly then.

    Args:
        ratio: Of the output's size to the input's, in [0.5, 1).
    """

    def __init__(self, ratio: float) -> None:
        super().__init__()
        self.ratio = ratio

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Tensor:
        """(batch, channels, ⌊ratio · height⌋, ⌊ratio · width⌋)."""
        height, width = x.shape[-2:]
        size = int(height * self.ratio), int(width * self.ratio)
        if self.training:
            return F.fractional_max_pool2d(x, 2, size)
        rows, columns = (
            window_starts(n, m, x.device) for n, m in zip((height, width), size, strict=True)
        )
        tall = torch.maximum(x.index_select(-2, rows), x.index_select(-2, rows + 1))
        return torch.maximum(tall.index_select(-1, columns), tall.index_select(-1, columns + 1))


def window_starts(length: int, outputs: int, device: torch.device | None = None) -> Tensor:
    """(outputs,) where windows of two lie evenly on `length` places: a sample of ½ in PyTorch."""
    if outputs == 1:
        return torch.tensor([length - 2], device=device)
    step = (length - 2) / (outputs - 1)
    starts = [int((place + 0.5) * step) - int(0.5 * step) for place in range(outputs - 1)]
    return torch.tensor([*starts, length - 2], device=device)


class Residual(nn.Module):
    """BN, ReLU, convolution thrice (1×1, 3×3, 1×1), and the shortcut.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        project: The shortcut is BN, ReLU and a 1×1 convolution also where the channels stay: the
            paper's cure for the variance that doubles where two residual branches are added.
    """

    def __init__(self, inputs: int, outputs: int, *, project: bool = False) -> None:
        super().__init__()
        half = outputs // 2
        self.main = nn.Sequential(
            *_activated(inputs, half, 1), *_activated(half, half, 3), *_activated(half, outputs, 1)
        )
        self.shortcut = _shortcut(inputs, outputs, project=project)

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Tensor:
        """(batch, outputs, height, width)."""
        return self.shortcut(x) + self.main(x)


class PyramidResidual(nn.Module):
    """The Pyramid Residual Module: x' = shortcut(x) + g(f_0(x) + Σ_c f_c(x)).

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        kind: How the pyramid is built; not "none".
        scales: C, its levels below the full one.
        base_width: The pyramid is ⌊outputs / base_width⌋ channels wide.
        project: As in `Residual`.
        activated: Features come in normalised and rectified, as after the first convolution.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kind: Kind = "B",
        scales: int = 4,
        base_width: float = 9,
        project: bool = False,
        activated: bool = False,
    ) -> None:
        super().__init__()
        half, width = outputs // 2, int(outputs / base_width)
        self.kind = kind

        def reduce(to: int) -> list[nn.Module]:
            layers = _activated(inputs, to, 1)
            return layers[2:] if activated else layers

        self.main = nn.Sequential(*reduce(half), *_activated(half, half, 3))
        reductions = scales if kind == "A" else 1
        self.reduce = nn.ModuleList(
            nn.Sequential(*reduce(width), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
            for _ in range(reductions)
        )
        self.levels = nn.ModuleList(
            _level(width, level, scales, dilate=kind == "D") for level in range(1, scales + 1)
        )
        joined = width * scales if kind == "C" else width
        self.expand = nn.Sequential(*_activated(joined, half, 1))
        self.last = nn.Sequential(*_activated(half, outputs, 1))
        self.shortcut = _shortcut(inputs, outputs, project=project)

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Tensor:
        """(batch, outputs, height, width)."""
        reduced = [reduce(x) for reduce in self.reduce]
        seen = []
        for number, level in enumerate(self.levels):
            features = level(reduced[number if self.kind == "A" else 0])
            if features.shape[-2:] != x.shape[-2:]:
                size = x.shape[-2:]
                features = F.interpolate(features, size, mode="bilinear", align_corners=True)
            seen.append(features)
        pyramid = torch.cat(seen, dim=1) if self.kind == "C" else torch.stack(seen).sum(dim=0)
        return self.shortcut(x) + self.last(self.main(x) + self.expand(pyramid))

    def branches(self) -> dict[str, tuple[int, int]]:
        """Layer → branches it sums and branches that read it, for `init_multi_branch`.

        The sum of the levels comes into the layer behind the pyramid (the released code counts
        branches there), and all levels read what the shared reduction gives.
        """
        levels = len(self.levels)
        found = {} if self.kind == "C" else {"expand.2": (levels, 1)}
        if self.kind != "A":
            (reduce,) = self.reduce
            place = next(n for n, layer in reduce.named_children() if isinstance(layer, nn.Conv2d))
            found[f"reduce.0.{place}"] = (1, levels)
        return found


def _activated(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    """BN, ReLU and a convolution that keeps the size."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    return [nn.BatchNorm2d(inputs), nn.ReLU(inplace=False), convolution]


def _shortcut(inputs: int, outputs: int, *, project: bool) -> nn.Module:
    if inputs == outputs and not project:
        return nn.Identity()
    return nn.Sequential(*_activated(inputs, outputs, 1))


def _level(width: int, level: int, scales: int, *, dilate: bool) -> nn.Sequential:
    """A level of the pyramid: smaller features and a 3×3, or a dilated 3×3."""
    layers = nn.Sequential()
    if not dilate:
        layers.add_module("pool", PyramidPool(2 ** (-level / scales)))
    dilation = level if dilate else 1
    convolution = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
    layers.add_module("convolution", convolution)
    return layers


def make_residual(
    inputs: int, outputs: int, kind: Kind, *, scales: int, base_width: float, **options: bool
) -> Residual | PyramidResidual:
    """A pyramid module of that kind, or for "none" a plain one."""
    if kind == "none":
        options.pop("activated", None)
        return Residual(inputs, outputs, **options)
    return PyramidResidual(
        inputs, outputs, kind=kind, scales=scales, base_width=base_width, **options
    )


class PyramidHourglass(nn.Module):
    """An hourglass: halves `depth` times and comes back.

    Pyramids are where features are large: beside the two innermost levels stand plain modules, as
    released. What comes up from below is projected, so that sums of branches keep their variance.

    Args:
        depth: Levels; 4.
        width: Channels.
        kind: Of the pyramid modules.
        scales: As in `PyramidResidual`.
        base_width: Likewise.
    """

    def __init__(
        self, depth: int, width: int, *, kind: Kind, scales: int, base_width: float
    ) -> None:
        super().__init__()

        def module(pyramid: bool, *, project: bool = False) -> nn.Module:
            chosen: Kind = kind if pyramid else "none"
            return make_residual(
                width, width, chosen, scales=scales, base_width=base_width, project=project
            )

        self.up = module(depth >= 2)
        self.low1 = module(depth >= 3)
        if depth > 1:
            self.low2: nn.Module = PyramidHourglass(
                depth - 1, width, kind=kind, scales=scales, base_width=base_width
            )
        else:
            self.low2 = module(pyramid=False)
        self.low3 = module(depth >= 3, project=True)

    def forward(self, x: Float[Tensor, "batch width height width_"]) -> Tensor:
        """The same shape; the height and width are multiples of 2 to the depth."""
        low = self.low3(self.low2(self.low1(F.max_pool2d(x, 2))))
        return self.up(x) + F.interpolate(low, scale_factor=2.0, mode="nearest")


class PyraNet(nn.Module):
    """The network: stacked hourglasses of pyramid modules, each with heat maps of its own.

    Args:
        joints: Maps of each stack.
        stacks: Hourglasses; 8 have the published 28.1 million parameters.
        kind: Of the pyramid modules; "none" gives a stacked hourglass without them.
        width: Channels.
        scales: C, the pyramid's levels (released: 4).
        base_width: The pyramid is ⌊channels / base_width⌋ wide (released: 9).
        init: "multi_branch" (`nn/init.py`), or "torch7", uniform ± 1 / √n, as released.
    """

    def __init__(
        self,
        joints: int = 16,
        *,
        stacks: int = 8,
        kind: Kind = "B",
        width: int = 256,
        scales: int = 4,
        base_width: float = 9,
        init: Init = "multi_branch",
    ) -> None:
        super().__init__()
        for name, given, known in (("kind of pyramid", kind, Kind), ("initialisation", init, Init)):
            if given not in get_args(known):
                raise UnknownNameError(name, given, get_args(known))
        pyramid: dict[str, Any] = {"kind": kind, "scales": scales, "base_width": base_width}
        self.front = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            make_residual(64, 128, activated=True, **pyramid),
            nn.MaxPool2d(2),
            make_residual(128, 128, **pyramid),
            make_residual(128, width, **pyramid),
        )
        self.hourglasses = nn.ModuleList(
            PyramidHourglass(4, width, **pyramid) for _ in range(stacks)
        )
        self.features = nn.ModuleList(
            nn.Sequential(
                *_activated(width, width, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
            )
            for _ in range(stacks)
        )
        self.heatmaps = nn.ModuleList(nn.Conv2d(width, joints, 1) for _ in range(stacks))
        again = stacks - 1
        self.merge_features = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(again))
        self.merge_heatmaps = nn.ModuleList(nn.Conv2d(joints, width, 1) for _ in range(again))
        if init == "multi_branch":
            init_multi_branch(self, self.branches())
        else:
            _init_torch7(self)

    def branches(self) -> dict[str, tuple[int, int]]:
        """Where branches meet: see `PyramidResidual.branches`."""
        return {
            f"{path}.{layer}": count
            for path, module in self.named_modules()
            if isinstance(module, PyramidResidual)
            for layer, count in module.branches().items()
        }

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch joints height/4 width/4"]]:
        """Heat maps of every stack; height and width are multiples of 64."""
        x = self.front(image)
        found: list[Tensor] = []
        for number, hourglass in enumerate(self.hourglasses):
            features = self.features[number](hourglass(x))
            found.append(self.heatmaps[number](features))
            if number + 1 < len(self.hourglasses):
                back = self.merge_heatmaps[number](found[-1])
                x = x + self.merge_features[number](features) + back
        return found


def _init_torch7(network: nn.Module) -> None:
    """Torch7's own rule: weights and biases even in ± 1 / √inputs."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            bound = layer.weight[0].numel() ** -0.5
            nn.init.uniform_(layer.weight, -bound, bound)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound)


class PyramidNetwork(TopDownSystem):
    """Training, scoring and use of the network: every stack is trained, the last one is read.

    Args:
        skeleton: Name of the joints' skeleton.
        stacks: As in `PyraNet`.
        kind: Likewise.
        features: Channels of the network: its `width`.
        scales: As in `PyraNet`.
        base_width: Likewise.
        init: Likewise.
        width: Of the crops, in pixels; a multiple of 64.
        height: Likewise.
        decoder: How joints are read from maps.
        options: Of `TopDownSystem`.
    """

    card_name = "pyranet"
    objectives = OBJECTIVES

    def __init__(
        self,
        skeleton: str = "mpii16",
        *,
        stacks: int = 8,
        kind: Kind = "B",
        features: int = 256,
        scales: int = 4,
        base_width: float = 9,
        init: Init = "multi_branch",
        width: int = 256,
        height: int = 256,
        decoder: Decoder = "cell",
        **options: Any,
    ) -> None:
        network = PyraNet(
            len(find_skeleton(skeleton)),
            stacks=stacks,
            kind=kind,
            width=features,
            scales=scales,
            base_width=base_width,
            init=init,
        )
        super().__init__(
            network,
            skeleton,
            width=width,
            height=height,
            decoder=decoder,
            mean=MEAN,
            deviation=(1.0, 1.0, 1.0),
            **options,
        )
        self.check_sides(64)
        self.save_hyperparameters(ignore=["backbone"])

    def error(self, maps: Float[Tensor, "batch joints height width"], batch: Batch) -> Tensor:
        """Mean squared error of a stack's maps, unlabelled joints left out."""
        return 2 * super().error(maps, batch)
