"""Tompson et al.: banks, contrast, spatial model, windows of features, training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.weights import find_weights
from vitruvian.pose.datasets.lsp import Lsp, write_fake_lsp
from vitruvian.pose.heatmap_cascade import (
    WINDOW,
    CascadedHeatmaps,
    HeatmapCascade,
    LocalContrast,
    cut,
)
from vitruvian.pose.heatmap_tensors import cell_gaussians, cell_peaks
from vitruvian.pose.spatial_model import (
    SpatialModel,
    _by_fourier,
    _direct,
    displacement_histogram,
)

SMALL = {"features": 8, "width": 64, "height": 48}


def batch_of(people: int = 3) -> dict[str, torch.Tensor]:
    return {
        "image": torch.randint(0, 255, (people, 3, 48, 64), dtype=torch.uint8),
        "keypoints": torch.rand(people, 14, 2) * 48,
        "visible": torch.ones(people, 14),
    }


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_256_pixels_give_maps_of_the_stride(stride: int) -> None:
    network = HeatmapCascade(14, stride=stride, width=4, fine=False).eval()
    (maps,) = network(torch.rand(1, 3, 256, 256))
    assert maps.shape == (1, 14, 256 // stride, 256 // stride)


def test_the_layers_have_the_papers_widths() -> None:
    with torch.device("meta"):
        network = HeatmapCascade(16)
        shapes = [
            tuple(module.weight.shape)
            for module in network.banks[0].modules()
            if isinstance(module, nn.Conv2d)
        ]
    assert shapes == [(128, 3, 5, 5), (128, 128, 5, 5), (128, 128, 5, 5), (512, 128, 9, 9)]
    assert [m.weight.shape[:2] for m in network.head.modules() if isinstance(m, nn.Conv2d)] == [
        (256, 512),
        (16, 256),
    ]
    assert len(network.banks) == 3
    own = sum(each.numel() for bank in network.banks for each in bank.parameters())
    assert own == 3 * (9_728 + 2 * 409_728 + 5_308_928)


def test_whole_maps_of_features_are_dropped() -> None:
    torch.manual_seed(0)
    drop = HeatmapCascade(14, width=16).head[0]
    out = drop.train()(torch.ones(2, 64, 5, 5))
    sums = out.sum(dim=(2, 3))
    assert set(sums.unique().tolist()) == {0.0, 50.0}


def test_contrast_does_not_see_light_and_shade() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, 40, 40)
    ramp = torch.linspace(0, 0.2, 40)
    out, dim = (LocalContrast()(each) for each in (image, 0.3 * image + 5))
    torch.testing.assert_close(out, dim, atol=1e-3, rtol=1e-3)
    assert out.mean().abs() < 0.05
    assert out.std().item() == pytest.approx(1, abs=0.1)
    shaded = LocalContrast()(image + ramp)
    assert (shaded - out).abs().mean() < 0.1
    assert LocalContrast()(torch.full((1, 3, 20, 20), 0.5)).abs().max() < 1


def test_a_prior_puts_a_joint_where_the_other_one_expects_it() -> None:
    """Two joints, the second always 5 right of and 3 below the first: a true convolution."""
    random = np.random.default_rng(0)
    first = random.uniform(8, 20, (50, 2))
    points = np.stack([first, first + np.array([5, 3])], axis=1)
    histogram = displacement_histogram(points, np.ones((50, 2)), 8)
    assert histogram.shape == (2, 2, 17, 17)
    torch.testing.assert_close(histogram.sum(dim=(2, 3)), torch.ones(2, 2))
    place = histogram[1, 0].flatten().argmax().item()
    assert divmod(place, 17) == (8 + 3, 8 + 5)
    model = SpatialModel(2, 8)
    model.set_priors(histogram)
    maps = cell_gaussians(torch.tensor([[[10.5, 12.5], [15.5, 15.5]]]), (32, 24), 1.5)
    maps[:, 1] += 1.2 * cell_gaussians(torch.tensor([[[26.5, 5.5]]]), (32, 24), 1.5)[:, 0]
    assert cell_peaks(maps)[1][0, 1].tolist() == [26.5, 5.5]  # the wrong place is the higher one
    with torch.no_grad():
        corrected = model(maps)
    assert corrected.shape == maps.shape
    assert cell_peaks(corrected)[1][0].tolist() == [[10.5, 12.5], [15.5, 15.5]]
    assert (corrected > 0).all()


def test_the_product_is_the_papers() -> None:
    """By hand: direct sums in place of the Fourier transform."""
    torch.manual_seed(0)
    model = SpatialModel(2, 2, beta=1.5)
    nn.init.normal_(model.kernels)
    nn.init.normal_(model.bias)
    maps = torch.rand(1, 2, 6, 7)
    with torch.no_grad():
        got = model(maps)
        kernel = nn.functional.softplus(model.kernels, beta=1.5)
        bias = nn.functional.softplus(model.bias, beta=1.5)
        spread = [
            [
                nn.functional.conv2d(
                    maps[:, v : v + 1], kernel[a, v].flip(0, 1)[None, None], padding=2
                )
                for v in range(2)
            ]
            for a in range(2)
        ]
        wanted = torch.cat(
            [((spread[a][0] + bias[a, 0]) * (spread[a][1] + bias[a, 1])).sqrt() for a in range(2)],
            dim=1,
        )
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)
    maps = torch.rand(2, 2, 6, 7)
    torch.testing.assert_close(_direct(maps, kernel), _by_fourier(maps, kernel))


def test_joints_that_are_not_labelled_or_too_far_do_not_count() -> None:
    points = np.array([[[0, 0], [3, 0]], [[0, 0], [30, 0]], [[0, 0], [-3, 0]]], dtype=float)
    visible = np.array([[1, 1], [1, 1], [1, 0]])
    histogram = displacement_histogram(points, visible, 4)
    assert histogram[1, 0].flatten().argmax().item() == 4 * 9 + 4 + 3
    assert histogram[1, 0, 4, 1] < 1e-6


def test_windows_are_cut_from_features_of_any_stride() -> None:
    pixels = torch.arange(64.0)[None, None, None].expand(1, 1, 48, 64) + 0.5
    center = torch.tensor([[30.0, 20.0]])
    window = cut(pixels, center, (64, 48), WINDOW)
    assert window.shape == (1, 1, WINDOW, WINDOW)
    torch.testing.assert_close(window[0, 0, 0], torch.arange(36.0) + 30 - 18 + 0.5)
    half = nn.functional.avg_pool2d(pixels, 2)
    coarse = cut(half, center, (64, 48), WINDOW // 2)
    torch.testing.assert_close(coarse[0, 0, 0], torch.arange(18.0) * 2 + 13)
    assert (cut(pixels + 1, torch.tensor([[-40.0, 0.0]]), (64, 48), 4) == 0).all()


def test_fine_maps_move_a_joint_by_pixels_and_reach_shared_features() -> None:
    torch.manual_seed(0)
    system = CascadedHeatmaps(**SMALL).eval()
    network = system.network
    image = torch.rand(2, 3, 48, 64)
    _, features = network.coarse(image)
    assert [tuple(each.shape[2:]) for each in features] == [
        (48, 64), (24, 32), (24, 32), (12, 16), (12, 16), (6, 8)
    ]  # fmt: skip
    points = torch.full((2, 14, 2), 24.0)
    maps = network.fine_maps(features, points, (64, 48))
    assert maps.shape == (2, 14, WINDOW, WINDOW)
    maps.sum().backward()
    assert network.banks[2].second[0].weight.grad.abs().sum() > 0
    assert network.banks[0].last[0].weight.grad is None
    # A fine map that is high 3 right of and 2 above the middle moves the joint there.
    coarse = cell_gaussians(torch.tensor([[[4.5, 5.5]] * 14]), (16, 12), 1.5)
    network.coarse = lambda image: ([coarse], [])  # type: ignore[method-assign]
    offset = cell_gaussians(torch.tensor([[[18.5 + 3, 18.5 - 2]] * 14]), (WINDOW, WINDOW), 1.5)
    network.fine_maps = lambda features, points, size: offset  # type: ignore[method-assign]
    found, scores = system.read(torch.zeros(1, 3, 48, 64, dtype=torch.uint8))
    np.testing.assert_allclose(found[0, 0], [18 + 3.5, 22 - 1.5])
    assert scores[0, 0] == 1


def test_a_right_network_has_no_loss() -> None:
    torch.manual_seed(0)
    system = CascadedHeatmaps(**SMALL)
    batch = batch_of(2)
    seen = []
    truth = batch["keypoints"]
    system.network.coarse = (  # type: ignore[method-assign]
        lambda image: ([cell_gaussians(truth / 4, (16, 12), 1.5)], [])
    )

    def fine(features: list[torch.Tensor], points: torch.Tensor, size: tuple[int, int]):
        seen.append(points)
        return cell_gaussians(truth - points + 18, (WINDOW, WINDOW), 1.5)

    system.network.fine_maps = fine  # type: ignore[method-assign]
    losses = system.losses(batch)
    assert set(losses) == {"coarse", "fine"}
    assert all(value.item() < 1e-10 for value in losses.values())
    assert (seen[0] - truth).std().item() == pytest.approx(5, rel=0.2)


def test_phases_train_their_part() -> None:
    torch.manual_seed(0)
    for phase, names in (("coarse", {"coarse"}), ("fine", {"fine"}), ("joint", {"coarse", "fine"})):
        system = CascadedHeatmaps(phase=phase, **SMALL)
        losses = system.losses(batch_of())
        assert set(losses) == names
        sum(losses.values()).backward()
        assert (system.network.banks[0].first[0].weight.grad is None) == (phase == "fine")
        assert (system.network.fine.weight.grad is None) == (phase == "coarse")


def test_it_trains_with_a_spatial_model_and_comes_back(tmp_path) -> None:
    torch.manual_seed(0)
    system = CascadedHeatmaps(radius=6, norm="switchable", flip_test=True, **SMALL)
    people = Lsp("train", write_fake_lsp(tmp_path / "lsp", 12))
    module = type("Data", (), {"input_size": (64, 48), "people": lambda self, part: people})()
    system.trainer = type("Trainer", (), {"datamodule": module})()  # type: ignore[assignment]
    system.setup("fit")
    kernels = system.network.spatial.kernels
    assert kernels[0, 0].flatten().argmax().item() == 6 * 13 + 6  # a joint lies on itself
    with torch.autocast("cpu", torch.bfloat16):
        losses = system.losses(batch_of())
    assert set(losses) == {"coarse", "spatial", "fine"}
    sum(losses.values()).backward()
    assert all(each.grad is not None for each in system.network.parameters())
    assert kernels.grad.abs().sum() > 0
    system.save(tmp_path / "cascade.safetensors")
    card = find_card("heatmap_cascade")
    twin = CascadedHeatmaps.from_weights(
        find_weights(card, tmp_path / "cascade.safetensors"), "cpu"
    )
    picture = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    system.eval()
    ours, theirs = (each.predict([picture], [[[5, 5, 50, 70]]])[0] for each in (system, twin))
    np.testing.assert_array_equal(ours[0].pose.joints, theirs[0].pose.joints)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="stride"):
        HeatmapCascade(14, stride=5)
    with pytest.raises(InputError, match="fine model"):
        CascadedHeatmaps(phase="fine", fine=False, **SMALL)
