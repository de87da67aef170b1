"""Convolutional Pose Machines: belief maps that each stage refines with all it has seen so far.

Wei, Ramakrishna, Kanade, Sheikh: "Convolutional Pose Machines", CVPR 2016 (arXiv 1602.00134).
A stage reads the picture's features and the belief maps of the stage before it, over a receptive
field that grows from stage to stage (section 3.2), and every stage is supervised (section 3.3).
Which of several people is meant is told by a Gaussian at the person's centre.

Two networks were released: `CPM` (the paper's figure 2), and `VggCPM` (VGG-19 features that all
stages share; the best on MPII). Both read BGR pictures as x / 256 - 0.5 and answer at an eighth of
the size; a cell stands for its middle. The released detector of people's centres is in
`cpm_centers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vitruvian.core.errors import InputError, WeightsError
from vitruvian.core.published import to_published
from vitruvian.core.skeletons import find_skeleton
from vitruvian.core.system import Batch
from vitruvian.nn.norms import NormName
from vitruvian.nn.vgg import VGG, Layer, caffe_name, stage, trunk, vgg_of_torchvision
from vitruvian.pose.heatmap_tensors import mirror_back
from vitruvian.pose.topdown_system import Channels, TopDownSystem, skeleton_of

STRIDE = 8
SIGMA = 7.0
"""Of the target Gaussians, in pixels of the crop."""

CENTER_SIGMA = 21.0
"""Of the Gaussian at the person's centre, in pixels of the crop."""

PARTS = (
    "head_top", "neck",
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
)  # fmt: skip
"""Order of the maps of the published models of 14 joints; the last map is the background."""

Pooling = Literal["up", "padded", "down"]
"""Where a pool's window lies: Caffe rounds sizes up; of the PyTorch ports, brainBY's pads by one
pixel, and HowieMa's rounds down. Same keys and shapes, other outputs at the border."""

_FIRST = (("conv4", 5, 32), ("conv5", 9, 512), ("conv6", 1, 512), ("conv7", 1, 0))
_LATER = (*((f"Mconv{i}", 11, 128) for i in (1, 2, 3)), ("Mconv4", 1, 128), ("Mconv5", 1, 0))

_VGG_TRUNK = (*VGG, *((f"conv4_{i}_CPM", 256) for i in range(3, 7)), ("conv4_7_CPM", 128))
_VGG_FIRST = (("conv5_1_CPM", 1, 512), ("conv5_2_CPM", 1, 0))
VGG_LATER = (*((f"Mconv{i}", 7, 128) for i in range(1, 6)), ("Mconv6", 1, 128), ("Mconv7", 1, 0))


