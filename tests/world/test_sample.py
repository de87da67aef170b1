"""Samples: annotations agree with each other to a fraction of a pixel, bytes with themselves."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import COCO17, OPENPOSE18, WHOLEBODY133
from vitruvian.world.clothes import MATERIALS
from vitruvian.world.render import Camera
from vitruvian.world.sample import SOLE, Sample, Setting, render_sample, sample_player
from vitruvian.world.surface import PARTS

CROWD = Setting(width=320, height=200, people=(4, 6))


def fingerprint(sample: Sample) -> str:
    """A hash of everything in a sample."""
    shown = sample.rendering
    arrays = [sample.image, shown.person, shown.depth, shown.normals, shown.materials, shown.parts]
    arrays += [shown.uv, shown.full_masks, sample.scene]
    for person in sample.people:
        arrays += [person.box, person.joints_3d, person.joints, person.visibility]
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def test_another_process_gives_the_same_bytes_in_any_order(samples):
    code = (
        "from tests.world.test_sample import CROWD, fingerprint\n"
        "from vitruvian.world.sample import render_sample\n"
        "print(fingerprint(render_sample(12, 1, CROWD)), fingerprint(render_sample(11, 3)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert result.stdout.split()[-2:] == [fingerprint(samples[7]), fingerprint(samples[3])]


def test_other_indices_and_seeds_give_other_samples(samples):
    prints = {fingerprint(sample) for sample in samples}
    assert len(prints) == len(samples)
    assert fingerprint(render_sample(10, 0)) not in prints


def test_projected_joints_are_the_joints_of_the_picture(samples):
    for sample in samples:
        camera = sample.camera
        matrix = np.array(
            [[camera.focal, 0, camera.center[0]], [0, camera.focal, camera.center[1]], [0, 0, 1]]
        )
        for person in sample.people:
            seen = camera.rotation @ (person.joints_3d - camera.position).T
            pixels = (matrix @ seen).T
            assert np.abs(pixels[:, :2] / pixels[:, 2:] - person.joints[:, :2]).max() < 1e-6
            assert np.allclose(seen[2], person.joints[:, 2])
        assert np.allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(camera.rotation) == pytest.approx(1)


def test_depth_leads_back_to_its_pixel():
    camera = Camera(40, 30, 55.0, np.array([19.0, 16.0]), np.eye(3), np.array([0.3, 0.1, -2.0]))
    points = camera.position + camera.rays() * 3.7
    pixels = camera.project(points)
    columns, rows = np.meshgrid(np.arange(40) + 0.5, np.arange(30) + 0.5)
    assert np.allclose(pixels[..., 0], columns)
    assert np.allclose(pixels[..., 1], rows)
    assert np.allclose(pixels[..., 2], 3.7)


def test_masks_boxes_parts_and_depth_agree(samples):
    for sample in samples:
        shown = sample.rendering
        someone = shown.person >= 0
        thing = shown.materials == MATERIALS.index("prop")
        assert someone.any()
        assert ((shown.parts > 0) == someone).all()
        assert ((shown.materials > 0) == (someone | thing)).all()
        assert (np.isfinite(shown.depth) == (someone | thing)).all()
        assert np.allclose(np.linalg.norm(shown.normals[someone], axis=-1), 1, atol=1e-3)
        assert shown.uv.min() >= 0
        assert shown.uv.max() <= 1
        for place, person in enumerate(sample.people):
            mask, full = sample.mask(place), shown.full_masks[place]
            assert (full | ~mask).all()
            for box, inside in ((person.box, mask), (person.full_box, full)):
                rows, columns = np.nonzero(inside)
                if len(rows):
                    extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                    assert box.tolist() == extent


def test_every_pixel_of_a_person_lies_on_the_body(samples):
    for sample in samples:
        shown = sample.rendering
        points = sample.camera.position + sample.camera.rays() * shown.depth[..., None]
        for place, person in enumerate(sample.people):
            own = points[sample.mask(place)]
            if len(own) < 50:
                continue
            low, high = person.joints_3d.min(axis=0), person.joints_3d.max(axis=0)
            assert (own > low - 0.25).all()
            assert (own < high + 0.25).all()
            assert own[:, 2].min() > -0.01  # nothing below the floor


def test_texture_coordinates_name_the_same_skin_everywhere(samples):
    """The same place on the body has the same part, whoever it is."""
    sides: dict[tuple[int, int], set[int]] = {}
    for sample in samples:
        someone = sample.rendering.person >= 0
        cells = (sample.rendering.uv[someone] * 64).astype(int)
        for cell, part in zip(map(tuple, cells), sample.rendering.parts[someone], strict=True):
            sides.setdefault(cell, set()).add(int(part))
    single = [len(parts) == 1 for parts in sides.values()]
    assert len(single) > 400
    assert np.mean(single) > 0.7  # cells on a seam have two


def test_visible_joints_are_on_their_person_and_hidden_ones_behind(samples):
    seen = hidden = 0
    for sample in samples:
        depth = sample.rendering.depth
        for place, person in enumerate(sample.people):
            for x, y, visibility in person.keypoints(COCO17)[5:]:
                if visibility == 0:
                    continue
                row, column = int(y), int(x)
                near = sample.rendering.person[
                    max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2
                ]
                if visibility == 2:
                    assert (near == place).any()
                    seen += 1
                else:
                    hidden += 1
            joints = person.joints[person.visibility == 2]
            rows, columns = joints[:, 1].astype(int), joints[:, 0].astype(int)
            behind = joints[:, 2] - depth[rows, columns]
            assert np.median(behind) < 0.15
    assert seen > 40
    assert hidden > 5


def test_key_points_follow_the_skeleton(samples):
    person = samples[0].people[0]
    names = samples[0].joint_names
    for skeleton in (COCO17, OPENPOSE18, WHOLEBODY133):
        points = person.keypoints(skeleton)
        assert points.shape == (len(skeleton), 3)
        wrist = points[skeleton.index["left_wrist"]]
        expected = person.joints[names.index("left_wrist")]
        if wrist[2]:
            assert wrist[:2] == pytest.approx(expected[:2])


def test_people_stand_on_the_floor():
    from vitruvian.world.sample import put_down

    for index in range(25):
        rng = np.random.default_rng([9, index])
        players = [sample_player(rng, Setting(), "cpu") for _ in range(3)]
        actors, boxes = put_down(rng, players)
        for actor, player in zip(actors, players, strict=True):
            lowest = (actor.posed.vertices + actor.shift)[:, 2].min()
            assert lowest == pytest.approx(SOLE + player.lift, abs=1e-4)
        # Who sits on the floor needs no seat.
        assert len(boxes) <= sum(player.motion.activity == "sitting" for player in players)
        for box in boxes:
            assert box.vertices[:, 2].min() == pytest.approx(0)


def test_parts_lie_on_their_own_side():
    sample = render_sample(3, 0, Setting(activity="standing"))
    person = sample.people[0]
    points = sample.camera.position + sample.camera.rays() * sample.rendering.depth[..., None]
    for side, other in (("left", "right"), ("right", "left")):
        pixels = points[sample.rendering.parts == PARTS.index(f"{side}_shin")]
        knees = [person.joints_3d[sample.joint_names.index(f"{s}_knee")] for s in (side, other)]
        if len(pixels) > 20:
            near, far = (np.linalg.norm(pixels.mean(axis=0) - knee) for knee in knees)
            assert near < far


@pytest.mark.parametrize(
    "wrong", [{"width": 8}, {"height": 5000}, {"people": (0, 2)}, {"people": (3, 2)}]
)
def test_an_impossible_setting_is_refused(wrong):
    with pytest.raises(InputError, match=r"cannot be rendered|Cannot render"):
        Setting(**wrong)


def test_an_unknown_activity_or_place_is_refused():
    from vitruvian.core.errors import UnknownNameError

    with pytest.raises(UnknownNameError, match="walking"):
        Setting(activity="waking")
    with pytest.raises(UnknownNameError, match="street"):
        Setting(place="streets")
