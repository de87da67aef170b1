"""Garments: categories and attributes, identity, shells, landmarks."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
import warp as wp
from scipy.spatial import cKDTree

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.world.angles import bone_rotations
from vitruvian.world.bodies import identity_pose, pose_body, rest_body, sample_body
from vitruvian.world.clothes import MATERIALS, sample_clothes
from vitruvian.world.dressing import dress
from vitruvian.world.garment_landmarks import (
    DEEPFASHION,
    deepfashion_places,
    garment_points,
    landmark_names,
)
from vitruvian.world.garments import (
    CATEGORIES,
    FABRICS,
    FITS,
    NECKLINES,
    PATTERNS,
    category_of,
    garment_identity,
    sample_garment,
)
from vitruvian.world.kernels import materials
from vitruvian.world.motion import sample_motion
from vitruvian.world.rig import load_rig
from vitruvian.world.sample import Setting, render_sample
from vitruvian.world.surface import load_surface

COUNTS = (25, 33, 31, 39, 15, 15, 10, 14, 8, 29, 37, 19, 19)


def dressed(index: int, wearing=(), activity: str | None = None):
    """A body in a pose, its clothes, and its dressed vertices."""
    rng = np.random.default_rng([31, index])
    body = sample_body(rng)
    rest = rest_body(body)
    motion = sample_motion(rng, activity, rest)
    clothes = sample_clothes(rng, body, wearing)
    posed = pose_body(rest, bone_rotations(motion.at(0.4)))
    vertices, normals = dress(posed, clothes, np.zeros(3))
    return posed, clothes, vertices.numpy(), normals.numpy()


def spread_over(clothes, vertices):
    """Points all over the dressed mesh, and what they show."""
    surface = load_surface()
    rows = np.concatenate([0.94 * np.eye(3) + 0.02, 0.4 - 0.2 * np.eye(3)])
    count = len(rows) * len(surface.faces)
    shares = np.tile(rows.astype(np.float32), (len(surface.faces), 1))[..., None]
    corners = np.repeat(surface.faces, len(rows), axis=0)

    def between(values):
        return (shares * values[corners].reshape(count, 3, -1)).sum(axis=1)

    shown = wp.empty(count, dtype=int, device="cpu")
    inputs = [
        wp.array(between(surface.canonical), dtype=wp.vec3, device="cpu"),
        wp.array(between(surface.arms)[:, 0], dtype=float, device="cpu"),
        wp.array(between(surface.lips)[:, 0], dtype=float, device="cpu"),
        wp.array(np.repeat(surface.kinds, len(rows)), dtype=int, device="cpu"),
        clothes.struct,
    ]
    off = wp.empty(count, dtype=float, device="cpu")
    wp.launch(materials.wear, count, inputs=inputs, outputs=[shown, off], device="cpu")
    return between(vertices), shown.numpy()


def test_every_category_and_attribute_is_worn_by_one_in_a_hundred():
    worn: Counter[tuple[str, str]] = Counter()
    people = 2500
    for index in range(people):
        rng = np.random.default_rng([32, index])
        clothes = sample_clothes(rng, sample_body(rng))
        seen = {("category", garment.category) for garment in clothes.garments}
        for garment in clothes.garments:
            seen |= set(garment.attributes.items())
        worn.update(seen | set(clothes.labels.items()))
    wanted = {"category": CATEGORIES, "pattern": PATTERNS, "material": FABRICS, "fit": FITS}
    wanted["neckline"] = (*NECKLINES, "straps")
    wanted["sleeve"] = ("sleeveless", "short", "half", "long")
    wanted["length"] = ("waist", "hip", "thigh", "short", "knee", "cropped", "full", "mini")
    wanted["length"] = (*wanted["length"], "midi", "maxi")
    wanted["hair"], wanted["hat"] = ("bald", "short", "long"), ("cap", "beanie", "brimmed")
    wanted["hair_color"] = ("black", "brown", "blond", "red", "grey")
    wanted["glasses"] = ("glasses", "sunglasses")
    rare = {
        (kind, value): worn[kind, value] / people
        for kind, values in wanted.items()
        for value in values
        if worn[kind, value] < 0.01 * people
    }
    assert not rare


def test_a_garment_is_a_function_of_its_identity():
    for category in CATEGORIES:
        identity = garment_identity(category, 77)
        assert category_of(identity) == category
        assert sample_garment(identity) == sample_garment(identity)
        assert sample_garment(identity).look != sample_garment(identity + len(CATEGORIES)).look
    with pytest.raises(UnknownNameError, match="trousers"):
        garment_identity("trouser", 0)
    with pytest.raises(InputError, match="-1"):
        garment_identity("vest", -1)


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_same_garment_looks_the_same_on_another_body(category):
    identity = garment_identity(category, 5)
    looks = []
    for index in range(3):
        _, clothes, _, _ = dressed(index, [identity])
        garment = next(own for own in clothes.garments if own.identity == identity)
        assert garment.category == category
        prefix = {"dress": "top", "skirt": "bottom"}.get(garment.label, garment.label)
        names = (prefix, *(f"{prefix}_{part}" for part in ("second", "pattern", "scale", "fabric")))
        looks.append([clothes.values[name] for name in names])
    assert looks[0] == looks[1] == looks[2]


def test_a_pair_shows_one_garment_on_two_bodies_in_two_places():
    identity = garment_identity("short_sleeve_dress", 9)
    first, second = (
        render_sample(2, index, Setting(width=96, height=128, wearing=(identity,), occluders=0.0))
        for index in (0, 1)
    )
    assert first.people[0].body != second.people[0].body
    dress = MATERIALS.index("dress")
    for sample in (first, second):
        assert identity in {own.identity for own in sample.people[0].clothes.garments}
        assert (sample.rendering.materials == dress).sum() > 50


def test_garments_that_exclude_each_other_are_refused():
    rng = np.random.default_rng(0)
    body = sample_body(rng)
    for pair in (("vest", "sling"), ("vest_dress", "skirt"), ("skirt", "vest_dress")):
        identities = [garment_identity(category, 1) for category in pair]
        with pytest.raises(InputError, match="at once"):
            sample_clothes(rng, body, identities)


def test_what_is_not_worn_lies_inside_the_body():
    extras = load_surface().extras
    kinds = {"shell": materials.SHELL, "locks": materials.LOCKS, "brim": materials.BRIM}
    for index in range(8):
        posed, clothes, vertices, _ = dressed(index)
        body = vertices[: len(posed.vertices)]
        for name, kind in kinds.items():
            own = vertices[len(body) :][extras.block(kind)]
            worn = clothes.values["shell"] if name == "shell" else clothes.shape[name]
            if worn:
                assert np.ptp(own, axis=0).max() > 0.05
            else:
                assert np.ptp(own, axis=0).max() == 0
                assert (own[0] > body.min(axis=0)).all()
                assert (own[0] < body.max(axis=0)).all()


def test_a_skirt_hangs_around_both_legs_above_the_floor():
    skirt = [garment_identity("skirt", 3)]
    block = load_surface().extras.block(materials.SHELL)
    for index, activity in enumerate(["standing", "walking", "sitting", "crouching", "lunging"]):
        posed, _, vertices, _ = dressed(index, skirt, activity)
        count = len(posed.vertices)
        shell = vertices[count:][block].reshape(-1, 41, 3)
        assert np.isfinite(shell).all()
        assert shell[..., 2].min() >= vertices[:count, 2].min()
        assert np.allclose(shell[:, 0], shell[:, -1], atol=1e-4)
        assert np.linalg.norm(np.diff(shell, axis=0), axis=2).max() < 0.5


def test_skirts_and_hair_move_with_the_body_and_do_not_jump():
    rng = np.random.default_rng(3)
    body = sample_body(rng)
    rest = rest_body(body)
    motion = sample_motion(rng, "walking", rest)
    clothes = sample_clothes(rng, body, [garment_identity("skirt", 2)])
    frames = []
    for moment in np.arange(0, 0.4, 0.04):
        posed = pose_body(rest, bone_rotations(motion.at(float(moment))))
        frames.append(dress(posed, clothes, np.zeros(3))[0].numpy().copy())
    count = len(posed.vertices)
    steps = np.linalg.norm(np.diff(frames, axis=0), axis=2)
    assert 0.005 < steps[:, count:].max() <= 1.2 * steps[:, :count].max()


def test_a_skirts_outside_is_out():
    rng = np.random.default_rng(1)
    body = sample_body(rng)
    clothes = sample_clothes(rng, body, [garment_identity("long_sleeve_dress", 3)])
    posed = pose_body(rest_body(body), identity_pose(load_rig()))
    vertices, normals = (array.numpy() for array in dress(posed, clothes, np.zeros(3)))
    block = load_surface().extras.block(materials.SHELL)
    shell, own = (values[len(posed.vertices) :][block] for values in (vertices, normals))
    shell, own = shell.reshape(-1, 41, 3), own.reshape(-1, 41, 3)
    outward = shell - shell.mean(axis=1, keepdims=True)
    assert ((outward * own).sum(axis=2) > 0).mean() > 0.98


@pytest.mark.parametrize("category", CATEGORIES)
def test_landmarks_are_counted_as_in_deepfashion2_and_lie_on_their_garment(category):
    names = landmark_names(category)
    assert len(names) == COUNTS[CATEGORIES.index(category)]
    assert len(set(names)) == len(names)
    mirrored = {
        name.replace("left", "?").replace("right", "left").replace("?", "right") for name in names
    }
    assert mirrored == set(names)
    for index in range(6):
        _, clothes, vertices, _ = dressed(index, [garment_identity(category, index)])
        spread, shown = spread_over(clothes, vertices)
        for garment, points, covered in garment_points(clothes, vertices):
            assert points.shape == (len(landmark_names(garment.category)), 3)
            own = spread[shown == MATERIALS.index(garment.label)]
            distances = cKDTree(own).query(points[~covered])[0]
            assert distances.max(initial=0) < 0.02
            if garment.category == category and clothes.labels["jacket"] == "none":
                assert covered.mean() < 0.5


def test_landmarks_keep_their_sides_and_heights_on_a_standing_person():
    checked = 0
    for index in range(12):
        _, clothes, vertices, _ = dressed(index, activity="standing")
        for garment, points, _ in garment_points(clothes, vertices):
            names = landmark_names(garment.category)
            for right, left in (("waist_right", "waist_left"), ("hem_right", "hem_left")):
                if right in names:
                    first, second = points[names.index(right)], points[names.index(left)]
                    assert np.linalg.norm(first - second) > 0.1
                    checked += 1
            if "hem" in names and "waist_right" in names:
                low, high = points[names.index("hem")], points[names.index("waist_right")]
                assert low[2] < high[2]
    assert checked > 10


def test_deepfashions_eight_are_found_by_kind_of_garment():
    kinds = {"upper": [0, 1, 2, 3, 6, 7], "lower": [4, 5, 6, 7], "full": list(range(8))}
    for category, kind in (
        ("short_sleeve_top", "upper"),
        ("long_sleeve_outwear", "upper"),
        ("trousers", "lower"),
        ("skirt", "lower"),
        ("long_sleeve_dress", "full"),
    ):
        places = deepfashion_places(category)
        assert len(places) == len(DEEPFASHION)
        assert [place for place, found in enumerate(places) if found is not None] == kinds[kind]
    assert deepfashion_places("sling_dress")[2:4] == (None, None)


def test_clothes_are_the_same_from_the_same_generator():
    rng = np.random.default_rng(4)
    body = sample_body(rng)
    state = rng.bit_generator.state
    first = sample_clothes(rng, body)
    rng.bit_generator.state = state
    assert dataclasses.asdict(first) == dataclasses.asdict(sample_clothes(rng, body))
