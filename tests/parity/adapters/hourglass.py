"""Stacked hourglass: both published networks, their targets, transforms and decoders."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity.adapters import published
from tests.parity.adapters.topdown import arrays, tensors
from tests.parity.fixture import Fixture
from vitruvian.core.published import load_published
from vitruvian.pose import heatmap_tensors
from vitruvian.pose import heatmaps as maps
from vitruvian.pose.hourglass import (
    StackedHourglass,
    cauchy_targets,
    hourglass_options,
    princeton_entries,
)
from vitruvian.pose.metrics import heatmap_accuracy
from vitruvian.pose.topdown import affine_matrix, invert_affine, transform_points

BEARPAW, PRINCETON = "bearpaw/pytorch-pose", "princeton-vl/pytorch_stacked_hourglass"
ACCURACY_JOINTS = (1, 2, 3, 4, 5, 6, 11, 12, 15, 16)


def build(fixture: Fixture) -> StackedHourglass:
    state = princeton_entries(fixture.state_dict())
    network = StackedHourglass(**hourglass_options({k: v.shape for k, v in state.items()}))
    load_published(network, state)
    return network.eval()


def keep_first(results: dict[str, Tensor], name: str) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
        results[name] = output.clone()

    return hook


@published(BEARPAW, "HourglassNet", "hg", "hg1", "hg2", "hg4", "hg8")
def hourglass_net(fixture: Fixture) -> dict[str, Tensor]:
    network, results = build(fixture), {}
    for name, place in (("layer1", "first"), ("layer2", "second"), ("layer3", "third")):
        network.get_submodule(place).register_forward_hook(keep_first(results, name))
    for number, stack in enumerate(network.stacks):
        stack.hourglass.register_forward_hook(keep_first(results, f"hg.{number}"))
        stack.residuals.register_forward_hook(keep_first(results, f"res.{number}"))
        stack.feature.register_forward_hook(keep_first(results, f"fc.{number}"))
    (image,) = fixture.inputs().values()
    found = network(image)
    for number, each in enumerate(found):
        results |= {f"out{number}": each, f"stack{number}": each}
    return results | {"out": found[-1] if len(found) == 1 else torch.stack(found, 1)}


@published(PRINCETON, "PoseNet")
def pose_net(fixture: Fixture) -> dict[str, Tensor]:
    network, results = build(fixture), {}
    network.third.register_forward_hook(keep_first(results, "pre"))
    for number, stack in enumerate(network.stacks):
        stack.hourglass.register_forward_hook(keep_first(results, f"hgs.{number}"))
        stack.feature.register_forward_hook(keep_first(results, f"features.{number}"))
    (image,) = fixture.inputs().values()
    if image.shape[1] != 3:
        image = image.permute(0, 3, 1, 2)
    found = network(image)
    results |= {f"stack{number}": each for number, each in enumerate(found)}
    return results | {"out": torch.stack(found, 1)}


@published(BEARPAW, "draw_labelmap")
def labelmap(fixture: Fixture) -> dict[str, Tensor]:
    sigma, size = fixture.args["sigma"], fixture.args["resolution"]
    width, height = (size, size) if isinstance(size, int) else reversed(size)
    points = (2 * arrays(fixture)["points"] - 0.5) * [width, height]
    gaussian, weight = maps.gaussian_targets(
        points, np.ones(len(points)), (width, height), sigma, "cell"
    )
    cauchy = cauchy_targets(gaussian, sigma)
    return tensors({"gaussian": gaussian, "cauchy": cauchy, "inside": weight})


@published(PRINCETON, "GenerateHeatmap")
def generated(fixture: Fixture) -> dict[str, Tensor]:
    size = fixture.args["output_res"]
    points = (1.2 * arrays(fixture)["points"] - 0.1) * size
    visible = points[..., 0] > 0
    target, _ = maps.gaussian_targets(points, visible, (size, size), size / 64, "crowd")
    return tensors({"target": target.max(axis=0)})


def one_based(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.trunc(transform_points(points - 1, matrix)) + 1


@published(BEARPAW, "get_transform, transform", "get_transform", "transform")
def transforms(fixture: Fixture) -> dict[str, Tensor]:
    values = arrays(fixture)
    center, scale = values["center"] * [900, 600], 4 * values["scale"] + 0.5
    results = {}
    for name in fixture.meta["outputs"]:
        kind, _, size = name.partition("_")
        output = (int(size), int(size))
        angle = 0 if kind == "inverse" else 60 * values["rotation"]
        matrix = affine_matrix(center, scale, angle, output)
        if kind == "matrix":
            last = np.broadcast_to([[0.0, 0.0, 1.0]], (len(center), 1, 3))
            results[name] = np.concatenate([matrix, last], axis=1)
        elif kind == "forward":
            results[name] = one_based(values["point"][:, None] * [1200, 720], matrix)[:, 0]
        else:
            inverse = invert_affine(matrix)
            results[name] = one_based(values["point"][:, None] * int(size), inverse)[:, 0]
    return tensors(results)


@published(
    BEARPAW, "get_preds, final_preds, accuracy", "get_preds", "final_preds", "accuracy",
    "get_preds, final_preds", "final_preds, accuracy", "get_preds, accuracy",
)  # fmt: skip
def bearpaw_decode(fixture: Fixture) -> dict[str, Tensor]:
    values = arrays(fixture)
    heat = fixture.inputs()["heatmaps"].numpy()
    points, _ = maps.find_maxima(heat, missing=-1.0)
    results = {"argmax": points + 1}
    if "center" in values:
        height, width = heat.shape[2:]
        center, scale = values["center"] * [900, 600], 4 * values["scale"] + 0.5
        finer = maps.refine_quarter(points, heat, border=0)
        back = affine_matrix(center, scale, 0, (width, height), inverse=True)
        results["final"] = one_based(finer.astype(np.float64) + 1.5, back)
    if "target" in values:
        target = fixture.inputs()["target"].numpy()
        per_joint, _, _, _ = heatmap_accuracy(target + 0.01 * heat, target, border=0)
        chosen = per_joint[[joint - 1 for joint in ACCURACY_JOINTS]]
        known = chosen[chosen >= 0]
        results["accuracy"] = np.array([known.mean() if len(known) else 0, *chosen])
    return tensors(results)


@published(PRINCETON, "HeatmapLoss")
def heatmap_loss(fixture: Fixture) -> dict[str, Tensor]:
    inputs = fixture.inputs()
    pairs = zip(inputs["pred"], inputs["target"], strict=True)
    return {
        "loss": torch.stack(
            [2 * heatmap_tensors.joints_mse_loss(a[None], b[None]) for a, b in pairs]
        )
    }
