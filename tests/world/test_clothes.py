"""Clothes: nobody is ever rendered undressed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import warp as wp

from vitruvian.world.bodies import sample_body
from vitruvian.world.clothes import MATERIALS, sample_clothes
from vitruvian.world.dressing import vertex_materials
from vitruvian.world.kernels import materials
from vitruvian.world.rig import load_rig
from vitruvian.world.surface import PARTS, load_surface, must_cover

CLOTHES = ("top", "jacket", "bottom", "skirt", "dress", "shoes", "socks", "hair")
GARMENTS = [MATERIALS.index(name) for name in CLOTHES]


def clothes(index: int):
    rng = np.random.default_rng([8, index])
    return sample_clothes(rng, sample_body(rng))


def undressed(index: int):
    """An outfit whose every number asks for bare skin."""
    worn = clothes(index)
    nothing = {"sleeve": -1.0, "hem": 9.0, "legs": 9.0, "waist": -9.0, "neckline": 9.0}
    nothing |= {"shoe": -1.0, "sock": -1.0, "opening": -1.0, "bust": -9.0, "strap_outer": -9.0}
    nothing |= {"shell": 0, "jacket_sleeve": -1.0, "jacket_hem": 9.0, "neck_width": 9.0}
    return dataclasses.replace(worn, values=worn.values | nothing)


def test_what_must_be_covered_is_trunk_and_thighs():
    rig, covered = load_rig(), must_cover()
    x, _, z = rig.canonical.T
    covered = covered[: len(rig.template)]
    trunk = load_surface().arms[: len(rig.template)] == 0
    assert covered[(z > 0.7) & (z < 1.4) & (np.abs(x) < 0.13) & trunk].all()
    parts = load_surface().parts
    torso = np.unique(rig.faces[parts[: len(rig.faces)] == PARTS.index("torso")])
    below = torso[z[torso] < 1.4]
    assert covered[below].mean() > 0.97
    head = np.unique(rig.faces[parts[: len(rig.faces)] == PARTS.index("head")])
    assert not covered[head].any()


@pytest.mark.parametrize("make", [clothes, undressed])
def test_every_vertex_that_must_be_covered_is(make):
    covered = must_cover()
    for index in range(60):
        shown, thickness = vertex_materials(make(index))
        assert np.isin(shown.numpy()[covered], GARMENTS).all()
        assert (thickness.numpy()[covered] > 0.001).all()


@pytest.mark.parametrize("make", [clothes, undressed])
def test_every_point_between_such_vertices_is_covered_too(make):
    rig, surface, covered = load_rig(), load_surface(), must_cover()
    faces = np.flatnonzero(covered[rig.faces].all(axis=1))
    assert len(faces) > 2900
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([1, 1, 1], (len(faces), 3))[..., None].astype(np.float32)
    corners = rig.faces[faces][:, None]

    def spread(values: np.ndarray) -> np.ndarray:
        return (shares * values[corners]).sum(axis=2).reshape(-1, values.shape[-1])

    points = spread(rig.canonical)
    arms, lips = spread(surface.arms[:, None])[:, 0], spread(rig.lips[:, None])[:, 0]
    kinds = np.repeat(surface.kinds[faces], 3)
    for index in range(20):
        shown = wp.empty(len(points), dtype=int, device="cpu")
        off = wp.empty(len(points), dtype=float, device="cpu")
        inputs = [
            wp.array(points, dtype=wp.vec3, device="cpu"),
            wp.array(arms, dtype=float, device="cpu"),
            wp.array(lips, dtype=float, device="cpu"),
            wp.array(kinds, dtype=int, device="cpu"),
            make(index).struct,
        ]
        wp.launch(materials.wear, len(points), inputs=inputs, outputs=[shown, off], device="cpu")
        assert np.isin(shown.numpy(), GARMENTS).all()


def test_in_pictures_the_trunk_shows_little_skin(samples):
    skin, torso = MATERIALS.index("skin"), PARTS.index("torso")
    for sample in samples:
        trunk = sample.rendering.parts == torso
        if trunk.sum() > 200:  # shoulders and the neckline are skin at most
            assert (sample.rendering.materials[trunk] == skin).mean() < 0.35


def test_outfits_vary_and_faces_stay_bare():
    labels = [clothes(index).labels for index in range(150)]
    for name in ("top", "bottom", "jacket", "hair", "beard", "hat", "glasses", "shoes"):
        assert len({label[name] for label in labels}) > 1
    surface = load_surface()
    shown = np.concatenate([vertex_materials(clothes(index))[0].numpy() for index in range(10)])
    assert {"skin", "hair", "eyes", "lips", "brows", "top", "bottom", "shoes"} <= {
        MATERIALS[value] for value in np.unique(shown)
    }
    eyes = surface.vertex_kinds == materials.EYEBALL
    assert (vertex_materials(clothes(1))[0].numpy()[eyes] == MATERIALS.index("eyes")).all()


def test_parts_mirror():
    parts = np.bincount(load_surface().parts[: len(load_rig().faces)], minlength=len(PARTS))
    for place, name in enumerate(PARTS):
        if name.startswith("left_"):
            other = parts[PARTS.index("right_" + name[5:])]
            assert parts[place] == pytest.approx(other, rel=0.02)
            assert parts[place] > 100
