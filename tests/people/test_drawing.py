"""Drawing of people and faces."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.core.drawing import (
    contact_sheet,
    draw_frame,
    draw_pose,
    joint_colours,
    limb_colours,
    person_colour,
)
from vitruvian.core.records import Face, Frame, Person, Pose
from vitruvian.core.skeletons import OPENPOSE18, SKELETONS, WHOLEBODY133, Skeleton


def frame(joints: np.ndarray, skeleton: Skeleton = OPENPOSE18, box=(20, 20, 80, 80)) -> Frame:
    pose = Pose(skeleton, joints.astype(np.float32))
    person = Person(0.9, np.array(box, dtype=np.float32), pose, None, 1)
    return Frame("a", 0, 0.0, 100, 100, (person,))


def everywhere(skeleton: Skeleton) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.concatenate(
        [random.uniform(20, 80, (len(skeleton), 2)), np.ones((len(skeleton), 1))], 1
    )


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_sides_have_their_hues_in_every_skeleton(skeleton: Skeleton) -> None:
    for (a, b), (red, _, blue) in zip(skeleton.edges, limb_colours(skeleton), strict=True):
        sides = {name.split("_")[0] for name in (a, b)} & {"left", "right"}
        if sides == {"right"}:
            assert red > blue + 100
        elif sides == {"left"}:
            assert blue > red + 100
        else:
            assert abs(red - blue) < 30
    for name, (red, _, blue) in zip(skeleton.joints, joint_colours(skeleton), strict=True):
        assert name.startswith("right_") == (red > blue + 100)
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    assert draw_frame(image, frame(everywhere(skeleton), skeleton)) is image
    assert image.any()


def test_only_what_was_found_is_drawn() -> None:
    joints = np.zeros((18, 3))
    joints[3], joints[4] = (30, 60, 0.9), (70, 60, 0.9)  # right elbow and wrist
    drawn = draw_frame(np.zeros((100, 100, 3), dtype=np.uint8), frame(joints))
    inside = drawn[24:76, 24:76].any(axis=2)
    assert inside[60 - 24, 50 - 24]
    assert not inside[:20].any()
    red, _, blue = drawn[60, 50].astype(int)
    assert red > blue + 100


def test_a_joint_is_drawn_where_it_is() -> None:
    joints = np.zeros((18, 3))
    joints[4] = (40.5, 60.5, 0.9)  # the centre of pixel (40, 60)
    drawn = draw_frame(np.zeros((100, 100, 3), dtype=np.uint8), frame(joints))
    y, x = np.nonzero(drawn[24:76, 24:76].any(axis=2))
    assert (x.mean() + 24, y.mean() + 24) == pytest.approx((40, 60), abs=0.3)


def test_boxes_have_the_colour_of_their_id() -> None:
    drawn = draw_frame(np.zeros((100, 100, 3), dtype=np.uint8), frame(np.zeros((18, 3))))
    assert tuple(drawn[50, 19]) == person_colour(1) or tuple(drawn[50, 20]) == person_colour(1)
    assert person_colour(1) != person_colour(2)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (40, 40)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e12, -1e12])
def test_no_number_and_no_size_makes_it_fail(shape, value: float) -> None:
    joints = everywhere(OPENPOSE18)
    joints[::3, 0] = value
    record = frame(joints, box=(value, 0, 10, value))
    face = Face(np.array([0, value, 9, 9], np.float32), 0.9, np.full((5, 2), value, np.float32))
    record = Frame("a", 0, 0.0, *shape[::-1], record.people, (face,))
    image = np.zeros((*shape, 3), dtype=np.uint8)
    draw_frame(image, record)


def test_the_record_draws_itself_on_a_copy() -> None:
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    record = frame(everywhere(OPENPOSE18))
    assert np.asarray(record.draw(image)).any()
    assert not image.any()


def test_a_contact_sheet_shows_each_picture_whole() -> None:
    pictures = [np.full((30, 60, 3), value, dtype=np.uint8) for value in (10, 60, 110)]
    sheet = contact_sheet(pictures, columns=2, width=64)
    assert sheet.shape == (128, 128, 3)
    assert [sheet[y, x, 0] for y, x in ((32, 32), (32, 96), (96, 32))] == [10, 60, 110]
    assert sheet[96, 96].tolist() == [255, 255, 255]


def test_points_of_face_and_fingers_are_fine() -> None:
    def drawn(name: str) -> int:
        image = np.zeros((100, 100, 3), dtype=np.uint8)
        joints = np.zeros((133, 3), np.float32)
        joints[WHOLEBODY133.index[name]] = (50, 50, 1)
        draw_pose(image, Pose(WHOLEBODY133, joints), 10)
        return int(image.any(axis=2).sum())

    wrist = drawn("left_wrist")
    for name in ("right_jaw_3", "left_thumb_2"):
        assert 0 < drawn(name) < wrist / 5
