"""Top-down geometry: from a person's box to the network's crop and back.

Two kinds of coordinates meet here. *House* coordinates are continuous, the centre of the top-left
pixel at (0.5, 0.5). *Indices* put it at (0, 0): OpenCV, COCO, and the released code of Simple
Baselines and HRNet count so. `Crop` speaks house coordinates outside. The functions that re-create
released maths (`affine_matrix`, `udp_matrix`, `coco_center_scale`, `mpii_center_scale`,
`half_body`) work on indices, or wholly in whatever coordinates their arguments have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitruvian.core.errors import InputError

Floats = NDArray[np.floating[Any]]

UNIT = 200.0
"""Pixels in one unit of `scale`, MPII's measure of a person's height."""

PADDING = 1.25
"""How much larger than the person's box a crop is."""


def clip_coco_box(box: ArrayLike, image_size: tuple[int, int]) -> Floats:
    """COCO boxes cut at the picture's border, as the released data sets cut them.

    Args:
        box: (..., 4): x, y, width, height in pixels.
        image_size: (width, height).

    Returns:
        (..., 4): x, y, width, height. The last row and column of a box are left out, as published;
        a box outside the picture has no area.
    """
    box = np.asarray(box, dtype=np.float64)
    size = np.asarray(image_size, dtype=np.float64)
    start = np.maximum(box[..., :2], 0)
    end = np.minimum(size - 1, start + np.maximum(0, box[..., 2:] - 1))
    return np.concatenate([start, np.maximum(end - start, 0)], axis=-1)


def coco_center_scale(
    box: ArrayLike, aspect: float, padding: float = PADDING
) -> tuple[Floats, Floats]:
    """Centre and scale of COCO boxes.

    Args:
        box: (..., 4): x, y, width, height.
        aspect: Width / height of the network's input; boxes grow to it, they never shrink.
        padding: Factor on the grown box.

    Returns:
        Centres (..., 2) in the box's coordinates, scales (..., 2): width and height / 200 px.
    """
    box = np.asarray(box, dtype=np.float64)
    center = box[..., :2] + box[..., 2:] / 2
    return center, grow_to_aspect(box[..., 2:], aspect) / UNIT * padding


def mpii_center_scale(center: ArrayLike, scale: ArrayLike) -> tuple[Floats, Floats]:
    """Centre and scale of MPII people, from the annotation's `objpos` and `scale`.

    Args:
        center: (..., 2) in MPII's 1-based pixels.
        scale: (...): the person's height / 200 px.

    Returns:
        Centres (..., 2) as indices, 15 scales lower than the annotation's so that feet are not
        cut; scales (..., 2), enlarged by 1.25, the same in both directions.
    """
    center, scale = np.asarray(center, dtype=np.float64), np.asarray(scale, dtype=np.float64)
    lower = np.stack([np.zeros_like(scale), 15 * scale], axis=-1)
    return center + lower - 1, np.repeat(scale[..., None] * PADDING, 2, axis=-1)


def grow_to_aspect(size: ArrayLike, aspect: float) -> Floats:
    """(..., 2) widths and heights, the lesser one enlarged until width / height is `aspect`."""
    size = np.asarray(size, dtype=np.float64)
    width = np.maximum(size[..., 0], size[..., 1] * aspect)
    return np.stack([width, width / aspect], axis=-1)


def affine_matrix(
    center: ArrayLike,
    scale: ArrayLike,
    rotation: ArrayLike,
    output_size: tuple[int, int],
    *,
    inverse: bool = False,
) -> Floats:
    """The published crop: picture indices → crop indices.

    The centre comes to (width / 2, height / 2) of the crop, and the *width* alone sets the zoom.

    Args:
        center: (..., 2).
        scale: (..., 2) or (...): units of 200 px; only the width counts.
        rotation: (...) in degrees; positive turns what is in the crop counter-clockwise.
        output_size: (width, height) of the crop.
        inverse: Give crop → picture instead.

    Returns:
        (..., 2, 3).
    """
    center = np.asarray(center, dtype=np.float64)
    scale = np.asarray(scale, dtype=np.float64)
    width = scale[..., 0] if scale.ndim == center.ndim else scale
    angle = np.deg2rad(np.asarray(rotation, dtype=np.float64))
    zoom = output_size[0] / (width * UNIT)
    cosine, sine = np.broadcast_arrays(zoom * np.cos(angle), zoom * np.sin(angle))
    linear = np.stack([cosine, sine, -sine, cosine], axis=-1).reshape(*cosine.shape, 2, 2)
    shift = np.asarray(output_size) / 2 - (linear @ center[..., None])[..., 0]
    matrix = np.concatenate([linear, shift[..., None]], axis=-1)
    return invert_affine(matrix) if inverse else matrix


