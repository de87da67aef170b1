"""The system: recipes, norms by one option, labels, weights, `predict`."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import vitruvian
from tests.image.fakes import write_ccp, write_cifar, write_digits, write_imagenet
from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError
from vitruvian.core.recipes import find_recipe
from vitruvian.core.training import find_best, make_cli, score, train
from vitruvian.image.classification import Classification
from vitruvian.image.labels import LabelledPicture
from vitruvian.nn.norms import NORMS, SparseSwitchableNorm2d
from vitruvian.pose.simple_baseline import SimpleBaseline

TINY = (
    *("--model.width", "4", "--model.stages", "[1, 1]", "--data.workers", "0"),
    *("--data.batch_size", "4", "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"),
    *("--trainer.precision", "32-true", "--trainer.accelerator", "cpu", "--trainer.devices", "1"),
)
SETS = {
    "image/resnet_ccp": write_ccp,
    "image/resnet_digits": write_digits,
    "image/resnet56_cifar10": lambda folder: write_cifar(folder, 10, 1001),
    "image/resnet56_cifar100": lambda folder: write_cifar(folder, 100, 5003),
    "image/resnet50_imagenet": write_imagenet,
    "image/resnet50_sn_imagenet": write_imagenet,
}


def test_every_recipe_of_the_card_is_tried_here():
    assert set(find_card("image/classification").recipes) == set(SETS)


@pytest.mark.parametrize("name", SETS)
def test_a_recipe_trains_and_is_scored_on_its_data(name, tmp_path):
    root = SETS[name](tmp_path / "set")
    arguments = [*TINY, "--data.root", str(root)]
    if name.endswith("imagenet"):
        arguments += ["--model.labels", "2", "--model.size", "32", "--data.size", "32"]
    result = train(name, find_recipe(name)[1], tmp_path / "run", arguments)
    assert 0 <= result["metrics"]["val/top1"] <= 100
    out = tmp_path / "run"
    scores = score(out / "config.yaml", find_best(name, out, None), ["--trainer.precision", "32"])
    assert 0 <= scores["top1"] <= 100
    loaded = vitruvian.load("classification", out / "weights.safetensors", device="cpu")
    picture = loaded.predict([np.zeros((50, 40, 3), dtype=np.uint8)])[0]
    assert picture.labels[0].name in loaded.names
    assert not all(name.isdigit() for name in loaded.names) or name.endswith("digits")


def test_papers_settings_stay_as_published():
    cli = make_cli(find_recipe("resnet50_sn_imagenet")[1], ["--trainer.devices", "1"], logger=False)
    options = cli.config.model.init_args
    assert (options.depth, options.norm, options.dropout, options.zero_gamma) == (
        50,
        "switchable",
        0.5,
        True,
    )
    for name, rate, milestones in (
        ("resnet50_sn_imagenet", 1e-4, [30, 60, 90]),
        ("resnet56_cifar10", 1e-4, [91, 137]),
    ):
        cli = make_cli(find_recipe(name)[1], ["--trainer.devices", "1"], logger=False)
        settings = cli.config
        assert settings.optimizer.init_args.lr == 0.1
        assert settings.optimizer.init_args.momentum == 0.9
        assert settings.optimizer.init_args.weight_decay == rate
        assert settings.lr_scheduler.init_args.milestones == milestones


def small(norm="batch", **options):
    torch.manual_seed(0)
    plain = {"stages": [1, 1], "width": 8, "size": 32}
    return Classification(5, norm=norm, **{**plain, **options})


def batch_of(count):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return {"image": images, "label": torch.arange(count) % 5, "index": torch.arange(count)}


@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_goes_into_every_system_and_comes_back_with_its_weights(norm, tmp_path):
    pose = SimpleBaseline(
        "lsp14", depth=18, filters=[8, 8, 8], width=64, height=64, norm=norm, flip_test=False
    )
    for system, name in ((small(norm), "classification"), (pose, "simple_baseline")):
        kinds = {type(module).__name__ for module in system.network.modules()}
        assert ("BatchNorm2d" in kinds) == (norm == "batch")
        if name == "classification":
            loss = torch.stack(
                [*system.losses(batch_of(4)).values(), *system.penalties().values()]
            ).sum()
            loss.backward()
            assert all(p.grad is not None for p in system.network.parameters())
        system.save(tmp_path / f"{name}.safetensors")
        loaded = vitruvian.load(name, tmp_path / f"{name}.safetensors", device="cpu")
        image = torch.randint(0, 255, (1, 3, *loaded.input_size), dtype=torch.uint8)
        with torch.inference_mode():
            own, found = system.eval()(image), loaded(image)
        # Loaded networks of poses have their norms folded.
        assert float((own - found).norm()) <= 1e-4 * float(own.norm())


def test_sparse_norms_get_their_radius_and_population_norms_their_penalty(tmp_path):
    root = write_ccp(tmp_path / "ccp")
    recipe = find_recipe("resnet_ccp")[1]
    given = (*TINY, "--data.root", str(root), "--data.batch_size", "2")
    train("x", recipe, tmp_path / "a", [*given, "--model.norm", "sparse-switchable"])
    loaded = vitruvian.load("classification", tmp_path / "a/weights.safetensors", device="cpu")
    layers = [m for m in loaded.network.modules() if isinstance(m, SparseSwitchableNorm2d)]
    assert layers
    assert {float(layer.radius) for layer in layers} == {0.5}  # the second of two steps
    train("x", recipe, tmp_path / "b", [*given, "--model.norm", "population"])
    system = small("population")
    system.losses(batch_of(4))
    assert float(system.penalties()["gamma_decay"].detach()) > 0
    assert not small().penalties()


def test_data_and_network_must_agree(tmp_path):
    root = write_ccp(tmp_path / "ccp")
    recipe = find_recipe("resnet_ccp")[1]
    given = [*TINY, "--data.root", str(root)]
    with pytest.raises(InputError, match="to one size"):
        train("x", recipe, tmp_path / "a", [*given, "--data.size", "32"])
    with pytest.raises(InputError, match=r"--model\.labels 9"):
        train("x", recipe, tmp_path / "b", [*given, "--model.labels", "8"])
    with pytest.raises(InputError, match="two classes"):
        Classification(1)


def test_predict_tells_the_best_labels(tmp_path):
    system = small().eval()
    system.names = list("abcde")
    with torch.no_grad():
        system.network.fc.weight.zero_()
        system.network.fc.bias.copy_(torch.tensor([0.0, 3, 1, 2, 0]))
    picture = system.predict([np.zeros((40, 70, 3), dtype=np.uint8)])[0]
    assert [label.name for label in picture.labels][:3] == ["b", "d", "c"]
    assert (picture.width, picture.height) == (70, 40)
    assert abs(sum(label.score for label in picture.labels) - 1) < 1e-6
    assert picture.draw().size == (70, 40)
    record = json.loads(json.dumps(picture.to_dict()))
    assert LabelledPicture.from_dict(record).to_dict() == record


def test_one_picture_in_training_is_right_for_norms_that_need_no_batch():
    for norm in ("switchable", "sparse-switchable", "layer", "group", "instance"):
        loss = small(norm).losses(batch_of(1))["cross_entropy"]
        assert bool(loss.isfinite()), norm


def test_published_checkpoints_need_no_options(tmp_path):
    system = Classification(7, depth=18, norm="switchable", size=64)
    from vitruvian.core.published import to_published

    state = {f"module.{key}": value for key, value in to_published(system.network).items()}
    torch.save({"state_dict": state}, tmp_path / "resnetv1sn18.pth")
    loaded = vitruvian.load(
        "image/classification", tmp_path / "resnetv1sn18.pth", device="cpu", size=64
    )
    image = torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(system.eval()(image), loaded(image))
