"""Clips: people who move over the floor, whose planted feet do not slide, before a camera.

`render_clip(seed, index)` is to a clip what `sample.render_sample` is to a picture: the same people
in the same clothes in one place, frame after frame, a function of (seed, index) alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.world.angles import bone_rotations
from vitruvian.world.annotate import annotate_people
from vitruvian.world.backgrounds import PLACES, Background
from vitruvian.world.bodies import Body, Posed, pose_body, rest_body
from vitruvian.world.camera import Camera, sample_camera
from vitruvian.world.clothes import Clothes
from vitruvian.world.develop import develop
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.light import sample_light
from vitruvian.world.motion import Motion, blend, sample_motion
from vitruvian.world.render import render
from vitruvian.world.sample import (
    SOLE,
    Player,
    Sample,
    Setting,
    draw_count,
    place_background,
    put_down,
    sample_player,
)
from vitruvian.world.stage import Actor, Stage
from vitruvian.world.things import Thing, about_z

Floats = NDArray[np.float64]
_SOLES = tuple(f"{side}_{part}" for side in ("left", "right") for part in ("heel", "big_toe"))
_UPRIGHT = ("standing", "walking", "reaching", "dancing", "lifting", "stretching", "crouching")
_APART = 0.7  # metres that moving people keep between them


@dataclass(frozen=True, eq=False)
class Frame:
    """A moment of a clip.

    Attributes:
        sample: The picture and its annotations; person i is the same one in every frame.
        seconds: Since the clip's first frame.
        background: What lies behind.
    """

    sample: Sample
    seconds: float
    background: Background


def act(
    body: Body, motion: Motion, clothes: Clothes, times: Sequence[float], *, device: str = "cpu"
) -> list[Actor]:
    """A person at each moment of a motion, in the world.

    Between two moments the lowest of heels and toes keeps its place on the floor, which carries the
    body on: a walk of long steps is a fast one. In flight the body goes on as fast as it was.

    Args:
        body: Who moves.
        motion: How.
        clothes: What the person wears.
        times: Seconds, rising.
        device: warp's name of the device.

    Returns:
        An actor a moment; the first starts over the origin and faces along -y.
    """
    landmarks, rest = load_landmarks(), rest_body(body)
    soles = np.array([landmarks.names.index(name) for name in _SOLES])
    actors: list[Actor] = []
    place, pace, last = np.zeros(3), np.zeros(2), 0.0
    before = np.zeros((len(soles), 3))
    for seconds in times:
        posed = pose_body(rest, bone_rotations(motion.at(seconds)), device=device)
        lift = motion.lift(seconds)
        place[2] = SOLE + lift - float(posed.vertices[:, 2].min())
        feet = landmarks.points(posed)[soles]
        feet[:, 2] += place[2]
        if actors:
            step = pace * (seconds - last)
            if lift <= 0:
                planted = (before[:, 2] + feet[:, 2]).argmin()
                step = before[planted, :2] - feet[planted, :2] - place[:2]
                # As fast as over the last steps: a foot that is set down brakes for a moment.
                share = min(1.0, (seconds - last) / 0.15)
                pace = (1 - share) * pace + share * step / (seconds - last)
            place[:2] += step
        before, last = feet + np.array([place[0], place[1], 0.0]), seconds
        actors.append(Actor(posed, clothes, place.copy()))
    return actors


def render_clip(
    seed: int,
    index: int,
    setting: Setting | None = None,
    *,
    frames: int = 16,
    fps: float = 25.0,
    moving: bool | None = None,
    device: str = "cpu",
) -> list[Frame]:
    """Render clip `index` of the world `seed`.

    Args:
        seed: Not negative.
        index: Not negative.
        setting: What is asked; one person on 192 x 256 pixels where left out.
        frames: How many; at least 1.
        fps: Frames a second.
        moving: Whether the camera moves; drawn where left out.
        device: warp's name of the device.

    Returns:
        The frames. Tracks are the places in `Sample.people`: everyone is in all of them, with a
        box of zeros where nothing of the person is seen.

    Raises:
        InputError: there is nothing to render.
    """
    if frames < 1 or fps <= 0:
        raise InputError(f"Cannot render {frames} frames at {fps} a second: give more than none.")
    setting = setting or Setting()
    rng = np.random.default_rng([seed, index, 1])
    count = draw_count(rng, setting)
    place = setting.place or str(rng.choice(PLACES, p=[0.3, 0.35, 0.2, 0.15]))
    times = float(rng.uniform(0, 3)) + np.arange(frames) / fps
    players, paths = [], []
    for _ in range(count):
        player = sample_player(rng, setting, device)
        motion = _perhaps_changed(rng, player, float(times[0]), float(times[-1]))
        if setting.activity is not None:
            motion = player.motion
        actors = act(player.body, motion, player.clothes, list(times), device=device)
        first = actors[0].posed
        seat = player.seat if motion.activity == "sitting" else 0.0
        lift = motion.lift(float(times[0]))
        players.append(replace(player, motion=motion, posed=first, seat=seat, lift=lift))
        paths.append(actors)
    starts, things = _apart(rng, players, paths)
    casts = [
        [_moved(own[number], own[0], start) for own, start in zip(paths, starts, strict=True)]
        for number in range(frames)
    ]
    extents = [
        np.concatenate([cast[person].posed.vertices[::5] + cast[person].shift for cast in casts])
        for person in range(count)
    ]
    bounds = np.array([[points.min(axis=0), points.max(axis=0)] for points in extents])
    view = sample_camera(rng, setting.width, setting.height, bounds, extents, setting.view)
    drawn, path = bool(rng.uniform() < 0.4), rng.normal(0, 1, (3, 6))
    reach = float(np.abs(np.concatenate(extents)[:, :2]).max() * np.sqrt(2))
    light = sample_light(rng, place, reach)
    background = place_background(rng, setting, place, view, reach)
    photo = int(rng.integers(2**31))
    result = []
    for number, (cast, seconds) in enumerate(zip(casts, times, strict=True)):
        stage = Stage(cast, things, device=device)
        since = float(seconds - times[0])
        camera = _carried(view, path, since) if (drawn if moving is None else moving) else view
        rendering = render(stage, camera, light, background)
        known = [
            (own.body, own.motion.activity, own.motion.at(float(seconds)), own.clothes)
            for own in players
        ]
        people = annotate_people(known, cast, stage, camera, rendering)
        image = develop(np.random.default_rng(photo), rendering.image, frame=number)
        scene, shown = rendering.scene, background.place
        meshes = tuple(np.asarray(points, dtype=np.float32) for points in stage.extents[:count])
        sample = Sample(seed, index, image, people, rendering, scene, shown, camera, light, meshes)
        result.append(Frame(sample, since, background))
    return result


def _perhaps_changed(rng: np.random.Generator, player: Player, first: float, last: float) -> Motion:
    """The player's motion; sometimes one that turns into another on the way."""
    change, name, rest = rng.uniform(), str(rng.choice(_UPRIGHT)), rest_body(player.body)
    other = sample_motion(rng, name, rest)
    span = last - first
    if change > 0.3 or player.motion.activity not in _UPRIGHT or span < 0.5:
        return player.motion
    # Not faster than a person turns from one to the other.
    return blend(player.motion, other, first + 0.2 * span, max(0.7, 0.5 * span), rest)


