"""People as the camera sees them: boxes, joints and who hides them, faces, garments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.skeletons import Skeleton
from vitruvian.world.angles import LIMITS
from vitruvian.world.attributes import face_attributes
from vitruvian.world.bodies import Body
from vitruvian.world.camera import Camera
from vitruvian.world.clothes import MATERIALS, Clothes
from vitruvian.world.faces import FACE_68, FaceView, five_points, view_face
from vitruvian.world.garment_landmarks import garment_points, landmark_names
from vitruvian.world.garments import Garment
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.render import Rendering
from vitruvian.world.stage import Actor, Stage

Floats = NDArray[np.float64]
_CLOSE = 0.02  # metres that a garment's landmark may lie behind what its pixel shows


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
        face: Box of the face, and head pose.
        attributes: Whether the person has each of `attributes.ATTRIBUTES`.
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
    face: FaceView
    attributes: dict[str, bool]

    def keypoints(self, skeleton: Skeleton) -> Floats:
        """(joints, 3): x, y, visibility in the order of a skeleton; 0, 0, 0 outside the picture."""
        order = load_landmarks().order(skeleton)
        seen = self.visibility[order]
        points = np.concatenate([self.joints[order, :2], seen[:, None]], axis=1)
        return np.where(seen[:, None] > 0, points, 0.0)

    def keypoints_3d(self, skeleton: Skeleton) -> Floats:
        """(joints, 3): in the world, metres, in the order of a skeleton."""
        return self.joints_3d[load_landmarks().order(skeleton)]

    def face_landmarks(self, count: int = 68) -> Floats:
        """(count, 3): x, y, visibility of the face's 68 points (`faces.FACE_68`) or of its 5.

        Points outside the picture keep their place and have visibility 0.
        """
        points = np.concatenate([self.joints[:, :2], self.visibility[:, None]], axis=1)
        if count == 5:
            return five_points(points)
        names = load_landmarks().names
        return points[[names.index(name) for name in FACE_68]]


@dataclass(frozen=True, eq=False)
class RenderedGarment:
    """A garment that a person of a sample wears.

    Attributes:
        garment: Category, attributes, identity.
        names: Of the landmarks, those of `garment_landmarks.landmark_names`.
        landmarks: (n, 3): x, y, visibility: 2 seen, 1 hidden, 0 outside the picture.
        landmarks_3d: (n, 3): in the world, metres.
        box: (4,): x1, y1, x2, y2 around its visible pixels; zeros where none is.
    """

    garment: Garment
    names: tuple[str, ...]
    landmarks: Floats
    landmarks_3d: Floats
    box: Floats


def annotate_people(
    players: Sequence[tuple[Body, str, dict[str, float], Clothes]],
    actors: Sequence[Actor],
    stage: Stage,
    camera: Camera,
    rendering: Rendering,
) -> tuple[RenderedPerson, ...]:
    """Joints, their visibility by ray, boxes, faces.

    Args:
        players: Of each person body, activity, angles, clothes.
        actors: The same people in the world.
        stage: What they are on.
        camera: The camera.
        rendering: What it sees.
    """
    landmarks = load_landmarks()
    points = np.stack([landmarks.points(actor.posed) + actor.shift for actor in actors])
    hits, meshes = stage.look(camera, points)
    projected = camera.project(points)
    distances = np.linalg.norm(points - camera.position, axis=-1)
    people = []
    for place, (body, activity, angles, clothes) in enumerate(players):
        # A joint lies below the skin, and the skin below the clothes.
        own = meshes[place] == place
        free = (distances[place] - hits[place] < landmarks.depths + 0.02) & own
        inside = _inside(projected[place], camera)
        people.append(
            RenderedPerson(
                body=body,
                activity=activity,
                angles={name: angles[name] for name in LIMITS},
                clothes=clothes,
                box=mask_box(rendering.person == place),
                full_box=mask_box(rendering.full_masks[place]),
                joints_3d=points[place],
                joints=projected[place],
                visibility=np.where(inside, 1 + free, 0).astype(np.int32),
                face=view_face(actors[place].posed, actors[place].shift, camera),
                attributes=face_attributes(body, clothes),
            )
        )
    return tuple(people)


def annotate_garments(
    person: RenderedPerson,
    number: int,
    vertices: NDArray[np.floating],
    camera: Camera,
    rendering: Rendering,
) -> tuple[RenderedGarment, ...]:
    """What a person wears, with landmarks: from the inside out.

    A landmark is seen where the ray through its pixel, or one beside it, meets the garment no more
    than 2 cm before it.

    Args:
        person: The person.
        number: Its place among the people of the rendering.
        vertices: (N, 3): its dressed mesh, in the world.
        camera: The camera.
        rendering: What it sees.
    """
    result = []
    mine = rendering.person == number
    for garment, points, covered in garment_points(person.clothes, vertices):
        projected = camera.project(points)
        inside = _inside(projected, camera)
        mask = mine & (rendering.materials == MATERIALS.index(garment.label))
        pixels = np.where(inside[:, None], projected[:, :2], 0).astype(int)
        free = np.zeros(len(points), dtype=bool)
        for row, column in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)):  # the rim's pixels, too
            rows = np.clip(pixels[:, 1] + row, 0, camera.height - 1)
            columns = np.clip(pixels[:, 0] + column, 0, camera.width - 1)
            near = projected[:, 2] - rendering.depth[rows, columns] < _CLOSE
            free |= near & mask[rows, columns]
        seen = np.where(inside, 1 + (free & ~covered), 0)
        result.append(
            RenderedGarment(
                garment=garment,
                names=landmark_names(garment.category),
                landmarks=np.concatenate([projected[:, :2], seen[:, None]], axis=1),
                landmarks_3d=points,
                box=mask_box(mask),
            )
        )
    return tuple(result)


def mask_box(mask: NDArray[np.bool_]) -> Floats:
    """(4,): x1, y1, x2, y2 around the true pixels; zeros where there is none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)


def _inside(projected: Floats, camera: Camera) -> NDArray[np.bool_]:
    """(points,): which lie in the picture, in front of the camera."""
    x, y, depth = projected.T
    return (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height) & (depth > 0)
