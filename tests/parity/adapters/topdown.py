"""The top-down path of Simple Baselines, HRNet and mmpose: crops, targets, decoding, losses."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.parity.adapters import published
from tests.parity.fixture import Fixture
from vitruvian.core.skeletons import COCO17
from vitruvian.pose import heatmap_tensors, topdown
from vitruvian.pose import heatmaps as maps
from vitruvian.pose.metrics import heatmap_accuracy

HRNET = "leoxiaobin/deep-high-resolution-net.pytorch"
BASELINES = "microsoft/human-pose-estimation.pytorch"
MMPOSE = "open-mmlab/mmpose"
COCO_JOINT_WEIGHTS = (1, 1, 1, 1, 1, 1, 1, 1.2, 1.2, 1.5, 1.5, 1, 1, 1.2, 1.2, 1.5, 1.5)

Adapter = Callable[[Fixture], dict[str, Tensor]]


def either(*classes: str) -> Callable[[Adapter], Adapter]:
    """Both repositories share the path; so does every part of a combined name, alone or not."""
    names = {*classes}
    for combined in classes:
        parts = combined.split(", ")
        for size in range(1, len(parts) + 1):
            names |= {", ".join(some) for some in combinations(parts, size)}
            names |= {", ".join(reversed(some)) for some in combinations(parts, size)}

    def register(adapter: Adapter) -> Adapter:
        for repo in (HRNET, BASELINES):
            published(repo, *names)(adapter)
        return adapter

    return register


def arrays(fixture: Fixture) -> dict[str, np.ndarray]:
    return {name: value.numpy().astype(np.float64) for name, value in fixture.inputs().items()}


def tensors(values: dict[str, Any]) -> dict[str, Tensor]:
    return {name: torch.as_tensor(np.array(value)) for name, value in values.items()}


def flip_order(pairs: list[list[int]], joints: int) -> np.ndarray:
    order = np.arange(joints)
    for a, b in pairs:
        order[[a, b]] = order[[b, a]]
    return order


def pairs_of(fixture: Fixture, joints: int) -> np.ndarray:
    for key in ("pairs", "flip_pairs", "matched_parts"):
        if key in fixture.args:
            return flip_order(fixture.args[key], joints)
    return COCO17.flip_order


@either("get_affine_transform", "get_affine_transform, affine_transform")
def affine(fixture: Fixture) -> dict[str, Tensor]:
    values = arrays(fixture)
    center, scale = values["center"] * [640, 480], 3 * values["scale"] + 0.3
    rotation = 80 * values["rotation"]
    results = {}
    for size in sizes_of(fixture):
        name = f"{size[0]}x{size[1]}"
        results[f"forward_{name}"] = topdown.affine_matrix(center, scale, rotation, size)
        for kind, angle in (("inverse", rotation), ("inverse_norot", 0 * rotation)):
            matrix = topdown.affine_matrix(center, scale, angle, size, inverse=True)
            results[f"{kind}_{name}"] = matrix
    return tensors(results)


def sizes_of(fixture: Fixture) -> list[tuple[int, int]]:
    """The crops' sizes: given, or (where args have none) read from the outputs' names."""
    given = fixture.args.get("sizes") or [
        name.rpartition("_")[2].split("x") for name in fixture.meta["outputs"]
    ]
    return sorted({(int(width), int(height)) for width, height in given})


@published(MMPOSE, "get_udp_warp_matrix, get_warp_matrix", "get_udp_warp_matrix", "get_warp_matrix")
def warp_matrices(fixture: Fixture) -> dict[str, Tensor]:
    values = arrays(fixture)
    center, size = values["center"] * [640, 480], 600 * values["scale"] + 60
    rotation = 80 * values["rotation"]
    results = {}
    for output in sizes_of(fixture):
        name = f"{output[0]}x{output[1]}"
        results[f"udp_{name}"] = topdown.udp_matrix(center, size, rotation, output)
        scale = size / topdown.UNIT
        results[f"plain_{name}"] = topdown.affine_matrix(center, scale, rotation, output)
    return tensors(results)


@either("JointsDataset.generate_target")
def target(fixture: Fixture) -> dict[str, Tensor]:
    values, args = arrays(fixture), fixture.args
    image, size = np.array(args["image_size"]), np.array(args["heatmap_size"])
    joints = (1.3 * values["joints"] - 0.15) * image / (image / size)
    found = (values["visible"] > 0).astype(np.float32)
    given = args.get("joints_weight", COCO_JOINT_WEIGHTS)
    heat, weight = maps.gaussian_targets(joints, found, tuple(size), args["sigma"])
    results = {"target": heat, "weight": weight[:, None]}
    if len(given) == len(weight):
        factors = np.asarray(given, dtype=np.float32)
        _, by_joint = maps.gaussian_targets(
            joints, found, tuple(size), args["sigma"], joint_weights=factors
        )
        results["weight_by_joint"] = by_joint[:, None]
    return tensors(results)


GAUSSIANS = {
    "unbiased": "generate_unbiased_gaussian_heatmaps",
    "udp": "generate_udp_gaussian_heatmaps",
    "biased": "generate_gaussian_heatmaps",
}


@published(
    MMPOSE,
    "generate_gaussian_heatmaps, generate_unbiased_gaussian_heatmaps, "
    "generate_udp_gaussian_heatmaps",
    *GAUSSIANS.values(),
)
def gaussians(fixture: Fixture) -> dict[str, Tensor]:
    values, outputs = arrays(fixture), fixture.meta["outputs"]
    height, width = values["noise"].shape[1:]
    joints = values["joints"][0] * [width - 1, height - 1]
    results: dict[str, Any] = {"joints": joints}
    for kind in GAUSSIANS:
        if kind in outputs:
            heat, _ = maps.gaussian_targets(
                joints, np.ones(len(joints)), (width, height), fixture.args["sigma"], kind
            )
            results[kind] = heat[:: -(-len(heat) // outputs[kind]["shape"][0])]
    return tensors(results)


@published(
    MMPOSE,
    "refine_keypoints, refine_keypoints_dark, refine_keypoints_dark_udp",
    "refine_keypoints",
    "refine_keypoints_dark",
    "refine_keypoints_dark_udp",
)
def refinements(fixture: Fixture) -> dict[str, Tensor]:
    heat = fixture.outputs()["in_heatmaps"].numpy()
    kernel = fixture.args.get("blur_kernel_size", 11)
    points, score = maps.find_maxima(heat, missing=-1.0)
    height, width = heat.shape[1:]
    return tensors(
        {
            "joints": arrays(fixture)["joints"][0] * [width - 1, height - 1],
            "argmax": points,
            "score": score,
            "quarter": maps.refine_quarter(points, heat, each_axis=True),
            "dark": maps.refine_dark(points, heat, kernel),
            "dark_udp": maps.refine_udp(points, heat, kernel),
        }
    )


@either("get_max_preds, get_final_preds")
def decode(fixture: Fixture) -> dict[str, Tensor]:
    values = arrays(fixture)
    heat = fixture.inputs()["heatmaps"].numpy().copy()
    heat[0, 0] = -np.abs(heat[0, 0])
    points, score = maps.find_maxima(heat)
    results = {"argmax": points, "score": score[..., None]}
    if "center" in values:
        height, width = heat.shape[2:]
        center, scale = values["center"] * [640, 480], 2 * values["scale"] + 0.5
        back = topdown.affine_matrix(center, scale, 0, (width, height), inverse=True)
        quarter = fixture.args.get("POST_PROCESS", True)
        finer = maps.refine_quarter(points, heat) if quarter else points
        results["final"] = topdown.transform_points(finer, back)
        results["final_without_quarter"] = topdown.transform_points(points, back)
    return tensors(results)


@either("flip_back, fliplr_joints")
def flips(fixture: Fixture) -> dict[str, Tensor]:
    inputs, results = fixture.inputs(), {}
    mirrored = inputs.get("heatmaps_of_flipped", inputs.get("heatmaps"))
    if mirrored is not None:
        order = pairs_of(fixture, mirrored.shape[1])
        results["flipped_back"] = heatmap_tensors.mirror_back(mirrored, order)
        results["shifted"] = heatmap_tensors.shift_right(results["flipped_back"])
        shift = bool(fixture.args.get("SHIFT_HEATMAP", True))
        results["mean"] = heatmap_tensors.merge_flipped(
            inputs["heatmaps"], mirrored, order, shift=shift
        )
    if "joints" in inputs:
        results |= flipped_joints(fixture)
    return results


def flipped_joints(fixture: Fixture) -> dict[str, Tensor]:
    """`fliplr_joints` gives joints times visibility, and the visibility."""
    inputs, args = fixture.inputs(), fixture.args
    joints = inputs["joints"].double().numpy()
    size = args.get("image_size", (args.get("width", 640), args.get("height", 480)))
    if fixture.meta["inputs"]["joints"]["kind"] == "uniform":  # shares of the picture
        joints = joints * np.resize([*size, 1], joints.shape[-1])
    order = pairs_of(fixture, joints.shape[-2])
    given = next((inputs[key] for key in inputs if key.startswith("vis")), None)
    visible = np.ones(joints.shape[:-1]) if given is None else given.numpy() > 0
    if visible.ndim == joints.ndim - 1:
        visible = np.repeat(visible[..., None], joints.shape[-1], axis=-1)
    visible = visible[..., order, :].astype(np.float64)
    mirrored = topdown.mirror_joints(joints, size[0], order, indices=True) * visible
    results = tensors({"joints": mirrored, "visible": visible})
    aliases = {
        "joints": ("joints_flipped", "flipped_joints", "flipped", "out"),
        "visible": ("vis", "joints_vis", "flipped_vis", "visible_flipped", "vis_flipped"),
    }
    return results | {other: results[name] for name in aliases for other in aliases[name]}


@either("JointsMSELoss, JointsOHKMMSELoss")
def losses(fixture: Fixture) -> dict[str, Tensor]:
    inputs = fixture.inputs()
    output, target, weight = inputs["output"], inputs["target"], inputs["weight"].float()
    hardest = next((fixture.args[key] for key in ("topk", "top_k") if key in fixture.args), 8)
    mse = [heatmap_tensors.joints_mse_loss(output, target, each) for each in (weight, None)]
    results = {"mse": torch.stack(mse)}
    hard = [
        heatmap_tensors.joints_ohkm_loss(output, target, each, hardest) for each in (weight, None)
    ]
    results[f"ohkm_top{hardest}"] = results["ohkm"] = torch.stack(hard)
    return results


@either("accuracy")
def accuracy(fixture: Fixture) -> dict[str, Tensor]:
    inputs = fixture.inputs()
    output, joints = inputs["output"].numpy().copy(), inputs["joints"].double().numpy()
    height, width = output.shape[2:]
    truth = np.zeros_like(output)
    batch, places = np.indices(joints.shape[:2])
    columns = np.floor(joints[..., 0] * width).astype(int)
    rows = np.floor(joints[..., 1] * height).astype(int)
    truth[batch, places, rows, columns] = 1
    output = 0.2 * output + truth * inputs["noise"].numpy()
    # The published function never hands its threshold on: it is 0.5 whatever `thr` says.
    per_joint, mean, counted, points = heatmap_accuracy(output, truth, 0.5, swapped_axes=True)
    return tensors(
        {
            "accuracy": [mean, *per_joint],
            "average": [mean, counted],
            "prediction": points,
        }
    )
