"""The joints of boxed people by an embedded top-down network. Needs no PyTorch.

The graph beside the weights is the whole system from crops to heat maps; what is around it is here:
crops, the flip test, joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.inference import Runner
from vitruvian.core.records import Pose
from vitruvian.core.skeletons import find_skeleton
from vitruvian.core.weights import Weights
from vitruvian.pose.heatmaps import Decoder, decode_joints
from vitruvian.pose.topdown import Crop, sample_crops

BATCH = 32
"""Crops that go through the network at once."""


class BoxedPose:
    """Finds the joints of people whose boxes are known.

    Args:
        runner: The graph: RGB crops (batch, height, width, 3) uint8 → heat maps (batch, joints,
            height / 4, width / 4).
        weights: What it runs, for the records.
        skeleton: Name of the joints' skeleton.
        width: Of the crops, in pixels.
        height: Likewise.
        decoder: How joints are read from maps, "argmax", "quarter" or "dark"; see `decode_joints`.
        flip_test: Whether the mirrored crop is read, too: better, and twice the time.
    """

    def __init__(
        self,
        runner: Runner,
        weights: Weights,
        *,
        skeleton: str = "coco17",
        width: int = 192,
        height: int = 256,
        decoder: Decoder = "dark",
        flip_test: bool = True,
    ) -> None:
        self.runner = runner
        self.weights = weights
        self.skeleton = find_skeleton(skeleton)
        self.size = (width, height)
        self.decoder: Decoder = decoder
        self.flip_test = flip_test

    def detect(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Sequence[NDArray[np.float32]]]
    ) -> list[list[Pose]]:
        """The pose in each box; those of all pictures go through the network together.

        Args:
            images: (height, width, 3) RGB uint8.
            boxes: Of each picture, x1, y1, x2, y2 of its people; each has an area.
        """
        crops = [[Crop.of_box(box, self.size) for box in own] for own in boxes]
        cut = [sample_crops(image, own) for image, own in zip(images, crops, strict=True) if own]
        if not cut:
            return [[] for _ in crops]
        pixels, every = np.concatenate(cut), [crop for own in crops for crop in own]
        found: list[Pose] = []
        for start in range(0, len(every), BATCH):
            part = slice(start, start + BATCH)
            found.extend(self._poses(every[part], pixels[part]))
        rest = iter(found)
        return [list(islice(rest, len(own))) for own in crops]

    def _poses(self, crops: Sequence[Crop], pixels: NDArray[np.uint8]) -> list[Pose]:
        maps = self._both_sides(pixels)
        points, scores = decode_joints(maps, self.size, decoder=self.decoder)
        poses = []
        for crop, own, score in zip(crops, points, np.clip(scores, 0, 1), strict=True):
            joints = np.concatenate([crop.to_picture(own), score[:, None]], axis=-1)
            poses.append(Pose(self.skeleton, (joints * (score[:, None] > 0)).astype(np.float32)))
        return poses

    def _both_sides(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Maps of crops, with the flip test where it is wanted; see `merge_flipped`."""
        maps = self.runner(pixels)[0]
        if self.flip_test:
            mirrored = self.runner(np.ascontiguousarray(pixels[:, :, ::-1]))[0]
            back = mirrored[..., ::-1][:, self.skeleton.flip_order]
            before = np.maximum(np.arange(back.shape[-1]) - 1, 0)  # `shift_right`
            maps = (maps + back[..., before]) / np.float32(2)
        return maps
