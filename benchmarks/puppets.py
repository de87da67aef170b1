"""Puppets: people of photos in other poses, cut apart along their bones and put together anew.

A photo whose person stands becomes one who jumps: upper arms, forearms, thighs, shins, torso and
head are cut out where they are in the photo, and each is moved, turned and stretched onto the bone
that it has in another pose. The seams fit badly, yet cloth, skin, hair and faces are those of
photos, which rendered people lack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Joints = Mapping[str, Floats]
Image = NDArray[np.uint8]

SIDES = ("left", "right")
TORSO = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
ENDS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
TRUNK = ("neck", "head_top", "mid_hip")
POSED = (*TRUNK, *(f"{side}_{joint}" for side in SIDES for joint in ENDS))
"""The joints that a pose gives to a puppet; those of the face go with its head."""

LEAST_TORSO = 40
"""Pixels from the shoulders to the hips in the photo."""


@dataclass(frozen=True)
class Limb:
    """A part that is cut out along one bone.

    Attributes:
        start: Joint nearer to the torso.
        end: The other one.
        radius: Of what is cut out, in lengths of the torso.
        beyond: How far it goes on behind the end, in lengths of the bone: hands and feet.
    """

    start: str
    end: str
    radius: float
    beyond: float


LIMBS = {
    f"{side} {part}": Limb(f"{side}_{start}", f"{side}_{end}", radius, beyond)
    for side in SIDES
    for part, start, end, radius, beyond in (
        ("upper arm", "shoulder", "elbow", 0.17, 0.0),
        ("forearm", "elbow", "wrist", 0.14, 0.5),
        ("thigh", "hip", "knee", 0.24, 0.0),
        ("shin", "knee", "ankle", 0.18, 0.3),
    )
}


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a person, cut out.

    Attributes:
        patch: (height, width, 4): colour, and how much of it is the part's.
        start: (2,): where its bone begins, in indices of the patch.
        end: (2,): where it ends.
        points: Further joints, in indices of the patch.
    """

    patch: Image
    start: Floats
    end: Floats
    points: Joints = field(default_factory=dict)

    @property
    def length(self) -> float:
        return float(np.linalg.norm(self.end - self.start))

    def mirrored(self) -> Part:
        last = self.patch.shape[1] - 1
        start, end = (np.array([last - x, y]) for x, y in (self.start, self.end))
        return Part(np.ascontiguousarray(self.patch[:, ::-1]), start, end)


