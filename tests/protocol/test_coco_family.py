"""Data sets near COCO's format, on the few pictures of each that come with the test data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tests.pose.fakes import flic_examples
from vitruvian.core.errors import InputError
from vitruvian.pose.data import DATASETS
from vitruvian.pose.datasets.coco_family import Aic, CocoWholeBody, CrowdPose
from vitruvian.pose.datasets.flic import Flic

SAMPLES = {
    "coco_wholebody": ("coco/test_coco_wholebody.json", "coco"),
    "crowdpose": ("crowdpose/test_crowdpose.json", "crowdpose"),
    "ochuman": ("ochuman/test_ochuman.json", "ochuman"),
    "aic": ("aic/test_aic.json", "aic"),
    "posetrack18": ("posetrack18/annotations/val", "posetrack18"),
    "halpe": ("halpe/test_halpe.json", "coco"),
}


@pytest.fixture(params=SAMPLES)
def sample(request, data_set):
    folder = data_set("mmpose_samples")
    file, pictures = SAMPLES[request.param]
    kind = DATASETS[request.param]
    return kind(annotations=folder / file, pictures=folder / pictures)


def test_a_sample_is_read_drawn_and_perfectly_scored(sample):
    assert sample.verify() == len(sample) > 0
    joints = {index: person.joints for index, person in enumerate(sample.people)}
    assert next(iter(sample.evaluate(joints).values())) == pytest.approx(100)
    shifted = {index: points + np.array([90, 90, 0], "f4") for index, points in joints.items()}
    assert next(iter(sample.evaluate(shifted).values())) < 30
    drawn = np.asarray(sample.plot(0))
    assert (drawn != sample.picture(0)).any()


def test_every_joint_lies_in_its_picture(sample):
    for index, person in enumerate(sample.people):
        height, width = sample.picture(index).shape[:2]
        points = person.joints[person.labelled, :2]
        slack = 30 if sample.name == "posetrack18" else 2  # it marks heads above the picture
        assert (points >= -slack).all()
        assert (points <= [width + slack, height + slack]).all()


def test_left_and_right_are_the_persons_own(data_set):
    """The child of COCO's picture 785 looks at the camera: its left ear is on the right."""
    folder = data_set("mmpose_samples")
    people = CocoWholeBody(
        annotations=folder / "coco/test_coco_wholebody.json", pictures=folder / "coco"
    )
    joints = people[0].joints
    index = people.skeleton.index
    assert joints[index["left_ear"], 0] > joints[index["right_ear"], 0]
    assert joints[index["left_jaw_1"], 0] > joints[index["right_jaw_1"], 0]
    body, foot = joints[index["left_ankle"], :2], joints[index["left_heel"], :2]
    assert np.linalg.norm(body - foot) < 40


def test_the_official_list_of_ai_challenger(tmp_path):
    Image.new("RGB", (80, 60)).save(tmp_path / "abc.jpg")
    points = [v for place in range(14) for v in (10.0 + place, 20.0 + place, 1 + place % 3)]
    row = {
        "image_id": "abc",
        "keypoint_annotations": {"human1": points},
        "human_annotations": {"human1": [5, 10, 45, 50]},
    }
    (tmp_path / "list.json").write_text(json.dumps([row]))
    people = Aic(annotations=tmp_path / "list.json", pictures=tmp_path)
    assert people.verify() == 1
    joints = people[0].joints
    assert joints[:, 2].tolist() == [float(place % 3 != 2) for place in range(14)]
    assert joints[0, :2].tolist() == [10.5, 20.5]
    assert people[0].facts["area"] == 1600
    (tmp_path / "list.json").write_text(json.dumps([{"image_id": "abc"}]))
    with pytest.raises(InputError, match="keypoint_annotations"):
        Aic(annotations=tmp_path / "list.json", pictures=tmp_path)


def test_the_wrong_file_is_named(data_set, tmp_path):
    folder = data_set("mmpose_samples")
    file = folder / "coco/test_coco.json"
    with pytest.raises(InputError, match="foot_kpts"):
        CocoWholeBody(annotations=file, pictures=folder / "coco")
    with pytest.raises(InputError, match="51 key-point numbers"):
        CrowdPose(annotations=file, pictures=folder / "coco")
    content = json.loads((folder / "crowdpose/test_crowdpose.json").read_text())
    for image in content["images"]:
        del image["crowdIndex"]
    (tmp_path / "crowd.json").write_text(json.dumps(content))
    people = CrowdPose(annotations=tmp_path / "crowd.json", pictures=folder / "crowdpose")
    with pytest.raises(InputError, match="crowdIndex"):
        people.evaluate({0: people[0].joints})


@pytest.fixture
def flic(tmp_path):
    return tmp_path / "flic", flic_examples(tmp_path / "flic")


def test_flic_reads_its_structure(flic):
    folder, examples = flic
    train, test = Flic("train", folder), Flic("test", folder)
    assert len(train) == len(test) == 2
    assert test.verify() == 2
    left_eye = test.skeleton.index["left_eye"]
    assert test[0].labelled.sum() == 10
    assert not test[0].labelled[left_eye]
    assert np.allclose(train[0].joints[0, :2], examples[0, 0]["coords"][:, 0] - 0.5, atol=1e-4)
    assert test[0].center.tolist() == [45.5, 45.5]
    assert test[0].size.tolist() == [137.5, 137.5]
    truth = {index: person.joints for index, person in enumerate(test.people)}
    assert test.evaluate(truth)["pck@0.2"] == 100
    wrong = {index: joints + np.array([50, 0, 0], "f4") for index, joints in truth.items()}
    assert test.evaluate(wrong)["pck@0.2"] == 0


def test_flic_says_what_is_no_flic(flic):
    folder, _ = flic
    savemat(folder / "examples.mat", {"examples": np.zeros((1, 2), dtype=[("coords", object)])})
    with pytest.raises(InputError, match="istest"):
        Flic("test", folder)
