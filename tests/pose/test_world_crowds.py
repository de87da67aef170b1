"""Rendered crowds: what is in them, and that they are scored as whole pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.pose.crowd_data import CrowdData, region
from vitruvian.pose.datasets.world_crowds import LEAST, PEOPLE, SIZE, RenderedCrowds, render_crowds

pytest.importorskip("warp", reason="rendering needs the extra `world`")

COUNTS = {"train": 3, "validation": 2, "test": 4}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("crowds")


def test_splits_are_worlds_of_their_own(root):
    pictures = []
    for split, count in COUNTS.items():
        people = RenderedCrowds(split, root, count=count)
        assert people.verify() == len(people)
        assert len(people.images) == count
        assert len(people.entries) <= count * PEOPLE[1]
        assert people.picture(0).shape == (*SIZE[::-1], 3)
        pictures.append(people.picture(0))
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_they_are_rendered_once(root, monkeypatch):
    folder = render_crowds("train", 3, root)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.jpg")}

    def refuse(*_args, **_options):
        raise AssertionError

    monkeypatch.setattr("vitruvian.world.make._render", refuse)
    RenderedCrowds("train", root, count=3)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*.jpg")} == before


def test_who_is_hardly_seen_is_a_crowd(root):
    people = RenderedCrowds("test", root, count=4)
    small = [entry for entry in people.entries if entry["area"] < LEAST]
    assert all(entry["iscrowd"] == (entry in small) for entry in people.entries)
    labelled = {person.facts["annotation"] for person in people.people}
    assert labelled.isdisjoint(entry["id"] for entry in small)
    for entry in people.entries:
        mask = region(entry["segmentation"], SIZE[::-1])
        assert mask.sum() == entry["area"]
        x, y, width, height = entry["bbox"]
        rows, columns = np.nonzero(mask)
        assert [columns.min(), rows.min()] == pytest.approx([x, y], abs=1)
        assert [np.ptp(columns), np.ptp(rows)] == pytest.approx([width - 1, height - 1], abs=1)


def test_the_truth_scores_best_and_nobody_worst(root):
    data = CrowdData("world_crowds", root=str(root), counts=COUNTS, test_split="test", size=64)
    pictures = data.pictures("test")
    truth, nobody = {}, {}
    for place, (_, group) in enumerate(pictures.groups):
        joints = np.stack([pictures.people[person].joints for person in group])
        truth[place] = joints, np.ones(len(joints), dtype=np.float32)
        nobody[place] = joints[:0], np.ones(0, dtype=np.float32)
    assert pictures.evaluate(truth)["ap"] == pytest.approx(100)
    assert pictures.evaluate(nobody)["ap"] == 0


def test_wrong_orders(root, tmp_path):
    with pytest.raises(UnknownNameError, match="train"):
        RenderedCrowds("trian", root)
    with pytest.raises(InputError, match="1 or more"):
        RenderedCrowds("train", root, count=0)
    with pytest.raises(InputError, match=r"data\.root"):
        RenderedCrowds("train", tmp_path / "nowhere", count=1)
    with pytest.raises(InputError, match=r"leave data\.counts out for coco"):
        CrowdData("coco", counts={"train": 3})
    file = render_crowds("train", 3, root) / "world.json"
    other = json.loads(file.read_text()) | {"seed": 5}
    file.write_text(json.dumps(other))
    with pytest.raises(InputError, match="seed: 5 there, 101 asked"):
        RenderedCrowds("train", root, count=3)
