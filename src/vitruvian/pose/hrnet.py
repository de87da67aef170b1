"""HRNet: heat maps from a branch that stays at a quarter of the crop from start to end.

Sun, Xiao, Liu, Wang: "Deep High-Resolution Representation Learning for Human Pose Estimation",
CVPR 2019 (arXiv 1902.09212). The trunk is `nn/hrnet.py`; here are its head and the system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.skeletons import find_skeleton
from vitruvian.nn.hrnet import (
    STEM,
    STEM_BLOCKS,
    HRNet,
    Stage,
    hrnet_stages,
    hrnet_stages_like,
    stem_blocks_like,
)
from vitruvian.pose.first_sight import FirstSight, OpenPoseSight
from vitruvian.pose.topdown_system import (
    DEVIATION,
    MEAN,
    OBJECTIVES,
    TopDownSystem,
    skeleton_of,
)


class PoseHRNet(HRNet):
    """The network (section 3): the trunk and one convolution.

    Published checkpoints have the same keys.

    Args:
        joints: Maps that come out.
        stages: See `hrnet_stages`.
        final_kernel: Kernel of the last convolution, 1 or 3.
        stem_blocks: As in `HRNet`.
        sight: What else sees the crop and adds to the stem's features; see `OpenPoseSight`.

    Raises:
        UnknownNameError: there is no such kernel.
    """

    def __init__(
        self,
        joints: int = 17,
        stages: Sequence[Stage] = hrnet_stages(),
        *,
        final_kernel: int = 1,
        stem_blocks: int = STEM_BLOCKS,
        sight: nn.Module | None = None,
    ) -> None:
        if final_kernel not in (1, 3):
            raise UnknownNameError("final kernel", str(final_kernel), ("1", "3"))
        super().__init__(stages, stem_blocks=stem_blocks)
        self.final_layer = nn.Conv2d(self.channels, joints, final_kernel, padding=final_kernel // 2)
        self.initialise()
        self.sight = sight

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch joints height/4 width/4"]:
        """Heat maps of normalised crops; height and width are multiples of 32."""
        stem = self.stem(image)[1]
        if self.sight is not None:
            stem = stem + self.sight(image)
        return self.final_layer(self.after_stem(stem))


def pose_hrnet_like(shapes: Mapping[str, Sequence[int]]) -> PoseHRNet:
    """The network that a checkpoint with these shapes belongs to.

    Args:
        shapes: Published key → shape.

    Raises:
        InputError: the shapes are not those of this network.
    """
    joints, final_kernel = _head(shapes)
    return PoseHRNet(
        joints,
        hrnet_stages_like(shapes),
        final_kernel=final_kernel,
        stem_blocks=stem_blocks_like(shapes),
    )


def _head(shapes: Mapping[str, Sequence[int]]) -> tuple[int, int]:
    """Joints and the last kernel."""
    if len(shapes.get("final_layer.weight", ())) != 4:
        raise InputError("The checkpoint is not one of HRNet for poses: it has no final_layer.")
    joints, _, kernel, _ = shapes["final_layer.weight"]
    return joints, kernel


class PoseHRNetSystem(TopDownSystem):
    """Training, scoring and use of the network (section 3, tables 1 to 3).

    Args:
        skeleton: Name of the joints' skeleton.
        branch_width: Channels of the finest branch: 18, 32 or 48.
        modules: Fusions of stage 2, 3 and so on.
        blocks: Residual blocks between two fusions.
        final_kernel: As in `PoseHRNet`.
        stem_blocks: Bottlenecks before the stages; 4 as published.
        first_sight: Whether features of the embedded OpenPose are added to the stem's, and whether
            they learn; "none" as published.
        options: Of `TopDownSystem`; `backbone` is an HRNet that classifies pictures (the paper:
            ImageNet's), as its authors or timm save it.
    """

    card_name = "hrnet"
    objectives = OBJECTIVES
    head = ("final_layer.",)
    left_out = ("incre_modules.", "downsamp_modules.", "final_layer.", "classifier.")

    def __init__(
        self,
        skeleton: str = "coco17",
        *,
        branch_width: int = 32,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        final_kernel: int = 1,
        stem_blocks: int = STEM_BLOCKS,
        first_sight: FirstSight = "none",
        **options: Any,
    ) -> None:
        if first_sight not in get_args(FirstSight):
            raise UnknownNameError("first sight", first_sight, get_args(FirstSight))
        sight = None
        if first_sight != "none":
            sight = OpenPoseSight(STEM, MEAN, DEVIATION, trained=first_sight == "trained")
        network = PoseHRNet(
            len(find_skeleton(skeleton)),
            hrnet_stages(branch_width, modules, blocks),
            final_kernel=final_kernel,
            stem_blocks=stem_blocks,
            sight=sight,
        )
        super().__init__(network, skeleton, **options)
        self.check_sides(32)
        self.save_hyperparameters(ignore=["backbone"])

    def load_backbone(self) -> None:
        """The embedded OpenPose's weights first: a backbone may have been trained without them."""
        sight = getattr(self.network, "sight", None)  # the network may be converted
        if isinstance(sight, OpenPoseSight):
            sight.load_embedded()
        super().load_backbone()

    def backbone_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Without the classifier, and without what brings its last stage to four outputs."""
        own = self.network.state_dict()
        known = {
            key: value
            for key, value in super().backbone_state(state).items()
            if key in own or not key.startswith("stage4.")
        }
        return {key: value for key, value in own.items() if key.startswith("sight.")} | known

    @classmethod
    def arguments_of(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Width, modules, blocks and joints that a published state dict shows.

        Raises:
            InputError: it is another network's, or an HRNet whose branches do not double.
        """
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        joints, final_kernel = _head(shapes)
        found = hrnet_stages_like(shapes)
        options: dict[str, Any] = {
            "branch_width": found[0].channels[0],
            "modules": [stage.modules for stage in found],
            "blocks": found[0].blocks[0],
        }
        if hrnet_stages(*options.values()) != found:
            raise InputError("Its branches are not those of HRNet-W18, W32, W48 or another width.")
        own: dict[str, Any] = {
            "final_kernel": final_kernel,
            "stem_blocks": stem_blocks_like(shapes),
        }
        if any(key.startswith("sight.") for key in shapes):
            own["first_sight"] = "frozen"
        return options | own | skeleton_of(joints)
