"""The people that shipped networks learn from: photos without people, settings, resumed shards."""

from __future__ import annotations

import importlib
import sys

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from vitruvian.core.skeletons import HALPE26
from vitruvian.pose.datasets.packed import PackedPeople, pack_people
from vitruvian.pose.hrnet import PoseHRNetSystem
from vitruvian.world.landmarks import load_landmarks


@pytest.fixture(scope="module")
def scripts():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return importlib.import_module
    finally:
        importlib.import_module("open_people")
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture
def script(scripts):
    return scripts("open_people")


@pytest.fixture
def photos(scripts):
    return scripts("open_photos")


@pytest.fixture
def puppets(scripts):
    return scripts("puppets")


COLORS = {"arm": (250, 30, 30), "thigh": (30, 250, 30), "shin": (30, 30, 250), "": (200, 200, 60)}


def standing() -> dict[str, np.ndarray]:
    """Someone who faces the camera: his left is at the picture's right."""
    joints = {"neck": (100, 60), "head_top": (100, 25), "nose": (100, 45), "mid_hip": (100, 130)}
    for side, sign in (("left", 1), ("right", -1)):
        joints |= {
            f"{side}_shoulder": (100 + 22 * sign, 65),
            f"{side}_elbow": (100 + 40 * sign, 95),
            f"{side}_wrist": (100 + 55 * sign, 125),
            f"{side}_hip": (100 + 14 * sign, 130),
            f"{side}_knee": (100 + 16 * sign, 175),
            f"{side}_ankle": (100 + 17 * sign, 215),
        }
    return {name: np.array(point, dtype=float) for name, point in joints.items()}


def paint(puppets, joints) -> tuple[np.ndarray, np.ndarray]:
    """A photo of the person before grey, each kind of limb in its colour, and the pixels."""
    photo = np.full((240, 200, 3), 90, dtype=np.uint8)
    quad = np.stack([joints[name] for name in puppets.TORSO]).astype(np.int32)
    cv2.fillConvexPoly(photo, cv2.convexHull(quad), COLORS[""])
    cv2.circle(photo, (100, 43), 16, COLORS[""], -1)
    for name, limb in puppets.LIMBS.items():
        color = next(value for key, value in COLORS.items() if key in name)
        ends = (joints[end].astype(int).tolist() for end in (limb.start, limb.end))
        cv2.line(photo, *ends, color, 9)
    return photo, (photo != 90).any(axis=2)


def test_a_puppet_has_its_limbs_where_the_pose_has_them(puppets):
    joints = standing()
    photo, person = paint(puppets, joints)
    known = {name: point for name, point in joints.items() if name != "left_wrist"}
    parts = puppets.cut_parts(photo, person, known)
    assert parts.keys() == {*puppets.LIMBS, "torso", "head"}
    pose = {name: 1.2 * point + (60, 40) for name, point in joints.items()}
    pose["right_elbow"], pose["right_wrist"] = np.array([95.0, 90.0]), np.array([55.0, 60.0])
    pose["left_knee"], pose["left_ankle"] = np.array([250.0, 210.0]), np.array([290.0, 180.0])
    behind = np.full((340, 340, 3), 90, dtype=np.uint8)
    moves = puppets.fit_parts(parts, pose)
    picture = puppets.draw_puppet(parts, moves, behind, np.random.default_rng(0))
    assert (behind == 90).all()
    for name, limb in puppets.LIMBS.items():
        x, y = np.round(0.4 * pose[limb.start] + 0.6 * pose[limb.end]).astype(int)
        color = next(value for key, value in COLORS.items() if key in name)
        assert np.abs(picture[y, x].astype(int) - color).max() < 60, name
    assert puppets.face_points(parts, moves)["nose"] == pytest.approx(pose["nose"], abs=1)
    turned = {name: np.array([340 - x, y]) for name, (x, y) in pose.items()}
    assert puppets.fit_parts(parts, turned) is None


def test_who_cannot_become_a_puppet(puppets):
    joints = standing()
    photo, person = paint(puppets, joints)
    assert puppets.cut_parts(photo, person, {**joints, "head_top": np.array([100.0, 59.0])}) is None
    small = {name: point / 3 for name, point in joints.items()}
    assert puppets.cut_parts(photo, person, small) is None
    no_legs = {name: point for name, point in joints.items() if "ankle" not in name}
    assert puppets.cut_parts(photo, person, no_legs) is None


