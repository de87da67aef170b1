"""OpenPose trains: crops and their maps, the losses by hand, every network, people and details."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

import vitruvian
from tests.pose.fakes import write_wholebody
from vitruvian.core.errors import InputError, UnknownNameError, WeightsError
from vitruvian.core.published import save_published
from vitruvian.core.records import Frame, Pose
from vitruvian.core.skeletons import OPENPOSE18, OPENPOSE25, OPENPOSE137
from vitruvian.pose.datasets.coco import CocoKeypoints, write_fake_coco
from vitruvian.pose.datasets.coco_family import CocoWholeBody
from vitruvian.pose.openpose.data import LimbData, LimbPictures
from vitruvian.pose.openpose.details import face_box, hand_box, read_points, with_details
from vitruvian.pose.openpose.grouping import GroupingOptions, group_people
from vitruvian.pose.openpose.kinds import KINDS, build, kind_of, options_of
from vitruvian.pose.openpose.networks import DetailOpenPose
from vitruvian.pose.openpose.tables import BODY_18, BODY_25
from vitruvian.pose.openpose.targets import draw_affinities, draw_heatmaps
from vitruvian.pose.openpose.training import OpenPoseTraining

TINY = {
    "coco": {"stages": 2},
    "body25": {"affinity_stages": 1, "heatmap_stages": 1},
    "lightweight": {"num_refinement_stages": 1, "num_channels": 8},
    "mobilenet": {},
}


@pytest.fixture
def pictures(tmp_path):
    people = CocoKeypoints("train", write_fake_coco(tmp_path, 2))
    return LimbPictures(people, 128, BODY_18, smallest=1, largest=1, rotation=0, shift=0, flip=0)


@pytest.mark.parametrize("table", [BODY_18, BODY_25], ids=["18", "25"])
def test_tables_are_trees_of_the_published_limbs(table):
    trunk = np.delete(table.limbs, table.support, axis=0)
    reached = {1}
    for _ in trunk:
        reached |= {int(end) for limb in trunk if reached & set(limb.tolist()) for end in limb}
    assert len(trunk) == table.joints - 1
    assert reached == set(range(table.joints))
    assert sorted(table.channels) == list(range(0, 2 * len(table.limbs), 2))
    for limb in table.support:
        first, second = (table.skeleton.joints[joint] for joint in table.limbs[limb])
        assert first.replace("shoulder", "ear") == second


def test_a_person_with_feet_comes_back():
    """One person of BODY_25, drawn as ideal maps in the networks' order."""
    joints = 8 * np.random.default_rng(1).permutation(49)[:25, None].repeat(2, 1)
    joints = np.stack([40 + joints[:, 0] % 7 * 45, 40 + joints[:, 1] // 7 * 6], axis=1)[None]
    seen = np.ones((1, 25), dtype=bool)
    drawn = draw_affinities(joints, seen, BODY_25.limbs, (50, 50))
    fields = np.zeros_like(drawn)
    for axis in (0, 1):
        fields[BODY_25.channels + axis] = drawn[axis::2]
    heatmaps = draw_heatmaps(joints, seen, (50, 50))
    options = GroupingOptions(affinity_offset=0.4375, min_support=0.5, long_limb=2.0)
    found, _ = group_people(heatmaps, fields, options, BODY_25)
    assert found.shape == (1, 25, 3)
    apart = np.linalg.norm(found[0, :, :2] * 8 - 0.5 - joints[0], axis=1)
    assert apart.max() < 1
    alone = seen.copy()
    alone[:, :19] = False  # feet make no person
    found, _ = group_people(draw_heatmaps(joints, alone, (50, 50)), fields, options, BODY_25)
    assert len(found) == 0


def test_a_crop_is_as_published(pictures):
    assert len(pictures) == 4
    sample = pictures[0]
    assert sample["image"].shape == (3, 128, 128)
    assert sample["heatmaps"].shape == (19, 16, 16)
    assert sample["affinities"].shape == (38, 16, 16)
    assert sample["heatmap_weight"].min() == sample["affinity_weight"].min() == 1
    # The box of the person is 110 pixels high: 0.6 of the crop.
    window = pictures._crop(np.random.default_rng(0), pictures.people[0])
    assert window.size.tolist() == pytest.approx([109 / 0.6] * 2)
    points = window.to_crop(pictures.people[0].joints[:, :2])
    nose = pictures.people.skeleton.index["nose"]
    x, y = (points[nose] / 8).astype(int)
    assert sample["heatmaps"][0, y, x] > 0.6
    background = 1 - sample["heatmaps"][:-1].amax(dim=0)
    assert torch.allclose(sample["heatmaps"][-1], background, atol=1e-6)
    assert sample["image"][:, 0, 0].tolist() == [128, 128, 128]  # beyond the picture


def test_people_without_labels_are_masked_and_the_border_is_not(tmp_path):
    people = CocoKeypoints("train", write_fake_coco(tmp_path, 1))
    crowd = {"counts": [0, 120 * 40, 120 * 120], "size": [120, 160]}
    people.entries.append({"image_id": 1, "iscrowd": 1, "segmentation": crowd, "category_id": 1})
    options = {"smallest": 1, "largest": 1, "rotation": 0, "shift": 0, "flip": 0}
    mask = LimbPictures(people, 128, BODY_18, **options)[1]["mask"]
    assert mask[:, -1].min() == 1
    assert mask[0].min() == 1
    assert mask[8].tolist() == [0] + [1] * 15  # the crowd is left of x = 40, the crop begins at 29


def test_small_people_and_neighbours_get_no_crop(tmp_path):
    folder = write_fake_coco(tmp_path, 1)
    file = folder / "annotations/person_keypoints_train2017.json"
    content = json.loads(file.read_text())
    content["annotations"][1]["bbox"] = content["annotations"][0]["bbox"]
    file.write_text(json.dumps(content))
    assert len(LimbPictures(CocoKeypoints("train", folder), 128, BODY_18)) == 1
    for entry in content["annotations"]:
        entry["bbox"] = [5, 5, 20, 20]
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="large enough"):
        LimbPictures(CocoKeypoints("train", folder), 128, BODY_18)


def test_feet_count_only_where_they_are_annotated(tmp_path):
    folder = write_wholebody(tmp_path, 1)
    body = LimbPictures(CocoKeypoints("train", folder), 128, BODY_25)[0]
    assert body["heatmap_weight"].tolist() == [1] * 19 + [0] * 6 + [1]
    assert body["affinity_weight"].tolist() == [1] * 40 + [0] * 12
    whole = LimbPictures(CocoWholeBody("train", folder), 128, BODY_25)[0]
    assert whole["heatmap_weight"].min() == whole["affinity_weight"].min() == 1
    assert whole["heatmaps"][19:25].amax(dim=(1, 2)).max() > 0.5


def test_a_mirrored_crop_has_mirrored_maps(tmp_path):
    people = CocoKeypoints("train", write_fake_coco(tmp_path, 1))
    options = {"smallest": 1, "largest": 1, "rotation": 0, "shift": 0}
    plain = LimbPictures(people, 128, BODY_18, flip=0, **options)[0]
    mirrored = LimbPictures(people, 128, BODY_18, flip=1, **options)[0]
    order = [*OPENPOSE18.flip_order.tolist(), 18]
    assert torch.allclose(mirrored["heatmaps"].flip(-1)[order], plain["heatmaps"], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_network_learns_from_all_of_its_stages(kind, tmp_path):
    torch.manual_seed(0)
    data = LimbData(kind=kind, root=str(write_fake_coco(tmp_path, 1)), size=64, seed=0)
    rows = [data.pictures("train")[index] for index in range(2)]
    batch = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    system = OpenPoseTraining(kind=kind, network=TINY[kind])
    losses = system.losses(batch)
    stages = {"coco": (2, 2), "body25": (1, 1), "lightweight": (2, 2), "mobilenet": (6, 6)}[kind]
    named = [f"heatmaps{i + 1}" for i in range(stages[0])]
    named += [f"affinities{i + 1}" for i in range(stages[1])]
    assert sorted(losses) == sorted(named)
    torch.stack(list(losses.values())).sum().backward()
    assert all(p.grad is not None for p in system.network.parameters())


def test_losses_by_hand():
    system = OpenPoseTraining(kind="lightweight", network=TINY["lightweight"])
    heatmaps, affinities = torch.zeros(2, 19, 2, 2), torch.ones(2, 38, 2, 2)
    system.stages = lambda image: ([heatmaps], [affinities])
    batch = {
        "image": None,
        "heatmaps": torch.full((2, 19, 2, 2), 2.0),
        "affinities": torch.zeros(2, 38, 2, 2),
        "mask": torch.tensor([[[1.0, 1], [0, 0]], [[1, 1], [1, 1]]]),
        "heatmap_weight": torch.cat([torch.ones(2, 18), torch.zeros(2, 1)], dim=1),
        "affinity_weight": torch.ones(2, 38),
    }
    losses = system.losses(batch)
    assert losses["heatmaps1"].item() == pytest.approx(0.5 * 4 * 18 * (2 + 4) / 2)
    assert losses["affinities1"].item() == pytest.approx(0.5 * 38 * (2 + 4) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_trained_is_found_again_by_its_keys(kind, tmp_path):
    system = OpenPoseTraining(kind=kind, network=TINY[kind])
    system.save(tmp_path / "w.safetensors")
    loaded = vitruvian.load("openpose", tmp_path / "w.safetensors", device="cpu")
    assert loaded.kind is KINDS[kind]
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    loaded.height, loaded.scales = 64, (1.0,)
    maps = loaded.runner(np.zeros((1, 3, 64, 64), np.float32))
    assert [m.shape[1] for m in maps] == [loaded.table.joints + 1, 2 * len(loaded.table.limbs)]
    assert isinstance(loaded.predict([image])[0], Frame)


def test_depths_are_read_from_shapes():
    with torch.device("meta"):
        for kind, options in TINY.items():
            network = build(kind, **options)
            names = getattr(
                network, "published_keys", lambda n=network: {k: k for k in n.state_dict()}
            )
            shapes = {names()[k]: tuple(v.shape) for k, v in network.state_dict().items()}
            assert kind_of(shapes) == kind
            assert options_of(kind, shapes) == options
    assert kind_of({"conv1.weight"}) == "mobilenet"


def standing(skeleton=OPENPOSE25) -> Pose:
    joints = np.zeros((len(skeleton), 3), dtype=np.float32)
    places = {
        "neck": (100, 80), "nose": (100, 50), "left_eye": (108, 44), "right_eye": (92, 44),
        "left_ear": (116, 48), "right_ear": (84, 48),
        "left_shoulder": (130, 80), "left_elbow": (130, 120), "left_wrist": (130, 150),
        "right_shoulder": (70, 80), "right_elbow": (70, 120), "right_wrist": (70, 150),
    }  # fmt: skip
    for name, place in places.items():
        joints[skeleton.index[name]] = (*place, 0.9)
    return Pose(skeleton, joints)


def test_boxes_of_hands_and_face_are_those_of_the_release():
    pose = standing()
    # Wrist + 0.33 · 30 down; 1.5 · max(30, 0.9 · 40) wide.
    center, side = np.array([130, 159.9]), 54
    assert hand_box(pose, "left") == pytest.approx([*(center - side / 2), *(center + side / 2)])
    # Neck and nose: (100, 65), 60; eyes: (100, 44), 48; ears: (100, 48), 64.
    center, side = np.array([100, (65 + 44 + 48) / 3]), (60 + 48 + 64) / 3
    box = np.array([*(center - side / 2), *(center + side / 2)])
    assert face_box(pose) == pytest.approx(box, abs=1e-3)
    pose.joints[pose.skeleton.index["left_wrist"]] = 0
    assert hand_box(pose, "left") is None
    assert face_box(Pose(OPENPOSE25, np.zeros((25, 3), np.float32))) is None
    profile = standing()
    for name in ("right_eye", "right_ear"):
        profile.joints[profile.skeleton.index[name]] = 0
    ways = 10 + np.hypot(16, 2) + 30
    x1, y1, x2, y2 = face_box(profile)
    assert x2 - x1 == pytest.approx(0.85 * ways, abs=1e-3)
    assert (x1 + x2) / 2 == pytest.approx((108 + 116 + 100) / 3, abs=1e-3)
    assert y2 - y1 == pytest.approx(x2 - x1, abs=1e-3)


class Spot:
    """A network that answers where its crop is brightest, in each of `points` maps."""

    def __init__(self, points: int) -> None:
        self.points = points

    def __call__(self, images):
        blocks = images[:, 1].reshape(1, 46, 8, 46, 8).mean(axis=(2, 4)) + 0.5
        return [np.repeat(blocks[:, None], self.points + 1, axis=1)]

    description = "a test"


@pytest.mark.parametrize("mirrored", [False, True])
def test_points_come_back_to_the_picture(mirrored):
    image = np.zeros((200, 200, 3), dtype=np.uint8)
    image[120:124, 60:64] = 255
    points = read_points(image, (40, 90, 100, 150), Spot(21), 21, mirrored=mirrored)
    assert points.shape == (21, 3)
    assert np.abs(points[:, :2] - [62, 122]).max() < 1
    assert points[:, 2].min() > 0.5
    nothing = read_points(np.zeros_like(image), (40, 90, 100, 150), Spot(21), 21)
    assert np.abs(nothing).max() == 0


def test_body_face_and_hands_make_one_pose():
    image = np.full((220, 220, 3), 255, dtype=np.uint8)
    pose = with_details(image, standing(), Spot(70), Spot(21))
    assert pose.skeleton is OPENPOSE137
    assert pose.found[25:].all()
    body = with_details(image, standing(OPENPOSE18), None, None)
    assert body["left_wrist"].tolist() == pytest.approx([130, 150, 0.9])
    assert not body.found[25:].any()
    assert Pose.from_dict(pose.to_dict()).found.all() == pose.found.all()


def test_hands_and_faces_are_networks_of_the_users(tmp_path):
    torch.manual_seed(0)
    body = OpenPoseTraining(kind="body25", network=TINY["body25"])
    body.save(tmp_path / "body.safetensors")
    for name, count in (("hand", 22), ("face", 71)):
        save_published(DetailOpenPose(count, stages=1), tmp_path / f"{name}.safetensors")
    files = {"hands": tmp_path / "hand.safetensors", "face": tmp_path / "face.safetensors"}
    loaded = vitruvian.load("openpose", tmp_path / "body.safetensors", device="cpu", **files)
    assert loaded.hands(np.zeros((1, 3, 64, 64), np.float32))[0].shape == (1, 22, 8, 8)
    assert loaded.face(np.zeros((1, 3, 64, 64), np.float32))[0].shape == (1, 71, 8, 8)
    loaded.detect = lambda images, look_again: [[(standing(), 0.9)]]
    frame = loaded.predict([np.zeros((200, 200, 3), np.uint8)])[0]
    assert frame.people[0].pose.skeleton is OPENPOSE137
    assert isinstance(frame.draw(), Image.Image)
    with pytest.raises(WeightsError, match="hands or faces"):
        vitruvian.load("openpose", device="cpu", hands=tmp_path / "body.safetensors")


def test_wrong_options_are_refused():
    with pytest.raises(UnknownNameError, match="OpenPose network"):
        OpenPoseTraining(kind="body")
    with pytest.raises(InputError, match="no VGG-19"):
        OpenPoseTraining(kind="mobilenet", backbone="vgg.pth")
    with pytest.raises(InputError, match="multiple"):
        LimbData(size=100)
