"""Annotations agree with each other, to a fraction of a pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vitruvian.core.skeletons import MPII16, SKELETONS, WHOLEBODY133
from vitruvian.world import labels
from vitruvian.world.annotate import mask_box
from vitruvian.world.charts import CHARTS, load_charts
from vitruvian.world.clothes import MATERIALS
from vitruvian.world.surface import PARTS, load_surface


def surface_points(sample, place):
    """Rows, columns and world points of what a person's pixels show, from the mesh."""
    shown, surface = sample.rendering, load_surface()
    rows, columns = np.nonzero(sample.mask(place))
    shares = shown.places[rows, columns].astype(np.float64)
    shares = np.c_[shares, 1 - shares.sum(axis=1)]
    corners = sample.meshes[place][surface.faces[shown.faces[rows, columns]]]
    return rows, columns, np.einsum("nc,nci->ni", shares, corners)


@pytest.mark.parametrize("name", SKELETONS)
def test_3d_joints_project_on_the_2d_joints(samples, name):
    for sample in samples:
        for person in sample.people:
            points = person.keypoints(SKELETONS[name])
            seen = sample.camera.project(person.keypoints_3d(SKELETONS[name]))
            inside = points[:, 2] > 0
            assert np.allclose(seen[inside, :2], points[inside, :2], atol=1e-6)
            x, y = seen[:, 0], seen[:, 1]
            width, height = sample.camera.width, sample.camera.height
            within = (x >= 0) & (y >= 0) & (x < width) & (y < height)
            assert (inside == within).all()


def test_a_pixel_shows_the_point_of_the_mesh_that_lies_under_its_centre(samples):
    for sample in samples:
        rays = sample.camera.position + sample.camera.rays() * sample.rendering.depth[..., None]
        for place in range(len(sample.people)):
            rows, columns, points = surface_points(sample, place)
            if not len(rows):
                continue
            pixels = sample.camera.project(points)
            off = pixels[:, :2] - np.stack([columns, rows], axis=1) - 0.5
            assert np.abs(off).max() < 0.05  # pixels
            assert np.linalg.norm(points - rays[rows, columns], axis=1).max() < 0.01  # metres


def test_boxes_bound_their_masks(samples):
    for sample in samples:
        for place, person in enumerate(sample.people):
            assert person.box.tolist() == mask_box(sample.mask(place)).tolist()
            assert person.full_box.tolist() == mask_box(sample.rendering.full_masks[place]).tolist()


def test_iuv_is_where_somebody_is_and_on_the_right_part(samples):
    on_part = []
    for sample in samples:
        iuv = labels.iuv(sample)
        someone = sample.rendering.person >= 0
        assert ((iuv[..., 0] > 0) == someone).all()
        assert iuv.min() >= 0
        assert iuv[..., 1:].max() <= 1
        bodily = someone & (load_surface().kinds[sample.rendering.faces] < 5)
        charts = iuv[bodily][:, 0].astype(int)
        parts = sample.rendering.parts[bodily]
        on_part += [
            PARTS[part] in CHARTS[chart] or PARTS[part].split("_")[0] in CHARTS[chart]
            for chart, part in zip(charts, parts, strict=True)
        ]
    assert np.mean(on_part) > 0.97  # charts have smoother rims than parts


def test_u_and_v_name_one_place_of_the_body(samples):
    """The same I, U and V on two people is the same spot: near on the neutral adult."""
    surface, found = load_surface(), {}
    for sample in samples:
        iuv = labels.iuv(sample)
        rows, columns = np.nonzero(sample.rendering.person >= 0)
        face = sample.rendering.faces[rows, columns]
        body = surface.kinds[face] < 5
        points = surface.canonical[surface.faces[face[body]]].mean(axis=1)
        cells = np.round(iuv[rows[body], columns[body]] * [1, 16, 16]).astype(int)
        for cell, point in zip(map(tuple, cells), points, strict=True):
            found.setdefault(cell, []).append(point)
    spreads = [np.ptp(points, axis=0).max() for points in found.values() if len(points) > 1]
    assert len(spreads) > 500
    assert np.percentile(spreads, 95) < 0.06  # metres; a sixteenth of the trunk is 4 cm


def test_charts_neither_fold_nor_tear():
    surface, charts = load_surface(), load_charts()
    body = len(surface.faces) - len(surface.extras.faces)
    skin = surface.kinds[:body] != 1  # eyeballs take the U and V of the lids
    skin &= surface.kinds[:body] != 2
    assert set(charts.face_chart) == set(range(1, 25))
    for chart in range(1, 25):
        own = np.flatnonzero((charts.face_chart[:body] == chart) & skin)
        a, b, c = charts.face_uv[own].astype(np.float64).transpose(1, 0, 2)
        area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
        assert (area > 0).all() or (area < 0).all()
        corners = surface.faces[own].ravel()
        order = np.argsort(corners, kind="stable")
        uv = charts.face_uv[own].reshape(-1, 2)[order]
        same = np.diff(corners[order]) == 0
        assert np.abs(np.diff(uv, axis=0)[same]).max() == 0


def test_both_sides_have_the_same_u_and_v():
    surface, charts = load_surface(), load_charts()
    body = len(surface.faces) - len(surface.extras.faces)
    spots = {}
    for face in range(0, body, 7):
        name = CHARTS[charts.face_chart[face]]
        if name.startswith(("left_", "right_")):
            middle = surface.canonical[surface.faces[face]].mean(axis=0)
            spots[face] = (name, middle, charts.face_uv[face].mean(axis=0))
    middles = surface.canonical[surface.faces[:body]].mean(axis=1)
    for name, middle, uv in list(spots.values())[::5]:
        twin = np.abs(middles - middle * [-1, 1, 1]).sum(axis=1).argmin()
        other = CHARTS[charts.face_chart[twin]]
        assert {name.split("_")[0], other.split("_")[0]} == {"left", "right"}
        assert np.allclose(charts.face_uv[twin].mean(axis=0), uv, atol=1e-3)


