"""What every top-down system shares: crops in, heat maps out, joints back in the picture.

A system of this kind is a network and its published numbers. This base gives it pre-processing, an
objective over all of its maps, the flip test, the decoder, scoring on a data set, and `predict`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from vitruvian.core.card import Plain
from vitruvian.core.device import Precision
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.own_skeletons import description
from vitruvian.core.records import Frame, Person, Pose
from vitruvian.core.skeletons import SKELETONS, Skeleton, find_skeleton
from vitruvian.core.system import BackboneSystem, Batch, tell_joints
from vitruvian.core.weights import Weights
from vitruvian.nn.normed_system import NormedSystem
from vitruvian.nn.norms import NormName
from vitruvian.nn.norms.folding import fold_norms
from vitruvian.pose.heatmap_tensors import (
    joints_mse_loss,
    likelihood_loss,
    likely_places,
    merge_flipped,
)
from vitruvian.pose.heatmaps import SHIFTED, Decoder, decode_joints
from vitruvian.pose.topdown import PADDING, Crop, sample_crops
from vitruvian.pose.views import SEEN_OTHERWISE, check_views, look_otherwise

Channels = Literal["bgr", "rgb"]
Objective = Literal["squared", "likelihood"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""ImageNet's, of red, green, blue in [0, 1]."""


@dataclass(frozen=True)
class Folded:
    """A network, and what computes the same faster: its norms are folded into convolutions.

    Not a module: it is no part of a system's weights.
    """

    source: nn.Module
    network: nn.Module


