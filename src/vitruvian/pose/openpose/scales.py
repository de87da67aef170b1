"""Joins the people that were found at several scales of one picture.

Each scale of the picture finds the people of some sizes well: averaging the maps, as the published
decoders do, weakens everyone that only one scale sees. Here every scale is grouped by itself, and
what stands at the same place is one person.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NEAR = 0.12  # two joints are one where they are nearer than this share of the larger person


def join_scales(joints: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """People of all scales → each person once.

    The fullest finding of a person stands (the greatest sum of joint scores); joints that it lacks
    are taken from the others where the two agree in at least four joints and in three of four that
    both have.

    Args:
        joints: (findings, 18, 3): x, y in picture pixels, score.
        scores: (findings,).

    Returns:
        Joints and scores of the people, the fullest first.
    """
    if len(joints) < 2:
        return joints, scores
    order = np.argsort(-joints[..., 2].sum(axis=1), kind="stable")
    joints, scores = joints[order].copy(), scores[order]
    near, common = agreement(joints)
    counts = (joints[..., 2] > 0).sum(axis=1)
    same = (near >= 0.5 * counts) | ((near >= 3) & (near >= 0.6 * common))
    kept: list[int] = []
    for finding in range(len(joints)):
        # Row by row: whether `finding` is the person of the fuller finding `other`.
        other = next((other for other in kept if same[other, finding]), None)
        if other is None:
            kept.append(finding)
        elif near[other, finding] >= max(4, 0.75 * common[other, finding]):
            lacks = (joints[other, :, 2] == 0) & (joints[finding, :, 2] > 0)
            joints[other, lacks] = joints[finding, lacks]
    return joints[kept], scores[kept]


def agreement(joints: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each pair of findings: joints that lie near each other, and joints that both have.

    Args:
        joints: (findings, 18, 3).

    Returns:
        Two (findings, findings) arrays of counts.
    """
    found = joints[..., 2] > 0
    lowest = np.where(found[..., None], joints[..., :2], np.inf).min(axis=1)
    highest = np.where(found[..., None], joints[..., :2], -np.inf).max(axis=1)
    size = np.maximum((highest - lowest).max(axis=1), 1)
    both = found[:, None] & found[None]
    distance = np.linalg.norm(joints[:, None, :, :2] - joints[None, :, :, :2], axis=-1)
    limit = NEAR * np.maximum(size[:, None], size[None])
    return (both & (distance < limit[..., None])).sum(axis=-1), both.sum(axis=-1)
