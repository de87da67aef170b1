"""Key maps and shapes of OpenPose's networks; the published outputs are in tests/parity."""

from __future__ import annotations

import pytest
import torch

from vitruvian.core.errors import WeightsError
from vitruvian.core.published import load_published, published_names, to_published
from vitruvian.pose.openpose.lightweight import LightweightOpenPose
from vitruvian.pose.openpose.networks import Body25, DetailOpenPose, OpenPoseV1, read_layers

NETWORKS = {
    "coco": OpenPoseV1,
    "mpi 4 stages": lambda: OpenPoseV1(16, 28, stages=4),
    "hzzone": lambda: OpenPoseV1(layout="hzzone", relu_on_heatmaps=True),
    "tensorboy": lambda: OpenPoseV1(layout="tensorboy"),
    "hand": lambda: DetailOpenPose(layout="hzzone"),
    "face": lambda: DetailOpenPose(71),
    "body 25": Body25,
    "lightweight": lambda: LightweightOpenPose(3, 64, 20, 40),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    return NETWORKS[request.param]().eval()


def test_published_keys_go_both_ways(network) -> None:
    names = published_names(network)
    assert set(names) == set(network.state_dict())
    assert len(set(names.values())) == len(names), "two tensors under one published key"
    theirs = {key: torch.full_like(value, 0.25) for key, value in to_published(network).items()}
    kept = {key: value.clone() for key, value in network.state_dict().items()}
    load_published(network, theirs)
    assert all(
        (value == 0.25).all()
        for value in network.state_dict().values()
        if value.is_floating_point()
    )
    network.load_state_dict(kept)


def test_a_missing_tensor_is_an_error(network) -> None:
    state = to_published(network)
    state.pop(next(key for key in state if key.endswith("weight")))
    with pytest.raises(WeightsError, match="1 missing"):
        load_published(network, state)


@torch.no_grad()
def test_maps_have_an_eighth_of_the_size(network) -> None:
    maps = network(torch.zeros(1, 3, 32, 48))
    for part in maps if isinstance(maps, tuple) else [maps]:
        assert part.shape[2:] == (4, 6)


@pytest.mark.parametrize(("layout", "rows"), [("caffe", 5), ("hzzone", 4)])
@torch.no_grad()
def test_caffe_rounds_pooled_sizes_up_and_the_ports_down(layout, rows) -> None:
    network = DetailOpenPose(2, stages=2, layout=layout)
    assert network(torch.zeros(1, 3, 36, 36)).shape == (1, 2, rows, rows)


def test_parameters_are_as_published() -> None:
    millions = {
        "coco": 52.31, "mpi": 51.48, "body 25": 26.17, "lightweight": 4.09
    }  # fmt: skip
    built = {
        "coco": OpenPoseV1(),
        "mpi": OpenPoseV1(16, 28),
        "body 25": Body25(),
        "lightweight": LightweightOpenPose(),
    }
    for name, network in built.items():
        count = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        assert count == pytest.approx(millions[name], abs=0.01), name


@torch.no_grad()
def test_layers_are_read_by_their_caffe_names() -> None:
    network = Body25(5, 8, affinity_stages=2, heatmap_stages=1).eval()
    image = torch.randn(1, 3, 16, 24)
    names = [
        "conv4_2",
        "Mconv1_stage0_L2_0",
        "Mconv1_stage0_L2_concat",
        "Mconv7_stage1_L2",
        "net_output",
    ]
    layers = read_layers(network, image, names)
    heatmaps, affinities = network(image)
    torch.testing.assert_close(layers["Mconv7_stage1_L2"], affinities)
    torch.testing.assert_close(layers["net_output"], torch.cat([heatmaps, affinities], 1))
    torch.testing.assert_close(
        layers["Mconv1_stage0_L2_concat"][:, :96], layers["Mconv1_stage0_L2_0"]
    )
    assert not network.trunk.conv4_2._forward_hooks, "a hook was left behind"
    with pytest.raises(KeyError, match="conv9_9"):
        read_layers(network, image, ["conv9_9"])
