"""Joint angles and motion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from vitruvian.world.activities import ACTIVITIES
from vitruvian.world.angles import LIMITS, bone_rotations
from vitruvian.world.bodies import pose_body, rest_body, sample_body
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.limbs import CAPSULES, body_limbs, pose_limbs
from vitruvian.world.motion import blend, sample_motion
from vitruvian.world.posture import footprint, penetrations, settle
from vitruvian.world.rig import load_rig


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
    low, high = np.array(list(LIMITS.values())).T
    for index in range(2):
        rng = np.random.default_rng([2, index])
        motion = sample_motion(rng, activity, rest_body(sample_body(rng)))
        clip = [motion.at(frame / 60) for frame in range(40)]
        frames = np.array([[angles[name] for name in LIMITS] for angles in clip])
        free = [name not in ("pitch", "roll") for name in LIMITS]
        assert (frames >= low)[:, free].all()
        assert (frames <= high)[:, free].all()
        # Degrees in a 60th of a second: 1,200 a second, a slow throw.
        assert np.abs(np.diff(frames, axis=0)).max() < 20
        assert motion.at(0.7) == motion.at(0.7)


def test_no_activity_is_rare():
    shares = [share for _, share in ACTIVITIES.values()]
    assert sum(shares) == pytest.approx(1)
    assert shares.pop() == 0  # acrobatics: only where they are asked for
    assert min(shares) > 0.01
    drawn = [sample_motion(np.random.default_rng([3, index])).activity for index in range(2000)]
    usual = [name for name, (_, share) in ACTIVITIES.items() if share]
    assert min(drawn.count(name) for name in usual) >= 0.01 * len(drawn)


def test_no_limb_runs_through_the_body():
    """Of what is written, one in ten poses crosses itself; of what is sampled, one in 200."""
    deep = {"written": 0, "sampled": 0}
    count = 240
    for index in range(count):
        rng = np.random.default_rng([4, index])
        rest = rest_body(sample_body(rng))
        limbs = body_limbs(rest)
        moment = rng.uniform(0, 3)
        for kind, body in (("written", None), ("sampled", rest)):
            angles = sample_motion(np.random.default_rng([5, index]), None, body).at(moment)
            deep[kind] += penetrations(limbs, pose_limbs(limbs, angles)).max() > 0.01
    assert deep["written"] > 0.06 * count
    assert deep["sampled"] <= 0.005 * count


@pytest.mark.parametrize("activity", ["standing", "reaching", "lifting", "crouching", "lunging"])
def test_who_stays_stands_on_flat_feet_and_in_balance(activity):
    for index in range(12):
        rng = np.random.default_rng([6, index])
        rest = rest_body(sample_body(rng))
        limbs = body_limbs(rest)
        figure = pose_limbs(limbs, sample_motion(rng, activity, rest).at(rng.uniform(0, 3)))
        heights = figure.soles[:, 2]
        standing = [place for place in range(4) if heights[place] < heights.min() + 0.015]
        # Who crouches low or on a knee stands on the ball of a foot.
        assert len(standing) >= (1 if activity == "crouching" else 3)
        if len(standing) < 3:
            continue
        hull = ConvexHull(footprint(limbs, figure, standing))
        outside = hull.equations[:, :2] @ figure.weight[:2] + hull.equations[:, 2]
        assert outside.max() < 0.03


def test_capsules_lie_on_the_bones():
    rng = np.random.default_rng(8)
    rest = rest_body(sample_body(rng))
    angles = sample_motion(rng, "dancing").at(0.4)
    posed = pose_body(rest, bone_rotations(angles))
    figure = pose_limbs(body_limbs(rest), angles)
    bones = [str(bone) for bone in load_rig().bones]
    for capsule, bone in (("left_forearm", "wrist.L"), ("right_shin", "foot.R")):
        end = figure.ends[CAPSULES.index(capsule)]
        np.testing.assert_allclose(end, posed.heads[bones.index(bone)], atol=1e-9)
    lowest = posed.vertices[:, 2].min()
    assert lowest - 0.01 < figure.soles[:, 2].min() < lowest + 0.05


def test_settling_leaves_a_plausible_pose_alone_and_takes_a_hand_out_of_the_belly():
    limbs = body_limbs(rest_body(sample_body(np.random.default_rng(9))))
    plain = dict.fromkeys(LIMITS, 0.0) | {"left_shoulder_abduction": 25.0}
    plain["right_shoulder_abduction"] = 25.0
    assert settle(limbs, plain) == plain
    crossed = plain | {"left_elbow_flexion": 95.0, "left_shoulder_rotation": 80.0}
    crossed |= {"left_shoulder_abduction": 0.0, "left_shoulder_flexion": 0.0}
    assert penetrations(limbs, pose_limbs(limbs, crossed)).max() > 0.02
    settled = settle(limbs, crossed)
    assert penetrations(limbs, pose_limbs(limbs, settled)).max() < 0.005
    assert settled["right_knee_flexion"] == crossed["right_knee_flexion"]


def test_blending_goes_smoothly_from_one_to_the_other():
    rest = rest_body(sample_body(np.random.default_rng(1)))
    first = sample_motion(np.random.default_rng(2), "standing", rest)
    second = sample_motion(np.random.default_rng(3), "reaching", rest)
    both = blend(first, second, 0.5, 1.0, rest)
    assert both.at(0.2) == first.at(0.2)
    assert both.at(1.6) == second.at(1.6)
    clip = [both.at(frame / 60) for frame in range(100)]
    frames = np.array([[angles[name] for name in LIMITS] for angles in clip])
    assert np.abs(np.diff(frames, axis=0)).max() < 8


def test_runners_and_jumpers_leave_the_floor():
    for activity, least in (("running", 0.003), ("jumping", 0.07)):
        motion = sample_motion(np.random.default_rng(5), activity)
        lifts = np.array([motion.lift(frame / 120) for frame in range(360)])
        assert lifts.min() == 0
        assert lifts.max() > least
        assert np.abs(np.diff(lifts)).max() < 0.04
    walking = sample_motion(np.random.default_rng(5), "walking")
    assert max(walking.lift(frame / 120) for frame in range(240)) == 0


def test_gait_moves_legs_against_each_other():
    motion = sample_motion(np.random.default_rng(1), "walking")
    clip = [motion.at(frame / 30) for frame in range(60)]
    left, right = (
        np.array([angles[f"{side}_hip_flexion"] for angles in clip]) for side in ("left", "right")
    )
    assert np.corrcoef(left, right)[0, 1] < -0.7
    assert np.ptp(left) > 25
