"""Top-1 and top-5."""

from __future__ import annotations

import numpy as np

from vitruvian.image.metrics import top_accuracy


def test_labels_among_the_best_are_counted():
    scores = np.array([[3, 2, 1], [1, 2, 3], [1, 3, 2], [3.0, 1, 2]])
    labels = np.array([0, 0, 2, 1])
    assert top_accuracy(scores, labels, (1, 2)) == {"top1": 25.0, "top2": 50.0}


def test_constant_and_non_finite_scores_get_nothing():
    labels = np.array([0, 1])
    assert top_accuracy(np.zeros((2, 10)), labels)["top1"] == 0
    scores = np.array([[np.nan, 0, 0], [0, np.inf, 0]])
    assert top_accuracy(scores, labels, (1,)) == {"top1": 0.0}


def test_a_k_that_says_nothing_is_left_out():
    assert set(top_accuracy(np.eye(4), np.arange(4))) == {"top1"}
    assert set(top_accuracy(np.eye(6), np.arange(6))) == {"top1", "top5"}


def test_agreement_with_torchmetrics():
    import torch
    from torchmetrics.functional.classification import multiclass_accuracy

    random = np.random.default_rng(0)
    scores, labels = random.standard_normal((200, 20)), random.integers(0, 20, 200)
    ours = top_accuracy(scores, labels)
    for k in (1, 5):
        theirs = multiclass_accuracy(
            torch.from_numpy(scores), torch.from_numpy(labels), 20, average="micro", top_k=k
        )
        assert abs(ours[f"top{k}"] - 100 * float(theirs)) < 1e-4
