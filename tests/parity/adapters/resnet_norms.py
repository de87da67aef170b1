"""ResNets with switchable and sparse switchable norm, by the published constructors' names."""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import Tensor, nn

from tests.parity.adapters import published
from tests.parity.fixture import Fixture
from vitruvian.core.published import load_published
from vitruvian.image.resnet import make_classifier
from vitruvian.nn.norms import SparseSwitchableNorm2d, SwitchableNorm2d, set_radius

DEPTHS = (18, 34, 50, 101, 152)
CONSTRUCTOR = re.compile(r"resnetv(?P<version>[12])(?P<norm>sn|ssn)(?P<depth>\d+)")


@published(
    "switchablenorms/Switchable-Normalization",
    *(f"resnetv{version}sn{depth}" for version in (1, 2) for depth in DEPTHS),
)
@published(
    "switchablenorms/Sparse_SwitchNorm",
    *(f"resnetv1ssn{depth}" for depth in DEPTHS),
)
def resnet(fixture: Fixture) -> dict[str, Tensor]:
    """Scores; dropout 0.5 is off in evaluation. Training mode where the fixture asks for it."""
    name = CONSTRUCTOR.fullmatch(fixture.source["class"])
    assert name is not None
    args, sparse = fixture.args, name["norm"] == "ssn"
    version = 2 if name["version"] == "2" else 1
    network = make_classifier(
        fixture.shapes()["fc.weight"][0],
        depth=int(name["depth"]),
        version=version,  # type: ignore[arg-type]
        stem="unpadded" if sparse else "imagenet",
        norm=norm_of(args, sparse),
        dropout=0.5,
        zero_gamma=version == 1 and bool(args.get("last_gamma", True)),
    )
    load_published(network, fixture.state_dict())
    if sparse:
        set_radius(network, float(args.get("radius", 0.0)))
    network.eval()
    results: dict[str, Tensor] = {}
    for output in set(fixture.meta["outputs"]) & dict(network.named_modules()).keys():
        network.get_submodule(output).register_forward_hook(
            lambda _module, _inputs, value, output=output: results.update({output: value.clone()})
        )
    (image,) = fixture.inputs().values()
    results["out"] = network(image)
    return results


def norm_of(args: dict[str, object], sparse: bool) -> Callable[[int], nn.Module]:
    """The layer with the constructor's options."""
    moving = bool(args.get("using_moving_average", True))
    if sparse:
        return lambda channels: SparseSwitchableNorm2d(channels, using_moving_average=moving)
    using_bn = bool(args.get("using_bn", True))
    return lambda channels: SwitchableNorm2d(
        channels, using_moving_average=moving, using_bn=using_bn
    )
