"""The networks that OpenPose runs on: how pictures go in, which limbs come out, which is in a file.

Importing this imports no PyTorch; building a network does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.pose.openpose.tables import BODY_18, BODY_25, BodyTable
from vitruvian.pose.openpose.targets import Published

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Kind:
    """A published body network.

    Attributes:
        table: Joints and limbs.
        mean: Taken off blue, green and red.
        scale: Times what is left.
        multiple: Of the sides of its input.
        published: Whose rules draw the maps that it learns.
        affinity_offset: As in `GroupingOptions`.
    """

    table: BodyTable = BODY_18
    mean: float = 128.0
    scale: float = 1 / 256
    multiple: int = 8
    published: Published = "v1"
    affinity_offset: float = 0.4375


KINDS: Mapping[str, Kind] = {
    # Its thresholds (`detection.OPTIONS`) were chosen without an offset.
    "mobilenet": Kind(mean=127.5, scale=1 / 127.5, multiple=16, affinity_offset=0.0),
    "coco": Kind(),
    "body25": Kind(BODY_25, multiple=16),
    "lightweight": Kind(published="lightweight"),
}


def find_kind(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in KINDS:
        raise UnknownNameError("OpenPose network", name, KINDS)
    return KINDS[name]


def kind_of(keys: Collection[str]) -> str:
    """Whose the keys of a checkpoint are, ours or published; the embedded network's if unknown."""
    for name, part in (
        ("body25", "Mconv1_stage0_L2"),
        ("coco", "conv5_1_CPM_L1"),
        ("lightweight", "initial_stage.trunk"),
    ):
        if any(part in key for key in keys):
            return name
    return "mobilenet"


def options_of(kind: str, shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Arguments of the network's class that the shapes of a published checkpoint tell."""
    if kind == "coco":
        stages = [int(found[1]) for key in shapes if (found := re.search(r"_stage(\d)_L", key))]
        return {"stages": max(stages, default=1)}
    if kind == "body25":
        fields, heat = (
            len({key for key in shapes if re.search(rf"Mconv7_stage\d_L{branch}\.weight", key)})
            for branch in (2, 1)
        )
        return {"affinity_stages": fields, "heatmap_stages": heat}
    if kind == "lightweight":
        stages = [int(k.split(".")[1]) for k in shapes if k.startswith("refinement_stages.")]
        width = shapes["cpm.align.0.weight"][0]
        return {"num_refinement_stages": max(stages, default=-1) + 1, "num_channels": width}
    return {}


def build(kind: str, **options: Any) -> nn.Module:
    """The network, without weights; `options` as its class has them."""
    if kind == "lightweight":
        from vitruvian.pose.openpose.lightweight import LightweightOpenPose

        return LightweightOpenPose(**options)
    if kind == "mobilenet":
        from vitruvian.pose.openpose.mobilenet import MobileNetOpenPose

        return MobileNetOpenPose(**options)
    from vitruvian.pose.openpose.networks import Body25, OpenPoseV1

    return (Body25 if kind == "body25" else OpenPoseV1)(**options)


def builder(shapes: Mapping[str, Sequence[int]]) -> tuple[str, Callable[[], nn.Module]]:
    """The kind of a checkpoint, and what builds its network."""
    kind = kind_of(shapes)
    return kind, partial(build, kind, **options_of(kind, shapes))


def detail_builder(shapes: Mapping[str, Sequence[int]]) -> Callable[[], nn.Module]:
    """What builds the hand or face network of a checkpoint.

    Raises:
        InputError: it is none of them.
    """
    if "conv6_2_CPM.weight" not in shapes:
        raise InputError("The checkpoint is no network of hands or faces: its keys are others.")
    from vitruvian.pose.openpose.networks import DetailOpenPose

    stages = [int(found[1]) for key in shapes if (found := re.search(r"_stage(\d)\.", key))]
    return partial(DetailOpenPose, shapes["conv6_2_CPM.weight"][0], max(stages, default=1))
