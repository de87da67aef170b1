"""Sheets to look at: many samples side by side, and every annotation of one."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.drawing import contact_sheet, draw_pose
from vitruvian.core.records import Pose
from vitruvian.core.skeletons import COCO17, WHOLEBODY133, Skeleton
from vitruvian.world.sample import Sample

Image = NDArray[np.uint8]
_SIDE = 384  # pixels of an annotation's longer side
_COLUMNS = 4


def samples_sheet(samples: Sequence[Sample]) -> Image:
    """The pictures of samples, side by side: (height, width, 3) RGB."""
    columns = max(1, round((1.5 * len(samples)) ** 0.5))
    return contact_sheet([sample.image for sample in samples], columns=columns, width=256)


def annotations_sheet(sample: Sample) -> Image:
    """One sample and its annotations, side by side: (height, width, 3) RGB.

    In order: picture, COCO joints, whole-body joints, boxes with who is seen where; body parts,
    clothes, scene, texture coordinates; depth, normals, the visible joints alone.
    """
    shown = sample.rendering
    someone = shown.person >= 0
    depth = np.where(someone, shown.depth, np.nan)
    near, far = np.nanmin(depth), np.nanmax(depth)
    grey = np.where(someone, 1 - 0.8 * (depth - near) / max(far - near, 1e-6), 0)
    blank = np.zeros_like(shown.uv[..., :1])
    layers = [
        np.nan_to_num(grey)[..., None].repeat(3, axis=-1),
        np.where(someone[..., None], shown.normals / 2 + 0.5, 0),
    ]
    uv = np.concatenate([shown.uv, blank], axis=-1)
    pictures = [
        _large(sample.image),
        _joints(sample, COCO17, least=1),
        _joints(sample, WHOLEBODY133, least=1),
        _boxes(sample),
        *(_large(_painted(labels)) for labels in (shown.parts, shown.materials, sample.scene)),
        *(_large(np.round(255 * layer).astype(np.uint8)) for layer in (uv, *layers)),
        _joints(sample, WHOLEBODY133, least=2),
    ]
    return contact_sheet(pictures, columns=_COLUMNS, width=_SIDE + 4)


def _scale(image: Image) -> float:
    return _SIDE / max(image.shape[:2])


def _large(image: Image) -> Image:
    """Enlarged, each pixel a square."""
    size = [round(side * _scale(image)) for side in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def _painted(labels: NDArray[np.integer]) -> Image:
    """A colour a label; black is 0, or nobody."""
    colors = [(0.0, 0.0, 0.0)]
    colors += [colorsys.hsv_to_rgb(0.618 * place % 1, 0.65, 0.95) for place in range(31)]
    table = np.round(255 * np.array(colors)).astype(np.uint8)
    return table[np.clip(labels, 0, len(table) - 1)]


def _joints(sample: Sample, skeleton: Skeleton, *, least: int) -> Image:
    """The joints whose visibility is at least `least`, drawn on the picture."""
    image = _large(sample.image)
    for person in sample.people:
        points = person.keypoints(skeleton).astype(np.float32)
        points[:, :2] *= _scale(sample.image)
        points[:, 2] = points[:, 2] >= least
        width = 3.0 if skeleton is COCO17 else 1.0
        draw_pose(image, Pose(skeleton, points), width)
    return image


def _boxes(sample: Sample) -> Image:
    """Who is seen where, with the boxes of what is seen and of the whole."""
    image = _large(_painted(sample.rendering.person + 1))
    for person in sample.people:
        for box, color in ((person.full_box, (150, 150, 150)), (person.box, (255, 255, 255))):
            x1, y1, x2, y2 = (round(float(side) * _scale(sample.image)) for side in box)
            cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), color, 1)
    return image
