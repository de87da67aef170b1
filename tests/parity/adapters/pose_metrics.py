"""PCP, PCKh, OKS, and average precision of key points."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.parity.adapters import published
from tests.parity.adapters.topdown import arrays, either, tensors
from tests.parity.fixture import Fixture
from vitruvian.core.skeletons import COCO17, CROWDPOSE14, LSP14, MPII16, WHOLEBODY133
from vitruvian.pose import coco_metrics, metrics
from vitruvian.pose.oks import oks, oks_nms, oks_to_truth, rescore, soft_oks_nms


@published(
    "asanakoy/deeppose_tf",
    "eval_strict_pcp, eval_relaxed_pcp, eval_pckh",
    "eval_strict_pcp, eval_relaxed_pcp",
    "eval_strict_pcp",
    "eval_relaxed_pcp",
    "eval_pckh",
)
def deeppose(fixture: Fixture) -> dict[str, Tensor]:
    values = arrays(fixture)
    skeleton = MPII16 if fixture.args.get("dataset", "lsp") == "mpii" else LSP14
    truth = 200 * values["gt"]
    guess = truth + 70 * values["spread"][:, None, None] * values["error"]
    threshold = next((fixture.args[key] for key in ("thresh", "thr") if key in fixture.args), 0.5)
    results: dict[str, Any] = {}
    for kind, strict in (("strict", True), ("loose", False)):
        sticks = metrics.pcp(guess, truth, strict=strict, threshold=threshold, skeleton=skeleton)
        parts = metrics.pcp_parts(sticks)
        results[f"{kind}_per_stick"] = list(sticks.values())
        results[f"{kind}_per_part"] = [v for name, v in parts.items() if name != "total"]
    head = metrics.stick_lengths(truth, skeleton)[:, 0]
    shares = metrics.pck(guess, truth, head, threshold).per_joint
    limbs = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    neck = ("upper_neck", "neck")[skeleton is LSP14]
    order = ["head_top", neck, *(f"{s}_{limb}" for s in ("right", "left") for limb in limbs)]
    order += [] if skeleton is LSP14 else ["thorax", "pelvis"]
    results["pckh_head_stick"] = shares[[skeleton.index[joint] for joint in order]]
    return tensors(results)


@either("MPIIDataset.evaluate")
def mpii(fixture: Fixture) -> dict[str, Tensor]:
    values = arrays(fixture)
    truth = 500 * values["gt"]
    guess = truth + 25 * values["error"]
    start = 300 * values["head"][:, 0]
    end = start + 300 * (0.2 + 0.3 * values["head"][:, 1])
    heads = metrics.mpii_head_size(np.concatenate([start, end], axis=1))
    labelled = values["missing"].T != 0
    scores = metrics.mpii_pckh(guess, truth, heads, labelled)
    return tensors({"pckh": [*scores.values()][:9]})


@either("oks_iou, oks_nms, soft_oks_nms")
def nms(fixture: Fixture) -> dict[str, Tensor]:
    values, args = arrays(fixture), fixture.args
    people = len(values["score"])
    size = values["size"]
    joints = np.concatenate(
        [
            300 * values["base"][np.arange(people) % len(values["base"])]
            + 30 * size[:, None, None] * values["jitter"],
            values["kscore"][..., None],
        ],
        axis=-1,
    )
    area = (200 * size + 50) ** 2
    sigmas = args.get("sigmas", COCO17.sigmas)
    visible = args.get("in_vis_thre")
    results: dict[str, Any] = {
        "oks": oks(joints, joints, area, area, sigmas, visible_above=visible),
        "rescored": rescore(values["score"], values["kscore"], args.get("rescore_thr", 0.2)),
    }
    for name in fixture.meta["outputs"]:
        if "keep_" in name:
            digits = name.rpartition("_")[2]
            threshold = float(digits) if "." in digits else int(digits) / 10 ** (len(digits) - 1)
            suppress = soft_oks_nms if name.startswith("soft") else oks_nms
            kept = suppress(joints, values["score"], area, threshold, sigmas, visible_above=visible)
            results[name] = np.pad(kept, (0, people - len(kept)), constant_values=-1)
    return tensors(results)


def people_of(given: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    crowd = given.get("gt_iscrowd", np.zeros(len(given["gt_image"])))
    area = given.get("gt_area", np.zeros(len(given["gt_image"])))
    keys = ("image_id", "keypoints", "bbox", "area", "iscrowd")
    columns = (given["gt_image"], given["gt_keypoints"], given["gt_bbox"], area, crowd)
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]


def detections_of(given: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    keys = ("image_id", "keypoints", "score")
    columns = (given["det_image"], given["det_keypoints"], given["det_score"])
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]


def similarity(
    given: dict[str, np.ndarray], areas: np.ndarray, sigmas: Any, places: slice
) -> np.ndarray:
    """(detections, people): OKS, -1 across images."""
    found, truth = given["det_keypoints"][:, places], given["gt_keypoints"][:, places]
    values = oks_to_truth(found, truth, given["gt_bbox"], areas, sigmas)
    return np.where(given["det_image"][:, None] == given["gt_image"], values, -1)


def given_arrays(fixture: Fixture) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in fixture.outputs().items()}


@published("cocodataset/cocoapi", "COCOeval")
def coco(fixture: Fixture) -> dict[str, Tensor]:
    given = given_arrays(fixture)
    sigmas = fixture.args.get("sigmas", fixture.args.get("kpt_oks_sigmas", COCO17.sigmas))
    stats = coco_metrics.coco_keypoint_ap(people_of(given), detections_of(given), sigmas)
    return tensors(
        {
            "stats": [*stats.values()],
            "oks": similarity(given, given["gt_area"], sigmas, slice(None)),
        }
    )


@published("Jeff-sjtu/CrowdPose", "COCOeval")
def crowdpose(fixture: Fixture) -> dict[str, Tensor]:
    given = given_arrays(fixture)
    crowd = dict(enumerate(given["crowd_index"]))
    stats = coco_metrics.crowdpose_ap(people_of(given), detections_of(given), crowd)
    areas = 0.53 * given["gt_bbox"][:, 2:].prod(axis=1)
    return tensors(
        {
            "stats": [*stats.values()],
            "oks": similarity(given, areas, CROWDPOSE14.sigmas, slice(None)),
            "crowd_index": given["crowd_index"],
        }
    )


PART_CLASSES = tuple(f"MYeval_{part}" for part in coco_metrics.WHOLEBODY_PARTS)


@published("jin-s13/COCO-WholeBody", "MYeval_*", "MYeval", *PART_CLASSES)
def wholebody(fixture: Fixture) -> dict[str, Tensor]:
    given = given_arrays(fixture)
    stats = coco_metrics.wholebody_ap(people_of(given), detections_of(given))
    results: dict[str, Tensor] = {}
    for part, places in coco_metrics.WHOLEBODY_PARTS.items():
        sigmas = WHOLEBODY133.sigmas[places]
        results[f"stats_{part}"] = torch.tensor([*stats[part].values()])
        likeness = similarity(given, given["gt_area"], sigmas, places)
        results[f"oks_{part}"] = torch.from_numpy(likeness)
    only = fixture.source["class"].removeprefix("MYeval_")
    if only in stats:
        results |= {"stats": results[f"stats_{only}"], "oks": results[f"oks_{only}"]}
    return results
