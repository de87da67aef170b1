"""HRNet and hourglass learn: a small one fits four people."""

from __future__ import annotations

import pytest
import torch

from vitruvian.pose.data import TopDownCrops
from vitruvian.pose.datasets.lsp import Lsp, write_fake_lsp
from vitruvian.pose.hourglass import HourglassSystem
from vitruvian.pose.hrnet import PoseHRNetSystem

BAR = 95.0
"""PCK@0.2 on the four people, in per cent."""

SYSTEMS = {
    "hrnet": (
        PoseHRNetSystem,
        {"branch_width": 16, "modules": [1, 1], "blocks": 1},
        ("unbiased", "dark"),
    ),
    "hourglass": (HourglassSystem, {"stacks": 2, "features": 32, "depth": 3}, ("cell", "cell")),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_it_fits_four_people(name, tmp_path):
    torch.manual_seed(0)
    kind, options, (encoding, decoder) = SYSTEMS[name]
    people = Lsp("train", write_fake_lsp(tmp_path, 11))
    people.people = people.people[:4]
    crops = TopDownCrops(people, (64, 64), encoding=encoding)
    rows = [crops[index] for index in range(len(crops))]
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    crop = {"width": 64, "height": 64, "channels": "rgb", "flip_test": False}
    system = kind("lsp14", decoder=decoder, **options, **crop)
    optimizer = torch.optim.Adam(system.parameters(), lr=3e-3)
    for _ in range(150):
        loss = torch.stack(list(system.losses(batch).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    system.eval()
    for index, person in enumerate(people.people):
        # The window's own aspect is grown by `predict` as it is by the crops of training.
        width = float(person.size.max()) / 1.25
        square = [*(person.center - width / 2), *(person.center + width / 2)]
        frame = system.predict([people.picture(index)], [[square]])[0]
        rows[index] = frame[0].pose.joints
    scores = people.evaluate(dict(enumerate(rows)))
    assert scores["pck@0.2"] >= BAR, scores