def cut_parts(photo: Image, person: NDArray[np.bool_], joints: Joints) -> dict[str, Part] | None:
    """The parts of a person who stands before the camera; None where they cannot be had.

    A limb that is not known is the other side's, mirrored. What the arms cover of the torso is
    painted over with what is around.

    Args:
        photo: (height, width, 3) uint8.
        person: (height, width): its pixels.
        joints: Name → (x, y) in indices; only those that are sure. Shoulders, hips, neck and
            head_top are needed, and one limb of each kind.
    """
    if not {*TORSO, "neck", "head_top"} <= joints.keys():
        return None
    upper = (joints["left_shoulder"] + joints["right_shoulder"]) / 2
    lower = (joints["left_hip"] + joints["right_hip"]) / 2
    size = float(np.linalg.norm(upper - lower))
    if size < LEAST_TORSO:
        return None
    body = person.astype(np.uint8) * 255
    lines, columns = np.mgrid[: person.shape[0], : person.shape[1]]
    up = (upper - lower) / size
    height = (columns - joints["neck"][0]) * up[0] + (lines - joints["neck"][1]) * up[1]

    parts: dict[str, Part | None] = {}
    arms = np.zeros_like(body)
    for name, limb in LIMBS.items():
        if limb.start not in joints or limb.end not in joints:
            continue
        start, end = joints[limb.start], joints[limb.end]
        if np.linalg.norm(end - start) < 0.15 * size:
            continue
        tip = end + (end - start) * limb.beyond
        mask = _capsule(body.shape, start, tip, limb.radius * size) & body
        parts[name] = _part(photo, mask, start, end)
        if "arm" in name:
            root = start + (end - start) * (0.35 if "upper" in name else 0)
            arms |= _capsule(body.shape, root, tip, 1.05 * limb.radius * size)

    torso = _grown_quad(body.shape, [joints[name] for name in TORSO], 0.16 * size) & body
    torso[height > 0.12 * size] = 0
    covered = torso & arms
    if np.count_nonzero(covered) > 0.65 * np.count_nonzero(torso):
        return None
    bare = np.asarray(cv2.inpaint(photo, covered, 3, cv2.INPAINT_TELEA), dtype=np.uint8)
    parts["torso"] = _part(bare, torso, upper, lower, {name: joints[name] for name in TORSO})

    rise = joints["head_top"] - joints["neck"]
    length = float(np.linalg.norm(rise))
    if not 0.25 * size < length < size:
        return None
    neck = joints["neck"]
    head = _capsule(body.shape, neck + 0.1 * rise, neck + 0.75 * rise, 0.48 * length) & body
    head[height < -0.05 * size] = 0
    face = {name: joints[name] for name in FACE if name in joints}
    parts["head"] = _part(photo, head, neck, joints["head_top"], face)

    for name in LIMBS:
        side, kind = name.split(" ", 1)
        other = parts.get(f"{'left' if side == 'right' else 'right'} {kind}")
        if parts.get(name) is None and other is not None:
            parts[name] = other.mirrored()
    found = {name: part for name, part in parts.items() if part is not None}
    return found if len(found) == len(LIMBS) + 2 else None


def fit_parts(parts: Mapping[str, Part], pose: Joints) -> dict[str, Floats] | None:
    """Where the parts of `cut_parts` go in another pose.

    Args:
        parts: What is moved.
        pose: Each of `POSED` → (x, y) in indices of the picture to be.

    Returns:
        The affine map (2, 3) of each part's patch; None where the torso shows another side than in
        the photo, or is too thin.
    """
    upper = (pose["left_shoulder"] + pose["right_shoulder"]) / 2
    lower = (pose["left_hip"] + pose["right_hip"]) / 2
    torso, head = parts["torso"], parts["head"]
    ratios = [np.linalg.norm(upper - lower) / torso.length]
    for name, limb in LIMBS.items():
        ratios.append(np.linalg.norm(pose[limb.end] - pose[limb.start]) / parts[name].length)
    # Most bones point towards or away from the camera a little; the longest tell the size.
    zoom = float(np.quantile(ratios, 0.8))
    moves = {"torso": _four_points(torso, pose)}
    linear = moves["torso"][:, :2] / zoom
    stretch = np.linalg.svd(linear, compute_uv=False)
    if np.linalg.det(linear) < 0.2 or stretch.max() > 1.6 or stretch.min() < 0.3:
        return None
    moves["head"] = _along_bone(head, pose["neck"], pose["head_top"], zoom)
    for name, limb in LIMBS.items():
        moves[name] = _along_bone(parts[name], pose[limb.start], pose[limb.end], zoom)
    return moves


def draw_puppet(
    parts: Mapping[str, Part],
    moves: Mapping[str, Floats],
    background: Image,
    random: np.random.Generator,
) -> Image:
    """The parts over a background (height, width, 3), which is left as it is.

    Chance says what comes before what: arms mostly last, legs mostly first.
    """
    result = background.astype(np.float32)
    for name in _order(random):
        _paint(result, parts[name].patch, moves[name])
    return result.astype(np.uint8)


def face_points(parts: Mapping[str, Part], moves: Mapping[str, Floats]) -> dict[str, Floats]:
    """The joints of the face, which went with the head."""
    move = moves["head"]
    points = parts["head"].points
    return {name: move[:, :2] @ point + move[:, 2] for name, point in points.items()}


