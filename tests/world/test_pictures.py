"""Pictures: photos as backgrounds, occluders, lamps, shadows, edges, views."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.world.backgrounds import SCENE_LABELS, sample_background
from vitruvian.world.camera import Camera
from vitruvian.world.clothes import MATERIALS
from vitruvian.world.develop import develop
from vitruvian.world.light import Light
from vitruvian.world.render import render
from vitruvian.world.sample import Setting, render_sample
from vitruvian.world.stage import Stage
from vitruvian.world.things import make_box, sample_thing

SMALL = {"width": 96, "height": 128}


@pytest.fixture(scope="module")
def stage_of():
    """The stage of one standing person, and the room around it."""
    from vitruvian.world.sample import put_down, sample_player

    rng = np.random.default_rng(5)
    actors, _ = put_down(rng, [sample_player(rng, Setting(activity="standing"), "cpu")])
    rotation = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    center, position = np.array([48.0, 30]), np.array([0, -5.0, 1.4])
    camera = Camera(96, 128, 240.0, center, rotation, position)
    background = sample_background(np.random.default_rng(1), "studio", camera, 1.0)
    background = dataclasses.replace(background, blur=0.0)

    def make(things=()):
        return Stage(actors, things), camera, background

    return make


def lamp(**changes):
    light = Light((-0.6, -0.3, 0.742), (2, 2, 2), (0.2, 0.2, 0.2), (0.1, 0.1, 0.1), 0.02)
    return dataclasses.replace(light, **changes)


def test_photos_stand_behind_the_people(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, color in (("b.png", (0, 0, 200)), ("a.jpg", (0, 200, 0)), ("notes.txt", None)):
        if color:
            cv2.imwrite(str(folder / name), np.full((40, 60, 3), color, dtype=np.uint8))
        else:
            (folder / name).write_text("no photo")
    setting = Setting(**SMALL, backgrounds=folder, occluders=0.0)
    seen = set()
    for index in range(6):
        sample = render_sample(1, index, setting)
        assert sample.place == "photo"
        behind = sample.rendering.scene == SCENE_LABELS.index("background photo")
        someone = sample.rendering.person >= 0
        assert (behind | someone | (sample.rendering.materials == MATERIALS.index("prop"))).all()
        red, green, _ = np.median(sample.image[behind], axis=0)
        seen.add("red" if red > green else "green")
    assert seen == {"red", "green"}
    assert (render_sample(1, 0, setting).image == render_sample(1, 0, setting).image).all()


def test_a_broken_photo_is_named(tmp_path):
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    with pytest.raises(InputError, match=r"torn\.jpg"):
        render_sample(0, 0, Setting(**SMALL, backgrounds=tmp_path))


def test_an_empty_photo_file_is_named(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(InputError, match=r"empty\.png"):
        render_sample(0, 0, Setting(**SMALL, backgrounds=tmp_path))


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no photo"):
        Setting(backgrounds=tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        Setting(backgrounds=tmp_path / "absent")


@pytest.mark.parametrize("occluders", [-0.1, 1.5])
def test_a_share_of_occluders_lies_within_one(occluders):
    with pytest.raises(InputError, match="0 to 1"):
        Setting(occluders=occluders)


def test_an_unknown_view_is_refused():
    with pytest.raises(UnknownNameError, match="street photo"):
        Setting(view="street foto")


def test_occluders_hide_people_and_are_labelled():
    thing = SCENE_LABELS.index("thing")
    hidden = 0
    for index in range(8):
        setting = Setting(**SMALL, activity="standing", occluders=1.0)
        rendering = render_sample(2, index, setting).rendering
        props = rendering.materials == MATERIALS.index("prop")
        assert ((rendering.scene == thing) == props).all()
        hidden += (rendering.full_masks[0] & (rendering.person != 0)).sum()
        bare = render_sample(2, index, dataclasses.replace(setting, occluders=0.0)).rendering
        assert (bare.full_masks[0] == (bare.person == 0)).all()
    assert hidden > 200


def test_things_stand_on_the_floor_and_away_from_the_camera():
    low, high, eye = np.array([-0.4, -0.3, 0]), np.array([0.4, 0.3, 1.8]), np.array([0.3, -5.0, 1])
    for index in range(40):
        thing = sample_thing(np.random.default_rng(index), low, high, eye)
        assert thing.vertices[:, 2].min() == pytest.approx(0)
        assert np.linalg.norm(thing.vertices[:, :2] - eye[:2], axis=1).min() > 0.5
        assert thing.faces.max() == len(thing.vertices) - 1


def test_the_sun_casts_a_shadow_on_the_floor(stage_of):
    stage, camera, background = stage_of()
    shadowed = render(stage, camera, lamp(direction=(-0.8, 0, 0.6)), background)
    floor = (shadowed.scene == SCENE_LABELS.index("floor")) & (shadowed.person < 0)
    light = shadowed.image[..., 1]
    right, left = (light[floor & side] for side in (_columns(camera) > 55, _columns(camera) < 40))
    assert np.percentile(right, 3) < 0.75 * np.median(right)
    assert np.percentile(left, 3) > 0.8 * np.median(left)


def test_a_larger_lamp_has_softer_shadows(stage_of):
    stage, camera, background = stage_of()
    spreads = []
    for size in (0.005, 0.25):
        shown = render(stage, camera, lamp(direction=(-0.8, 0, 0.6), size=size), background)
        floor = shown.scene == SCENE_LABELS.index("floor")
        light = shown.image[..., 1][floor & (_columns(camera) > 52)] / np.median(shown.image[floor])
        spreads.append(((light > 0.5) & (light < 0.85)).mean())
    assert spreads[1] > 1.15 * spreads[0]


def test_a_near_lamp_lights_what_is_near_it_more(stage_of):
    stage, camera, background = stage_of()
    light = lamp(direction=(0.0, -0.6, 0.8), distance=2.5, size=0.1)
    near = render(stage, camera, light, background)
    far = render(stage, camera, dataclasses.replace(light, distance=0.0), background)
    own = near.person >= 0
    ratio = (near.image[..., 1] + 1e-3) / (far.image[..., 1] + 1e-3)
    rows = np.nonzero(own)[0]
    top, bottom = np.percentile(rows, [20, 80])
    row = np.arange(camera.height)[:, None]
    assert np.median(ratio[own & (row < top)]) > 1.3 * np.median(ratio[own & (row > bottom)])


def test_the_floor_is_dim_next_to_the_feet(stage_of):
    """Ambient occlusion, without any sun."""
    stage, camera, background = stage_of()
    dark = lamp(sun=(0, 0, 0), sky=(1, 1, 1))
    shown = render(stage, camera, dark, background)
    floor = shown.scene == SCENE_LABELS.index("floor")
    feet = int(np.nonzero(shown.person >= 0)[0].max())
    row = np.arange(camera.height)[:, None]
    level = floor & (np.abs(row - feet) < 3)
    person = np.nonzero((shown.person >= 0).any(axis=0))[0]
    near = level & (_columns(camera) >= person[0]) & (_columns(camera) <= person[-1])
    away = level & ((_columns(camera) < 15) | (_columns(camera) > 80))
    assert near.any()
    assert np.median(shown.image[near]) < 0.95 * np.median(shown.image[away])


def test_edges_are_smooth(stage_of):
    """Between a white box and what lies behind are pixels of both."""
    stage, camera, background = stage_of([make_box((0, -2, 1), (0.7, 0.1, 0.6), 0, (1, 1, 1))])
    rolled = np.array([[0.98, 0.199, 0], [-0.199, 0.98, 0], [0, 0, 1]]) @ camera.rotation
    camera = dataclasses.replace(camera, rotation=rolled)
    shown = render(stage, camera, lamp(sun=(0, 0, 0), sky=(1, 1, 1)), background)
    thing = (shown.materials == MATERIALS.index("prop")).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    inner, outer = cv2.erode(thing, kernel) > 0, cv2.dilate(thing, kernel) == 0
    light = shown.image[..., 1]
    high, low = np.median(light[inner]), np.median(light[outer])
    share = (light[~inner & ~outer] - low) / (high - low)
    assert ((share > 0.2) & (share < 0.7)).mean() > 0.15


def test_rays_and_triangles_find_the_same_surface(stage_of):
    """What rasterising finds through a pixel's centre is what a ray through it hits first."""
    stage, camera, background = stage_of([make_box((0.3, -1, 0.4), (0.3, 0.3, 0.8), 30, (1, 1, 1))])
    shown = render(stage, camera, lamp(), background)
    rows, columns = np.nonzero(shown.person >= 0)
    rays = camera.rays()[rows, columns]
    depth = shown.depth[rows, columns].astype(np.float64)
    hits, meshes = stage.look(camera, (camera.position + rays * depth[:, None])[None])
    error = np.abs(hits[0] - depth * np.linalg.norm(rays, axis=1))
    assert (meshes[0] == shown.person[rows, columns]).mean() > 0.998
    assert np.quantile(error, 0.998) < 2e-3


