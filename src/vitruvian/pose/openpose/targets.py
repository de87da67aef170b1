"""What OpenPose's networks learn: heat maps and part affinity fields drawn from labelled joints.

Cao et al., CVPR 2017 (arXiv 1611.08050), equations 6 to 9, as the two code bases draw them:

- `published="v1"`: the Caffe code and its ports. Gaussians are summed and capped at 1 (the paper
  takes the maximum) and have 2σ² below the fraction (the paper: σ²); fields of people who overlap
  are averaged.
- `published="lightweight"`: Osokin 2018 (arXiv 1811.12004). Gaussians end at a box of 4σ; where
  people overlap the field of the last one stands.

Both take a heat-map cell for its centre, and an affinity cell for its top-left corner: the fields
of networks trained so lie 7/16 of a cell to the right of and below the heat maps.

Joints here are pixel indices (the centre of the first pixel is 0), as in the published code: take
0.5 off the house's coordinates.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Published = Literal["v1", "lightweight"]

_LARGEST_EXPONENT = 4.6052  # ln 100: a Gaussian ends at a hundredth of its height
_BOX_SIGMAS = 4


def draw_heatmaps(
    joints: NDArray[np.floating],
    seen: NDArray[np.bool_],
    size: tuple[int, int],
    stride: int = 8,
    sigma: float = 7.0,
    published: Published = "v1",
) -> NDArray[np.float32]:
    """A Gaussian at every labelled joint.

    Args:
        joints: (people, joints, 2) pixel indices of the network's input.
        seen: (people, joints): which joints are labelled.
        size: Height and width of the maps in cells.
        stride: Pixels a cell.
        sigma: Of the Gaussian, in pixels.
        published: Which code base's rules.

    Returns:
        (joints + 1, height, width) in [0, 1]; the last map is the background, 1 - maximum.
    """
    height, width = size
    joints = joints.astype(np.float64)
    x, y = joints[..., 0, None], joints[..., 1, None]
    columns, rows = np.arange(width), np.arange(height)
    first = stride / 2 - 0.5
    across = (columns * stride + first - x)[..., None, :] ** 2
    down = (rows * stride + first - y)[..., :, None] ** 2
    exponent = (across + down) / (2 * sigma**2)
    drawn = (exponent <= _LARGEST_EXPONENT) & seen[..., None, None]
    if published == "lightweight":
        reach = _BOX_SIGMAS * sigma
        in_columns = _between(columns, *(np.trunc(x + r) // stride for r in (-reach, reach)))
        in_rows = _between(rows, *(np.trunc(y + r) // stride for r in (-reach, reach)))
        drawn &= in_rows[..., :, None] & in_columns[..., None, :]
    heat = np.minimum(np.where(drawn, np.exp(-exponent), 0).sum(axis=0), 1)
    return np.concatenate([heat, 1 - heat.max(axis=0, keepdims=True)]).astype(np.float32)


def draw_affinities(
    joints: NDArray[np.floating],
    seen: NDArray[np.bool_],
    limbs: NDArray[np.integer],
    size: tuple[int, int],
    stride: int = 8,
    limb_width: float = 1.0,
    published: Published = "v1",
) -> NDArray[np.float32]:
    """The unit vector of every limb, in the cells that lie on it.

    A cell lies on a limb when it is within `limb_width` of the limb's line and inside the box of
    its two joints, grown by `limb_width` and rounded (v1) or truncated (lightweight) to cells.

    Args:
        joints: (people, joints, 2) pixel indices of the network's input.
        seen: (people, joints): which joints are labelled.
        limbs: (limbs, 2): the joints that each limb goes from and to.
        size: Height and width of the maps in cells.
        stride: Pixels a cell.
        limb_width: In cells.
        published: Which code base's rules.

    Returns:
        (2 · limbs, height, width): x and y of each limb in turn.
    """
    height, width = size
    columns, rows = np.arange(width), np.arange(height)
    ends = joints.astype(np.float64)[:, limbs] / stride  # people, limbs, 2 ends, x and y
    start, vector = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]
    length = np.linalg.norm(vector, axis=-1)
    unit = vector / np.maximum(length, 1e-12)[..., None]
    low, high = ends.min(axis=2) - limb_width, ends.max(axis=2) + limb_width
    low, high = (np.rint(v) if published == "v1" else np.trunc(v) for v in (low, high))
    distance = np.abs(
        (columns - start[..., 0, None])[..., None, :] * unit[..., 1, None, None]
        - (rows - start[..., 1, None])[..., :, None] * unit[..., 0, None, None]
    )
    on_limb = distance < limb_width if published == "v1" else distance <= limb_width
    on_limb &= _between(columns, low[..., 0, None], high[..., 0, None])[..., None, :]
    on_limb &= _between(rows, low[..., 1, None], high[..., 1, None])[..., :, None]
    on_limb &= (seen[:, limbs].all(axis=-1) & (length > 1e-7))[..., None, None]

    fields = np.zeros((len(limbs), 2, height, width))
    if published == "v1":
        counts = on_limb.sum(axis=0)[:, None]
        for person, cells in enumerate(on_limb):
            fields += cells[:, None] * unit[person, :, :, None, None]
        fields /= np.maximum(counts, 1)
    else:
        for person, cells in enumerate(on_limb):
            fields = np.where(cells[:, None], unit[person, :, :, None, None], fields)
    return fields.reshape(2 * len(limbs), height, width).astype(np.float32)


def _between(
    cells: NDArray[np.integer], low: NDArray[np.floating], high: NDArray[np.floating]
) -> NDArray[np.bool_]:
    return (cells >= low) & (cells < high)
