"""Pictures of dressed bodies: a pinhole camera, ray casting, a sun with soft shadows.

World: metres, z up, the floor at z = 0. Camera: x right, y down, z forwards. Pixels are continuous,
the centre of the top-left pixel at (0.5, 0.5). A surface's point is where the ray through a pixel's
centre first meets it, so depth, masks, parts and texture coordinates agree by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from vitruvian.world.bodies import Posed
from vitruvian.world.clothes import Clothes, load_surface
from vitruvian.world.dressing import dress, surface_arrays
from vitruvian.world.kernels import materials, rays
from vitruvian.world.rig import load_rig

Floats = NDArray[np.float64]
SHADOW_RAYS = 3


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera.

    Attributes:
        width: Of the picture, in pixels.
        height: Likewise.
        focal: In pixels.
        center: (2,): the principal point.
        rotation: (3, 3): from the world's axes to the camera's.
        position: (3,): in the world.
    """

    width: int
    height: int
    focal: float
    center: Floats
    rotation: Floats
    position: Floats

    def project(self, points: NDArray[np.floating]) -> Floats:
        """(..., 3): x and y in pixels and depth in metres, of points in the world."""
        seen = (points - self.position) @ self.rotation.T
        pixels = self.focal * seen[..., :2] / seen[..., 2:] + self.center
        return np.concatenate([pixels, seen[..., 2:]], axis=-1)

    def cosines(self) -> Floats:
        """(height, width): depth of a point a metre along the ray through each pixel's centre."""
        x = (np.arange(self.width) + 0.5 - self.center[0]) / self.focal
        y = (np.arange(self.height) + 0.5 - self.center[1]) / self.focal
        return 1 / np.sqrt(1 + x**2 + y[:, None] ** 2)

    def rays(self) -> Floats:
        """(height, width, 3): directions through the pixels' centres, with a depth of one."""
        columns, rows = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        plane = (np.stack([columns, rows], axis=-1) - self.center) / self.focal
        seen = np.concatenate([plane, np.ones_like(columns)[..., None]], axis=-1)
        return seen @ self.rotation

    def struct(self) -> Any:
        """The camera as the kernels read it."""
        camera = rays.Camera()
        camera.rotation = wp.mat33(self.rotation.astype(np.float32))
        camera.position = wp.vec3(*(float(value) for value in self.position))
        camera.focal = float(self.focal)
        camera.center_x, camera.center_y = (float(value) for value in self.center)
        return camera


@dataclass(frozen=True)
class Light:
    """Light in linear colours: a sun (or a lamp) and what comes from above and below.

    Attributes:
        direction: Towards the sun, in the world; a unit vector.
        sun: Colour and strength.
        sky: Of the light from above.
        ground: Of the light from below.
        size: Radius of the sun's disc as a tangent: how soft shadows are.
    """

    direction: tuple[float, float, float]
    sun: tuple[float, float, float]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    size: float

    def struct(self) -> Any:
        """The light as the kernels read it."""
        light = rays.Light()
        for name in ("direction", "sun", "sky", "ground"):
            setattr(light, name, wp.vec3(*getattr(self, name)))
        light.size = self.size
        return light


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


@dataclass(frozen=True, eq=False)
class Box:
    """A plain box to sit on or stand behind: two opposite corners, turned about z.

    Attributes:
        center: (3,): in the world.
        size: (3,): in metres.
        turn: Degrees about z.
    """

    center: Floats
    size: Floats
    turn: float


@dataclass(frozen=True, eq=False)
class Rendering:
    """A picture and what every pixel shows. N people; -1 is nobody.

    Attributes:
        image: (height, width, 3): linear light, without noise.
        person: (height, width): whose surface is seen.
        depth: (height, width): metres along the optical axis; infinite where nothing is.
        normals: (height, width, 3): in the world; 0 where no person is.
        materials: (height, width): place in `clothes.MATERIALS`.
        parts: (height, width): place in `clothes.PARTS`.
        uv: (height, width, 2): texture coordinates on the body, in [0, 1].
        faces: (height, width): the triangle of the person's mesh that is seen; -1 where nobody is.
        places: (height, width, 2): the shares of the triangle's first two corners.
        full_masks: (N, height, width): each person as if nobody stood in front.
    """

    image: NDArray[np.float32]
    person: NDArray[np.int32]
    depth: NDArray[np.float32]
    normals: NDArray[np.float32]
    materials: NDArray[np.int32]
    parts: NDArray[np.int32]
    uv: NDArray[np.float32]
    faces: NDArray[np.int32]
    places: NDArray[np.float32]
    full_masks: NDArray[np.bool_]


