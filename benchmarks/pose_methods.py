"""What `benchmarks/pose.py` compares: the systems, the claims of their papers, the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SIDE = 128
KEPT = 192
"""Width and height of crops, and of what is kept of a training photo: as many pixels a person."""

EPOCHS = {"lsp": 8, "world": 4}
"""Of the photos, and of rendered people, who are learned sooner."""
BATCH = 16
RATE = 1e-3
DECAY = 0.01
AUGMENT = {"scale": 0.25, "rotation": 30.0, "rotation_probability": 0.6, "flip": 0.5}
RENDERED = 200
"""Rendered people that every network is tested on."""

TESTS = {"lsp": "sport photos", "world": "rendered people"}


@dataclass(frozen=True)
class Method:
    """A network that is trained: a recipe's system, with a few other options."""

    title: str
    recipe: str
    options: dict[str, Any] = field(default_factory=dict)


def _hourglass(title: str, stacks: int, **options: Any) -> Method:
    chosen = {"stacks": stacks, "decoder": "dark", **options}
    return Method(title, "pose/hourglass_lsp", chosen)


def _cpm(title: str, stages: int, **options: Any) -> Method:
    return Method(title, "pose/cpm_lsp", {"stages": stages, "features": 16, **options})


def _cascade(title: str, **options: Any) -> Method:
    return Method(title, "pose/heatmap_cascade_lsp", {"features": 16, "radius": 0, **options})


def _pyranet(title: str, features: int, **options: Any) -> Method:
    return Method(title, "pose/pyranet_lsp", {"features": features, **options})


METHODS = {
    "deeppose": Method("DeepPose, two stages", "pose/deeppose_lsp"),
    "heatmap_cascade": _cascade("heat-map cascade"),
    "cpm": _cpm("CPM, three stages", 3),
    "hourglass": _hourglass("hourglass, two stacks", 2),
    "pyranet": _pyranet("PyraNet, one stack", 64),
    "simple_baseline": Method(
        "Simple Baselines, ResNet-18", "pose/simple_baseline_lsp", {"filters": [64] * 3}
    ),
    "hrnet": Method("HRNet-W24, one module a stage", "pose/hrnet_lsp", {"branch_width": 24}),
    "deeppose_1": Method("DeepPose, one stage", "pose/deeppose_lsp", {"stages": 1}),
    "heatmap_coarse": _cascade("heat-map cascade without its fine model", fine=False),
    "cpm_1": _cpm("CPM, one stage", 1),
    "cpm_2": _cpm("CPM, two stages", 2),
    "cpm_last": _cpm("CPM, three stages, loss of the last alone", 3, intermediate=False),
    "hourglass_1": _hourglass("hourglass, one stack", 1),
    "hourglass_4": _hourglass("hourglass, four stacks", 4),
    "hourglass_last": _hourglass(
        "hourglass, two stacks, loss of the last alone", 2, intermediate=False
    ),
    "pyranet_plain": _pyranet("PyraNet with plain residual modules", 70, kind="none"),
    "pyranet_torch7": _pyranet("PyraNet from Torch7's weights", 64, init="torch7"),
}
SYSTEMS = tuple(METHODS)[:7]

EITHER = ("hourglass", "pyranet", "simple_baseline", "hrnet")
"""Beginnings of the methods whose maps can be trained by either objective of `TopDownSystem`."""

CLAIMS = {
    "Intermediate supervision helps the hourglass": ("hourglass_last", "hourglass"),
    "Intermediate supervision helps CPM": ("cpm_last", "cpm"),
    "Each further stack helps the hourglass": ("hourglass_1", "hourglass", "hourglass_4"),
    "Pyramid modules beat plain residuals of as many parameters": ("pyranet_plain", "pyranet"),
    "The start for several branches beats Torch7's": ("pyranet_torch7", "pyranet"),
    "High resolution that is kept (HRNet) beats one that is found again (Simple Baselines), at "
    "equal multiply-adds": ("simple_baseline", "hrnet"),
    "A second stage helps DeepPose": ("deeppose_1", "deeppose"),
    "Each further stage helps CPM": ("cpm_1", "cpm_2", "cpm"),
    "The fine model helps the heat-map cascade": ("heatmap_coarse", "heatmap_cascade"),
}
"""What is asked → methods, each of which should be better than the one before."""


@dataclass(frozen=True)
class Crowd:
    """A bottom-up system: its recipe, and what is set for its training or its test alone.

    Attributes:
        title: Of its row.
        recipe: Its name.
        run: The folder of its run; systems that differ in their test alone share one.
        base: The method whose best weights it begins with; None: random numbers.
        epochs: None: the recipe's.
        test: Settings.
        weights: The system whose embedded weights are tested in place of a run's.
    """

    title: str
    recipe: str
    run: str = ""
    base: str | None = None
    epochs: int | None = None
    test: tuple[str, ...] = ()
    weights: str | None = None


_TAGS = "pose/associative_embedding_world"
_GRAPH = ("pose/hgg_world", "hgg", "ae")

CROWDS = {
    "ae": Crowd("associative embedding", _TAGS, "ae", epochs=8),
    "part_affinity": Crowd("part affinity fields (OpenPose)", "pose/openpose_world", "openpose"),
    "ae_on": Crowd("associative embedding, gone on with", _TAGS, "ae_on", "ae", epochs=4),
    "hgg": Crowd("hierarchical graph grouping", *_GRAPH),
    "hgg_tags": Crowd("its maps, grouped by tags", *_GRAPH, test=("--model.group_by", "tags")),
    "embedded": Crowd(
        "for comparison: the embedded OpenPose, trained on COCO",
        "pose/openpose_world",
        test=(
            *("--model.kind", "mobilenet", "--data.kind", "mobilenet", "--model.network", "{}"),
            *("--model.height", "480"),
        ),
        weights="openpose",
    ),
}
"""Bottom-up systems. What begins with other weights comes after them."""

CROWD_CLAIMS = {
    "Hierarchical graph grouping beats associative embedding": ("ae_on", "hgg"),
    "The graph groups the same maps better than their tags": ("hgg_tags", "hgg"),
    "Tags beat part affinity fields": ("part_affinity", "ae_on"),
}
"""What is asked of them → less, more."""