def _order(random: np.random.Generator) -> list[str]:
    """Names of all parts, the farthest first."""
    behind: list[str] = []
    before: list[str] = []
    for side in SIDES:
        arm = [f"{side} forearm", f"{side} upper arm"]
        if random.random() < 0.5:
            arm.reverse()
        (behind if random.random() < 0.3 else before).extend(arm)
    legs: list[str] = []
    for side in random.permutation(SIDES).tolist():
        leg = [f"{side} shin", f"{side} thigh"]
        if random.random() < 0.3:
            leg.reverse()
        legs += leg
    if random.random() < 0.3:
        return [*behind, "torso", "head", *legs, *before]
    return [*behind, *legs, "torso", "head", *before]


def _capsule(shape: tuple[int, ...], start: Floats, end: Floats, radius: float) -> Image:
    """255 within `radius` of the line."""
    mask = np.zeros(shape, np.uint8)
    first, last = start.astype(int).tolist(), end.astype(int).tolist()
    cv2.line(mask, first, last, 255, max(1, round(2 * radius)))
    for middle in (first, last):
        cv2.circle(mask, middle, round(radius), 255, cv2.FILLED)
    return mask


def _grown_quad(shape: tuple[int, ...], corners: list[Floats], margin: float) -> Image:
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, np.stack(corners).astype(np.int32), 255)
    width = 2 * int(margin) + 1
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return np.asarray(cv2.dilate(mask, ellipse), dtype=np.uint8)


def _part(
    photo: Image, mask: Image, start: Floats, end: Floats, points: Joints | None = None
) -> Part | None:
    """What the mask has of the photo; None where that is next to nothing."""
    if np.count_nonzero(mask) < 30:
        return None
    left, top, width, height = cv2.boundingRect(mask)
    window = slice(top, top + height), slice(left, left + width)
    origin = np.array([left, top])
    moved = {name: point - origin for name, point in (points or {}).items()}
    return Part(np.dstack([photo[window], mask[window]]), start - origin, end - origin, moved)


def _along_bone(part: Part, start: Floats, end: Floats, zoom: float) -> Floats:
    """(2, 3): the part's bone to that from `start` to `end`; across it, only the zoom counts."""
    before, after = part.end - part.start, end - start
    length = float(np.linalg.norm(after))
    along = before / part.length
    turned = after / max(length, 1e-3)
    source = np.stack([along, [-along[1], along[0]]])
    target = np.stack([turned, [-turned[1], turned[0]]])
    shortest = 0.12 * zoom  # A bone towards the camera still is a piece of body.
    linear = target.T @ np.diag([max(length / part.length, shortest), zoom]) @ source
    return np.column_stack([linear, start - linear @ part.start]).astype(np.float32)


def _four_points(torso: Part, pose: Joints) -> Floats:
    """(2, 3): the affine map that brings shoulders and hips nearest to the pose's."""
    source = np.stack([torso.points[name] for name in TORSO])
    target = np.stack([pose[name] for name in TORSO])
    known = np.column_stack([source, np.ones(len(TORSO))])
    return np.asarray(np.linalg.lstsq(known, target, rcond=None)[0].T, dtype=np.float32)


def _paint(result: Floats, patch: Image, move: Floats) -> None:
    """The moved patch over the picture, in place, with soft edges."""
    height, width = patch.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    reached = corners @ move[:, :2].T + move[:, 2]
    left, top = np.maximum(np.floor(reached.min(axis=0)).astype(int) - 1, 0).tolist()
    ends = np.ceil(reached.max(axis=0)).astype(int) + 1
    right, bottom = np.minimum(ends, result.shape[1::-1]).tolist()
    if right - left < 2 or bottom - top < 2:
        return
    shifted = move.copy()
    shifted[:, 2] -= (left, top)
    moved = cv2.warpAffine(patch, shifted, (right - left, bottom - top))
    cover = cv2.GaussianBlur(moved[..., 3], (3, 3), 0).astype(np.float32) / 255
    cover = np.clip(1.6 * cover - 0.45, 0, 1)[..., None]  # Half a pixel less: no rim of the photo.
    window = result[top:bottom, left:right]
    window += cover * (moved[..., :3] - window)
