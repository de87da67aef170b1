"""Simple Baselines: the network, built from the shapes and the name of the configuration."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tests.parity.adapters import published
from tests.parity.fixture import Fixture
from vitruvian.core.published import load_published
from vitruvian.nn.resnet import Style
from vitruvian.pose.simple_baseline import pose_resnet_like


@published("microsoft/human-pose-estimation.pytorch", "PoseResNet", "get_pose_net")
@published("leoxiaobin/deep-high-resolution-net.pytorch", "PoseResNet")
def pose_resnet(fixture: Fixture) -> dict[str, Tensor]:
    network = pose_resnet_like(fixture.shapes(), style=style_of(fixture.args))
    load_published(network, fixture.state_dict())
    network.eval()
    results: dict[str, Tensor] = {}
    for name in set(fixture.meta["outputs"]) & dict(network.named_modules()).keys():
        network.get_submodule(name).register_forward_hook(keep(results, name))
    (image,) = fixture.inputs().values()
    results["out"] = network(image)
    return results


def style_of(args: dict[str, Any]) -> Style:
    """The configurations of the caffe style end in `_caffe`."""
    named = str(args.get("style", args.get("STYLE", ""))).lower()
    return "caffe" if "caffe" in named or "caffe" in str(args.get("config", "")) else "pytorch"


def keep(results: dict[str, Tensor], name: str) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
        results[name] = output.clone()

    return hook
