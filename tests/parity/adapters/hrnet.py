"""HRNet and HigherHRNet: the networks, built from their shapes."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor, nn

from tests.parity.adapters import published
from tests.parity.adapters.simple_baseline import keep
from tests.parity.fixture import Fixture
from vitruvian.core.published import load_published
from vitruvian.pose.higher_hrnet import HigherHRNet, higher_hrnet_options
from vitruvian.pose.hrnet import pose_hrnet_like

HRNET = "leoxiaobin/deep-high-resolution-net.pytorch"


@published(HRNET, "PoseHighResolutionNet", "get_pose_net")
@published("HRNet/HRNet-Human-Pose-Estimation", "PoseHighResolutionNet", "get_pose_net")
def pose_hrnet(fixture: Fixture) -> dict[str, Tensor]:
    network = pose_hrnet_like(fixture.shapes())
    load_published(network, fixture.state_dict())
    results: dict[str, Tensor] = {}
    watch(network.eval(), fixture, results)
    (image,) = fixture.inputs().values()
    results["out"] = network(image)
    return results


def watch(network: nn.Module, fixture: Fixture, results: dict[str, Tensor]) -> None:
    """Keep what modules give out: `layer1`, and branch i of a stage as `stage3.i`."""
    for name, module in network.named_modules():
        if name in fixture.meta["outputs"] and not re.fullmatch(r"stage\d+\.\d+", name):
            module.register_forward_hook(keep(results, name))
        if re.fullmatch(r"stage\d+", name):
            module.register_forward_hook(keep_branches(results, name))


def keep_branches(results: dict[str, Tensor], name: str) -> Any:
    def hook(module: nn.Module, inputs: Any, outputs: list[Tensor]) -> None:
        results.update({f"{name}.{place}": out.clone() for place, out in enumerate(outputs)})

    return hook


@published("HRNet/HigherHRNet-Human-Pose-Estimation", "PoseHigherResolutionNet", "get_pose_net")
def higher_hrnet(fixture: Fixture) -> dict[str, Tensor]:
    network = HigherHRNet(**higher_hrnet_options(fixture.shapes()))
    load_published(network, fixture.state_dict())
    results: dict[str, Tensor] = {}
    watch(network.eval(), fixture, results)
    (image,) = fixture.inputs().values()
    for number, maps in enumerate(network(image)):
        results |= {f"stride{4 >> number}": maps, f"out{number}": maps}
    return results
