"""Targets, decoding, flip test and losses."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vitruvian.core.errors import UnknownNameError
from vitruvian.core.skeletons import COCO17
from vitruvian.pose.heatmap_tensors import (
    joints_mse_loss,
    joints_ohkm_loss,
    likelihood_loss,
    likely_places,
    merge_flipped,
    mirror_back,
    shift_right,
)
from vitruvian.pose.heatmaps import (
    decode_joints,
    encode_joints,
    find_maxima,
    gaussian_targets,
    refine_dark,
    refine_quarter,
    refine_udp,
)

SIZE, MAP = (192, 256), (48, 64)
inside = st.tuples(st.floats(32, 160), st.floats(32, 224))  # the blur sees no border there


@settings(deadline=None)
@given(joints=st.lists(inside, min_size=1, max_size=5))
@pytest.mark.parametrize(
    ("kind", "decoder", "bound"),
    [  # bounds in pixels of the input: a map's pixel is four of them
        ("biased", "argmax", 2.01),
        ("biased", "quarter", 2.01),
        ("unbiased", "quarter", 1.01),
        ("unbiased", "dark", 0.05),
        ("udp", "udp", 0.15),
    ],
)
def test_a_joint_comes_back_from_its_map(
    joints: list[tuple[float, float]], kind: str, decoder: str, bound: float
) -> None:
    wanted = np.array(joints)
    maps, weights = encode_joints(wanted, np.ones(len(wanted)), SIZE, MAP, kind=kind)
    found, scores = decode_joints(maps, SIZE, decoder=decoder)
    assert np.abs(found - wanted).max() <= bound
    assert weights.min() == 1
    assert scores.min() > 0.8


def test_each_finer_decoder_is_nearer() -> None:
    wanted = np.random.default_rng(0).uniform(20, 170, (50, 17, 2))
    maps, _ = encode_joints(wanted, np.ones((50, 17)), SIZE, MAP, kind="unbiased")
    errors = [
        np.linalg.norm(decode_joints(maps, SIZE, decoder=decoder)[0] - wanted, axis=-1).mean()
        for decoder in ("argmax", "quarter", "dark")
    ]
    assert errors[0] > 1.5 * errors[1] > 15 * errors[2]


def test_a_joint_outside_has_no_weight_and_a_hidden_one_no_map() -> None:
    joints = [[24.0, 32.0], [-8.6, 10.0], [24.0, 32.0], [47.9, 63.9]]
    maps, weights = gaussian_targets(joints, [1, 1, 0, 1], MAP, 2)
    np.testing.assert_array_equal(weights, [1, 0, 0, 1])
    assert maps[0].max() == 1
    assert maps[1].max() == maps[2].max() == 0
    assert 0 < maps[3].max() < 1  # its patch is centred on pixel 48, 64: one beyond the corner


def test_the_published_patch_is_cut_at_three_deviations() -> None:
    maps, _ = gaussian_targets([[20.4, 30.4]], [1], MAP, 2)
    assert maps[0, 30, 20] == 1
    assert maps[0, 30, 26] == pytest.approx(np.exp(-36 / 8))
    assert maps[0, 30, 27] == 0


def test_an_empty_map_gives_the_corner_and_keeps_its_score() -> None:
    maps = -np.ones((2, 3, 8, 6), dtype=np.float32)
    points, scores = find_maxima(maps)
    assert (points == 0).all()
    assert (scores == -1).all()


def test_the_quarter_leaves_out_column_one_but_not_the_last_but_one() -> None:
    maps = np.zeros((3, 8, 8), dtype=np.float32)
    points = np.array([[1, 4], [6, 4], [2, 4]], dtype=np.float32)
    for number, (x, y) in enumerate(points.astype(int)):
        maps[number, y, x] = 2
        maps[number, y, x + 1] = 1
    moved = refine_quarter(points, maps) - points
    np.testing.assert_allclose(moved, [[0, 0], [0.25, 0], [0.25, 0]])


def slow_log_blur(heatmap: np.ndarray, kernel: int, low: float, high: float) -> np.ndarray:
    border = kernel // 2
    padded = np.pad(heatmap.astype(np.float64), border)
    blurred = cv2.GaussianBlur(padded, (kernel, kernel), 0)[border:-border, border:-border]
    return np.log(np.clip(blurred * heatmap.max() / blurred.max(), low, high))


@pytest.mark.parametrize("kernel", [5, 11, 17])
@pytest.mark.parametrize("noise", [0.0, 0.05, 5.0])
def test_the_local_blur_is_that_of_the_whole_map(kernel: int, noise: float) -> None:
    random = np.random.default_rng(kernel)
    joints = random.uniform(0, 40, (40, 2))
    maps, _ = gaussian_targets(joints, np.ones(40), MAP, 2, "unbiased")
    maps += (noise * random.standard_normal(maps.shape)).astype(np.float32)
    points, _ = find_maxima(maps)
    dark, udp = refine_dark(points, maps, kernel), refine_udp(points, maps, kernel)
    for number, (x, y) in enumerate(points.astype(int)):
        if 1 < x < 46 and 1 < y < 62:
            f = slow_log_blur(maps[number], kernel, 1e-10, np.inf)
            d = [f[y, x + 1] - f[y, x - 1], f[y + 1, x] - f[y - 1, x]]
            a = f[y, x + 2] - 2 * f[y, x] + f[y, x - 2]
            b = f[y + 1, x + 1] - f[y - 1, x + 1] - f[y + 1, x - 1] + f[y - 1, x - 1]
            c = f[y + 2, x] - 2 * f[y, x] + f[y - 2, x]
            hessian = 0.25 * np.array([[a, b], [b, c]])
            if abs(np.linalg.det(hessian)) > 1e-4:
                step = -np.linalg.solve(hessian, 0.5 * np.array(d))
                np.testing.assert_allclose(
                    dark[number], points[number] + step, rtol=1e-3, atol=1e-3
                )
        else:
            np.testing.assert_array_equal(dark[number], points[number])
        g = np.pad(slow_log_blur(maps[number], kernel, 1e-3, 50.0), 1, mode="edge")
        x, y = x + 1, y + 1
        d = np.array([g[y, x + 1] - g[y, x - 1], g[y + 1, x] - g[y - 1, x]]) / 2
        a = g[y, x + 1] - 2 * g[y, x] + g[y, x - 1]
        c = g[y + 1, x] - 2 * g[y, x] + g[y - 1, x]
        b = g[y + 1, x + 1] - g[y, x + 1] - g[y + 1, x] + 2 * g[y, x]
        b = (b - g[y, x - 1] - g[y - 1, x] + g[y - 1, x - 1]) / 2
        hessian = np.array([[a, b], [b, c]]) + np.finfo(np.float32).eps * np.eye(2)
        if abs(np.linalg.det(hessian)) > 1e-4:  # else rounding decides
            step = -np.linalg.solve(hessian, d)
            np.testing.assert_allclose(udp[number], points[number] + step, rtol=1e-3, atol=1e-3)


def test_noise_moves_a_joint_by_no_more_than_a_pixel_of_the_map() -> None:
    maps = np.random.default_rng(0).standard_normal((20, 17, 64, 48)).astype(np.float32)
    plain, _ = decode_joints(maps, SIZE, decoder="argmax")
    dark, _ = decode_joints(maps, SIZE, decoder="dark")
    assert np.isfinite(dark).all()
    assert np.abs(dark - plain).max() <= 4 + 1e-3


def test_the_flip_test_of_a_mirrored_person_changes_nothing_but_the_shift() -> None:
    maps = torch.rand(2, 17, 16, 12)
    mirrored = mirror_back(maps, COCO17.flip_order)  # what a perfect network gives for the mirror
    assert torch.equal(mirror_back(mirrored, COCO17.flip_order), maps)
    torch.testing.assert_close(merge_flipped(maps, mirrored, COCO17.flip_order, shift=False), maps)
    shifted = merge_flipped(maps, mirrored, COCO17.flip_order)
    torch.testing.assert_close(shifted, (maps + shift_right(maps)) / 2)
    assert torch.equal(shift_right(maps)[..., 0], maps[..., 0])
    assert torch.equal(shift_right(maps)[..., 1:], maps[..., :-1])


def test_the_loss_halves_and_weighs() -> None:
    output, target = torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2)
    assert joints_mse_loss(output, target).item() == 0.5
    assert joints_mse_loss(output, target, torch.tensor([[1.0, 0.0]])).item() == 0.25


def test_hard_examples_are_the_worst_joints() -> None:
    output = torch.arange(1.0, 11).reshape(1, 10, 1, 1).sqrt()
    loss = joints_ohkm_loss(output, torch.zeros_like(output), hardest=2)
    assert loss.item() == pytest.approx(0.5 * (9 + 10) / 2)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unbiased"):
        gaussian_targets([[1, 1]], [1], MAP, 2, "unbised")
    with pytest.raises(UnknownNameError, match="dark"):
        decode_joints(np.zeros((1, 8, 8)), SIZE, decoder="drak")


def test_likelihood_is_least_where_the_joint_is() -> None:
    points = np.array([[[5.0, 9.0], [7.0, 3.0]]], dtype=np.float32)
    target, weight = encode_joints(
        4 * points[0] + 2, np.array([1.0, 0.0], np.float32), (48, 64), (12, 16), sigma=1.5
    )
    target, weight = torch.from_numpy(target)[None], torch.from_numpy(weight)[None]
    exact = (target / target.sum((-1, -2), keepdim=True).clamp(min=1e-6)).clamp(min=1e-9).log()
    assert likelihood_loss(exact, target, weight) == pytest.approx(0, abs=1e-3)
    flat = torch.zeros_like(exact)
    share = target[0, 0] / target[0, 0].sum()
    entropy = -(share * share.clamp(min=1e-9).log()).sum()
    expected = float(np.log(12 * 16) - entropy)
    assert likelihood_loss(flat, target, weight) == pytest.approx(expected, abs=1e-3)
    # The joint that is not labelled has no say, and neither has an empty target.
    wrong = exact.clone()
    wrong[0, 1] = torch.randn(16, 12)
    assert likelihood_loss(wrong, target, weight) == likelihood_loss(exact, target, weight)
    nobody = likelihood_loss(flat, torch.zeros_like(target), torch.ones_like(weight))
    assert nobody == 0
    likely = likely_places(exact, 1.5)[0, 0]
    assert likely.max() == pytest.approx(1, abs=0.02)
    assert divmod(int(likely.argmax()), 12) == (9, 5)


def test_two_neighbours_are_likelier_than_a_lone_place() -> None:
    share = torch.full((1, 1, 16, 12), 1e-6)
    share[0, 0, 3, 2], share[0, 0, 12, 8], share[0, 0, 12, 9] = 0.3, 0.25, 0.25
    likely = likely_places(share.log(), 1.5)[0, 0]
    assert divmod(int(likely.argmax()), 12)[0] == 12


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0])
def test_a_crowds_map_is_highest_in_the_joints_pixel(sigma):
    maps, weights = gaussian_targets([[7.9, 10.1]], [1], (16, 16), sigma, "crowd")
    assert weights.tolist() == [1]
    assert np.argwhere(maps[0] == 1).tolist() == [[10, 7]]
    assert np.allclose(maps[0, :, 4:11], maps[0, :, 10:3:-1])