class Stage:
    """Dressed people and boxes, ready to be cast rays at.

    Args:
        actors: The people.
        boxes: Things among them.
        device: warp's name of the device.

    Attributes:
        extents: Of each mesh, people first, the vertices in the world.
    """

    def __init__(
        self, actors: Sequence[Actor], boxes: Sequence[Box] = (), *, device: str = "cpu"
    ) -> None:
        self.device = device
        self.people = len(actors)
        arrays = surface_arrays(device)
        self._meshes: list[Any] = []
        self.extents: list[Floats] = []
        normals = []
        for actor in actors:
            vertices, own = dress(actor.posed, actor.clothes, actor.shift, device=device)
            self._meshes.append(wp.Mesh(points=vertices, indices=arrays["indices"]))
            self.extents.append(vertices.numpy())
            normals.append(own.numpy())
        for box in boxes:
            corners = _box_corners(box)
            points = wp.array(corners.astype(np.float32), dtype=wp.vec3, device=device)
            indices = wp.array(_BOX_FACES.ravel(), dtype=int, device=device)
            self._meshes.append(wp.Mesh(points=points, indices=indices))
            self.extents.append(corners)
            normals.append(np.zeros_like(normals[0]))
        self._ids = wp.array([mesh.id for mesh in self._meshes], dtype=wp.uint64, device=device)
        self._normals = wp.array(np.stack(normals), dtype=wp.vec3, device=device)
        outfits = [actor.clothes.struct() for actor in actors]
        outfits += [materials.Outfit()] * len(boxes)
        self._outfits = wp.array(outfits, dtype=materials.Outfit, device=device)
        self._kinds = _face_kinds(len(actors), len(boxes), device)

    def _boxes(self, camera: Camera) -> NDArray[np.int32]:
        """(meshes, 4): the pixels that a mesh can touch: x1, y1, x2, y2, the last two outside."""
        result = np.empty((len(self._meshes), 4), dtype=np.int32)
        for place, points in enumerate(self.extents):
            seen = camera.project(points)
            if seen[:, 2].min() < 0.05:
                result[place] = (0, 0, camera.width, camera.height)
                continue
            low = np.floor(seen[:, :2].min(axis=0)) - 1
            high = np.ceil(seen[:, :2].max(axis=0)) + 1
            limit = [camera.width, camera.height]
            result[place, :2] = np.clip(low, 0, limit)
            result[place, 2:] = np.clip(high, 0, limit)
        return result

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
                self._ids,
                wp.array(points.astype(np.float32), dtype=wp.vec3, device=self.device),
                camera.struct().position,
            ],
            outputs=[hits, meshes],
            device=self.device,
        )
        return hits.numpy().astype(np.float64), meshes.numpy()

    def render(self, camera: Camera, light: Light, background: NDArray[np.floating]) -> Rendering:
        """Cast the picture.

        Args:
            camera: The camera.
            light: The light.
            background: (height, width, 3): linear light behind the people, unshadowed.
        """
        device, count = self.device, len(self._meshes)
        shape = (camera.height, camera.width)
        boxes = self._boxes(camera)
        box_array = wp.array(boxes, dtype=int, device=device)
        eye, lamp = camera.struct(), light.struct()
        faces = wp.empty((count, *shape), dtype=int, device=device)
        places = wp.empty((count, *shape), dtype=wp.vec2, device=device)
        distances = wp.empty((count, *shape), dtype=float, device=device)
        wp.launch(
            rays.cast,
            dim=(count, *shape),
            inputs=[self._ids, box_array, eye],
            outputs=[faces, places, distances],
            device=device,
        )
        distance = distances.numpy()
        nearest = distance.argmin(axis=0).astype(np.int32)
        far = np.take_along_axis(distance, nearest[None], axis=0)[0]
        nearest[~np.isfinite(far)] = -1

        surface = surface_arrays(device)
        shared = [surface["canonical"], surface["arms"], surface["lips"], self._normals]
        shown = wp.zeros(shape, dtype=int, device=device)
        directions = wp.zeros(shape, dtype=wp.vec3, device=device)
        colors = wp.empty(shape, dtype=wp.vec3, device=device)
        wp.launch(
            rays.shade,
            dim=shape,
            inputs=[
                *(self._ids, wp.array(nearest, dtype=int, device=device), faces, places),
                *(eye, lamp, self._outfits, self._kinds, *shared, SHADOW_RAYS),
            ],
            outputs=[shown, directions, colors],
            device=device,
        )
        material = shown.numpy()
        image = colors.numpy()
        # What the sun gives the floor is taken away where it is hidden.
        sun = np.array(light.sun).mean() * max(light.direction[2], 0)
        image = _calm_floor(image, nearest)
        lost = 0.85 * sun / (sun + np.array(light.sky).mean() + 1e-6)
        behind = background * (1 - np.float32(lost) * (1 - image))
        seen = nearest >= 0
        image = np.where(seen[..., None], image, behind).astype(np.float32)
        edges = _edges(nearest, material, far)
        if len(edges):
            mixed = wp.empty(len(edges), dtype=wp.vec3, device=device)
            wp.launch(
                rays.soften,
                dim=len(edges),
                inputs=[
                    *(self._ids, wp.array(edges, dtype=int, device=device), box_array),
                    wp.array(behind.astype(np.float32), dtype=wp.vec3, device=device),
                    *(eye, lamp, self._outfits, self._kinds, *shared),
                ],
                outputs=[mixed],
                device=device,
            )
            image[edges[:, 0], edges[:, 1]] = mixed.numpy()
        return self._annotate(
            camera, image, nearest, far, directions.numpy(), material, faces.numpy(), places.numpy()
        )

    def _annotate(
        self,
        camera: Camera,
        image: NDArray[np.float32],
        nearest: NDArray[np.int32],
        far: NDArray[np.float32],
        normals: NDArray[np.float32],
        material: NDArray[np.int32],
        faces: NDArray[np.int32],
        places: NDArray[np.float32],
    ) -> Rendering:
        """What every pixel shows, from the triangle that it hits."""
        depth = (far * camera.cosines()).astype(np.float32)
        person = np.where(nearest < self.people, nearest, -1).astype(np.int32)
        rows, columns = np.nonzero(person >= 0)
        owner = person[rows, columns]
        face, place = faces[owner, rows, columns], places[owner, rows, columns]
        parts = np.zeros(person.shape, dtype=np.int32)
        parts[rows, columns] = load_surface().parts[face]
        corners = load_rig().face_uv[face]
        u, v = place[:, :1], place[:, 1:]
        uv = np.zeros((*person.shape, 2), dtype=np.float32)
        uv[rows, columns] = u * corners[:, 0] + v * corners[:, 1] + (1 - u - v) * corners[:, 2]
        normals[person < 0] = 0
        seen_faces = np.full(person.shape, -1, dtype=np.int32)
        seen_faces[rows, columns] = face
        seen_places = np.zeros((*person.shape, 2), dtype=np.float32)
        seen_places[rows, columns] = place
        return Rendering(
            image=image,
            person=person,
            depth=depth,
            normals=normals,
            materials=material,
            parts=parts,
            uv=uv,
            faces=seen_faces,
            places=seen_places,
            full_masks=faces[: self.people] >= 0,
        )


