"""The stage: dressed people and things, ready to be cast rays at."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from vitruvian.world.backgrounds import noise_table
from vitruvian.world.bodies import Posed
from vitruvian.world.camera import Camera
from vitruvian.world.clothes import Clothes
from vitruvian.world.dressing import dress, surface_arrays
from vitruvian.world.kernels import materials, rays
from vitruvian.world.rig import load_rig
from vitruvian.world.surface import load_surface
from vitruvian.world.things import Thing

Floats = NDArray[np.float64]

# Balls about the bones, which keep light from all around off what lies near them.
_BALLS = (
    ("head", "head", 0.3, 0.1),
    ("spine01", "neck01", 0.3, 0.13),
    ("spine03", "spine01", 0.5, 0.13),
    ("root", "spine05", 0.3, 0.14),
    *(
        ball
        for side in "LR"
        for ball in (
            (f"upperarm01.{side}", f"lowerarm01.{side}", 0.6, 0.045),
            (f"lowerarm01.{side}", f"wrist.{side}", 0.5, 0.04),
            (f"wrist.{side}", f"finger3-1.{side}", 0.8, 0.045),
            (f"upperleg01.{side}", f"lowerleg01.{side}", 0.4, 0.085),
            (f"upperleg01.{side}", f"lowerleg01.{side}", 0.85, 0.065),
            (f"lowerleg01.{side}", f"foot.{side}", 0.4, 0.055),
            (f"foot.{side}", f"toe3-1.{side}", 0.5, 0.06),
        )
    ),
)


@dataclass(frozen=True, eq=False)
class Actor:
    """A posed, dressed person at a place.

    Attributes:
        posed: The body.
        clothes: What it wears.
        shift: (3,): the place of the root's head, in the world.
    """

    posed: Posed
    clothes: Clothes
    shift: Floats


class Stage:
    """Dressed people and things, ready to be cast rays at.

    Args:
        actors: The people.
        things: What stands among them.
        device: warp's name of the device.

    Attributes:
        people: How many of the meshes are people; they come first.
        extents: Of each mesh, people first, the vertices in the world.
        meshes: warp's, likewise.
        bounds: (meshes, 2, 3): opposite corners of each; `boxes` is the same on the device.
    """

    def __init__(
        self, actors: Sequence[Actor], things: Sequence[Thing] = (), *, device: str = "cpu"
    ) -> None:
        self.device = device
        self.people = len(actors)
        self.meshes: list[Any] = []
        self.extents: list[NDArray[np.floating]] = []
        lent, normals = [], []
        for actor in actors:
            vertices, own = dress(actor.posed, actor.clothes, actor.shift, device=device)
            mesh = _borrow(device)
            mesh.points = vertices
            lent.append(mesh)
            self.extents.append(vertices.numpy())
            normals.append(own.numpy())
        self.meshes += lent
        weakref.finalize(self, _idle(device).extend, lent)
        self.normals = wp.array(np.stack(normals), dtype=wp.vec3, device=device)
        self.shells = np.array(
            [[actor.clothes.values[f"shell_{end}"] for end in ("hem", "top")] for actor in actors]
        )
        self.outfits = wp.array(
            [actor.clothes.struct for actor in actors], dtype=materials.Outfit, device=device
        )
        self.balls = wp.array(_balls(actors), dtype=wp.vec4, device=device)
        self._things: list[Thing] = []
        self.add(things)

    def add(self, things: Sequence[Thing]) -> None:
        """Put more things on the stage."""
        device = self.device
        for thing in things:
            points = wp.array(thing.vertices.astype(np.float32), dtype=wp.vec3, device=device)
            indices = wp.array(thing.faces.ravel(), dtype=int, device=device)
            self.meshes.append(wp.Mesh(points=points, indices=indices))
            self.extents.append(thing.vertices)
            self._things.append(thing)
        colors = np.array([thing.color for thing in self._things], dtype=np.float32)
        self.colors = wp.array(colors.reshape(-1, 3), dtype=wp.vec3, device=device)
        self.bounds = np.array([_corners(points) for points in self.extents], dtype=np.float32)
        self.boxes = wp.array(self.bounds, dtype=wp.vec3, device=device)
        self.ids = wp.array([mesh.id for mesh in self.meshes], dtype=wp.uint64, device=device)

    def windows(self, camera: Camera) -> NDArray[np.int32]:
        """(meshes, 4): the pixels that a mesh can touch: x1, y1, x2, y2, the last two outside."""
        result = np.empty((len(self.meshes), 4), dtype=np.int32)
        limit = [camera.width, camera.height]
        for place, (low, high) in enumerate(self.bounds.astype(np.float64)):
            corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
            seen = camera.project(low + corners * (high - low))
            if seen[:, 2].min() < 0.05:
                result[place] = (0, 0, *limit)
                continue
            result[place, :2] = np.clip(np.floor(seen[:, :2].min(axis=0)) - 1, 0, limit)
            result[place, 2:] = np.clip(np.ceil(seen[:, :2].max(axis=0)) + 1, 0, limit)
        return result

    def reach(self) -> float:
        """How far from the world's z axis anything on the stage lies, in metres."""
        return float(np.abs(self.bounds[: self.people, :, :2]).max() * np.sqrt(2))

    def look(self, camera: Camera, points: Floats) -> tuple[Floats, NDArray[np.int32]]:
        """The first surface towards each point, and a metre beyond.

        Args:
            camera: The camera.
            points: (people, points, 3): in the world.

        Returns:
            (people, points): how far the camera sees, in metres along the ray; the mesh that it
            sees there, people first, or -1.
        """
        shape = points.shape[:2]
        hits = wp.empty(shape, dtype=float, device=self.device)
        meshes = wp.empty(shape, dtype=int, device=self.device)
        wp.launch(
            rays.look,
            dim=shape,
            inputs=[
                self.ids,
                wp.array(points.astype(np.float32), dtype=wp.vec3, device=self.device),
                camera.struct.position,
            ],
            outputs=[hits, meshes],
            device=self.device,
        )
        return hits.numpy().astype(np.float64), meshes.numpy()


