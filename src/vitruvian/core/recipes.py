"""Recipes: the YAML files of `vitruvian/recipes`, by name. Imports no torch."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from vitruvian.core.errors import InputError, UnknownNameError


def recipes() -> dict[str, Path]:
    """Name ("pose/simple_baseline_lsp") → file, of the recipes in the package."""
    folder = Path(str(resources.files("vitruvian"))) / "recipes"
    return {
        file.relative_to(folder).with_suffix("").as_posix(): file
        for file in sorted(folder.glob("*/*.yaml"))
    }


def find_recipe(name: str) -> tuple[str, Path]:
    """A recipe's name and file, by its name, its name without the domain, or a path to a YAML.

    Raises:
        UnknownNameError: there is no such recipe; the nearest name is suggested.
        InputError: there is no such file.
    """
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise InputError(f"There is no recipe at {name}.")
        return Path(name).stem, Path(name)
    known = recipes()
    for full, file in known.items():
        if name in (full, full.partition("/")[2]):
            return full, file
    raise UnknownNameError("recipe", name, known)
