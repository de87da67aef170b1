"""HigherHRNet learns: a small one finds and groups the four people of two pictures."""

from __future__ import annotations

import pytest
import torch

from vitruvian.pose.crowd_data import Pictures
from vitruvian.pose.datasets.coco import CocoKeypoints, write_fake_coco
from vitruvian.pose.higher_hrnet import HigherHRNetSystem

BAR = 80.0
"""AP on the two pictures, in per cent: 0 untrained."""


@pytest.mark.slow
def test_it_fits_two_pictures(tmp_path):
    torch.manual_seed(0)
    people = CocoKeypoints("train", write_fake_coco(tmp_path, 2))
    pictures = Pictures(people, 128, side="long")
    rows = [pictures[index] for index in range(2)]
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    small = {"branch_width": 16, "modules": [1, 1], "blocks": 1, "size": 128, "side": "long"}
    system = HigherHRNetSystem(flip_test=False, push=0.01, pull=0.01, **small)
    optimizer = torch.optim.Adam(system.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [130], 0.1)
    for _ in range(170):
        loss = torch.stack(list(system.losses(batch).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    system.eval()
    found = {index: system.find_people(pictures.picture(index)) for index in range(2)}
    scores = pictures.evaluate(found)
    assert scores["ap"] >= BAR, scores