def _apart(
    rng: np.random.Generator, players: list[Player], paths: list[list[Actor]]
) -> tuple[list[Actor], list[Thing]]:
    """Starting places from which no two people meet, as far as twenty tries find them."""
    shifts = np.array([[actor.shift - own[0].shift for actor in own] for own in paths])
    tries = []
    for _ in range(20):
        starts, things = put_down(rng, players)
        turns = [_turn(own[0], start) for own, start in zip(paths, starts, strict=True)]
        ways = np.array(
            [
                start.shift + own @ turn.T
                for start, own, turn in zip(starts, shifts, turns, strict=True)
            ]
        )
        gaps = np.linalg.norm(ways[:, None, :, :2] - ways[:, :, :2], axis=-1).min(axis=-1)
        gaps[np.diag_indices(len(players))] = np.inf
        tries.append((float(gaps.min()), starts, things))
        if gaps.min() > _APART:
            break
    _, starts, things = max(tries, key=lambda own: own[0])
    return starts, things


def _turn(first: Actor, start: Actor) -> Floats:
    """(3, 3): how an actor of `act` was turned to start."""
    return np.asarray(start.posed.rotations[0] @ first.posed.rotations[0].T)


def _moved(actor: Actor, first: Actor, start: Actor) -> Actor:
    """An actor of `act`, turned and put so that the first one is where it starts."""
    rotation = _turn(first, start)
    posed = Posed(
        (actor.posed.vertices @ rotation.T).astype(np.float32),
        actor.posed.heads @ rotation.T,
        rotation @ actor.posed.rotations,
    )
    return Actor(posed, actor.clothes, start.shift + rotation @ (actor.shift - first.shift))


def _carried(view: Camera, path: Floats, seconds: float) -> Camera:
    """The camera after some seconds in a walking hand: slow drifts and turns, no jerks."""
    rates = np.array([0.23, 0.41, 0.67])
    sway = (path * np.sin(2 * np.pi * rates * seconds)[:, None] / (1 + 3 * rates[:, None])).sum(0)
    small = np.radians(2.5) * sway[:3]
    x, y, z = small * (1.0, 1.0, 0.3)
    turn = about_z(float(np.degrees(z))) @ np.array(
        [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    )
    turn = turn @ np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    shift = sway[3:] * (0.15, 0.1, 0.06)
    return replace(view, rotation=turn @ view.rotation, position=view.position + shift)
