"""Writes the table of systems into README.md, from the cards: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

from vitruvian.core.card import Card, cards
from vitruvian.core.files import whole_file

README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- systems: made from the cards by `make docs` -->", "<!-- /systems -->"


def row(card: Card) -> str:
    """One line of the table."""
    by_licence: dict[str, list[str]] = {}
    for entry in card.weights:
        by_licence.setdefault(entry.licence, []).append(entry.name)
    terms = [f"{', '.join(names)} ({licence})" for licence, names in by_licence.items()]
    weights = "; ".join(terms) or "–"
    recipes = ", ".join(f"`{recipe}`" for recipe in card.recipes) or "–"
    paper = f"{card.paper.authors.split(',')[0]} et al., {card.paper.venue} {card.paper.year}"
    return f"| `{card.path}` | {card.task} | {paper} | {weights} | {recipes} |"


def table() -> str:
    """The table of all systems."""
    head = ["| system | task | paper | weights | recipes |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *(row(card) for card in cards().values())])


def main() -> None:
    """Put the table between its marks; with `--check` only say whether it is up to date."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    new = f"{before}{START}\n{table()}\n{END}{after}"
    if "--check" in sys.argv:
        sys.exit(0 if new == text else "README.md is not what the cards say: run make docs")
    with whole_file(README) as part:
        part.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
