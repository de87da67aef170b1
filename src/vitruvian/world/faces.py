"""Faces: box, landmarks, head pose and attributes of a rendered person.

The box is that of WIDER FACE: forehead, cheeks and chin, whatever hides them. It bounds a fixed
piece of the body's surface (`face_vertices`), so it turns with the head. Height and width of the
piece were read off 65 frontal and 76 turned faces that a detector trained on WIDER FACE found in
real photos: measured in the distance between the eyes' and the mouth's middles, a frontal box ends
1.13 above the eyes and 0.79 below the mouth and is 2.19 wide, and the side that turns away narrows
as if the piece ended before the ears.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vitruvian.core.skeletons import WHOLEBODY133
from vitruvian.world.bodies import Posed
from vitruvian.world.camera import Camera
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.rig import load_rig

Floats = NDArray[np.float64]

FACE_68 = WHOLEBODY133.joints[23:91]
"""Names of the 68 points, in the order of 300-W."""

FACE_5 = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""Names of the five points of `core.records`: sides are the person's own."""

_FIVE = (
    ("left_eye_1", "left_eye_4"),
    ("right_eye_1", "right_eye_4"),
    ("nose_ridge_4",),
    ("left_outer_lip_1",),
    ("right_outer_lip_1",),
)

# On the neutral adult, in metres: see above.
_CROWN, _CHIN, _EARS = 1.803, 1.594, -0.055


@dataclass(frozen=True, eq=False)
class FaceView:
    """A face as the camera sees it.

    Attributes:
        box: (4,): x1, y1, x2, y2 in pixels, of the whole face, also outside the picture.
        yaw: Degrees; 0 looks into the camera, positive turns to the picture's right, which is the
            person's own left.
        pitch: Degrees; positive looks up.
        roll: Degrees; positive leans to the picture's right, clockwise.

    The three angles are between head and line of sight, so a face that looks into the camera has 0,
    0, 0 at the picture's edge, too. The head turns by yaw about the upright, then by pitch about
    its own ear to ear axis, then by roll about the way that it looks.
    """

    box: Floats
    yaw: float
    pitch: float
    roll: float

    @property
    def turned(self) -> float:
        """The largest of the three angles, in degrees, without its sign."""
        return max(abs(self.yaw), abs(self.pitch), abs(self.roll))


@lru_cache(maxsize=1)
def face_vertices() -> NDArray[np.int64]:
    """Vertices of the piece of surface that a face's box bounds."""
    rig = load_rig()
    head = np.zeros(len(rig.template), dtype=bool)
    head[rig.faces[rig.face_region == list(rig.regions).index("head")]] = True
    _, y, z = rig.canonical.T
    return np.flatnonzero(head & (z > _CHIN) & (z < _CROWN) & (y < _EARS))


def view_face(posed: Posed, shift: NDArray[np.floating], camera: Camera) -> FaceView:
    """Box and head pose of a person's face.

    Args:
        posed: The body.
        shift: (3,): its place in the world.
        camera: The camera.
    """
    points = posed.vertices[face_vertices()] + shift
    seen = camera.project(points)[:, :2]
    box = np.concatenate([seen.min(axis=0), seen.max(axis=0)])
    turn = camera.rotation @ posed.rotations[load_rig().bone("head")]
    # The camera's axes, turned so that the third is the line of sight.
    sight = camera.rotation @ (points.mean(axis=0) - camera.position)
    sight = sight / np.linalg.norm(sight)
    right = np.cross([0.0, 1.0, 0.0], sight)
    right = right / np.linalg.norm(right)
    frame = np.stack([right, np.cross(right, sight), -sight])  # right, up, to the camera
    # Columns: the person's left, up and ahead.
    axes = frame @ turn @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    yaw, pitch, roll = Rotation.from_matrix(axes).as_euler("YXZ", degrees=True)
    return FaceView(box, float(yaw), float(-pitch), float(-roll))


def five_points(points: Floats) -> Floats:
    """(5, k): the points of `FACE_5`.

    Args:
        points: (J, k): all landmarks of a person by `Landmarks.names`; k values each, of which
            those of the eyes' two corners are averaged, and the last, visibility, is their least.
    """
    names = load_landmarks().names
    result = []
    for group in _FIVE:
        own = points[[names.index(name) for name in group]]
        result.append(np.concatenate([own[:, :-1].mean(axis=0), own[:, -1:].min(axis=0)]))
    return np.array(result)
