"""People with their faces: which face is whose, and what a person's box holds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vitruvian.core.records import Face, Pose
from vitruvian.core.skeletons import OPENPOSE18
from vitruvian.people.boxes import person_box
from vitruvian.people.detector import PeopleDetector
from vitruvian.people.faces import join_faces
from vitruvian.people.photos import read_photo
from vitruvian.pose.openpose.detection import SIZE_MULTIPLE, WIDEST, input_size

HEAD = {"nose": (0, 0), "left_eye": (8, -8), "right_eye": (-8, -8), "left_ear": (20, -5)}


def person(x, y, scale=1.0, joints=HEAD):
    values = np.zeros((18, 3), np.float32)
    for name, (dx, dy) in joints.items():
        values[OPENPOSE18.index[name]] = x + scale * dx, y + scale * dy, 0.9
    return Pose(OPENPOSE18, values)


def face(x, y, scale=1.0):
    offsets = np.array([(8, -8), (-8, -8), (0, 0), (6, 8), (-6, 8)], np.float32) * scale
    box = np.array([-16, -20, 16, 20], np.float32) * scale + np.array([x, y, x, y])
    return Face(box.astype(np.float32), 0.9, offsets + np.array([x, y], np.float32))


def test_each_face_goes_to_its_person():
    poses = [person(100, 100), person(130, 102), person(300, 80)]
    faces = [face(131, 101), face(101, 100), face(500, 80)]
    given, rest = join_faces(poses, faces)
    assert given == [faces[1], faces[0], None]
    assert rest == (faces[2],)


def test_a_large_face_beside_a_small_head_is_not_its_own():
    """A bear's face three times the size of the person beside it."""
    poses = [person(100, 100)]
    own, other = face(104, 104), face(60, 140, scale=3)
    assert join_faces(poses, [other, own]) == ([own], (other,))
    assert join_faces(poses, [other]) == ([None], (other,))


def test_no_picture_is_too_long_or_too_small():
    """A strip of 1250 : 1 at full height would take eight gigabytes."""
    for height, width in ((4, 5000), (5000, 3), (1, 1), (50, 20000), (1000, 1300)):
        rows, columns = input_size(height, width, 480)
        assert rows * columns <= 1.2 * WIDEST * 480**2
        assert min(rows, columns) >= 2 * SIZE_MULTIPLE
    assert input_size(480, 640, 480) == (480, 640)
    assert input_size(480, 1920, 480) == (480, 1920)
    strip = np.zeros((4, 5000, 3), np.uint8)
    detector = PeopleDetector(height=64, scales=(1.0,), backend="torch", device="cpu")
    assert detector.detect([strip], look_again=True) == [((), ())]


def test_a_person_without_a_head_has_no_face():
    headless = person(100, 100, joints={"left_knee": (0, 0), "right_knee": (9, 0)})
    found = face(100, 100)
    assert join_faces([headless], [found]) == ([None], (found,))
    assert join_faces([], [found]) == ([], (found,))


def test_the_box_holds_joints_and_face_and_stays_in_the_picture():
    pose, found = person(10, 12), face(10, 12)
    box = person_box(pose, found, (200, 300))
    assert (box[:2] <= np.minimum(pose.box()[:2], np.maximum(found.box[:2], 0))).all()
    assert (box[2:] >= np.maximum(pose.box()[2:], found.box[2:])).all()
    assert (box[:2] >= 0).all()
    assert box[2] <= 300


@pytest.fixture(scope="module")
def detector():
    return PeopleDetector()


def test_a_street_photo(detector):
    """One person, all of it: the joints stand in the order of a body, left on the person's left."""
    image = read_photo("examples/photos/street_0134.jpg")
    ((people, _),) = detector.detect([image])
    (person,) = people
    pose = person.pose
    assert pose.found.sum() >= 16
    assert person.face is not None
    order = ["nose", "neck", "left_hip", "left_knee", "left_ankle"]
    heights = [pose[joint][1] for joint in order]
    assert heights == sorted(heights)
    for joint in ("shoulder", "hip"):  # she faces the camera: her left is on the right
        assert pose[f"left_{joint}"][0] > pose[f"right_{joint}"][0]


def test_mirrored_and_enlarged_photos_give_the_same_person(detector):
    image = read_photo("examples/photos/street_0134.jpg")
    ((people, _),) = detector.detect([image])
    ((mirrored, _),) = detector.detect([np.ascontiguousarray(image[:, ::-1])])
    ((enlarged, _),) = detector.detect([cv2.resize(image, None, fx=2, fy=2)])
    want = people[0].pose.joints
    flipped = mirrored[0].pose.joints[OPENPOSE18.flip_order].copy()
    flipped[:, 0] = image.shape[1] - flipped[:, 0]
    doubled = enlarged[0].pose.joints.copy()
    doubled[:, :2] /= 2
    for got in (flipped, doubled):
        both = (want[:, 2] > 0) & (got[:, 2] > 0)
        assert both.sum() >= 15
        off = np.linalg.norm(want[both, :2] - got[both, :2], axis=1)
        assert np.median(off) < 8  # a cell of the maps


def test_a_batch_gives_what_its_pictures_give(detector):
    images = [read_photo(f"examples/photos/street_{n}.jpg") for n in ("0134", "0240", "0266")]
    images.append(np.zeros((64, 48, 3), np.uint8))
    together = detector.detect(images)
    assert together[3] == ((), ())
    for image, (people, faces) in zip(images, together, strict=True):
        ((alone, free),) = detector.detect([image])
        assert len(people) == len(alone)
        assert len(faces) == len(free)
        for a, b in zip(people, alone, strict=True):
            np.testing.assert_allclose(a.pose.joints, b.pose.joints, atol=0.05)


def test_a_picture_in_which_nobody_is_found_is_looked_at_again(detector, data_set):
    """A snowboarder far off in the air."""
    image = read_photo(data_set("people_media") / "COCO_val2014_000000000360.jpg")
    ((people, _),) = detector.detect([image])
    ((again, _),) = detector.detect([image], look_again=True)
    assert (len(people), len(again)) == (0, 1)
    middle = (again[0].box[:2] + again[0].box[2:]) / 2
    assert np.abs(middle - [285, 165]).max() < 20


def test_the_second_look_confirms_whom_the_first_doubts(data_set):
    """The batter in a panorama, 45 pixels high."""
    image = read_photo(data_set("people_media") / "COCO_val2014_000000000357.jpg")
    batter = np.array([532, 140, 556, 185])
    found = {}
    for pose in ("fast", "accurate"):
        ((people, _),) = PeopleDetector(pose=pose).detect([image], look_again=True)
        near = [one for one in people if np.abs(one.box - batter).max() < 12]
        found[pose] = [int(one.pose.found.sum()) for one in near]
    assert found["fast"] == []
    assert len(found["accurate"]) == 1
    assert found["accurate"][0] >= 20
