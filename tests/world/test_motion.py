"""Joint angles and motion."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.world.angles import LIMITS, bone_rotations
from vitruvian.world.bodies import pose_body, rest_body, sample_body
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.motion import ACTIVITIES, sample_motion


def points(**angles: float) -> dict[str, np.ndarray]:
    """The joints of one body at these angles."""
    landmarks = load_landmarks()
    rest = rest_body(sample_body(np.random.default_rng(0)))
    posed = pose_body(rest, bone_rotations(angles))
    return dict(zip(landmarks.names, landmarks.points(posed), strict=True))


def test_zero_is_standing_with_hanging_arms():
    joints = points()
    for side in ("left", "right"):
        arm = joints[f"{side}_wrist"] - joints[f"{side}_shoulder"]
        leg = joints[f"{side}_ankle"] - joints[f"{side}_hip"]
        assert np.degrees(np.arccos(-arm[2] / np.linalg.norm(arm))) < 10
        assert np.degrees(np.arccos(-leg[2] / np.linalg.norm(leg))) < 6
    assert joints["nose"][1] < joints["left_ear"][1]  # the face looks along -y


@pytest.mark.parametrize(
    ("angle", "value", "joint", "axis", "sign"),
    [
        ("left_elbow_flexion", 90, "left_wrist", 1, -1),
        ("right_elbow_flexion", 90, "right_wrist", 1, -1),
        ("left_knee_flexion", 90, "left_ankle", 1, 1),
        ("left_hip_flexion", 60, "left_knee", 1, -1),
        ("left_hip_abduction", 40, "left_ankle", 0, 1),
        ("right_hip_abduction", 40, "right_ankle", 0, -1),
        ("left_shoulder_abduction", 80, "left_wrist", 0, 1),
        ("right_shoulder_flexion", 90, "right_wrist", 1, -1),
        ("left_ankle_flexion", 25, "left_big_toe", 2, 1),
        ("spine_flexion", 50, "nose", 1, -1),
        ("spine_bend", 25, "nose", 0, 1),
        ("neck_twist", 60, "nose", 0, 1),
    ],
)
def test_an_angle_moves_its_joint_the_way_it_says(angle, value, joint, axis, sign):
    before, after = points()[joint], points(**{angle: value})[joint]
    assert sign * (after - before)[axis] > 0.03


@pytest.mark.parametrize("angle", [45.0, 90.0, 120.0])
def test_a_bent_elbow_and_knee_have_the_angle(angle):
    joints = points(left_elbow_flexion=angle, left_knee_flexion=angle)
    for first, middle, last in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")):
        a = joints[f"left_{first}"] - joints[f"left_{middle}"]
        b = joints[f"left_{last}"] - joints[f"left_{middle}"]
        between = np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
        assert between == pytest.approx(180 - angle, abs=9)


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_motion_keeps_the_limits_and_is_smooth(activity):
    for index in range(8):
        motion = sample_motion(np.random.default_rng([2, index]), activity)
        clip = [motion.at(frame / 60) for frame in range(90)]
        frames = np.array([[angles[name] for name in LIMITS] for angles in clip])
        low, high = np.array(list(LIMITS.values())).T
        assert (frames >= low).all()
        assert (frames <= high).all()
        assert np.abs(np.diff(frames, axis=0)).max() < 16  # degrees in a 60th of a second
        assert motion.at(0.7) == motion.at(0.7)


def test_gait_moves_legs_against_each_other():
    motion = sample_motion(np.random.default_rng(1), "walking")
    clip = [motion.at(frame / 30) for frame in range(60)]
    left, right = (
        np.array([angles[f"{side}_hip_flexion"] for angles in clip]) for side in ("left", "right")
    )
    assert np.corrcoef(left, right)[0, 1] < -0.7
    assert np.ptp(left) > 25
