"""Drawing: people and faces on their picture.

Sides are told apart by hue, in pairs that colour-blind readers can tell apart too: the person's own
right is warm (amber to vermilion), the left is cool (cyan to blue), the middle is near white. Along
a side the hue runs from head to foot. Every person has a colour of its own, by its id.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.records import Face, Frame, Person, Pose
from vitruvian.core.skeletons import WHOLEBODY133, Skeleton

Colour = tuple[int, int, int]
Image = NDArray[np.uint8]

_WARM = ((255, 200, 60), (225, 60, 20))
_COOL = ((90, 220, 255), (40, 90, 235))
_MIDDLE: Colour = (245, 240, 225)
_EDGE: Colour = (24, 24, 28)
_FACE: Colour = (255, 255, 255)

# After Okabe and Ito's colour-blind-safe set, lightened to carry dark letters.
_PEOPLE: tuple[Colour, ...] = (
    (86, 200, 240),
    (245, 180, 40),
    (60, 205, 150),
    (240, 150, 200),
    (240, 228, 66),
    (250, 125, 60),
    (150, 170, 255),
    (200, 230, 140),
)

_SMALL_JOINTS = ("nose", "eye", "ear", "toe", "heel")
_FINE_POINTS = frozenset((*WHOLEBODY133.joints[23:], "left_pupil", "right_pupil"))
_FINE = 0.3  # of a limb's width: what joins the points of faces and fingers
_SHIFT = 4  # cv2 takes coordinates in sixteenths of a pixel
_FAR = 20_000.0  # pixels; cv2 counts coordinates in 32 bits


def person_colour(number: int) -> Colour:
    """The colour of the person with this id, RGB."""
    return _PEOPLE[(number - 1) % len(_PEOPLE)]


@lru_cache(maxsize=32)
def limb_colours(skeleton: Skeleton) -> tuple[Colour, ...]:
    """One RGB colour for each edge of a skeleton, from the names of its joints."""
    sides = ["".join(sorted({name[:5] for name in edge if "_" in name})) for edge in skeleton.edges]
    right = [place for place, side in enumerate(sides) if "right" in side and "left_" not in side]
    left = [place for place, side in enumerate(sides) if "left_" in side and "right" not in side]
    colours = [_MIDDLE] * len(sides)
    for places, ends in ((right, _WARM), (left, _COOL)):
        for order, place in enumerate(places):
            along = order / max(len(places) - 1, 1)
            red, green, blue = (round(a + along * (b - a)) for a, b in zip(*ends, strict=True))
            colours[place] = (red, green, blue)
    return tuple(colours)


@lru_cache(maxsize=32)
def joint_colours(skeleton: Skeleton) -> tuple[Colour, ...]:
    """One RGB colour for each joint: that of the last limb of its side that ends there.

    A joint of a side without a limb has the side's first colour.
    """
    firsts = {"left_": _COOL[0], "right": _WARM[0]}
    colours = [
        firsts.get(name[:5], _MIDDLE) if "_" in name else _MIDDLE for name in skeleton.joints
    ]
    for (start, end), colour in zip(skeleton.edges, limb_colours(skeleton), strict=True):
        for name in (start, end):
            if name.startswith(("left_", "right_")) and colour != _MIDDLE:
                colours[skeleton.index[name]] = colour
    return tuple(colours)


def draw_frame(image: Image, frame: Frame) -> Image:
    """Draw everyone of a frame on its picture, in place.

    Each person gets a box and a label with id and score in the person's colour, the limbs and
    joints that were found, and the face with its five landmarks; faces of nobody are drawn too.
    Lines are as thick as the person is large.

    Args:
        image: (height, width, 3) RGB uint8, contiguous.
        frame: What to draw.

    Returns:
        `image`.
    """
    least = max(image.shape[:2]) / 900
    widths = [max(1.0, least, 0.01 * _size(person.box)) for person in frame.people]
    for person, width in zip(frame.people, widths, strict=True):
        _draw_box(image, person.box, person_colour(person.id), max(1, round(width * 0.5)))
    for person, width in zip(frame.people, widths, strict=True):
        draw_pose(image, person.pose, width)
        if person.face:
            _draw_face(image, person.face, least)
    for face in frame.faces:
        _draw_face(image, face, least)
    for person, width in zip(frame.people, widths, strict=True):
        _draw_label(image, person, width)
    return image


def draw_pose(image: Image, pose: Pose, width: float) -> None:
    """Draw the limbs and joints that were found, in place.

    Args:
        image: (height, width, 3) RGB uint8.
        pose: The joints.
        width: Of a limb, in pixels.
    """
    plan = _plan(pose.skeleton)
    points = _fixed(pose.joints[:, :2])
    found = (pose.joints[:, 2] > 0).tolist()
    for joints, edges, share in ((plan.joints, plan.edges, 1), (plan.dots, plan.strokes, _FINE)):
        limb, rim = max(1, round(share * width)), max(1, round(share * width * 0.35))
        limbs = [(points[a], points[b], colour) for a, b, colour in edges if found[a] and found[b]]
        if limb > 1:  # a dark rim keeps the limb legible on any ground
            for start, end, _ in limbs:
                cv2.line(image, start, end, _EDGE, limb + 2 * rim, cv2.LINE_4, _SHIFT)
        for start, end, colour in limbs:
            cv2.line(image, start, end, colour, limb, cv2.LINE_AA, _SHIFT)
        large = round(max(1.5 * share, share * width * 0.95) * (1 << _SHIFT))
        for place, colour, small in joints:
            if not found[place]:
                continue
            if limb > 1 and not small:
                outer = large + (rim << _SHIFT)
                cv2.circle(image, points[place], outer, _EDGE, cv2.FILLED, cv2.LINE_8, _SHIFT)
            radius = large * 2 // 3 if small else large
            cv2.circle(image, points[place], radius, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)


@dataclass(frozen=True)
class _Plan:
    """How a skeleton is drawn.

    Attributes:
        joints: Place, colour and whether it is a small one, of each joint of the body.
        edges: Ends and colour of each limb.
        dots: As the joints, of the points of face and hands.
        strokes: As the edges, between those.
    """

    joints: list[tuple[int, Colour, bool]]
    edges: list[tuple[int, int, Colour]]
    dots: list[tuple[int, Colour, bool]]
    strokes: list[tuple[int, int, Colour]]


@lru_cache(maxsize=32)
def _plan(skeleton: Skeleton) -> _Plan:
    """See `_Plan`."""
    plan = _Plan([], [], [], [])
    fine = [name in _FINE_POINTS for name in skeleton.joints]
    colours = limb_colours(skeleton)
    for (a, b), colour in zip(skeleton.edge_indices.tolist(), colours, strict=True):
        (plan.strokes if fine[a] or fine[b] else plan.edges).append((a, b, colour))
    for place, colour in enumerate(joint_colours(skeleton)):
        small = skeleton.joints[place].endswith(_SMALL_JOINTS)
        (plan.dots if fine[place] else plan.joints).append((place, colour, small))
    return plan


def contact_sheet(images: Sequence[Image], *, columns: int, width: int = 320) -> Image:
    """Pictures side by side, each fitted into a square on white.

    Args:
        images: (height, width, 3) RGB uint8 each; at least one.
        columns: Pictures in a row.
        width: Side of a square, in pixels.
    """
    rows = -(-len(images) // columns)
    sheet = np.full((rows * width, min(columns, len(images)) * width, 3), 255, dtype=np.uint8)
    for place, image in enumerate(images):
        scale = (width - 4) / max(image.shape[:2])
        size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        top = place // columns * width + (width - size[1]) // 2
        left = place % columns * width + (width - size[0]) // 2
        sheet[top : top + size[1], left : left + size[0]] = small
    return sheet


def _size(box: NDArray[np.float32]) -> float:
    """Of a person: the longer side of the box, which a bent knee changes less than its height."""
    x1, y1, x2, y2 = box.tolist()
    size = max(x2 - x1, y2 - y1)
    return min(max(size, 0.0), _FAR) if math.isfinite(size) else 0.0


def _fixed(points: NDArray[np.float32]) -> Any:
    """Continuous coordinates as cv2 takes them: pixel indices, in sixteenths, nested lists."""
    if not np.isfinite(points).all():
        points = np.nan_to_num(points, nan=0.0, posinf=_FAR, neginf=-_FAR)
    near = points.clip(-_FAR, _FAR)
    return np.rint((near - 0.5) * (1 << _SHIFT)).astype(np.int32).tolist()


def _draw_box(image: Image, box: NDArray[np.float32], colour: Colour, width: int) -> None:
    x1, y1, x2, y2 = (value >> _SHIFT for value in _fixed(box))
    cv2.rectangle(image, (x1, y1), (x2, y2), colour, width, cv2.LINE_4)


def _draw_face(image: Image, face: Face, least: float) -> None:
    size = _size(face.box)
    width = max(1, round(max(0.6 * least, 0.012 * size)))
    _draw_box(image, face.box, _FACE, width)
    radius = round(max(0.8, 0.6 * least, 0.022 * size) * (1 << _SHIFT))
    for point in _fixed(face.landmarks):
        cv2.circle(image, point, radius + 12, _EDGE, cv2.FILLED, cv2.LINE_8, _SHIFT)
        cv2.circle(image, point, radius, _FACE, cv2.FILLED, cv2.LINE_8, _SHIFT)


@lru_cache(maxsize=512)
def _glyph(letter: str, size: int) -> NDArray[np.float32]:
    """How much of each pixel a letter covers, (height, width, 1) in [0, 1]."""
    from PIL import Image as Pictures
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    width = round(font.getlength("0" if letter.isdigit() else letter))
    picture = Pictures.new("L", (width, round(size * 1.3)))
    ImageDraw.Draw(picture).text((0, size * 1.05), letter, fill=255, font=font, anchor="ls")
    return (np.asarray(picture)[..., None] / 255).astype(np.float32)


@lru_cache(maxsize=256)
def _label(text: str, size: int, colour: Colour) -> Image:
    """Dark letters on a colour, (height, width, 3)."""
    letters = np.concatenate([_glyph(letter, size) for letter in text], axis=1)
    ground, ink = np.array(colour, dtype=np.float32), np.array(_EDGE, dtype=np.float32)
    return np.asarray(ground + letters * (ink - ground), dtype=np.uint8)


def _draw_label(image: Image, person: Person, width: float) -> None:
    """Id and score above the left top corner of the box, pushed into the picture."""
    size = int(min(max(11, 10 + 1.6 * width), image.shape[0] / 6, 160))
    if size < 6:
        return
    # Sizes go in steps of an eighth: a person who walks closer does not fill the cache.
    size -= size % max(size // 8, 1)
    label = _label(f" {person.id}  {person.score:.2f} ", size, person_colour(person.id))
    height, length = label.shape[:2]
    x, y, _, _ = (value >> _SHIFT for value in _fixed(person.box))
    left = min(max(x, 0), max(image.shape[1] - length, 0))
    top = min(max(y - height, 0), max(image.shape[0] - height, 0))
    part = image[top : top + height, left : left + length]
    part[:] = label[: part.shape[0], : part.shape[1]]
