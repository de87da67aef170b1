"""Samples: a picture of one person or a crowd with every annotation, a function of (seed, index).

`render_sample(seed, index)` gives the same bytes from any process, in any order: nothing is drawn
from anything but a generator of that pair, and every sum is taken in a fixed order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.skeletons import Skeleton
from vitruvian.world.angles import LIMITS, bone_rotations
from vitruvian.world.backgrounds import PLACES, SCENE_LABELS, sample_background, sample_light
from vitruvian.world.bodies import Body, Posed, pose_body, rest_body, sample_body
from vitruvian.world.clothes import Clothes, sample_clothes
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.motion import ACTIVITIES, Motion, sample_motion
from vitruvian.world.render import Actor, Box, Camera, Light, Rendering, Stage

Floats = NDArray[np.float64]
SOLE = 0.007
"""Thickness of the shoes, in metres: how far the body stands above the floor."""


@dataclass(frozen=True)
class Setting:
    """What is asked of a sample.

    Attributes:
        width: Of the picture, in pixels; from 16 to 4096.
        height: Likewise.
        people: The least and the most people, from 1 to 12.
        activity: Name in `motion.ACTIVITIES`; drawn where left out.
        place: Name in `backgrounds.PLACES`; drawn where left out.
    """

    width: int = 192
    height: int = 256
    people: tuple[int, int] = (1, 1)
    activity: str | None = None
    place: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered."""
        if not (16 <= self.width <= 4096 and 16 <= self.height <= 4096):
            raise InputError(
                f"A picture of {self.width}x{self.height} pixels cannot be rendered: give a width "
                "and a height from 16 to 4096."
            )
        if not 1 <= self.people[0] <= self.people[1] <= 12:
            raise InputError(f"Cannot render {self.people} people: give a range within 1 to 12.")
        for kind, name, known in (
            ("activity", self.activity, tuple(ACTIVITIES)),
            ("place", self.place, PLACES),
        ):
            if name is not None and name not in known:
                raise UnknownNameError(kind, name, known)


@dataclass(frozen=True, eq=False)
class RenderedPerson:
    """Everything known of one person of a sample. J points, named by `Sample.joint_names`.

    Attributes:
        body: Who it is.
        activity: Name in `motion.ACTIVITIES`.
        angles: Joint angles in degrees, by the names of `angles.LIMITS`.
        clothes: What it wears.
        box: (4,): x1, y1, x2, y2 around the visible pixels; zeros where none is.
        full_box: (4,): the same, as if nobody stood in front; cut by the picture.
        joints_3d: (J, 3): in the world, metres.
        joints: (J, 3): x and y in pixels, and depth in metres.
        visibility: (J,): 2 seen, 1 hidden, 0 outside the picture.
    """

    body: Body
    activity: str
    angles: dict[str, float]
    clothes: Clothes
    box: Floats
    full_box: Floats
    joints_3d: Floats
    joints: Floats
    visibility: NDArray[np.int32]

    def keypoints(self, skeleton: Skeleton) -> Floats:
        """(joints, 3): x, y, visibility in the order of a skeleton; 0, 0, 0 outside the picture."""
        order = load_landmarks().order(skeleton)
        seen = self.visibility[order]
        points = np.concatenate([self.joints[order, :2], seen[:, None]], axis=1)
        return np.where(seen[:, None] > 0, points, 0.0)


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture and its annotations.

    Attributes:
        seed: With `index`, what the sample is a function of.
        index: Likewise.
        image: (height, width, 3) RGB uint8.
        people: Everyone in it, seen or not.
        rendering: What every pixel shows; its `person` counts in `people`.
        scene: (height, width): place in `backgrounds.SCENE_LABELS`.
        place: Name in `backgrounds.PLACES`.
        camera: The camera.
        light: The light.
    """

    seed: int
    index: int
    image: NDArray[np.uint8]
    people: tuple[RenderedPerson, ...]
    rendering: Rendering
    scene: NDArray[np.int32]
    place: str
    camera: Camera
    light: Light

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the points of `RenderedPerson.joints`."""
        return load_landmarks().names

    def mask(self, person: int) -> NDArray[np.bool_]:
        """(height, width): the pixels that show a person."""
        return self.rendering.person == person


