"""The 3D hourglass: its arguments are the published ones, joints follow from the shapes."""

from __future__ import annotations

from torch import Tensor

from tests.parity.adapters import published
from tests.parity.fixture import Fixture
from vitruvian.body.hourglass3d import Hourglass3D
from vitruvian.core.published import load_published


@published("xingyizhou/pytorch-pose-hg-3d", "HourglassNet3D")
def hourglass_net_3d(fixture: Fixture) -> dict[str, Tensor]:
    network = Hourglass3D(
        fixture.shapes()["tmpOut.0.weight"][0],
        stacks=fixture.args["nStack"],
        blocks=fixture.args["nModules"],
        features=fixture.args["nFeats"],
        depth_blocks=fixture.args["nRegModules"],
    )
    load_published(network, fixture.state_dict())
    (image,) = fixture.inputs().values()
    heatmaps, depth = network.eval()(image)
    return {f"heatmap{number}": each for number, each in enumerate(heatmaps)} | {"depth": depth}
