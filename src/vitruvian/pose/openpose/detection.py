"""OpenPose: from pictures to people. Resizing, several scales, the network, grouping.

Needs no PyTorch: with ONNX Runtime the people of a photo are found without importing it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError, WeightsError
from vitruvian.core.inference import Backend, OneNetwork, Preprocessor, Runner, make_runner
from vitruvian.core.records import Frame, Person, Pose
from vitruvian.core.timing import Timings
from vitruvian.core.weights import Weights, find_weights
from vitruvian.pose.openpose.details import with_details
from vitruvian.pose.openpose.grouping import GroupingOptions, group_people
from vitruvian.pose.openpose.kinds import build, builder, detail_builder, find_kind
from vitruvian.pose.openpose.scales import join_scales

if TYPE_CHECKING:
    from torch import nn

    from vitruvian.core.device import Precision

STRIDE = 8
SIZE_MULTIPLE = 16  # of the embedded network's input

# Found on 20 COCO photos: with two scales, weak joints and limbs may count, and fragments may not.
OPTIONS = GroupingOptions(joint_threshold=0.04, min_support=0.7, min_joints=5, min_score=0.25)
HEIGHT = 480
SCALES = (1.0, 0.57)
WIDEST = 4.0  # width by height; a strip of 1000 : 1 at full height would take all memory
CLOSER = 2.0  # the scale at which a picture is read again in which nobody was found


class OpenPose(OneNetwork):
    """Finds the people of pictures.

    Args:
        runner: The network: BGR as its kind wants it → heat maps and affinity fields at an eighth.
        weights: What the runner runs, for the records.
        options: Of the grouping.
        height: Of the network's input in pixels; the width follows from the picture.
        scales: The picture is read at these multiples of `height`; see `scales.py`.
        weak_score: Where given, people down to this score come out too, for a caller who has other
            evidence of them, such as a face.
        timings: Where the stages' times are added.
        kind: Which network the runner runs, one of `kinds.KINDS`.
        face: The network of faces; where given, people come out in `OPENPOSE137`.
        hands: The network of hands; likewise.
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
        kind: str = "mobilenet",
        face: Runner | None = None,
        hands: Runner | None = None,
    ) -> None:
        self.runner = runner
        self.weights = weights
        self.kind = find_kind(kind)
        self.table = self.kind.table
        self.face, self.hands = face, hands
        self.options = options or replace(OPTIONS, affinity_offset=self.kind.affinity_offset)
        self.weak_score = weak_score
        self.height = height
        self.scales = tuple(scales)
        self.timings = timings or Timings()
        # Beyond the picture the input is mid-grey, as the network's own padding.
        kind_of = self.kind
        self._preprocess = Preprocessor(kind_of.multiple, (kind_of.mean,) * 3, kind_of.scale)

    @staticmethod
    def build() -> nn.Module:
        """The embedded network, without weights."""
        return build("mobilenet")

    @classmethod
    def from_weights(
        cls,
        weights: Weights,
        device: str = "auto",
        precision: Precision = "auto",
        backend: Backend = "auto",
        face: str | Path | None = None,
        hands: str | Path | None = None,
        **options: Any,
    ) -> Self:
        """The detector with weights that `find_weights` found.

        Args:
            weights: Of any of the body networks; the checkpoint shows which.
            device: As in `choose_device`.
            precision: Likewise.
            backend: As in `make_runner`.
            face: A checkpoint of the face network; None: no faces.
            hands: A checkpoint of the hand network; None: no hands.
            options: As the class has them.

        Raises:
            WeightsError: a checkpoint is damaged, or of none of these networks.
        """
        how: dict[str, Any] = {"device": device, "precision": precision}
        kind, network = "mobilenet", cls.build
        if weights.tier == "own":
            kind, network = _read(weights.file, builder)
        found = {"face": face, "hands": hands}
        for name, file in found.items():
            if file is not None:
                own = find_weights(find_card("openpose"), Path(file))
                options[name] = make_runner(_read(own.file, detail_builder), own, **how)
        runner = make_runner(network, weights, backend=backend, **how)
        return cls(runner, weights, kind=kind, **options)

    def detect(
        self, images: Sequence[NDArray[np.uint8]], *, look_again: bool = False
    ) -> list[list[tuple[Pose, float]]]:
        """Poses and scores of the people of each picture, the surest first.

        Args:
            images: (height, width, 3) RGB uint8, all of one size.
            look_again: Whether a picture in which nobody is found is read once more, at `CLOSER`:
                small people then come out, at five times the cost.
        """
        results = self.detect_at(images, self.scales)
        if look_again:
            for place, found in enumerate(results):
                if all(score < self.options.min_score for _, score in found):
                    results[place] = self.detect_at([images[place]], (CLOSER,))[0]
        return results

    def detect_at(
        self, images: Sequence[NDArray[np.uint8]], scales: Sequence[float]
    ) -> list[list[tuple[Pose, float]]]:
        """As `detect`, at other scales than the detector's own.

        Args:
            images: (height, width, 3) RGB uint8, all of one size.
            scales: Multiples of `height`.
        """
        found = [self._look(images, scale) for scale in scales]
        with self.timings.stage("group"):
            results = []
            for findings in zip(*found, strict=True):
                joints, scores = join_scales(
                    np.concatenate([joints for joints, _ in findings]),
                    np.concatenate([scores for _, scores in findings]),
                )
                order = np.argsort(-scores, kind="stable")
                skeleton = self.table.skeleton
                results.append([(Pose(skeleton, joints[i]), float(scores[i])) for i in order])
            return results

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Frame]:
        """Records of each picture: its people, without faces or tracks.

        Args:
            images: (height, width, 3) RGB uint8, of any sizes.
        """
        frames = []
        for image in images:
            found = self.detect([image], look_again=True)[0]
            if self.face or self.hands:
                found = [
                    (with_details(image, pose, self.face, self.hands), score)
                    for pose, score in found
                ]
            people = tuple(
                Person(score, pose.box(), pose, id=place)
                for place, (pose, score) in enumerate(found, start=1)
            )
            frames.append(Frame("", 0, 0.0, image.shape[1], image.shape[0], people, (), image))
        return frames

    def _look(
        self, images: Sequence[NDArray[np.uint8]], scale: float
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Joints (people, joints, 3) in picture pixels and scores (people,) of each picture."""
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
                joints, scores = group_people(*maps, options, self.table)
                joints[..., :2] *= cell
                results.append((joints, scores))
            return results


def _read(file: Path, of: Callable[[dict[str, tuple[int, ...]]], Any]) -> Any:
    """What `of` makes of a checkpoint's keys and shapes.

    Raises:
        WeightsError: the checkpoint is damaged, or another network's.
    """
    from vitruvian.core.published import read_checkpoint

    try:
        return of({key: tuple(value.shape) for key, value in read_checkpoint(file).items()})
    except InputError as error:
        raise WeightsError(f"{file} does not fit: {error}") from error


def input_size(height: int, width: int, wanted: float) -> tuple[int, int]:
    """Height and width at which a picture of that size is read.

    It keeps its aspect and gets `wanted` rows. A panorama wider than `WIDEST` gets fewer, so that
    its input is no larger than that of a picture which is just so wide.
    """
    aspect = width / height
    rows = wanted * min(1.0, (WIDEST / aspect) ** 0.5)
    least = 2 * SIZE_MULTIPLE  # a map of one cell has no variance, by which the norms divide
    return max(least, round(rows)), max(least, round(rows * aspect))
