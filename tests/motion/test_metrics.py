"""Every metric on an example worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.motion.metrics import (
    best_of_person,
    best_of_scene,
    collided,
    displacements,
    mean_scores,
    score_window,
    temporal_correlation,
)

# Two people walk along x for two steps; sample 0 is right for the first one and 2 m off for the
# second one, sample 1 is 1 m off for the first one and 0.5 m for the second one.
TRUTH = np.array([[[1.0, 0], [2, 0]], [[1.0, 5], [2, 5]]])
OFF = np.array([[0.0, 1.0], [2.0, 0.5]])
FUTURES = TRUTH[:, None] + np.stack([np.zeros_like(OFF), OFF], axis=-1)[:, :, None]


def test_displacements_are_distances():
    futures = np.array([[[[3.0, 4.0], [0, 1]]]])
    assert displacements(futures, np.zeros((1, 2, 2))).tolist() == [[[5.0, 1.0]]]


def test_the_best_sample_of_a_scene_and_of_each_person():
    errors = displacements(FUTURES, TRUTH).mean(axis=-1)
    assert errors.tolist() == OFF.tolist()
    assert best_of_scene(errors) == 1.5  # sample 1: 1 + 0.5; sample 0: 0 + 2
    assert best_of_person(errors) == 0.5  # sample 0 for the first, sample 1 for the second


def test_scores_of_windows_are_means_over_people():
    alone = TRUTH[:1], FUTURES[:1, 1:]  # one more window: one person, 1 m off
    found = mean_scores([score_window(FUTURES, TRUTH), score_window(alone[1], alone[0])])
    assert found["ade_scene"] == pytest.approx((1.5 + 1) / 3)
    assert found["fde_scene"] == pytest.approx((1.5 + 1) / 3)
    assert found["ade_person"] == pytest.approx((0.5 + 1) / 3)
    assert found["fde_person"] == pytest.approx((0.5 + 1) / 3)
    assert found["ade_1"] == found["fde_1"] == pytest.approx((0 + 2 + 1) / 3)
    assert found["tcc"] == pytest.approx(0.5)  # x fully correlated; y stands still and counts 0
    assert found["collisions"] == 0
    assert found["misses"] == 0


def test_the_minimum_of_ade_and_of_fde_may_be_of_two_samples():
    truth = np.zeros((1, 2, 2))
    futures = np.array([[[[0, 0], [3.0, 0]], [[5.0, 0], [1, 0]]]])
    found = score_window(futures, truth)
    assert (found["ade_scene"], found["fde_scene"]) == (1.5, 1.0)


def test_coherence_is_of_the_sample_with_the_best_end():
    steps = np.arange(4.0)
    truth = np.stack([steps, -steps], axis=-1)[None]
    opposite = np.stack([-steps, -steps], axis=-1) + np.array([3.0, 0])  # ends at (0, -3): 3 m off
    along = np.stack([2 * steps, -steps], axis=-1)  # ends at (6, -3): 3 m off, not better
    near = np.stack([steps, steps], axis=-1) - [0, 5]  # ends at (3, -2): 1 m off
    futures = np.stack([opposite, along, near])[None]
    assert temporal_correlation(futures, truth) == pytest.approx([0.0])  # (1 - 1) / 2
    assert temporal_correlation(futures[:, 1:2], truth) == pytest.approx([1.0])
    assert temporal_correlation(futures[:, :1], truth) == pytest.approx([0.0])


def test_two_who_meet_between_two_steps_collide_and_the_third_does_not():
    steps = np.arange(3.0)
    right = np.stack([steps, np.zeros(3)], axis=-1)
    left = np.stack([2.5 - steps, np.zeros(3)], axis=-1)  # they pass each other at 1.25
    aside = right + np.array([0, 0.3])
    futures = np.stack([right, left, aside])[:, None]
    assert collided(futures).tolist() == [[True], [True], [False]]
    assert collided(futures, 0.35).all()
    assert not collided(futures[:1]).any()
    apart = np.concatenate([futures, futures + np.arange(3.0).reshape(3, 1, 1, 1)], axis=1)
    assert collided(apart)[:, 1].tolist() == [False] * 3  # samples do not see each other


def test_a_person_without_a_sample_near_the_end_is_missed():
    truth = np.zeros((2, 1, 2))
    futures = np.array([[[[2.5, 0.0]], [[1.9, 0]]], [[[2.5, 0]], [[2.1, 0]]]])
    assert mean_scores([score_window(futures, truth)])["misses"] == 50
    in_pixels = score_window(10 * futures, truth, metre=10)
    assert mean_scores([in_pixels])["misses"] == 50
    assert mean_scores([score_window(10 * futures, truth)])["misses"] == 100


def test_a_collision_is_measured_in_metres():
    steps = np.arange(3.0)
    path = np.stack([steps, np.zeros(3)], axis=-1)
    futures = 10 * np.stack([path, path + np.array([0, 0.15])])[:, None]
    truth = futures[:, 0]
    assert mean_scores([score_window(futures, truth, metre=10)])["collisions"] == 100
    assert mean_scores([score_window(futures, truth)])["collisions"] == 0
