"""Futures as records, pictures and heat maps; homographies."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from vitruvian.core.errors import InputError
from vitruvian.motion.futures import Future, Futures
from vitruvian.motion.heatmap import heat_map, kernel_density
from vitruvian.motion.homography import project, read_homography


@pytest.fixture
def futures():
    steps = np.arange(1.0, 13)
    sample = np.stack([steps, np.zeros(12)], axis=-1)
    samples = np.stack([sample + [0, 0.1 * k] * np.ones((12, 1)) for k in range(3)])
    past = np.stack([np.arange(-7.0, 1), np.zeros(8)], axis=-1)
    truth = sample.copy()
    truth[6:] = np.nan
    person = Future(4, past, 8, samples, truth)
    return Futures("t.txt", 70, tuple(range(80, 200, 10)), "m", (person,))


def test_a_record_comes_back(futures):
    again = Futures.from_dict(futures.to_dict())
    assert again.to_dict() == futures.to_dict()
    assert (again.source, again.frame, again.unit, len(again)) == ("t.txt", 70, "m", 1)
    for one, other in zip(futures, again, strict=True):
        assert np.array_equal(one.samples, other.samples)
        assert np.array_equal(one.truth, other.truth, equal_nan=True)
        assert (one.id, one.seen) == (other.id, other.seen)
    assert futures.to_dict()["people"][0]["truth"][6] is None


def test_rows_of_the_table(futures):
    rows = list(csv.DictReader(io.StringIO(futures.to_csv())))
    assert len(rows) == 3 * 12
    assert rows[12] == {"person": "4", "sample": "1", "frame": "80", "x": "1.0000", "y": "0.1000"}


def test_a_density_sums_to_one_and_is_widest_where_points_are():
    random = np.random.default_rng(0)
    points = random.normal(0, (1, 3), (200, 2))
    line = np.linspace(-15, 15, 121)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    density = kernel_density(points, places)
    assert density.sum() * 0.25**2 == pytest.approx(1, abs=0.01)
    spread = np.sqrt((density[:, None] * places**2).sum(axis=0) * 0.25**2)
    factor = np.sqrt(1 + 200 ** (-1 / 3))  # points' own spread and the kernel's
    assert spread == pytest.approx(points.std(axis=0) * factor, rel=0.05)


@pytest.mark.parametrize("points", [np.zeros((1, 2)), np.zeros((20, 2)), np.ones((2, 2)) * 1e8])
def test_points_without_spread_have_a_finite_density(points):
    assert np.isfinite(kernel_density(points, np.zeros((3, 2)))).all()
    assert np.isfinite(heat_map(points, 64, 48)).all()


def test_a_heat_map_is_hottest_at_the_points():
    points = np.random.default_rng(0).normal((40, 20), 2, (50, 2))
    heat = heat_map(points, 64, 48)
    assert heat.shape == (48, 64)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert np.hypot(x + 0.5 - 40, y + 0.5 - 20) < 2
    assert 0 <= heat.min() <= heat.max() <= 1


def test_a_drawing_has_samples_truth_past_and_heat_where_they_are(futures):
    to_pixels = np.array([[20.0, 0, 200], [0, -20, 100], [0, 0, 1]])
    ground = np.full((200, 480, 3), 255, dtype=np.uint8)
    drawn = np.asarray(futures.draw(ground, to_pixels)).astype(int)
    assert (ground == 255).all()
    red, green, blue = drawn[100, 200 + 60]  # three metres on: the truth
    assert red > 150
    assert max(green, blue) < 120
    red, green, blue = drawn[100, 200 - 60]  # three metres back: the past
    assert blue > 150 > red
    assert drawn[98, 200 + 200].max() < 150  # where only samples go, black
    red, green, blue = drawn[103, 200 + 242]  # beside the ends: warm
    assert red > blue + 10
    assert futures.draw().size[0] > futures.draw().size[1]


def test_a_picture_needs_a_homography(futures):
    with pytest.raises(InputError, match="give --homography"):
        futures.draw(np.zeros((10, 10, 3), dtype=np.uint8))


def test_a_homography_goes_both_ways(tmp_path):
    matrix = np.array([[0.02, 0.001, -3], [0.002, 0.03, -2], [0.0001, 0.0002, 1]])
    np.savetxt(tmp_path / "H.txt", matrix)
    pixels = np.array([[10.0, 20], [300, 200]])
    to_pixels = read_homography(tmp_path / "H.txt")
    assert project(project(pixels, matrix), to_pixels) == pytest.approx(pixels)


def test_what_lies_behind_the_horizon_is_nowhere():
    matrix = np.array([[1.0, 0, 0], [0, 1, 0], [0, -0.1, 1]])
    found = project(np.array([[0.0, 5], [0, 10], [0, 20]]), matrix)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1:]).all()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 0 0\n0 1 0\n0 0 0\n", "is singular"),
        ("0 0 0\n0 0 0\n0 0 0\n", "is singular"),
        ("1 2 3\n2 4 6\n0 0 1\n", "is singular"),
        ("1 0 0\n0 1 0\n", "is no homography"),
        ("1 0 0\n0 1 0\n0 0 nan\n", "is no homography"),
        ("one two three\n", "is no homography"),
        ("", "is no homography"),
    ],
)
def test_a_bad_homography_is_a_sentence(text, sentence, tmp_path):
    (tmp_path / "H.txt").write_text(text)
    with pytest.raises(InputError, match=sentence) as caught:
        read_homography(tmp_path / "H.txt")
    assert "H.txt" in str(caught.value)
