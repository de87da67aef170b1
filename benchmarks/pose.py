"""Compares the top-down systems of 2D pose: `python benchmarks/pose.py`, and again to go on.

Every system in a small size, with the same people, crops, optimizer and epochs, from random
numbers; and the claims of the papers, each with and without what it is about. Training people are
kept in memory, cut out wider than the crops, so that a step costs little besides its network.

Bottom-up systems are trained on rendered crowds by their recipes, in `runs/benchmarks/pose`, where
a run goes on if it was cut off.

Every run is written to `docs/benchmarks/pose.json` once it is done; `pose.md` and `pose.png` beside
it are made from that file. What bottom-up systems find in the test is drawn there, too.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import default_collate
from torch.utils.flop_counter import FlopCounterMode

from pose_crowds import run_crowds
from pose_methods import (
    AUGMENT,
    BATCH,
    CROWDS,
    DECAY,
    EITHER,
    EPOCHS,
    KEPT,
    METHODS,
    RATE,
    RENDERED,
    SIDE,
    TESTS,
)
from pose_report import bars, write_report
from vitruvian.core.bench import fix_threads
from vitruvian.core.files import whole_file
from vitruvian.core.recipes import find_recipe
from vitruvian.pose.data import TopDownCrops, crop_of
from vitruvian.pose.datasets.base import PersonAnnotation, PoseDataset
from vitruvian.pose.datasets.lsp import Lsp
from vitruvian.pose.datasets.world import RenderedPeople
from vitruvian.pose.metrics import pck, torso_length
from vitruvian.pose.topdown import Crop
from vitruvian.pose.topdown_system import TopDownSystem

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "benchmarks"
ROUNDS = 15
RUNS = ROOT / "runs" / "benchmarks" / "pose"


class Kept(PoseDataset):
    """The people of a data set in memory, each in a small picture of its own.

    Args:
        people: Where they come from.
        count: At most so many.
    """

    def __init__(self, people: PoseDataset, count: int | None = None) -> None:
        self.skeleton = people.skeleton
        self.people = []
        self.pictures: list[NDArray[np.uint8]] = []
        for index in range(min(len(people), count or len(people))):
            person = people[index]
            crop = crop_of(person.center, person.size * KEPT / SIDE, (KEPT, KEPT))
            self.pictures.append(crop.sample(people.picture(index)))
            self.people.append(
                PersonAnnotation(
                    person.picture,
                    np.concatenate(
                        [crop.to_crop(person.joints[:, :2]), person.joints[:, 2:]], axis=1
                    ).astype(np.float32),
                    crop.to_crop(person.center).astype(np.float32),
                    np.array([SIDE, SIDE], np.float32),
                )
            )

    def picture(self, index: int) -> NDArray[np.uint8]:
        """(KEPT, KEPT, 3) RGB uint8."""
        return self.pictures[index]


@dataclass(frozen=True)
class Tests:
    """The people of a test, cut out of their own pictures once."""

    people: PoseDataset
    images: Tensor
    crops: Sequence[Crop]
    truth: NDArray[np.float32]
    lengths: NDArray[np.floating[Any]]
    scored: NDArray[np.bool_]


@cache
def training_people(data: str, count: int | None) -> Kept:
    """LSP extended without the photos that choose settings, or as many rendered people."""
    if data == "lsp":
        return Kept(Lsp("fit"), count)
    return Kept(RenderedPeople("train", count=count or 2700, skeleton="lsp14"))


@cache
def test_people(data: str) -> Tests:
    """The 500 test photos of LSP extended, or rendered people; seen joints of these are scored."""
    people: PoseDataset
    if data == "lsp":
        people = Lsp("test")
    else:
        people = RenderedPeople("test", count=RENDERED, skeleton="lsp14")
    annotated = [people[index] for index in range(len(people))]
    crops = [crop_of(person.center, person.size, (SIDE, SIDE)) for person in annotated]
    pixels = np.stack([crop.sample(people.picture(i)) for i, crop in enumerate(crops)])
    truth = np.stack([person.joints for person in annotated])
    if data == "lsp":
        scored = truth[..., 2] > 0
        lengths = torso_length(truth[..., :2], people.skeleton, labelled=scored)
    else:
        scored = np.stack([person.facts["seen"] for person in annotated])
        lengths = np.array([person.facts["torso"] for person in annotated])
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
    return Tests(people, images, crops, truth, lengths, scored)


def build(method: str, objective: str = "squared") -> TopDownSystem:
    """The system of a method, from random numbers."""
    chosen = METHODS[method]
    recipe = yaml.safe_load(find_recipe(chosen.recipe)[1].read_text(encoding="utf-8"))["model"]
    module, _, name = recipe["class_path"].rpartition(".")
    options: dict[str, Any] = {
        "flip_test": False,
        "width": SIDE,
        "height": SIDE,
        "channels_last": True,
    }
    if method.startswith(EITHER):
        options["objective"] = objective
    kind = getattr(importlib.import_module(module), name)
    return cast(TopDownSystem, kind(**{**recipe["init_args"], **options, **chosen.options}))


def batches(crops: TopDownCrops, seed: int, epochs: int) -> Iterator[dict[str, Tensor]]:
    """All steps of a training: each epoch in an order of its own, whole batches alone."""
    random = np.random.default_rng(seed)
    for epoch in range(epochs):
        order = random.permutation(len(crops))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield default_collate([crops[int(i), epoch] for i in order[start : start + BATCH]])


def run(method: str, data: str, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train a method and test it on photos and on rendered people.

    Returns:
        Test → metrics in per cent; test → of each person, how many joints are right, in hexadecimal
        digits; test → scored joints; seconds of the processor; loss of the last epoch.
    """
    people = training_people(data, settings["people"])
    started = time.process_time()
    torch.manual_seed(seed)
    system = build(method, settings["objective"]).train()
    crops = TopDownCrops(people, (SIDE, SIDE), encoding="unbiased", augment=AUGMENT, seed=seed)
    optimizer = torch.optim.AdamW(system.parameters(), lr=RATE, weight_decay=DECAY)
    epochs, per_epoch = settings["epochs"][data], len(crops) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, epochs * per_epoch, eta_min=RATE / 100
    )
    losses = []
    for batch in batches(crops, seed, epochs):
        with torch.autocast("cpu", torch.bfloat16):
            loss = torch.stack([*system.losses(batch).values()]).sum()
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    result: dict[str, Any] = {
        "seconds": round(time.process_time() - started, 1),
        "loss": round(statistics.fmean(losses[-per_epoch:]), 6),
        "scores": {},
        "right": {},
        "scored": {},
    }
    for test in TESTS:
        scores, right, scored = test_on(system.eval(), test_people(test))
        result["scores"][test], result["scored"][test] = scores, scored
        result["right"][test] = "".join(f"{count:x}" for count in right)
    return result


