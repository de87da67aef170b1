"""Boxes, crops and augmentation of the top-down systems."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import COCO17, MPII16
from vitruvian.pose.data import TopDownCrops
from vitruvian.pose.datasets.coco import CocoKeypoints, write_fake_coco
from vitruvian.pose.topdown import (
    Augmentation,
    Crop,
    affine_matrix,
    clip_coco_box,
    coco_center_scale,
    draw_augmentation,
    half_body,
    invert_affine,
    mirror_joints,
    mpii_center_scale,
    transform_points,
    udp_matrix,
)

pixels = st.floats(-500, 1500)
crops = st.builds(
    lambda x, y, w, h, rotation, flip, udp: Crop(
        np.array([x, y]), np.array([w, h]), (48, 64), rotation, flip, udp
    ),
    pixels,
    pixels,
    st.floats(5, 900),
    st.floats(5, 900),
    st.floats(-180, 180),
    st.booleans(),
    st.booleans(),
)


@settings(deadline=None)
@given(crops, pixels, pixels)
def test_a_point_comes_back_from_the_crop(crop: Crop, x: float, y: float) -> None:
    point = np.array([x, y])
    np.testing.assert_allclose(crop.to_picture(crop.to_crop(point)), point, atol=1e-6)


@settings(deadline=None)
@given(crops)
def test_the_centre_of_the_window_is_the_centre_of_the_crop(crop: Crop) -> None:
    # The published crop puts it half a pixel further, at *index* (width / 2, height / 2); its
    # mirror image puts it half a pixel before.
    shift = np.zeros(2) if crop.udp else np.array([-0.5 if crop.flip else 0.5, 0.5])
    np.testing.assert_allclose(crop.to_crop(crop.center), np.array([24, 32]) + shift, atol=1e-6)


@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize(("rotation", "flip"), [(0, False), (30, False), (0, True), (-70, True)])
def test_the_pixels_lie_where_the_joints_say(udp: bool, rotation: float, flip: bool) -> None:
    rows, columns = np.indices((200, 220), dtype=np.uint8)
    picture = np.stack([columns, rows, 0 * rows], axis=-1)
    crop = Crop(np.array([105.0, 95.0]), np.array([60.0, 80.0]), (48, 64), rotation, flip, udp)
    y, x = np.indices((64, 48)) + 0.5
    wanted = crop.to_picture(np.stack([x, y], axis=-1)) - 0.5
    # OpenCV samples at 1/32 of a pixel and rounds to whole grey values.
    assert np.abs(crop.sample(picture)[..., :2] - wanted).max() <= 0.6


@settings(deadline=None)
@given(crops)
def test_a_crop_is_the_whole_picture_warped(crop: Crop) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    expected = cv2.warpAffine(image, crop.matrix, crop.output_size, flags=cv2.INTER_LINEAR)
    off = np.abs(crop.sample(image).astype(int) - expected)
    assert off.max() <= 1  # four channels are rounded otherwise, once in a thousand times


def test_flipping_twice_changes_nothing() -> None:
    joints = np.random.default_rng(0).uniform(0, 200, (3, 17, 3))
    for indices in (False, True):
        once = mirror_joints(joints, 200, COCO17.flip_order, indices=indices)
        twice = mirror_joints(once, 200, COCO17.flip_order, indices=indices)
        np.testing.assert_allclose(twice, joints)
        assert not np.allclose(once, joints)


def test_mirrored_joints_fall_on_the_mirrored_pixels() -> None:
    joints = np.zeros((16, 2))
    joints[MPII16.index["left_wrist"]] = (0.5, 7)  # the centre of the first column
    mirrored = mirror_joints(joints, 10, MPII16.flip_order)
    np.testing.assert_allclose(mirrored[MPII16.index["right_wrist"]], (9.5, 7))
    as_indices = mirror_joints(joints - 0.5, 10, MPII16.flip_order, indices=True)
    np.testing.assert_allclose(as_indices[MPII16.index["right_wrist"]], (9, 6.5))


def test_a_flipped_crop_is_the_mirror_image_of_the_crop() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (90, 70, 3), dtype=np.uint8)
    box = np.array([10.0, 20.0, 50.0, 80.0])
    plain = Crop.of_box(box, (48, 64))
    flipped = Crop.of_box(box, (48, 64), augmentation=Augmentation(flip=True))
    difference = flipped.sample(picture).astype(int) - plain.sample(picture)[:, ::-1]
    assert np.abs(difference).max() <= 8  # OpenCV's grid of 1/32 pixel on noise of 255


def test_a_box_grows_to_the_aspect_and_never_shrinks() -> None:
    center, scale = coco_center_scale([[10, 20, 30, 100], [0, 0, 90, 60]], 0.75)
    np.testing.assert_allclose(center, [[25, 70], [45, 30]])
    np.testing.assert_allclose(scale * 200 / 1.25, [[75, 100], [90, 120]])


def test_coco_boxes_are_clipped_as_published() -> None:
    clipped = clip_coco_box([[-5, 10, 30, 20], [90, 90, 50, 50], [200, 5, 5, 5]], (100, 100))
    np.testing.assert_allclose(clipped[0], [0, 10, 29, 19])
    np.testing.assert_allclose(clipped[1], [90, 90, 9, 9])
    assert clipped[2, 2] == 0


def test_mpii_centres_move_down_and_to_zero_based_pixels() -> None:
    center, scale = mpii_center_scale([594.0, 257.0], 3.021)
    np.testing.assert_allclose(center, [593, 257 + 15 * 3.021 - 1])
    np.testing.assert_allclose(scale, [3.021 * 1.25] * 2)


def test_only_the_width_sets_the_zoom_of_the_published_crop() -> None:
    narrow = affine_matrix([50.0, 60.0], [1.0, 1.0], 20.0, (48, 64))
    tall = affine_matrix([50.0, 60.0], [1.0, 7.0], 20.0, (48, 64))
    np.testing.assert_allclose(narrow, tall)
    back = affine_matrix([50.0, 60.0], [1.0, 1.0], 20.0, (48, 64), inverse=True)
    np.testing.assert_allclose(back, invert_affine(narrow))


def test_a_unit_rotation_turns_counter_clockwise() -> None:
    matrix = affine_matrix([0.0, 0.0], 1.0, 90.0, (200, 200))
    np.testing.assert_allclose(transform_points([[1.0, 0.0]], matrix), [[100, 99]], atol=1e-9)


def test_udp_puts_the_sides_of_the_box_on_the_outer_pixels() -> None:
    matrix = udp_matrix([50.0, 40.0], [60.0, 30.0], 0.0, (192, 256))
    corners = transform_points([[20.0, 25.0], [80.0, 55.0]], matrix)
    np.testing.assert_allclose(corners, [[0, 0], [191, 255]], atol=1e-9)


def test_the_augmentation_stays_within_its_bounds() -> None:
    random = np.random.default_rng(0)
    drawn = [draw_augmentation(random, scale=0.3, rotation=40) for _ in range(2000)]
    scales = np.array([each.scale for each in drawn])
    turns = np.array([each.rotation for each in drawn])
    assert scales.min() == pytest.approx(0.7)
    assert scales.max() == pytest.approx(1.3)
    assert np.abs(turns).max() <= 80
    assert (turns != 0).mean() == pytest.approx(0.6, abs=0.05)
    assert np.mean([each.flip for each in drawn]) == pytest.approx(0.5, abs=0.05)
    again = [draw_augmentation(np.random.default_rng(0)) for _ in range(2)]
    assert again[0] == again[1]


def test_half_body_takes_one_half() -> None:
    joints = np.zeros((17, 2))
    joints[:11] = np.arange(22).reshape(11, 2)
    joints[11:] = 500
    labelled = np.ones(17)
    labelled[13:] = 0  # two joints are left below: too few
    random = np.random.default_rng(0)
    for _ in range(20):
        found = half_body(joints, labelled, range(11), 0.75, random)
        assert found is not None
        np.testing.assert_allclose(found[0], joints[:11].mean(axis=0))
        np.testing.assert_allclose(found[1] * 200 / 1.5, [20, 20 / 0.75])
    labelled[1:] = 0
    assert half_body(joints, labelled, range(11), 0.75, random) is None


@pytest.mark.parametrize(
    "box", [[5, 5, 5, 50], [5, 5, 4, 50], [np.nan, 0, 5, 5], [0, 0, np.inf, 5]]
)
def test_a_box_without_an_area_is_refused(box: list[float]) -> None:
    with pytest.raises(InputError):
        Crop.of_box(box, (48, 64))


def test_crops_show_half_of_a_body_as_often_as_asked(tmp_path) -> None:
    people = CocoKeypoints("train", write_fake_coco(tmp_path, 3))
    plain = TopDownCrops(people, (48, 64), augment={"scale": 0, "rotation": 0, "flip": 0})
    halved = TopDownCrops(people, (48, 64), augment=plain.augment, halves=1.0)
    kinds = set()
    for index, person in enumerate(people.people):
        parts = [np.arange(17) < 11, np.arange(17) >= 11]
        middles = [person.joints[person.labelled & part, :2].mean(axis=0) for part in parts]
        found = [halved[index, epoch]["center"].numpy() for epoch in range(8)]
        assert all(min(np.abs(m - center).max() for m in middles) < 1e-3 for center in found)
        kinds |= {int(np.abs(center - middles[0]).max() < 1e-3) for center in found}
        np.testing.assert_allclose(plain[index]["center"], person.center)
    assert kinds == {0, 1}
    few = people.people[0].joints
    few[8:, 2] = 0
    np.testing.assert_allclose(halved[0]["center"], people[0].center)
    still = TopDownCrops(people, (48, 64), halves=1.0)
    np.testing.assert_allclose(still[1]["center"], people[1].center)
