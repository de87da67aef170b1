"""Joints of the user's own: five points on cups."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError, UnknownNameError, VitruvianError
from vitruvian.core.recipes import find_recipe
from vitruvian.core.skeletons import COCO17, find_skeleton
from vitruvian.core.training import train
from vitruvian.core.weights import find_weights
from vitruvian.pose.datasets.own import OwnPoints
from vitruvian.pose.simple_baseline import SimpleBaseline

JOINTS = ("left_rim", "right_rim", "left_foot", "right_foot", "handle")
YAML = """\
name: cup
joints: [left_rim, right_rim, left_foot, right_foot, handle]
edges: [[left_rim, right_rim], [left_rim, left_foot], [right_rim, right_foot]]
sigmas: {handle: 0.08}
"""


def write_cups(folder, count=24):
    """Bright quadrilaterals with a dot, annotated in another order than the YAML's."""
    random = np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True)
    (folder / "joints.yaml").write_text(YAML)
    images, annotations = [], []
    for number in range(count):
        points = np.array([[20, 20], [60, 20], [26, 70], [54, 70], [72, 45]], dtype=float)
        points += random.uniform(-6, 6, points.shape)
        picture = np.full((96, 96, 3), 40, dtype=np.uint8)
        cv2.fillPoly(picture, [points[[0, 1, 3, 2]].astype(np.int32)], (200, 180, 90))
        cv2.circle(picture, points[4].astype(int).tolist(), 5, (90, 90, 220), -1)
        cv2.imwrite(str(folder / f"pictures/{number:03d}.png"), picture)
        images.append({"id": number, "file_name": f"{number:03d}.png", "width": 96, "height": 96})
        rows = [[x - 0.5, y - 0.5, 2] for x, y in points[::-1]]
        values = [value for row in rows for value in row]
        annotations.append({"id": number, "image_id": number, "keypoints": values})
    category = {"id": 1, "name": "cup", "keypoints": list(JOINTS[::-1])}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


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
    assert skeleton.joints == JOINTS
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
    file.write_text(YAML.replace("sigmas: {handle: 0.08}\n", "") if "ear" in new else YAML)
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
    assert system.skeleton.joints == JOINTS
    assert system.skeleton.sigmas[4] == 0.08
    frame = system.predict([np.zeros((96, 96, 3), np.uint8)])[0]
    assert len(frame.people[0].pose.joints) == 5


def test_other_joints_are_refused_with_both_lists():
    system = SimpleBaseline("lsp14", depth=18, filters=[8, 8, 8])
    with pytest.raises(InputError, match=r"head_top.*left_eye"):
        system.check_joints(COCO17)
