"""The training of CPM's person detector: targets, losses, matching, and where middles are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vitruvian.pose.cpm import STRIDE
from vitruvian.pose.cpm_detection import SIGMA, CenterData, PersonCenters, matched


@pytest.fixture
def folder(tmp_path):
    """COCO's format: two people and one without joints in a picture of 160×120."""
    people = []
    for number, points in enumerate(([(20, 30), (40, 90)], [(100, 20), (140, 60)], []), start=1):
        rows = np.zeros((17, 3))
        for place, (x, y) in enumerate(points):
            rows[place] = (x - 0.5, y - 0.5, 2)
        person = {"id": number, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 900}
        box = [60, 80, 30, 30] if not points else [10, 10, 50, 90]
        shape = [[60, 80, 90, 80, 90, 110, 60, 110]]
        people.append(
            {**person, "bbox": box, "num_keypoints": len(points), "segmentation": shape}
            | {"keypoints": rows.ravel().tolist()}
        )
    images = [{"id": 1, "file_name": "000000000001.jpg", "width": 160, "height": 120}]
    content = {"images": images, "annotations": people, "categories": [{"id": 1}]}
    for split in ("train", "val"):
        pictures = tmp_path / f"{split}2017"
        pictures.mkdir()
        Image.new("RGB", (160, 120), (200, 120, 40)).save(pictures / "000000000001.jpg")
        file = tmp_path / "annotations" / f"person_keypoints_{split}2017.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
    return tmp_path


def test_targets_are_high_at_the_middle_of_each_labelled_person(folder):
    data = CenterData("coco", root=str(folder), size=160, side="long", batch_size=1)
    batch = next(iter(data.val_dataloader()))
    target, mask = batch[f"target{STRIDE}"][0, 0], batch[f"mask{STRIDE}"][0]
    assert target.shape == (20, 20)
    assert data.sigma == SIGMA
    top = (160 - 120) / 2
    for x, y in ((30, 60), (120, 40)):
        row, column = int((y + top) // STRIDE), int(x // STRIDE)
        assert target[row - 1 : row + 1, column - 1 : column + 1].max() == 1
    assert (target == 1).sum() == 2
    # Someone without joints is not taken for background.
    assert mask[int((95 + top) // STRIDE), 75 // STRIDE] == 0
    assert mask[int((60 + top) // STRIDE), 30 // STRIDE] == 1


def test_loss_is_half_the_squared_error_of_cells_that_count():
    system = PersonCenters(stages=2, width=8, size=64)
    maps = [torch.full((2, 1, 8, 8), value) for value in (0.5, 0.25)]
    system.maps = lambda _: maps
    mask = torch.ones(2, 8, 8)
    mask[:, :4] = 0
    batch = {"image": None, "target8": torch.zeros(2, 1, 8, 8), "mask8": mask}
    losses = system.losses(batch)
    assert losses["stage1"] == pytest.approx(0.5 * 32 * 0.25)
    assert losses["stage2"] == pytest.approx(0.5 * 32 * 0.0625)


def test_middles_come_in_the_coordinates_of_the_picture():
    system = PersonCenters(stages=1, width=8, size=64)
    heatmap = torch.zeros(1, 1, 4, 8)
    heatmap[0, 0, 1, 6], heatmap[0, 0, 3, 2] = 0.9, 0.6
    system.maps = lambda _: [heatmap]
    image = np.zeros((100, 200, 3), dtype=np.uint8)  # 64×32 as the network sees it
    found = system.find(image)
    # Half a pixel of the network's input less, as published crops are.
    assert found[:, :2] == pytest.approx(np.array([[162.5, 37.5], [62.5, 87.5]]), abs=1.6)
    assert found[:, 2] == pytest.approx([0.9, 0.6])
    frame = system.predict([image])[0]
    assert [person.score for person in frame.people] == pytest.approx([0.9, 0.6])
    heatmap[0, 0, 3, 2] = 0.2
    assert len(system.find(image)) == 1
    wide = np.zeros((90, 200, 3), dtype=np.uint8)  # The last row of cells is beyond it.
    heatmap[0, 0, 3, 2] = 0.6
    assert len(system.find(wide)) == 2
    assert len(system.find(np.zeros((76, 200, 3), dtype=np.uint8))) == 1


def test_a_person_is_found_once_and_not_from_far():
    boxes = np.array([[0, 0, 20, 40], [50, 0, 90, 20], [np.nan] * 4])
    middles = [[10, 20, 0.9], [70, 10, 0.8]]
    assert matched(np.array(middles), boxes) == 2
    assert matched(np.array([*middles, [11, 21, 0.5]]), boxes) == 2
    assert matched(np.array([[10, 29, 0.9]]), boxes) == 1
    assert matched(np.array([[10, 31, 0.9]]), boxes) == 0
    assert matched(np.zeros((0, 3)), boxes) == 0
    assert matched(np.array(middles), np.zeros((0, 4))) == 0