def _calm_floor(image: NDArray[np.float32], nearest: NDArray[np.int32]) -> NDArray[np.float32]:
    """Average the floor's shadow over its neighbours: few rays leave grain."""
    floor = (nearest < 0).astype(np.float32)
    weight = np.maximum(cv2.blur(floor, (5, 5)), 1e-6)
    calm = cv2.blur(image[..., 0] * floor, (5, 5)) / weight
    return np.where(floor[..., None] > 0, calm[..., None], image)


def _edges(
    nearest: NDArray[np.int32], material: NDArray[np.int32], far: NDArray[np.float32]
) -> NDArray[np.int32]:
    """(pixels, 2): rows and columns where a neighbour shows another thing or jumps in depth."""
    edge = np.zeros(nearest.shape, dtype=bool)
    code = nearest * 32 + material
    depth = np.where(np.isfinite(far), far, 0)
    for axis in (0, 1):
        first = (slice(None),) * axis + (slice(None, -1),)
        second = (slice(None),) * axis + (slice(1, None),)
        differs = (code[first] != code[second]) | (np.abs(depth[first] - depth[second]) > 0.05)
        edge[first] |= differs
        edge[second] |= differs
    return np.argwhere(edge).astype(np.int32)


_BOX_FACES = np.array(
    [
        *((0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4)),
        *((2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5)),
    ],
    dtype=np.int32,
)


def _box_corners(box: Box) -> Floats:
    """(8, 3): corners, x fastest."""
    unit = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]) / 2
    angle = np.radians(box.turn)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    return unit * box.size @ turn.T + box.center


@lru_cache(maxsize=16)
def _face_kinds(people: int, boxes: int, device: str) -> Any:
    """Warp array (meshes, F): the kind of each triangle."""
    kinds = load_surface().kinds
    things = np.full_like(kinds, materials.THING)
    return wp.array(np.stack([kinds] * people + [things] * boxes), dtype=int, device=device)
