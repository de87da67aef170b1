"""How fast the norms are, beside PyTorch's batch norm in the same rounds."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

from vitruvian.core.bench import Spread, take_turns
from vitruvian.nn.norms.folding import fold_norms
from vitruvian.nn.norms.names import make_norm
from vitruvian.nn.norms.sparse import SparseSwitchableNorm2d, set_radius

SHAPE = (32, 256, 56, 56)
NAMES = ("batch", "switchable", "sparse-switchable", "population", "group")

Ways = dict[str, Callable[[], None]]


def bench_norms(
    runs: int, shape: tuple[int, int, int, int] = SHAPE
) -> tuple[dict[str, dict[str, Spread]], dict[str, float]]:
    """Time the norms on the CPU, and on a CUDA device if there is one.

    Args:
        runs: Rounds that count.
        shape: Of the input, (batch, channels, height, width).

    Returns:
        Title → layer → milliseconds; and ratios to batch norm: medians over the rounds, so that a
        disturbance of one round does not count.
    """
    spreads, ratios = {}, {}
    devices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    for device in devices:
        torch.manual_seed(0)
        x = torch.randn(shape, device=device)
        place = f"{tuple(shape)} on {device}"
        for what, ways, pairs in (
            ("forward and backward", _training(x), [(name, "batch") for name in NAMES[1:]]),
            ("inference", _inference(x), [("sparse-switchable, one-hot", "batch")]),
            ("inference after a 1×1 convolution", _folded(x), [("sparse-switchable", "batch")]),
        ):
            seconds = take_turns(ways, runs)
            spreads[f"{what}, {place}"] = {name: Spread.of(t) for name, t in seconds.items()}
            for name, peer in pairs:
                turns = zip(seconds[name], seconds[peer], strict=True)
                ratio = statistics.median(a / b for a, b in turns)
                ratios[f"{name} / {peer}, {what}, {device}"] = round(ratio, 3)
    return spreads, ratios


def _training(x: Tensor) -> Ways:
    leaf, cotangent = x.clone().requires_grad_(), torch.randn_like(x)

    def make(name: str) -> Callable[[], None]:
        layer = make_norm(name, x.shape[1]).to(x.device)

        def step() -> None:
            leaf.grad = None
            layer(leaf).backward(cotangent)
            _wait(x)

        return step

    return {name: make(name) for name in NAMES}


def _inference(x: Tensor) -> Ways:
    channels = x.shape[1]
    layers = {
        "batch": make_norm("batch", channels),
        "sparse-switchable, one-hot": _one_hot(channels),
        "switchable": make_norm("switchable", channels),
    }
    return {name: _forward(layer.to(x.device).eval(), x) for name, layer in layers.items()}


def _folded(x: Tensor) -> Ways:
    channels = x.shape[1]
    narrow = x[:, : max(channels // 4, 1)].contiguous()
    ways = {}
    for name, norm in (
        ("batch", nn.BatchNorm2d(channels)),
        ("sparse-switchable", _one_hot(channels)),
    ):
        pair = nn.Sequential(nn.Conv2d(narrow.shape[1], channels, 1, bias=False), norm)
        ways[f"{name}, not folded"] = _forward(pair.to(x.device).eval(), narrow)
        ways[name] = _forward(fold_norms(pair), narrow)
    return ways


def _one_hot(channels: int) -> SparseSwitchableNorm2d:
    layer = SparseSwitchableNorm2d(channels)
    set_radius(layer, 1.0)
    with torch.no_grad():
        for logits in (layer.mean_weight, layer.var_weight):
            logits.copy_(torch.tensor([0.0, 0.0, 1.0]))
        for buffer in (layer.mean_fixed, layer.var_fixed, layer.running_var):
            assert buffer is not None
            buffer.fill_(1)
    return layer


def _forward(layer: nn.Module, x: Tensor) -> Callable[[], None]:
    def step() -> None:
        with torch.inference_mode():
            layer(x)
        _wait(x)

    return step


def _wait(x: Tensor) -> None:
    if x.device.type == "cuda":
        torch.cuda.synchronize()
