"""RetinaFace: from pictures to faces. Priors, decoding and suppression (the paper's section 3).

Needs no PyTorch: with ONNX Runtime the faces of a photo are found without importing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.inference import OneNetwork, Preprocessor, Runner
from vitruvian.core.records import Face, Frame
from vitruvian.core.timing import Timings
from vitruvian.core.weights import Weights

if TYPE_CHECKING:
    from torch import nn

STRIDES = (8, 16, 32)
PRIOR_SIZES = ((10, 20), (32, 64), (128, 256))  # pixels, by stride
VARIANCES = (0.1, 0.2)  # of a box's centre (and of landmarks), and of its size
MEAN = (104.0, 117.0, 123.0)  # of blue, green, red, in 0–255


@lru_cache(maxsize=16)
def make_priors(height: int, width: int) -> NDArray[np.float32]:
    """Priors of a picture, fine stride first, rows, columns, then sizes.

    Returns:
        (priors, 3): centre x, centre y, side, in pixels.
    """
    priors = []
    for stride, sizes in zip(STRIDES, PRIOR_SIZES, strict=True):
        rows, columns = -(-height // stride), -(-width // stride)
        y, x, side = np.meshgrid(
            (np.arange(rows) + 0.5) * stride,
            (np.arange(columns) + 0.5) * stride,
            np.array(sizes, dtype=np.float64),
            indexing="ij",
        )
        priors.append(np.stack([x, y, side], axis=-1).reshape(-1, 3))
    return np.concatenate(priors).astype(np.float32)


@dataclass(frozen=True)
class FaceOptions:
    """Which faces are kept.

    Attributes:
        threshold: Least probability of a face.
        overlap: Of two boxes with more IoU than this the weaker is dropped.
    """

    threshold: float = 0.5
    overlap: float = 0.4


OWN_SIDES = [1, 0, 2, 4, 3]
"""The network's left is the viewer's; a record's left is the person's own."""


def decode_faces(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    priors: NDArray[np.float32],
    options: FaceOptions,
    scale: NDArray[np.float32] | None = None,
) -> list[Face]:
    """Raw predictions of one picture → faces, the surest first.

    Args:
        boxes: (priors, 4) offsets.
        scores: (priors, 2) probabilities.
        landmarks: (priors, 10) offsets.
        priors: (priors, 3) of `make_priors`.
        options: Which faces are kept.
        scale: (2,): picture pixels a pixel of the network's input, in x and y; 1 where left out.
    """
    scale = np.ones(2, dtype=np.float32) if scale is None else scale
    kept = np.flatnonzero(scores[:, 1] > options.threshold)
    kept = kept[np.argsort(-scores[kept, 1], kind="stable")]
    centre, side = priors[kept, :2], priors[kept, 2:]
    middles = centre + boxes[kept, :2] * VARIANCES[0] * side
    halves = side * np.exp(boxes[kept, 2:] * VARIANCES[1]) / 2
    corners = np.concatenate([middles - halves, middles + halves], axis=1)
    points = centre[:, None] + landmarks[kept].reshape(-1, 5, 2) * VARIANCES[0] * side[:, None]
    return [
        Face(
            (corners[i] * np.tile(scale, 2)).astype(np.float32),
            float(scores[kept[i], 1]),
            (points[i, OWN_SIDES] * scale).astype(np.float32),
        )
        for i in suppress(corners, options.overlap)
    ]


def suppress(boxes: NDArray[np.float32], overlap: float) -> list[int]:
    """Greedy non-maximum suppression over (n, 4) boxes that are sorted, the surest first."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.arange(len(boxes))
    kept = []
    while len(left):
        first, left = left[0], left[1:]
        kept.append(int(first))
        corner1 = np.maximum(boxes[first, :2], boxes[left, :2])
        corner2 = np.minimum(boxes[first, 2:], boxes[left, 2:])
        shared = np.prod(np.clip(corner2 - corner1, 0, None), axis=1)
        left = left[shared / (areas[first] + areas[left] - shared) <= overlap]
    return kept


class RetinaFace(OneNetwork):
    """Finds the faces of pictures.

    Args:
        runner: The network.
        weights: What the runner runs, for the records.
        options: Which faces are kept.
        long_side: The longer side of the network's input, in pixels. Smaller pictures are not
            enlarged.
        timings: Where the stages' times are added.
    """

    def __init__(
        self,
        runner: Runner,
        weights: Weights,
        options: FaceOptions | None = None,
        long_side: int = 640,
        timings: Timings | None = None,
    ) -> None:
        self.runner = runner
        self.weights = weights
        self.options = options or FaceOptions()
        self.long_side = long_side
        self.timings = timings or Timings()
        self._preprocess = Preprocessor(STRIDES[-1], mean=MEAN[::-1])

    @staticmethod
    def build() -> nn.Module:
        """The embedded network, without weights."""
        from vitruvian.face.retinaface.network import RetinaFaceNetwork

        return RetinaFaceNetwork()

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Face]]:
        """Faces of each picture, the surest first.

        Args:
            images: (height, width, 3) RGB uint8, all of one size.
        """
        height, width = images[0].shape[:2]
        scale = min(1.0, self.long_side / max(height, width))
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        with self.timings.stage("resize"):
            batch = self._preprocess(images, (rows, columns))
        with self.timings.stage("faces network"):
            boxes, scores, landmarks = self.runner(batch)
        with self.timings.stage("faces"):
            priors = make_priors(*batch.shape[2:])
            factor = np.array([width / columns, height / rows], dtype=np.float32)
            return [
                decode_faces(*raw, priors, self.options, factor)
                for raw in zip(boxes, scores, landmarks, strict=True)
            ]

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[Frame]:
        """Records of each picture: its faces, and no people.

        Args:
            images: (height, width, 3) RGB uint8, of any sizes.
        """
        return [
            Frame(
                "",
                0,
                0.0,
                image.shape[1],
                image.shape[0],
                (),
                tuple(self.detect([image])[0]),
                image,
            )
            for image in images
        ]
