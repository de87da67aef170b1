"""What the systems that group joints by tags share: a whole picture in, all of its people out.

A system of this kind is a network, its published numbers, and a word on which of its maps are heat
maps and which are tags. Targets and batches are those of `pose/crowd_data.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vitruvian.core.errors import InputError
from vitruvian.core.records import Frame, Person, Pose
from vitruvian.core.skeletons import Skeleton, find_skeleton
from vitruvian.core.system import BackboneSystem, Batch, tell_joints
from vitruvian.nn.normed_system import NormedSystem
from vitruvian.nn.norms import NormName
from vitruvian.pose.associative_embedding import Grouping, TagKind, parse_people, tag_loss
from vitruvian.pose.crowd_data import CrowdData
from vitruvian.pose.heatmap_tensors import mirror_back
from vitruvian.pose.topdown import Crop
from vitruvian.pose.topdown_system import DEVIATION, MEAN

Side = Literal["short", "long"]
MULTIPLE = 64
"""Of which both sides of the network's picture are multiples."""


@dataclass(frozen=True)
class Maps:
    """What a network says at one size.

    Attributes:
        stride: Pixels of the picture in one of the maps.
        heatmaps: (batch, joints, height, width).
        tags: (batch, joints or 1, height, width), or None.
    """

    stride: int
    heatmaps: Tensor
    tags: Tensor | None


