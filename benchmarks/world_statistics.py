"""Counts what the world draws: `python benchmarks/world_statistics.py [--samples 2000]`.

Every sample is rendered, small, because who hides whom depends on the picture. Writes
`docs/benchmarks/world_variety.json`, and `world_variety.md` and `world_variety.png` from it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from vitruvian.core.files import whole_file
from vitruvian.world.sample import Setting, render_sample
from vitruvian.world.statistics import Census

FOLDER = Path(__file__).parents[1] / "docs" / "benchmarks"
SEED = 2026
SETTING = Setting(48, 64)
PLOTTED = (
    *("age", "activity", "seen from", "garment", "attribute", "expression", "skin tone"),
    *("camera height", "field of view", "place", "light", "hair color"),
)


def count(samples: int) -> dict[str, Any]:
    """Shares of every value, over that many samples of one person."""
    census = Census()
    console = Console(stderr=True)
    for index in track(range(samples), "Counting", console=console):
        census.add(render_sample(SEED, index, SETTING))
    group, value, share = census.rarest()
    return {
        "samples": samples,
        "seed": SEED,
        "rarest": {"group": group, "value": value, "share": share},
        "shares": census.shares(),
    }


def page(found: dict[str, Any]) -> str:
    """The page about the figures."""
    rarest, shares = found["rarest"], found["shares"]
    lines = [
        "# What the world draws",
        "",
        f"Shares over {found['samples']:,} samples of one person (seed {found['seed']}, all else",
        "as it comes), counted by `python benchmarks/world_statistics.py`. The rarest value is",
        f"{rarest['group']} *{rarest['value']}*, {100 * rarest['share']:.1f} % of the people.",
        "",
        "![Shares](world_variety.png)",
        "",
        "## Joints",
        "",
        "| joint | seen % | hidden % | outside % |",
        "| --- | --- | --- | --- |",
    ]
    joints = {key: own for key, own in shares.items() if key.startswith("joint ")}
    for name, own in joints.items():
        values = [f"{100 * own.get(state, 0):.1f}" for state in ("seen", "hidden", "outside")]
        lines.append(f"| {name[6:].replace('_', ' ')} | {' | '.join(values)} |")
    lines += ["", "## Everything else", "", "| what | shares, % |", "| --- | --- |"]
    for group, own in shares.items():
        if group.startswith("joint ") or group == "no attribute":
            continue
        values = ", ".join(f"{value} {100 * share:.1f}" for value, share in own.items())
        lines.append(f"| {group} | {values} |")
    lines += [
        "",
        "Garments, attributes and expressions can be several, so their shares need not sum to 100.",
        "Each attribute's rule is in `vitruvian.world.attributes`.",
        "",
    ]
    return "\n".join(lines)


def draw(found: dict[str, Any], path: Path) -> None:
    """Bars of the groups that say most."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 4, figsize=(20, 15), layout="constrained")
    for axis, group in zip(axes.flat, PLOTTED, strict=True):
        own = found["shares"][group]
        axis.barh(list(own), [100 * share for share in own.values()], color="#3b7ea1")
        axis.axvline(1, color="#c44", linewidth=0.8)
        axis.invert_yaxis()
        axis.set_title(group)
        axis.tick_params(labelsize=8)
        axis.set_xlabel("% of the people or pictures")
    with whole_file(path) as part:
        figure.savefig(part, dpi=70, format="png")
    plt.close(figure)


def main() -> None:
    """Count, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    found = count(parser.parse_args().samples)
    with whole_file(FOLDER / "world_variety.json") as part:
        part.write_text(json.dumps(found, indent=1) + "\n")
    with whole_file(FOLDER / "world_variety.md") as part:
        part.write_text(page(found))
    draw(found, FOLDER / "world_variety.png")


if __name__ == "__main__":
    main()
