"""Recipes, systems and their checkpoints, in process."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tests.pose.fakes import (
    write_crowdpose,
    write_cups,
    write_flic,
    write_open,
    write_posetrack,
    write_wholebody,
)

import vitruvian
from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError, UnknownNameError, VitruvianError, WeightsError
from vitruvian.core.recipes import find_recipe, recipes
from vitruvian.core.training import find_best, make_cli, read_state, score, train
from vitruvian.pose.datasets.coco import write_fake_coco
from vitruvian.pose.datasets.lsp import write_fake_lsp
from vitruvian.pose.datasets.mpii import write_fake_mpii
from vitruvian.pose.simple_baseline import PoseResNet, SimpleBaseline

SHORT = (
    *("--data.workers", "0", "--data.batch_size", "2", "--trainer.max_epochs", "1"),
    *("--trainer.precision", "32-true", "--trainer.accelerator", "cpu"),
    *("--trainer.limit_train_batches", "1", "--trainer.limit_val_batches", "1"),
    *("--trainer.limit_test_batches", "1"),
)
CROPS = (
    *("--model.width", "64", "--model.height", "64", "--data.width", "64", "--data.height", "64"),
)
RESNET = ("--model.depth", "18", "--model.filters", "[8, 8, 8]", *CROPS)
SMALL = (*RESNET, *SHORT)
HRNET = ("--model.branch_width", "4", "--model.modules", "[1, 1, 1]", "--model.blocks", "1")
PICTURES = ("--model.size", "64", "--data.size", "64")
VGG = ("--model.height", "64", "--data.size", "64")
MODELS = {
    "associative_embedding": ("--model.stacks", "2", "--model.widths", "[8, 8, 8]", *PICTURES),
    "cpm": ("--model.stages", "2", *CROPS),
    "pose/cpm_centers_world": ("--model.stages", "2", "--model.width", "8", *PICTURES),
    "deeppose": ("--model.resolution", "67", "--model.hidden", "16", *CROPS),
    "heatmap_cascade": ("--model.features", "8", *CROPS),
    "hgg": ("--model.stacks", "1", "--model.widths", "[8, 8, 8]", *PICTURES),
    "higher_hrnet": (*HRNET, *PICTURES),
    "hourglass": ("--model.stacks", "2", "--model.features", "8", *CROPS),
    "hrnet": (*HRNET, *CROPS),
    "openpose": (*VGG, "--model.network", '{"stages": 1}'),
    "pose/openpose_coco_wholebody": (
        *(*VGG, "--model.network", '{"affinity_stages": 1, "heatmap_stages": 1}'),
    ),
    "pose/openpose_lightweight_coco": (
        *(*VGG, "--model.network", '{"num_refinement_stages": 1, "num_channels": 16}'),
    ),
    "pose/openpose_world": (
        *(*VGG, "--model.network", '{"num_refinement_stages": 1, "num_channels": 16}'),
    ),
    "pyranet": ("--model.stacks", "1", "--model.features", "64", *CROPS),
    "simple_baseline": RESNET,
    "zoomnet": (
        *("--model.body_width", "4", "--model.head_width", "4", *HRNET[2:]),
        *("--model.width", "96", "--model.height", "128"),
        *("--data.width", "96", "--data.height", "128"),
    ),
}
"""System, or recipe of it, → what makes its recipes small."""

DATA = {
    "coco": (write_fake_coco, 2, "ap"),
    "coco_wholebody": (write_wholebody, 2, "ap"),
    "crowdpose": (write_crowdpose, 2, "ap"),
    "flic": (write_flic, 4, "pck@0.2"),
    "lsp": (write_fake_lsp, 8, "pck@0.2"),
    "mpii": (write_fake_mpii, 4, "pck_head_segment"),
    "open": (write_open, 82, "pck@0.2"),
    "open_fine": (write_open, 82, "pck@0.2"),
    "open_wholebody": (write_open, 82, "pck@0.2"),
    "own": (write_cups, 24, "ap"),
    "posetrack18": (write_posetrack, 2, "ap"),
    "world": (None, 0, "pck@0.2"),
}
"""End of a recipe's name → what writes a small data set, how many pictures, and a metric of it."""

