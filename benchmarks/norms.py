"""Compares normalizers on garment crops: `python benchmarks/norms.py`, and again to go on.

One recipe (`recipes/image/resnet_ccp.yaml`: network, optimizer, epochs), several seeds, batches of
2 to 32 at equal epochs. The learning rate is in proportion to the batch (arXiv 1706.02677), which
gives every batch size the same way to go in an epoch. Top-1 is that of the last epoch on the test
photos: nothing is chosen by it. Every run is written to `docs/benchmarks/norms.json` once it is
done; `norms.md` and `norms.png` beside it are made from that file.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import platform
import statistics
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from vitruvian.core.files import whole_file
from vitruvian.core.recipes import find_recipe
from vitruvian.image.classification import Classification
from vitruvian.image.data import LabelledPictures
from vitruvian.image.datasets.ccp import FOLDS, GarmentCrops
from vitruvian.image.metrics import top_accuracy
from vitruvian.nn.normed_system import STRENGTH
from vitruvian.nn.norms import (
    PopulationNorm2d,
    gamma_decay,
    parameter_groups,
    radius_at,
    set_radius,
)

RECIPE = "image/resnet_ccp"
FOLDER = Path(__file__).parents[1] / "docs" / "benchmarks"
NORMS = {
    "batch": "BN",
    "switchable": "SN",
    "sparse-switchable": "sparse SN",
    "population": "PN + gamma decay",
}
BATCHES = (2, 4, 8, 16, 32)
SEEDS = 9
"""Three on each third of the photos as the test, so that every crop is tested."""

WINDOW = 320
"""Pictures that the population's running statistics look back on, at every batch size."""

RATIO_SPEED = 3.0
"""Learning rate of sparse SN's ratios over everything else's. Its release has 0.1, for 100 epochs;
in 6, ratios hardly leave the middle before they have to choose. Of 0.1, 0.3, 1 and 3 the best on
the validation part of the training photos (three seeds, batch 2; 0.1 and 3 also at 4 and 16)."""

EPOCHS = 6
"""Of the recipe's, with the schedule drawn together: 180 runs take two or three hours of a core."""

COLOURS = dict(zip(NORMS, ("#444444", "#0072b2", "#009e73", "#d55e00"), strict=True))


@cache
def crops(split: str, size: int, fold: int) -> tuple[Tensor, Tensor]:
    """All pictures of a split, (crops, 3, size, size) uint8, and their labels."""
    samples = LabelledPictures(GarmentCrops(split, fold=fold), size)
    rows = [samples[index] for index in range(len(samples))]
    return torch.stack([row["image"] for row in rows]), torch.stack([row["label"] for row in rows])


def shifted(images: Tensor, random: np.random.Generator) -> Tensor:
    """Each picture moved by up to an eighth of its side and maybe mirrored, as in the recipe."""
    side = images.shape[-1]
    most = side // 8
    padded = F.pad(images, (most,) * 4)
    moved = []
    for picture in padded:
        top, left = random.integers(0, 2 * most + 1, 2)
        cut = picture[:, top : top + side, left : left + side]
        moved.append(cut.flip(-1) if random.random() < 0.5 else cut)
    return torch.stack(moved)


