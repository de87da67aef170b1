"""What is written is read by the house's and the usual loaders of the real sets, unchanged."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster
from PIL import Image
from torchvision.datasets import Cityscapes, Sintel, VOCDetection, VOCSegmentation

from vitruvian.core.skeletons import COCO17, CROWDPOSE14, LSP14, MPII16, WHOLEBODY133
from vitruvian.image.datasets.ccp import CATEGORIES, GarmentCrops
from vitruvian.motion.datasets.eth_ucy import FOLDS, EthUcy
from vitruvian.motion.tracks import read_text
from vitruvian.pose.datasets.coco import CocoKeypoints
from vitruvian.pose.datasets.coco_family import CocoWholeBody, CrowdPose
from vitruvian.pose.datasets.lsp import Lsp
from vitruvian.pose.datasets.mpii import MATLAB, Mpii
from vitruvian.world import make as making
from vitruvian.world.crowds import simulate_crowd
from vitruvian.world.make import Plan, make
from vitruvian.world.sample import Setting, render_sample
from vitruvian.world.writers import clips, eth_ucy, find_writer
from vitruvian.world.writers.base import seen_people
from vitruvian.world.writers.ccp import LABELS

SETTING = Setting(144, 96, (1, 3), place="street")
COUNT, SEED = 4, 21
ROUNDING = 0.0051


@pytest.fixture(scope="module")
def rendered():
    return [render_sample(SEED, index, SETTING) for index in range(COUNT)]


@pytest.fixture
def written(rendered, tmp_path, monkeypatch):
    """A function that writes the samples in a format, half of them in its second part."""

    def encode(name, seed, setting, device, index, part):
        return find_writer(name).encode(rendered[index], part)

    def write(name):
        writer = find_writer(name)
        shares = (0.5, 0.5, *[0.0] * (len(writer.parts) - 2)) if len(writer.parts) > 1 else None
        plan = Plan(writer, COUNT, SETTING, SEED, shares)
        make(plan, tmp_path / name)
        return tmp_path / name, [plan.part(index) for index in range(COUNT)]

    monkeypatch.setattr(making, "encode_one", encode)
    return write


def labelled(rendered, parts, part, skeleton, least=1):
    """The joints of a part's people as the house has them, those seen enough marked by 1."""
    found = []
    for sample, own in zip(rendered, parts, strict=True):
        for _, person in seen_people(sample) if own == part else []:
            points = person.keypoints(skeleton)
            points[:, 2] = points[:, 2] >= least
            found.append(points * points[:, 2:])
    return [points for points in found if points.any()]


def read(people):
    return [person.joints for person in people]


def assert_same_joints(people, expected):
    assert len(people) == len(expected) > 0
    np.testing.assert_allclose(read(people), expected, atol=ROUNDING)


def test_coco_is_read_and_perfect(written, rendered):
    folder, parts = written("coco")
    for split, part in (("train", "train"), ("validation", "val")):
        people = CocoKeypoints(split, folder)
        assert people.verify() == len(people)
        assert_same_joints(people, labelled(rendered, parts, part, COCO17))
    truth = {index: person.joints for index, person in enumerate(people)}
    assert next(iter(people.evaluate(truth).values())) == pytest.approx(100)


def test_coco_masks_boxes_and_points_score_fully(written, rendered):
    folder, _ = written("coco")
    truth = COCO(str(folder / "annotations/person_keypoints_train2017.json"))
    entries = truth.loadAnns(truth.getAnnIds())
    for entry in entries:
        sample, place = rendered[entry["image_id"] - 1], entry["id"] % 100
        mask = sample.mask(place)
        np.testing.assert_array_equal(truth.annToMask(entry), mask)
        assert entry["area"] == mask.sum()
        rows, columns = np.nonzero(mask)
        x, y, width, height = entry["bbox"]
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
    found = truth.loadRes([{**entry, "score": 1.0} for entry in entries])
    for kind in ("bbox", "segm", "keypoints"):
        scorer = COCOeval_faster(truth, found, kind)
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
        assert scorer.stats[0] == pytest.approx(1), kind