CROWDS = ("associative_embedding", "hgg", "openpose", "pose/cpm_centers_world")
"""Systems and recipes whose world is one of crowds."""

RECIPES = [
    (card.name, recipe)
    for card in vitruvian.systems().values()
    if card.domain == "pose"
    for recipe in card.recipes
]


def small(**options):
    torch.manual_seed(0)
    plain = {"depth": 18, "filters": [8, 8, 8], "width": 64, "height": 64}
    return SimpleBaseline("lsp14", **{**plain, **options})


def test_every_recipe_is_named_by_a_card():
    named = {recipe for card in vitruvian.systems().values() for recipe in card.recipes}
    assert set(recipes()) == named


@pytest.mark.parametrize(("system", "name"), RECIPES)
def test_a_recipe_trains_and_is_scored_on_its_data(system, name, tmp_path):
    kind = max((end for end in DATA if name.endswith(f"_{end}")), key=len, default="")
    assert system in MODELS, f"{system} has recipes: say in MODELS what makes them small"
    assert kind, f"{name} is of a data set that DATA does not know"
    write, count, metric = DATA[kind]
    out = tmp_path / "run"
    arguments = (*SHORT, *MODELS.get(name, MODELS[system]))
    if write is not None:
        arguments += ("--data.root", str(write(tmp_path / "set", count)))
    if kind == "world" and (system in CROWDS or name in CROWDS):
        pytest.importorskip("warp", reason="rendering needs the extra `world`")
        arguments += ("--data.root", str(tmp_path))
        arguments += ("--data.counts", '{"train": 2, "validation": 2, "test": 2}')
        metric = "f1" if name == "pose/cpm_centers_world" else "ap"
    if kind.startswith("open"):
        arguments += ("--trainer.check_val_every_n_epoch", "1")
        if kind != "open_wholebody":  # which is tested on rendered people
            arguments += ("--data.test_root", str(tmp_path / "set" / "lsp"))
    if kind == "own":
        arguments += ("--model.skeleton", str(tmp_path / "set/joints.yaml"))
    if kind == "mpii":  # the JSON has no head boxes; see `Mpii.evaluate`
        arguments += ("--monitor", f"val/{metric}")
    result = train(name, find_recipe(name)[1], out, arguments)
    assert f"val/{metric}" in result["metrics"]
    assert result["already"] is False
    scores = score(out / "config.yaml", find_best(name, out, None))
    assert -1 <= scores[metric] <= 100
    assert train(name, find_recipe(name)[1], out, arguments)["already"] is True


def test_papers_settings_stay_as_published():
    for name, scale, rotation in (("coco", 0.3, 40), ("mpii", 0.25, 30)):
        cli = make_cli(find_recipe(f"simple_baseline_{name}")[1], [], logger=False)
        settings = cli.config
        assert settings.optimizer.class_path == "torch.optim.Adam"
        assert settings.optimizer.init_args.lr == 1e-3
        assert settings.optimizer.init_args.weight_decay == 0
        assert settings.lr_scheduler.init_args.milestones == [90, 120]
        assert settings.trainer.max_epochs == 140
        assert cli.datamodule.augment["scale"] == scale
        assert cli.datamodule.augment["rotation"] == rotation
        assert cli.model.channels == "bgr"


def test_network_and_data_must_agree_on_the_crop(tmp_path):
    root = write_fake_lsp(tmp_path / "set", 8)
    arguments = (*SMALL, "--data.root", str(root), "--data.width", "96")
    with pytest.raises(InputError, match="one width and height"):
        train("x", find_recipe("simple_baseline_lsp")[1], tmp_path / "run", arguments)


def test_weights_come_back_with_their_arguments(tmp_path):
    system = small(channels="rgb", decoder="dark")
    system.save(tmp_path / "w.safetensors", recipe="x")
    loaded = vitruvian.load("simple_baseline", tmp_path / "w.safetensors", device="cpu")
    assert (loaded.channels, loaded.decoder, loaded.input_size) == ("rgb", "dark", (64, 64))
    assert not loaded.training
    image = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    first = system.eval().predict([image])[0][0].pose.joints
    again = loaded.predict([image])[0][0].pose.joints  # by a network without norms
    np.testing.assert_allclose(again, first, rtol=1e-4, atol=1e-4)


