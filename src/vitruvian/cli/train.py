"""`vitruvian train`: a recipe on its data, in a run folder that can be gone on with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

EPILOG = """
Examples:

  vitruvian train pose/simple_baseline_lsp                          into runs/pose/…

  vitruvian train pose/simple_baseline_lsp --trainer.max_epochs 1   another length

  vitruvian train pose/simple_baseline_coco --data.root ~/coco      on your copy of COCO

  vitruvian train motion/dscmp_eth_ucy --data.fold eth              one fold of five

  vitruvian train image/resnet_ccp --norm switchable                another normalization

  vitruvian train mine.yaml --trainer.devices 2                     a recipe of your own

The same command again goes on where a killed run stopped.
"""

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def train(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a YAML file.")],
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="The run folder; runs/RECIPE where left out."),
    ] = None,
    norm: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Normalization in place of the recipe's: batch, sync, layer, group, instance, "
            "switchable, sync-switchable, sparse-switchable, population.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave annotations out that lie, instead of stopping."),
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Start anew where a run was before.")] = False,
) -> None:
    """Train a recipe; a run that was cut off goes on.

    Any setting of the recipe can be changed behind it, as LightningCLI has it:
    --trainer.max_epochs, --trainer.devices, --model.depth, --data.batch_size, --optimizer.lr,
    --seed_everything.
    """
    from vitruvian.core.recipes import find_recipe

    name, file = find_recipe(recipe)
    folder = Path(out) if out else Path("runs") / name

    arguments = [*context.args, *(["--data.skip_bad", "true"] if skip_bad else [])]
    if norm is not None:
        from vitruvian.core.errors import UnknownNameError
        from vitruvian.nn.norms import NORMS

        if norm not in NORMS:
            raise UnknownNameError("norm", norm, NORMS)
        arguments += ["--model.norm", norm]

    from vitruvian.core.folds import train_recipe
    from vitruvian.core.training import say

    result = train_recipe(name, file, folder, arguments, overwrite=overwrite)
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return  # the first process of several speaks for all
    if result["already"]:
        say(
            f"The run in {folder} is finished ({result['epochs']} epochs); --overwrite starts anew."
        )
    for fold, part in result.get("folds", {"": result}).items():
        scores = ", ".join(f"{key} {value:.2f}" for key, value in list(part["metrics"].items())[:1])
        typer.echo(f"{folder / fold / part['weights']}: {scores}")
