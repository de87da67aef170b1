"""People of several origins in one skeleton: packed, renamed, and as another photo has them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.pose.fakes import PACKED, packed_people
from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import COCO17, HALPE26, HALPE136, LSP14
from vitruvian.pose.data import TopDownData
from vitruvian.pose.datasets.lsp import Lsp
from vitruvian.pose.datasets.packed import PEOPLE, PICTURES, PackedPeople, pack_people
from vitruvian.pose.datasets.renamed import RenamedPeople
from vitruvian.pose.photometric import other_photo


@pytest.fixture
def folder(tmp_path):
    assert pack_people(tmp_path / "packed", PACKED, packed_people()) == 90
    return tmp_path / "packed"


def test_packed_people_come_out_as_they_went_in(folder):
    validation = PackedPeople("validation", folder)
    assert [int(validation.picture(i)[0, 0, 0]) for i in range(len(validation))] == [0, 40, 80]
    train = PackedPeople("train", folder)
    shades = [int(train.picture(i)[0, 0, 0]) for i in range(len(train))]
    assert not set(shades) & {0, 40, 80}
    assert (shades.count(1), shades.count(2), len(shades)) == (3, 1, 42 + 3 * 45)
    person, given = validation[1], list(packed_people())[40]
    assert person.joints[HALPE26.index["head_top"]] == pytest.approx([*given.joints[2, :2], 1])
    assert person.labelled.sum() == 3
    assert not person.facts["seen"][HALPE26.index["head_top"]]
    assert (person.center, person.size) == (pytest.approx([12, 18]), pytest.approx([25, 37.5]))


def test_packed_people_are_scored_over_the_joints_that_are_seen(folder):
    validation = PackedPeople("validation", folder)
    found = {index: validation[index].joints.copy() for index in range(3)}
    found[0][HALPE26.index["head_top"], :2] += 100  # hidden: not scored
    assert validation.evaluate(found)["pck@0.2"] == 100
    found[0][HALPE26.index["left_shoulder"], :2] += 100
    scores = validation.evaluate(found)
    assert scores["pck@0.2"] == pytest.approx(100 * 5 / 6)
    assert scores["pck@0.2/any"] == scores["pck@0.2"]


def test_a_folder_that_is_not_whole(folder, tmp_path):
    with pytest.raises(InputError, match="nobody to pack"):
        pack_people(tmp_path / "empty", PACKED, [])
    pictures = folder / PICTURES
    pictures.write_bytes(pictures.read_bytes()[:-1])
    with pytest.raises(InputError, match="does not hold the"):
        PackedPeople("train", folder)
    (folder / PEOPLE).write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"people\.npz cannot be read"):
        PackedPeople("train", folder)


def test_every_packed_picture_is_verified(folder):
    people = PackedPeople("train", folder)
    assert people.verify() == len(people)
    people.people[3].joints[HALPE26.index["head_top"], 0] = 4000
    with pytest.raises(InputError, match="far outside its 30×40 pixels"):
        people.verify()


def test_packed_people_in_a_skeleton_of_ones_own(folder, tmp_path):
    own = tmp_path / "three.yaml"
    own.write_text(
        "joints: [head_top, left_shoulder, right_shoulder]\nedges: [[head_top, left_shoulder]]\n"
    )
    people = TopDownData("packed", root=str(folder), skeleton=str(own)).people("val")
    assert people.skeleton.joints == ("head_top", "left_shoulder", "right_shoulder")
    assert people[0].labelled.tolist() == [True, True, False]


def test_one_data_set_trains_and_another_tests(folder, data_set):
    data = TopDownData(
        "packed",
        root=str(folder),
        skeleton="halpe26",
        test_dataset="lsp",
        test_root=str(data_set("lsp_extended")),
        width=48,
        height=64,
        batch_size=4,
    )
    batch = next(iter(data.val_dataloader()))
    assert batch["target"].shape == (3, 26, 16, 12)
    tested = data.people("test")
    assert tested.skeleton == HALPE26
    assert len(tested) == 500
    truth = {index: tested[index].joints for index in range(len(tested))}
    assert {*np.flatnonzero(tested[0].labelled)} == {HALPE26.index[n] for n in LSP14.joints}
    assert tested.evaluate(truth)["pck@0.2"] == 100


def test_joints_that_a_skeleton_lacks_count_as_not_found(data_set):
    people = Lsp("test", data_set("lsp_extended"))
    renamed = RenamedPeople(people, COCO17)
    scores = renamed.evaluate({index: renamed[index].joints for index in range(20)})
    assert scores["pck@0.2"] == pytest.approx(100 * 12 / 14)
    assert scores["pck@0.2/neck"] == 0


def test_the_body_of_halpe():
    assert HALPE26.joints == HALPE136.joints[:26]
    assert {joint for pair in HALPE26.edges for joint in pair} == set(HALPE26.joints)


def test_another_photo_of_the_same():
    image = np.random.default_rng(0).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    kept = image.copy()
    assert other_photo(image, np.random.default_rng(1), 0) is image
    changed = [other_photo(image, np.random.default_rng(seed)) for seed in range(60)]
    assert all(one.shape == image.shape and one.dtype == np.uint8 for one in changed)
    assert all((one != image).any() for one in changed)
    assert (other_photo(image, np.random.default_rng(7)) == changed[7]).all()
    assert (image == kept).all()
    grey = [np.ptp(one.astype(int).mean(axis=(0, 1))) for one in changed]
    assert np.median(grey) > 3  # each channel has its own gain
