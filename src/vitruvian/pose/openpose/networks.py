"""OpenPose's VGG networks: body (v1 and BODY_25), hand and face.

- v1: Cao et al., CVPR 2017 (arXiv 1611.08050), section 2.1, figure 3. Two branches a stage, one for
  part affinity fields (L1), one for heat maps (L2).
- BODY_25: Cao et al., TPAMI 2019 (arXiv 1812.08008), section 3.2. Fields are refined first, then
  heat maps; three 3×3 convolutions with joined outputs stand for each 7×7.
- Hand and face: Simon et al., CVPR 2017 (arXiv 1704.07809); one branch of heat maps.

Layers are named as in the published Caffe models, so `read_layers` finds any of them.
All networks read BGR pictures as x / 256 - 0.5 and answer at an eighth of the size.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vitruvian.nn.vgg import VGG, Layer, caffe_name, stage, trunk

Layout = Literal["caffe", "hzzone", "tensorboy"]
"""Whose checkpoints: CMU's Caffe models (their names also stand in Hzzone's files), the modules of
Hzzone/pytorch-openpose, or tensorboy/pytorch_Realtime_Multi-Person_Pose_Estimation.
Caffe rounds pooled sizes up, both ports round them down."""

BODY_TRUNK = (*VGG, ("conv4_3_CPM", 256), ("conv4_4_CPM", 128))
DETAIL_TRUNK = (
    *VGG, ("conv4_3", 512), ("conv4_4", 512), ("conv5_1", 512), ("conv5_2", 512),
    ("conv5_3_CPM", 128),
)  # fmt: skip
FEATURES = 128

# Name, kernel and width of a stage's layers; the last one's width is that of its maps.
_FIRST_STAGE = (
    *((f"conv5_{i}_CPM", 3, 128) for i in (1, 2, 3)), ("conv5_4_CPM", 1, 512), ("conv5_5_CPM", 1, 0)
)  # fmt: skip
_FIRST_DETAIL_STAGE = (("conv6_1_CPM", 1, 512), ("conv6_2_CPM", 1, 0))
_LATER_STAGE = (*((f"Mconv{i}", 7, 128) for i in range(1, 6)), ("Mconv6", 1, 128), ("Mconv7", 1, 0))

# Width of the dense blocks and of the 1×1 convolution after them, in BODY_25's first and later
# stages of a kind.
_DENSE_WIDTHS = ((96, 256), (128, 512))
_DENSE_BLOCKS = 5


class OpenPoseV1(nn.Module):
    """The body network of 2017: six stages of two branches.

    Args:
        heatmaps: Joints and background: 19 for COCO, 16 for MPI.
        affinities: Two for each limb: 38 for COCO, 28 for MPI.
        stages: 6; the faster MPI model has 4.
        layout: Whose checkpoints `published_keys` names.
        relu_on_heatmaps: The last heat maps pass a ReLU. Hzzone's port has one there by a slip of
            the pen; the trained network has none.
    """

    def __init__(
        self,
        heatmaps: int = 19,
        affinities: int = 38,
        stages: int = 6,
        layout: Layout = "caffe",
        relu_on_heatmaps: bool = False,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.trunk = trunk(BODY_TRUNK, pool_up=layout == "caffe")
        self.affinity_stages = nn.ModuleList()
        self.heatmap_stages = nn.ModuleList()
        for number in range(1, stages + 1):
            table = _FIRST_STAGE if number == 1 else _LATER_STAGE
            inputs = FEATURES if number == 1 else FEATURES + heatmaps + affinities
            suffix = "" if number == 1 else f"_stage{number}"
            relu = relu_on_heatmaps and number == stages
            self.affinity_stages.append(stage(table, inputs, affinities, f"{suffix}_L1"))
            self.heatmap_stages.append(stage(table, inputs, heatmaps, f"{suffix}_L2", relu))

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch heatmaps h w"], Float[Tensor, "batch affinities h w"]]:
        """The last stage's heat maps and affinity fields.

        Args:
            image: BGR, x / 256 - 0.5.
        """
        return self.forward_stages(image)[-1]

    def forward_stages(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[tuple[Tensor, Tensor]]:
        """Heat maps and affinity fields of every stage, for intermediate supervision."""
        features = inputs = self.trunk(image)
        results: list[tuple[Tensor, Tensor]] = []
        for to_affinities, to_heatmaps in zip(
            self.affinity_stages, self.heatmap_stages, strict=True
        ):
            affinities, heatmaps = to_affinities(inputs), to_heatmaps(inputs)
            results.append((heatmaps, affinities))
            inputs = torch.cat([affinities, heatmaps, features], dim=1)
        return results

    def net_output(self, image: Float[Tensor, "batch 3 height width"]) -> Tensor:
        """Heat maps, then affinity fields, as the Caffe model's `net_output`."""
        return torch.cat(self(image), dim=1)

    def published_keys(self) -> dict[str, str]:
        """Our key → the published key in this network's layout."""
        if self.layout == "tensorboy":
            return dict(self._numbered_keys())
        name = partial(_hzzone_name, detail=False) if self.layout == "hzzone" else str
        return {key: name(caffe_name(key)) for key in self.state_dict()}

    def _numbered_keys(self) -> Iterator[tuple[str, str]]:
        """In tensorboy's names convolutions, activations and pools are counted."""
        parts: list[tuple[str, str, nn.Module]] = [("trunk", "model0", self.trunk)]
        for branch, name in ((1, "affinity_stages"), (2, "heatmap_stages")):
            parts += [
                (f"{name}.{i}", f"model{i + 1}_{branch}", module)
                for i, module in enumerate(self.get_submodule(name).children())
            ]
        for ours, theirs, part in parts:
            number = 0
            for layer, module in part.named_children():
                if isinstance(module, Layer):
                    for tensor in ("weight", "bias"):
                        yield f"{ours}.{layer}.convolution.{tensor}", f"{theirs}.{number}.{tensor}"
                number += 2 if isinstance(module, Layer) else 1