@dataclass(frozen=True, eq=False)
class _Player:
    """A person before the picture."""

    body: Body
    motion: Motion
    angles: dict[str, float]
    clothes: Clothes
    posed: Posed
    turn: float
    seat: float


def render_sample(
    seed: int, index: int, setting: Setting | None = None, *, device: str = "cpu"
) -> Sample:
    """Render sample `index` of the world `seed`.

    Args:
        seed: Not negative.
        index: Not negative.
        setting: What is asked; one person on 192 x 256 pixels where left out.
        device: warp's name of the device, "cpu" or "cuda:0".

    Raises:
        VitruvianError: the extra `world` is not installed.
    """
    setting = setting or Setting()
    rng = np.random.default_rng([seed, index])
    count = int(rng.integers(setting.people[0], setting.people[1] + 1))
    place = setting.place or str(rng.choice(PLACES, p=[0.3, 0.35, 0.2, 0.15]))
    players = [_sample_player(rng, setting, device) for _ in range(count)]
    actors, boxes = _put_down(rng, players)
    stage = Stage(actors, boxes, device=device)
    camera = _sample_camera(rng, setting, stage.extents[:count])
    light = sample_light(rng, place)
    background = sample_background(rng, place, camera, light)
    rendering = stage.render(camera, light, background.image)
    scene = background.labels.copy()
    scene[rendering.materials == 12] = SCENE_LABELS.index("thing")
    scene[rendering.person >= 0] = SCENE_LABELS.index("person")
    people = _annotate(players, actors, stage, camera, rendering)
    image = _develop(rng, rendering.image)
    return Sample(seed, index, image, people, rendering, scene, place, camera, light)


def _sample_player(rng: np.random.Generator, setting: Setting, device: str) -> _Player:
    """A person in a pose, at the origin, facing any way."""
    body = sample_body(rng)
    motion = sample_motion(rng, setting.activity)
    clothes = sample_clothes(rng, body)
    angles = motion.at(float(rng.uniform(0, 3)))
    posed = pose_body(rest_body(body), bone_rotations(angles), device=device)
    facing = rng.uniform(-180, 180) if rng.uniform() < 0.5 else rng.normal(0, 35)
    seat = 0.0
    if motion.activity == "sitting":
        thighs = load_landmarks().points(posed)[
            [load_landmarks().names.index(f"{side}_hip") for side in ("left", "right")]
        ]
        seat = float(thighs[:, 2].mean()) - 0.09
    return _Player(body, motion, angles, clothes, posed, float(facing), seat)


def _about_z(degrees: float) -> Floats:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def _put_down(rng: np.random.Generator, players: list[_Player]) -> tuple[list[Actor], list[Box]]:
    """Stand everyone on the floor, none within another's reach, and seats under those who sit."""
    actors: list[Actor] = []
    boxes: list[Box] = []
    taken: list[tuple[Floats, float]] = []
    for player in players:
        turn = _about_z(player.turn)
        vertices = (player.posed.vertices @ turn.T).astype(np.float32)
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        radius = float(np.clip(np.linalg.norm(high[:2] - low[:2]) / 2, 0.3, 1.0))
        spread = 0.55 * len(players)
        spot = np.zeros(2)
        for attempt in range(200):
            if taken:
                spot = rng.uniform(-1, 1, 2) * (spread + 0.05 * attempt)
            if all(np.linalg.norm(spot - other) > 0.75 * (radius + own) for other, own in taken):
                break
        taken.append((spot, radius))
        shift = np.array([*(spot - (low + high)[:2] / 2), SOLE - float(low[2])])
        posed = Posed(vertices, player.posed.heads @ turn.T, turn @ player.posed.rotations)
        actors.append(Actor(posed, player.clothes, shift))
        if player.seat:
            hip = shift + turn @ np.array([0, 0.06, 0])
            top = max(0.1, player.seat + shift[2])
            center = np.array([hip[0], hip[1], top / 2])
            boxes.append(Box(center, np.array([0.42, 0.4, top]), player.turn))
    return actors, boxes