def test_parsing_labels_agree_with_materials_and_parts(samples):
    for sample in samples:
        shown = sample.rendering
        lip, atr = labels.lip_labels(sample), labels.atr_labels(sample)
        pascal = labels.pascal_labels(sample)
        assert ((pascal > 0) == (shown.person >= 0)).all()
        assert not lip[shown.person < 0].any()
        for name in ("hat", "dress", "skirt"):
            expected = shown.materials == MATERIALS.index(name)
            for found, names in ((lip, labels.LIP), (atr, labels.ATR)):
                assert ((found == names.index(name)) == expected).all()
        left_shoe = (shown.materials == MATERIALS.index("shoes")) & (
            shown.parts == PARTS.index("left_foot")
        )
        assert (lip[left_shoe] == labels.LIP.index("left-shoe")).all()
        face = lip == labels.LIP.index("face")
        assert (face == (atr == labels.ATR.index("face"))).all()
        assert (pascal[face] == labels.PASCAL_PERSON_PART.index("head")).mean() > 0.9
        eyes = shown.materials == MATERIALS.index("eyes")
        assert face[eyes].all()


def test_garment_landmarks_lie_on_their_garment(samples):
    seen = 0
    for sample in samples:
        for place, person in enumerate(sample.people):
            worn = sample.garments(place)
            assert [one.garment for one in worn] == list(person.clothes.garments)
            for one in worn:
                assert len(one.names) == len(one.landmarks) == len(one.landmarks_3d)
                projected = sample.camera.project(one.landmarks_3d)
                assert np.allclose(projected[:, :2], one.landmarks[:, :2], atol=1e-6)
                label = MATERIALS.index(one.garment.label)
                mask = sample.mask(place) & (sample.rendering.materials == label)
                spots = np.argwhere(mask)[:, ::-1] + 0.5
                for x, y, visible in one.landmarks[one.landmarks[:, 2] == 2]:
                    assert visible
                    far = np.abs(spots - [x, y]).max(axis=1).min() if len(spots) else np.inf
                    seen += 1
                    # From the landmark to the nearest pixel's centre of the garment.
                    assert far <= 1.5, (one.garment.category, x, y)
    assert seen > 60


def test_a_face_lies_in_its_box_and_on_its_person(samples):
    for sample in samples:
        for place, person in enumerate(sample.people):
            points = person.face_landmarks()
            low, high = person.face.box[:2], person.face.box[2:]
            margin = 0.12 * (high - low).max()
            assert (points[:, :2] > low - margin).all()
            assert (points[:, :2] < high + margin).all()
            assert points.shape == (68, 3)
            assert person.face_landmarks(5).shape == (5, 3)
            full = cv2.dilate(sample.rendering.full_masks[place].astype(np.uint8), np.ones((3, 3)))
            inside = points[points[:, 2] > 0, :2].astype(int)
            if len(inside) > 40:
                assert full[inside[:, 1], inside[:, 0]].mean() > 0.95


def test_whole_body_face_is_the_68(samples):
    person = samples[0].people[0]
    points = person.face_landmarks()
    expected = person.keypoints(WHOLEBODY133)[23:91]
    inside = expected[:, 2] > 0
    assert np.allclose(points[inside], expected[inside])
    assert len(MPII16) == len(person.keypoints_3d(MPII16))


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (35, 0, 0), (-50, 20, 0), (10, -30, 25), (0, 15, -40)]
)
def test_head_pose_is_that_of_the_head(yaw, pitch, roll):
    from vitruvian.world.bodies import Posed, identity_pose, pose_body, rest_body, sample_body
    from vitruvian.world.camera import Camera
    from vitruvian.world.faces import face_vertices, view_face
    from vitruvian.world.rig import load_rig

    body = sample_body(np.random.default_rng(3))
    posed = pose_body(rest_body(body), identity_pose(load_rig()))
    # In the world's axes: about z to the person's left, about x to look up, about y to lean.
    turn = Rotation.from_euler("ZXY", [yaw, -pitch, roll], degrees=True).as_matrix()
    turned = Posed(
        (posed.vertices @ turn.T).astype(np.float32),
        posed.heads @ turn.T,
        turn @ posed.rotations,
    )
    middle = turned.vertices[face_vertices()].mean(axis=0)
    axes = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    eye = middle - np.array([0, 2.0, 0])
    camera = Camera(99, 99, 300.0, np.array([50.0, 50.0]), axes, eye)
    face = view_face(turned, np.zeros(3), camera)
    assert (face.yaw, face.pitch, face.roll) == pytest.approx((yaw, pitch, roll), abs=0.5)
    assert face.turned == pytest.approx(max(abs(yaw), abs(pitch), abs(roll)), abs=0.5)
    assert (face.box[:2] < 50).all()
    assert (face.box[2:] > 50).all()


def test_scene_labels_name_people_where_they_are(samples):
    from vitruvian.world.backgrounds import SCENE_LABELS

    for sample in samples:
        someone = sample.rendering.person >= 0
        assert ((sample.scene == SCENE_LABELS.index("person")) == someone).all()
        assert sample.scene.min() >= 0
        assert sample.scene.max() < len(SCENE_LABELS)
