"""Convolutional Pose Machines: networks, centre map, targets, decoding, person centres."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitruvian.core.card import find_card
from vitruvian.core.errors import InputError, WeightsError
from vitruvian.core.published import to_published
from vitruvian.core.skeletons import LSP14
from vitruvian.core.weights import find_weights
from vitruvian.pose.cpm import (
    CPM,
    PARTS,
    STRIDE,
    ConvolutionalPoseMachine,
    VggCPM,
    belief_targets,
    center_map,
    cpm_options,
    stage_loss,
    zoom,
)
from vitruvian.pose.cpm_centers import CenterDetector, find_centers

LSP_PLACES = [13, 12, 8, 7, 6, 9, 10, 11, 2, 1, 0, 3, 4, 5]  # of the published parts


def parameters(network: torch.nn.Module) -> float:
    return sum(each.numel() for each in network.parameters()) / 1e6


@pytest.mark.parametrize(("kind", "millions"), [(CPM, 31.22), (VggCPM, 29.85)])
def test_it_has_the_published_size(kind, millions: float) -> None:
    with torch.device("meta"):
        assert parameters(kind()) == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize("kind", [CPM, VggCPM])
def test_the_published_input_gives_46_cells(kind) -> None:
    with torch.device("meta"):
        maps = kind(9, stages=4)(torch.zeros(1, 3, 368, 368), torch.zeros(1, 1, 368, 368))
    assert [tuple(each.shape) for each in maps] == [(1, 10, 46, 46)] * 4


def test_ports_pool_to_other_sizes() -> None:
    with torch.device("meta"):
        image, center = torch.zeros(1, 3, 368, 368), torch.zeros(1, 1, 368, 368)
        sizes = {
            p: CPM(stages=2, pooling=p)(image, center)[0].shape[-1] for p in ("padded", "down")
        }
    assert sizes == {"padded": 46, "down": 45}


def test_the_layout_follows_from_the_shapes() -> None:
    for kind, layout in ((CPM, "original"), (VggCPM, "vgg")):
        for norm in (False, True):
            with torch.device("meta"):
                state = to_published(kind(9, stages=3, norm=norm))
            assert cpm_options({key: value.shape for key, value in state.items()}) == {
                "layout": layout,
                "joints": 9,
                "stages": 3,
                "norm": norm,
            }
    with pytest.raises(InputError, match="keys"):
        cpm_options({"conv1.weight": (64, 3, 7, 7)})


def test_the_center_map_peaks_where_it_is_told() -> None:
    image = torch.zeros(2, 3, 40, 48)
    middle = center_map(image)
    assert middle.shape == (2, 1, 40, 48)
    assert (middle[0, 0] == 1).nonzero().tolist() == [[19, 23]]  # (20, 24), counted from 1
    told = center_map(image, torch.tensor([[10.5, 3.5], [0.5, 39.5]]), sigma=2)
    assert told[0, 0, 3, 10] == 1
    assert told[1, 0, 39, 0] == 1
    assert told[0, 0, 3, 12].item() == pytest.approx(np.exp(-0.5))


def test_targets_are_gaussians_at_cell_centres() -> None:
    joints = torch.tensor([[[[12.0, 20.0], [4.0, 4.0]], [[12.0, 20.0], [100.0, 4.0]]]])
    visible = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    target = belief_targets(joints, visible, (4, 3))
    assert target.shape == (1, 3, 4, 3)
    assert target[0, 0, 2, 1] == 1  # two people in one cell: capped
    assert target[0, 0, 2, 2].item() == pytest.approx(2 * np.exp(-64 / 98), abs=1e-6) or (
        target[0, 0, 2, 2] == 1
    )
    assert target[0, 1, 0, 0] == 1
    assert target[0, 1, 0, 1].item() == pytest.approx(np.exp(-64 / 98))
    assert target[0, 1, 3, 2] == 0  # beyond a hundredth
    torch.testing.assert_close(target[:, 2], 1 - target[:, :2].amax(dim=1))


def test_the_loss_is_caffes() -> None:
    assert stage_loss(torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)).item() == 3 * 16 / 2


def test_the_published_parts_come_in_the_skeletons_order() -> None:
    assert [LSP14.index[name] for name in PARTS] == LSP_PLACES
    system = ConvolutionalPoseMachine(stages=2, width=32, height=32)
    maps = torch.arange(15.0).view(1, 15, 1, 1).expand(1, 15, 4, 4)
    system.network.forward = lambda image: [maps]  # type: ignore[method-assign]
    (found,) = system.maps(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert found[0, :, 0, 0].tolist() == [*np.argsort(LSP_PLACES), 14]


def test_what_is_learned_is_read() -> None:
    system = ConvolutionalPoseMachine(stages=2, width=64, height=48)
    random = np.random.default_rng(0)
    joints = torch.from_numpy(random.uniform((12, 12), (52, 36), (2, 14, 2)).astype("f4"))
    target = belief_targets(joints[:, None], torch.ones(2, 1, 14), (6, 8))
    system.forward = lambda image: target  # type: ignore[method-assign]
    points, scores = system.read(torch.zeros(2, 3, 48, 64, dtype=torch.uint8))
    assert np.abs(points - joints.numpy()).max() < 0.4 * STRIDE
    assert np.abs(points - joints.numpy()).mean() < 0.2 * STRIDE
    assert (scores > 0.7).all()


def test_zooms_are_undone() -> None:
    rows, columns = np.mgrid[:48, :64]
    maps = np.exp(-((rows - 20) ** 2 + (columns - 40) ** 2) / 30)
    maps = torch.from_numpy(maps).float()[None, None]
    for scale in (0.8, 1.2):
        larger = zoom(maps, scale)
        assert larger.sum() / maps.sum() == pytest.approx(scale**2, rel=0.02)
        back = zoom(larger, 1 / scale)[0, 0]
        assert np.unravel_index(back.argmax(), back.shape) == (20, 40)


def test_several_scales_and_a_norm_train_and_predict(tmp_path) -> None:
    torch.manual_seed(0)
    options = {"norm": "batch", "scales": [0.9, 1.1], "width": 32, "height": 32}
    system = ConvolutionalPoseMachine(stages=2, flip_test=True, **options)
    batch = {
        "image": torch.randint(0, 255, (2, 3, 32, 32), dtype=torch.uint8),
        "keypoints": torch.rand(2, 14, 2) * 32,
        "visible": torch.ones(2, 14),
    }
    losses = system.losses(batch)
    assert set(losses) == {"stage1", "stage2"}
    sum(losses.values()).backward()
    assert all(each.grad is not None for each in system.network.parameters())
    system.save(tmp_path / "cpm.safetensors")
    twin = ConvolutionalPoseMachine.from_weights(
        find_weights(find_card("cpm"), tmp_path / "cpm.safetensors"), "cpu"
    )
    assert twin.scales == (0.9, 1.1)
    picture = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    ours, theirs = (s.eval().predict([picture])[0][0].pose.joints for s in (system, twin))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_published_weights_tell_the_system(tmp_path) -> None:
    file = tmp_path / "pose_iter_320000.pth"
    torch.save(to_published(VggCPM(stages=2)), file)
    system = ConvolutionalPoseMachine.from_weights(find_weights(find_card("cpm"), file), "cpu")
    assert isinstance(system.network, VggCPM)
    assert system.skeleton.name == "lsp14"
    assert len(system.network.stages) == 2


def test_vgg_begins_with_torchvisions_weights(tmp_path) -> None:
    vgg19 = pytest.importorskip("torchvision.models").vgg19
    state = {k: v for k, v in vgg19().state_dict().items() if k.startswith("features.")}
    torch.save(state, tmp_path / "vgg19.pth")
    system = ConvolutionalPoseMachine(
        layout="vgg", stages=2, backbone=str(tmp_path / "vgg19.pth"), width=32, height=32
    )
    system.trainer = type("Trainer", (), {"datamodule": None})()  # type: ignore[assignment]
    system.setup("fit")
    ours = to_published(system.network)
    torch.testing.assert_close(ours["conv4_2.weight"], state["features.21.weight"])
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "vgg19.pth")
    system.backbone = str(tmp_path / "vgg19.pth")
    with pytest.raises(WeightsError, match="VGG-19"):
        system.setup("fit")


def test_the_detector_has_a_map_and_its_peaks_are_people() -> None:
    network = CenterDetector(stages=2)
    maps = network(torch.zeros(1, 3, 32, 48))
    assert [tuple(each.shape) for each in maps] == [(1, 1, 4, 6)] * 2
    heatmap = np.zeros((6, 8))
    heatmap[1, 2], heatmap[1, 3], heatmap[4, 7], heatmap[5, 0] = 0.8, 0.8, 0.9, 0.2
    assert find_centers(heatmap).tolist() == [
        [60, 36, pytest.approx(0.9)],
        [20, 12, pytest.approx(0.8)],
    ]
    assert find_centers(np.zeros((4, 4))).shape == (0, 3)


def test_a_narrow_network_has_the_same_shape() -> None:
    network = CPM(9, stages=3, width=16)
    widths = {
        each.convolution.out_channels
        for each in network.tower_stage1
        if hasattr(each, "convolution")
    }
    assert widths == {16}
    assert network.stage1.conv5_stage1.convolution.out_channels == 64
    maps = network.eval()(torch.zeros(1, 3, 64, 64))
    assert [tuple(each.shape) for each in maps] == [(1, 10, 8, 8)] * 3


def test_one_stage_has_no_second_tower() -> None:
    network = CPM(9, stages=1, width=16)
    assert not any("stage2" in key for key in network.state_dict())
    assert len(network.eval()(torch.zeros(1, 3, 64, 64))) == 1