def _sample_camera(
    rng: np.random.Generator, setting: Setting, extents: Sequence[NDArray[np.floating]]
) -> Camera:
    """A camera that sees the people, near or far, low or high, a little awry."""
    low = np.min([points.min(axis=0) for points in extents], axis=0)
    high = np.max([points.max(axis=0) for points in extents], axis=0)
    middle = (low + high) / 2
    reach = float(np.linalg.norm(high - low)) / 2
    distance = reach * rng.uniform(2.2, 6.0)
    above = rng.uniform(0.4, 2.0) if rng.uniform() < 0.8 else rng.uniform(2.0, 4.0)
    around = rng.normal(0, 0.4)
    flat = np.sqrt(max(distance**2 - (above - middle[2]) ** 2, (reach + 0.8) ** 2))
    position = np.array(
        [middle[0] + flat * np.sin(around), middle[1] - flat * np.cos(around), above]
    )
    ahead = middle - position
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, [0, 0, 1])
    right = right / np.linalg.norm(right)
    roll = np.radians(rng.normal(0, 3))
    down = np.cross(ahead, right)
    right, down = (
        np.cos(roll) * right + np.sin(roll) * down,
        np.cos(roll) * down - np.sin(roll) * right,
    )
    rotation = np.stack([right, down, ahead])
    points = np.concatenate([own[::37] for own in extents])
    seen = (points - position) @ rotation.T
    plane = seen[:, :2] / seen[:, 2:]
    first, last = plane.min(axis=0), plane.max(axis=0)
    size = np.array([setting.width, setting.height])
    margin = rng.uniform(1.05, 1.5) if rng.uniform() < 0.85 else rng.uniform(0.7, 1.05)
    focal = float((size / (last - first)).min() / margin)
    drift = rng.uniform(-0.5, 0.5, 2) * np.maximum(size - focal * (last - first), 0) * 0.6
    center = size / 2 - focal * (first + last) / 2 + drift
    return Camera(setting.width, setting.height, focal, center, rotation, position)


def _box(mask: NDArray[np.bool_]) -> Floats:
    """(4,): x1, y1, x2, y2 around the true pixels; zeros where there is none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)


def _annotate(
    players: list[_Player],
    actors: list[Actor],
    stage: Stage,
    camera: Camera,
    rendering: Rendering,
) -> tuple[RenderedPerson, ...]:
    """Joints, their visibility by ray, boxes."""
    landmarks = load_landmarks()
    points = np.stack([landmarks.points(actor.posed) + actor.shift for actor in actors])
    hits, meshes = stage.look(camera, points)
    projected = camera.project(points)
    distances = np.linalg.norm(points - camera.position, axis=-1)
    people = []
    for place, player in enumerate(players):
        # A joint lies below the skin, and the skin below the clothes.
        own = meshes[place] == place
        free = (distances[place] - hits[place] < landmarks.depths + 0.02) & own
        x, y = projected[place, :, 0], projected[place, :, 1]
        inside = (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
        visibility = np.where(inside & (projected[place, :, 2] > 0), 1 + free, 0)
        people.append(
            RenderedPerson(
                body=player.body,
                activity=player.motion.activity,
                angles={name: player.angles[name] for name in LIMITS},
                clothes=player.clothes,
                box=_box(rendering.person == place),
                full_box=_box(rendering.full_masks[place]),
                joints_3d=points[place],
                joints=projected[place],
                visibility=visibility.astype(np.int32),
            )
        )
    return tuple(people)


def _develop(rng: np.random.Generator, linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """From light to a photo: exposure, colour cast, blur, noise, JPEG."""
    gain = rng.uniform(0.75, 1.25) * (1 + rng.normal(0, 0.03, 3))
    # Half of the exposure follows the picture, as a camera's does; highlights roll off.
    picture = linear * gain * 0.5 / np.sqrt(0.5 * np.percentile(linear, 90))
    picture = np.where(picture < 0.5, picture, 1 - 0.25 / np.maximum(picture, 0.5))
    blur = float(rng.uniform(0, 0.9))
    if blur > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    strength = rng.uniform(0.001, 0.012)
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    picture = np.clip(picture + strength * noise * np.sqrt(picture + 0.05) * 2, 0, 1)
    image = np.round(255 * picture ** (1 / 2.2)).astype(np.uint8)
    quality = int(rng.integers(45, 98))
    if rng.uniform() < 0.7:
        _, packed = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))[..., ::-1].copy()
    return image
