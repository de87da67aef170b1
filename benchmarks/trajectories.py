"""Compares DSCMP with its peers and its own parts on ETH/UCY: `python benchmarks/trajectories.py`.

Every method is trained by its recipe on each of the five folds, for several seeds, and tested by
the protocol; on simulated crowds DSCMP is compared with itself without the map. A run goes on
where it was cut off, in `runs/benchmarks/trajectories`; each that is done is written to
`docs/benchmarks/trajectories.json`, from which `trajectories.md` and `.png` are made.

`--compare data.scale=0,0.2,0.4` trains DSCMP with each value of a setting and scores two scenes at
places that it has not seen and that no test has: that is what chooses a setting.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import textwrap
import time
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitruvian.core.files import whole_file
from vitruvian.core.recipes import find_recipe
from vitruvian.core.training import BEST, CONFIG, score, train
from vitruvian.motion.baselines import constant_velocity, straight_line
from vitruvian.motion.datasets.eth_ucy import FOLDS, HELD_BACK, EthUcy
from vitruvian.motion.dscmp import Dscmp
from vitruvian.motion.metrics import mean_scores, score_window
from vitruvian.motion.tracks import OBSERVED

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "benchmarks"
RUNS = ROOT / "runs" / "benchmarks" / "trajectories"

DSCMP, WORLD = "motion/dscmp_eth_ucy", "motion/dscmp_world"
METHODS: dict[str, tuple[str, str, list[str]]] = {
    "dscmp": ("DSCMP", DSCMP, []),
    "no_queue": ("no queue (of one)", DSCMP, ["--model.queue", "1"]),
    "no_individual": ("no individual context", DSCMP, ["--model.individual", "false"]),
    "no_social": ("no social-aware context", DSCMP, ["--model.social", "false"]),
    "no_scene": ("no scene latent (draws of one's own)", DSCMP, ["--model.shared", "false"]),
    "no_coherence": ("no coherence loss", DSCMP, ["--model.coherence", "0"]),
    "variety_lstm": ("variety LSTM", "motion/variety_lstm_eth_ucy", []),
    "social_lstm": ("Social LSTM", "motion/social_lstm_eth_ucy", []),
    "world_map": ("with the map", WORLD, []),
    "world_bare": ("without", WORLD, ["--data.layouts", "false"]),
}
CROWDED = ("world_map", "world_bare")
ABLATIONS = ("dscmp", "no_queue", "no_individual", "no_social", "no_scene", "no_coherence")
PEERS = ("dscmp", "variety_lstm", "social_lstm")
RULES: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "constant_velocity": ("constant velocity", constant_velocity),
    "straight_line": ("straight line", straight_line),
}
PUBLISHED = {
    "DSCMP, paper": ("0.66/1.21", "0.27/0.46", "0.50/1.07", "0.33/0.68", "0.28/0.60", "0.41/0.80"),
    "STGAT": ("0.65/1.12", "0.35/0.66", "0.52/1.10", "0.34/0.69", "0.29/0.60", "0.43/0.83"),
    "SGAN-20V-20": ("0.71/1.29", "0.48/1.02", "0.56/1.18", "0.34/0.69", "0.31/0.64", "0.48/0.96"),
}
STGCNN = ("0.64/1.11", "0.49/0.85", "0.44/0.79", "0.34/0.53", "0.30/0.48", "0.44/0.75")
CROWDS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


def rule_scores(rule: Callable[[Tensor], Tensor], fold: str) -> dict[str, float]:
    """Scores of one future that a rule gives."""
    windows = EthUcy(fold).windows
    tracks = torch.from_numpy(windows.tracks)
    places = (tracks[:, None, OBSERVED - 1 : OBSERVED] + rule(tracks[:, :OBSERVED])).numpy()
    rows = map(windows.rows, range(len(windows)))
    found = mean_scores(score_window(places[r], windows.tracks[r, OBSERVED:]) for r in rows)
    return {key: round(value, 3) for key, value in found.items()}


def run(method: str, fold: str, seed: int, more: list[str]) -> dict[str, Any]:
    """Train a method on a fold and test it."""
    _, recipe, options = METHODS[method]
    name, file = find_recipe(recipe)
    folder = RUNS / method / str(seed) / fold
    chosen = [*options, *more, *fold_option(fold), "--seed_everything", str(seed)]
    result = train(name, file, folder, chosen)
    scores = score(folder / CONFIG, folder / BEST)
    return {"scores": scores, "seconds": result["seconds"], "epochs": result["epochs"]}


def fold_option(fold: str) -> list[str]:
    """What chooses a fold; the world has none."""
    return [] if fold == "world" else ["--data.fold", fold]


def folds_of(method: str) -> tuple[str, ...]:
    return ("world",) if method in CROWDED else tuple(FOLDS)


def compare(setting: str, value: str, fold: str, seed: int, more: list[str]) -> dict[str, Any]:
    """Scores of DSCMP, trained with a setting, on a scene that no protocol tests."""
    name, file = find_recipe(WORLD if fold == "world" else DSCMP)
    folder = RUNS / "compared" / f"{setting}={value}" / str(seed) / fold
    options = [f"--{setting}", value, *fold_option(fold), "--seed_everything", str(seed)]
    metrics = train(name, file, folder, [*more, *options])["metrics"]
    return {key.removeprefix("val/"): found for key, found in metrics.items()}


def compare_all(
    arguments: argparse.Namespace,
    content: dict[str, Any],
    more: list[str],
    keep: Callable[[], None],
) -> None:
    """Each value of a setting on each fold for each seed, but for those that are done."""
    setting, _, values = arguments.compare.partition("=")
    compared = content.setdefault("compared", {})
    for value, fold, seed in product(values.split(","), arguments.folds, range(arguments.seeds)):
        key = f"{setting}={value}/{fold}/{seed}"
        if key not in compared:
            compared[key] = compare(setting, value, fold, seed, more)
            print(key, compared[key], flush=True)
            keep()


def comparisons(content: Mapping[str, Any]) -> list[str]:
    """A table of the settings that were compared: means over their folds and seeds."""
    groups: dict[str, list[dict[str, float]]] = {}
    for key, found in content.get("compared", {}).items():
        groups.setdefault(key.split("/")[0], []).append(found)
    if not groups:
        return []
    names = ("ade_scene", "fde_scene", "ade_person", "fde_person", "ade_1", "fde_1")
    lines = ["", "## Settings, by scenes that no protocol tests", ""]
    lines += ["| setting | runs | " + " | ".join(names) + " |", "| --- |" + " --- |" * 7]
    for setting, found in groups.items():
        means = [f"{statistics.fmean(one[name] for one in found):.3f}" for name in names]
        lines.append(f"| `{setting}` | {len(found)} | " + " | ".join(means) + " |")
    return lines


def seconds_of(action: Callable[[], object], rounds: int) -> float:
    """The processor's time, the median of some rounds after one that does not count."""
    action()
    times = []
    for _ in range(rounds):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return statistics.median(times)


