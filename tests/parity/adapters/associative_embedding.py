"""Associative embedding: tag loss, grouping, and the networks that give tags."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from tests.parity.adapters import published
from tests.parity.fixture import Fixture
from vitruvian.core.published import load_published
from vitruvian.pose.ae_hourglass import AEHourglass, AssociativeEmbedding, ae_hourglass_options
from vitruvian.pose.associative_embedding import (
    Grouping,
    adjust_joints,
    find_candidates,
    group_joints,
    refine_people,
    tag_loss,
)
from vitruvian.pose.heatmaps import find_maxima

HIGHER = "HRNet/HigherHRNet-Human-Pose-Estimation"


@published(HIGHER, "AELoss", "AELoss.forward")
def losses(fixture: Fixture) -> dict[str, Tensor]:
    given = fixture.outputs()["joints"]
    tags = fixture.inputs()["tags"].flatten(1)
    results = {"joints": given}
    kinds = fixture.args.get("loss_type", ["exp", "max"])
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        push, pull = tag_loss(tags, given.long(), kind)
        results |= {f"{kind}_push": push, f"{kind}_pull": pull}
        if isinstance(kinds, str):
            results |= {"push": push, "pull": pull}
    return results


@published(HIGHER, "HeatmapParser.parse", "HeatmapParser")
def parse(fixture: Fixture) -> dict[str, Tensor]:
    given, args = fixture.outputs(), fixture.args
    options = Grouping(
        kernel=args.get("NMS_KERNEL", 5),
        limit=args.get("MAX_NUM_PEOPLE", 30),
        score=args.get("DETECTION_THRESHOLD", 0.1),
        tag=args.get("TAG_THRESHOLD", 1.0),
        rounded=args.get("USE_DETECTION_VAL", True),
        closed=args.get("IGNORE_TOO_MUCH", False),
    )
    heatmaps = given["in_heatmaps"]
    names = sorted(name for name in given if name.startswith("in_tags"))
    tags = torch.stack([given[name] for name in names], dim=-1)
    grouped = group_joints(*find_candidates(heatmaps, tags, options), options)
    adjusted = adjust_joints(grouped, heatmaps.numpy())
    refined = refine_people(adjusted, heatmaps.numpy(), tags.numpy())
    return {
        "grouped": torch.from_numpy(grouped),
        "adjusted": torch.from_numpy(adjusted),
        "refined": torch.from_numpy(refined),
        "scores": torch.from_numpy(adjusted[..., 2].mean(axis=1)),
    }


@published("princeton-vl/pose-ae-train", "HeatmapParser.parse", "HeatmapParser")
def parse_ae(fixture: Fixture) -> dict[str, Tensor]:
    given, args = fixture.outputs(), fixture.args
    options = replace(
        AssociativeEmbedding.grouping,
        score=args.get("detection_val", 0.03),
        tag=args.get("tag_val", 1.0),
    )
    names = sorted(name for name in given if name.startswith("in_tags"))
    tags = torch.stack([given[name] for name in names], dim=-1)
    heatmaps = given["in_heatmaps"]
    grouped = group_joints(*find_candidates(heatmaps, tags, options), options)
    adjusted = torch.from_numpy(adjust_joints(grouped, heatmaps.numpy()))
    return {"grouped": torch.from_numpy(grouped), "adjusted": adjusted, "out": adjusted}


@published("princeton-vl/pytorch_stacked_hourglass", "HeatmapParser.parse", "HeatmapParser")
def parse_one(fixture: Fixture) -> dict[str, Tensor]:
    heatmaps = next(iter(fixture.inputs().values())).numpy()
    points, scores = find_maxima(heatmaps)
    rows = torch.cat([torch.from_numpy(points), torch.from_numpy(scores)[..., None]], dim=-1)
    return {"parsed": torch.from_numpy(adjust_joints(rows.numpy(), heatmaps[0]))}


@published("princeton-vl/pose-ae-train", "PoseNet")
def ae_hourglass(fixture: Fixture) -> dict[str, Tensor]:
    network = AEHourglass(**ae_hourglass_options(fixture.shapes())).eval()
    load_published(network, fixture.state_dict())
    (image,) = fixture.inputs().values()
    if image.shape[1] != 3:
        image = image.permute(0, 3, 1, 2)
    found = network(image)
    results = {f"stack{number}": maps for number, maps in enumerate(found)}
    return results | {"out": torch.stack(found, 1)}
