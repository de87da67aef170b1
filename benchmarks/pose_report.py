"""What is said of the runs of `benchmarks/pose.py`: tables, verdicts and the plot."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pose_methods import (
    BATCH,
    CLAIMS,
    CROWD_CLAIMS,
    CROWDS,
    DECAY,
    METHODS,
    RATE,
    RENDERED,
    SIDE,
    SYSTEMS,
    TESTS,
)
from vitruvian.core.files import whole_file


def runs_of(content: Mapping[str, Any], method: str, data: str) -> list[dict[str, Any]]:
    """The results of a method's seeds, in order."""
    start = f"{method}/{data}/"
    return [found for key, found in sorted(content["runs"].items()) if key.startswith(start)]


def mean_of(content: Mapping[str, Any], method: str, data: str, test: str, key: str) -> float:
    """Mean of a metric over the seeds; NaN without a run."""
    found = [run["scores"][test].get(key, math.nan) for run in runs_of(content, method, data)]
    return statistics.fmean(found) if found else math.nan


def gap_of(content: Mapping[str, Any], less: str, more: str, data: str) -> tuple[float, float]:
    """Points of PCK@0.2 that a method is better, and their standard error over the people.

    Both on the test of the kind of people that they were trained on; means over the seeds.
    """
    right = [
        np.mean([[int(digit, 16) for digit in run["right"][data]] for run in runs], axis=0)
        for runs in (runs_of(content, method, data) for method in (more, less))
    ]
    scored = runs_of(content, more, data)[0]["scored"][data]
    gaps = 100 * (right[0] - right[1]) / scored
    return float(gaps.sum()), float(gaps.std(ddof=1) * math.sqrt(len(gaps)))


def bars(content: Mapping[str, Any], data: str) -> list[tuple[str, str, str]]:
    """The claims: what is asked, what was measured, and whether it holds.

    Two standard errors decide; less than that is "not told apart".
    """
    rows = []
    for asked, chain in CLAIMS.items():
        if not all(runs_of(content, method, data) for method in chain):
            continue
        scores = [mean_of(content, method, data, data, "pck@0.2") for method in chain]
        gaps = [gap_of(content, less, more, data) for less, more in pairwise(chain)]
        told = " → ".join(f"{score:.1f}" for score in scores)
        told += "; " + ", ".join(f"{gap:+.1f} ± {error:.1f}" for gap, error in gaps)
        verdicts = [verdict(gap, error) for gap, error in gaps]
        same = len(set(verdicts)) == 1
        rows.append((asked, told, verdicts[0] if same else ", then ".join(verdicts)))
    return rows


def write_report(content: Mapping[str, Any], folder: Path) -> None:
    """`pose.md` and `pose.png` from the runs so far."""
    settings = content["settings"]
    trained = [data for data in TESTS if any(f"/{data}/" in key for key in content["runs"])]
    budgets = " or ".join(
        f"{settings['epochs'][data]} epochs of {TESTS[data]}" for data in trained or TESTS
    )
    lines = ["# Systems of 2D pose under one protocol", ""]
    lines += paragraph(
        f"PCK@0.2 of the torso in per cent, after {budgets} from random numbers: "
        "small networks on a small budget, the same for all, so the order of the published sizes "
        f"may be another. {len(content['runs'])} runs are done; means over "
        f"{content['seeds']} {'seed' if content['seeds'] == 1 else 'seeds'}."
    )
    for data in trained:
        lines += ["", f"## Trained on {TESTS[data]}", "", *systems_table(content, data)]
        if data == trained[0]:
            lines += ["", "![PCK over milliseconds](pose.png)"]
        lines += ["", "By joint:", "", *joints_table(content, data)]
        rows = bars(content, data)
        if rows:
            lines += ["", "| asked | PCK@0.2 | holds |", "| --- | --- | --- |"]
            lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += crowds_table(content)
    lines += ["", "## How", ""]
    for note in notes(content):
        lines += paragraph(note, "- ")
    lines.append("")
    with whole_file(folder / "pose.md") as part:
        part.write_text("\n".join(lines), encoding="utf-8")
    if trained:
        plot(content, trained[0], folder / "pose.png")


