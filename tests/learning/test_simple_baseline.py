"""Simple Baselines learns: a small one fits eight people."""

from __future__ import annotations

import numpy as np
import torch

from vitruvian.pose.data import TopDownCrops
from vitruvian.pose.datasets.lsp import Lsp, write_fake_lsp
from vitruvian.pose.simple_baseline import SimpleBaseline

BAR = 95.0
"""PCK@0.2 on the eight people, in per cent."""


def test_it_fits_eight_people(tmp_path):
    torch.manual_seed(0)
    people = Lsp("train", write_fake_lsp(tmp_path, 11))
    assert len(people) == 9
    people.people = people.people[:8]
    crops = TopDownCrops(people, (64, 64), encoding="unbiased")
    rows = [crops[index] for index in range(len(crops))]
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    options = {"width": 64, "height": 64, "channels": "rgb", "decoder": "dark"}
    system = SimpleBaseline("lsp14", depth=18, filters=[32, 32, 32], flip_test=False, **options)
    optimizer = torch.optim.Adam(system.parameters(), lr=1e-3)
    for _ in range(100):
        loss = system.losses(batch)["heatmaps"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    system.eval()
    for index, person in enumerate(people.people):
        box = np.concatenate([person.center - person.size / 2, person.center + person.size / 2])
        # The window's own aspect is grown by `predict` as it is by the crops of training.
        width = float((box[2:] - box[:2]).max()) / 1.25
        square = [*(person.center - width / 2), *(person.center + width / 2)]
        frame = system.predict([people.picture(index)], [[square]])[0]
        assert frame[0].pose.found.all()
        rows[index] = frame[0].pose.joints
    scores = people.evaluate(dict(enumerate(rows)))
    assert scores["pck@0.2"] >= BAR, scores
