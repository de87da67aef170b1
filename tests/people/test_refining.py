"""The second look: boxes of the first stage, joints of another network, faces that were alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.people.test_futures import write_clip
from vitruvian.cli import main
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.records import Face, Person, Pose
from vitruvian.core.skeletons import HALPE26, OPENPOSE18
from vitruvian.core.weights import Weights
from vitruvian.motion.dscmp import Dscmp
from vitruvian.people.detector import PeopleDetector
from vitruvian.people.refining import EMBEDDED, SystemLook, look_closer, make_look
from vitruvian.pose.simple_baseline import SimpleBaseline

IMAGE = np.zeros((120, 160, 3), dtype=np.uint8)
GRID = np.stack([np.arange(26) % 5 - 2, np.arange(26) // 5 - 2], axis=1)


class Marks:
    """Stands for a network: the joints are around the white mark, if one is in the box."""

    weights = Weights("pose/none", "", "own", None, "", "", "", "", "ours")  # type: ignore[arg-type]

    def __init__(self, spread: float = 4.0, score: float = 0.8) -> None:
        self.spread = spread
        self.score = score

    def detect(self, images, boxes):
        return [
            [self.pose(image, box) for box in own] for image, own in zip(images, boxes, strict=True)
        ]

    def pose(self, image, box) -> Pose:
        x1, y1, x2, y2 = np.asarray(box).round().astype(int)
        rows, columns = np.nonzero(image[y1:y2, x1:x2, 0])
        joints = np.zeros((26, 3), np.float32)
        if len(rows):
            joints[:, :2] = (columns.mean() + x1, rows.mean() + y1) + self.spread * GRID
            joints[:, 2] = self.score
        return Pose(HALPE26, joints)


def marked(x: int, y: int) -> np.ndarray:
    image = IMAGE.copy()
    image[y - 2 : y + 3, x - 2 : x + 3] = 255
    return image


def person(box: Sequence[float], face: Face | None = None, **joints: tuple[float, float]) -> Person:
    values = np.zeros((18, 3), np.float32)
    for name, point in (joints or {"nose": (box[0] + 1, box[1] + 1)}).items():
        values[OPENPOSE18.index[name]] = (*point, 0.5)
    return Person(0.7, np.asarray(box, np.float32), Pose(OPENPOSE18, values), face)


def face(box: Sequence[float], score: float = 0.95) -> Face:
    return Face(np.asarray(box, np.float32), score, np.zeros((5, 2), np.float32))


def test_a_second_look_keeps_who_was_found():
    box, own = (40, 20, 80, 90), face((50, 22, 60, 34))
    near = person(box, own, nose=(52, 43), left_ankle=(52, 54), neck=(64, 54))
    found = [((near, person((100, 20, 120, 60))), ())]
    ((people, faces),) = look_closer(Marks(), [marked(60, 50)], found)
    assert [one.pose.skeleton for one in people] == [HALPE26, HALPE26]
    assert people[0].face is own
    assert people[0].pose.found.all()
    assert people[0].box[1] < 22  # the face's, widened
    assert people[0].score == near.score
    # Nothing is seen in the second box: the first stage's joints stay.
    assert people[1].pose["nose"] == pytest.approx((101, 21, 0.5))
    assert (people[1].box == found[0][0][1].box).all()
    assert faces == ()


def test_a_look_at_somebody_else_is_not_believed():
    """Two people in one box: the mark is on the other one."""
    apart = {"nose": (44.0, 24.0), "neck": (44.0, 30.0), "left_ankle": (46.0, 88.0)}
    found = [((person((40, 20, 80, 90), None, **apart),), ())]
    ((people, _),) = look_closer(Marks(), [marked(74, 50)], found)
    assert people[0].pose["left_ankle"][:2] == pytest.approx(apart["left_ankle"])
    unsure = look_closer(Marks(score=0.1), [marked(60, 50)], found)[0][0][0]
    assert unsure.pose.found.sum() == 3


@pytest.mark.parametrize(("score", "kept"), [(0.5, False), (0.9, True)])
def test_of_a_joint_at_two_places_the_surer_one_is_taken(score, kept):
    marks = Marks().detect([marked(60, 50)], [[np.array((40, 20, 80, 90))]])[0][0]
    places = {name: tuple(marks[name][:2]) for name in ("nose", "neck", "left_knee", "right_knee")}
    near = person((40, 20, 80, 90), None, **places, left_wrist=(41, 88))
    near.pose.joints[:, 2] *= score / 0.5
    ((people, _),) = look_closer(Marks(), [marked(60, 50)], [((near,), ())])
    wrist = people[0].pose["left_wrist"]
    assert wrist == pytest.approx((41, 88, 0.9) if kept else marks["left_wrist"])
    assert people[0].pose["right_wrist"] == pytest.approx(marks["right_wrist"])


def test_a_joint_that_the_second_look_misses_stays():
    look = Marks()
    marks = look.detect([marked(60, 50)], [[np.array((40, 20, 80, 90))]])[0][0]
    marks.joints[HALPE26.index["left_wrist"], 2] = 0.1
    look.pose = lambda _image, _box: marks
    places = {name: tuple(marks[name][:2]) for name in ("nose", "neck", "left_knee", "right_knee")}
    near = person((40, 20, 80, 90), None, **places, left_wrist=(70, 60))
    ((people, _),) = look_closer(look, [marked(60, 50)], [((near,), ())])
    assert people[0].pose["left_wrist"] == pytest.approx((70, 60, 0.5))
    assert people[0].pose["right_wrist"] == pytest.approx(marks["right_wrist"])


def test_a_face_alone_becomes_a_person_where_a_body_is():
    alone, unsure = face((55, 30, 65, 42)), face((55, 30, 65, 42), 0.6)
    ((people, faces),) = look_closer(Marks(), [marked(60, 60)], [((), (alone, unsure))])
    assert [one.face for one in people] == [alone]
    assert faces == (unsure,)
    ((people, faces),) = look_closer(Marks(), [IMAGE], [((), (alone, unsure))])
    assert (people, faces) == ((), (alone, unsure))
    # All joints within the face are no body.
    large = face((40, 40, 80, 80))
    ((people, faces),) = look_closer(Marks(), [marked(60, 60)], [((), (large,))])
    assert (people, faces) == ((), (large,))
    # Nor is one whose neck is within the face, as where a face fills the picture.
    x, y = Marks().detect([marked(60, 60)], [[np.array((30, 20, 90, 100))]])[0][0]["neck"][:2]
    over = face((x - 10, y - 3, x + 3, y + 3))
    assert look_closer(Marks(), [marked(60, 60)], [((), (over,))]) == [((), (over,))]
    # Somebody already stands there: it is not found a second time.
    known = person((30, 20, 90, 100), None, nose=(52, 52), neck=(64, 64))
    ((people, faces),) = look_closer(Marks(), [marked(60, 60)], [((known,), (alone,))])
    assert len(people) == 1
    assert faces == (alone,)


def test_who_is_doubtful_is_a_person_where_the_second_look_agrees():
    def look(doubtful, picture=None, score=0.9, people=(), faces=()):
        image = marked(60, 50) if picture is None else picture
        return look_closer(Marks(score=score), [image], [(people, faces)], [[doubtful]])[0]

    marks = Marks().detect([marked(60, 50)], [[np.array((34, 14, 86, 96))]])[0][0]
    places = {name: tuple(marks[name][:2]) for name in ("nose", "neck", "left_knee", "right_knee")}
    weak = person((0, 0, 1, 1), None, **places, left_wrist=tuple(marks["left_wrist"][:2])).pose
    (found,), _ = look(weak)
    assert found.pose.skeleton is HALPE26
    assert found.pose.found.all()
    assert found.face is None
    assert look(weak, IMAGE)[0] == ()  # nothing is seen there
    assert look(weak, score=0.4)[0] == ()  # nothing that is sure
    elsewhere = person((0, 0, 1, 1), None, nose=(40, 20), neck=(44, 30), left_ankle=(80, 90)).pose
    assert look(elsewhere)[0] == ()  # somebody else's joints
    known = person((30, 20, 90, 100), None, **places, left_wrist=tuple(marks["left_wrist"][:2]))
    assert len(look(weak, people=(known,))[0]) == 1


def test_who_was_doubtful_gets_a_free_face():
    marks = Marks().detect([marked(60, 50)], [[np.array((34, 14, 86, 96))]])[0][0]
    names = ("nose", "neck", "left_knee", "right_knee", "left_wrist")
    weak = person((0, 0, 1, 1), None, **{n: tuple(marks[n][:2]) for n in names}).pose
    eyes = [marks[name][:2] for name in ("left_eye", "right_eye", "nose")]
    points = np.array([*eyes, eyes[0], eyes[1]], np.float32)
    own = Face(np.array((50, 42, 70, 60), np.float32), 0.8, points)
    other = face((120, 90, 130, 100), 0.8)
    found = look_closer(Marks(), [marked(60, 50)], [((), (other, own))], [[weak]])
    assert [one.face for one in found[0][0]] == [own]
    assert found[0][1] == (other,)


def test_joints_outside_the_picture_are_not_found():
    box = (120, 90, 160, 120)
    marks = Marks().detect([marked(155, 115)], [[np.array(box)]])[0][0]
    places = {name: tuple(marks[name][:2]) for name in ("nose", "neck", "left_eye")}
    found = [((person(box, None, **places),), ())]
    ((people, _),) = look_closer(Marks(), [marked(155, 115)], found)
    points = people[0].pose.joints[people[0].pose.found, :2]
    assert 5 < len(points) < 26
    assert (points >= 0).all()
    assert (points <= (160, 120)).all()


@pytest.mark.parametrize("box", [(-30, -30, 4, 4), (159, 119, 400, 300), (5, 5, 5.5, 5.5)])
def test_boxes_at_the_edge_and_faces_of_a_pixel(box):
    found = [((), (face(box),))]
    assert look_closer(Marks(), [IMAGE], found) == found
    small = replace(person((5, 5, 6, 6)), box=np.array((5, 5, 5.2, 5.2), np.float32))
    ((people, _),) = look_closer(Marks(), [IMAGE], [((small,), ())])
    assert len(people) == 1


@pytest.fixture
def weights(tmp_path):
    file = tmp_path / "weights.safetensors"
    SimpleBaseline("lsp14", depth=18, filters=[8, 8, 8], width=64, height=64).save(file)
    return file


def test_any_top_down_system_can_look(weights):
    look = make_look(str(weights), "cpu")
    assert isinstance(look, SystemLook)
    boxes = [[np.array([10, 10, 60, 100], np.float32)] * 2, []]
    found = look.detect([IMAGE, IMAGE], boxes)
    assert [len(own) for own in found] == [2, 0]
    assert found[0][0].skeleton.name == "lsp14"
    described = PeopleDetector(pose=str(weights), faces=False, device="cpu").describe()
    assert [one["system"] for one in described["systems"]] == [
        "pose/openpose",
        "pose/simple_baseline",
    ]
    assert make_look("fast") is None


def test_a_clip_is_read_with_other_weights(tmp_path, weights):
    clip = tmp_path / "clip.mp4"
    write_clip(clip, frames=3)
    out = ["--out", str(tmp_path / "out"), "--pose", str(weights), "--no-annotate"]
    with pytest.raises(SystemExit) as ended:
        main(["analyze", str(clip), *out])
    assert ended.value.code == 0
    assert "simple_baseline" in (tmp_path / "out" / "run.json").read_text()


@pytest.mark.parametrize("pose", EMBEDDED)
def test_the_embedded_graph_is_the_system(pose):
    random = np.random.default_rng(0)
    images = [cv2.resize(random.integers(0, 256, (15, 20, 3), np.uint8), (160, 120))] * 2
    boxes = [[np.array([10, 10, 60, 100], np.float32)], [np.array([0, 0, 160, 120], np.float32)]]
    graph = make_look(pose, "cpu", backend="onnxruntime")
    system = make_look(pose, "cpu", precision="32", backend="torch")
    assert "ONNX Runtime" in graph.runner.description
    assert "PyTorch" in system.runner.description
    assert graph.weights == system.weights
    both = zip(graph.detect(images, boxes), system.detect(images, boxes), strict=True)
    for ours, theirs in ((own[0], other[0]) for own, other in both):
        assert ours.skeleton == theirs.skeleton
        assert ours.joints[:, 2] == pytest.approx(theirs.joints[:, 2], abs=1e-3)
        # Two places of a map may be equally high: of random pictures, not all joints are there.
        apart = np.abs(ours.joints[:, :2] - theirs.joints[:, :2]).max(axis=1)
        assert np.mean(apart < 0.1) > 0.9


def test_what_cannot_look(tmp_path, weights):
    with pytest.raises(UnknownNameError, match="Did you mean 'fast'"):
        PeopleDetector(pose="fest")
    with pytest.raises(InputError, match="no weights at"):
        make_look(str(tmp_path / "absent.safetensors"))
    other = tmp_path / "motion.safetensors"
    Dscmp(hidden=8).save(other)
    with pytest.raises(InputError, match="does not read the joints of a box"):
        make_look(str(other), "cpu")
