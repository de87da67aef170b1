"""Samples: a picture of one person or a crowd with every annotation, a function of (seed, index).

`render_sample(seed, index)` gives the same bytes from any process, in any order: nothing is drawn
from anything but a generator of that pair, and every sum is taken in a fixed order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.timing import Timings
from vitruvian.world.activities import ACTIVITIES
from vitruvian.world.angles import bone_rotations
from vitruvian.world.annotate import (
    RenderedGarment,
    RenderedPerson,
    annotate_garments,
    annotate_people,
)
from vitruvian.world.backgrounds import (
    PLACES,
    Background,
    find_photos,
    photo_background,
    sample_background,
)
from vitruvian.world.bodies import Body, Posed, pose_body, rest_body, sample_body
from vitruvian.world.camera import VIEWS, Camera, sample_camera
from vitruvian.world.clothes import Clothes, sample_clothes
from vitruvian.world.develop import develop
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.light import Light, sample_light
from vitruvian.world.motion import Motion, sample_motion
from vitruvian.world.render import Rendering, render
from vitruvian.world.stage import Actor, Stage
from vitruvian.world.things import Thing, about_z, make_box, sample_thing

__all__ = ["SOLE", "RenderedPerson", "Sample", "Setting", "render_sample", "sample_crowd"]

Floats = NDArray[np.float64]
SOLE = 0.007
"""Thickness of the shoes, in metres: how far the body stands above the floor."""
_SEAT = (0.16, 0.11, 0.07)


@dataclass(frozen=True)
class Setting:
    """What is asked of a sample.

    Attributes:
        width: Of the picture, in pixels; from 16 to 4096.
        height: Likewise.
        people: The least and the most people, from 1 to 12.
        activity: Name in `motion.ACTIVITIES`; drawn where left out.
        place: Name in `backgrounds.PLACES`; drawn where left out.
        view: Name in `camera.VIEWS`.
        occluders: Share of the pictures in which things stand before the people, in [0, 1].
        backgrounds: A folder of photos that stand behind the people in place of procedural scenes.
        wearing: Identities of garments that everyone wears, see `garments.garment_identity`.
    """

    width: int = 192
    height: int = 256
    people: tuple[int, int] = (1, 1)
    activity: str | None = None
    place: str | None = None
    view: str = "any"
    occluders: float = 0.15
    backgrounds: Path | None = None
    wearing: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered."""
        if not (16 <= self.width <= 4096 and 16 <= self.height <= 4096):
            raise InputError(
                f"A picture of {self.width}x{self.height} pixels cannot be rendered: give a width "
                "and a height from 16 to 4096."
            )
        if not 0 <= self.occluders <= 1:
            raise InputError(f"A share of occluders of {self.occluders} is not within 0 to 1.")
        if self.backgrounds is not None:
            find_photos(self.backgrounds)
        if not 1 <= self.people[0] <= self.people[1] <= 12:
            raise InputError(f"Cannot render {self.people} people: give a range within 1 to 12.")
        for kind, name, known in (
            ("activity", self.activity, tuple(ACTIVITIES)),
            ("place", self.place, PLACES),
            ("view", self.view, VIEWS),
        ):
            if name is not None and name not in known:
                raise UnknownNameError(kind, name, known)


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
        place: Name in `backgrounds.PLACES`, or "photo".
        camera: The camera.
        light: The light.
        meshes: Of each person (N, 3): the vertices of `surface.load_surface`, in the world.
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
    meshes: tuple[NDArray[np.float32], ...]

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the points of `RenderedPerson.joints`."""
        return load_landmarks().names

    def mask(self, person: int) -> NDArray[np.bool_]:
        """(height, width): the pixels that show a person."""
        return self.rendering.person == person

    def identity(self, person: int) -> str:
        """Who a person is: met in no other sample of this setting."""
        return f"{self.seed}-{self.index}-{person}"

    def garments(self, person: int) -> tuple[RenderedGarment, ...]:
        """What a person wears with its landmarks, found when asked for."""
        return annotate_garments(
            self.people[person], person, self.meshes[person], self.camera, self.rendering
        )


@dataclass(frozen=True, eq=False)
class Player:
    """A person before the picture."""

    body: Body
    motion: Motion
    angles: dict[str, float]
    clothes: Clothes
    posed: Posed
    turn: float
    seat: float
    lift: float


def render_sample(
    seed: int,
    index: int,
    setting: Setting | None = None,
    *,
    device: str = "cpu",
    timings: Timings | None = None,
) -> Sample:
    """Render sample `index` of the world `seed`.

    Args:
        seed: Not negative.
        index: Not negative.
        setting: What is asked; one person on 192 x 256 pixels where left out.
        device: warp's name of the device, "cpu" or "cuda:0".
        timings: Where the stages' times are added.

    Raises:
        VitruvianError: the extra `world` is not installed.
    """
    setting, timings = setting or Setting(), timings or Timings()
    rng = np.random.default_rng([seed, index])
    count = draw_count(rng, setting)
    place = setting.place or str(rng.choice(PLACES, p=[0.3, 0.35, 0.2, 0.15]))
    with timings.stage("people and poses"):
        players = [sample_player(rng, setting, device) for _ in range(count)]
        actors, things = put_down(rng, players)
    with timings.stage("dressing"):
        stage = Stage(actors, things, device=device)
    with timings.stage("camera, light, place"):
        size, extents = (setting.width, setting.height), stage.extents[:count]
        camera = sample_camera(rng, *size, stage.bounds[:count], extents, setting.view)
        stage.add(_sample_occluders(rng, setting, stage, camera))
        light = sample_light(rng, place, stage.reach())
        background = place_background(rng, setting, place, camera, stage.reach())
    with timings.stage("rays"):
        rendering = render(stage, camera, light, background)
    with timings.stage("annotations"):
        known = [(own.body, own.motion.activity, own.angles, own.clothes) for own in players]
        people = annotate_people(known, actors, stage, camera, rendering)
    with timings.stage("photo"):
        image = develop(rng, rendering.image)
    place, scene = background.place, rendering.scene
    meshes = tuple(np.asarray(points, dtype=np.float32) for points in extents)
    return Sample(seed, index, image, people, rendering, scene, place, camera, light, meshes)


def place_background(
    rng: np.random.Generator, setting: Setting, place: str, camera: Camera, reach: float
) -> Background:
    if setting.backgrounds is None:
        return sample_background(rng, place, camera, reach)
    return photo_background(rng, setting.backgrounds, setting.width, setting.height)


def _sample_occluders(
    rng: np.random.Generator, setting: Setting, stage: Stage, camera: Camera
) -> list[Thing]:
    """Things before the people, in some pictures."""
    if rng.uniform() >= setting.occluders:
        return []
    people = stage.bounds[: stage.people].astype(np.float64)
    low, high = people[:, 0].min(axis=0), people[:, 1].max(axis=0)
    return [sample_thing(rng, low, high, camera.position) for _ in range(rng.integers(1, 4))]


def sample_crowd(seed: int, index: int, setting: Setting) -> int:
    """How many people `render_sample` puts into a sample, without rendering it."""
    return draw_count(np.random.default_rng([seed, index]), setting)


def draw_count(rng: np.random.Generator, setting: Setting) -> int:
    return int(rng.integers(setting.people[0], setting.people[1] + 1))


def sample_player(rng: np.random.Generator, setting: Setting, device: str) -> Player:
    """A person in a pose, at the origin, facing any way."""
    body = sample_body(rng)
    rest = rest_body(body)
    motion = sample_motion(rng, setting.activity, rest)
    clothes = sample_clothes(rng, body, setting.wearing)
    moment = float(rng.uniform(0, 3))
    angles = motion.at(moment)
    posed = pose_body(rest, bone_rotations(angles), device=device)
    facing = rng.uniform(-180, 180) if rng.uniform() < 0.5 else rng.normal(0, 35)
    if setting.view == "street photo":
        facing = 0.28 * float(facing)
    seat = 0.0
    if motion.activity == "sitting":
        thighs = load_landmarks().points(posed)[
            [load_landmarks().names.index(f"{side}_hip") for side in ("left", "right")]
        ]
        seat = float(thighs[:, 2].mean()) - 0.09
    return Player(body, motion, angles, clothes, posed, float(facing), seat, motion.lift(moment))


def _turned(points: NDArray[np.float32], turn: Floats) -> NDArray[np.float32]:
    """(3, points): points turned about z, a row a coordinate."""
    x, y, z = np.ascontiguousarray(points.T)
    cosine, sine = np.float32(turn[0, 0]), np.float32(turn[1, 0])
    return np.stack([cosine * x - sine * y, sine * x + cosine * y, z])


def put_down(rng: np.random.Generator, players: list[Player]) -> tuple[list[Actor], list[Thing]]:
    """Stand everyone on the floor, none within another's reach, and seats under those who sit.

    Some stand before another and face them.
    """
    actors: list[Actor] = []
    seats: list[Thing] = []
    taken: list[tuple[Floats, float, float]] = []
    for player in players:
        size = np.ptp(np.ascontiguousarray(player.posed.vertices[:, :2].T), axis=1)
        radius = float(np.clip(np.linalg.norm(size) / 2, 0.3, 1.0))
        spread = 0.55 * len(players)
        spot, facing = np.zeros(2), player.turn
        host = int(rng.integers(len(taken))) if taken and rng.uniform() < 0.4 else None
        for attempt in range(200):
            if host is not None and attempt < 8:
                spot, facing = _before(rng, *taken[host], radius)
            elif taken:
                spot = rng.uniform(-1, 1, 2) * (spread + 0.05 * attempt)
                facing = player.turn
            if all(np.linalg.norm(spot - other) > 0.75 * (radius + own) for other, own, _ in taken):
                break
        taken.append((spot, radius, facing))
        turn = about_z(facing)
        vertices = _turned(player.posed.vertices, turn)
        low, high = vertices.min(axis=1), vertices.max(axis=1)
        shift = np.array([*(spot - (low + high)[:2] / 2), SOLE + player.lift - float(low[2])])
        posed = Posed(
            np.ascontiguousarray(vertices.T),
            player.posed.heads @ turn.T,
            turn @ player.posed.rotations,
        )
        actors.append(Actor(posed, player.clothes, shift))
        if player.seat and player.seat + shift[2] > 0.15:
            hip = shift + turn @ np.array([0, 0.06, 0])
            top = player.seat + shift[2]
            center = (float(hip[0]), float(hip[1]), top / 2)
            seats.append(make_box(center, (0.42, 0.4, top), facing, _SEAT))
    return actors, seats


def _before(
    rng: np.random.Generator, spot: Floats, radius: float, facing: float, own: float
) -> tuple[Floats, float]:
    """A place before someone, and degrees about z that face them."""
    way = np.radians(facing + rng.normal(0, 25))
    gap = 0.76 * (radius + own) + rng.uniform(0, 0.4)
    there = spot + gap * np.array([np.sin(way), -np.cos(way)])
    return there, float(np.degrees(way) + 180 + rng.normal(0, 15))