def run(norm: str, batch: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """One training: top-1 and loss on the test photos, the loss and accuracy at the end."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    options = settings["model"]
    system = Classification(**{**options, "norm": norm})
    for module in system.modules():
        if isinstance(module, PopulationNorm2d):
            module.momentum = batch / WINDOW
            module.num_batches_tracked.zero_()
    fold = seed // (SEEDS // FOLDS)
    images, labels = crops("train", options["size"], fold)
    test = crops("test", options["size"], fold)
    optimizer_options = dict(settings["optimizer"])
    lr = optimizer_options.pop("lr") * batch / settings["batch_size"]
    groups = parameter_groups(
        system.network,
        lr=lr,
        weight_decay=optimizer_options.pop("weight_decay"),
        ratio_lr=lr * settings["ratio_speed"] if norm == "sparse-switchable" else None,
    )
    optimizer = torch.optim.SGD(groups, lr=lr, **optimizer_options)
    random = np.random.default_rng((seed, batch))
    epochs, per_epoch = settings["epochs"], len(labels) // batch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (1 + math.cos(math.pi * step / (epochs * per_epoch))) / 2
    )
    started = time.perf_counter()
    losses: list[float] = []
    for epoch in range(epochs):
        order = torch.from_numpy(random.permutation(len(labels)))
        losses = []
        for number in range(per_epoch):
            set_radius(system.network, radius_at(epoch * per_epoch + number, epochs * per_epoch))
            chosen = order[number * batch : (number + 1) * batch]
            sample = {"image": shifted(images[chosen], random), "label": labels[chosen]}
            loss = system.losses(sample)["cross_entropy"]
            losses.append(float(loss.detach()))
            penalty = STRENGTH * gamma_decay(system.network) if norm == "population" else 0
            optimizer.zero_grad()
            (loss + penalty).backward()
            optimizer.step()
            schedule.step()
    system.eval()
    return {
        **scores_of(system, *test),
        "train_loss": round(statistics.fmean(losses), 4),
        "gamma_norm": round(gamma_norm(system.network), 3),
        "seconds": round(time.perf_counter() - started, 1),
    }


@torch.inference_mode()
def scores_of(system: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Top-1 in per cent, and the cross entropy."""
    scores = torch.cat([system(part) for part in images.split(128)])
    top1 = top_accuracy(scores.numpy(), labels.numpy(), (1,))["top1"]
    return {"top1": round(top1, 3), "loss": round(float(F.cross_entropy(scores, labels)), 4)}


def gamma_norm(network: nn.Module) -> float:
    """The length of all γ together."""
    gammas = [p for name, p in network.named_parameters() if ".bn" in f".{name}" and p.ndim]
    return math.sqrt(sum(float(p.detach().square().sum()) for p in gammas))


def settings_of(epochs: int) -> dict[str, Any]:
    """What the recipe says, as plain values."""
    recipe = yaml.safe_load(find_recipe(RECIPE)[1].read_text(encoding="utf-8"))
    return {
        "model": recipe["model"]["init_args"],
        "optimizer": recipe["optimizer"]["init_args"],
        "batch_size": recipe["data"]["init_args"]["batch_size"],
        "epochs": epochs,
        "ratio_speed": RATIO_SPEED,
    }


def table_of(runs: dict[str, Any]) -> dict[str, dict[int, list[float]]]:
    """Norm → batch → top-1 of each seed."""
    table: dict[str, dict[int, list[float]]] = {}
    for key, result in sorted(runs.items()):
        norm, batch, _ = key.split("/")
        table.setdefault(norm, {}).setdefault(int(batch), []).append(result["top1"])
    return {norm: dict(sorted(table[norm].items())) for norm in NORMS if norm in table}


def mean_of(table: dict[str, dict[int, list[float]]], norm: str) -> dict[int, float]:
    """Batch → mean over the seeds."""
    return {batch: statistics.fmean(found) for batch, found in table.get(norm, {}).items()}


def gaps_of(
    table: dict[str, dict[int, list[float]]], first: str, second: str
) -> dict[int, list[float]]:
    """Batch → of each seed, how much better the first norm is."""
    ours, theirs = table.get(first, {}), table.get(second, {})
    return {
        size: [own - other for own, other in zip(ours[size], theirs[size], strict=False)]
        for size in sorted(ours.keys() & theirs.keys())
    }


def bars(table: dict[str, dict[int, list[float]]]) -> list[tuple[str, str, bool]]:
    """The claims: what is asked, what was measured, and whether it holds."""
    batch, switch = mean_of(table, "batch"), mean_of(table, "switchable")
    found = []
    if {2, 32} <= batch.keys() & switch.keys():
        ours, theirs = switch[32] - switch[2], batch[32] - batch[2]
        found.append(
            (
                "SN loses from batch 32 to 2 at most a third of what BN loses",
                f"SN {ours:.2f}, BN {theirs:.2f} points",
                ours <= max(theirs, 0) / 3,
            )
        )
    for asked, first, second, bound, both_ways in (
        ("sparse SN within 0.5 points of SN", "sparse-switchable", "switchable", 0.5, False),
        ("PN + gamma decay within 1 point of BN", "population", "batch", 1.0, True),
    ):
        gaps = gaps_of(table, first, second)
        if not gaps:
            continue
        every = [gap for row in gaps.values() for gap in row]
        mean = statistics.fmean(every)
        error = statistics.stdev(every) / math.sqrt(len(every)) if len(every) > 1 else math.nan
        means = {size: statistics.fmean(row) for size, row in gaps.items()}
        told = ", ".join(f"{size}: {gap:+.2f}" for size, gap in means.items())
        for extent, values in (("on average", [mean]), ("at every batch", list(means.values()))):
            worst = -max(map(abs, values)) if both_ways else min(values)
            measured = f"{mean:+.2f} ± {error:.2f}" if extent == "on average" else told
            found.append((f"{asked}, {extent}", measured, worst >= -bound))
    return found


def write_report(content: dict[str, Any], folder: Path) -> None:
    """`norms.md` and `norms.png` from the runs so far."""
    table = table_of(content["runs"])
    settings = content["settings"]
    options = settings["model"]
    done = len(content["runs"])
    planned = len(NORMS) * len(BATCHES) * content["seeds"]
    sizes = sorted({size for row in table.values() for size in row})
    summary = (
        f"Top-1 in per cent on the {content['crops']} crops of Clothing Co-Parsing, nine classes, "
        f"in turn a third of the photos as the test; mean ± standard deviation over "
        f"{content['seeds']} seeds, three a third. {done} of {planned} runs are done."
    )
    lines = [
        "# Normalizers on garment crops",
        "",
        *paragraph(summary),
        "",
        "| norm | " + " | ".join(f"batch {size}" for size in sizes) + " |",
        "| --- |" + " --- |" * len(sizes),
    ]
    for norm, row in table.items():
        cells = [cell(row.get(size, [])) for size in sizes]
        lines.append(f"| {NORMS[norm]} | " + " | ".join(cells) + " |")
    lines += ["", "![top-1 over the batch size](norms.png)", ""]
    lines += ["| asked | measured | holds |", "| --- | --- | --- |"]
    for asked, told, holds in bars(table):
        verdict = ("yes" if holds else "**no**") if done == planned else "runs are missing"
        lines.append(f"| {asked} | {told} | {verdict} |")
    optimizer = settings["optimizer"]
    lines += ["", "## How", ""]
    lines += paragraph(
        f"`python benchmarks/norms.py` with the recipe `{RECIPE}`, shortened to "
        f"{settings['epochs']} epochs: a ResNet v1 of stages {options['stages']}, "
        f"{options['width']} channels at first, on {options['size']}×{options['size']} pixels; "
        f"SGD with momentum {optimizer['momentum']} and weight decay "
        f"{optimizer['weight_decay']}, learning rate {optimizer['lr']} at batch "
        f"{settings['batch_size']} and in proportion to the batch, falling to zero along a "
        "cosine; shifts and mirror images."
    )
    lines.append("")
    notes = [
        "Splits are by photo. The score is that of the last epoch: nothing is chosen by it.",
        (
            "Running statistics of BN, SN and sparse SN keep 0.9 of their old value at every batch "
            f"size; those of PN look back on {WINDOW} pictures."
        ),
        (
            "Ratios λ and, with PN, γ have no weight decay; sparse SN's λ have "
            f"{RATIO_SPEED:g} times the learning rate, chosen on the validation part of the "
            "training photos of the first split, some of which are tested in the second (its "
            "release, with many more epochs, has a tenth), its radius goes from 0 to 1 linearly."
        ),
        (
            f"The gamma decay Σ ζγ² counts {STRENGTH}-fold: the theory's penalty is for the loss "
            "of a single unit, and too much when it is summed over a deep network. The factor was "
            "chosen on a part of the training crops."
        ),
        (
            "A third of the photos has some 800 crops: a single top-1 has a standard error of 1.7 "
            "points, a mean over the nine runs of 0.6 or more. The ± of an average gap is the "
            "standard error of the gaps between runs of the same seed."
        ),
        f"{content['machine']}, one thread a run.",
    ]
    for note in notes:
        lines += paragraph(note, "- ")
    lines.append("")
    with whole_file(folder / "norms.md") as part:
        part.write_text("\n".join(lines), encoding="utf-8")
    plot(table, folder / "norms.png")


def paragraph(text: str, mark: str = "") -> list[str]:
    """Lines of at most 110 letters."""
    indent = " " * len(mark)
    return textwrap.wrap(text, 110, initial_indent=mark, subsequent_indent=indent)


def cell(found: list[float]) -> str:
    """Mean and deviation; the number of seeds where some are missing."""
    if not found:
        return "–"
    if len(found) == 1:
        return f"{found[0]:.1f} (one seed)"
    return f"{statistics.fmean(found):.1f} ± {statistics.stdev(found):.1f}"


def plot(table: dict[str, dict[int, list[float]]], file: Path) -> None:
    """Top-1 over the batch size: the mean as a line, every seed as a point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for norm, row in table.items():
        means = [statistics.fmean(found) for found in row.values()]
        axes.plot(list(row), means, color=COLOURS[norm], label=NORMS[norm], marker="o", ms=5)
        for size, found in row.items():
            axes.plot([size] * len(found), found, ".", color=COLOURS[norm], alpha=0.4, ms=5)
    axes.set_xscale("log", base=2)
    axes.set_xticks(BATCHES, [str(size) for size in BATCHES])
    axes.set(xlabel="pictures in a batch", ylabel="top-1 on the test photos, per cent")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    with whole_file(file) as part:
        figure.savefig(part, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--workers", type=int, default=1, help="runs at a time")
    parser.add_argument("--report", action="store_true", help="only write it anew")
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "norms.json"
    settings = settings_of(arguments.epochs)
    content: dict[str, Any] = {"settings": settings, "runs": {}}
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        if before["settings"] != settings:
            parser.error(f"{file} holds runs with other settings; move it away to start anew")
        content = {key: before[key] for key in ("settings", "runs")}
    size = settings["model"]["size"]
    content |= {
        "seeds": arguments.seeds,
        "crops": sum(len(crops(part, size, 0)[1]) for part in ("train", "test")),
        "machine": f"{platform.machine()}, PyTorch {torch.__version__.split('+')[0]}",
    }
    planned = [
        (norm, batch, seed)
        for seed, batch in itertools.product(range(arguments.seeds), (32, 2, 8, 16, 4))
        for norm in NORMS
        if not arguments.report and f"{norm}/{batch}/{seed}" not in content["runs"]
    ]
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, processes) as pool:
        jobs = {pool.submit(run, *job, settings): job for job in planned}
        for job in as_completed(jobs):
            key = "/".join(map(str, jobs[job]))
            content["runs"][key] = job.result()
            print(key, content["runs"][key], flush=True)
            with whole_file(file) as part:
                part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            write_report(content, arguments.out)
    write_report(content, arguments.out)
    for asked, told, holds in bars(table_of(content["runs"])):
        print("holds " if holds else "MISSED", asked, "|", told)


if __name__ == "__main__":
    main()