def test_puppets_on_a_stage(scripts, puppets):
    joints = standing()
    parts = puppets.cut_parts(*paint(puppets, joints), joints)
    names = [*joints, "left_eye"]
    poses = np.stack([[joints.get(name, np.zeros(2)) for name in names]])
    backgrounds = [np.full((300, 200, 3), 90, dtype=np.uint8)]
    stage = scripts("puppet_stage").Stage([parts], poses, names, backgrounds)
    picture, told, box, _ = stage.draw(np.random.default_rng(3))
    again, *_ = stage.draw(np.random.default_rng(3))
    assert (picture == again).all()
    height, width = picture.shape[:2]
    sure = told[told[:, 2] > 0, :2]
    assert len(sure) == len(joints)
    assert ((sure >= 0) & (sure <= (width, height))).all()
    assert box[0] < sure[:, 0].min()
    assert box[3] > sure[:, 1].max()
    x, y, _ = told[names.index("left_knee")].astype(int)
    assert (picture[y, x] != 90).any()


def test_what_a_network_reads_again_must_agree(photos, tmp_path, monkeypatch):
    root = tmp_path / "ccp"
    for folder in ("photos", "pixel-level"):
        (root / folder).mkdir(parents=True)
    mask = np.zeros((200, 120), dtype=np.uint8)
    mask[20:180, 30:90] = 1
    cv2.imwrite(str(root / "photos/0001.jpg"), np.full((200, 120, 3), 90, dtype=np.uint8))
    cv2.imwrite(str(root / "pixel-level/0001.png"), mask)
    weights = tmp_path / "weights.safetensors"
    system = PoseHRNetSystem("halpe26", branch_width=8, modules=[1, 1, 1], blocks=1)
    readings = np.full((6, 26, 2), 50.0)
    index = system.skeleton.index
    readings[:3, index["left_wrist"]] += 20
    monkeypatch.setattr(photos, "read_crops", lambda *_: iter(readings))
    monkeypatch.setattr(photos.PoseHRNetSystem, "from_weights", lambda *_: system)
    monkeypatch.setattr(photos, "find_weights", lambda *_: None)
    sure = {"0001.jpg": {"left_knee": [50, 51], "right_knee": [80, 51], "left_wrist": [60, 60]}}
    found = photos.read_again(root, weights, sure, tmp_path / "again.json")["0001.jpg"]
    assert found["left_knee"] == [50, 51]
    assert "right_knee" not in found  # OpenPose has it elsewhere.
    assert found["left_wrist"] == [60, 60]  # The network is unsure, OpenPose is not.
    assert found["neck"] == [50, 50]
    assert not {"head_top", "left_heel"} & found.keys()


def test_crops_are_read_in_the_coordinates_of_the_photo(photos):
    class Echo:
        skeleton, input_size = HALPE26, (96, 128)

        def cut_out(self, image, crops):
            self.crops = crops
            return image

        def read(self, _):
            places = [crop.to_crop(np.full((26, 2), [33.0, 44.0])) for crop in self.crops]
            return np.stack(places), None

    image = np.zeros((200, 120, 3), dtype=np.uint8)
    readings = [*photos.read_crops(Echo(), image, np.array([20.0, 10.0, 90.0, 180.0]))]
    assert len(readings) == 6
    assert np.stack(readings) == pytest.approx(np.broadcast_to([33.0, 44.0], (6, 26, 2)))


def test_people_are_covered_by_what_is_beside_them(photos):
    photo = np.tile(np.arange(80, dtype=np.uint8)[None, :, None], (60, 1, 3))
    person = np.zeros((60, 80), dtype=bool)
    person[20:40, 30:50] = True
    photo[person] = 255
    cleared = photos.without_people(photo, person)
    assert cleared.max() < 80
    assert (cleared[:10] == photo[:10]).all()
    assert (cleared[30, :26] == photo[30, :26]).all()
    # Mirrored at the hole's border, from the nearer side.
    assert cleared[30, 28, 0] == 22
    assert cleared[30, 52, 0] == 56
    wide = np.ones((60, 80), dtype=bool)
    assert (photos.without_people(photo, wide) == photo).all()


def test_a_shard_is_made_once_and_read_back(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "SHARD", 3)
    target = tmp_path / "any-001.npz"
    script.render_shard((target, 1, None))
    made = target.stat().st_mtime_ns
    script.render_shard((target, 1, None))
    assert target.stat().st_mtime_ns == made
    people = list(script.read_shard(target, ("any",)))
    assert {one.source for one in people} == {"any"}
    names = load_landmarks().names
    assert people[0].joints.shape == (len(names), 3)
    pack_people(tmp_path / "packed", names, people * 30)
    packed = PackedPeople("train", tmp_path / "packed")
    assert packed.picture(0).shape == (256, 192, 3)
    assert packed[0].labelled.sum() > 5
