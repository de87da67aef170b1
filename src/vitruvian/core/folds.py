"""Recipes of several folds: one training for each value of a setting, scored together.

Such a recipe has `folds:` with one setting and its values:

    folds:
      data.fold: [eth, hotel, univ, zara1, zara2]

The run folder has a folder for each value. Where the setting is given on the command line, there is
one run as of any other recipe.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from vitruvian.core.errors import InputError
from vitruvian.core.files import whole_file
from vitruvian.core.training import CONFIG, RESULT, find_best, say, score, train

Scores = dict[str, float]


def folds_of(recipe: Path, arguments: Sequence[str] = ()) -> tuple[str, tuple[str, ...]] | None:
    """The setting and the values that a recipe is run for; None: it is a single run.

    Args:
        recipe: The YAML.
        arguments: Settings that win over it; one of them may choose a fold.

    Raises:
        InputError: `folds` is not one setting with its values.
    """
    try:
        settings = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        return None  # `make_cli` says what is wrong
    folds = settings.get("folds") if isinstance(settings, dict) else None
    if folds is None:
        return None
    values = [*folds.values()] if isinstance(folds, dict) else []
    if len(values) != 1 or not isinstance(values[0], list) or not values[0]:
        raise InputError(f"The recipe {recipe.name} must give its folds as SETTING: [VALUE, …].")
    setting, chosen = next(iter(folds)), values[0]
    if any(argument.split("=")[0] == f"--{setting}" for argument in arguments):
        return None
    return str(setting), tuple(map(str, chosen))


def train_recipe(
    name: str, recipe: Path, folder: Path, arguments: Sequence[str] = (), *, overwrite: bool = False
) -> dict[str, Any]:
    """Train a recipe, every fold of it, as `train` does.

    Returns:
        What `train` does; of several folds "folds" has that of each, and "metrics" the means.
    """
    folds = folds_of(recipe, arguments)
    if folds is None:
        return train(name, recipe, folder, arguments, overwrite=overwrite)
    setting, values = folds
    results = {}
    for value in values:
        say(f"Fold {value}:")
        chosen = [*arguments, f"--{setting}", value]
        results[value] = train(name, recipe, folder / value, chosen, overwrite=overwrite)
    every = [result["metrics"] for result in results.values()]
    means = {key: round(value, 3) for key, value in _means(every).items()}
    whole = {"recipe": name, "metrics": means, "folds": results}
    with whole_file(folder / RESULT) as part:
        part.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    already = all(result["already"] for result in results.values())
    epochs = max(result["epochs"] for result in results.values())
    return {**whole, "epochs": epochs, "already": already}


def score_recipe(
    name: str, recipe: Path, folder: Path, checkpoint: str | None, arguments: Sequence[str] = ()
) -> dict[str, Any]:
    """The test metrics of a recipe's checkpoint, or of the checkpoint of every fold.

    Args:
        name: Of the recipe.
        recipe: Its file.
        folder: The run folder.
        checkpoint: A checkpoint in place of the run's best; of one fold only.
        arguments: As in `make_cli`.

    Returns:
        Metrics by name; of several folds `{fold: metrics, …, "average": metrics}`.

    Raises:
        InputError: one checkpoint is given for several folds.
        WeightsError: there is no checkpoint, or it does not fit.
    """
    folds = folds_of(recipe, arguments)
    if folds is None:
        return dict(_score(name, recipe, folder, checkpoint, arguments, _fold(recipe, arguments)))
    setting, values = folds
    if checkpoint:
        raise InputError(f"{checkpoint} is of one fold: say which, --{setting} {values[0]}.")
    scores: dict[str, Any] = {}
    for value in values:
        chosen = [*arguments, f"--{setting}", value]
        scores[value] = _score(name, recipe, folder / value, None, chosen, value)
    scores["average"] = {key: round(v, 3) for key, v in _means([*scores.values()]).items()}
    return scores


def _score(
    name: str,
    recipe: Path,
    folder: Path,
    checkpoint: str | None,
    arguments: Sequence[str],
    fold: str,
) -> Scores:
    if not (folder / CONFIG).is_file() and fold and (folder / fold / CONFIG).is_file():
        folder = folder / fold
    found = find_best(name, folder, checkpoint, fold)
    say(f"Scoring {found}.")
    config = folder / CONFIG
    return score(config if config.is_file() and not checkpoint else recipe, found, arguments)


def _fold(recipe: Path, arguments: Sequence[str]) -> str:
    """The fold that the arguments choose; "" of a recipe without folds."""
    folds = folds_of(recipe)
    if folds is None:
        return ""
    words = [part for argument in arguments for part in argument.split("=", 1)]
    return words[words.index(f"--{folds[0]}") + 1]


def _means(scores: Sequence[Mapping[str, float]]) -> Scores:
    return {key: statistics.fmean(each[key] for each in scores) for key in scores[0]}
