"""What face detectors are scored on."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.core.records import Face
from vitruvian.face import world


class Stub:
    """Finds the faces that it was told, moved by some pixels."""

    def __init__(self, shift):
        self.shift = shift
        self.truths = []

    def detect(self, images):
        boxes = self.truths.pop(0) + self.shift
        return [[Face(box, 1.0, np.zeros((5, 2), dtype=np.float32)) for box in boxes]]


@pytest.mark.parametrize(("shift", "recall"), [(0, 1.0), (4, 0.5), (500, 0.0)])
def test_recall_counts_the_faces_that_are_covered(monkeypatch, shift, recall):
    truths = [np.array([[0, 0, 30, 30.0], [100, 100, 110, 110.0]]), np.zeros((0, 4))]
    stub = Stub(shift)
    stub.truths = list(truths)
    told = iter(truths)
    monkeypatch.setattr(
        world, "world_faces", lambda seed, index: (np.zeros((8, 8, 3), np.uint8), next(told))
    )
    scores = world.score_on_world(stub, 2)
    assert scores == {"recall@0.5": recall, "faces": 2.0, "pictures": 2.0}


def test_the_worlds_faces_are_large_and_look_about_at_the_camera():
    from vitruvian.world.sample import Setting, render_sample

    found = 0
    for index in range(4):
        image, boxes = world.world_faces(world.SEED, index)
        assert image.shape == (world.SIZE[1], world.SIZE[0], 3)
        assert (boxes[:, 2:] - boxes[:, :2] >= world.LEAST_SIDE).all()
        found += len(boxes)
        sample = render_sample(world.SEED, index, Setting(*world.SIZE, people=(1, 3)))
        for box in boxes:
            owner = [one for one in sample.people if np.allclose(one.face.box, box)]
            assert len(owner) == 1
            assert owner[0].face.turned <= world.MOST_TURN
    assert found


@pytest.mark.slow
def test_retinaface_finds_the_worlds_faces():
    from vitruvian.core.load import load

    assert world.score_on_world(load("retinaface"), 60)["recall@0.5"] >= 0.85