@torch.inference_mode()
def speed() -> dict[str, Any]:
    """Milliseconds of 20 futures over the size of a crowd, and windows a second in training."""
    torch.manual_seed(0)
    system = Dscmp().eval()
    crowds = {}
    for people in CROWDS:
        past = torch.randn(people, 1, 2).expand(-1, 8, -1).cumsum(1) * 0.4
        past = past + torch.rand(people, 1, 2) * (4 * people) ** 0.5  # a quarter a square metre
        scene = torch.zeros(people, dtype=torch.long)
        rounds = 3 if people > 1000 else 15
        crowds[people] = 1e3 * seconds_of(lambda: system.futures_of(past, scene, 20), rounds)  # noqa: B023
    return {"crowds": crowds, "training": training_speed()}


@torch.inference_mode(mode=False)
def training_speed() -> dict[str, float]:
    """Windows a second, forward and backward: one at a time, and 64 at once; ETH's windows."""
    from vitruvian.motion.data import TrackWindows

    data = TrackWindows(EthUcy("eth").windows)
    system = Dscmp()

    def step(first: int, count: int) -> None:
        system.zero_grad()
        batch = data.__getitems__(list(range(first, first + count)))
        loss: Any = torch.stack([*system.losses(batch).values()]).sum()
        loss.backward()

    def singly() -> None:
        for place in range(0, 64, 4):
            step(place, 1)

    one = seconds_of(singly, 3) / 16
    many = seconds_of(lambda: step(0, 64), 5) / 64
    return {"one at a time": 1 / one, "64 at once": 1 / many}


