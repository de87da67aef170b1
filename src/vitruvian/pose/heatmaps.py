"""Heat maps of the top-down systems as arrays: targets, and reading joints. Needs no PyTorch.

`gaussian_targets`, `find_maxima` and the three refinements work on *indices* of the map (centre of
the top-left pixel at (0, 0)), as the released code does. `encode_joints` and `decode_joints` take
and give *house* coordinates of the network's input (that pixel at (0.5, 0.5)), and are each
other's inverse.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitruvian.core.errors import UnknownNameError

Floats = NDArray[np.floating[Any]]
TargetKind = Literal["biased", "unbiased", "udp", "cell", "crowd"]
Decoder = Literal["argmax", "quarter", "dark", "udp", "cell"]
SHIFTED: tuple[Decoder, ...] = ("argmax", "quarter", "dark")
"""Decoders of maps whose index 0 is the input's index 0: mirrored maps are one pixel off."""

SMALL = np.finfo(np.float32).eps  # looked up once: it takes as long as a refinement


def gaussian_targets(
    joints: ArrayLike,
    visible: ArrayLike,
    map_size: tuple[int, int],
    sigma: float,
    kind: TargetKind = "biased",
    joint_weights: ArrayLike | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One Gaussian of height 1 a joint.

    Args:
        joints: (..., joints, 2): indices in the map.
        visible: (..., joints): weight of each joint; one of 0.5 or less gets an empty map.
        map_size: (width, height).
        sigma: Deviation in pixels of the map: 2 for 48×64, 3 for 72×96.
        kind: "biased" centres it on the nearest pixel and cuts it at three deviations (Simple
            Baselines); "unbiased" does neither (DARK, arXiv 1910.06278, section 3.2); "udp" only
            cuts it. "cell" drops the fraction instead of rounding (stacked hourglass); "crowd"
            does so, too, cuts one pixel later, and leaves out joints outside of the map
            (associative embedding).
        joint_weights: (joints,): factors on the weights, where the joints differ.

    Returns:
        Maps (..., joints, height, width), and weights (..., joints): `visible`, but 0 where the
        whole patch lies outside the map.

    Raises:
        UnknownNameError: there is no such kind.
    """
    if kind not in get_args(TargetKind):
        raise UnknownNameError("kind of target", kind, get_args(TargetKind))
    joints = np.asarray(joints, dtype=np.float64)
    weights = np.array(visible, dtype=np.float32)
    radius = 3 * sigma + (kind == "crowd")
    if kind == "unbiased":
        start, end, middle = joints - radius, joints + radius + 1, joints
    else:
        # "cell" cuts the fraction off the patch's corners, which differs beyond the border.
        nearest = joints if kind == "cell" else np.trunc(joints + 0.5 * (kind != "crowd"))
        start, end = np.trunc(nearest - radius), np.trunc(nearest + radius + 1)
        middle = nearest if kind == "crowd" else start + (2 * radius + 1) // 2
        if kind == "udp":
            middle = middle + joints - nearest
    if kind == "crowd":
        outside = ((nearest < 0) | (nearest >= map_size)).any(axis=-1)
    else:
        outside = ((start >= map_size) | (end < 0)).any(axis=-1)
    weights[outside] = 0
    profiles = []
    for axis, length in enumerate(map_size):
        places = np.arange(length)
        distance = places - middle[..., axis, None]
        profile = np.exp(-(distance**2) / (2 * sigma**2))
        if kind != "unbiased":
            reach = (places >= start[..., axis, None]) & (places < end[..., axis, None])
            profile = profile * reach
        profiles.append(profile * (weights > 0.5)[..., None])
    maps = profiles[1][..., :, None] * profiles[0][..., None, :]
    if joint_weights is not None:
        weights = weights * np.asarray(joint_weights, dtype=np.float32)
    return maps.astype(np.float32), weights


def find_maxima(heatmaps: Floats, missing: float = 0.0) -> tuple[Floats, Floats]:
    """Where each map is highest.

    Args:
        heatmaps: (..., joints, height, width).
        missing: Both coordinates of a joint whose map is nowhere positive.

    Returns:
        Indices (..., joints, 2) as floats, and the maxima (..., joints), negative ones too.
    """
    height, width = heatmaps.shape[-2:]
    flat = np.ascontiguousarray(heatmaps).reshape(*heatmaps.shape[:-2], height * width)
    place = flat.argmax(axis=-1)
    score = np.take_along_axis(flat, place[..., None], axis=-1)[..., 0]
    points = np.stack([place % width, place // width], axis=-1).astype(np.float32)
    points[score <= 0] = missing
    return points, score


def refine_quarter(
    points: Floats, heatmaps: Floats, *, each_axis: bool = False, border: int = 1
) -> Floats:
    """A quarter pixel towards the higher neighbour, along both axes.

    Args:
        points: (..., joints, 2): where the maps are highest.
        heatmaps: (..., joints, height, width).
        each_axis: False: a joint moves only where both 1 < x < width - 1 and 1 < y < height - 1
            (Simple Baselines, HRNet). True: each axis by its own bound (mmpose).
        border: The last row and column on which joints stay, in place of 1; the stacked hourglass
            has 0.

    Returns:
        (..., joints, 2).
    """
    maps, x, y = _flat(points, heatmaps)
    height, width = maps.shape[1:]
    n = np.arange(len(maps))
    left, right = np.clip(x - 1, 0, None), np.clip(x + 1, None, width - 1)
    above, below = np.clip(y - 1, 0, None), np.clip(y + 1, None, height - 1)
    rows, columns = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    move = np.stack(
        [
            np.sign(maps[n, rows, right] - maps[n, rows, left]),
            np.sign(maps[n, below, columns] - maps[n, above, columns]),
        ],
        axis=-1,
    )
    inside = np.stack([(x > border) & (x < width - 1), (y > border) & (y < height - 1)], axis=-1)
    if each_axis:
        inside &= np.stack([(y > 0) & (y < height), (x > 0) & (x < width)], axis=-1)
    else:
        inside &= inside[:, ::-1]
    return points + (0.25 * move * inside).reshape(points.shape).astype(points.dtype)


def refine_dark(points: Floats, heatmaps: Floats, kernel: int = 11) -> Floats:
    """One Newton step on the log of the blurred map (DARK, arXiv 1910.06278, eq. 7 to 9).

    Args:
        points: (..., joints, 2): where the maps are highest.
        heatmaps: (..., joints, height, width).
        kernel: Width of the blur: 11 for a target of σ 2, 17 for σ 3.

    Returns:
        (..., joints, 2); joints within two pixels of the border stay.
    """
    maps, x, y = _flat(points, heatmaps)
    height, width = maps.shape[1:]
    result = points.reshape(-1, 2).copy()
    inner = np.flatnonzero((x > 1) & (x < width - 2) & (y > 1) & (y < height - 2))
    f = _log_blurred(maps[inner], x[inner], y[inner], 2, kernel, (1e-10, np.inf))
    gradient = 0.5 * np.stack([f[:, 2, 3] - f[:, 2, 1], f[:, 3, 2] - f[:, 1, 2]], axis=-1)
    dxx = 0.25 * (f[:, 2, 4] - 2 * f[:, 2, 2] + f[:, 2, 0])
    dyy = 0.25 * (f[:, 4, 2] - 2 * f[:, 2, 2] + f[:, 0, 2])
    dxy = 0.25 * (f[:, 3, 3] - f[:, 1, 3] - f[:, 3, 1] + f[:, 1, 1])
    regular = dxx * dyy - dxy**2 != 0
    step = _newton_step(gradient[regular], dxx[regular], dyy[regular], dxy[regular])
    result[inner[regular]] += step.astype(result.dtype)
    return result.reshape(points.shape)


def refine_udp(points: Floats, heatmaps: Floats, kernel: int = 11) -> Floats:
    """DARK as UDP does it (arXiv 1911.07524): to the border, and by differences of one pixel.

    Args:
        points: (..., joints, 2): where the maps are highest.
        heatmaps: (..., joints, height, width).
        kernel: Width of the blur: 11 for a target of σ 2, 17 for σ 3.

    Returns:
        (..., joints, 2).
    """
    maps, x, y = _flat(points, heatmaps)
    f = _log_blurred(maps, x, y, 1, kernel, (1e-3, 50.0))
    gradient = 0.5 * np.stack([f[:, 1, 2] - f[:, 1, 0], f[:, 2, 1] - f[:, 0, 1]], axis=-1)
    dxx = f[:, 1, 2] - 2 * f[:, 1, 1] + f[:, 1, 0] + SMALL
    dyy = f[:, 2, 1] - 2 * f[:, 1, 1] + f[:, 0, 1] + SMALL
    dxy = 0.5 * (
        f[:, 2, 2] - f[:, 1, 2] - f[:, 2, 1] + 2 * f[:, 1, 1] - f[:, 1, 0] - f[:, 0, 1] + f[:, 0, 0]
    )
    step = _newton_step(gradient, dxx, dyy, dxy)
    return points + step.reshape(points.shape).astype(points.dtype)


def encode_joints(
    joints: ArrayLike,
    visible: ArrayLike,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
    *,
    sigma: float = 2.0,
    kind: TargetKind = "biased",
    joint_weights: ArrayLike | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`gaussian_targets` of joints in house coordinates of the network's input.

    Args:
        joints: (..., joints, 2) in pixels of the input.
        visible: (..., joints): 1 for a labelled joint, 0 for another.
        input_size: (width, height) of the input.
        map_size: (width, height) of the maps.
        sigma: In pixels of the map.
        kind: "biased" and "unbiased" divide indices by input / map; "udp" by (input - 1) /
            (map - 1); "cell" and "crowd" take the pixel of the map that a joint is in.
        joint_weights: (joints,) factors on the weights.

    Returns:
        Maps (..., joints, height, width) and weights (..., joints).
    """
    stride = _stride(input_size, map_size, udp=kind == "udp")
    joints = np.asarray(joints, dtype=np.float64)
    indices = np.trunc(joints / stride) if kind in ("cell", "crowd") else (joints - 0.5) / stride
    return gaussian_targets(indices, visible, map_size, sigma, kind, joint_weights)


def decode_joints(
    heatmaps: Floats,
    input_size: tuple[int, int],
    *,
    decoder: Decoder = "quarter",
    kernel: int = 11,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Joints in house coordinates of the network's input.

    A refinement moves a joint by at most one pixel of the map: a Newton step on a map that is all
    noise would go anywhere.

    Args:
        heatmaps: (..., joints, height, width).
        input_size: (width, height) of the input.
        decoder: "argmax"; "quarter" (the tables of Simple Baselines); "dark"; "udp" for a network
            trained with UDP crops and targets; "cell" for one trained with targets of that kind: a
            quarter, and the middle of the map's pixel is the middle of what it covers.
        kernel: Blur of "dark" and "udp": 11 for σ 2, 17 for σ 3.

    Returns:
        Joints (..., joints, 2) and scores (..., joints): the maxima of the maps.

    Raises:
        UnknownNameError: there is no such decoder.
    """
    if decoder not in get_args(Decoder):
        raise UnknownNameError("decoder", decoder, get_args(Decoder))
    heatmaps = np.asarray(heatmaps, dtype=np.float32)
    points, scores = find_maxima(heatmaps)
    if decoder in ("quarter", "cell"):
        points = refine_quarter(points, heatmaps, border=int(decoder == "quarter"))
    elif decoder != "argmax":
        finer = refine_dark if decoder == "dark" else refine_udp
        points = points + np.clip(finer(points, heatmaps, kernel) - points, -1, 1)
    height, width = heatmaps.shape[-2:]
    stride = _stride(input_size, (width, height), udp=decoder == "udp")
    if decoder == "cell":
        return ((points + 0.5) * stride).astype(np.float32), scores
    return (points * stride + 0.5).astype(np.float32), scores


def _stride(input_size: tuple[int, int], map_size: tuple[int, int], *, udp: bool) -> Floats:
    less = int(udp)
    return (np.asarray(input_size, dtype=np.float64) - less) / (np.asarray(map_size) - less)


def _flat(points: Floats, heatmaps: Floats) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    maps = heatmaps.reshape(-1, *heatmaps.shape[-2:])
    x, y = points.reshape(-1, 2).astype(np.intp).T
    return maps, x, y


def _log_blurred(
    maps: Floats,
    x: NDArray[np.intp],
    y: NDArray[np.intp],
    reach: int,
    kernel: int,
    limits: tuple[float, float],
) -> Floats:
    """Log of the blurred maps around (x, y): (maps, 2 reach + 1, 2 reach + 1).

    The released code blurs whole maps and scales each to its old maximum. The step of a Newton
    iteration does not see that factor unless a value meets a limit, so only the neighbourhood is
    blurred, and the factor found for those maps alone.
    """
    height, width = maps.shape[1:]
    around = np.arange(-reach, reach + 1)
    rows, columns = (np.clip(v[:, None] + around, 0, n - 1) for v, n in ((y, height), (x, width)))
    taps = cv2.getGaussianKernel(kernel, 0)[:, 0]
    radius = kernel // 2
    wide = np.arange(-reach - radius, reach + radius + 1)
    sources = []
    for center, near, length in ((y, rows, height), (x, columns, width)):
        place = center[:, None] + wide
        offset = place[:, None, :] - near[:, :, None] + radius  # (maps, near, wide)
        known = (offset >= 0) & (offset < kernel) & ((place >= 0) & (place < length))[:, None, :]
        sources.append(
            (np.clip(place, 0, length - 1), taps[np.clip(offset, 0, kernel - 1)] * known)
        )
    (source_rows, down), (source_columns, across) = sources
    n = np.arange(len(maps))[:, None, None]
    patch = maps[n, source_rows[:, :, None], source_columns[:, None, :]]
    blurred = down @ patch @ across.transpose(0, 2, 1)
    low, high = limits
    beyond = (blurred.min(axis=(1, 2)) <= low) | (blurred.max(axis=(1, 2)) > high)
    for number in np.flatnonzero(beyond).tolist():
        bordered = np.pad(maps[number].astype(np.float64), radius)
        whole = cv2.GaussianBlur(bordered, (kernel, kernel), 0)
        blurred[number] *= maps[number].max() / whole[radius:-radius, radius:-radius].max()
    return np.log(np.clip(blurred, low, high))


def _newton_step(gradient: Floats, dxx: Floats, dyy: Floats, dxy: Floats) -> Floats:
    determinant = dxx * dyy - dxy**2
    x = dyy * gradient[:, 0] - dxy * gradient[:, 1]
    y = dxx * gradient[:, 1] - dxy * gradient[:, 0]
    return -np.stack([x, y], axis=-1) / determinant[:, None]