def systems_table(content: Mapping[str, Any], data: str) -> list[str]:
    """Scores, size and cost of every method that was trained on this kind of people."""
    lines = [
        (
            "| | sport photos | rendered people | parameters, M | multiply-adds, G | ms a crop | "
            "minutes of training |"
        ),
        "| --- |" + " --- |" * 6,
    ]
    for method, chosen in METHODS.items():
        found = runs_of(content, method, data)
        if not found:
            continue
        title = f"**{chosen.title}**" if method in SYSTEMS else chosen.title
        cells = [f"{mean_of(content, method, data, test, 'pck@0.2'):.1f}" for test in TESTS]
        size = content["sizes"][method]
        cells += [f"{size['parameters']:.2f}", f"{size['multiply_adds']:.2f}"]
        cells.append(f"{size['milliseconds']:.1f}")
        cells.append(f"{statistics.fmean(run['seconds'] for run in found) / 60:.1f}")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def joints_table(content: Mapping[str, Any], data: str) -> list[str]:
    """PCK of each kind of joint, on the test of the kind of people that was trained on."""
    kinds = ("head_top", "neck", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    names = [kind.replace("_", " ") for kind in kinds]
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(kinds)]
    for method, chosen in METHODS.items():
        if runs_of(content, method, data):
            scores = [mean_of(content, method, data, data, f"pck@0.2/{kind}") for kind in kinds]
            cells = ["–" if math.isnan(score) else f"{score:.1f}" for score in scores]
            lines.append(f"| {chosen.title} | " + " | ".join(cells) + " |")
    return lines