def test_wholebody_has_the_official_fields(written, rendered, data_set):
    folder, parts = written("coco-wholebody")
    truth = COCO(str(folder / "annotations/coco_wholebody_train_v1.0.json"))
    official = json.loads(
        (data_set("mmpose_samples") / "coco/test_coco_wholebody.json").read_text()
    )
    entries = truth.loadAnns(truth.getAnnIds())
    model = official["annotations"][0]
    assert len(entries) == len(labelled(rendered, parts, "train", COCO17))
    shapes = {key: np.shape(value) for key, value in model.items() if key not in LONG}
    joints = []
    for entry in entries:
        assert entry.keys() == model.keys()
        assert {key: np.shape(value) for key, value in entry.items() if key not in LONG} == shapes
        names = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
        points = np.concatenate([np.reshape(entry[name], (-1, 3)) for name in names])
        sample, place = rendered[entry["image_id"] - 1], entry["id"] % 100
        expected = sample.people[place].keypoints(WHOLEBODY133)
        expected[expected[:, 2] > 0, :2] -= 0.5
        for part, start, end in (("foot", 17, 23), ("face", 23, 91), ("lefthand", 91, 112)):
            if not entry[f"{part}_valid"]:
                assert not (expected[start:end, 2] == 2).any()
                assert not points[start:end].any()
                expected[start:end] = 0
            elif part != "foot":
                x, y, width, height = entry[f"{part}_box"]
                own = points[start:end][points[start:end, 2] > 0, :2]
                assert (own >= [x - 1, y - 1]).all()
                assert (own <= [x + width + 1, y + height + 1]).all()
        joints.append(points[:112] - expected[:112])
    assert np.abs(joints).max() < ROUNDING
    assert any(entry["face_valid"] for entry in entries)
    people = CocoWholeBody("train", folder)
    assert people.verify() == len(entries)
    scores = people.evaluate({index: person.joints for index, person in enumerate(people)})
    assert next(iter(scores.values())) == pytest.approx(100)
    category = {key: official["categories"][0][key] for key in ("id", "name", "keypoints")}
    assert category.items() <= truth.loadCats([1])[0].items()


LONG = ("segmentation",)
"""Of another length for each person."""


def test_crowdpose_has_the_official_fields(written, rendered, data_set):
    folder, parts = written("crowdpose")
    official = json.loads(
        (data_set("mmpose_samples") / "crowdpose/test_crowdpose.json").read_text()
    )
    content = json.loads((folder / "json/crowdpose_train.json").read_text())
    for key in ("images", "annotations"):
        assert all(entry.keys() == official[key][0].keys() for entry in content[key])
    assert content["categories"][0]["keypoints"] == official["categories"][0]["keypoints"]
    joints = [np.reshape(entry["keypoints"], (14, 3)) for entry in content["annotations"]]
    expected = labelled(rendered, parts, "train", CROWDPOSE14)
    for points, wanted in zip(joints, expected, strict=True):
        seen = wanted[:, 2] > 0
        np.testing.assert_array_equal(points[:, 2] > 0, seen)
        np.testing.assert_allclose(points[seen, :2] + 0.5, wanted[seen, :2], atol=ROUNDING)
    people = CrowdPose("train", folder)
    assert_same_joints(people, expected)
    scores = people.evaluate({index: person.joints for index, person in enumerate(people)})
    assert next(iter(scores.values())) == pytest.approx(100)
    both = json.loads((folder / "json/crowdpose_trainval.json").read_text())
    assert len(both["images"]) == COUNT
    for image in both["images"]:
        assert 0 <= image["crowdIndex"] <= 1
        assert Image.open(folder / "images" / image["file_name"]).size == (144, 96)
        alone = len(rendered[image["id"] - 100000].people) == 1
        assert not alone or image["crowdIndex"] == 0


