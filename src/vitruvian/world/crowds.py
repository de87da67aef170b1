"""Crowds on the ground: people who walk through a scene, seen from above, in metres.

Everyone enters at an entrance, walks to another with or without company, goes round obstacles and
gives way, after the social force model (Helbing and Molnár 1995) with a way field for each goal.
`simulate_crowd(seed, index)` is a function of that pair alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.world.squares import MAP_LABELS, Square, Ways, find_ways, sample_square

Floats = NDArray[np.float64]

RATE = 2.5
"""Positions a second, as in the ETH and UCY recordings."""
RADIUS = 0.2
"""Half the width of a person, in metres: nobody comes nearer to a wall, or twice as near to
another."""

_STEP = 0.1  # seconds of simulation
_EARLIER = 20.0  # seconds before the first frame from which on people come
_RELAXATION = 0.5  # seconds in which a person takes up the wanted speed
_COLORS = {"walkable": (225, 225, 218), "obstacle": (96, 92, 88), "entrance": (176, 214, 170)}


@dataclass(frozen=True, eq=False)
class Crowd:
    """Everyone's way through a scene.

    Attributes:
        seed: With `index`, what the crowd is a function of.
        index: Likewise.
        square: The scene and its semantic map.
        positions: (frames, people, 2): x and y in metres, `RATE` a second; NaN where someone is not
            in the scene.
        groups: (people,): who walks together has the same number.
    """

    seed: int
    index: int
    square: Square
    positions: Floats
    groups: NDArray[np.int64]

    def rows(self) -> Floats:
        """(rows, 4): frame, person, x, y by frame, as the ETH/UCY text files have them.

        Frames count in tens and people from 1; columns of numbers, sorted.
        """
        frame, person = np.nonzero(np.isfinite(self.positions[..., 0]))
        return np.column_stack([10.0 * frame, 1.0 + person, self.positions[frame, person]])


@dataclass(eq=False)
class _Walkers:
    """People before and while they walk."""

    arrivals: Floats
    entries: NDArray[np.int64]
    goals: NDArray[np.int64]
    speeds: Floats
    groups: NDArray[np.int64]
    spots: Floats
    weave: Floats


def simulate_crowd(
    seed: int, index: int, *, people: tuple[int, int] = (5, 60), seconds: float = 60.0
) -> Crowd:
    """Let people walk.

    Args:
        seed: Not negative.
        index: Not negative.
        people: The least and the most people who come by, from 1 to 200.
        seconds: How long.

    Raises:
        InputError: nobody, too many, or no time.
    """
    if not 1 <= people[0] <= people[1] <= 200 or seconds <= 0:
        raise InputError(
            f"Cannot let {people} people walk for {seconds} seconds: give a range within 1 to 200 "
            "and a time above 0."
        )
    rng = np.random.default_rng([seed, index, 2])
    square = sample_square(rng)
    walkers = _sample_walkers(rng, square, int(rng.integers(people[0], people[1] + 1)), seconds)
    frames = int(np.floor(seconds * RATE))
    positions = _walk(find_ways(square), square, walkers, frames)
    came = np.isfinite(positions[..., 0]).any(axis=0)
    return Crowd(seed, index, square, positions[:, came], walkers.groups[came])


def _sample_walkers(
    rng: np.random.Generator, square: Square, count: int, seconds: float
) -> _Walkers:
    """Who comes when, where from and where to; some in groups of two to four."""
    sizes: list[int] = []
    while sum(sizes) < count:
        size = int(rng.choice([1, 2, 3, 4], p=[0.66, 0.23, 0.07, 0.04]))
        sizes.append(min(size, count - sum(sizes)))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    exits = len(square.entrances)
    entries = rng.integers(exits, size=len(sizes))
    goals = (entries + rng.integers(1, exits, size=len(sizes))) % exits
    speeds = np.clip(rng.normal(1.52, 0.25, len(sizes)), 0.75, 2.3)
    # Company slows down.
    speeds *= np.where(np.array(sizes) > 1, 0.88, 1.0)
    arrivals = rng.uniform(-_EARLIER, 0.9 * seconds, len(sizes))[groups]
    places = square.entrances[entries][groups]
    share = rng.uniform(0.15, 0.85, len(sizes))[groups] + rng.normal(0, 0.06, count)
    spots = places[:, 0] + np.clip(share, 0.08, 0.92)[:, None] * (places[:, 1] - places[:, 0])
    own = speeds[groups] * rng.normal(1, 0.02, count)
    order = np.argsort(arrivals, kind="stable")
    # Nobody walks along a ruler: each way weaves, a group's together.
    weave = np.column_stack(
        [
            np.radians(rng.normal(0, 14, len(sizes))),
            rng.uniform(0.3, 1.0, len(sizes)),
            rng.uniform(0, 2 * np.pi, len(sizes)),
        ]
    )[groups]
    return _Walkers(
        arrivals=arrivals[order],
        entries=entries[groups][order],
        goals=goals[groups][order],
        speeds=own[order],
        groups=groups[order],
        spots=spots[order],
        weave=weave[order],
    )


def _walk(ways: Ways, square: Square, walkers: _Walkers, frames: int) -> Floats:
    """(frames, people, 2): everyone's positions."""
    count = len(walkers.arrivals)
    result = np.full((frames, count, 2), np.nan)
    places, speeds = walkers.spots.copy(), np.zeros((count, 2))
    state = np.zeros(count, dtype=np.int64)  # 0 to come, 1 walking, 2 gone
    every = round(1 / (RATE * _STEP))
    early = round(_EARLIER / _STEP)
    ends = square.entrances.mean(axis=1)
    for step in range(-early, (frames - 1) * every + 1):
        _enter(step * _STEP, ways, walkers, state, places, speeds)
        here = np.flatnonzero(state == 1)
        if step >= 0 and step % every == 0:
            result[step // every, here] = places[here]
        if len(here):
            own, speed = places[here], speeds[here]
            wanted = _woven(ways.directions(walkers.goals[here], own), walkers.weave[here], step)
            wanted *= walkers.speeds[here, None]
            push = _forces(own, speed, wanted, walkers.groups[here], ways)
            speed = speed + _STEP * push
            fast = np.linalg.norm(speed, axis=1, keepdims=True)
            speed *= np.minimum(1, 1.3 * walkers.speeds[here, None] / np.maximum(fast, 1e-9))
            moved = _kept_apart(own + _STEP * speed, ways)
            speeds[here] = (moved - own) / _STEP
            places[here] = moved
            arrived = np.linalg.norm(moved - ends[walkers.goals[here]], axis=1)
            reached = (arrived < 0.6) | ways.at_goal(walkers.goals[here], moved)
            state[here[reached]] = 2
    return result


def _woven(directions: Floats, weave: Floats, step: int) -> Floats:
    """Directions, each turned a little to and fro."""
    turn = weave[:, 0] * np.sin(weave[:, 1] * step * _STEP + weave[:, 2])
    cosine, sine = np.cos(turn)[:, None], np.sin(turn)[:, None]
    return cosine * directions + sine * np.column_stack([-directions[:, 1], directions[:, 0]])


def _enter(
    now: float,
    ways: Ways,
    walkers: _Walkers,
    state: NDArray[np.int64],
    places: Floats,
    speeds: Floats,
) -> None:
    """Let in whoever is due and finds the spot free."""
    due = np.flatnonzero((state == 0) & (walkers.arrivals <= now))
    for person in due:
        inside = places[state == 1]
        if len(inside) and (np.abs(inside - places[person]).max(axis=1) < 0.6).any():
            continue
        state[person] = 1
        heading = ways.directions(walkers.goals[[person]], places[[person]])[0]
        speeds[person] = walkers.speeds[person] * heading


def _forces(
    places: Floats, speeds: Floats, wanted: Floats, groups: NDArray[np.int64], ways: Ways
) -> Floats:
    """(people, 2): accelerations in metres a second squared."""
    result = (wanted - speeds) / _RELAXATION
    # People avoid where the others are about to be.
    apart = places[:, None] - places
    ahead = apart + 0.6 * (speeds[:, None] - speeds)
    distance = np.sqrt((ahead**2).sum(axis=-1)) + 1e-6
    now = np.sqrt((apart**2).sum(axis=-1)) + 1e-6
    together = groups[:, None] == groups
    strength = np.where(together, 0.8, 2.2) * np.exp(
        (2 * RADIUS - np.minimum(distance, now)) / 0.35
    )
    heading = wanted / (np.linalg.norm(wanted, axis=1, keepdims=True) + 1e-9)
    # Who is behind counts less.
    front = -(apart * heading[:, None]).sum(axis=-1) / now
    strength *= 0.35 + 0.325 * (1 + front)
    np.fill_diagonal(strength, 0)
    away = 0.5 * (ahead / distance[..., None] + apart / now[..., None])
    # And they step aside to the right, so that two who meet do not stand.
    aside = np.stack([away[..., 1], -away[..., 0]], axis=-1)
    result += (strength[..., None] * (away + 0.25 * front[..., None].clip(0) * aside)).sum(axis=1)
    # Company keeps together.
    mates = together.sum(axis=1, keepdims=True)
    middle = (together @ places) / mates
    gap = middle - places
    far = np.linalg.norm(gap, axis=1, keepdims=True)
    result += np.where(far > 0.5, 1.2 * gap, 0.0)
    room, slope = ways.room(places)
    result += 3.0 * np.exp((RADIUS - room[:, None]) / 0.2) * slope
    return result


def _kept_apart(places: Floats, ways: Ways) -> Floats:
    """Places from which nobody stands within another or within a wall."""
    places = places.copy()
    for _ in range(4):
        apart = places[:, None] - places
        distance = np.sqrt((apart**2).sum(axis=-1))
        np.fill_diagonal(distance, np.inf)
        short = np.maximum(2 * RADIUS + 0.01 - distance, 0)
        if short.any():
            places += 0.5 * ((short / distance.clip(1e-6))[..., None] * apart).sum(axis=1)
        room, slope = ways.room(places)
        lack = np.maximum(RADIUS + 0.02 - room, 0)
        if not (short.any() or lack.any()):
            break
        places += lack[:, None] * slope
    return places


def draw_crowd(crowd: Crowd, *, width: int = 640) -> NDArray[np.uint8]:
    """(height, width, 3) RGB: everyone's track over the semantic map, a dot where it ends."""
    labels = crowd.square.labels
    scale = width / labels.shape[1]
    size = (width, round(labels.shape[0] * scale))
    colors = np.array([_COLORS[name] for name in MAP_LABELS], dtype=np.uint8)
    picture = cv2.resize(colors[labels], size, interpolation=cv2.INTER_NEAREST)
    metres = scale / crowd.square.metres_per_pixel
    for person in range(crowd.positions.shape[1]):
        track = crowd.positions[:, person]
        track = track[np.isfinite(track[:, 0])]
        hue = np.array([[[(person * 67) % 180, 200, 190]]], dtype=np.uint8)
        color = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].tolist()
        # OpenCV's pixels are centred on whole numbers; 4 bits of fraction.
        points = np.round((track * metres - 0.5) * 16).astype(np.int32)
        cv2.polylines(picture, [points.reshape(-1, 1, 2)], False, color, 2, cv2.LINE_AA, 4)
        if len(points):
            end = (int(points[-1, 0]), int(points[-1, 1]))
            cv2.circle(picture, end, 16 * 4, color, -1, cv2.LINE_AA, 4)
    return np.asarray(picture, dtype=np.uint8)
