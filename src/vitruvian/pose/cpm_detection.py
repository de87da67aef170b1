"""Training of the person detector of Convolutional Pose Machines: where people's middles are.

The release has the network (`cpm_centers.py`) and no word on how it was trained. Here its targets
are like the pose network's centre map: a Gaussian at the middle of each person's joints, and where
people overlap the highest. Its σ is three cells, 24 pixels, where the centre map has 21.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from vitruvian.core.records import Frame
from vitruvian.core.skeletons import Skeleton
from vitruvian.core.system import Batch
from vitruvian.nn.normed_system import NormedSystem
from vitruvian.nn.norms import NormName
from vitruvian.pose.bottom_up_system import frame_of
from vitruvian.pose.cpm import STRIDE
from vitruvian.pose.cpm_centers import CenterDetector, find_centers
from vitruvian.pose.crowd_data import CrowdData, Pictures
from vitruvian.pose.topdown import Crop

SIGMA = 3
"""Of the targets, in cells of the map."""

NEAR = 0.25
"""Of a person's height or width, the larger: a centre that is nearer is found."""

CENTER = Skeleton("center", ("center",), (), sigmas=(0.1,))


class CenterPictures(Pictures):
    """Pictures whose only points are people's middles."""

    def points(self, index: int, crop: Crop) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """(people, 1, 2) in pixels of the crop, and (people, 1): who has a labelled joint."""
        boxes = self.boxes(index)
        middles = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
        known = np.asarray(np.isfinite(middles).all(axis=-1))
        return crop.to_crop(np.where(known[..., None], middles, 0)), known

    def boxes(self, index: int) -> NDArray[np.float64]:
        """(people, 4): x1, y1, x2, y2 of each one's labelled joints; NaN where there is none."""
        found = []
        for place in self.groups[index][1]:
            joints = self.people[place].joints
            points = joints[joints[:, 2] > 0, :2]
            if len(points):
                found.append(np.concatenate([points.min(axis=0), points.max(axis=0)]))
            else:
                found.append(np.full(4, np.nan))
        return np.array(found, dtype=np.float64)


class CenterData(CrowdData):
    """Training, validation and test pictures of a data set of crowds, with people's middles.

    Args:
        dataset: Of `CrowdData`.
        strides: The network's.
        sigma: In cells of its map.
        options: Of `CrowdData`.
    """

    pictures_class = CenterPictures

    def __init__(
        self,
        dataset: str = "coco",
        *,
        strides: Sequence[int] = (STRIDE,),
        sigma: float = SIGMA,
        **options: Any,
    ) -> None:
        super().__init__(dataset, strides=strides, sigma=sigma, **options)


class PersonCenters(NormedSystem):
    """Training, scoring and use of the detector on whole pictures.

    Args:
        stages: 4, as released.
        width: Channels of most convolutions; 128 as released.
        size: What the longer side of a picture is scaled to, in pixels.
        threshold: What a peak must exceed.
        norm: None: no norms, as released; or one of `vitruvian.nn.norms.NORMS` after each
            convolution but a stage's last.
    """

    card_name = "cpm"

    def __init__(
        self,
        *,
        stages: int = 4,
        width: int = 128,
        size: int = 368,
        threshold: float = 0.3,
        norm: NormName | None = None,
    ) -> None:
        super().__init__()
        self.network = CenterDetector(stages, width=width, norm=norm is not None)
        self.set_norm(norm or "batch")
        self.size, self.threshold = size, threshold
        self.save_hyperparameters()

    def maps(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch 1 height/8 width/8"]]:
        """The map of every stage, of RGB pictures."""
        return list(self.network(image.flip(1).float() / 256 - 0.5))

    def forward(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 1 height/8 width/8"]:
        """The last map of RGB pictures."""
        return self.maps(image)[-1]

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`stage1`, `stage2`, …: half the squared error, summed over a picture."""
        target, mask = batch[f"target{STRIDE}"], batch[f"mask{STRIDE}"][:, None]
        return {
            f"stage{number}": ((maps.float() - target) ** 2 * mask).sum() / (2 * len(maps))
            for number, maps in enumerate(self.maps(batch["image"]), start=1)
        }

    @torch.inference_mode()
    def find(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(people, 3): x, y in pixels of an RGB picture (height, width, 3), and the peaks."""
        height, width = image.shape[:2]
        unit = max(height, width) / self.size
        columns, rows = (-(-round(side / unit) // STRIDE) * STRIDE for side in (width, height))
        middle = np.array([width, height], dtype=np.float64) / 2
        crop = Crop(middle, np.array([columns, rows]) * unit, (columns, rows))
        pixels = np.ascontiguousarray(crop.sample(image).transpose(2, 0, 1))[None]
        with self.chosen.autocast():
            heatmap = self(torch.from_numpy(pixels).to(self.device))[0, 0]
        found = find_centers(heatmap.float().cpu().numpy(), self.threshold)
        found[:, :2] = crop.to_picture(found[:, :2])
        inside = (found[:, :2] >= 0) & (found[:, :2] <= (width, height))
        return found[inside.all(axis=1)]

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Frame]:
        """The people of each picture, of whom the middle is known.

        Args:
            images: (height, width, 3) RGB uint8.
        """
        frames = []
        for place, image in enumerate(images):
            found = self.find(image)
            found[:, 2] = found[:, 2].clip(0, 1)
            frames.append(frame_of(place, image, CENTER, found[:, None], found[:, 2]))
        return frames

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Find the middles in each picture; they are scored at the end of the epoch."""
        trainer: Any = self.trainer
        pictures = trainer.datamodule.pictures("test" if trainer.testing else "val")
        for index in batch["index"].tolist():
            self.scored[index] = self.find(pictures.picture(index))

    def evaluate(self, part: str, scored: Mapping[int, Any]) -> Mapping[str, float]:
        """`recall`, `precision` and `f1` in per cent; see `matched`."""
        trainer: Any = self.trainer
        pictures = trainer.datamodule.pictures(part)
        people = found = hits = 0
        for index, centers in scored.items():
            boxes = pictures.boxes(index)
            people += int(np.isfinite(boxes).all(axis=1).sum())
            found += len(centers)
            hits += matched(centers, boxes)
        return {
            "recall": 100 * hits / max(people, 1),
            "precision": 100 * hits / max(found, 1),
            "f1": 200 * hits / max(people + found, 1),
        }


def matched(centers: NDArray[np.floating], boxes: NDArray[np.floating]) -> int:
    """How many people are found: the highest peak first takes the nearest one left within `NEAR`.

    Args:
        centers: (found, 3): x, y, and the peak's height, the highest first.
        boxes: (people, 4): x1, y1, x2, y2; people with NaN are nobody.
    """
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    reach = NEAR * (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    left = np.ones(len(boxes), dtype=bool)
    for x, y, _ in centers:
        distance = np.linalg.norm(middles - (x, y), axis=1)
        distance[~left | (distance > reach)] = np.inf
        if len(distance) and np.isfinite(distance.min()):
            left[distance.argmin()] = False
    return int((~left).sum())