def test_a_published_checkpoint_needs_no_options(tmp_path):
    network = PoseResNet(16, depth=34, filters=[8, 8, 8])
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "pose_resnet.pth.tar")
    loaded = vitruvian.load("pose/simple_baseline", tmp_path / "pose_resnet.pth.tar", device="cpu")
    assert loaded.skeleton.name == "mpii16"
    assert loaded.channels == "bgr"
    assert torch.equal(loaded.network.conv1.weight, network.conv1.weight)


def test_channels_last_changes_no_number():
    image = torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8)
    plain, other = (small(channels_last=flag).eval() for flag in (False, True))
    other.network.load_state_dict(plain.network.state_dict())
    with torch.inference_mode():
        assert torch.allclose(plain(image), other(image), atol=1e-6)


def test_bgr_networks_see_blue_first():
    rgb, bgr = (small(channels=order).eval() for order in ("rgb", "bgr"))
    bgr.network.load_state_dict(rgb.network.state_dict())
    image = torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(rgb(image.flip(1)), bgr(image))


def test_wrong_weights_are_refused(tmp_path):
    (tmp_path / "text.pth").write_text("no checkpoint")
    with pytest.raises(WeightsError, match=r"text\.pth"):
        vitruvian.load("simple_baseline", tmp_path / "text.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(VitruvianError, match="keys are others"):
        vitruvian.load("simple_baseline", tmp_path / "other.pth")
    torch.save({"network": small().network}, tmp_path / "pickled.pth")
    with pytest.raises(WeightsError, match="run code"):
        vitruvian.load("simple_baseline", tmp_path / "pickled.pth")
    with pytest.raises(VitruvianError, match="vitruvian train"):
        vitruvian.load("simple_baseline")
    with pytest.raises(UnknownNameError, match="Did you mean 'pose/simple_baseline'"):
        vitruvian.load("simple_baselin")
    with pytest.raises(WeightsError, match="no training checkpoint"):
        read_state(tmp_path / "other.pth")


def test_training_begins_with_a_backbone(tmp_path):
    root = write_fake_lsp(tmp_path / "set", 8)
    network = PoseResNet(14, depth=18, filters=[8, 8, 8])
    keys = [key for key in network.state_dict() if not key.startswith(("deconv", "final"))]
    state = {key: network.state_dict()[key] for key in keys}
    torch.save({**state, "fc.weight": torch.zeros(1000, 512)}, tmp_path / "resnet18.pth")
    still = ("--optimizer.lr", "0", "--optimizer.weight_decay", "0")
    given = ("--data.root", str(root), "--model.backbone", str(tmp_path / "resnet18.pth"))
    recipe = find_recipe("simple_baseline_lsp")[1]
    train("x", recipe, tmp_path / "run", (*SMALL, *given, *still))
    (tmp_path / "resnet18.pth").unlink()
    loaded = vitruvian.load("simple_baseline", tmp_path / "run/best.ckpt", device="cpu")
    assert torch.equal(loaded.network.conv1.weight, network.conv1.weight)
    assert "backbone" not in loaded.hparams


def test_weights_of_another_system_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(SimpleBaseline, "card_name", "openpose")
    small().save(tmp_path / "w.safetensors")
    monkeypatch.undo()
    with pytest.raises(WeightsError, match="weights of pose/openpose"):
        vitruvian.load("simple_baseline", tmp_path / "w.safetensors")


def test_losses_are_summed_and_unlabelled_joints_left_out(tmp_path):
    system = small()
    weight = torch.ones(1, 14)
    weight[0, 3:] = 0
    batch = {
        "image": torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        "target": torch.rand(1, 14, 16, 16),
        "target_weight": weight,
    }
    before = system.training_step(batch, 0)
    batch["target"][0, 3:] = 7
    assert torch.equal(before, system.training_step(batch, 0))
    batch["target"][0, 0] = 7
    assert system.training_step(batch, 0) > before


def test_the_card_is_in_the_house(tmp_path):
    card = find_card("pose/simple_baseline")
    assert card.load_class() is SimpleBaseline
    assert json.dumps(card.results[0].value) == "70.4"