def crowds_table(content: Mapping[str, Any]) -> list[str]:
    """The bottom-up systems: scores, costs, claims, pictures; nothing before the first run."""
    names = ("ap", "ap50", "ap75", "ar", "ap_medium")
    found = {method: runs_of(content, method, "crowds") for method in CROWDS}
    found = {method: runs for method, runs in found.items() if runs}
    if not found:
        return []
    lines = ["", "## Bottom-up systems on rendered crowds", ""]
    lines += paragraph(
        "Two to eight people a picture, 500 pictures for the test. 12 epochs of 2,000 windows for "
        "each system: part affinity fields at once; the others 8, and then 4 more from those "
        "weights, as associative embedding or with the graph. Optimizer and batch are the same. "
        "The best epoch is chosen on other crowds. Milliseconds are the processor's, from a "
        "picture to its people."
    )
    lines.append("")
    lines += paragraph(
        "The scores are low, since the budget is: half of these people are less than 90 pixels "
        "high, and a published network sees some hundred times as many pictures. Part affinity "
        "fields have their published stride of 8, the others' maps 4; and the learning rate falls "
        "once, where it falls twice for those that go on."
    )
    lines += [
        "",
        ("| | AP | AP50 | AP75 | AR | AP medium | parameters, M | ms a picture | epochs |"),
        "| --- |" + " --- |" * 8,
    ]
    for method, runs in found.items():
        cells = [f"{statistics.fmean(run['scores'][name] for run in runs):.1f}" for name in names]
        cells.append(f"{runs[0]['parameters']:.2f}")
        cells.append(f"{statistics.fmean(run['milliseconds'] for run in runs):.0f}")
        base = CROWDS[method].base
        before = f"{found[base][0]['epochs']} + " if base in found else ""
        cells.append(f"{before}{runs[0]['epochs'] or '–'}")
        lines.append(f"| {CROWDS[method].title} | {' | '.join(cells)} |")
    rows = [
        (asked, *crowd_gap(found[less], found[more]))
        for asked, (less, more) in CROWD_CLAIMS.items()
        if less in found and more in found
    ]
    if rows:
        lines += ["", "| asked | AP | holds |", "| --- | --- | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines += ["", *paragraph("± is the standard error over ten parts of the test's pictures.")]
    lines += ["", "The test's first pictures; as many people as there are, the surest ones:"]
    for method in found:
        title = CROWDS[method].title
        lines += ["", f"{title}:", "", f"![What is found: {title}](pose_{method}.jpg)"]
    return lines


def crowd_gap(
    less: Sequence[Mapping[str, Any]], more: Sequence[Mapping[str, Any]]
) -> tuple[str, str]:
    """Two systems' AP and its gap with the standard error over folds; and whether it is one."""
    means = [statistics.fmean(run["scores"]["ap"] for run in runs) for runs in (less, more)]
    folds = [np.mean([run["folds"] for run in runs], axis=0) for runs in (less, more)]
    gaps = folds[1] - folds[0]
    gap, error = means[1] - means[0], float(gaps.std(ddof=1) / math.sqrt(len(gaps)))
    told = f"{means[0]:.1f} → {means[1]:.1f}; {gap:+.1f} ± {error:.1f}"
    return told, verdict(gap, error)


def verdict(gap: float, error: float) -> str:
    """Two standard errors decide."""
    return "yes" if gap > 2 * error else "**no**" if gap < -2 * error else "not told apart"


def notes(content: Mapping[str, Any]) -> list[str]:
    """How it was done, a sentence or two each."""
    settings = content["settings"]
    people = f"{settings['people'] or 2700:,}"
    return [
        "`python benchmarks/pose.py`; again, it goes on; `--report` only writes this.",
        (
            f"{people} photos of LSP extended (research licence; these weights stay here), or as "
            f"many rendered people; tests are its 500 test photos and {RENDERED} rendered people. "
            "Crops are around the annotated joints, as is usual on this set. The score is that of "
            "the last epoch; no test was looked at to choose anything."
        ),
        (
            f"Crops of {SIDE}×{SIDE}, batches of {BATCH}, AdamW, learning rate {RATE} falling "
            f"along a cosine, weight decay {DECAY}, bfloat16; zoom ±25 %, rotation, mirror images. "
            "No flip test: the milliseconds are what the score costs."
        ),
        (
            "Maps of a quarter of the crop are read by DARK. Where reading is a part of the system "
            "it stays: DeepPose regresses, the heat-map cascade has its fine model, CPM enlarges "
            "its maps. CPM, DeepPose and the cascade have batch norm, without which they learn "
            "little from random numbers."
        ),
        (
            "Hourglass, PyraNet, Simple Baselines and HRNet learn by the squared error of their "
            "maps, as published; the others by their own objectives."
            if settings["objective"] == "squared"
            else "Hourglass, PyraNet, Simple Baselines and HRNet learn by the likelihood of their "
            "maps' softmax, which needs fewer steps than the published squared error; the others "
            "by their own published objectives."
        ),
        (
            "ZoomNet has no row: its body network is HRNet's, and LSP has none of the faces, hands "
            "and feet that its other networks are for."
        ),
        (
            "± is the standard error of a gap over the tested people, who are the same for both; "
            "other random numbers in training would add to it. A claim holds, or fails, by two of "
            "them."
        ),
        (
            "Parameters, multiply-adds and milliseconds are from a crop to its joints, in float32 "
            "and one thread, one crop at a time; norms are folded where the graph allows (not in "
            "DeepPose and the cascade). Milliseconds and minutes are the processor's."
        ),
        f"{content['machine']}; other programs ran beside it.",
    ]


def paragraph(text: str, mark: str = "") -> list[str]:
    """Lines of at most 110 letters."""
    return textwrap.wrap(text, 110, initial_indent=mark, subsequent_indent=" " * len(mark))


def plot(content: Mapping[str, Any], data: str, file: Path) -> None:
    """PCK over milliseconds: a point a method, lines along stacks and stages."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.subplots()
    places = {
        method: (
            content["sizes"][method]["milliseconds"],
            mean_of(content, method, data, data, "pck@0.2"),
        )
        for method in METHODS
        if runs_of(content, method, data)
    }
    for chain in CLAIMS.values():
        known = [places[method] for method in chain if method in places]
        if len(chain) > 2 and len(known) > 1:
            axes.plot(*zip(*known, strict=True), "-", color="#bbbbbb", lw=1, zorder=1)
    for method, (across, up) in places.items():
        main = method in SYSTEMS
        axes.plot(across, up, "o", color="#0072b2" if main else "#999999", ms=7 if main else 4)
        axes.annotate(
            METHODS[method].title,
            (across, up),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=8 if main else 6,
            color="black" if main else "#777777",
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="milliseconds a crop, one thread", ylabel="PCK@0.2, per cent")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.25)
    with whole_file(file) as part:
        figure.savefig(part, dpi=150)
