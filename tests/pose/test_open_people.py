"""The people that shipped networks learn from: photos without people, settings, resumed shards."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from vitruvian.pose.datasets.packed import PackedPeople, pack_people
from vitruvian.world.landmarks import load_landmarks


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return importlib.import_module("open_people")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def test_people_are_covered_by_what_is_beside_them(script):
    photo = np.tile(np.arange(80, dtype=np.uint8)[None, :, None], (60, 1, 3))
    person = np.zeros((60, 80), dtype=bool)
    person[20:40, 30:50] = True
    photo[person] = 255
    cleared = script.without_people(photo, person)
    assert cleared.max() < 80
    assert (cleared[:10] == photo[:10]).all()
    assert (cleared[30, :26] == photo[30, :26]).all()
    # Mirrored at the hole's border, from the nearer side.
    assert cleared[30, 28, 0] == 22
    assert cleared[30, 52, 0] == 56
    wide = np.ones((60, 80), dtype=bool)
    assert (script.without_people(photo, wide) == photo).all()


def test_a_shard_is_made_once_and_read_back(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "SHARD", 3)
    target = tmp_path / "any-001.npz"
    script.render_shard((target, 1, None))
    made = target.stat().st_mtime_ns
    script.render_shard((target, 1, None))
    assert target.stat().st_mtime_ns == made
    people = list(script.read_shard(target, ("any",)))
    assert {one.source for one in people} == {"any"}
    names = load_landmarks().names
    assert people[0].joints.shape == (len(names), 3)
    pack_people(tmp_path / "packed", names, people * 30)
    packed = PackedPeople("train", tmp_path / "packed")
    assert packed.picture(0).shape == (256, 192, 3)
    assert packed[0].labelled.sum() > 5
