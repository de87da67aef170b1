"""Initial weights of layers that several branches meet at, as PyraNet begins.

Yang, Li, Ouyang, Li, Wang: "Learning Feature Pyramids for Human Pose Estimation", ICCV 2017
(arXiv 1708.01101). The rules of Xavier and MSR take a layer for one with one input and one output.
Where the sum of C_i branches comes in and C_o branches read what goes out, variances grow by C_i
forwards and by C_o backwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from vitruvian.core.errors import UnknownNameError

Direction = Literal["both", "forward", "backward"]
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def multi_branch_variance(
    inputs: int,
    outputs: int,
    *,
    branches_in: int = 1,
    branches_out: int = 1,
    slope: float = 0.5,
    direction: Direction = "both",
) -> float:
    """Variance of a layer's weights that keeps signals, gradients, or a mean of both.

    With α = `slope`, C = branches and n = inputs or outputs:
    forward 1 / (α C_i n_i); backward 1 / (α C_o n_o); both 2 / (α (C_i n_i + C_o n_o)).
    One branch gives Xavier's rule (α = 1) and, where n_i = n_o, MSR's (α = ½).
    The paper prints 1 / (α² (C_i n_i + C_o n_o)) for "both": the same for ReLU alone.

    Args:
        inputs: Numbers that one output sums: kernel area × input channels.
        outputs: Outputs that one input goes to: kernel area × output channels.
        branches_in: Branches whose sum is the input.
        branches_out: Branches that read the output, whose gradient is the sum of theirs.
        slope: α, the share of the variance that the activation before lets through: 0.5 for ReLU,
            1 for none and for tanh around zero.
        direction: What is kept.

    Raises:
        UnknownNameError: there is no such direction.
    """
    forward, backward = branches_in * inputs, branches_out * outputs
    kept = {"both": (forward + backward) / 2, "forward": forward, "backward": backward}
    if direction not in kept:
        raise UnknownNameError("direction", direction, kept)
    return 1 / (slope * kept[direction])


def init_multi_branch(
    network: nn.Module,
    branches: Mapping[str, tuple[int, int]] | None = None,
    *,
    slope: float = 0.5,
    direction: Direction = "both",
) -> None:
    """Draw the weights of all convolutions and linear layers of a network anew; biases are 0.

    Args:
        network: Any network; changed in place.
        branches: Path of a layer, as `named_modules` has it → its C_i and C_o; others have one.
        slope: See `multi_branch_variance`.
        direction: Likewise.

    Raises:
        UnknownNameError: `branches` names a layer that the network has not.
    """
    branches = branches or {}
    layers = {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, (*_CONVOLUTIONS, nn.Linear))
    }
    for path in branches:
        if path not in layers:
            raise UnknownNameError("layer", path, layers)
    for path, layer in layers.items():
        weight: Tensor = layer.weight
        area = weight[0, 0].numel()
        groups = 1 if isinstance(layer, nn.Linear) else layer.groups
        branches_in, branches_out = branches.get(path, (1, 1))
        variance = multi_branch_variance(
            area * weight.shape[1],
            area * weight.shape[0] // groups,
            branches_in=branches_in,
            branches_out=branches_out,
            slope=slope,
            direction=direction,
        )
        nn.init.normal_(weight, std=variance**0.5)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