@torch.inference_mode()
def test_on(system: TopDownSystem, tests: Tests) -> tuple[dict[str, float], NDArray[np.int64], int]:
    """Metrics in per cent, right joints of each person, and how many joints were scored."""
    found = np.concatenate([system.read(part)[0] for part in torch.split(tests.images, 50)])
    points = np.stack(
        [crop.to_picture(joints) for crop, joints in zip(tests.crops, found, strict=True)]
    )
    joints = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=-1)
    metrics = tests.people.evaluate(dict(enumerate(joints.astype(np.float32))))
    rows = zip(points, tests.truth[..., :2], tests.lengths, tests.scored, strict=True)
    each = np.stack([pck(p[None], t[None], [n], 0.2, s[None]).per_joint for p, t, n, s in rows])
    scores = {key: round(value, 3) for key, value in metrics.items() if key.startswith("pck")}
    return scores, np.nansum(each, axis=1).astype(np.int64), int((~np.isnan(each)).sum())


def measure(objective: str) -> dict[str, dict[str, float]]:
    """Method → millions of parameters, billions of multiply-adds, milliseconds a crop.

    From a crop to its joints, one crop at a time, in float32, with norms folded where the network's
    graph allows; the methods take turns, and the time is the processor's, so that what else runs
    counts little.
    """
    systems = {method: build(method, objective).eval() for method in METHODS}
    image = torch.randint(0, 256, (1, 3, SIDE, SIDE), dtype=torch.uint8)
    sizes = {}
    for method, system in systems.items():
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            system.read(image)
        parameters = sum(each.numel() for each in system.network.parameters())
        sizes[method] = {
            "parameters": round(parameters / 1e6, 3),
            "multiply_adds": round(counter.get_total_flops() / 2e9, 3),
        }
        system.fold()
    with torch.inference_mode():
        seconds: dict[str, list[float]] = {method: [] for method in systems}
        for _ in range(ROUNDS):
            for method, system in systems.items():
                started = time.process_time()
                system.read(image)
                seconds[method].append(time.process_time() - started)
    return {
        method: {**size, "milliseconds": round(1e3 * statistics.median(seconds[method]), 2)}
        for method, size in sizes.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    usual = ", ".join(f"{EPOCHS[data]} of {title}" for data, title in TESTS.items())
    parser.add_argument("--epochs", type=int, help=f"on either data; else {usual}")
    every = [*METHODS, *CROWDS]
    parser.add_argument("--methods", nargs="*", choices=every, default=every)
    parser.add_argument("--crowd-epochs", type=int, help="of bottom-up systems; as in recipes")
    parser.add_argument("--data", nargs="*", choices=TESTS, default=["lsp"], help="trained on")
    parser.add_argument("--people", type=int, help="train on so many alone")
    parser.add_argument("--objective", choices=["squared", "likelihood"], default="likelihood")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--speed", action="store_true", help="measure sizes and speed anew")
    parser.add_argument("--report", action="store_true", help="only write it anew")
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    fix_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "pose.json"
    settings = {
        "epochs": dict.fromkeys(TESTS, arguments.epochs) if arguments.epochs else EPOCHS,
        "people": arguments.people,
        "objective": arguments.objective,
    }
    content: dict[str, Any] = {"settings": settings, "sizes": {}, "runs": {}}
    if file.is_file():
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["settings"] != settings:
            parser.error(f"{file} holds runs with other settings; move it away to start anew")
    content["seeds"] = arguments.seeds
    content["machine"] = f"{platform.machine()}, PyTorch {torch.__version__.split('+')[0]}"

    def keep() -> None:
        with whole_file(file) as part:
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        write_report(content, arguments.out)

    if arguments.speed or content["sizes"].keys() != METHODS.keys():
        content["sizes"] = measure(arguments.objective)
    keep()
    planned = [
        (method, data, seed)
        for seed in range(arguments.seeds)
        for method in arguments.methods
        for data in (["crowds"] if method in CROWDS else arguments.data)
    ]
    for method, data, seed in planned:
        key = f"{method}/{data}/{seed}"
        if arguments.report or key in content["runs"]:
            continue
        if method in CROWDS:
            strip = arguments.out / f"pose_{method}.jpg"
            content["runs"][key] = run_crowds(method, seed, arguments.crowd_epochs, RUNS, strip)
        else:
            content["runs"][key] = run(method, data, seed, settings)
        print(key, {k: v for k, v in content["runs"][key].items() if k != "right"}, flush=True)
        keep()
    for data in arguments.data:
        for row in bars(content, data):
            print(" | ".join(row))


if __name__ == "__main__":
    main()
