"""OpenPose: networks, targets and decoders."""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor

from tests.parity.adapters import published
from tests.parity.fixture import Fixture
from vitruvian.core.published import load_published
from vitruvian.pose.openpose.lightweight import LightweightOpenPose
from vitruvian.pose.openpose.networks import (
    Body25,
    DetailOpenPose,
    Layout,
    OpenPoseV1,
    read_layers,
)
from vitruvian.pose.openpose.published_grouping import decode_hzzone, decode_lightweight
from vitruvian.pose.openpose.targets import draw_affinities, draw_heatmaps

LIGHTWEIGHT = "Daniil-Osokin/lightweight-human-pose-estimation.pytorch"
TENSORBOY = "tensorboy/pytorch_Realtime_Multi-Person_Pose_Estimation"


@published(LIGHTWEIGHT, "extract_keypoints, group_keypoints")
def decoders(fixture: Fixture) -> dict[str, Tensor]:
    given = fixture.outputs()
    heatmaps, affinities = (given[name].numpy() for name in ("in_heatmaps", "in_pafs"))
    results = {name: given[name] for name in ("joints", "seen") if name in given}
    people, points = decode_lightweight(heatmaps, affinities, fixture.args["upsample"])
    results |= {"light_people": torch.tensor(people), "light_keypoints": torch.tensor(points)}
    if "hzzone" in fixture.args:
        people, points = decode_hzzone(heatmaps, affinities, _picture_size(fixture))
        results |= {
            "hzzone_people": torch.tensor(people),
            "hzzone_candidates": torch.tensor(points),
        }
    return results


def _picture_size(fixture: Fixture) -> tuple[int, int]:
    """Height and width, from the words of the args: "… 480x368" or "… 368 rows"."""
    words = fixture.args["hzzone"]
    if size := re.search(r"(\d+)x(\d+)", words):
        return int(size[2]), int(size[1])
    rows = re.search(r"(\d+) rows", words)
    assert rows, words
    height, width = fixture.outputs()["in_heatmaps"].shape[1:]
    return int(rows[1]), round(int(rows[1]) * width / height)


@published(TENSORBOY, "putGaussianMaps, putVecMaps")
def targets(fixture: Fixture) -> dict[str, Tensor]:
    given, args = fixture.outputs(), fixture.args
    joints, seen = given["joints"].numpy(), given["seen"].numpy() > 0
    stride, width = args.get("stride", 8), args.get("limb_width", 1)
    limbs = np.array(args["limbs"])
    results = {"joints": given["joints"], "seen": given["seen"]}
    for prefix, kind in (("", "v1"), ("lightweight_", "lightweight")):
        if f"{prefix}heatmaps" not in given:
            continue
        size = tuple(given[f"{prefix}heatmaps"].shape[1:])
        heatmaps = draw_heatmaps(joints, seen, size, stride, args.get("sigma", 7.0), kind)
        affinities = draw_affinities(joints, seen, limbs, size, stride, width, kind)
        results[f"{prefix}heatmaps"] = torch.from_numpy(heatmaps)
        results[f"{prefix}pafs"] = torch.from_numpy(affinities)
    return results


@published("CMU-Perceptual-Computing-Lab/openpose", "COCO_18", "MPI_15", "HAND_21", "FACE_70")
def caffe_v1(fixture: Fixture) -> dict[str, Tensor]:
    return _layers(fixture, _v1(fixture, "caffe"))


@published("CMU-Perceptual-Computing-Lab/openpose", "BODY_25")
def body25(fixture: Fixture) -> dict[str, Tensor]:
    shapes = fixture.shapes()
    stages = {
        branch: 1
        + max(int(m[1]) for key in shapes if (m := re.search(rf"stage(\d)_{branch}", key)))
        for branch in ("L1", "L2")
    }
    network = Body25(
        heatmaps=shapes["Mconv7_stage0_L1.weight"][0],
        affinities=shapes["Mconv7_stage0_L2.weight"][0],
        affinity_stages=stages["L2"],
        heatmap_stages=stages["L1"],
    )
    return _layers(fixture, network)


def _v1(fixture: Fixture, layout: Layout, **options: bool) -> OpenPoseV1 | DetailOpenPose:
    shapes = {key.split(".", key.count(".") - 1)[-1]: s for key, s in fixture.shapes().items()}
    stages = max(int(m[1]) for key in shapes if (m := re.search(r"_stage(\d)", key)))
    if "conv6_2_CPM.weight" in shapes:
        return DetailOpenPose(shapes["conv6_2_CPM.weight"][0], stages, layout)
    return OpenPoseV1(
        shapes["conv5_5_CPM_L2.weight"][0], shapes["conv5_5_CPM_L1.weight"][0],
        stages, layout, **options,
    )  # fmt: skip


def _layers(fixture: Fixture, network: OpenPoseV1 | DetailOpenPose | Body25) -> dict[str, Tensor]:
    load_published(network.eval(), fixture.state_dict())
    (image,) = fixture.inputs().values()
    return read_layers(network, image, list(fixture.outputs()))


@published("Hzzone/pytorch-openpose", "bodypose_model")
def hzzone_body(fixture: Fixture) -> dict[str, Tensor]:
    network = _v1(fixture, "hzzone", relu_on_heatmaps=True).eval()
    load_published(network, fixture.state_dict())
    (image,) = fixture.inputs().values()
    heatmaps, affinities = network(image)
    return {"out0": affinities, "out1": heatmaps}


@published("Hzzone/pytorch-openpose", "handpose_model")
def hzzone_hand(fixture: Fixture) -> dict[str, Tensor]:
    network = _v1(fixture, "hzzone").eval()
    load_published(network, fixture.state_dict())
    (image,) = fixture.inputs().values()
    stages = network.forward_stages(image)
    named = {f"stage{i}": maps for i, maps in enumerate(stages, start=1)}
    return named | dict.fromkeys(fixture.outputs().keys() - named.keys(), stages[-1])


@published(TENSORBOY, "rtpose_model", "get_model")
def tensorboy(fixture: Fixture) -> dict[str, Tensor]:
    shapes = fixture.shapes()
    stages = max(int(m[1]) for key in shapes if (m := re.match(r"model(\d)_1\.", key)))
    network = OpenPoseV1(
        shapes["model1_2.8.weight"][0], shapes["model1_1.8.weight"][0], stages, "tensorboy"
    ).eval()
    load_published(network, fixture.state_dict())
    (image,) = fixture.inputs().values()
    return _by_stage(network.forward_stages(image), first=1)


@published(LIGHTWEIGHT, "PoseEstimationWithMobileNet")
def lightweight(fixture: Fixture) -> dict[str, Tensor]:
    network = LightweightOpenPose(**fixture.args).eval()
    load_published(network, fixture.state_dict())
    (image,) = fixture.inputs().values()
    trunk = network.model(image)
    results = {"model": trunk, "cpm": network.cpm(trunk)}
    return results | _by_stage(network.forward_stages(image), first=0)


def _by_stage(stages: list[tuple[Tensor, Tensor]], first: int) -> dict[str, Tensor]:
    results = {}
    for number, (heatmaps, affinities) in enumerate(stages, start=first):
        results |= {f"stage{number}_heatmaps": heatmaps, f"stage{number}_pafs": affinities}
    return results
