"""Cell lists find whom comparing everyone with everyone finds."""

from __future__ import annotations

import pytest
import torch

from vitruvian.motion.neighbours import near_pairs, nearest


def crowd(people=300, scenes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    positions = 40 * torch.rand(people, 2, generator=generator) - 20
    return positions, torch.randint(0, scenes, (people,), generator=generator)


@pytest.mark.parametrize("radius", [0.5, 3.0, 100.0])
def test_pairs_are_those_within_the_radius(radius):
    positions, scene = crowd()
    person, other, squared = near_pairs(positions, scene, radius)
    found = torch.zeros(300, 300, dtype=torch.int64)
    found.index_put_((person, other), torch.ones_like(person), accumulate=True)
    expected = (torch.cdist(positions, positions) <= radius) & (scene[:, None] == scene)
    assert torch.equal(found, expected.long())
    assert squared == pytest.approx((positions[person] - positions[other]).square().sum(1))


def test_the_nearest_come_first_and_no_more_than_asked():
    positions, scene = crowd()
    rows, taken = nearest(positions, scene, 6.0, 5)
    apart = torch.cdist(positions, positions)
    apart[scene[:, None] != scene] = torch.inf
    for person in range(len(positions)):
        near = apart[person].argsort()[:5]
        near = near[apart[person][near] <= 6]
        assert rows[person][taken[person]].tolist() == near.tolist()
    assert torch.equal(rows[:, 0], torch.arange(300))


def test_two_at_one_place_and_far_away_people():
    positions = torch.tensor([[0.0, 0], [0, 0], [1e30, -1e30], [1e30, 1e30], [1e9, 0]])
    rows, taken = nearest(positions, torch.zeros(5, dtype=torch.long), 6.0, 3)
    assert rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert taken.sum(dim=1).tolist() == [2, 2, 1, 1, 1]


def test_nobody():
    rows, taken = nearest(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), 6.0, 3)
    assert rows.shape == taken.shape == (0, 1)
