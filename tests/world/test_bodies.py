"""Bodies and their landmarks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from vitruvian.core.skeletons import SKELETONS, WHOLEBODY133, mirrored_name
from vitruvian.world.bodies import Body, identity_pose, pose_body, rest_body, sample_body
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.rig import load_rig


def canonical_points() -> dict[str, np.ndarray]:
    """Landmarks of vertices on the neutral adult, by name."""
    landmarks = load_landmarks()
    points = landmarks.weights @ load_rig().canonical
    return dict(zip(landmarks.names, points, strict=False))


def test_importing_the_package_needs_no_body_model():
    code = (
        "import sys, vitruvian, vitruvian.world;"
        "assert not {'anny', 'warp', 'torch', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_bodies_span_the_range_and_stay_human():
    phenotypes = []
    heights = []
    for index in range(120):
        body = sample_body(np.random.default_rng([5, index]))
        phenotypes.append(body.phenotype)
        if index < 40:
            posed = pose_body(rest_body(body), identity_pose(load_rig()))
            heights.append(float(np.ptp(posed.vertices[:, 2])))
            assert np.isfinite(posed.vertices).all()
    for name, low, high in (("age", 0.3, 0.9), ("gender", 0.2, 0.8), ("weight", 0.25, 0.7)):
        values = [phenotype[name] for phenotype in phenotypes]
        assert min(values) < low
        assert max(values) > high
    assert 0.7 < min(heights) < 1.5
    assert 1.8 < max(heights) < 2.15


def test_a_body_is_a_function_of_its_generator():
    one, two = (sample_body(np.random.default_rng([1, 2])) for _ in range(2))
    other = sample_body(np.random.default_rng([1, 3]))
    assert one == two != other


@pytest.mark.parametrize("name", SKELETONS)
def test_every_joint_of_every_skeleton_is_there(name):
    landmarks = load_landmarks()
    order = landmarks.order(SKELETONS[name])
    assert tuple(landmarks.names[place] for place in order) == SKELETONS[name].joints
    assert np.allclose(landmarks.weights.sum(axis=1), 1, atol=1e-5)


def test_landmarks_mirror():
    points = canonical_points()
    for name, point in points.items():
        assert np.allclose(points[mirrored_name(name)] * [-1, 1, 1], point, atol=0.003), name
        if name.startswith("left_"):
            assert point[0] > 0


def test_the_68_of_a_face_are_different_places_in_their_order():
    points = canonical_points()
    names = WHOLEBODY133.joints[23:91]
    face = np.array([points[name] for name in names])
    assert len(face) == 68
    assert len(np.unique(face.round(5), axis=0)) == 68
    assert (np.diff(face[:17, 0]) > 0).all()  # the jaw, from the person's right to the left
    assert (np.diff(face[17:27, 0]) > 0).all()  # the brows
    assert (np.diff(face[27:31, 2]) < 0).all()  # down the nose
    for upper, lower in (("left_eye_2", "left_eye_6"), ("right_eye_3", "right_eye_5")):
        assert points[upper][2] > points[lower][2] + 0.004
    assert points["upper_inner_lip"][2] > points["lower_inner_lip"][2]
    assert points["left_brow_3"][2] > points["left_eye_2"][2] > points["nose_ridge_4"][2]


def test_fingers_reach_out_from_the_hand():
    landmarks, rig = load_landmarks(), load_rig()
    body = sample_body(np.random.default_rng(3))
    posed = pose_body(rest_body(body), identity_pose(rig))
    points = dict(zip(landmarks.names, landmarks.points(posed), strict=True))
    for side in ("left", "right"):
        for finger in ("thumb", "forefinger", "middle_finger", "ring_finger", "little_finger"):
            chain = [points[f"{side}_{finger}_{knuckle}"] for knuckle in (1, 2, 3, 4)]
            away = [np.linalg.norm(joint - points[f"{side}_hand_root"]) for joint in chain]
            assert away == sorted(away)


@pytest.mark.slow
def test_the_posed_mesh_is_annys():
    import anny
    import torch
    from scipy.spatial.transform import Rotation

    from vitruvian.world.rig import RANK

    rig = load_rig()
    model = anny.Anny(phenotypes="all", facial_actions="all", phenotype_blendshapes=RANK)
    drawn = sample_body(np.random.default_rng(4))
    body = Body(drawn.phenotype, drawn.actions, drawn.skin)  # features are ours
    turns = np.random.default_rng(5).normal(0, 0.3, (len(rig.bones), 3))
    rotations = Rotation.from_rotvec(turns).as_matrix()
    pose = torch.eye(4, dtype=torch.float64).repeat(1, len(rig.bones), 1, 1)
    pose[0, :, :3, :3] = torch.tensor(rotations)
    theirs = model(
        pose_parameters=pose, phenotype_kwargs=body.phenotype, facial_actions=body.actions
    )
    ours = pose_body(rest_body(body), rotations)
    assert np.abs(theirs["vertices"][0].numpy() - ours.vertices).max() < 1e-5


def test_features_shape_the_face_and_nothing_else():
    rig = load_rig()
    body = sample_body(np.random.default_rng(8))
    plain = Body(body.phenotype, {}, body.skin)
    faces = [pose_body(rest_body(plain), identity_pose(rig)).vertices]
    for name in ("big_nose", "double_chin", "narrow_eyes"):
        own = Body(body.phenotype, {}, body.skin, {name: 1.0})
        faces.append(pose_body(rest_body(own), identity_pose(rig)).vertices)
    height = rig.canonical[:, 2]
    for changed in faces[1:]:
        moved = np.linalg.norm(changed - faces[0], axis=1)
        assert moved.max() > 0.002
        assert height[moved > 0.001].min() > 1.45


def test_years_grow_with_age():
    phenotype = sample_body(np.random.default_rng(8)).phenotype
    years = [Body(phenotype | {"age": age}, {}, (1, 1, 1)).years for age in (0, 1 / 3, 2 / 3, 1)]
    assert years == pytest.approx([1, 10, 25, 90])
