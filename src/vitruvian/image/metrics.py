"""Scores of classification."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def top_accuracy(
    scores: NDArray[np.floating], labels: NDArray[np.integer], ks: Sequence[int] = (1, 5)
) -> dict[str, float]:
    """How many labels are among the k best scored classes, in per cent, as `top1`, `top5`.

    A label counts as being behind every class that has its score: a network that says the same of
    all classes gets nothing. A picture with a score that is not finite counts as wrong.

    Args:
        scores: (pictures, classes).
        labels: (pictures,).
        ks: Which k; one that is not under the number of classes is left out, but for the first.
    """
    finite = np.isfinite(scores).all(axis=1)
    of_label = np.take_along_axis(scores, labels[:, None], axis=1)
    with np.errstate(invalid="ignore"):
        rank = (scores >= of_label).sum(axis=1) - 1
    kept = [k for k in ks if k == ks[0] or k < scores.shape[1]]
    return {f"top{k}": float(100 * (finite & (rank < k)).mean()) for k in kept}