def udp_matrix(
    center: ArrayLike, size: ArrayLike, rotation: ArrayLike, output_size: tuple[int, int]
) -> Floats:
    """The unbiased crop (Huang et al., CVPR 2020, arXiv 1911.07524): picture → crop indices.

    Distances are measured between pixel centres, so the box's two sides come to indices 0 and
    size - 1, and a mirrored picture gives the mirrored crop. Width and height have a zoom each.

    Args:
        center: (..., 2).
        size: (..., 2): width and height of the box in pixels.
        rotation: (...) in degrees, against the direction of `affine_matrix`, as released.
        output_size: (width, height) of the crop.

    Returns:
        (..., 2, 3).
    """
    center, size = np.asarray(center, dtype=np.float64), np.asarray(size, dtype=np.float64)
    angle = np.deg2rad(np.asarray(rotation, dtype=np.float64))
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.stack([cosine, -sine, sine, cosine], axis=-1).reshape(*cosine.shape, 2, 2)
    zoom = (np.asarray(output_size) - 1) / size
    shift = zoom * (size / 2 - (turn @ center[..., None])[..., 0])
    return np.concatenate([zoom[..., None] * turn, shift[..., None]], axis=-1)


def invert_affine(matrix: Floats) -> Floats:
    """(..., 2, 3) the inverse of each (..., 2, 3)."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1)


def transform_points(points: ArrayLike, matrix: Floats) -> Floats:
    """(..., points, 2) through (..., 2, 3); the coordinates are those of the matrix."""
    points = np.asarray(points, dtype=np.float64)
    return points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]


def mirror_joints(
    joints: ArrayLike, width: float, flip_order: ArrayLike, *, indices: bool = False
) -> Floats:
    """The joints of a person in the mirrored picture.

    Args:
        joints: (..., joints, 2 or more): x first; further columns (y, visibility) only change rows.
        width: Of the picture.
        flip_order: (joints,): `Skeleton.flip_order`.
        indices: `joints` are indices (x' = width - 1 - x), not house coordinates (x' = width - x).
    """
    mirrored = np.array(joints, dtype=np.float64)[..., np.asarray(flip_order), :]
    mirrored[..., 0] = width - int(indices) - mirrored[..., 0]
    return mirrored


def half_body(
    joints: ArrayLike,
    labelled: ArrayLike,
    upper: Sequence[int],
    aspect: float,
    random: np.random.Generator,
) -> tuple[Floats, Floats] | None:
    """Centre and scale of the upper or the lower body (HRNet's augmentation).

    Args:
        joints: (joints, 2).
        labelled: (joints,): which joints are labelled.
        upper: Places of the upper body's joints; the others are the lower body's.
        aspect: Width / height of the network's input.
        random: Chooses the half; the upper one where a normal number is under 0.5, as released.

    Returns:
        Centre (2,): mean of the chosen joints; scale (2,): their extent × 1.5. None where there
        are fewer than two of them.
    """
    joints, labelled = np.asarray(joints, dtype=np.float64), np.asarray(labelled) > 0
    is_upper = np.isin(np.arange(len(joints)), upper)
    high, low = joints[labelled & is_upper], joints[labelled & ~is_upper]
    prefers_upper = random.standard_normal() < 0.5
    chosen = high if (prefers_upper and len(high) > 2) or len(low) <= 2 else low
    if len(chosen) < 2:
        return None
    size = grow_to_aspect(np.ptp(chosen, axis=0), aspect)
    return chosen.mean(axis=0), size / UNIT * 1.5


@dataclass(frozen=True)
class Augmentation:
    """How one training crop differs from the plain one.

    Attributes:
        scale: Factor on the box.
        rotation: Degrees.
        flip: Whether it is mirrored.
    """

    scale: float = 1.0
    rotation: float = 0.0
    flip: bool = False


def draw_augmentation(
    random: np.random.Generator,
    *,
    scale: float = 0.3,
    rotation: float = 40.0,
    flip: float = 0.5,
    rotation_probability: float = 0.6,
) -> Augmentation:
    """Draw an augmentation as Simple Baselines and HRNet do.

    Args:
        random: Source of chance.
        scale: Deviation of the factor, which stays within 1 ± this (COCO 0.3, MPII 0.25).
        rotation: Deviation in degrees; cut at twice this (COCO 40, MPII 30).
        flip: Probability of a mirrored crop.
        rotation_probability: Probability of any rotation.
    """
    factor = np.clip(1 + random.standard_normal() * scale, 1 - scale, 1 + scale)
    angle = np.clip(random.standard_normal() * rotation, -2 * rotation, 2 * rotation)
    turned = random.random() <= rotation_probability
    return Augmentation(float(factor), float(angle) if turned else 0.0, random.random() <= flip)


@dataclass(frozen=True, eq=False)
class Crop:
    """A window on a picture, seen by the network; joints go both ways exactly.

    Attributes:
        center: (2,) in house coordinates of the picture.
        size: (2,) width and height of the window in pixels of the picture.
        output_size: (width, height) of the crop.
        rotation: Degrees.
        flip: Whether the crop is mirrored (the caller renames left and right joints).
        udp: The unbiased crop (`udp_matrix`) instead of the published one (`affine_matrix`).
    """

    center: Floats
    size: Floats
    output_size: tuple[int, int]
    rotation: float = 0.0
    flip: bool = False
    udp: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.center).all() and np.isfinite(self.size).all()):
            msg = f"A crop needs numbers: centre {self.center}, size {self.size}."
            raise InputError(msg)
        if min(self.size) <= 0:
            msg = f"A crop needs a box with an area, and its size is {self.size}."
            raise InputError(msg)

    @classmethod
    def of_box(
        cls,
        box: ArrayLike,
        output_size: tuple[int, int],
        *,
        padding: float = PADDING,
        augmentation: Augmentation | None = None,
        udp: bool = False,
    ) -> Crop:
        """The crop around a box, grown to the output's aspect and by `padding`.

        Args:
            box: (4,): x1, y1, x2, y2 in house coordinates.
            output_size: (width, height).
            padding: Factor on the box.
            augmentation: Changes to it; none where left out.
            udp: See the attributes.

        Raises:
            InputError: the box has no area or is no number.
        """
        corners = np.asarray(box, dtype=np.float64)
        extent = corners[2:] - corners[:2]
        if not extent.min() > 0:
            msg = f"The box {corners.round(1).tolist()} has no area."
            raise InputError(msg)
        change = augmentation or Augmentation()
        size = grow_to_aspect(extent, output_size[0] / output_size[1]) * padding * change.scale
        center = corners[:2] + extent / 2
        return cls(center, size, output_size, change.rotation, change.flip, udp)

    @cached_property
    def matrix(self) -> Floats:
        """(2, 3): picture indices → crop indices, for OpenCV."""
        center = np.asarray(self.center) - 0.5
        if self.udp:
            matrix = udp_matrix(center, self.size, -self.rotation, self.output_size)
        else:
            scale = np.asarray(self.size) / UNIT
            matrix = affine_matrix(center, scale, self.rotation, self.output_size)
        if self.flip:
            matrix[0] *= -1
            matrix[0, 2] += self.output_size[0] - 1
        return matrix

    def sample(
        self, image: NDArray[np.uint8], into: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """The crop, (height, width, 3): bilinear, black outside the picture.

        Args:
            image: (picture height, picture width, 3); or 4, of which the last is not used.
            into: Where to write it.
        """
        columns, rows = self.output_size
        crop = np.empty((rows, columns, 3), np.uint8) if into is None else into
        left, top, right, bottom = self._window()
        part = image[top : max(bottom, top), left : max(right, left)]
        if not part.size:
            crop[:] = 0
            return crop
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ (left, top)
        # OpenCV warps four channels in less than half the time that three take.
        padded = part if part.shape[2] == 4 else cv2.cvtColor(part, cv2.COLOR_RGB2RGBA)
        found = cv2.warpAffine(padded, matrix, self.output_size, flags=cv2.INTER_LINEAR)
        cv2.cvtColor(found, cv2.COLOR_RGBA2RGB, dst=crop)
        return crop

    def _window(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of what the crop needs of the picture; low sides are not < 0."""
        matrix = cv2.invertAffineTransform(self.matrix)
        sides, origin = matrix[:, :2] * self.output_size, matrix[:, 2]
        low = origin + np.minimum(sides, 0).sum(axis=1)
        high = origin + np.maximum(sides, 0).sum(axis=1)
        left, top = (max(math.floor(value) - 1, 0) for value in low.tolist())
        right, bottom = (math.ceil(value) + 2 for value in high.tolist())
        return left, top, right, bottom

    def to_crop(self, points: ArrayLike) -> Floats:
        """(..., 2) house coordinates of the picture → house coordinates of the crop."""
        return _through(points, self.matrix)

    def to_picture(self, points: ArrayLike) -> Floats:
        """(..., 2) house coordinates of the crop → of the picture."""
        return _through(points, invert_affine(self.matrix))


def sample_crops(image: NDArray[np.uint8], crops: Sequence[Crop]) -> NDArray[np.uint8]:
    """(crops, height, width, 3): every crop of a picture, all of one size; see `Crop.sample`."""
    columns, rows = crops[0].output_size
    needed = sum(float(np.prod(crop.size)) for crop in crops)
    if needed > image.shape[0] * image.shape[1]:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), dtype=np.uint8)
    found = np.empty((len(crops), rows, columns, 3), np.uint8)
    for crop, into in zip(crops, found, strict=True):
        crop.sample(image, into)
    return found


def _through(points: ArrayLike, matrix: Floats) -> Floats:
    points = np.asarray(points, dtype=np.float64) - 0.5
    return transform_points(points.reshape(-1, 2), matrix).reshape(points.shape) + 0.5
