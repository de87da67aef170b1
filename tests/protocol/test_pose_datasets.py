"""Loaders against official-format samples, and what they say of broken ones."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from vitruvian.core.errors import InputError
from vitruvian.pose.data import TopDownCrops, TopDownData, crop_of
from vitruvian.pose.datasets.base import picture_size
from vitruvian.pose.datasets.coco import CocoKeypoints, write_fake_coco
from vitruvian.pose.datasets.lsp import Lsp, score_lsp, write_fake_lsp
from vitruvian.pose.datasets.mpii import Mpii, write_fake_mpii

FAKES = {
    "coco": (write_fake_coco, CocoKeypoints),
    "lsp": (write_fake_lsp, Lsp),
    "mpii": (write_fake_mpii, Mpii),
}


@pytest.fixture(params=FAKES)
def fake(request, tmp_path):
    write, kind = FAKES[request.param]
    return kind("train", write(tmp_path / "set", 8))


def test_a_fake_is_read_verified_drawn_and_perfectly_scored(fake):
    assert fake.verify() == len(fake) > 0
    assert fake.plot(0).size == picture_size(fake[0].picture)
    truth = {}
    for index, person in enumerate(fake.people):
        truth[index] = person.joints
        inside = np.abs(person.joints[person.labelled, :2] - person.center) <= person.size / 2
        assert inside.all()
    main = next(iter(fake.evaluate(truth).values()))
    assert main == pytest.approx(100, abs=1e-6)
    shifted = {index: joints + np.array([60, 60, 0], "f4") for index, joints in truth.items()}
    assert next(iter(fake.evaluate(shifted).values())) < 20


def test_a_missing_picture_is_named(fake):
    picture = fake[0].picture
    root = picture.parents[1]
    picture.unlink()
    with pytest.raises(InputError, match=picture.name):
        type(fake)("train", root)


def test_a_damaged_picture_is_named(fake):
    fake[0].picture.write_text("no picture")
    with pytest.raises(InputError, match=fake[0].picture.name):
        fake.verify()
    with pytest.raises(InputError, match=fake[0].picture.name):
        fake.picture(0)


def test_a_sample_keeps_the_batch_contract(fake):
    crops = TopDownCrops(fake, (96, 128), augment={"flip": 0.5}, seed=3)
    sample = crops[1, 5]
    joints = len(fake.skeleton)
    assert sample["image"].shape == (3, 128, 96)
    assert str(sample["image"].dtype) == "torch.uint8"
    assert sample["keypoints"].shape == (joints, 2)
    assert sample["target"].shape == (joints, 32, 24)
    assert 0 <= float(sample["target"].min()) <= float(sample["target"].max()) <= 1
    assert set(sample["target_weight"].tolist()) <= {0.0, 1.0}
    again, other = crops[1, 5], crops[1, 6]
    assert all((sample[key] == again[key]).all() for key in sample)
    assert not (sample["keypoints"] == other["keypoints"]).all()


def test_the_plain_crop_goes_back_to_the_picture(fake):
    sample = TopDownCrops(fake, (96, 128))[0]
    person = fake[0]
    crop = crop_of(person.center, person.size, (96, 128))
    back = crop.to_picture(sample["keypoints"].numpy())
    assert np.abs(back - person.joints[:, :2]).max() < 1e-3
    assert np.allclose(sample["size"], crop.size, rtol=1e-6)


def test_the_order_is_a_function_of_seed_and_epoch(tmp_path):
    write_fake_lsp(tmp_path, 24)
    data = TopDownData("lsp", root=str(tmp_path), width=32, height=32, batch_size=4, seed=1)
    sampler = data.train_dataloader().sampler
    first = list(sampler)
    assert first == list(sampler)
    sampler.set_epoch(1)
    assert [index for index, _ in sampler] != [index for index, _ in first]
    sampler.resume(0, 8)
    assert list(sampler) == first[8:]
    sampler.set_epoch(1)
    assert len(list(sampler)) == len(first)


def test_lsp_reads_the_original_layout(tmp_path):
    joints = np.random.default_rng(0).uniform(10, 90, (3, 14, 2000))
    joints[2] = 1  # hidden, but labelled
    savemat(tmp_path / "joints.mat", {"joints": joints})
    (tmp_path / "images").mkdir()
    for number in range(1, 2001):
        (tmp_path / "images" / f"im{number:04d}.jpg").touch()
    test = Lsp("test", tmp_path)
    assert len(test) == 1000
    assert test[0].picture.name == "im1001.jpg"
    assert np.allclose(test[0].joints[:, :2], joints[:2, :, 1000].T - 0.5, atol=1e-4)
    assert test[0].labelled.all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content.update(joints=content["joints"][:13]), "shape"),
        (lambda content: content["joints"].__setitem__((0, 0, 0), np.nan), "NaN"),
        (lambda content: content.update(ids=content["ids"][:, :3]), "3 ids"),
        (lambda content: content.pop("joints"), "no array 'joints'"),
        (lambda content: content["joints"].__setitem__((0, 0, 0), 9e4), "far outside"),
    ],
)
def test_lying_lsp_annotations_are_refused(tmp_path, change, sentence):
    write_fake_lsp(tmp_path, 8)
    content = {k: v for k, v in loadmat(tmp_path / "joints.mat").items() if k[0] != "_"}
    change(content)
    savemat(tmp_path / "joints.mat", content)
    with pytest.raises(InputError, match=sentence):
        Lsp("train", tmp_path).verify()


def test_a_truncated_annotation_file_is_named(tmp_path):
    write_fake_lsp(tmp_path, 8)
    file = tmp_path / "joints.mat"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="get the file again"):
        Lsp("train", tmp_path)


def test_lying_coco_annotations_are_refused(tmp_path):
    write_fake_coco(tmp_path)
    file = tmp_path / "annotations/person_keypoints_val2017.json"
    good = json.loads(file.read_text())

    def read(change):
        content = json.loads(json.dumps(good))
        change(content)
        file.write_text(json.dumps(content))
        return CocoKeypoints("validation", tmp_path)

    with pytest.raises(InputError, match="labelled"):
        read(lambda content: content["annotations"][0].update(num_keypoints=1))
    with pytest.raises(InputError, match="99 is not listed"):
        read(lambda content: content["annotations"][0].update(image_id=99))
    with pytest.raises(InputError, match="different releases"):
        read(lambda content: content["images"][0].update(width=640)).verify()
    with pytest.raises(InputError, match="no 'annotations'"):
        read(lambda content: content.pop("annotations"))
    with pytest.raises(InputError, match="annotation 1: another one has the same id"):
        read(lambda content: content["annotations"][1].update(id=1))
    with pytest.raises(InputError, match="annotation 1: 48 key-point numbers, not 51"):
        read(lambda content: content["annotations"][0].update(keypoints=[1, 1, 2] * 16))
    crowd = read(lambda content: content["annotations"][0].update(iscrowd=1))
    assert len(crowd) == len(good["annotations"]) - 1


def test_all_lies_are_listed_and_can_be_left_out(tmp_path):
    write_fake_coco(tmp_path)
    file = tmp_path / "annotations/person_keypoints_val2017.json"
    content = json.loads(file.read_text())
    count = len(content["annotations"])
    content["annotations"][0]["num_keypoints"] = 1
    content["annotations"][3]["keypoints"][0] = float("nan")
    content["annotations"][5]["keypoints"][1] = 7000
    file.write_text(json.dumps(content))
    (tmp_path / "val2017/000000000004.jpg").unlink()
    with pytest.raises(InputError) as caught:
        CocoKeypoints("validation", tmp_path)
    told = str(caught.value)
    assert "5 bad annotations" in told
    assert "--skip-bad" in told
    lines = told.split("\n")[1:]
    places = ["annotation 1", "000000000002.jpg, annotation 4", "annotation 6", "4.jpg", "4.jpg"]
    wrongs = ["num_keypoints", "NaN", "far outside", "missing", "missing"]
    for line, place, wrong in zip(lines, places, wrongs, strict=True):
        assert place in line
        assert wrong in line
    rest = CocoKeypoints("validation", tmp_path, skip_bad=True)
    assert len(rest) == count - 5
    assert rest.verify() == count - 5
    assert len(rest.problems) == 5


def test_a_long_list_is_cut(tmp_path):
    write_fake_lsp(tmp_path, 40)
    for picture in (tmp_path / "images").iterdir():
        picture.unlink()
    with pytest.raises(InputError, match="and 18 more"):
        Lsp("train", tmp_path)
    with pytest.raises(InputError, match="no person"):
        Lsp("train", tmp_path, skip_bad=True)


def test_coco_detections_make_crops_without_labels(tmp_path):
    write_fake_coco(tmp_path)
    boxes = [
        {"image_id": 1, "category_id": 1, "bbox": [5, 5, 70, 110], "score": 0.9},
        {"image_id": 1, "category_id": 3, "bbox": [5, 5, 70, 110], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [200, 5, 70, 110], "score": 0.9},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    people = CocoKeypoints("validation", tmp_path, detections=tmp_path / "boxes.json")
    assert len(people) == 1
    assert people[0].score == 0.9
    assert not people[0].labelled.any()


def test_coco_sample(data_set):
    folder = data_set("mmpose_samples") / "coco"
    people = CocoKeypoints(annotations=folder / "test_coco.json", pictures=folder)
    assert people.verify() == len(people) > 0
    content = json.loads((folder / "test_coco.json").read_text())
    labelled = [e for e in content["annotations"] if e["num_keypoints"] and not e["iscrowd"]]
    assert len(people) == len(labelled)
    boxes = CocoKeypoints(
        annotations=folder / "test_coco.json",
        pictures=folder,
        detections=folder / "test_coco_det_AP_H_56.json",
    )
    assert 0 < min(person.score for person in boxes.people) < 1
    truth = {index: person.joints for index, person in enumerate(people.people)}
    assert people.evaluate(truth)["ap"] == pytest.approx(100)


def test_mpii_sample(data_set):
    folder = data_set("mmpose_samples") / "mpii"
    with pytest.raises(InputError, match="is missing"):
        Mpii(root=folder, annotations=folder / "test_mpii.json")


def test_mpii_sample_in_its_place(data_set, tmp_path):
    folder = data_set("mmpose_samples") / "mpii"
    entries = json.loads((folder / "test_mpii.json").read_text())
    (tmp_path / "images").mkdir()
    (tmp_path / "annot").mkdir()
    there = [entry for entry in entries if (folder / entry["image"]).is_file()]
    for entry in there:
        shutil.copy(folder / entry["image"], tmp_path / "images")
    (tmp_path / "annot/valid.json").write_text(json.dumps(there))
    people = Mpii("validation", tmp_path)
    assert people.verify() == len(there) > 0
    first, entry = people[0], there[0]
    assert first.joints[0, 0] == pytest.approx(entry["joints"][0][0] - 0.5)
    assert first.center[1] == pytest.approx(entry["center"][1] + 15 * entry["scale"] - 0.5)
    assert first.size[0] == pytest.approx(250 * entry["scale"])


def test_lsp_extended_as_it_is(data_set):
    root = data_set("lsp_extended")
    people = {split: Lsp(split, root) for split in ("train", "fit", "validation", "test")}
    assert [len(part) for part in people.values()] == [3000, 2700, 300, 500]
    fit, validation, test = (
        {person.picture for person in people[part].people} for part in ("fit", "validation", "test")
    )
    assert not fit & validation
    assert not (fit | validation) & test
    assert people["test"].verify() == 500


def test_pck_of_a_part_of_the_joints_leaves_the_others_out():
    truth = np.ones((1, 14, 3), dtype=np.float32)
    truth[0, :, :2] = np.random.default_rng(0).uniform(0, 100, (14, 2))
    names = ("right_ankle", "left_wrist")
    predicted = np.stack([truth[:, 0, :2], np.full((1, 2), np.nan)], axis=1)
    scores = score_lsp(predicted, truth, names)
    assert scores["pck@0.2"] == 50
    assert scores["pck@0.2/ankle"] == 100
    assert scores["pck@0.2/wrist"] == 0
    assert "pcp" not in scores


def test_plots_show_the_joints(tmp_path):
    people = Lsp("train", write_fake_lsp(tmp_path, 4))
    drawn = np.asarray(people.plot(0))
    assert (drawn != np.asarray(Image.open(people[0].picture))).any()