def test_a_stage_that_is_gone_lends_its_meshes(stage_of):
    first, camera, background = stage_of()
    before = render(first, camera, lamp(), background)
    second, _, _ = stage_of()
    assert first.meshes[0].id != second.meshes[0].id
    del first
    third, _, _ = stage_of()
    after = render(third, camera, lamp(), background)
    assert (before.image == after.image).all()
    assert (before.faces == after.faces).all()


def test_a_street_photo_shows_the_whole_person_from_the_front():
    setting = Setting(160, 240, activity="standing", place="street", view="street photo")
    for index in range(5):
        sample = render_sample(4, index, dataclasses.replace(setting, occluders=0.0))
        x1, y1, x2, y2 = sample.people[0].full_box
        assert 0 < y1 < y2 < 240
        assert 0 < x1 < x2 < 160
        assert y2 - y1 > 0.55 * 240 or x2 - x1 > 0.6 * 160


def test_developing_keeps_the_size_and_follows_the_generator():
    linear = np.random.default_rng(0).uniform(0, 1.2, (33, 47, 3)).astype(np.float32)
    first, again = (develop(np.random.default_rng(3), linear) for _ in range(2))
    assert first.shape == linear.shape
    assert first.dtype == np.uint8
    assert (first == again).all()
    others = [develop(np.random.default_rng(seed), linear) for seed in range(4, 30)]
    assert all((first != other).any() for other in others)


def _columns(camera):
    return np.broadcast_to(np.arange(camera.width), (camera.height, camera.width))
