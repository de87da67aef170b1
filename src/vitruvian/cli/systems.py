"""`vitruvian systems`: what the cards say."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from vitruvian.cli.output import JsonOption, print_json
from vitruvian.core.card import cards, find_card

if TYPE_CHECKING:
    from vitruvian.core.card import Card

EPILOG = """
Examples:

  vitruvian systems                              the list

  vitruvian systems simple_baseline              paper, numbers, recipes, weights of one

  vitruvian systems --json                       everything, for a program
"""


def systems(
    name: Annotated[
        str | None, typer.Argument(help="A system, with or without its domain.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the systems, or tell all that is known of one: paper, numbers, recipes, weights."""
    if as_json:
        chosen = [find_card(name)] if name else list(cards().values())
        print_json({card.path: dataclasses.asdict(card) for card in chosen})
    elif name:
        _tell(find_card(name))
    else:
        _list()


def _list() -> None:
    from rich.console import Console
    from rich.table import Column, Table

    # Names are there to be copied: the other columns give way.
    longest = max(len(entry.name) for card in cards().values() for entry in card.weights)
    system, weights = Column("System", no_wrap=True), Column("Weights", width=longest)
    table = Table(system, "What", "Paper", weights, box=None, pad_edge=False)
    for card in cards().values():
        table.add_row(
            card.path,
            card.task,
            f"{card.paper.venue} {card.paper.year}",
            ", ".join(entry.name for entry in card.weights) or "train or import",
        )
    Console().print(table)


def _tell(card: Card) -> None:
    paper = card.paper
    where = f"{paper.venue} {paper.year}" + (f", arXiv {paper.arxiv}" if paper.arxiv else "")
    lines = [f"{card.path}: {card.title}", f"{card.task}. {card.summary}", ""]
    lines += [f"Paper:   {paper.authors}: {paper.title} ({where})"]
    lines += [f"Differs: {card.differs.strip()}", ""]
    lines += [f"Recipe:  vitruvian train {recipe}" for recipe in card.recipes]
    for entry in card.weights:
        measured = "".join(f", {metric} {value}" for metric, value in entry.measured.items())
        lines.append(
            f"Weights: {entry.name} ({entry.tier}, {entry.licence}), trained on "
            f"{entry.trained_on}{measured}"
        )
    if not card.weights:
        lines.append("Weights: none that may be shipped; train a recipe or give a checkpoint.")
    lines += ["", *(_result(card, kind) for kind in ("published", "ours"))]
    typer.echo("\n".join(line for line in lines if line is not None).rstrip())


def _result(card: Card, kind: str) -> str:
    return "\n".join(
        f"{'Published' if kind == 'published' else 'Ours'}: {result.metric} {result.value} on "
        f"{result.dataset} ({result.setting}; {result.source})"
        for result in card.results
        if result.kind == kind
    )
