"""Building the body model's arrays: the basis, and one file for each version."""

from __future__ import annotations

import gzip
import importlib.metadata

import numpy as np
import pytest

from vitruvian.world import rig, rig_build


def test_the_basis_tells_the_corners_as_the_singular_vectors_do():
    rng = np.random.default_rng(0)
    count = int(sum(rig_build._VARIATIONS))
    starts = np.cumsum((0, *rig_build._VARIATIONS))[:-1]
    # Each shape is a product of a variation of one or two phenotypes.
    masks = np.zeros((12, count))
    for row in masks:
        for group in rng.choice(9, rng.integers(1, 3), replace=False):
            row[starts[group] + rng.integers(rig_build._VARIATIONS[group])] = 1
    shapes = [rng.normal(size=(12, 40, 3)), rng.normal(size=(12, 6, 3))]
    blocks, projection = rig_build._compact(shapes, (1.0, 0.5), masks, 12)
    for _ in range(20):
        values = np.concatenate([rng.dirichlet(np.ones(n)) for n in rig_build._VARIATIONS])
        products = np.where(masks > 0, values, 1).prod(axis=1)
        coefficients = products @ projection
        for block, own in zip(blocks, shapes, strict=True):
            whole = np.tensordot(products, own, axes=1)
            assert np.allclose(np.tensordot(coefficients, block, axes=1), whole, atol=1e-8)
    fewer, _ = rig_build._compact(shapes, (1.0, 0.5), masks, 4)
    assert np.allclose(np.abs(fewer[0]), np.abs(blocks[0][:4]))


def test_a_target_is_read_as_vertices_and_shifts(tmp_path):
    path = tmp_path / "nose.target.gz"
    with gzip.open(path, "wt") as file:
        file.write("0 .5 -.25 1\n3 1e-3 0 2.5\n")
    shape = rig_build._read_target(path, 5).numpy()
    assert shape.tolist() == [[0.5, -0.25, 1], [0, 0, 0], [0, 0, 0], [1e-3, 0, 2.5], [0, 0, 0]]


def test_another_release_of_the_body_model_is_another_file(monkeypatch, tmp_path):
    monkeypatch.setattr(rig, "cache_folder", lambda: tmp_path)
    own = rig.rig_file()
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.6.99")
    other = rig.rig_file()
    assert "0.6.99" in other.name
    assert own != other
    monkeypatch.setattr(rig, "LAYOUT", rig.LAYOUT + 1)
    assert rig.rig_file() != other


def test_arrays_are_built_once_and_kept(monkeypatch, tmp_path):
    kept = {name: getattr(rig.load_rig(), name) for name in rig.Rig.__dataclass_fields__}
    built = []

    def build(features, rank):
        built.append((features, rank))
        return kept

    monkeypatch.setattr(rig, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(rig_build, "build", build)
    first, again = (rig.load_rig.__wrapped__() for _ in range(2))
    assert built == [(rig.FEATURES, rig.RANK)]
    assert (first.template == again.template).all()
    assert [path.name for path in (tmp_path / "world").iterdir()] == [rig.rig_file().name]


@pytest.mark.slow
def test_building_from_the_body_models_own_files():
    built, kept = rig_build.build(rig.FEATURES, rig.RANK), rig.load_rig()
    for name, array in built.items():
        own = getattr(kept, name)
        if array.dtype.kind == "f":
            assert np.allclose(array, own, atol=1e-5), name
        else:
            assert (array == own).all(), name
