"""Boxes of people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.records import Face, Pose


def person_box(pose: Pose, face: Face | None, size: tuple[int, int]) -> NDArray[np.float32]:
    """The box of a person whose joints are known: (4,) x1, y1, x2, y2 inside the picture.

    Joints lie inside the body: their box, with the face's, is widened on each side by a tenth of
    its longer side, about the way from the eyes to the top of the head.

    Args:
        pose: The joints; at least one is found.
        face: The person's face, if there is one.
        size: Height and width of the picture.
    """
    corners = pose.box().reshape(2, 2)
    if face:
        other = face.box.reshape(2, 2)
        corners = np.stack([np.minimum(corners[0], other[0]), np.maximum(corners[1], other[1])])
    margin = 0.1 * float((corners[1] - corners[0]).max())
    grown = corners + np.array([[-margin], [margin]], dtype=np.float32)
    limits = np.array([size[1], size[0]], dtype=np.float32)
    return np.clip(grown, 0, limits).astype(np.float32).reshape(4)