class BottomUpSystem(BackboneSystem, NormedSystem):
    """A network of whole pictures with heat maps and tags.

    A subclass builds its network and calls this `__init__`, then `save_hyperparameters`.

    Args:
        network: Normalised pictures (batch, 3, height, width) → a sequence of maps.
        skeleton: Name of the joints' skeleton.
        size: What a side of a picture is scaled to, in pixels.
        side: Which one: HigherHRNet's the short one, the paper's the long one.
        scales: Several sizes are read, each this much larger; the tags are those of scale 1. Each
            is a whole multiple of the least one.
        flip_test: Whether the mirrored picture is read, too.
        refine: See `parse_people`.
        push: Weight of pushing tags of different people apart.
        pull: Weight of pulling a person's tags together.
        tag_kind: By which of the released losses tags are pushed apart; see `tag_loss`.
        mean: What is taken off red, green and blue in [0, 1].
        deviation: What they are divided by.
        backbone: Training begins with this checkpoint of a network without this one's head; None:
            with random numbers.
        norm: One of `vitruvian.nn.norms.NORMS`; "batch" as published.

    Attributes:
        strides: Pixels of the picture in one of each of its maps.
        grouping: How joints are found and grouped.
    """

    strides: ClassVar[tuple[int, ...]] = (4,)
    grouping: ClassVar[Grouping] = Grouping()
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        network: nn.Module,
        skeleton: str,
        *,
        size: int = 512,
        side: Side = "short",
        scales: Sequence[float] = (1.0,),
        flip_test: bool = True,
        refine: bool = True,
        push: float = 0.001,
        pull: float = 0.001,
        tag_kind: TagKind = "exp",
        mean: Sequence[float] = MEAN,
        deviation: Sequence[float] = DEVIATION,
        backbone: str | None = None,
        norm: NormName = "batch",
    ) -> None:
        super().__init__()
        if size < MULTIPLE or not scales or min(scales) <= 0 or 1 not in scales:
            msg = f"Give a size of {MULTIPLE} or more and scales with a 1: {size}, {list(scales)}."
            raise InputError(msg)
        if any(scale % min(scales) for scale in scales):
            msg = f"Each scale must be a whole multiple of the least one: {list(scales)} are not."
            raise InputError(msg)
        self.network = network
        self.skeleton = find_skeleton(skeleton)
        self.set_norm(norm)
        self.size, self.side, self.scales = size, side, tuple(scales)
        self.input_size = (size, size)  # of training; other pictures have other sizes
        self.flip_test, self.refine = flip_test, refine
        self.weight_of = {"push": push, "pull": pull}
        self.tag_kind: TagKind = tag_kind
        self.backbone = backbone
        for name, values in (("mean", mean), ("deviation", deviation)):
            tensor = torch.tensor(values).view(1, 3, 1, 1) * 255
            self.register_buffer(name, tensor, persistent=False)

    def stages(self, outputs: Sequence[Tensor]) -> list[Maps]:
        """Which of the network's maps are what."""
        raise NotImplementedError

    def read_stages(self, outputs: Sequence[Tensor]) -> list[Maps]:
        """Those that people are read from, the largest last."""
        return self.stages(outputs)

    def forward(self, image: UInt8[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """The network's maps of RGB pictures."""
        return list(self.network(self.normalised(image)))

    def normalised(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """RGB pictures as the network sees them."""
        return (image.float() - self.mean) / self.deviation

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`heatmaps`, `push` and `pull`, each summed over the network's stages (section 3)."""
        return self.map_losses(self(batch["image"]), batch)

    def map_losses(self, outputs: Sequence[Tensor], batch: Batch) -> dict[str, Tensor]:
        """The losses of the network's maps."""
        stages = self.stages(outputs)
        terms: dict[str, list[Tensor]] = {"heatmaps": [], "push": [], "pull": []}
        for stage in stages:
            target = batch[f"target{stage.stride}"]
            mask = batch[f"mask{stage.stride}"][:, None]
            error = (stage.heatmaps.float() - target) ** 2 * mask
            terms["heatmaps"].append(error.mean())
            if stage.tags is None:
                continue
            places = batch[f"places{stage.stride}"]
            tags = stage.tags.float().expand(-1, len(self.skeleton), -1, -1)
            values = tag_loss(tags.flatten(1), places, self.tag_kind)
            for name, value in zip(("push", "pull"), values, strict=True):
                terms[name].append(self.weight_of[name] * value.mean())
        return {name: torch.stack(values).sum() for name, values in terms.items() if values}

    def read(
        self, image: UInt8[Tensor, "1 3 height width"]
    ) -> tuple[Float[Tensor, "joints height width"], Float[Tensor, "maps height width tags"]]:
        """Heat maps and tags of one picture, at the picture's size."""
        size = (image.shape[-2], image.shape[-1])
        order = self.skeleton.flip_order
        stages = self.read_stages(self(image))
        heatmaps, tags = _merged(stages, size)
        if self.flip_test:
            mirrored, other = _merged(self.read_stages(self(image.flip(-1))), size)
            heatmaps = (heatmaps + mirror_back(mirrored, order)) / 2
            back = other.flip(-1) if other.shape[1] == 1 else mirror_back(other, order)
            return heatmaps[0], torch.stack([tags[0], back[0]], dim=-1)
        return heatmaps[0], tags[0, ..., None]

    @torch.inference_mode()
    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Frame]:
        """The people of each picture.

        Args:
            images: (height, width, 3) RGB uint8.
        """
        frames = []
        for place, image in enumerate(images):
            frames.append(frame_of(place, image, self.skeleton, *self.find_people(image)))
        return frames

    @torch.no_grad()
    def find_people(
        self, image: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Joints (people, joints, 3) in pixels of an RGB picture, and scores (people,)."""
        base = self._crop(image)
        width, height = base.output_size
        total = torch.zeros((len(self.skeleton), height, width), device=self.device)
        tags = total[..., None]
        for scale in self.scales:
            size = (round(width * scale), round(height * scale))
            pixels = replace(base, output_size=size).sample(image).transpose(2, 0, 1)[None]
            with self.chosen.autocast():
                heatmaps, found = self.read(torch.from_numpy(pixels.copy()).to(self.device))
            total += F.interpolate(heatmaps[None].float(), (height, width), mode="bilinear")[0]
            tags = found.float() if scale == 1 else tags
        mean = _inside(total / len(self.scales), base, image.shape[:2])
        people, scores = self.group(mean, tags, base.sample(image))
        people = people[..., :3]
        known = people[..., 2:] > 0
        people[..., :2] = base.to_picture(people[..., :2])
        people[..., 2] = people[..., 2].clip(0, 1)
        return (people * known).astype(np.float32), scores

    def group(
        self,
        heatmaps: Float[Tensor, "joints height width"],
        tags: Float[Tensor, "maps height width tags"],
        picture: UInt8[NDArray[Any], "height width 3"],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The people that the maps of a picture at scale 1 show, as `parse_people` gives them."""
        del picture  # for groupings that look at it once more
        return parse_people(heatmaps, tags, self.grouping, refine=self.refine)

    def _crop(self, image: NDArray[np.uint8]) -> Crop:
        """The whole picture at scale 1, filled up with black; at most four times `size` long."""
        height, width = image.shape[:2]
        shorter, longer = min(height, width), max(height, width)
        unit = (shorter if self.side == "short" else longer) / self.size
        unit = max(unit, longer / (4 * self.size))
        multiple = round(MULTIPLE / min(self.scales))
        sides = [max(-(-round(side / unit) // multiple), 1) * multiple for side in (width, height)]
        center = np.array([width, height], dtype=np.float64) / 2
        return Crop(center, np.array(sides) * unit, (sides[0], sides[1]))

    def setup(self, stage: str) -> None:
        """Look whether data and network have the same joints and sizes; begin with the backbone.

        Raises:
            InputError: they do not.
            WeightsError: the backbone's checkpoint is damaged or another network's.
        """
        if stage == "fit":
            self.load_backbone()
        trainer: Any = self.trainer
        data = trainer.datamodule
        if data is None:
            return
        part = {"fit": "train", "validate": "val"}.get(stage, "test")
        other = data.pictures(part).people.skeleton
        if other.joints != self.skeleton.joints:
            raise InputError(
                f"{tell_joints(self.skeleton, 'the data', other)}: set --model.skeleton to the "
                "data's, or take other weights."
            )
        if not set(self.strides) <= set(data.strides):
            raise InputError(
                f"The network's maps have strides {self.strides}, the data's {data.strides}: set "
                "data.strides to the network's."
            )

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Read the people of each picture; they are scored at the end of the epoch."""
        trainer: Any = self.trainer
        data = cast(CrowdData, trainer.datamodule)
        part = "test" if trainer.testing else "val"
        for index in batch["index"].tolist():
            self.scored[index] = self.find_people(data.pictures(part).picture(index))

    def evaluate(self, part: str, scored: Mapping[int, Any]) -> Mapping[str, float]:
        """The data set's own metrics."""
        trainer: Any = self.trainer
        return trainer.datamodule.pictures(part).evaluate(scored)


def _merged(stages: Sequence[Maps], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Mean heat maps of all stages, and the tags, at `size`."""
    largest = stages[-1].heatmaps.shape[-2:]

    def grown(maps: Tensor) -> Tensor:
        if maps.shape[-2:] != largest:
            maps = F.interpolate(maps, largest, mode="bilinear")
        return F.interpolate(maps.float(), size, mode="bilinear")

    heatmaps = torch.stack([grown(stage.heatmaps) for stage in stages]).mean(dim=0)
    tags = [grown(stage.tags) for stage in stages if stage.tags is not None]
    return heatmaps, tags[-1]


def _inside(heatmaps: Tensor, crop: Crop, size: tuple[int, ...]) -> Tensor:
    """Heat maps without what they show beyond the picture, where no network is trained.

    Args:
        heatmaps: (joints, height, width) of the crop.
        crop: The whole picture with what fills it up.
        size: Height and width of the picture.
    """
    corners = crop.to_crop([[0, 0], [size[1], size[0]]])
    (left, top), (right, bottom) = np.floor(corners[0]), np.ceil(corners[1])
    kept = torch.zeros_like(heatmaps)
    rows, columns = slice(max(int(top), 0), int(bottom)), slice(max(int(left), 0), int(right))
    kept[:, rows, columns] = heatmaps[:, rows, columns]
    return kept


def frame_of(
    place: int,
    image: NDArray[np.uint8],
    skeleton: Skeleton,
    joints: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> Frame:
    """The record of a picture in which people were found by their joints.

    Args:
        place: Of the picture among those that were given.
        image: (height, width, 3) RGB uint8.
        skeleton: Of the joints.
        joints: (people, joints, 3): x, y, score.
        scores: (people,); clipped to 0 and 1.
    """
    height, width = image.shape[:2]
    people = []
    for number, (found, score) in enumerate(zip(joints, scores, strict=True), 1):
        pose = Pose(skeleton, found)
        people.append(Person(float(np.clip(score, 0, 1)), pose.box(), pose, id=number))
    return Frame(f"image {place}", 0, 0.0, width, height, tuple(people), image=image)