def test_mpii_is_read_from_json_and_matlab(written, rendered):
    folder, parts = written("mpii")
    valid = Mpii("validation", folder)
    assert valid.verify() == len(valid)
    assert_same_joints(valid, labelled(rendered, parts, "valid", MPII16))
    scores = valid.evaluate({index: person.joints for index, person in enumerate(valid)})
    assert scores["pckh@0.5"] == pytest.approx(100)
    train = Mpii("train", folder)
    assert_same_joints(train, labelled(rendered, parts, "train", MPII16))
    everyone = Mpii("train", folder, annotations=folder / MATLAB)
    people = [
        person
        for part in ("train", "valid")
        for person in Mpii({"valid": "validation"}.get(part, part), folder)
    ]
    by_joints = {tuple(person.joints.ravel().round(3)): person for person in people}
    assert len(everyone) == len(people)
    for person in everyone:
        other = by_joints[tuple(person.joints.ravel().round(3))]
        assert person.picture == other.picture
        np.testing.assert_allclose(person.center, other.center)
        np.testing.assert_allclose(person.size, other.size)
        assert 0 < person.facts["head"] < person.size.max()


def test_lsp_is_read(written, rendered):
    folder, parts = written("lsp")
    for part in ("train", "test"):
        people = Lsp(part, folder)
        assert people.verify() == len(people) == parts.count(part)
        for person in people:
            sample = rendered[int(person.picture.stem[2:]) - 1]
            wanted = [
                points
                for own in sample.people
                for points in [own.keypoints(LSP14)]
                if ((points[:, 2] == 2) == person.labelled).all()
            ]
            seen = person.labelled
            errors = [np.abs(points[seen, :2] - person.joints[seen, :2]).max() for points in wanted]
            assert min(errors) < ROUNDING


def test_voc_is_read(written, rendered):
    folder, parts = written("voc")
    maps = VOCSegmentation(str(folder), image_set="train")
    boxes = VOCDetection(str(folder), image_set="trainval")
    assert len(maps) == parts.count("train")
    assert len(boxes) == COUNT
    image, truth = maps[0]
    assert truth.mode == "P"
    assert truth.getpalette()[45:48] == [192, 128, 128]
    sample = rendered[parts.index("train")]
    classes, someone = np.asarray(truth), sample.rendering.person >= 0
    assert image.size == truth.size == (144, 96)
    assert set(np.unique(classes)) == {0, 15, 255}
    assert someone[classes == 15].all()
    assert not someone[classes == 0].any()
    assert (classes == 255).mean() < 0.35
    for place, (_, annotation) in enumerate(boxes):
        found = annotation["annotation"]["object"]
        people = [person for _, person in seen_people(rendered[place])]
        assert [entry["name"] for entry in found] == ["person"] * len(people)
        for entry, person in zip(found, people, strict=True):
            box = [int(entry["bndbox"][key]) for key in ("xmin", "ymin", "xmax", "ymax")]
            np.testing.assert_array_equal(np.array(box) - [1, 1, 0, 0], person.box)


