"""`vitruvian test`: a checkpoint of a recipe, or a system, under its data set's protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vitruvian.cli.output import JsonOption, print_json
from vitruvian.core.errors import InputError, UnknownNameError

EPILOG = """
Examples:

  vitruvian test pose/simple_baseline_lsp              the best checkpoint of its run

  vitruvian test pose/simple_baseline_lsp --ckpt runs/mine/weights.safetensors

  vitruvian test pose/simple_baseline_coco --data.root ~/coco --data.detections boxes.json

  vitruvian test motion/dscmp_eth_ucy --json           every fold of a recipe, and their average

  vitruvian test pose/openpose --data lsp --json       a system without a recipe

  vitruvian test pose/openpose --data world            on 1,000 people that are rendered

  vitruvian test face/retinaface --data world --data.count 50
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
        str | None, typer.Option(metavar="SET", help="Of a system: the data set, lsp or world.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Of a recipe: leave annotations out that lie.")
    ] = False,
    as_json: JsonOption = False,
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
        arguments = [*context.args, *(["--data.skip_bad", "true"] if skip_bad else [])]
        scores = _test_recipe(name, ckpt, out, arguments)
    else:
        raise UnknownNameError("recipe or system", name, {*recipes(), *systems})
    if as_json:
        print_json(scores)
        return
    _tell(scores)


test = score_command  # a name that begins with "test" would look like a test of ours


def _known(name: str, names: Sequence[str] | dict[str, Path]) -> bool:
    return any(name in (full, full.partition("/")[2]) for full in names)


def _test_recipe(
    name: str, ckpt: str | None, out: str | None, arguments: Sequence[str]
) -> dict[str, Any]:
    from vitruvian.core.recipes import find_recipe

    full, file = find_recipe(name)
    folder = Path(out) if out else Path("runs") / full

    from vitruvian.core.folds import score_recipe

    return score_recipe(full, file, folder, ckpt, arguments)


def _tell(scores: Mapping[str, Any]) -> None:
    """A line a metric; of several folds a table with a line a fold."""
    if not all(isinstance(value, Mapping) for value in scores.values()):
        for key, value in scores.items():
            told = f"{value:.2f}" if isinstance(value, float) else str(value)
            typer.echo(f"{key:24} {told}")
        return
    names = list(next(iter(scores.values())))
    typer.echo(" " * 10 + "".join(f"{name:>12}" for name in names))
    for fold, row in scores.items():
        typer.echo(f"{fold:10}" + "".join(f"{row[name]:12.3f}" for name in names))


def _test_system(
    name: str, ckpt: str | None, data: str | None, arguments: Sequence[str]
) -> dict[str, Any]:
    from vitruvian.core.card import find_card

    known = SETS.get(find_card(name).domain, {})
    if data is None or not known:
        told = " or ".join(f"--data {each}" for each in known)
        raise InputError(
            f"Give the data set that {name} is scored on: {told}."
            if known
            else f"There is no data set that {name} is scored on without a recipe."
        )
    if data not in known:
        raise UnknownNameError(f"data set for {name}", data, known)
    score, setting = known[data]
    if arguments and (len(arguments) != 2 or arguments[0] != setting):
        raise InputError(f"{arguments[0]} is no setting of this test; {setting} is, with a value.")

    from vitruvian.core.load import load

    value = arguments[1] if arguments else None
    scores = score(load(name, ckpt), name, value)
    return {
        key: round(entry, 3) if isinstance(entry, float) else entry for key, entry in scores.items()
    }


def _track(count: int, description: str) -> Iterable[int]:
    """A progress bar on stderr over so many places."""
    from rich.console import Console
    from rich.progress import track

    return track(range(count), description=description, console=Console(stderr=True))


def _count(value: str | None, default: int) -> int:
    if value is None:
        return default
    if not value.isdigit() or int(value) < 1:
        raise InputError(f"--data.count {value}: give a number of pictures.")
    return int(value)


def _pose_on_lsp(system: Any, name: str, root: str | None) -> dict[str, Any]:
    from vitruvian.pose.bottom_up import score_on_lsp
    from vitruvian.pose.datasets.lsp import Lsp

    people = Lsp("test", root)
    bar = _track(len(people), f"{name} on {people.title}")
    scores, joints = score_on_lsp(system, people, bar)
    return {**scores, "people": len(people), "joints": ", ".join(joints)}


def _pose_on_world(system: Any, name: str, value: str | None) -> dict[str, Any]:
    from vitruvian.pose.bottom_up import score_on_world
    from vitruvian.pose.datasets.world import COUNTS, any_people, street_people

    count = _count(value, COUNTS["test"])
    street, anyone = street_people(count), any_people(count)
    scores, joints = score_on_world(system, street, _track(count, f"{name} in the street"))
    others, _ = score_on_world(system, anyone, _track(count, f"{name} on all poses"))
    scores |= {f"{key}/all poses": value for key, value in others.items() if key == "pck@0.2"}
    return {**scores, "people": count, "joints": ", ".join(joints)}


def _faces_on_world(system: Any, name: str, value: str | None) -> dict[str, Any]:
    from vitruvian.face.world import score_on_world

    count = _count(value, 400)
    scores = score_on_world(system, count, lambda _: _track(count, f"{name} on faces"))
    recall = 100 * scores["recall@0.5"]  # in per cent, as every score of this command
    return {"recall@0.5": recall, "faces": int(scores["faces"]), "pictures": count}


Score = Callable[[Any, str, str | None], dict[str, Any]]

# Domain → data set → how its systems are scored on it, and the setting that this takes.
SETS: dict[str, dict[str, tuple[Score, str]]] = {
    "pose": {
        "lsp": (_pose_on_lsp, "--data.root"),
        "world": (_pose_on_world, "--data.count"),
    },
    "face": {"world": (_faces_on_world, "--data.count")},
}