class CPM(nn.Module):
    """The network of the paper (figure 2, c to f), 31.2 million parameters in six stages.

    Args:
        joints: Belief maps; one more, of the background, comes out.
        stages: 6; FLIC's model has 4.
        pooling: See `Pooling`.
        width: Channels of most convolutions, 128; those of the others are in proportion.
        norm: Put a batch norm after every convolution but a stage's last; the paper has none.
    """

    def __init__(
        self,
        joints: int = 14,
        *,
        stages: int = 6,
        pooling: Pooling = "up",
        width: int = 128,
        norm: bool = False,
    ) -> None:
        super().__init__()
        maps = joints + 1
        first, later = (
            tuple((name, kernel, channels * width // 128) for name, kernel, channels in table)
            for table in (_FIRST, _LATER)
        )
        self.tower_stage1 = _tower("_stage1", width, pooling, norm=norm)
        layers = stage(first, width, maps, "_stage1", norm=norm)
        self.stage1 = nn.Sequential()
        for name, layer in layers.named_children():
            if name in ("conv6_stage1", "conv7_stage1"):
                self.stage1.add_module(f"drop_{name}", nn.Dropout(0.5))
            self.stage1.add_module(name, layer)
        if stages > 1:
            self.tower_stage2 = _tower("_stage2", width, pooling, norm=norm)
        self.pool_center_lower = _center_pool(pooling)
        self.features = nn.ModuleList()
        self.stages = nn.ModuleList()
        for number in range(2, stages + 1):
            name = "conv4_stage2" if number == 2 else f"conv1_stage{number}"
            narrow = width // 4
            self.features.append(stage(((name, 5, narrow),), width, 0, "", norm=norm))
            seen = narrow + maps + 1
            self.stages.append(stage(later, seen, maps, f"_stage{number}", norm=norm))

    def forward(
        self,
        image: Float[Tensor, "batch 3 height width"],
        center: Float[Tensor, "batch 1 height width"] | None = None,
    ) -> list[Float[Tensor, "batch joints+1 height/8 width/8"]]:
        """Belief maps of every stage.

        Args:
            image: BGR, x / 256 - 0.5.
            center: `center_map` of the person; None: the person is in the middle.
        """
        if center is None:
            center = center_map(image)
        near = self.pool_center_lower(center)
        beliefs = [self.stage1(self.tower_stage1(image))]
        if not len(self.stages):
            return beliefs
        image_features = self.tower_stage2(image)
        for to_features, to_beliefs in zip(self.features, self.stages, strict=True):
            seen = torch.cat([to_features(image_features), beliefs[-1], near], dim=1)
            beliefs.append(to_beliefs(seen))
        return beliefs

    def published_keys(self) -> dict[str, str]:
        """Our key → Caffe's layer name and tensor."""
        return {key: caffe_name(key) for key in self.state_dict()}


class VggCPM(nn.Module):
    """The released network on VGG-19 features, 29.9 million parameters in six stages.

    Args:
        joints: Belief maps; one more, of the background, comes out.
        stages: 6.
        norm: As in `CPM`.
    """

    def __init__(self, joints: int = 14, *, stages: int = 6, norm: bool = False) -> None:
        super().__init__()
        maps = joints + 1
        self.trunk = trunk(_VGG_TRUNK, pool_up=True, norm=norm)
        self.pool_center_lower = _center_pool("up")
        self.stages = nn.ModuleList([stage(_VGG_FIRST, 128, maps, "", norm=norm)])
        for number in range(2, stages + 1):
            self.stages.append(stage(VGG_LATER, maps + 129, maps, f"_stage{number}", norm=norm))

    def forward(
        self,
        image: Float[Tensor, "batch 3 height width"],
        center: Float[Tensor, "batch 1 height width"] | None = None,
    ) -> list[Float[Tensor, "batch joints+1 height/8 width/8"]]:
        """Belief maps of every stage; arguments as in `CPM.forward`."""
        if center is None:
            center = center_map(image)
        features = self.trunk(image)
        beliefs = [self.stages[0](features)]
        near = self.pool_center_lower(center)
        for to_beliefs in list(self.stages)[1:]:
            beliefs.append(to_beliefs(torch.cat([beliefs[-1], features, near], dim=1)))
        return beliefs

    def published_keys(self) -> dict[str, str]:
        """Our key → Caffe's layer name and tensor."""
        return {key: caffe_name(key) for key in self.state_dict()}


def _tower(suffix: str, width: int, pooling: Pooling, *, norm: bool) -> nn.Sequential:
    layers = nn.Sequential()
    inputs = 3
    for number, name in enumerate(("conv1", "conv2", "conv3"), 1):
        layer = Layer(inputs, width, 9, nn.ReLU(inplace=True), norm=norm)
        layers.add_module(name + suffix, layer)
        padding, up = int(pooling == "padded"), pooling == "up"
        pool = nn.MaxPool2d(3, 2, padding=padding, ceil_mode=up)
        layers.add_module(f"pool{number}{suffix}", pool)
        inputs = width
    return layers


def _center_pool(pooling: Pooling) -> nn.AvgPool2d:
    return nn.AvgPool2d(9, STRIDE, padding=int(pooling == "padded"), ceil_mode=pooling == "up")


def cpm_options(shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Layout, joints and stages that the shapes of a checkpoint of `CPM` or `VggCPM` tell.

    Args:
        shapes: Published key → shape.

    Raises:
        InputError: the shapes are not those of these networks.
    """
    last = {"conv7_stage1.weight": "original", "conv5_2_CPM.weight": "vgg"}
    layouts = [layout for key, layout in last.items() if key in shapes]
    if not layouts or "Mconv1_stage2.weight" not in shapes:
        raise InputError("The checkpoint is not one of CPM: its keys are others.")
    key = next(key for key in last if key in shapes)
    stages = len({key.split(".")[0] for key in shapes if key.startswith("Mconv1_stage")})
    normed = any(".norm." in key for key in shapes)
    joints = shapes[key][0] - 1
    return {"layout": layouts[0], "joints": joints, "stages": stages + 1, "norm": normed}


def center_map(
    image: Float[Tensor, "batch channels height width"],
    center: Float[Tensor, "batch 2"] | None = None,
    sigma: float = CENTER_SIGMA,
) -> Float[Tensor, "batch 1 height width"]:
    """The Gaussian that says which person is meant.

    Args:
        image: What it goes with; only its shape, type and device count.
        center: x, y in pixels, the first pixel's centre at (0.5, 0.5). None: the published middle,
            pixel width / 2 counted from 1.
        sigma: In pixels.
    """
    height, width = image.shape[-2:]
    columns, rows = (torch.arange(n, device=image.device) + 0.5 for n in (width, height))
    if center is None:
        middle = image.new_tensor([[width / 2 - 0.5, height / 2 - 0.5]])
        center = middle.expand(image.shape[0], 2)
    across = (columns - center[:, :1]) ** 2
    down = (rows - center[:, 1:]) ** 2
    distance = (down[:, :, None] + across[:, None, :])[:, None]
    return torch.exp(-distance / (2 * sigma**2)).to(image.dtype)


def belief_targets(
    keypoints: Float[Tensor, "batch people joints 2"],
    visible: Float[Tensor, "batch people joints"],
    size: tuple[int, int],
    *,
    sigma: float = SIGMA,
) -> Float[Tensor, "batch joints+1 height width"]:
    """What a stage learns (section 3.3): a Gaussian a joint and person, and the background.

    People's Gaussians are summed and capped at 1; the background is 1 - their maximum. A joint
    that is not labelled has an empty map, which is learned, as released.

    Args:
        keypoints: Pixels of the crop, the first pixel's centre at (0.5, 0.5).
        visible: Above 0 where a joint is labelled.
        size: Height and width of the maps.
        sigma: In pixels of the crop.
    """
    height, width = size
    columns, rows = (
        (torch.arange(n, device=keypoints.device) + 0.5) * STRIDE for n in (width, height)
    )
    across = (columns - keypoints[..., :1]) ** 2
    down = (rows - keypoints[..., 1:]) ** 2
    exponent = (down[..., :, None] + across[..., None, :]) / (2 * sigma**2)
    drawn = torch.exp(-exponent) * (exponent <= np.log(100)) * (visible > 0)[..., None, None]
    joints = drawn.sum(dim=1).clamp(max=1)
    return torch.cat([joints, 1 - joints.amax(dim=1, keepdim=True)], dim=1)


def stage_loss(
    output: Float[Tensor, "batch maps height width"],
    target: Float[Tensor, "batch maps height width"],
) -> Tensor:
    """A term of equation 5 as Caffe has it: half the squared error, summed, over the batch."""
    return ((output - target) ** 2).sum() / (2 * len(output))


class ConvolutionalPoseMachine(TopDownSystem):
    """Training, scoring and use of both networks on crops whose person is in the middle.

    Joints are read where the belief maps, enlarged to the size of the crop, are highest.

    Args:
        skeleton: Name of the joints' skeleton. Maps of the 14 published joints come in the
            published order inside the network, whichever order the skeleton has.
        layout: "original" or "vgg".
        stages: Of the network.
        pooling: See `Pooling`; "original" only.
        features: Channels of most convolutions; "original" only.
        norm: None: no norms, as published; or one of `vitruvian.nn.norms.NORMS` after each
            convolution but a stage's last.
        scales: Zooms of the crop at which it is read; the maps are averaged (section 4: 0.7, 0.8,
            … 1.3).
        width: Of the crops, in pixels.
        height: Likewise.
        flip_test: Whether the mirrored crop is read, too; the paper does not.
        channels: Order in which the network sees colours.
        options: Of `TopDownSystem`; `backbone` is torchvision's VGG-19, for "vgg" only.
    """

    card_name = "cpm"

    def __init__(
        self,
        skeleton: str = "lsp14",
        *,
        layout: Literal["original", "vgg"] = "original",
        stages: int = 6,
        pooling: Pooling = "up",
        features: int = 128,
        norm: NormName | None = None,
        scales: Sequence[float] = (1.0,),
        width: int = 368,
        height: int = 368,
        flip_test: bool = False,
        channels: Channels = "bgr",
        **options: Any,
    ) -> None:
        names = find_skeleton(skeleton).joints
        normed = norm is not None
        network: nn.Module
        if layout == "vgg":
            network = VggCPM(len(names), stages=stages, norm=normed)
        else:
            network = CPM(len(names), stages=stages, pooling=pooling, width=features, norm=normed)
        super().__init__(
            network,
            skeleton,
            width=width,
            height=height,
            flip_test=flip_test,
            channels=channels,
            norm=norm or "batch",
            mean=(128 / 255,) * 3,
            deviation=(256 / 255,) * 3,
            **options,
        )
        self.save_hyperparameters(ignore=["backbone"])
        self.scales = tuple(scales)
        known = set(names) == set(PARTS)
        self.order = [PARTS.index(name) if known else i for i, name in enumerate(names)]

    def maps(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch joints+1 height/8 width/8"]]:
        """The belief maps of every stage in the skeleton's order, the background last."""
        return [found[:, [*self.order, -1]] for found in super().maps(image)]

    def error(self, maps: Float[Tensor, "batch maps height width"], batch: Batch) -> Tensor:
        """`stage_loss` against `belief_targets` of the person in the middle."""
        height, width = maps.shape[-2:]
        joints, visible = batch["keypoints"][:, None], batch["visible"][:, None]
        return stage_loss(maps, belief_targets(joints, visible, (height, width)))

    def read(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Joints (batch, joints, 2) in pixels of the RGB crops, and scores (batch, joints)."""
        beliefs = torch.stack([self._beliefs(image, scale) for scale in self.scales]).mean(dim=0)
        if self.flip_test:
            mirrored = torch.stack([self._beliefs(image.flip(-1), scale) for scale in self.scales])
            beliefs = (beliefs + mirror_back(mirrored.mean(dim=0), self.skeleton.flip_order)) / 2
        scores, places = beliefs.flatten(2).max(dim=-1)
        width = beliefs.shape[-1]
        points = torch.stack([places % width, places // width], dim=-1) + 0.5
        return points.cpu().numpy().astype(np.float32), scores.cpu().numpy()

    def _beliefs(self, image: Tensor, scale: float) -> Tensor:
        """Maps of the joints as large as the crop, read at a zoom of it."""
        height, width = image.shape[-2:]
        zoomed = image if scale == 1 else zoom(image.float() - 128, scale) + 128
        found = self(zoomed)[:, :-1].float()
        large = F.interpolate(found, (height, width), mode="bicubic", align_corners=False)
        return large if scale == 1 else zoom(large, 1 / scale)

    def backbone_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """VGG-19's layers as torchvision saves them, and the rest of the network as it is.

        Raises:
            WeightsError: it is no VGG-19.
        """
        layers = vgg_of_torchvision(state)
        if len(layers) != 2 * sum(width > 0 for _, width in VGG):
            raise WeightsError(f"{self.backbone} is no VGG-19 in torchvision's layout.")
        return {**to_published(self.network), **layers}

    @classmethod
    def arguments_of(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Layout, stages, norms and joints that a published state dict shows."""
        if any(".convolution." in key for key in state):  # a run's, which says them itself
            return {}
        options = cpm_options({key: tuple(value.shape) for key, value in state.items()})
        norm = {"norm": "batch"} if options.pop("norm") else {}
        return skeleton_of(options.pop("joints")) | norm | options


def zoom(maps: Float[Tensor, "batch channels height width"], scale: float) -> Tensor:
    """Maps or pictures of the same size, enlarged about their middle; zeros come in outside."""
    matrix = maps.new_tensor([[1 / scale, 0, 0], [0, 1 / scale, 0]]).expand(len(maps), 2, 3)
    grid = F.affine_grid(matrix, list(maps.shape), align_corners=False)
    return F.grid_sample(maps, grid, align_corners=False)
