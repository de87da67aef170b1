"""Joints of the user's own: five points on cups."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.pose.fakes import CUP, CUP_YAML, write_cups
from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError, UnknownNameError, VitruvianError
from vitruvian.core.recipes import find_recipe
from vitruvian.core.skeletons import COCO17, find_skeleton
from vitruvian.core.training import train
from vitruvian.core.weights import find_weights
from vitruvian.pose.datasets.own import OwnPoints
from vitruvian.pose.simple_baseline import SimpleBaseline


@pytest.fixture
def cups(tmp_path):
    return write_cups(tmp_path / "cups")


def test_the_folder_is_read(cups):
    everything = OwnPoints("all", cups)
    assert everything.verify() == len(everything) == 24
    parts = [OwnPoints(split, cups) for split in ("train", "validation", "test")]
    assert sum(len(part) for part in parts) == 24
    assert len(parts[0]) > 12
    skeleton = everything.skeleton
    assert skeleton.joints == CUP
    assert skeleton.flip_pairs == ((0, 1), (2, 3))
    assert skeleton.sigmas[4] == 0.08
    first = everything[0].joints
    assert first[0, 0] < first[1, 0] < first[4, 0]  # in the YAML's order
    truth = {index: person.joints for index, person in enumerate(everything.people)}
    assert everything.evaluate(truth)["ap"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("handle]", "left_handle]", "no 'right_handle'"),
        ("handle]", "left_rim]", "twice"),
        ("[[left_rim, right_rim]", "[[left_rim, right_rum]", "right_rim"),
        ("edges", "edge", "Did you mean 'edges'"),
        ("0.08", "8", "sigma 8"),
        ("joints: [", "joints: 5 #[", "needs `joints`"),
        ("handle]", "ear]", "name them alike"),
    ],
)
def test_a_wrong_yaml_is_one_sentence(cups, old, new, sentence):
    file = cups / "joints.yaml"
    file.write_text(CUP_YAML.replace("sigmas: {handle: 0.08}\n", "") if "ear" in new else CUP_YAML)
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(VitruvianError, match=sentence):
        OwnPoints("all", cups)


def test_no_folder_and_no_yaml(tmp_path):
    with pytest.raises(InputError, match=r"--data\.root"):
        OwnPoints("all")
    with pytest.raises(InputError, match="no skeleton file"):
        OwnPoints("all", tmp_path)
    with pytest.raises(UnknownNameError, match="coco17"):
        find_skeleton("coco_17")


def test_training_keeps_the_joints_in_the_weights(cups, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, file = find_recipe("pose/simple_baseline_own")
    small = ["--model.filters", "[8, 8, 8]", "--trainer.max_epochs", "1", "--data.batch_size", "8"]
    small += ["--trainer.precision", "32-true", "--model.width", "64", "--model.height", "64"]
    small += ["--data.width", "64", "--data.height", "64"]
    where = ["--data.root", str(cups), "--model.skeleton", str(cups / "joints.yaml")]
    result = train(name, file, tmp_path / "run", [*where, *small])
    with Image.open(tmp_path / "run/samples.jpg") as sheet:
        assert sheet.width > 1000
    (cups / "joints.yaml").unlink()
    weights = tmp_path / "run" / result["weights"]
    system = SimpleBaseline.from_weights(find_weights(find_card("pose/simple_baseline"), weights))
    assert system.skeleton.joints == CUP
    assert system.skeleton.sigmas[4] == 0.08
    frame = system.predict([np.zeros((96, 96, 3), np.uint8)])[0]
    assert len(frame.people[0].pose.joints) == 5


def test_other_joints_are_refused_with_both_lists():
    system = SimpleBaseline("lsp14", depth=18, filters=[8, 8, 8])
    with pytest.raises(InputError, match=r"head_top.*left_eye"):
        system.check_joints(COCO17)
