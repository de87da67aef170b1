"""Scores of sampled futures: displacement at two levels, coherence, collisions, misses.

"Best of K" has two conventions that cannot be compared. At *scene level* (Social GAN) the errors of
all people of a window are summed before the best sample is taken: one sample must be right for
everyone. At *person level* (Social-STGCNN) each person has a best sample alone, which gives lower
numbers. In both the minimum is taken for ADE and FDE separately, and means are over people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

COLLISION = 0.2
"""Two people nearer than this have collided, in metres (NPSN)."""

BETWEEN = 4
"""Parts of a step that collisions are looked for at (NPSN)."""

MISS = 2.0
"""A best final error above this is a miss, in metres (Argoverse)."""


def displacements(futures: Floats, truth: Floats) -> Floats:
    """(people, samples, steps): distance between prediction and truth.

    Args:
        futures: (people, samples, steps, 2).
        truth: (people, steps, 2).
    """
    return np.linalg.norm(futures - truth[:, None], axis=-1)


def best_of_scene(errors: Floats) -> float:
    """Sum over the people of a window for the sample that is best for all of them together.

    Args:
        errors: (people, samples), of one window.
    """
    return float(errors.sum(axis=0).min())


def best_of_person(errors: Floats) -> float:
    """Sum over people, each with their own best sample.

    Args:
        errors: (people, samples).
    """
    return float(errors.min(axis=1).sum())


def temporal_correlation(futures: Floats, truth: Floats) -> Floats:
    """(people,): TCC in [-1, 1] of the sample with the best final error (section 5 of DSCMP).

    The mean of Pearson's correlation over the steps in x and in y. Where prediction or truth
    stands still a correlation is 0, as in NPSN's code.

    Args:
        futures: (people, samples, steps, 2).
        truth: (people, steps, 2).
    """
    best = displacements(futures, truth)[..., -1].argmin(axis=1)
    chosen = futures[np.arange(len(futures)), best].astype(np.float64)
    true = truth.astype(np.float64)
    chosen = chosen - chosen.mean(axis=1, keepdims=True)
    true = true - true.mean(axis=1, keepdims=True)
    covariance = (chosen * true).sum(axis=1)
    size = np.sqrt((chosen**2).sum(axis=1) * (true**2).sum(axis=1))
    still = size < 1e-9
    correlation = np.where(still, 0, covariance / np.where(still, 1, size))
    return correlation.clip(-1, 1).mean(axis=1)


def collided(futures: Floats, distance: float = COLLISION) -> NDArray[np.bool_]:
    """(people, samples): whether a person comes too near to another one in a sample.

    Args:
        futures: (people, samples, steps, 2), of one window; positions on a common ground.
        distance: In the positions' unit.
    """
    people, samples, steps, _ = futures.shape
    found = np.zeros((people, samples), dtype=bool)
    parts = np.arange(BETWEEN) / BETWEEN
    moves = np.diff(futures, axis=2)[:, :, :, None]
    paths = futures[:, :, :-1, None] + moves * parts[:, None]
    paths = np.concatenate(
        [paths.reshape(people, samples, (steps - 1) * BETWEEN, 2), futures[:, :, -1:]], axis=2
    )
    longest = np.linalg.norm(moves, axis=-1).max(axis=(1, 2, 3), initial=0)
    for one in range(people - 1):
        others = np.arange(one + 1, people)
        apart = np.square(futures[others] - futures[one]).sum(axis=-1).min(axis=(1, 2))
        others = others[np.sqrt(apart) < distance + longest[one] + longest[others]]
        near = np.square(paths[others] - paths[one]).sum(axis=-1) < distance**2
        met = near.any(axis=-1)
        found[one] |= met.any(axis=0)
        found[others] |= met
    return found


def score_window(
    futures: Floats, truth: Floats, *, collisions: bool = True, metre: float = 1.0
) -> dict[str, float]:
    """Sums over the people of one window; `mean_scores` divides them.

    Args:
        futures: (people, samples, steps, 2), the first sample being the one reported as K = 1.
        truth: (people, steps, 2).
        collisions: Whether these are counted, too; they take longer than all else.
        metre: In the positions' unit.
    """
    errors = displacements(futures, truth)
    ade, fde = errors.mean(axis=-1), errors[..., -1]
    scores = {
        "ade_scene": best_of_scene(ade),
        "fde_scene": best_of_scene(fde),
        "ade_person": best_of_person(ade),
        "fde_person": best_of_person(fde),
        "ade_1": float(ade[:, 0].sum()),
        "fde_1": float(fde[:, 0].sum()),
        "tcc": float(temporal_correlation(futures, truth).sum()),
        "misses": 100 * float((fde.min(axis=1) > MISS * metre).sum()),
        "people": float(len(truth)),
    }
    if collisions:
        scores["collisions"] = 100 * float(collided(futures, COLLISION * metre).mean(axis=1).sum())
    return scores


def mean_scores(windows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Means over all people of all windows.

    Args:
        windows: What `score_window` gave; at least one.

    Returns:
        `ade_scene`, `fde_scene`, `ade_person`, `fde_person`, `ade_1`, `fde_1` in the tracks' unit,
        `tcc` in [-1, 1], `misses` and `collisions` in per cent.
    """
    total: dict[str, float] = {}
    for window in windows:
        for name, value in window.items():
            total[name] = total.get(name, 0.0) + value
    people = total.pop("people")
    return {name: value / people for name, value in total.items()}