class DetailOpenPose(nn.Module):
    """The hand and face networks: VGG to conv5_2, six stages of heat maps.

    Args:
        heatmaps: Points and background: 22 for the hand, 71 for the face.
        stages: 6.
        layout: Whose checkpoints `published_keys` names.
    """

    def __init__(self, heatmaps: int = 22, stages: int = 6, layout: Layout = "caffe") -> None:
        super().__init__()
        self.layout = layout
        self.trunk = trunk(DETAIL_TRUNK, pool_up=layout == "caffe")
        self.heatmap_stages = nn.ModuleList(
            [stage(_FIRST_DETAIL_STAGE, FEATURES, heatmaps, "")]
            + [
                stage(_LATER_STAGE, FEATURES + heatmaps, heatmaps, f"_stage{number}")
                for number in range(2, stages + 1)
            ]
        )

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch heatmaps h w"]:
        """The last stage's heat maps.

        Args:
            image: BGR, x / 256 - 0.5.
        """
        return self.forward_stages(image)[-1]

    def forward_stages(self, image: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Heat maps of every stage."""
        features = inputs = self.trunk(image)
        results: list[Tensor] = []
        for to_heatmaps in self.heatmap_stages:
            results.append(to_heatmaps(inputs))
            inputs = torch.cat([results[-1], features], dim=1)
        return results

    def net_output(self, image: Float[Tensor, "batch 3 height width"]) -> Tensor:
        """The Caffe model's `net_output`: the last heat maps."""
        return self(image)

    def published_keys(self) -> dict[str, str]:
        """Our key → the published key in this network's layout."""
        name = partial(_hzzone_name, detail=True) if self.layout == "hzzone" else str
        return {key: name(caffe_name(key)) for key in self.state_dict()}


class DenseBlock(nn.Module):
    """Three 3×3 convolutions in a row, whose outputs are joined."""

    def __init__(self, inputs: int, width: int, name: str) -> None:
        super().__init__()
        for i in range(3):
            layer = Layer(inputs if i == 0 else width, width, 3, nn.PReLU(width))
            self.add_module(f"{name}_{i}", layer)

    def forward(
        self, features: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch 3*width height width"]:
        """One block."""
        outputs: list[Tensor] = []
        for layer in self.children():
            features = layer(features)
            outputs.append(features)
        return torch.cat(outputs, dim=1)


def dense_stage(inputs: int, maps: int, widths: tuple[int, int], suffix: str) -> nn.Sequential:
    """One stage of BODY_25: five dense blocks, two 1×1 convolutions."""
    width, hidden = widths
    layers = nn.Sequential()
    for i in range(1, _DENSE_BLOCKS + 1):
        name = f"Mconv{i}{suffix}"
        layers.add_module(f"{name}_concat", DenseBlock(inputs, width, name))
        inputs = 3 * width
    layers.add_module(f"Mconv6{suffix}", Layer(inputs, hidden, 1, nn.PReLU(hidden)))
    layers.add_module(f"Mconv7{suffix}", Layer(hidden, maps, 1))
    return layers


class Body25(nn.Module):
    """The body network of 2019: affinity fields in four stages, then heat maps in two.

    Args:
        heatmaps: Joints and background.
        affinities: Two for each limb.
        affinity_stages: Number of stages that refine the fields.
        heatmap_stages: Number of stages that refine the heat maps.
    """

    def __init__(
        self,
        heatmaps: int = 26,
        affinities: int = 52,
        affinity_stages: int = 4,
        heatmap_stages: int = 2,
    ) -> None:
        super().__init__()
        self.trunk = trunk(BODY_TRUNK, pool_up=True, prelu_from="conv4_2")
        self.affinity_stages = nn.ModuleList(
            dense_stage(
                FEATURES + (affinities if i else 0),
                affinities,
                _DENSE_WIDTHS[min(i, 1)],
                f"_stage{i}_L2",
            )
            for i in range(affinity_stages)
        )
        self.heatmap_stages = nn.ModuleList(
            dense_stage(
                FEATURES + affinities + (heatmaps if i else 0),
                heatmaps,
                _DENSE_WIDTHS[min(i, 1)],
                f"_stage{i}_L1",
            )
            for i in range(heatmap_stages)
        )

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch heatmaps h w"], Float[Tensor, "batch affinities h w"]]:
        """The last heat maps and affinity fields.

        Args:
            image: BGR, x / 256 - 0.5.
        """
        heatmaps, affinities = self.forward_stages(image)
        return heatmaps[-1], affinities[-1]

    def forward_stages(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Heat maps of every stage, and affinity fields of every stage."""
        features = self.trunk(image)
        affinities: list[Tensor] = []
        for to_affinities in self.affinity_stages:
            affinities.append(to_affinities(torch.cat([features, *affinities[-1:]], dim=1)))
        heatmaps: list[Tensor] = []
        for to_heatmaps in self.heatmap_stages:
            inputs = [features, *heatmaps[-1:], affinities[-1]]
            heatmaps.append(to_heatmaps(torch.cat(inputs, dim=1)))
        return heatmaps, affinities

    def net_output(self, image: Float[Tensor, "batch 3 height width"]) -> Tensor:
        """Heat maps, then affinity fields, as the Caffe model's `net_output`."""
        return torch.cat(self(image), dim=1)

    def published_keys(self) -> dict[str, str]:
        """Our key → Caffe's layer name and tensor."""
        return {key: caffe_name(key) for key in self.state_dict()}


def read_layers(
    network: OpenPoseV1 | DetailOpenPose | Body25, image: Tensor, names: Collection[str]
) -> dict[str, Tensor]:
    """Outputs of layers by their Caffe names, after their activation; also `net_output`.

    Raises:
        KeyError: the network has no layer of that name.
    """
    layers = {path.rpartition(".")[2]: module for path, module in network.named_modules()}
    outputs: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        outputs[name] = output

    hooks = [
        layers[name].register_forward_hook(partial(keep, name))
        for name in names
        if name != "net_output"
    ]
    try:
        net_output = network.net_output(image)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: net_output if name == "net_output" else outputs[name] for name in names}


def _hzzone_name(name: str, detail: bool) -> str:
    """`Mconv1_stage2_L1.weight` → `model2_1.Mconv1_stage2_L1.weight`."""
    layer = name.split(".")[0]
    later = re.search(r"_stage(\d+)(?:_L(\d))?$", layer)
    if later:
        part = f"{later[1]}_{later[2]}" if later[2] else later[1]
    elif detail:
        part = "1_1" if layer.startswith("conv6") else "1_0"
    else:
        branch = re.search(r"_L(\d)$", layer)
        part = f"1_{branch[1]}" if branch else "0"
    return f"model{part}.{name}"
