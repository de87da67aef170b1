"""`vitruvian test`: a checkpoint of a recipe, or a system, under its data set's protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from vitruvian.cli.output import print_json, say
from vitruvian.core.errors import InputError, UnknownNameError

EPILOG = """
Examples:

  vitruvian test pose/simple_baseline_lsp              the best checkpoint of its run

  vitruvian test pose/simple_baseline_lsp --ckpt runs/mine/weights.safetensors

  vitruvian test pose/simple_baseline_coco --data.root ~/coco --data.detections boxes.json

  vitruvian test pose/openpose --data lsp --json       a system without a recipe
"""

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def score_command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A recipe, a YAML file, or a system.")],
    ckpt: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Checkpoint; the run's best where left out."),
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="The run folder; runs/RECIPE where left out.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="SET", help="Of a system: the data set, such as lsp.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")
    ] = False,
) -> None:
    """Score a recipe's best checkpoint on its test split, or a system on a data set.

    Settings of the recipe can be changed behind it, as in vitruvian train.
    """
    from vitruvian.core.card import cards
    from vitruvian.core.recipes import recipes

    systems = {key for card in cards().values() for key in (card.name, card.path)}
    if name in systems:
        scores = _test_system(name, ckpt, data, context.args)
    elif name.endswith((".yaml", ".yml")) or _known(name, recipes()):
        if data:
            raise InputError(f"The recipe {name} names its data; --data is for systems.")
        scores = _test_recipe(name, ckpt, out, context.args)
    else:
        raise UnknownNameError("recipe or system", name, {*recipes(), *systems})
    if as_json:
        print_json(scores)
        return
    for key, value in scores.items():
        typer.echo(f"{key:24} {value:.2f}" if isinstance(value, float) else f"{key:24} {value}")


test = score_command  # a name that begins with "test" would look like a test of ours


def _known(name: str, names: Sequence[str] | dict[str, Path]) -> bool:
    return any(name in (full, full.partition("/")[2]) for full in names)


def _test_recipe(
    name: str, ckpt: str | None, out: str | None, arguments: Sequence[str]
) -> dict[str, float | str]:
    from vitruvian.core.recipes import find_recipe

    full, file = find_recipe(name)
    folder = Path(out) if out else Path("runs") / full

    from vitruvian.core.training import find_best, score

    checkpoint = find_best(full, folder, ckpt)
    say(f"Scoring {checkpoint}.")
    config = folder / "config.yaml"
    return dict(score(config if config.is_file() and not ckpt else file, checkpoint, arguments))


def _test_system(
    name: str, ckpt: str | None, data: str | None, arguments: Sequence[str]
) -> dict[str, float | str]:
    if data != "lsp":
        raise InputError(f"Give the data set that {name} is scored on: --data lsp.")
    if arguments and (len(arguments) != 2 or arguments[0] != "--data.root"):
        raise InputError(f"{arguments[0]} is no setting of a system's test; --data.root FOLDER is.")
    root = arguments[1] if arguments else None

    from rich.console import Console
    from rich.progress import track

    from vitruvian.core.load import load
    from vitruvian.pose.bottom_up import score_on_lsp
    from vitruvian.pose.datasets.lsp import Lsp

    people = Lsp("test", root)
    system = load(name, ckpt)
    console = Console(stderr=True)
    bar = track(range(len(people)), description=f"{name} on {people.title}", console=console)
    scores, joints = score_on_lsp(system, people, bar)
    rounded = {key: round(value, 3) for key, value in scores.items()}
    return {**rounded, "people": len(people), "joints": ", ".join(joints)}
