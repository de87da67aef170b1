"""A checkpoint of another skeleton is refused, with both lists, wherever one is given."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

import vitruvian
from tests.pose.fakes import write_wholebody
from vitruvian.cli import main
from vitruvian.core.errors import InputError, WeightsError
from vitruvian.core.recipes import find_recipe
from vitruvian.core.skeletons import AIC14, COCO17, LSP14, POSETRACK17
from vitruvian.core.training import score, train
from vitruvian.pose.ae_hourglass import AssociativeEmbedding
from vitruvian.pose.bottom_up_system import BottomUpSystem
from vitruvian.pose.crowd_data import CrowdData
from vitruvian.pose.datasets.coco import write_fake_coco
from vitruvian.pose.datasets.lsp import write_fake_lsp
from vitruvian.pose.hgg import HierarchicalGraphGrouping
from vitruvian.pose.hourglass import HourglassSystem
from vitruvian.pose.openpose.training import OpenPoseTraining
from vitruvian.pose.simple_baseline import SimpleBaseline

SMALL = {"depth": 18, "filters": [8, 8, 8], "width": 64, "height": 64}
SIDES = ("width", "height")
EMBEDDING = {"stacks": 1, "widths": [8, 8, 8], "size": 64}


def both(first, second):
    """A pattern of a sentence with both lists."""
    lists = [", ".join(skeleton.joints) for skeleton in (first, second)]
    return rf"{len(first)} joints \({lists[0]}\), .* {len(second)} \({lists[1]}\)"


def save(system, file):
    system.save(file)
    return file


def test_the_networks_own_joints_are_taken(tmp_path):
    file = save(SimpleBaseline("lsp14", **SMALL), tmp_path / "w.safetensors")
    SimpleBaseline("lsp14", **SMALL).load_network(file)
    loaded = vitruvian.load("simple_baseline", file, device="cpu", skeleton="lsp14")
    assert loaded.skeleton is LSP14


@pytest.mark.parametrize(("own", "other"), [(LSP14, COCO17), (LSP14, AIC14), (COCO17, POSETRACK17)])
def test_weights_of_other_joints(tmp_path, own, other):
    """As many joints in another order are refused, too: every entry would fit."""
    file = save(SimpleBaseline(other.name, **SMALL), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=both(own, other)) as caught:
        SimpleBaseline(own.name, **SMALL).load_network(file)
    assert str(file) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(WeightsError, match=both(own, other)):
        vitruvian.load("simple_baseline", file, device="cpu", skeleton=own.name)


def test_a_published_checkpoint_of_another_number_of_joints(tmp_path):
    system = SimpleBaseline("coco17", **SMALL)
    torch.save(system.network.state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=both(LSP14, COCO17)):
        SimpleBaseline("lsp14", **SMALL).load_network(tmp_path / "w.pth")
    SimpleBaseline("posetrack17", **SMALL).load_network(tmp_path / "w.pth")  # names are unknown


def test_systems_of_whole_pictures(tmp_path):
    file = save(AssociativeEmbedding("posetrack17", **EMBEDDING), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=both(COCO17, POSETRACK17)):
        AssociativeEmbedding("coco17", **EMBEDDING).load_network(file)
    system = HierarchicalGraphGrouping("coco17", **EMBEDDING, backbone=str(file))
    with pytest.raises(WeightsError, match=both(COCO17, POSETRACK17)):
        system.load_backbone()
    lightweight = {"kind": "lightweight", "network": {"num_channels": 8}}
    file = save(OpenPoseTraining(**lightweight), tmp_path / "openpose.safetensors")
    with pytest.raises(WeightsError, match=r"knows 25 joints .* 18 \(nose"):
        OpenPoseTraining(kind="body25").load_network(file)


def test_data_of_other_joints_for_whole_pictures(tmp_path):
    system = AssociativeEmbedding("crowdpose14", **EMBEDDING)
    data = CrowdData("coco", root=str(write_fake_coco(tmp_path, 1)), size=64, strides=[4])
    system.trainer = type("Trainer", (), {"datamodule": data})()
    with pytest.raises(InputError, match=r"knows 14 joints .* the data 17 \(nose"):
        BottomUpSystem.setup(system, "fit")


def test_a_network_to_begin_with(tmp_path):
    """Heads of other joints are left out of a backbone; a whole network is none."""
    options = {"stacks": 1, "features": 8, "width": 64, "height": 64}
    file = save(HourglassSystem("aic14", **options), tmp_path / "w.safetensors")
    root = str(write_fake_lsp(tmp_path / "set", 8))
    settings = ["--model.stacks", "1", "--model.features", "8", "--data.root", root]
    settings += [f"--{part}.{side}={64}" for part in ("model", "data") for side in SIDES]
    settings += ["--model.backbone", str(file)]
    with pytest.raises(WeightsError, match=both(LSP14, AIC14)):
        train("x", find_recipe("hourglass_lsp")[1], tmp_path / "run", settings)


def test_every_verb_says_it_in_one_sentence(tmp_path, capsys):
    file = save(SimpleBaseline("coco17", **SMALL), tmp_path / "w.safetensors")
    root = str(write_fake_lsp(tmp_path / "set", 8))
    arguments = ["--model.depth", "18", "--model.filters", "[8, 8, 8]", "--data.root", root]
    with pytest.raises(SystemExit) as leaving:
        main(["test", "pose/simple_baseline_lsp", "--ckpt", str(file), *arguments])
    out, err = capsys.readouterr()
    assert leaving.value.code == 1
    assert out == ""
    assert "14 joints (right_ankle" in err
    assert "17 (nose" in err
    assert len(err.strip().splitlines()) == 2  # which file is scored, then the error


def test_a_file_that_lies_about_its_joints(tmp_path):
    file = save(SimpleBaseline("lsp14", **SMALL), tmp_path / "w.safetensors")
    for said, words in (('{"skeleton": "snake"}', "nobody knows"), ("[1]", "names and values")):
        metadata = {"system": "pose/simple_baseline", "arguments": said}
        save_file(load_file(file), tmp_path / "lies.safetensors", metadata)
        with pytest.raises(WeightsError, match=rf"lies\.safetensors .*{words}"):
            SimpleBaseline("lsp14", **SMALL).load_network(tmp_path / "lies.safetensors")


def test_a_runs_checkpoint_of_another_data_set(tmp_path):
    settings = ["--model.depth", "18", "--model.filters", "[8, 8, 8]", "--trainer.max_epochs", "1"]
    settings += [f"--{part}.{side}={64}" for part in ("model", "data") for side in SIDES]
    settings += ["--trainer.limit_train_batches", "1", "--trainer.limit_val_batches", "1"]
    settings += ["--trainer.precision", "32-true", "--data.batch_size", "2"]
    where = ["--data.root", str(write_fake_lsp(tmp_path / "lsp", 8))]
    train("x", find_recipe("simple_baseline_lsp")[1], tmp_path / "run", [*settings, *where])
    where = ["--data.root", str(write_wholebody(tmp_path / "coco", 2))]
    recipe = find_recipe("simple_baseline_coco")[1]
    with pytest.raises(WeightsError, match=both(COCO17, LSP14)):
        score(recipe, tmp_path / "run/best.ckpt", [*settings, *where])
