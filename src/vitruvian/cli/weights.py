"""`vitruvian weights`: checkpoints, by name and in other people's layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.cli.output import JsonOption, print_json
from vitruvian.core.card import cards, find_card
from vitruvian.core.errors import InputError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

System = Annotated[str, typer.Argument(help="A system; vitruvian systems lists them.")]


@app.command("list")
def list_weights(
    as_json: JsonOption = False,
) -> None:
    """List the checkpoints that a name stands for."""
    import dataclasses

    if as_json:
        found = {card.path: card.weights for card in cards().values()}
        print_json(
            {path: [dataclasses.asdict(entry) for entry in all_] for path, all_ in found.items()}
        )
        return

    from rich.console import Console
    from rich.table import Column, Table

    system, name = (Column(title, no_wrap=True) for title in ("System", "Name"))
    table = Table(system, name, "Tier", "Licence", "Trained on", box=None, pad_edge=False)
    for card in cards().values():
        for entry in card.weights:
            table.add_row(card.path, entry.name, entry.tier, entry.licence, entry.trained_on)
    Console().print(table)


@app.command()
def pull(
    system: System,
    name: Annotated[str | None, typer.Argument(help="Which; the first where left out.")] = None,
) -> None:
    """Fetch a published checkpoint into the cache and compare its hash; prints the file."""
    from vitruvian.core.weights import find_weights

    found = find_weights(find_card(system), find_card(system).find_weights(name).name)
    typer.echo(f"{found.file}")


@app.command("import")
def import_weights(
    system: System,
    file: Annotated[str, typer.Argument(help="A checkpoint in the published layout, or of a run.")],
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="The safetensors file to write.")
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store 16 bits a number: half the size, three digits.")
    ] = False,
) -> None:
    """Check a checkpoint against the network, entry by entry, and write it as safetensors.

    Nothing of the file is run: tensors and plain values are read, all else is refused.
    """
    target = Path(out) if out else Path(file).with_suffix(".safetensors")
    if target.resolve() == Path(file).resolve():
        raise InputError(f"{file} would be overwritten: give another file with --out.")

    from vitruvian.core.load import load

    loaded = load(system, Path(file), "cpu", "32")
    if not hasattr(loaded, "save"):
        raise InputError(f"{system} does not take other weights yet.")
    loaded.save(target, half=half)
    typer.echo(f"{target}")


@app.command("export")
def export_weights(
    system: System,
    out: Annotated[str, typer.Argument(help="The file: .safetensors, or .pth for PyTorch.")],
    weights: Annotated[
        str | None, typer.Option(metavar="FILE|NAME", help="A checkpoint, or a name of the card.")
    ] = None,
) -> None:
    """Write weights in the published layout, for the official code."""
    from vitruvian.core.load import load

    loaded = load(system, weights, "cpu", "32")
    if not hasattr(loaded, "network"):
        raise InputError(f"The weights of {system} are in the published layout already.")

    import torch

    from vitruvian.core.files import whole_file
    from vitruvian.core.published import save_published, to_published

    if Path(out).suffix == ".safetensors":
        save_published(loaded.network, out)
    else:
        with whole_file(out) as part:
            torch.save(to_published(loaded.network), part)
    typer.echo(out)
