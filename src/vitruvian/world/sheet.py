"""Sheets to look at: many samples side by side, and every annotation of one."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.drawing import contact_sheet, draw_pose
from vitruvian.core.records import Pose
from vitruvian.core.skeletons import COCO17, H36M17, OPENPOSE25, WHOLEBODY133, Skeleton
from vitruvian.world import labels
from vitruvian.world.annotate import RenderedPerson
from vitruvian.world.backgrounds import SCENE_LABELS
from vitruvian.world.clothes import MATERIALS
from vitruvian.world.sample import Sample
from vitruvian.world.surface import PARTS

Image = NDArray[np.uint8]
_SIDE = 400  # pixels of an annotation's longer side
_COLUMNS = 5
_TITLE = 22  # pixels
_INK, _PAPER = (30, 30, 34), (255, 255, 255)
_SEEN, _HIDDEN = (40, 230, 60), (255, 70, 50)


def samples_sheet(samples: Sequence[Sample]) -> Image:
    """The pictures of samples, side by side: (height, width, 3) RGB."""
    columns = max(1, round((1.5 * len(samples)) ** 0.5))
    return contact_sheet([sample.image for sample in samples], columns=columns, width=256)


def annotations_sheet(sample: Sample) -> Image:
    """One sample and its annotations, side by side, each with its title: (height, width, 3) RGB.

    Points that the camera sees are filled, hidden ones are rings. Labels are named in their colours
    where a panel has room for them.
    """
    iuv = labels.iuv(sample)
    panels: list[tuple[str, Image]] = [
        ("picture", _large(sample.image)),
        ("who is where; boxes seen and whole", _boxes(sample)),
        ("COCO, 17 joints", _joints(sample, COCO17)),
        ("BODY_25", _joints(sample, OPENPOSE25)),
        ("Human3.6M, 17 joints", _joints(sample, H36M17)),
        ("COCO-WholeBody, 133", _joints(sample, WHOLEBODY133)),
        ("only what the camera sees", _joints(sample, WHOLEBODY133, least=2)),
        ("face: box, 68 points, head pose", _face(sample)),
        ("garments and their landmarks", _garments(sample)),
        ("clothes labels", _painted(sample.rendering.materials, MATERIALS)),
        ("body parts", _painted(sample.rendering.parts, PARTS)),
        ("LIP, 20 labels", _painted(labels.lip_labels(sample), labels.LIP)),
        ("ATR, 18 labels", _painted(labels.atr_labels(sample), labels.ATR)),
        (
            "Pascal-Person-Part, 7",
            _painted(labels.pascal_labels(sample), labels.PASCAL_PERSON_PART),
        ),
        ("DensePose I, 24 charts", _painted(iuv[..., 0].astype(np.int32))),
        ("DensePose U and V, lines each eighth", _uv(iuv)),
        ("scene", _painted(sample.scene, SCENE_LABELS)),
        ("texture coordinates", _layer(np.pad(sample.rendering.uv, ((0, 0), (0, 0), (0, 1))))),
        ("depth, near is light", _depth(sample)),
        ("normals", _normals(sample)),
    ]
    rows = [panels[start : start + _COLUMNS] for start in range(0, len(panels), _COLUMNS)]
    width = max(image.shape[1] for _, image in panels)
    return np.concatenate([_row(row, width) for row in rows])


def _row(panels: Sequence[tuple[str, Image]], width: int) -> Image:
    """Titled panels of at most that width beside each other."""
    height = max(image.shape[0] for _, image in panels)
    row = np.full((height + _TITLE + 4, _COLUMNS * (width + 4), 3), _PAPER, dtype=np.uint8)
    for place, (title, image) in enumerate(panels):
        left = place * (width + 4) + (width - image.shape[1]) // 2
        row[_TITLE : _TITLE + image.shape[0], left : left + image.shape[1]] = image
        _write(row, title, (place * (width + 4) + 4, 16), _INK, 0.45)
    return row


def _write(
    image: Image, text: str, at: tuple[int, int], color: tuple[int, int, int], size: float
) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, color, 1, cv2.LINE_AA)


def _scale(image: NDArray[np.generic]) -> float:
    return _SIDE / max(image.shape[:2])


def _large(image: Image) -> Image:
    """Enlarged, each pixel a square."""
    size = [round(side * _scale(image)) for side in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def _layer(values: NDArray[np.floating]) -> Image:
    """Values in [0, 1] as a picture."""
    return _large(np.round(255 * np.clip(values, 0, 1)).astype(np.uint8))


def _colors() -> Image:
    """(32, 3): a colour a label; black is 0, or nobody."""
    table = [(0.0, 0.0, 0.0)]
    table += [
        colorsys.hsv_to_rgb(0.618 * place % 1, 0.65 - 0.25 * (place % 2), 0.95 - 0.2 * (place % 3))
        for place in range(31)
    ]
    return np.round(255 * np.array(table)).astype(np.uint8)


def _painted(shown: NDArray[np.integer], names: Sequence[str] = ()) -> Image:
    """A colour a label, and the names of those that are met."""
    table = _colors()
    image = _large(table[np.clip(shown, 0, len(table) - 1)])
    counts = np.bincount(np.maximum(shown, 0).ravel(), minlength=len(names))
    met = [place for place in range(1, len(names)) if counts[place]]
    met = sorted(sorted(met, key=lambda place: -int(counts[place]))[:22])
    for line, place in enumerate(met):
        red, green, blue = (int(value) for value in table[place])
        row = 12 + 13 * line
        cv2.rectangle(image, (3, row - 8), (11, row), (red, green, blue), cv2.FILLED)
        for color, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            at, font = (15, row), cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(image, names[place], at, font, 0.36, color, width, cv2.LINE_AA)
    return image


def _joints(sample: Sample, skeleton: Skeleton, *, least: int = 1) -> Image:
    """The joints whose visibility is at least `least`, drawn on the picture."""
    image = _large(sample.image)
    for person in sample.people:
        points = person.keypoints(skeleton).astype(np.float32)
        points[:, :2] *= _scale(sample.image)
        points[:, 2] = points[:, 2] >= least
        draw_pose(image, Pose(skeleton, points), 1.0 if skeleton is WHOLEBODY133 else 3.0)
    return image


def _boxes(sample: Sample) -> Image:
    """Who is seen where, with the boxes of what is seen and of the whole."""
    image = _painted(sample.rendering.person + 1)
    for person in sample.people:
        for box, color in ((person.full_box, (150, 150, 150)), (person.box, (255, 255, 255))):
            x1, y1, x2, y2 = (round(float(side) * _scale(sample.image)) for side in box)
            cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), color, 1)
    return image


def _mark(image: Image, point: NDArray[np.floating], radius: float) -> None:
    """A point: filled and green where it is seen, a red ring where it is hidden."""
    place = [round((float(value) - 0.5) * 16) for value in point[:2]]
    color, width = (_SEEN, cv2.FILLED) if point[2] == 2 else (_HIDDEN, 1)
    if point[2]:
        cv2.circle(image, place, round(radius * 16), color, width, cv2.LINE_AA, 4)


def _face(sample: Sample) -> Image:
    """The largest face, close: box, landmarks, and the way that it looks."""

    def size(person: RenderedPerson) -> float:
        seen = (person.face_landmarks(5)[:, 2] == 2).sum()
        return float(seen * np.prod(person.face.box[2:] - person.face.box[:2]))

    person = max(sample.people, key=size)
    x1, y1, x2, y2 = person.face.box
    middle, reach = np.array([x1 + x2, y1 + y2]) / 2, 0.8 * max(1.3 * (x2 - x1), y2 - y1)
    shape = [round(side * _scale(sample.image)) for side in sample.image.shape[1::-1]]
    scale = min(shape[1], shape[0] * 4 / 3) / (2 * reach)
    shift = np.array(shape) / 2 - scale * middle
    to_panel = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    # cv2 counts from pixel centres.
    to_panel[:, 2] += 0.5 * scale - 0.5
    image = np.asarray(cv2.warpAffine(sample.image, to_panel, shape), dtype=np.uint8)

    def put(points: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.c_[points[:, :2] * scale + shift, points[:, 2:]]

    corners = put(person.face.box.reshape(2, 2)).round().astype(int)
    cv2.rectangle(image, corners[0].tolist(), corners[1].tolist(), (255, 220, 60), 1)
    for point in put(person.face_landmarks()):
        _mark(image, point, 2.0)
    for point in put(person.face_landmarks(5)):
        at = [round(float(value)) for value in point[:2]]
        cv2.drawMarker(image, at, (80, 180, 255), cv2.MARKER_CROSS, 10, 1, cv2.LINE_AA)
    _axes(image, person, put(person.face_landmarks(5))[2, :2])
    face = person.face
    told = f"yaw {face.yaw:.0f}  pitch {face.pitch:.0f}  roll {face.roll:.0f}"
    _write(image, told, (6, shape[1] - 8), _PAPER, 0.45)
    met = [name for name, there in person.attributes.items() if there]
    for line, name in enumerate(met):
        _write(image, name, (4, 12 + 12 * line), (0, 0, 0), 0.34)
        _write(image, name, (3, 11 + 12 * line), _PAPER, 0.34)
    return image


def _axes(image: Image, person: RenderedPerson, origin: NDArray[np.floating]) -> None:
    """Red to the person's left, green up, blue ahead, from the nose."""
    yaw, pitch, roll = np.radians([person.face.yaw, person.face.pitch, person.face.roll])
    turns: tuple[Callable[[float], NDArray[np.floating]], ...] = (
        lambda a: np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]),
        lambda a: np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]),
        lambda a: np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]),
    )
    axes = turns[0](yaw) @ turns[1](-pitch) @ turns[2](-roll)
    start = [round(float(value)) for value in origin]
    for axis, color in zip(axes.T, ((255, 60, 60), (60, 255, 60), (80, 120, 255)), strict=True):
        end = [round(float(value)) for value in origin + 70 * axis[:2] * [1, -1]]
        cv2.arrowedLine(image, start, end, color, 2, cv2.LINE_AA)


