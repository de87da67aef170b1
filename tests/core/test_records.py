"""Skeletons and records: by name, left and right right, and back from their files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitruvian.core.errors import UnknownNameError
from vitruvian.core.records import Face, Frame, Person, Pose
from vitruvian.core.skeletons import (
    COCO17,
    LSP14,
    MPII16,
    OPENPOSE18,
    SKELETONS,
    convert_joints,
    find_skeleton,
)


def some_joints(skeleton, seed=0):
    rng = np.random.default_rng(seed)
    joints = rng.uniform(0, 500, (len(skeleton), 3)).astype(np.float32)
    joints[:, 2] = rng.uniform(0.1, 1, len(skeleton))
    joints[rng.random(len(skeleton)) < 0.2] = 0
    return joints


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_flipping_twice_is_nothing(skeleton):
    order = skeleton.flip_order
    assert (order[order] == np.arange(len(skeleton))).all()
    assert len(set(skeleton.joints)) == len(skeleton)
    assert len(skeleton.sigmas) in (0, len(skeleton))


def test_published_orders():
    """The orders and flip pairs of the data sets' own papers and tools."""
    assert COCO17.flip_pairs == tuple((i, i + 1) for i in range(1, 17, 2))
    assert set(MPII16.flip_pairs) == {(0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13)}
    assert set(LSP14.flip_pairs) == {(0, 5), (1, 4), (2, 3), (6, 11), (7, 10), (8, 9)}
    assert COCO17.sigmas[5] == COCO17.sigmas[6] == 0.079
    assert COCO17.joints[9] == "left_wrist"
    # "To COCO-17" of the OpenPose sheet: these places of the 18.
    order = [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]
    assert [OPENPOSE18.index[joint] for joint in COCO17.joints] == order


def test_conversion_there_and_back():
    joints = some_joints(COCO17)
    there = convert_joints(joints, COCO17, OPENPOSE18)
    back = convert_joints(there, OPENPOSE18, COCO17)
    np.testing.assert_array_equal(back, joints)


def test_neck_is_the_middle_of_both_shoulders_or_not_found():
    joints = np.zeros((17, 3), np.float32)
    joints[COCO17.index["left_shoulder"]] = 10, 20, 0.5
    neck = convert_joints(joints, COCO17, OPENPOSE18)[OPENPOSE18.index["neck"]]
    np.testing.assert_array_equal(neck, 0)
    joints[COCO17.index["right_shoulder"]] = 30, 40, 0.9
    neck = convert_joints(joints, COCO17, OPENPOSE18)[OPENPOSE18.index["neck"]]
    np.testing.assert_allclose(neck, [20, 30, 0.5])


def test_unknown_skeleton_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="'coco17'"):
        find_skeleton("coco-17")


def some_frame(seed, people=2, faces=1):
    rng = np.random.default_rng(seed)

    def face():
        return Face(
            rng.uniform(0, 99, 4).astype(np.float32), 0.5,
            rng.uniform(0, 99, (5, 2)).astype(np.float32),
        )  # fmt: skip

    def person(place):
        box = rng.uniform(0, 99, 4).astype(np.float32)
        pose = Pose(OPENPOSE18, some_joints(OPENPOSE18, seed + place))
        return Person(0.75, box, pose, face() if place else None, place + 1)

    found = tuple(person(place) for place in range(people))
    return Frame("café\n1.jpg", 3, 0.125, 640, 480, found, tuple(face() for _ in range(faces)))


@given(st.integers(0, 10_000), st.integers(0, 4), st.integers(0, 3))
def test_a_record_comes_back_from_its_line(seed, people, faces):
    frame = some_frame(seed, people, faces)
    line = json.dumps(frame.to_dict())
    assert "\n" not in line
    assert json.dumps(Frame.from_dict(json.loads(line)).to_dict()) == line


def test_the_line_has_what_the_format_says():
    data = some_frame(1).to_dict()
    assert list(data) == ["source", "frame", "seconds", "width", "height", "people", "faces"]
    person = data["people"][1]
    assert list(person) == ["id", "score", "box", "pose", "face"]
    assert person["pose"]["skeleton"] == "openpose18"
    assert all(len(joint) == 3 and joint[2] > 0 for joint in person["pose"]["joints"].values())
    assert list(person["face"]) == ["score", "box", "landmarks"]
    assert len(person["face"]["landmarks"]) == 5
    assert data["people"][0]["face"] is None


def test_coco_results_count_pixels_as_coco_does():
    frame = some_frame(2)
    result = frame.to_coco(192)[0]
    pose = frame[0].pose
    place = int(np.flatnonzero(pose.to(COCO17).found)[0])
    joint = np.array(result["keypoints"]).reshape(17, 3)[place]
    np.testing.assert_allclose(joint[:2], pose[COCO17.joints[place]][:2] - 0.5, atol=1e-3)
    assert result["image_id"] == 192
    assert result["category_id"] == 1
    missing = ~pose.to(COCO17).found
    assert (np.array(result["keypoints"]).reshape(17, 3)[missing] == 0).all()


def test_a_frame_without_its_picture_says_so():
    with pytest.raises(ValueError, match="holds no picture"):
        some_frame(0).draw()
