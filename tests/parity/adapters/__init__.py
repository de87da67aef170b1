"""From a fixture's source to our code: one function for each published class.

An adapter gets the fixture, builds our class from `fixture.args` and the shapes of the state dict,
and gives back every stored output by name. Nothing is read from the fixture's name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from torch import Tensor

from tests.parity.fixture import Fixture

Adapter = Callable[[Fixture], dict[str, Tensor]]
_ADAPTERS: dict[tuple[str, str], Adapter] = {}


def published(repo: str, *classes: str) -> Callable[[Adapter], Adapter]:
    """Register an adapter for classes (or functions) of a repository, named as in the source."""

    def register(adapter: Adapter) -> Adapter:
        for name in classes:
            assert (repo, name) not in _ADAPTERS, f"{repo} {name} has two adapters"
            _ADAPTERS[repo, name] = adapter
        return adapter

    return register


def find_adapter(fixture: Fixture) -> Adapter:
    """The adapter for a fixture's source; a fixture that nothing maps fails its test."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    key = (fixture.source["repo"], fixture.source["class"])
    assert key in _ADAPTERS, f"{fixture.name}: no class of ours is mapped to {key[1]} of {key[0]}"
    return _ADAPTERS[key]