def test_cityscapes_is_read(written, rendered):
    folder, parts = written("cityscapes")
    kinds = ["semantic", "instance", "color", "polygon"]
    city = Cityscapes(str(folder), split="train", mode="fine", target_type=kinds)
    assert len(city) == parts.count("train")
    image, (labels, objects, colors, polygons) = city[0]
    sample = rendered[parts.index("train")]
    np.testing.assert_array_equal(np.asarray(image), sample.image)
    labels, objects = np.asarray(labels), np.asarray(objects)
    person = sample.rendering.person
    np.testing.assert_array_equal(labels == 24, person >= 0)
    np.testing.assert_array_equal(objects[person >= 0], 24000 + person[person >= 0])
    np.testing.assert_array_equal(objects[person < 0], labels[person < 0])
    known = {entry.id: entry for entry in Cityscapes.classes}
    shown = np.asarray(colors)
    for number in np.unique(labels):
        assert (shown[labels == number][:, :3] == known[number].color).all()
    name = Path(city.images[0]).name.replace("leftImg8bit", "gtFine_labelTrainIds")
    training = folder / "gtFine/train/vitruvia" / name
    table = {number: known[number].train_id for number in np.unique(labels)}
    ids = np.array([table[number] for number in labels.ravel()]).reshape(labels.shape)
    np.testing.assert_array_equal(np.asarray(Image.open(training)), ids % 256)
    names = {entry.name for entry in known.values()}
    assert {entry["label"] for entry in polygons["objects"]} <= names
    painted = np.zeros(labels.shape, np.uint8)
    for entry in polygons["objects"]:
        value = 1 if entry["label"] == "person" else 0
        cv2.fillPoly(painted, [np.array(entry["polygon"])], value)
    assert (painted == (person >= 0)).mean() > 0.97


def test_camvid_is_as_the_shared_set(written, rendered, data_set):
    folder, parts = written("camvid")
    real = Image.open(next((data_set("camvid") / "trainannot").glob("*.png")))
    lines = (folder / "train.txt").read_text().splitlines()
    assert len(lines) == parts.count("train")
    for line, place in zip(
        lines, [i for i, part in enumerate(parts) if part == "train"], strict=True
    ):
        picture, truth = (folder / path.removeprefix("/SegNet/CamVid/") for path in line.split())
        np.testing.assert_array_equal(np.asarray(Image.open(picture)), rendered[place].image)
        assert Image.open(truth).mode == real.mode
        labels = np.asarray(Image.open(truth))
        assert labels.max() <= 11
        np.testing.assert_array_equal(labels == 9, rendered[place].rendering.person >= 0)


def test_ccp_is_read(written, rendered, data_set, monkeypatch):
    folder, _ = written("ccp")
    official = (data_set("ccp") / "labels.txt").read_text().split("\n")
    assert [name.strip() for name in official if name.strip()] == list(LABELS)
    monkeypatch.setattr("vitruvian.image.datasets.ccp.LEAST_AREA", 20)
    crops = [crop for split in ("train", "test") for crop in [GarmentCrops(split, folder)]]
    assert sum(map(len, crops)) > 0
    assert all(crop.classes == CATEGORIES for crop in crops)
    side = crops[0].picture(0).shape
    assert side[0] == side[1] > 5
    for place, sample in enumerate(rendered):
        labels = np.asarray(Image.open(folder / f"pixel-level/{place + 1:04d}.png"))
        np.testing.assert_array_equal(labels > 0, sample.rendering.person >= 0)
        assert LABELS.index("skin") in labels


def test_lip_is_as_described(written, rendered):
    folder, parts = written("lip")
    for part in ("train", "val"):
        names = (folder / f"TrainVal_images/{part}_id.txt").read_text().split()
        assert len(names) == parts.count(part)
        table = folder / f"TrainVal_pose_annotations/lip_{part}_set.csv"
        rows = list(csv.reader(table.open()))
        assert [row[0] for row in rows] == [f"{name}.jpg" for name in names]
        for row in rows:
            sample = rendered[int(row[0][:6]) - 1]
            maps = folder / f"TrainVal_parsing_annotations/{part}_segmentations"
            labels = np.asarray(Image.open(maps / row[0].replace(".jpg", ".png")))
            picture = folder / f"TrainVal_images/{part}_images" / row[0]
            assert Image.open(picture).size == labels.shape[::-1]
            someone = sample.rendering.person >= 0
            assert not labels[~someone].any()
            assert (labels[someone] > 0).mean() > 0.9
            assert labels.max() < 20
            joints = np.array(row[1:], dtype=float).reshape(16, 3)
            people = [person.keypoints(MPII16) for person in sample.people]
            assert any(same_lip_joints(joints, points) for points in people)


