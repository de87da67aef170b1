"""Simple Baselines: a ResNet and three deconvolutions.

Xiao, Wu, Wei: "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018
(arXiv 1804.06208). One person's crop goes in, a heat map a joint comes out at a quarter of its
size; the joint is where its map is highest. Crops, objective and the reading of the maps are those
of `pose/topdown_system.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.skeletons import find_skeleton
from vitruvian.nn.deconvolution import doubling
from vitruvian.nn.resnet import RESNETS, ResNet, Style
from vitruvian.pose.topdown_system import OBJECTIVES, Channels, TopDownSystem, skeleton_of


class PoseResNet(ResNet):
    """The network (section 2, figure 1c): ResNet, deconvolutions, one convolution.

    Published checkpoints (`conv1.weight`, `deconv_layers.0.weight`, `final_layer.bias`) have the
    same keys. They expect the picture's channels in the order blue, green, red, with the ImageNet
    mean and deviation of red, green, blue put on them in that order.

    Args:
        joints: Maps that come out.
        depth: 18, 34, 50, 101 or 152.
        style: Where a bottleneck strides ("pytorch", "caffe"). As published, "caffe" makes
            bottlenecks at every depth.
        filters: Channels of each deconvolution; each doubles the map.
        kernels: Their kernels: 4, 3 or 2.
        deconvolution_bias: Whether they have a bias.
        final_kernel: Kernel of the last convolution, 1 or 3.

    Raises:
        UnknownNameError: a depth, style or kernel that there is not.
        InputError: `filters` and `kernels` differ in length.
    """

    def __init__(
        self,
        joints: int = 17,
        *,
        depth: int = 50,
        style: Style = "pytorch",
        filters: Sequence[int] = (256, 256, 256),
        kernels: Sequence[int] = (4, 4, 4),
        deconvolution_bias: bool = False,
        final_kernel: int = 1,
    ) -> None:
        if depth not in RESNETS:
            raise UnknownNameError("ResNet depth", str(depth), map(str, RESNETS))
        if len(filters) != len(kernels) or not filters:
            msg = f"Give each deconvolution filters and a kernel: {filters} does not fit {kernels}."
            raise InputError(msg)
        if final_kernel not in (1, 3):
            raise UnknownNameError("final kernel", str(final_kernel), ("1", "3"))
        stages, bottleneck = RESNETS[depth]
        super().__init__(stages, bottleneck=bottleneck or style == "caffe", style=style)
        self.deconv_layers = nn.Sequential()
        channels = self.channels[-1]
        for width, kernel in zip(filters, kernels, strict=True):
            self.deconv_layers.extend(
                [
                    doubling(channels, width, kernel, bias=deconvolution_bias),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
            )
            channels = width
        self.final_layer = nn.Conv2d(channels, joints, final_kernel, padding=final_kernel // 2)
        self._initialise_head()

    def _initialise_head(self) -> None:
        """N(0, 0.001) weights and zero biases, as the released code has it."""
        for module in (*self.deconv_layers, self.final_layer):
            if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(  # type: ignore[override]
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch joints height/4 width/4"]:
        """Heat maps of normalised crops; height and width are multiples of 32.

        With three deconvolutions they are a quarter of the crop's size; each one more or less
        doubles or halves it.
        """
        return self.final_layer(self.deconv_layers(self.features(image)[-1]))


def pose_resnet_like(
    shapes: Mapping[str, Sequence[int]], *, style: Style = "pytorch"
) -> PoseResNet:
    """The network that a checkpoint with these shapes belongs to.

    Args:
        shapes: Published key → shape.
        style: Follows from no shape: the checkpoint's card or configuration name tells it.

    Raises:
        InputError: the shapes are not those of this network.
    """
    return PoseResNet(style=style, **pose_resnet_options(shapes))


def pose_resnet_options(shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Arguments of `PoseResNet` that the shapes of a checkpoint tell: all but the style.

    Args:
        shapes: Published key → shape.

    Raises:
        InputError: the shapes are not those of this network.
    """
    stages = tuple(
        len({key.split(".")[1] for key in shapes if key.startswith(f"layer{number}.")})
        for number in range(1, 5)
    )
    bottleneck = "layer1.0.conv3.weight" in shapes
    depths = [depth for depth, (blocks, _) in RESNETS.items() if blocks == stages]
    exact = [depth for depth in depths if RESNETS[depth][1] == bottleneck]
    deconvolutions = [
        (int(key.split(".")[1]), shape)
        for key, shape in shapes.items()
        if key.startswith("deconv_layers.") and key.endswith(".weight") and len(shape) == 4
    ]
    deconvolutions.sort()
    if not depths or not deconvolutions or "final_layer.weight" not in shapes:
        raise InputError("The checkpoint is not one of Simple Baselines: its keys are others.")
    joints, _, final_kernel, _ = shapes["final_layer.weight"]
    return {
        "joints": joints,
        "depth": (exact or depths)[0],
        "filters": [shape[1] for _, shape in deconvolutions],
        "kernels": [shape[2] for _, shape in deconvolutions],
        "deconvolution_bias": f"deconv_layers.{deconvolutions[0][0]}.bias" in shapes,
        "final_kernel": final_kernel,
    }


class SimpleBaseline(TopDownSystem):
    """Training, scoring and use of the network (section 2, table 1).

    The published weights want "bgr" pictures; the mean and deviation are ImageNet's of red, green,
    blue in either case, as published.

    Args:
        skeleton: Name of the joints' skeleton.
        depth: Of the ResNet.
        style: As in `PoseResNet`.
        filters: Likewise.
        kernels: Likewise.
        deconvolution_bias: Likewise.
        final_kernel: Likewise.
        channels: Order in which the network sees colours.
        options: Of `TopDownSystem`; `backbone` is a ResNet that classifies pictures, in
            torchvision's layout (the paper: ImageNet's).
    """

    card_name = "simple_baseline"
    objectives = OBJECTIVES
    head = ("deconv_layers.", "final_layer.")
    left_out = ("fc.",)

    def __init__(
        self,
        skeleton: str = "coco17",
        *,
        depth: int = 50,
        style: Style = "pytorch",
        filters: Sequence[int] = (256, 256, 256),
        kernels: Sequence[int] = (4, 4, 4),
        deconvolution_bias: bool = False,
        final_kernel: int = 1,
        channels: Channels = "bgr",
        **options: Any,
    ) -> None:
        network = PoseResNet(
            len(find_skeleton(skeleton)),
            depth=depth,
            style=style,
            filters=filters,
            kernels=kernels,
            deconvolution_bias=deconvolution_bias,
            final_kernel=final_kernel,
        )
        super().__init__(network, skeleton, channels=channels, **options)
        self.save_hyperparameters(ignore=["backbone"])

    @classmethod
    def arguments_of(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Depth, filters, kernels and joints that a published state dict shows."""
        options = pose_resnet_options({key: tuple(value.shape) for key, value in state.items()})
        return options | skeleton_of(options.pop("joints"))
