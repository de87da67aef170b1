"""Crowds on the ground."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.core.errors import InputError
from vitruvian.world.crowds import RADIUS, RATE, draw_crowd, simulate_crowd
from vitruvian.world.squares import MAP_LABELS


@pytest.fixture(scope="module")
def crowds():
    return [simulate_crowd(0, index, people=(20, 40), seconds=40) for index in range(5)]


def pixels(crowd):
    """Rows and columns of the map under everyone, at every moment."""
    points = crowd.positions[np.isfinite(crowd.positions[..., 0])]
    columns, rows = (points / crowd.square.metres_per_pixel).astype(int).T
    height, width = crowd.square.labels.shape
    assert (points > -0.5).all()
    return rows.clip(0, height - 1), columns.clip(0, width - 1)


def test_nobody_walks_through_walls_or_others(crowds):
    for crowd in crowds:
        under = crowd.square.labels[pixels(crowd)]
        assert (under != MAP_LABELS.index("obstacle")).all()
        for places in crowd.positions:
            here = places[np.isfinite(places[:, 0])]
            apart = np.linalg.norm(here[:, None] - here, axis=-1)
            apart[np.diag_indices(len(here))] = np.inf
            assert len(here) < 2 or apart.min() > 2 * RADIUS - 0.03


def test_people_walk_as_fast_as_people(crowds):
    steps = np.concatenate(
        [np.linalg.norm(np.diff(crowd.positions, axis=0), axis=-1).ravel() for crowd in crowds]
    )
    speeds = steps[np.isfinite(steps)] * RATE
    assert 1.05 < speeds.mean() < 1.45
    assert speeds.max() < 3.2
    assert np.percentile(speeds, 10) > 0.5


def test_people_come_and_go_once_through_entrances(crowds):
    came = gone = inside = 0
    for crowd in crowds:
        here = np.isfinite(crowd.positions[..., 0])
        # Nobody comes back.
        assert (np.abs(np.diff(here.astype(int), axis=0)).sum(axis=0) <= 2).all()
        ends = crowd.square.entrances
        for person in range(here.shape[1]):
            frames = np.flatnonzero(here[:, person])
            inside += 1
            for frame, edge in ((frames[0], 0), (frames[-1], len(here) - 1)):
                if frame == edge:
                    continue
                came += edge == 0
                gone += edge > 0
                place = crowd.positions[frame, person]
                low, high = ends.min(axis=1) - 1.6, ends.max(axis=1) + 1.6
                assert ((place > low) & (place < high)).all(axis=1).any()
    assert came > 0.4 * inside
    assert gone > 0.4 * inside


def test_groups_walk_together(crowds):
    near = []
    for crowd in crowds:
        for group in np.unique(crowd.groups):
            members = np.flatnonzero(crowd.groups == group)
            if len(members) == 2:
                gap = crowd.positions[:, members[0]] - crowd.positions[:, members[1]]
                near.append(_median(gap))
    assert np.median([value for value in near if np.isfinite(value)]) < 2.0


def _median(gap):
    distance = np.linalg.norm(gap, axis=1)
    distance = distance[np.isfinite(distance)]
    return np.median(distance) if len(distance) else np.nan


def test_a_crowd_is_a_function_of_seed_and_index(crowds):
    again = simulate_crowd(0, 3, people=(20, 40), seconds=40)
    np.testing.assert_array_equal(again.positions, crowds[3].positions)
    np.testing.assert_array_equal(again.square.labels, crowds[3].square.labels)
    other = simulate_crowd(1, 3, people=(20, 40), seconds=40)
    assert (
        other.positions.shape != again.positions.shape
        or (np.nan_to_num(other.positions) != np.nan_to_num(again.positions)).any()
    )


def test_rows_are_what_the_eth_and_ucy_files_hold(crowds):
    rows = crowds[0].rows()
    frames, people = rows[:, 0], rows[:, 1]
    assert (np.diff(frames) >= 0).all()
    assert set(np.unique(frames % 10)) == {0}
    assert people.min() == 1
    assert len(rows) == np.isfinite(crowds[0].positions[..., 0]).sum()
    assert len(np.unique(rows[:, :2], axis=0)) == len(rows)


def test_the_map_and_its_homography_agree(crowds):
    square = crowds[0].square
    height, width = square.labels.shape
    corner = square.homography @ [width, height, 1]
    assert corner[:2] / corner[2] == pytest.approx(square.size)
    assert {0, 2} <= set(np.unique(square.labels))


def test_tracks_are_drawn_over_the_map(crowds):
    picture = draw_crowd(crowds[0], width=300)
    assert picture.shape[1] == 300
    assert picture.dtype == np.uint8
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("people", [(0, 3), (5, 4), (1, 500)])
def test_impossible_crowds_are_refused(people):
    with pytest.raises(InputError, match="people"):
        simulate_crowd(0, 0, people=people)
