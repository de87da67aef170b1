"""The own assignment equals SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.optimize import linear_sum_assignment

from vitruvian.core.assignment import best_assignment, munkres_assignment


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.floats(0, 1))
)
def test_the_assignment_is_the_best_one(gains: np.ndarray) -> None:
    columns = best_assignment(gains.tolist())
    used = [column for column in columns if column >= 0]
    assert len(used) == len(set(used)) == min(gains.shape)
    total = sum(gains[row, column] for row, column in enumerate(columns) if column >= 0)
    assert total == pytest.approx(gains[linear_sum_assignment(-gains)].sum(), abs=1e-9)


def test_empty_tables() -> None:
    assert best_assignment([]) == []
    assert best_assignment([[], []]) == [-1, -1]


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.floats(0, 1))
)
def test_the_published_search_is_as_good(costs: np.ndarray) -> None:
    columns = munkres_assignment(costs)
    used = [column for column in columns if column >= 0]
    assert len(used) == len(set(used)) == min(costs.shape)
    total = sum(costs[row, column] for row, column in enumerate(columns) if column >= 0)
    assert total == pytest.approx(costs[linear_sum_assignment(costs)].sum(), abs=1e-9)


def test_ties_fall_as_in_the_package_munkres() -> None:
    costs = np.array([[1, 1, 1, 1], [0, 2, 2, 2], [2, 0, 0, 1]])
    assert munkres_assignment(costs) == [3, 0, 1]  # munkres 1.1.4
    costs = np.array([[0, 1, 1, 0, 1], [0, 1, 0, 0, 1], [0, 1, 0, 1, 1], [0, 1, 1, 0, 0]])
    assert munkres_assignment(costs) == [3, 2, 0, 4]  # SciPy's is as good: [0, 3, 2, 4]
