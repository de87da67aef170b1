"""Cards: what is known of a system, in the `SYSTEM.toml` beside its file.

`vitruvian systems`, the README's table and the docs are made from the cards. Plug-ins add theirs
by an entry point of the group `vitruvian.systems` whose value is a module with `*.toml` beside it.
"""

from __future__ import annotations

import dataclasses
import importlib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Literal

from vitruvian.core.errors import UnknownNameError, VitruvianError

Plain = str | int | float | bool


@dataclass(frozen=True)
class Paper:
    """Where a method was published."""

    title: str
    authors: str
    year: int
    venue: str
    arxiv: str = ""


@dataclass(frozen=True)
class Result:
    """One number, and where it stands.

    Attributes:
        kind: "published" (the paper's or its repository's), or "ours".
        dataset: For instance "COCO val2017".
        metric: For instance "AP".
        value: In the metric's own unit.
        setting: Depth, input size, test-time options.
        source: The table of the paper; for our own, the command that makes the number.
    """

    kind: Literal["published", "ours"]
    dataset: str
    metric: str
    value: float
    setting: str
    source: str


@dataclass(frozen=True)
class WeightsEntry:
    """Weights that a name stands for.

    Attributes:
        name: Unique within the system.
        tier: "embedded" (in the package) or "published" (fetched on request).
        location: File name below the package's `weights` folder, or the URL.
        sha256: Of the file.
        licence: SPDX name, or the terms in words.
        origin: Repository and commit, or the recipe that trained them.
        trained_on: The data.
        layout: "ours", or "published": keys as the official code saves them.
        arguments: What the network is built with.
        measured: Metric → value, as measured by us with `vitruvian test`.
        seed: Of the training, where it was ours.
    """

    name: str
    tier: Literal["embedded", "published"]
    location: str
    sha256: str
    licence: str
    origin: str
    trained_on: str
    layout: Literal["ours", "published"] = "published"
    arguments: Mapping[str, Plain] = dataclasses.field(default_factory=dict)
    measured: Mapping[str, float] = dataclasses.field(default_factory=dict)
    seed: int | None = None


@dataclass(frozen=True)
class Card:
    """What is known of a system.

    Attributes:
        name: For instance "simple_baseline".
        domain: The folder it lives in, for instance "pose".
        title: In words.
        task: For instance "2D pose, top-down".
        summary: What it does, in a sentence or two.
        system: `module:Class` of its System.
        paper: The publication.
        differs: What differs from the paper, and why.
        recipes: Names of its recipes, for instance "pose/simple_baseline_lsp".
        parity: Patterns of the fixtures that hold it to the published code.
        results: Published and own numbers.
        weights: Weights that can be had by name, the default first.
        takes: What `predict` is given: "pictures" or "tracks".
    """

    name: str
    domain: str
    title: str
    task: str
    summary: str
    system: str
    paper: Paper
    differs: str
    recipes: tuple[str, ...] = ()
    parity: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    weights: tuple[WeightsEntry, ...] = ()
    takes: Literal["pictures", "tracks"] = "pictures"

    @property
    def path(self) -> str:
        """The name with its domain, as the command line has it: "pose/simple_baseline"."""
        return f"{self.domain}/{self.name}"

    def find_weights(self, name: str | None = None) -> WeightsEntry:
        """The entry of that name, or the default one.

        Raises:
            VitruvianError: there is no such entry, or none at all.
        """
        if name is None:
            if not self.weights:
                ways = "give a checkpoint of your own (--weights FILE)"
                if self.recipes:
                    ways += f" or train one: vitruvian train {self.recipes[0]}"
                msg = f"{self.path} has no weights that may be shipped: {ways}."
                raise VitruvianError(msg)
            return self.weights[0]
        for entry in self.weights:
            if entry.name == name:
                return entry
        raise UnknownNameError(
            f"checkpoint of {self.path}", name, [entry.name for entry in self.weights]
        )

    def load_class(self) -> type:
        """The class that `system` names."""
        module, _, name = self.system.partition(":")
        return typing.cast("type", getattr(importlib.import_module(module), name))


def read_card(path: Path) -> Card:
    """Read and check one card.

    Raises:
        VitruvianError: the file is no TOML, or a field is missing, unknown or of another type.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return typing.cast("Card", _build(Card, data, ""))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        msg = f"The card {path} is not right: {error}."
        raise VitruvianError(msg) from error


@cache
def cards() -> dict[str, Card]:
    """Every card, by name, in the order domain, name."""
    found = [read_card(path) for path in _card_files()]
    by_name = {card.name: card for card in sorted(found, key=lambda card: card.path)}
    if len(by_name) < len(found):
        names = sorted(card.name for card in found)
        doubled = next(name for name in names if names.count(name) > 1)
        msg = f"Two cards are named {doubled!r}; rename one."
        raise VitruvianError(msg)
    return by_name


def find_card(name: str) -> Card:
    """The card of a system, by its name with or without the domain.

    Raises:
        UnknownNameError: there is none; the nearest name is suggested.
    """
    known = cards()
    for card in known.values():
        if name in (card.name, card.path):
            return card
    raise UnknownNameError("system", name, [card.path for card in known.values()])


def _card_files() -> Iterable[Path]:
    package = Path(str(resources.files("vitruvian")))
    yield from sorted(package.glob("*/**/*.toml"))
    for plugin in metadata.entry_points(group="vitruvian.systems"):
        yield from sorted(Path(str(resources.files(plugin.value))).glob("*.toml"))


def _build(kind: Any, value: Any, place: str) -> Any:
    """`value` as TOML gave it, turned into `kind`; a TypeError names the place that is wrong."""
    where = place or "the top"
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _build_table(kind, _checked(value, dict, where, "a table"), place)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        items = _checked(value, list, where, "a list")
        return tuple(_build(arguments[0], item, f"{place}[{i}]") for i, item in enumerate(items))
    if origin is Literal:
        if value not in arguments:
            msg = f"{where} must be one of {', '.join(map(repr, arguments))}, not {value!r}"
            raise TypeError(msg)
        return value
    if origin is Mapping:
        items = _checked(value, dict, where, "a table")
        return {key: _build(arguments[1], item, f"{place}.{key}") for key, item in items.items()}
    if origin in (typing.Union, types.UnionType):
        allowed = tuple(argument for argument in arguments if argument is not type(None))
    else:
        allowed = (float, int) if kind is float else (kind,)
    names = " or ".join(t.__name__ for t in allowed)
    if isinstance(value, bool) and bool not in allowed:
        allowed = ()
    return _checked(value, allowed, where, names)


def _build_table(kind: type, table: dict[str, Any], place: str) -> Any:
    hints = typing.get_type_hints(kind)
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    where = place or "the top"
    for problem, names in (
        ("has an unknown field", set(table) - set(hints)),
        ("lacks the field", required - set(table)),
    ):
        if names:
            msg = f"{where} {problem} {min(names)!r}"
            raise TypeError(msg)
    fields = {
        name: _build(hints[name], item, f"{place}.{name}".strip("."))
        for name, item in table.items()
    }
    return kind(**fields)


def _checked(value: Any, kinds: type | tuple[type, ...], where: str, wanted: str) -> Any:
    if not isinstance(value, kinds):
        msg = f"{where} must be {wanted}, not {value!r}"
        raise TypeError(msg)
    return value