def _garments(sample: Sample) -> Image:
    """Each garment's landmarks in their order, its box and category."""
    image, scale = _large(sample.image), _scale(sample.image)
    table = _colors()
    for number, person in enumerate(sample.people):
        if not person.box.any():
            continue
        for place, worn in enumerate(sample.garments(number)):
            red, green, blue = (int(value) for value in table[1 + 3 * number + place])
            box = np.round(worn.box * scale).astype(int)
            cv2.rectangle(image, box[:2].tolist(), (box[2:] - 1).tolist(), (red, green, blue), 1)
            for point in worn.landmarks:
                _mark(image, np.r_[point[:2] * scale, point[2]], 2.2)
            at = (int(box[0]) + 3, int(box[1]) + 12 + 12 * place)
            for color, width in (((0, 0, 0), 3), ((red, green, blue), 1)):
                name = worn.garment.category
                cv2.putText(
                    image, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, color, width, cv2.LINE_AA
                )
    return image


def _uv(iuv: NDArray[np.floating]) -> Image:
    """U red, V green, lines at each eighth."""
    image = np.concatenate([iuv[..., 1:], 0.25 * (iuv[..., :1] > 0)], axis=-1)
    steps = np.where(iuv[..., :1] > 0, np.floor(8 * iuv[..., 1:]), -1)
    lines = np.zeros(iuv.shape[:2], dtype=bool)
    lines[:, 1:] |= (np.diff(steps, axis=1) != 0).any(axis=-1)
    lines[1:] |= (np.diff(steps, axis=0) != 0).any(axis=-1)
    image[lines] *= 0.55
    return _layer(image)


def _depth(sample: Sample) -> Image:
    shown = sample.rendering
    someone = shown.person >= 0
    if not someone.any():
        return _layer(np.zeros((*someone.shape, 3)))
    depth = np.where(someone, shown.depth, np.nan)
    near, far = np.nanmin(depth), np.nanmax(depth)
    grey = np.where(someone, 1 - 0.8 * (depth - near) / max(far - near, 1e-6), 0)
    return _layer(np.nan_to_num(grey)[..., None].repeat(3, axis=-1))


def _normals(sample: Sample) -> Image:
    someone = (sample.rendering.person >= 0)[..., None]
    return _layer(np.where(someone, sample.rendering.normals / 2 + 0.5, 0))