def same_lip_joints(joints, points):
    there = points[:, 2] > 0
    places = np.allclose(joints[there, :2] + 0.5, points[there, :2], atol=ROUNDING)
    hidden = (joints[there, 2] == (points[there, 2] == 1)).all()
    return places and hidden and (np.isnan(joints[:, 0]) == ~there).all()


def test_ways_are_read_as_eth_ucy(tmp_path, monkeypatch):
    monkeypatch.setattr(eth_ucy, "SECONDS", 60.0)
    made = make(Plan(find_writer("eth-ucy"), 9, Setting(), SEED), tmp_path / "ways")
    assert made["people"] > 9
    for fold in FOLDS:
        for split in ("train", "val", "test"):
            assert len(EthUcy(fold, split, tmp_path / "ways"))
    rows = np.loadtxt(tmp_path / "ways/all_data/biwi_eth.txt")
    films = [simulate_crowd(SEED, index, seconds=60.0) for index in (0, 8)]
    first = rows[rows[:, 0] < 100_000]
    np.testing.assert_allclose(first, films[0].rows(), atol=ROUNDING)
    np.testing.assert_allclose(rows[len(first) :, 2:], films[1].rows()[:, 2:], atol=ROUNDING)
    assert not set(first[:, 1]) & set(rows[len(first) :, 1])
    parts = [np.loadtxt(tmp_path / f"ways/{part}/biwi_eth_{part}.txt") for part in ("train", "val")]
    assert sum(map(len, parts)) == len(rows)
    assert parts[0][:, 0].min() == rows[:, 0].min()
    table = read_text(tmp_path / "ways/all_data/biwi_hotel.txt")
    assert len(table) == len(simulate_crowd(SEED, 1, seconds=60.0).rows())
    ground = np.asarray(Image.open(tmp_path / "ways/maps/biwi_eth_0.png"))
    np.testing.assert_array_equal(ground, films[0].square.labels)
    scale = np.loadtxt(tmp_path / "ways/maps/biwi_eth_0_homography.txt")
    cells = np.floor(np.linalg.inv(scale)[:2, :2] @ first[:, 2:].T).astype(int)
    assert (ground[cells[1], cells[0]] == 1).mean() < 0.01  # hardly ever in an obstacle


def test_clips_are_read_as_sintel(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "FRAMES", 3)
    plan = Plan(find_writer("clips"), 1, Setting(96, 72), SEED)
    make(plan, tmp_path / "clips")
    read = Sintel(str(tmp_path / "clips"), "train", "final")
    assert len(read) == 2
    frames = clips.render(SEED, 0, plan.setting, "cpu")
    for place in range(2):
        first, _, flow = read[place]
        np.testing.assert_array_equal(np.asarray(first), frames[place].sample.image)
        assert flow.shape == (2, 72, 96)
        root = tmp_path / "clips/Sintel/training"
        name = f"clip_000001/frame_{place + 1:04d}.png"
        hidden = np.asarray(Image.open(root / "occlusions" / name)) > 0
        rows, columns = np.mgrid[:72, :96]
        grid = [(flow[0] + columns).astype(np.float32), (flow[1] + rows).astype(np.float32)]
        own = frames[place].sample.rendering.person.astype(np.float32)
        other = frames[place + 1].sample.rendering.person.astype(np.float32)
        warped = cv2.remap(other, *grid, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        assert (warped == own)[~hidden].mean() > 0.98
    tracks = json.loads((root / "tracks/clip_000001.json").read_text())
    assert len(tracks["people"]) == len(frames[0].sample.people)
    boxes = tracks["people"][0]["boxes"]
    np.testing.assert_allclose(boxes, [frame.sample.people[0].box for frame in frames])
    assert len(list((root / "flow_back/clip_000001").glob("*.flo"))) == 2
