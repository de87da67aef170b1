"""HigherHRNet: HRNet on whole pictures, with heat maps at half of their size.

Cheng, Xiao, Wang, Shi, Huang, Zhang: "HigherHRNet: Scale-Aware Representation Learning for
Bottom-Up Human Pose Estimation", CVPR 2020 (arXiv 1908.10357). At a quarter of the picture come
heat maps and tags, after a deconvolution further heat maps; people are grouped by tags
(`pose/associative_embedding.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.skeletons import find_skeleton
from vitruvian.nn.deconvolution import doubling
from vitruvian.nn.hrnet import HRNet, Stage, hrnet_stages, hrnet_stages_like
from vitruvian.nn.resnet import BasicBlock
from vitruvian.pose.bottom_up_system import BottomUpSystem, Maps
from vitruvian.pose.topdown_system import skeleton_of


class HigherHRNet(HRNet):
    """The network (section 3.2, figure 2). Published checkpoints have the same keys.

    Args:
        outputs: Maps that come out at each size, the smallest first: 17 joints with a tag each, and
            17 joints.
        stages: See `hrnet_stages`.
        filters: Channels of each deconvolution; each doubles the maps.
        kernels: Their kernels: 4, 3 or 2.
        joined: Whether each deconvolution also sees the maps of the size below.
        blocks: Residual blocks after each deconvolution.
        final_kernel: Kernel of the convolutions that give out maps, 1 or 3.

    Raises:
        InputError: the numbers of outputs and deconvolutions do not fit together.
        UnknownNameError: there is no such kernel.
    """

    def __init__(
        self,
        outputs: Sequence[int] = (34, 17),
        stages: Sequence[Stage] = hrnet_stages(),
        *,
        filters: Sequence[int] = (32,),
        kernels: Sequence[int] = (4,),
        joined: Sequence[bool] = (True,),
        blocks: int = 4,
        final_kernel: int = 1,
    ) -> None:
        if not len(outputs) - 1 == len(filters) == len(kernels) == len(joined):
            msg = (
                f"Each size after the first needs a deconvolution: {len(outputs)} sizes do not fit "
                f"{len(filters)} filters, {len(kernels)} kernels, {len(joined)} times joined."
            )
            raise InputError(msg)
        if final_kernel not in (1, 3):
            raise UnknownNameError("final kernel", str(final_kernel), ("1", "3"))
        super().__init__(stages)
        self.joined = tuple(joined)
        self.final_layers, self.deconv_layers = nn.ModuleList(), nn.ModuleList()
        channels = self.channels
        for place, maps in enumerate(outputs):
            if place:
                entering = channels + outputs[place - 1] * joined[place - 1]
                channels = filters[place - 1]
                up = nn.Sequential(
                    doubling(entering, channels, kernels[place - 1]),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(inplace=True),
                )
                residuals = (nn.Sequential(BasicBlock(channels, channels)) for _ in range(blocks))
                self.deconv_layers.append(nn.Sequential(up, *residuals))
            self.final_layers.append(
                nn.Conv2d(channels, maps, final_kernel, padding=final_kernel // 2)
            )
        self.initialise()

    def forward(  # type: ignore[override]
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[Tensor]:
        """(batch, outputs, height / 4, width / 4), and a map of twice the size each further one.

        Height and width of the normalised picture are multiples of 32.
        """
        x = self.features(image)
        found = [self.final_layers[0](x)]
        steps = zip(self.joined, self.deconv_layers, self.final_layers[1:], strict=True)
        for joined, deconvolution, final in steps:
            x = deconvolution(torch.cat([x, found[-1]], dim=1) if joined else x)
            found.append(final(x))
        return found


def higher_hrnet_options(shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Arguments of `HigherHRNet` that the shapes of a checkpoint tell.

    Args:
        shapes: Published key → shape.

    Raises:
        InputError: the shapes are not those of this network.
    """
    stages = hrnet_stages_like(shapes)
    count = len({key.split(".")[1] for key in shapes if key.startswith("final_layers.")})
    if not count:
        raise InputError("The checkpoint is not one of HigherHRNet: it has no final_layers.")
    finals = [shapes[f"final_layers.{place}.weight"] for place in range(count)]
    ups = [shapes[f"deconv_layers.{place}.0.0.weight"] for place in range(count - 1)]
    # What goes into a final layer comes out of the layer before.
    joined = [up[0] != final[1] for up, final in zip(ups, finals, strict=False)]
    blocks = {key.split(".")[2] for key in shapes if key.startswith("deconv_layers.0.")}
    return {
        "outputs": [final[0] for final in finals],
        "stages": stages,
        "filters": [up[1] for up in ups],
        "kernels": [up[2] for up in ups],
        "joined": joined,
        "blocks": max(len(blocks) - 1, 0),
        "final_kernel": finals[0][2],
    }


class HigherHRNetSystem(BottomUpSystem):
    """Training, scoring and use of the network (sections 3 and 4).

    Args:
        skeleton: Name of the joints' skeleton.
        branch_width: Channels of the finest branch, and of the deconvolution: 32 or 48.
        modules: Fusions of stage 2, 3 and so on.
        blocks: Residual blocks between two fusions, and after the deconvolution.
        one_tag: Whether all joints share one tag map.
        options: Of `BottomUpSystem`; `backbone` is an HRNet that classifies pictures.
    """

    card_name = "higher_hrnet"
    head = ("final_layers.", "deconv_layers.")
    left_out = ("incre_modules.", "downsamp_modules.", "final_layer.", "classifier.")
    strides = (4, 2)

    def __init__(
        self,
        skeleton: str = "coco17",
        *,
        branch_width: int = 32,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        one_tag: bool = False,
        **options: Any,
    ) -> None:
        joints = len(find_skeleton(skeleton))
        network = HigherHRNet(
            (joints + (1 if one_tag else joints), joints),
            hrnet_stages(branch_width, modules, blocks),
            filters=(branch_width,),
            blocks=blocks,
        )
        super().__init__(network, skeleton, **options)
        self.save_hyperparameters(ignore=["backbone"])

    def stages(self, outputs: Sequence[Tensor]) -> list[Maps]:
        """Heat maps and tags at a quarter of the picture, heat maps at half of it."""
        joints = len(self.skeleton)
        small, large = outputs
        return [Maps(4, small[:, :joints], small[:, joints:]), Maps(2, large, None)]

    @classmethod
    def arguments_of(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Width, modules, blocks and joints that a published state dict shows.

        Raises:
            InputError: it is another network's, or none that the arguments of the class describe.
        """
        found = higher_hrnet_options({key: tuple(value.shape) for key, value in state.items()})
        stages = found["stages"]
        width, modules = stages[0].channels[0], [stage.modules for stage in stages]
        blocks = stages[0].blocks[0]
        small, joints = (*found["outputs"], 0)[:2]
        regular = hrnet_stages(width, modules, blocks) == stages and found["blocks"] == blocks
        if not regular or found["filters"] != [width] or small - joints not in (1, joints):
            raise InputError("Its layers are not those of HigherHRNet-W32, W48 or another width.")
        options = {"branch_width": width, "modules": modules, "blocks": blocks}
        return {**options, "one_tag": small - joints == 1} | skeleton_of(joints)
