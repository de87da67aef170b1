"""Convolutional Pose Machines: the released networks and two PyTorch ports."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tests.parity.adapters import published
from tests.parity.fixture import Fixture
from vitruvian.core.published import load_published
from vitruvian.pose.cpm import CPM, Pooling, VggCPM, cpm_options
from vitruvian.pose.cpm_centers import CenterDetector

CAFFE = "shihenw/convolutional-pose-machines-release"
STAGES = range(1, 7)


def network_of(fixture: Fixture, pooling: Pooling = "up") -> CPM | VggCPM:
    options = cpm_options(fixture.shapes())
    layout = options.pop("layout")
    return VggCPM(**options) if layout == "vgg" else CPM(**options, pooling=pooling)


@published(CAFFE, *(f"CPM_{kind}{stages}stage" for kind in ("", "VGG_") for stages in STAGES))
def caffe(fixture: Fixture) -> dict[str, Tensor]:
    network = network_of(fixture)
    results = watched(network, fixture)
    (data,) = fixture.inputs().values()
    network(data[:, :3], data[:, 3:])
    return results


@published(
    CAFFE, *(f"{name}_{stages}stage" for name in ("CPM_person", "person") for stages in STAGES)
)
def detector(fixture: Fixture) -> dict[str, Tensor]:
    stages = sum(key.startswith("Mconv1_") and key.endswith("weight") for key in fixture.shapes())
    network = CenterDetector(stages + 1)
    results = watched(network, fixture)
    (data,) = fixture.inputs().values()
    network(data[:, :3])
    return results


@published("brainBY/Convolutional-Pose-Machines-Pytorch", "CPM")
def padded_port(fixture: Fixture) -> dict[str, Tensor]:
    return port(fixture, "padded")


@published("HowieMa/CPM_Pytorch", "CPM")
def rounding_port(fixture: Fixture) -> dict[str, Tensor]:
    return port(fixture, "down")


def port(fixture: Fixture, pooling: Pooling) -> dict[str, Tensor]:
    network = network_of(fixture, pooling)
    load_published(network, fixture.state_dict())
    inputs = fixture.inputs()
    center = next(inputs.pop(name) for name in list(inputs) if name.startswith("cent"))
    (image,) = inputs.values()
    beliefs = network.eval()(image, center)
    return {f"stage{number}": maps for number, maps in enumerate(beliefs, 1)}


def watched(network: CPM | VggCPM | CenterDetector, fixture: Fixture) -> dict[str, Tensor]:
    """Load the network; its layers' outputs come to stand in the dict once it runs."""
    load_published(network, fixture.state_dict())
    network.eval()
    layers = {path.rpartition(".")[2]: module for path, module in network.named_modules()}
    results: dict[str, Tensor] = {}
    for name in fixture.meta["outputs"]:
        layers[name].register_forward_hook(keep(results, name))
    return results


def keep(results: dict[str, Tensor], name: str) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
        results[name] = output.clone()

    return hook
