"""Rendered people as a data set, and what systems are scored on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from vitruvian.cli import main
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.records import Frame, Person, Pose
from vitruvian.core.skeletons import COCO17, OPENPOSE18
from vitruvian.pose.bottom_up import score_on_world
from vitruvian.pose.data import TopDownCrops, TopDownData
from vitruvian.pose.datasets.world import RenderedPeople, any_people, street_people
from vitruvian.world.make import Plan, make
from vitruvian.world.sample import Setting, render_sample
from vitruvian.world.writers import find_writer

SMALL = [Setting(64, 80)]
PARTS = ("body", "foot", "face", "lefthand", "righthand")


def same(one, other):
    return all(bool((one[key] == other[key]).all()) for key in one)


def test_every_epoch_of_a_training_has_new_people():
    crops = TopDownCrops(RenderedPeople("train", count=3, settings=SMALL), (48, 64), augment={})
    first, second, again = crops[1, 0], crops[1, 1], crops[1, 0]
    assert same(first, again)
    assert not (first["image"] == second["image"]).all()
    assert same(crops[0, 1], TopDownCrops(crops.people, (48, 64), augment={})[0, 1])
    tests = TopDownCrops(RenderedPeople("test", count=3, settings=SMALL), (48, 64))
    assert same(tests[1, 0], tests[1, 1])


def test_the_annotation_is_of_the_picture():
    people = RenderedPeople("validation", count=2, settings=SMALL)
    sample = render_sample(102, 1, SMALL[0])
    np.testing.assert_array_equal(people.picture(1), sample.image)
    points = sample.people[0].keypoints(COCO17)
    np.testing.assert_allclose(people[1].joints[:, :2], points[:, :2], atol=1e-3)
    np.testing.assert_array_equal(people[1].labelled, points[:, 2] > 0)
    np.testing.assert_array_equal(people[1].facts["seen"], points[:, 2] == 2)
    assert people.plot(1).size == (64, 80)
    assert people.verify() == len(people) == 2
    truth = {index: person.joints for index, person in enumerate(people.people)}
    assert people.evaluate(truth)["pck@0.2"] == 100
    wrong = {index: joints + 200 for index, joints in truth.items()}
    assert people.evaluate(wrong)["pck@0.2"] == 0


def test_hidden_joints_are_not_scored():
    people = RenderedPeople("test", count=4, settings=SMALL)
    guess = {}
    for index, person in enumerate(people.people):
        guess[index] = np.where(person.facts["seen"][:, None], person.joints, 1000)
    assert people.evaluate(guess)["pck@0.2"] == 100
    assert any(not person.facts["seen"].all() for person in people.people)


def test_whole_bodies_are_scored_by_their_parts():
    people = RenderedPeople("test", count=4, settings=SMALL, skeleton="wholebody133")
    truth = {index: np.array(person.joints) for index, person in enumerate(people.people)}
    right = people.evaluate(truth)
    assert right["pck@0.2"] == pytest.approx(100)
    assert right["ap"] == pytest.approx(100)
    assert set(right) == {"pck@0.2", "ap", "ar", *(f"ap/{part}" for part in PARTS)}
    for joints in truth.values():
        joints[23:91, :2] += 6  # the face alone
    wrong = people.evaluate(truth)
    assert wrong["ap/face"] < 20
    assert wrong["ap/body"] == right["ap/body"] == pytest.approx(100)
    assert wrong["ap"] < right["ap"]


def test_a_folder_gives_what_is_in_it(tmp_path):
    native = replace(find_writer("native"), shard=8)
    make(Plan(native, 11, SMALL[0], seed=9), tmp_path / "set")
    train = RenderedPeople("train", tmp_path / "set")
    validation = RenderedPeople("validation", tmp_path / "set")
    assert (len(train), len(validation)) == (8, 2)
    np.testing.assert_array_equal(validation.picture(1), render_sample(9, 10, SMALL[0]).image)
    first = TopDownCrops(train, (48, 64), augment={})
    assert (first[0, 0]["keypoints"] != first[0, 1]["keypoints"]).any()  # another augmentation
    np.testing.assert_array_equal(train.picture(0), render_sample(9, 2, SMALL[0]).image)
    with pytest.raises(InputError, match="too few"):
        RenderedPeople("test", tmp_path / "set", count=0)


def test_the_data_module_knows_the_world():
    data = TopDownData("world", width=48, height=64)
    assert len(data.people("test")) == 500
    with pytest.raises(UnknownNameError, match="validation"):
        RenderedPeople("validaton")


class Oracle:
    """Finds the only person of rendered pictures, with OpenPose's joints."""

    def __init__(self, people, error=0.0):
        self.people, self.error, self.calls = people, error, 0

    def predict(self, images):
        image = images[0]
        np.testing.assert_array_equal(image, self.people.picture(self.calls))
        joints = Pose(self.people.skeleton, self.people[self.calls].joints).to(OPENPOSE18).joints
        joints[:, :2] += self.error
        self.calls += 1
        box = np.array([0, 0, image.shape[1], image.shape[0]], np.float32)
        person = Person(1.0, box, Pose(OPENPOSE18, joints), id=1)
        return [Frame("", 0, 0.0, image.shape[1], image.shape[0], (person,), (), image)]


@pytest.mark.parametrize("make_people", [street_people, any_people])
def test_a_system_is_scored_on_rendered_pictures(make_people):
    people = make_people(2)
    scores, joints = score_on_world(Oracle(people), people, range(2))
    assert scores["pck@0.2"] == 100
    assert "neck" in joints
    assert "head_top" not in joints
    people = make_people(2)
    wrong, _ = score_on_world(Oracle(people, error=150.0), people, range(2))
    assert wrong["pck@0.2"] < 20


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return leaving.value.code, out, err


@pytest.mark.parametrize(
    ("system", "metric"), [("pose/openpose", "pck@0.2"), ("face/retinaface", "recall@0.5")]
)
def test_the_embedded_systems_see_rendered_people(capsys, system, metric):
    code, out, _ = run(capsys, "test", system, "--data", "world", "--data.count", 4, "--json")
    assert code == 0
    scores = json.loads(out.splitlines()[-1])
    assert 40 < scores[metric] <= 100
    if system == "pose/openpose":
        assert scores["people"] == 4
        assert 0 < scores["pck@0.2/all poses"] <= 100


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("pose/openpose", "--data", "wrld"), "Did you mean 'world'?"),
        (("face/retinaface",), "--data world"),
        (("face/retinaface", "--data", "lsp"), "There are: world"),
        (("pose/openpose", "--data", "world", "--data.count", "no"), "a number of pictures"),
        (("pose/openpose", "--data", "world", "--data.root", "x"), "--data.count is"),
        (("image/classification", "--data", "world"), "without a recipe"),
    ],
)
def test_bad_input_is_one_sentence(capsys, arguments, sentence):
    code, _, err = run(capsys, "test", *arguments)
    assert code == 1
    assert sentence in err.splitlines()[-1]