def means_of(runs: Mapping[str, Any], method: str, fold: str | None, metric: str) -> list[float]:
    """A number a seed: of a fold, or the mean of all five (for seeds that have all)."""
    seeds = sorted({key.split("/")[2] for key in runs if key.startswith(f"{method}/")})
    found = []
    for seed in seeds:
        folds = [fold] if fold else folds_of(method)
        keys = [f"{method}/{name}/{seed}" for name in folds]
        if all(key in runs for key in keys):
            found.append(statistics.fmean(runs[key]["scores"][metric] for key in keys))
    return found


def pair(runs: Mapping[str, Any], method: str, fold: str | None, level: str) -> str:
    """`ADE/FDE`, the mean over seeds; of the average with its deviation."""
    cells = []
    for kind in ("ade", "fde"):
        found = means_of(runs, method, fold, f"{kind}_{level}")
        if not found:
            return "–"
        spread = f" ± {statistics.stdev(found):.3f}" if not fold and len(found) > 1 else ""
        cells.append(f"{statistics.fmean(found):.{2 if fold else 3}f}{spread}")
    return "/".join(cells) if fold else " / ".join(cells)


def bars(content: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """What is asked, what was measured, whether it holds."""
    runs, rows = content["runs"], []
    for level, ade, fde in (("scene", 0.41, 0.80), ("person", 0.453, 0.759)):
        found = [means_of(runs, "dscmp", None, f"{kind}_{level}") for kind in ("ade", "fde")]
        if all(found):
            a, b = map(statistics.fmean, found)
            asked = f"{level} level: at most {ade}/{fde} m on average"
            rows.append((asked, f"{a:.3f}/{b:.3f}", a <= ade and b <= fde))
    with_map, bare = (means_of(runs, method, None, "fde_scene") for method in CROWDED)
    if with_map and bare:
        less = 100 * (1 - statistics.fmean(with_map) / statistics.fmean(bare))
        asked = "on simulated crowds the map lowers FDE by 5 %"
        rows.append((asked, f"{less:.1f} %", less >= 5))
    if content.get("speed"):
        crowd = content["speed"]["crowds"]["50"]
        rows.append(("20 futures of 50 people in 10 ms", f"{crowd:.1f} ms", crowd <= 10))
        each = {count: content["speed"]["crowds"][count] / int(count) for count in ("50", "10000")}
        asked = "10,000 people cost 200 × what 50 do, or less than 300 ×"
        growth = each["10000"] / each["50"]
        rows.append((asked, f"{200 * growth:.0f} ×", growth < 1.5))
        training = content["speed"]["training"]
        ratio = training["64 at once"] / training["one at a time"]
        rows.append(("5 × the windows a second in batches", f"{ratio:.1f} ×", ratio >= 5))
    return rows


def table(runs: Mapping[str, Any], level: str, methods: Mapping[str, str]) -> list[str]:
    lines = [
        "| ADE/FDE, m | ETH | HOTEL | UNIV | ZARA1 | ZARA2 | average |",
        "| --- |" + " --- |" * 6,
    ]
    for method, title in methods.items():
        cells = [pair(runs, method, fold, level) for fold in (*FOLDS, None)]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def other_scores(runs: Mapping[str, Any], methods: Mapping[str, str]) -> list[str]:
    names = {"tcc": 3, "collisions": 1, "misses": 1}
    lines = [
        "| average of the five | TCC | collisions, % | misses, % | minutes a fold |",
        "| --- | --- | --- | --- | --- |",
    ]
    for method, title in methods.items():
        found = {name: means_of(runs, method, None, name) for name in names}
        cells = [
            f"{statistics.fmean(found[name]):.{digits}f}" if found[name] else "–"
            for name, digits in names.items()
        ]
        spent = [r["seconds"] / 60 for key, r in runs.items() if key.startswith(f"{method}/")]
        took = f"{statistics.median(spent):.0f}" if spent and max(spent) > 0 else "–"
        lines.append(f"| {title} | " + " | ".join([*cells, took]) + " |")
    return lines


def verdict(runs: Mapping[str, Any], ablations: Mapping[str, str]) -> str:
    """Which parts matter by more than the seeds do: FDE at scene level, two deviations apart."""
    whole = means_of(runs, "dscmp", None, "fde_scene")
    if len(whole) < 2:
        return "Too few seeds to say which of these differences are chance."
    decided: list[str] = []
    chance: list[str] = []
    for method, title in ablations.items():
        found = means_of(runs, method, None, "fde_scene")
        if method == "dscmp" or not found:
            continue
        apart = abs(statistics.fmean(found) - statistics.fmean(whole))
        (decided if apart > 2 * statistics.stdev(whole) else chance).append(title)
    return (
        "By FDE at scene level, more than two deviations of the whole network's seeds away: "
        f"{', '.join(decided) or 'none'}. "
        f"Nearer, so perhaps by chance: {', '.join(chance) or 'none'}."
    )


def write_report(content: Mapping[str, Any], folder: Path) -> None:
    """`trajectories.md` and `trajectories.png` from the runs so far."""
    runs = content["runs"]
    rules = {key: title for key, (title, _) in RULES.items()}
    peers = {key: METHODS[key][0] for key in PEERS} | rules
    ablations = {key: METHODS[key][0] for key in ABLATIONS}
    trained = sum(not key.startswith(tuple(RULES)) for key in runs)
    planned = sum(len(folds_of(method)) for method in METHODS) * content["seeds"]
    lines = ["# Futures of people: ETH/UCY", ""]
    lines += paragraph(
        "8 steps of 0.4 s are seen, 12 follow; trained on the other scenes, tested on the named "
        f"one; means over up to {content['seeds']} seeds, ± their standard deviation. {trained} of "
        f"{planned} trainings are done."
    )
    lines += ["", "| asked | measured | holds |", "| --- | --- | --- |"]
    for asked, told, holds in bars(content):
        lines.append(f"| {asked} | {told} | {'yes' if holds else '**no**'} |")
    lines += ["", "## Best of 20 at scene level: one sample for everyone of a window", ""]
    lines += table(runs, "scene", peers)
    lines += [f"| *{name}* | " + " | ".join(row) + " |" for name, row in PUBLISHED.items()]
    lines += ["", "## Best of 20 at person level: a sample for each person", ""]
    lines += table(runs, "person", peers)
    lines += ["| *Social-STGCNN* | " + " | ".join(STGCNN) + " |"]
    lines += ["", "## One sample", "", *table(runs, "1", peers)]
    lines += ["", "## Coherence, collisions, misses", "", *other_scores(runs, peers)]
    lines += ["", "## What the parts are for: best of 20 at scene level", ""]
    lines += table(runs, "scene", ablations)
    lines += ["", "The same at person level:", "", *table(runs, "person", ablations)]
    lines += ["", *other_scores(runs, ablations), "", *paragraph(verdict(runs, ablations))]
    lines += ["", "## Simulated crowds, with and without the semantic map", ""]
    lines += [
        "| ADE/FDE, m | scene level | person level | one sample |",
        "| --- | --- | --- | --- |",
    ]
    for method in CROWDED:
        cells = [pair(runs, method, None, level) for level in ("scene", "person", "1")]
        lines.append(f"| {METHODS[method][0]} | " + " | ".join(cells) + " |")
    lines += [*comparisons(content), ""]
    if content.get("speed"):
        lines += ["## Speed", "", "![milliseconds over people](trajectories.png)", ""]
        training = ", ".join(f"{k} {v:.0f}" for k, v in content["speed"]["training"].items())
        lines += paragraph(
            f"20 futures of everyone, one thread. Windows a second in training: {training}."
        )
        lines.append("")
        plot(content["speed"]["crowds"], folder / "trajectories.png")
    lines += ["## How", ""]
    notes = [
        "`python benchmarks/trajectories.py`; again, it goes on; `--report` only writes this.",
        (
            "Rows in italics are published numbers: best of 20 at scene level but for "
            "Social-STGCNN's. Rules and Social LSTM's paper have one sample."
        ),
        (
            "The best epoch is chosen on the validation parts of the scenes that are trained on; "
            "the tested scene chooses nothing."
        ),
        (
            "Misses: the best of 20 ends more than 2 m off. Collisions: two people of a sample "
            "come within 0.2 m. TCC: of the sample with the best end."
        ),
        (
            f"{content['machine']}, one thread; other programs ran beside it, so the speed is in "
            "the processor's time, not the clock's."
        ),
    ]
    for note in notes:
        lines += paragraph(note, "- ")
    lines.append("")
    with whole_file(folder / "trajectories.md") as part:
        part.write_text("\n".join(lines), encoding="utf-8")


def paragraph(text: str, mark: str = "") -> list[str]:
    """Lines of at most 110 letters."""
    return textwrap.wrap(text, 110, initial_indent=mark, subsequent_indent=" " * len(mark))


def plot(crowds: Mapping[str, float], file: Path) -> None:
    """Milliseconds over people, and what in proportion to the people would be."""
    from matplotlib.figure import Figure

    people = np.array([int(count) for count in crowds])
    times = np.array([*crowds.values()])
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(people, times, "o-", color="#0072b2", ms=4, label="20 futures of everyone")
    middle = len(people) // 2
    linear = times[middle] * people / people[middle]
    axes.plot(people, linear, "--", color="#888888", lw=1, label="in proportion to people")
    axes.set(xscale="log", yscale="log", xlabel="people in the scene", ylabel="milliseconds")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    with whole_file(file) as part:
        figure.savefig(part, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    parser.add_argument("--report", action="store_true", help="only write it anew")
    parser.add_argument("--speed", action="store_true", help="measure the speed anew")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--compare", metavar="SETTING=A,B,…", help="by validation; nothing else")
    parser.add_argument("--folds", nargs="*", choices=[*HELD_BACK, "world"], default=[*HELD_BACK])
    arguments, more = parser.parse_known_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "trajectories.json"
    content: dict[str, Any] = {"settings": more, "runs": {}}
    if file.is_file():
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["settings"] != more:
            parser.error(f"{file} holds runs with other settings; move it away to start anew")
    torch_version = torch.__version__.split("+")[0]
    content |= {
        "seeds": max(arguments.seeds, content.get("seeds", 1)),
        "machine": f"{platform.machine()}, PyTorch {torch_version}",
    }

    def keep() -> None:
        with whole_file(file) as part:
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        write_report(content, arguments.out)

    if arguments.compare:
        compare_all(arguments, content, more, keep)
        return
    for name, (_, rule) in RULES.items():
        for fold in FOLDS:
            if not arguments.report and f"{name}/{fold}/0" not in content["runs"]:
                found = {"scores": rule_scores(rule, fold), "seconds": 0, "epochs": 0}
                content["runs"][f"{name}/{fold}/0"] = found
    if arguments.speed or ("speed" not in content and not arguments.report):
        measured = speed()
        crowds = {str(people): round(value, 3) for people, value in measured["crowds"].items()}
        content["speed"] = {"crowds": crowds, "training": measured["training"]}
    keep()
    planned = [
        (method, fold, seed)
        for seed in range(arguments.seeds)
        for method in arguments.methods
        for fold in folds_of(method)
    ]
    for method, fold, seed in planned:
        key = f"{method}/{fold}/{seed}"
        if arguments.report or key in content["runs"]:
            continue
        content["runs"][key] = run(method, fold, seed, more)
        print(key, content["runs"][key], flush=True)
        keep()
    for asked, told, holds in bars(content):
        print("holds " if holds else "MISSED", asked, "|", told)


if __name__ == "__main__":
    main()