class TopDownSystem(BackboneSystem, NormedSystem):
    """A network of one person's crop. Its last maps are read; all of them are trained.

    A subclass builds its network and calls this `__init__`, then `save_hyperparameters`.

    Args:
        network: Normalised crops (batch, 3, height, width) → heat maps (batch, joints, height / 4,
            width / 4), or a sequence of them, the last one the best.
        skeleton: Name of the joints' skeleton.
        width: Of the crops, in pixels.
        height: Likewise.
        decoder: How joints are read from maps; see `decode_joints`.
        flip_test: Whether the mirrored crop is read, too.
        views: How the crop is read besides, each time counting half: (zoom, degrees) by which
            the view is longer, and turned clockwise; [[1, 180]]: upside down, too. Without effect
            on systems with a `read` of their own.
        channels: Order in which the network sees colours.
        channels_last: Memory order of the network; faster on recent CPUs and GPUs.
        backbone: Training begins with this checkpoint of a network without this one's head; None:
            with random numbers.
        norm: One of `vitruvian.nn.norms.NORMS`; "batch" as published.
        mean: What is taken off the channels, in the order the network sees them, in [0, 1].
        deviation: What they are divided by.
        intermediate: Whether all maps are trained, or the last ones alone.
        objective: "squared": maps are what the targets are, as published. "likelihood": a map's
            exponentials, over their sum, are how likely the joint is at each place, which learns
            in fewer steps; maps are read as `sigma` would have them drawn.
        sigma: Of the target maps, in their pixels; only the likelihood needs it.

    Attributes:
        objectives: Those that the system trains by.
    """

    objectives: ClassVar[tuple[Objective, ...]] = ("squared",)
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        network: nn.Module,
        skeleton: str,
        *,
        width: int = 192,
        height: int = 256,
        decoder: Decoder = "quarter",
        flip_test: bool = True,
        views: Sequence[Sequence[float]] = (),
        channels: Channels = "rgb",
        channels_last: bool = False,
        backbone: str | None = None,
        norm: NormName = "batch",
        mean: Sequence[float] = MEAN,
        deviation: Sequence[float] = DEVIATION,
        intermediate: bool = True,
        objective: Objective = "squared",
        sigma: float = 2.0,
    ) -> None:
        super().__init__()
        self.network = network
        if objective not in self.objectives:
            raise UnknownNameError(f"objective of {self.card_name}", objective, self.objectives)
        self.objective: Objective = objective
        self.sigma = sigma
        self.backbone = backbone
        self.skeleton = find_skeleton(skeleton)
        self.set_norm(norm)
        self.input_size = (width, height)
        self.decoder: Decoder = decoder
        self.flip_test = flip_test
        self.views = check_views(views)
        self.channels = channels
        self.memory = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.memory)
        self.intermediate = intermediate
        self.folded: Folded | None = None
        for name, values in (("mean", mean), ("deviation", deviation)):
            tensor = torch.tensor(values).view(1, 3, 1, 1) * 255
            self.register_buffer(name, tensor, persistent=False)

    def check_sides(self, multiple: int) -> None:
        """Refuse crops that the network cannot halve as often as it does.

        Raises:
            InputError: width or height is no multiple.
        """
        width, height = self.input_size
        if width % multiple or height % multiple:
            raise InputError(
                f"The crops of {self.card.title} are multiples of {multiple} here, not "
                f"{width}×{height}: set width and height of model and data."
            )

    @classmethod
    def from_weights(
        cls,
        weights: Weights,
        device: str = "auto",
        precision: Precision = "auto",
        **arguments: Plain,
    ) -> Self:
        """As of any `System`; what reads pictures is folded and in the faster order of memory."""
        system = super().from_weights(weights, device, precision, **arguments)
        system.fold()
        return system

    def fold(self) -> None:
        """Read pictures by a copy of the network whose norms are in its convolutions."""
        with contextlib.suppress(InputError):  # a graph that depends on its input stays as it is
            folded = fold_norms(self.network).to(memory_format=torch.channels_last)
            self.folded = Folded(self.network, folded)
            self.memory = torch.channels_last

    def normalised(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """RGB crops as the network sees them."""
        pixels = _as_bgr(image) if self.channels == "bgr" else image
        if pixels.is_contiguous(memory_format=torch.channels_last):
            # A row of pixels at once: a loop over three channels is four times slower.
            rows, wide = pixels.permute(0, 2, 3, 1).flatten(2), pixels.shape[-1]
            factor = (1 / self.deviation).flatten().repeat(wide)
            shift = (-self.mean / self.deviation).flatten().repeat(wide)
            # In place: memory that is new to the process costs more than the arithmetic.
            flat = rows.to(factor.dtype, copy=True)
            torch.addcmul(shift, flat, factor, out=flat)
            normalised = flat.view(*rows.shape[:2], wide, 3).permute(0, 3, 1, 2)
        else:
            normalised = (pixels.float() - self.mean) / self.deviation
        return normalised.contiguous(memory_format=self.memory)

    def maps(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch joints height/4 width/4"]]:
        """All heat maps of RGB crops, one set a stage of the network."""
        pixels, network = self.normalised(image), self.network
        if self.folded is not None and self.folded.source is network and not self.training:
            network = self.folded.network
        found = network(pixels)
        return [found] if isinstance(found, Tensor) else list(found)

    def forward(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch joints height/4 width/4"]:
        """The heat maps of RGB crops that joints are read from."""
        maps = self.maps(image)[-1]
        return maps if self.objective == "squared" else likely_places(maps, self.sigma)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`heatmaps`: the error of the maps; `stage1`, `stage2`, … where several are trained."""
        maps = self.maps(batch["image"])
        trained = maps if self.intermediate else maps[-1:]
        stages = [self.error(each.float(), batch) for each in trained]
        if len(stages) == 1:
            return {"heatmaps": stages[0]}
        return {f"stage{number}": loss for number, loss in enumerate(stages, start=1)}

    def error(self, maps: Float[Tensor, "batch joints height width"], batch: Batch) -> Tensor:
        """The objective on one stage's maps, unlabelled joints left out."""
        if self.objective == "likelihood":
            return likelihood_loss(maps, batch["target"], batch["target_weight"])
        return joints_mse_loss(maps, batch["target"], batch["target_weight"])

    def read(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Joints (batch, joints, 2) in pixels of the RGB crops, and scores (batch, joints)."""
        maps = self._both_sides(image)
        for zoom, degrees in self.views:
            maps = maps + SEEN_OTHERWISE * self._other_view(image, zoom, degrees)
        maps = maps / (1 + SEEN_OTHERWISE * len(self.views))
        return decode_joints(maps.cpu().numpy(), self.input_size, decoder=self.decoder)

    def _both_sides(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch joints height/4 width/4"]:
        """Heat maps of RGB crops, with the flip test where it is wanted."""
        maps = self(image).float()
        if self.flip_test:
            mirrored = self(image.flip(-1)).float()
            order = self.skeleton.flip_order
            maps = merge_flipped(maps, mirrored, order, shift=self.decoder in SHIFTED)
        return maps

    def _other_view(
        self, image: UInt8[Tensor, "batch 3 height width"], zoom: float, degrees: float
    ) -> Float[Tensor, "batch joints height/4 width/4"]:
        """The maps that a view of RGB crops has, where they lie in the crops."""
        height, width = image.shape[-2:]
        seen = look_otherwise(image, zoom, degrees, ((width - 1) / 2, (height - 1) / 2))
        maps = self._both_sides(seen.round().to(torch.uint8))
        rows, columns = maps.shape[-2:]
        middle = (columns - 1) / 2, (rows - 1) / 2
        if self.decoder in SHIFTED:  # index 0 of the map is index 0 of the crop
            middle = (width - 1) / 2 * columns / width, (height - 1) / 2 * rows / height
        return look_otherwise(maps, 1 / zoom, -degrees, middle)

    def setup(self, stage: str) -> None:
        """Look whether data and network speak of the same crops; begin with the backbone.

        Raises:
            InputError: they do not.
            WeightsError: the backbone's checkpoint is damaged or another network's.
        """
        if stage == "fit":
            self.load_backbone()
        # A skeleton of the user's own goes into the weights, not the path of its file.
        self.hparams["skeleton"] = description(self.skeleton)
        trainer: Any = self.trainer
        data = trainer.datamodule
        if data is not None:
            part = {"fit": "train", "validate": "val"}.get(stage, "test")
            self.check_joints(data.people(part).skeleton)
        if data is not None and tuple(data.input_size) != self.input_size:
            raise InputError(
                f"The network's crops are {self.input_size}, the data's {tuple(data.input_size)}: "
                "set model and data to one width and height."
            )

    def check_joints(self, other: Skeleton) -> None:
        """Refuse data of other joints than the network's.

        Raises:
            InputError: with both lists.
        """
        if other.joints != self.skeleton.joints:
            raise InputError(
                f"{tell_joints(self.skeleton, 'the data', other)}: set --model.skeleton to the "
                "data's, or take other weights."
            )

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Read the joints of a batch; the data set scores them at the end of the epoch."""
        udp = self.decoder == "udp"
        points, scores = self.read(batch["image"])
        rows = zip(
            batch["index"].tolist(),
            batch["center"].cpu().numpy(),
            batch["size"].cpu().numpy(),
            points,
            scores,
            strict=True,
        )
        for index, center, size, joints, score in rows:
            place = Crop(center, size, self.input_size, udp=udp).to_picture(joints)
            self.scored[index] = np.concatenate([place, score[:, None]], axis=-1).astype("f4")

    def evaluate(self, part: str, scored: Mapping[int, Any]) -> Mapping[str, float]:
        """The data set's own metrics."""
        trainer: Any = self.trainer
        return trainer.datamodule.people(part).evaluate(scored)

    @torch.inference_mode()
    def predict(
        self,
        images: Sequence[NDArray[np.uint8]],
        boxes: Sequence[Sequence[Sequence[float]]] | None = None,
    ) -> list[Frame]:
        """The joints of each boxed person.

        Args:
            images: (height, width, 3) RGB uint8.
            boxes: Of each picture, the people's boxes x1, y1, x2, y2; None: the whole picture is
                one person.

        Raises:
            InputError: a box has no area.
        """
        frames = []
        for place, image in enumerate(images):
            height, width = image.shape[:2]
            chosen = [[0, 0, width, height]] if boxes is None else boxes[place]
            crops = self._crops(chosen, 1.0 if boxes is None else PADDING)
            people = self._people(image, crops, chosen)
            frames.append(Frame(f"image {place}", 0, 0.0, width, height, people, image=image))
        return frames

    @torch.inference_mode()
    def network_input(self, image: NDArray[np.uint8]) -> Float[Tensor, "1 3 height width"]:
        """What the network gets for a whole RGB picture (height, width, 3) of one person."""
        height, width = image.shape[:2]
        pixels = self.cut_out(image, self._crops([[0, 0, width, height]], 1.0))
        return self.normalised(pixels.to(self.device))

    def _crops(self, boxes: Sequence[Sequence[float]], padding: float) -> list[Crop]:
        udp = self.decoder == "udp"
        return [Crop.of_box(box, self.input_size, padding=padding, udp=udp) for box in boxes]

    @staticmethod
    def cut_out(
        image: NDArray[np.uint8], crops: Sequence[Crop]
    ) -> UInt8[Tensor, "batch 3 height width"]:
        """Crops of an RGB picture (height, width, 3), in channels-last memory."""
        return torch.from_numpy(sample_crops(image, crops)).permute(0, 3, 1, 2)

    def _people(
        self, image: NDArray[np.uint8], crops: Sequence[Crop], boxes: Sequence[Sequence[float]]
    ) -> tuple[Person, ...]:
        if not crops:
            return ()
        pixels = self.cut_out(image, crops)
        with self.chosen.autocast():
            points, scores = self.read(pixels.to(self.device))
        people = []
        for number, (crop, box) in enumerate(zip(crops, boxes, strict=True)):
            score = np.clip(scores[number], 0, 1)
            joints = np.concatenate([crop.to_picture(points[number]), score[:, None]], axis=-1)
            pose = Pose(self.skeleton, (joints * (score[:, None] > 0)).astype(np.float32))
            people.append(Person(pose.score, np.asarray(box, np.float32), pose, id=number + 1))
        return tuple(people)


def skeleton_of(joints: int) -> dict[str, str]:
    """The argument `skeleton` for a checkpoint with so many joints: COCO's where there are 17.

    Empty where no skeleton has so many.
    """
    names = [name for name, skeleton in SKELETONS.items() if len(skeleton) == joints]
    if not names:
        return {}
    return {"skeleton": "coco17" if "coco17" in names else names[0]}


def _as_bgr(image: UInt8[Tensor, "batch 3 height width"]) -> UInt8[Tensor, "batch 3 height width"]:
    """RGB crops with their channels turned round, in the same order of memory."""
    rows = image.permute(0, 2, 3, 1)
    if image.device.type != "cpu" or not rows.is_contiguous():
        return image.flip(1)
    # PyTorch turns the innermost axis round one value at a time.
    lines = cv2.cvtColor(rows.flatten(0, 1).numpy(), cv2.COLOR_RGB2BGR)
    return torch.from_numpy(lines).view(rows.shape).permute(0, 3, 1, 2)
