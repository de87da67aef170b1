"""OpenPose as a system that trains: any of its body networks, with the losses of every stage.

Cao et al., CVPR 2017 (arXiv 1611.08050), equation 5; Osokin 2018 (arXiv 1811.12004), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from vitruvian.core.errors import InputError, WeightsError
from vitruvian.core.published import load_published, read_checkpoint, to_published
from vitruvian.core.records import Frame
from vitruvian.core.skeletons import Skeleton
from vitruvian.core.system import Batch
from vitruvian.core.weights import Weights
from vitruvian.nn.normed_system import NormedSystem
from vitruvian.nn.norms import NormName
from vitruvian.nn.vgg import VGG, vgg_of_torchvision
from vitruvian.pose.openpose.data import LimbData, LimbPictures
from vitruvian.pose.openpose.detection import HEIGHT, SCALES, OpenPose
from vitruvian.pose.openpose.kinds import build, find_kind
from vitruvian.pose.openpose.networks import Body25

_VGG_KINDS = ("coco", "body25")
_UNSAVED = Weights(
    "pose/openpose", "in training", "own", Path(), "", "unknown", "", "unknown", "ours"
)


class OpenPoseTraining(NormedSystem):
    """Training and scoring of OpenPose; `OpenPose` runs what comes out.

    Args:
        kind: The network: "coco" (CVPR 2017), "body25", "lightweight" or "mobilenet".
        network: Arguments of its class; the published ones where left out.
        height: Of the network's input when people are found, in pixels.
        scales: As in `OpenPose`.
        backbone: VGG-19 in torchvision's layout, with which "coco" and "body25" begin; None:
            random numbers.
        norm: One of `vitruvian.nn.norms.NORMS`; "batch" as published.
    """

    card_name = "openpose"

    def __init__(
        self,
        *,
        kind: str = "coco",
        network: dict[str, int] | None = None,
        height: int = HEIGHT,
        scales: Sequence[float] = SCALES,
        backbone: str | None = None,
        norm: NormName = "batch",
    ) -> None:
        super().__init__()
        self.kind = find_kind(kind)
        self.kind_name = kind
        if backbone and kind not in _VGG_KINDS:
            raise InputError(f"The network {kind!r} has no VGG-19 in it: leave the backbone out.")
        self.network = build(kind, **(network or {}))
        self.set_norm(norm)
        self.height, self.scales = height, tuple(scales)
        self.backbone = backbone
        self.save_hyperparameters(ignore=["backbone"])

    def forward(self, image: UInt8[Tensor, "batch 3 height width"]) -> tuple[Tensor, Tensor]:
        """The last heat maps and affinity fields of RGB pictures."""
        return cast("tuple[Tensor, Tensor]", self.network(self.normalised(image)))

    def normalised(self, image: UInt8[Tensor, "batch 3 height width"]) -> Tensor:
        """RGB pictures as the network sees them."""
        return (image.flip(1).float() - self.kind.mean) * self.kind.scale

    def stages(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Heat maps, and affinity fields, of each stage that gives them."""
        network = cast("Any", self.network)
        found = network.forward_stages(self.normalised(image))
        if isinstance(self.network, Body25):
            return cast("tuple[list[Tensor], list[Tensor]]", found)
        return [heatmaps for heatmaps, _ in found], [affinities for _, affinities in found]

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`heatmaps1`, …, `affinities1`, …: half the squared error, summed, of each stage (eq. 5).

        Cells of unlabelled people, and maps of joints that the data set does not know, count for
        nothing.
        """
        heatmaps, affinities = self.stages(batch["image"])
        losses = {}
        for name, kept, stages in (
            ("heatmaps", "heatmap_weight", heatmaps),
            ("affinities", "affinity_weight", affinities),
        ):
            counted = batch["mask"][:, None] * batch[kept][:, :, None, None]
            for number, maps in enumerate(stages, start=1):
                error = (maps.float() - batch[name]) ** 2 * counted
                losses[f"{name}{number}"] = 0.5 * error.sum() / len(maps)
        return losses

    @classmethod
    def joints_said(cls, arguments: Mapping[str, Any]) -> Skeleton | None:
        """Those of the kind."""
        said = arguments.get("kind")
        return find_kind(said).table.skeleton if isinstance(said, str) else None

    def setup(self, stage: str) -> None:
        """Look whether data and network are of one kind; begin with the backbone.

        Raises:
            InputError: they are not.
            WeightsError: the backbone is no VGG-19.
        """
        trainer: Any = self.trainer
        data = trainer.datamodule
        if data is not None and data.kind != self.kind_name:
            raise InputError(
                f"The network is {self.kind_name!r}, the data's maps are for {data.kind!r}: set "
                "data.kind to the network's."
            )
        if stage == "fit" and self.backbone:
            layers = vgg_of_torchvision(read_checkpoint(self.backbone))
            if len(layers) != 2 * sum(width > 0 for _, width in VGG):
                raise WeightsError(f"{self.backbone} is no VGG-19 in torchvision's layout.")
            state = {**to_published(self.network), **layers}
            load_published(self.network, state, origin=self.backbone)

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Find the people of each picture; they are scored at the end of the epoch."""
        pictures = self._pictures("test" if cast("Any", self.trainer).testing else "val")
        finder, skeleton = self.finder(), pictures.people.skeleton
        for index in batch["index"].tolist():
            found = finder.detect([pictures.picture(index)])[0]
            joints = [pose.to(skeleton).joints for pose, _ in found]
            self.scored[index] = (
                np.array(joints, dtype=np.float32).reshape(-1, len(skeleton), 3),
                np.array([score for _, score in found], dtype=np.float32),
            )

    def evaluate(self, part: str, scored: Mapping[int, Any]) -> Mapping[str, float]:
        """The data set's own metrics."""
        return self._pictures(part).evaluate(scored)

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Frame]:
        """The people of each picture.

        Args:
            images: (height, width, 3) RGB uint8.
        """
        return self.finder().predict(images)

    def finder(self) -> OpenPose:
        """`OpenPose` around the network as it is now."""
        runner = _Runner(self.network, self.device)
        options: dict[str, Any] = {"height": self.height, "scales": self.scales}
        return OpenPose(runner, self.weights or _UNSAVED, kind=self.kind_name, **options)

    def _pictures(self, part: str) -> LimbPictures:
        trainer: Any = self.trainer
        return cast("LimbPictures", cast("LimbData", trainer.datamodule).pictures(part))


class _Runner:
    """The network of a system as a function of arrays."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.network, self.device = network, device

    def __call__(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network."""
        with torch.no_grad():
            outputs = self.network(torch.from_numpy(images).to(self.device))
        return [output.float().cpu().numpy() for output in outputs]

    @property
    def description(self) -> str:
        """For records."""
        return f"{self.device}, PyTorch"
