"""OpenPose: from pictures to people. Resizing, several scales, the network, grouping.

Needs no PyTorch: with ONNX Runtime the people of a photo are found without importing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.inference import OneNetwork, Preprocessor, Runner
from vitruvian.core.records import Frame, Person, Pose
from vitruvian.core.skeletons import OPENPOSE18
from vitruvian.core.timing import Timings
from vitruvian.core.weights import Weights
from vitruvian.pose.openpose.grouping import GroupingOptions, group_people
from vitruvian.pose.openpose.scales import join_scales

if TYPE_CHECKING:
    from torch import nn

STRIDE = 8
SIZE_MULTIPLE = 16  # of the network's input

# Found on 20 COCO photos: with two scales, weak joints and limbs may count, and fragments may not.
OPTIONS = GroupingOptions(joint_threshold=0.04, min_support=0.7, min_joints=5, min_score=0.25)
HEIGHT = 480
SCALES = (1.0, 0.57)
WIDEST = 4.0  # width by height; a strip of 1000 : 1 at full height would take all memory
CLOSER = 2.0  # the scale at which a picture is read again in which nobody was found


class OpenPose(OneNetwork):
    """Finds the people of pictures.

    Args:
        runner: The network: BGR in [-1, 1] → heat maps and affinity fields at an eighth.
        weights: What the runner runs, for the records.
        options: Of the grouping.
        height: Of the network's input in pixels; the width follows from the picture.
        scales: The picture is read at these multiples of `height`; see `scales.py`.
        weak_score: Where given, people down to this score come out too, for a caller who has other
            evidence of them, such as a face.
        timings: Where the stages' times are added.
    """

    def __init__(
        self,
        runner: Runner,
        weights: Weights,
        options: GroupingOptions | None = None,
        height: int = HEIGHT,
        scales: Sequence[float] = SCALES,
        weak_score: float | None = None,
        timings: Timings | None = None,
    ) -> None:
        self.runner = runner
        self.weights = weights
        self.options = options or OPTIONS
        self.weak_score = weak_score
        self.height = height
        self.scales = tuple(scales)
        self.timings = timings or Timings()
        # Beyond the picture the input is mid-grey, as the network's own padding.
        self._preprocess = Preprocessor(SIZE_MULTIPLE, mean=(127.5,) * 3, scale=1 / 127.5)

    @staticmethod
    def build() -> nn.Module:
        """The embedded network, without weights."""
        from vitruvian.pose.openpose.mobilenet import MobileNetOpenPose

        return MobileNetOpenPose()

    def detect(
        self, images: Sequence[NDArray[np.uint8]], *, look_again: bool = False
    ) -> list[list[tuple[Pose, float]]]:
        """Poses and scores of the people of each picture, the surest first.

        Args:
            images: (height, width, 3) RGB uint8, all of one size.
            look_again: Whether a picture in which nobody is found is read once more, at `CLOSER`:
                small people then come out, at five times the cost.
        """
        results = self._detect(images, self.scales)
        if look_again:
            for place, found in enumerate(results):
                if all(score < self.options.min_score for _, score in found):
                    results[place] = self._detect([images[place]], (CLOSER,))[0]
        return results

    def _detect(
        self, images: Sequence[NDArray[np.uint8]], scales: Sequence[float]
    ) -> list[list[tuple[Pose, float]]]:
        found = [self._look(images, scale) for scale in scales]
        with self.timings.stage("group"):
            results = []
            for findings in zip(*found, strict=True):
                joints, scores = join_scales(
                    np.concatenate([joints for joints, _ in findings]),
                    np.concatenate([scores for _, scores in findings]),
                )
                order = np.argsort(-scores, kind="stable")
                results.append([(Pose(OPENPOSE18, joints[i]), float(scores[i])) for i in order])
            return results

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Frame]:
        """Records of each picture: its people, without faces or tracks.

        Args:
            images: (height, width, 3) RGB uint8, of any sizes.
        """
        frames = []
        for image in images:
            people = tuple(
                Person(score, pose.box(), pose, id=place)
                for place, (pose, score) in enumerate(
                    self.detect([image], look_again=True)[0], start=1
                )
            )
            frames.append(Frame("", 0, 0.0, image.shape[1], image.shape[0], people, (), image))
        return frames

    def _look(
        self, images: Sequence[NDArray[np.uint8]], scale: float
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Joints (people, 18, 3) in picture pixels and scores (people,) of each picture."""
        height, width = images[0].shape[:2]
        rows, columns = input_size(height, width, self.height * scale)
        with self.timings.stage("resize"):
            batch = self._preprocess(images, (rows, columns))
        with self.timings.stage("people network"):
            heatmaps, affinities = self.runner(batch)
        with self.timings.stage("group"):
            cell = np.array([STRIDE * width / columns, STRIDE * height / rows], dtype=np.float32)
            options = self.options
            if self.weak_score is not None:
                options = replace(options, min_score=self.weak_score)
            results = []
            for maps in zip(heatmaps, affinities, strict=True):
                joints, scores = group_people(*maps, options)
                joints[..., :2] *= cell
                results.append((joints, scores))
            return results


def input_size(height: int, width: int, wanted: float) -> tuple[int, int]:
    """Height and width at which a picture of that size is read.

    It keeps its aspect and gets `wanted` rows. A panorama wider than `WIDEST` gets fewer, so that
    its input is no larger than that of a picture which is just so wide.
    """
    aspect = width / height
    rows = wanted * min(1.0, (WIDEST / aspect) ** 0.5)
    least = 2 * SIZE_MULTIPLE  # a map of one cell has no variance, by which the norms divide
    return max(least, round(rows)), max(least, round(rows * aspect))