def _corners(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """(2, 3): least and greatest coordinates, a little apart even where the points are flat."""
    columns = np.ascontiguousarray(points.T)
    return np.array([columns.min(axis=1) - 1e-4, columns.max(axis=1) + 1e-4])


@lru_cache(maxsize=2)
def _idle(device: str) -> list[Any]:  # noqa: ARG001 - the key of the cache
    """Meshes of the person's triangles that no stage uses.

    Their tree is built once, over the neutral adult, and only fitted anew to each person: a tenth
    of the time, and rays find the same triangles.
    """
    return []


def _borrow(device: str) -> Any:
    idle = _idle(device)
    if idle:
        return idle.pop()
    arrays, kinds = surface_arrays(device), load_surface().vertex_kinds
    points = arrays["adult"].numpy().copy()
    # What not everyone wears gets a branch of its own: its box is a point where it is not worn.
    points[:, 0] += np.where(kinds > materials.THING, 10 * kinds, 0)
    return wp.Mesh(points=wp.array(points, dtype=wp.vec3, device=device), indices=arrays["indices"])


@lru_cache(maxsize=2)
def shading_arrays(device: str) -> dict[str, Any]:
    """What is the same for everyone, on a device: the surface, and noise."""
    return {
        "kinds": wp.array(load_surface().kinds, dtype=int, device=device),
        "noise": wp.array(noise_table(), dtype=float, device=device),
    }


@lru_cache(maxsize=1)
def _ball_bones() -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]:
    rig = load_rig()
    first = np.array([rig.bone(ball[0]) for ball in _BALLS])
    second = np.array([rig.bone(ball[1]) for ball in _BALLS])
    return (
        first,
        second,
        np.array([[ball[2]] for ball in _BALLS]),
        np.array([ball[3] for ball in _BALLS]),
    )


def _balls(actors: Sequence[Actor]) -> NDArray[np.float32]:
    """(people + people · balls, 4): centre and radius of a ball about each person, then its own."""
    first, second, share, radius = _ball_bones()
    groups, balls = [], []
    for actor in actors:
        heads = actor.posed.heads + actor.shift
        centers = heads[first] * (1 - share) + heads[second] * share
        # A child's limbs are thinner.
        size = np.ptp(actor.posed.heads, axis=0).max() / 1.6
        own = np.c_[centers, radius * np.clip(size, 0.4, 1.1)]
        middle = centers.mean(axis=0)
        groups.append([*middle, np.linalg.norm(centers - middle, axis=1).max() + 0.15])
        balls.append(own)
    return np.concatenate([groups, *balls]).astype(np.float32)
