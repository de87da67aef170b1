"""The classifier learns: digits and garments, from pictures to labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitruvian.core.recipes import find_recipe
from vitruvian.core.training import find_best, score, train
from vitruvian.image.classification import Classification
from vitruvian.image.data import LabelledPictures
from vitruvian.image.datasets.ccp import GarmentCrops
from vitruvian.nn.norms import parameter_groups, radius_at, set_radius

DIGITS_BAR = 88.0  # per cent of 599 test digits after three epochs; chance is 10
GARMENTS_BAR = 55.0  # per cent of 834 test crops; chance is 24
STEPS = 60


@pytest.mark.parametrize("norm", ["batch", "switchable", "sparse-switchable", "population"])
def test_every_norm_learns_a_handful_of_garments_by_heart(norm, data_set):
    pictures = GarmentCrops("train", data_set("ccp"))
    chosen = [int(np.flatnonzero(pictures.labels == label)[0]) for label in range(8)]
    rows = [LabelledPictures(pictures, 32)[index] for index in chosen]
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    torch.manual_seed(0)
    system = Classification(9, stages=[1, 1], width=8, size=32, norm=norm)
    optimizer = torch.optim.SGD(
        parameter_groups(system.network, lr=0.1, weight_decay=0, ratio_lr=0.01), momentum=0.9
    )
    for step in range(STEPS):
        set_radius(system.network, radius_at(step, STEPS))
        loss = torch.stack([*system.losses(batch).values()]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        found = system.eval()(batch["image"]).argmax(1)
    assert torch.equal(found, batch["label"])


def test_digits_are_learned(tmp_path):
    pytest.importorskip("sklearn")
    name, recipe = find_recipe("image/resnet_digits")
    short = ["--trainer.max_epochs", "3", "--trainer.accelerator", "cpu"]
    short += ["--lr_scheduler.init_args.T_max", "3"]
    train(name, recipe, tmp_path / "run", short)
    scores = score(tmp_path / "run" / "config.yaml", find_best(name, tmp_path / "run", None))
    assert scores["top1"] >= DIGITS_BAR, scores


@pytest.mark.slow
def test_garments_are_learned(tmp_path, data_set):
    root = data_set("ccp")
    name, recipe = find_recipe("image/resnet_ccp")
    options = ["--data.root", str(root), "--trainer.accelerator", "cpu"]
    train(name, recipe, tmp_path / "run", options)
    scores = score(tmp_path / "run" / "config.yaml", find_best(name, tmp_path / "run", None))
    assert scores["top1"] >= GARMENTS_BAR, scores
