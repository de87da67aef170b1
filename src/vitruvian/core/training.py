"""Runs of a recipe: LightningCLI, a run folder, and going on after an interruption.

In the run folder: `config.yaml` (everything that was set), `last.ckpt` (where a run goes on),
`best.ckpt` (by the recipe's `monitor`), `logs/` (metrics.csv of each start) and, once done,
`weights.safetensors` and `result.json`.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger

from vitruvian import __version__
from vitruvian.core.card import cards
from vitruvian.core.errors import InputError, WeightsError
from vitruvian.core.files import sha256, whole_file
from vitruvian.core.published import load_plain
from vitruvian.core.system import System
from vitruvian.core.weights import find_weights

LAST, BEST, RESULT, CONFIG = "last.ckpt", "best.ckpt", "result.json", "config.yaml"
WEIGHTS = "weights.safetensors"
KEPT_SETTINGS = ("seed_everything", "model", "data", "optimizer", "lr_scheduler")


class RecipeCLI(LightningCLI):
    """LightningCLI with a few more settings: what is best, how often a run is kept, its folds."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add `--monitor`, `--monitor_mode`, `--keep_seconds` and `--folds`."""
        parser.add_argument(
            "--monitor", type=str, default="val/loss", help="What chooses the best."
        )
        parser.add_argument("--monitor_mode", type=str, default="max", help="max or min")
        parser.add_argument(
            "--keep_seconds", type=float, default=60.0, help="Seconds between two kept states."
        )
        parser.add_argument(
            "--folds", type=dict | None, default=None, help="A setting and its values: a run each."
        )


class KeepLast(Callback):
    """Writes `last.ckpt` every so many seconds, inside an epoch too, and after each epoch.

    Args:
        file: The checkpoint; it is written beside its place and renamed.
        seconds: Between two writes.
    """

    def __init__(self, file: Path, seconds: float) -> None:
        self.file = file
        self.seconds = seconds
        self._kept = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Keep the state, unless the epoch's end will do so right away."""
        last = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        due = torch.tensor(time.monotonic() - self._kept >= self.seconds)
        if trainer.world_size > 1:  # all processes must take part in writing
            due = trainer.strategy.broadcast(due)
        if due and not last:
            self._keep(trainer)

    def on_train_epoch_end(self, trainer: Trainer, *_: Any) -> None:
        """Keep the state; validation is over by now."""
        self._keep(trainer)

    def _keep(self, trainer: Trainer) -> None:
        part = self.file.with_name(".part-" + self.file.name)
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            part.replace(self.file)
        self._kept = time.monotonic()


def make_cli(
    recipe: Path, arguments: Sequence[str], *, callbacks: Sequence[Callback] = (), **trainer: Any
) -> RecipeCLI:
    """System, data and trainer of a recipe.

    Args:
        recipe: The YAML.
        arguments: Settings that win over it, as on the command line: `--trainer.max_epochs 1`.
        callbacks: More callbacks of the trainer.
        trainer: Defaults of the trainer.

    Raises:
        InputError: the recipe or the arguments do not fit.
    """
    quiet()
    try:
        settings = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{recipe} is no YAML that can be read: give a recipe.") from error
    if not isinstance(settings, dict):
        raise InputError(f"{recipe} holds no settings: give a recipe.")
    try:
        return RecipeCLI(
            LightningModule,
            LightningDataModule,
            save_config_callback=None,
            subclass_mode_model=True,
            subclass_mode_data=True,
            trainer_defaults={"callbacks": list(callbacks), **trainer},
            parser_kwargs={"exit_on_error": False},
            args=["--config", str(recipe), *arguments],
            run=False,
        )
    except (ArgumentError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise InputError(
            f"The recipe {recipe.name} with these settings: {problem[:300]}"
        ) from error


def quiet() -> None:
    """Keep Lightning's advice off the screen."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for text in (
        ".*does not have many workers.*",
        ".*dataloader is not resumable.*",
        ".*number of training batches.*",
        ".*_pytree.*",
        ".*LeafSpec.*",
        ".*checkpoint directory.*",
        ".*sync_dist=True.*",  # the metrics are of all processes' people already
        ".*Using `DistributedSampler`.*",
        ".*LightningCLI's args parameter.*",
    ):
        warnings.filterwarnings("ignore", text)


def say(sentence: str) -> None:
    """A sentence on stderr."""
    sys.stderr.write(sentence + "\n")


def train(
    name: str, recipe: Path, folder: Path, arguments: Sequence[str] = (), *, overwrite: bool = False
) -> dict[str, Any]:
    """Train a recipe in a run folder, or go on with what is there.

    Args:
        name: Of the recipe.
        recipe: Its file.
        folder: The run folder.
        arguments: As in `make_cli`.
        overwrite: Whether to forget what is there.

    Returns:
        What `result.json` holds: recipe, seed, epochs, validation metrics, the weights and their
        hash; "already" is True where there was nothing left to do.

    Raises:
        InputError: recipe, settings or folder do not fit.
        WeightsError: the kept state is damaged.
        KeyboardInterrupt: ^C; the same call goes on.
    """
    _prepare(folder, overwrite=overwrite)
    keep = KeepLast(folder / LAST, 60)
    cli = make_cli(
        recipe,
        arguments,
        callbacks=[keep, RichProgressBar(leave=True, console_kwargs={"stderr": True})],
        enable_checkpointing=False,
        default_root_dir=str(folder),
        logger=False,
        enable_model_summary=False,
    )
    settings = cli.config
    keep.seconds = settings.keep_seconds
    best = ModelCheckpoint(
        folder,
        filename="best",
        monitor=settings.monitor,
        mode=settings.monitor_mode,
        enable_version_counter=False,
    )
    trainer: Any = cli.trainer
    trainer.callbacks.append(best)
    trainer.logger = CSVLogger(folder, name="logs")
    system = cli.model
    done = _done(folder, trainer.max_epochs)
    _keep_settings(cli, folder)
    if done:
        return {**done, "already": True}
    state = folder / LAST
    if state.is_file():
        say(_where(state))
    started = time.monotonic()
    try:
        trainer.fit(
            system,
            datamodule=cli.datamodule,
            ckpt_path=str(state) if state.is_file() else None,
            weights_only=True,
        )
    except SystemExit:  # how Lightning leaves after ^C
        if not trainer.interrupted:
            raise
    except MisconfigurationException as error:
        problem = " ".join(str(error).split())
        raise InputError(
            f"The recipe {recipe.name} with these settings: {problem[:300]}"
        ) from error
    if trainer.interrupted:
        raise KeyboardInterrupt
    if not state.is_file():
        raise InputError(f"The run in {folder} ended before its first step: is there data in it?")
    return _finish(name, cli, folder, best, time.monotonic() - started)


def _finish(
    name: str, cli: RecipeCLI, folder: Path, best: ModelCheckpoint, seconds: float
) -> dict[str, Any]:
    """Score the best state, and write its weights and `result.json`."""
    chosen = best.best_model_path or str(folder / LAST)
    trainer, system = cli.trainer, cli.model
    scores = trainer.validate(
        system, datamodule=cli.datamodule, ckpt_path=chosen, weights_only=True, verbose=False
    )
    seed = int(cli.config.seed_everything)
    if isinstance(system, System):
        system.save(folder / WEIGHTS, recipe=name, seed=seed, version=__version__)
    result = {
        "recipe": name,
        "seed": seed,
        "epochs": trainer.max_epochs,
        "seconds": round(seconds, 1),
        "metrics": {key: round(float(value), 3) for key, value in (scores or [{}])[0].items()},
        "weights": WEIGHTS,
        "sha256": sha256(folder / WEIGHTS),
        "version": __version__,
    }
    with whole_file(folder / RESULT) as part:
        part.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return {**result, "already": False}


def _prepare(folder: Path, *, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give another folder (--out).")
    ours = (LAST, BEST, RESULT, CONFIG, WEIGHTS)
    try:
        if overwrite:
            for name in ours:
                (folder / name).unlink(missing_ok=True)
            shutil.rmtree(folder / "logs", ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The run folder {folder} cannot be written: {error.strerror}.") from error


def _done(folder: Path, epochs: int | None) -> dict[str, Any] | None:
    """What an earlier run wrote that went at least so far."""
    file = folder / RESULT
    if not file.is_file():
        return None
    try:
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return result if epochs is not None and result["epochs"] >= epochs else None


def _keep_settings(cli: RecipeCLI, folder: Path) -> None:
    """Write `config.yaml`, or compare with the one there.

    Raises:
        InputError: the folder's run was started with another system, data, seed or optimizer.
    """
    text = cli.parser.dump(cli.config, skip_none=False)
    file = folder / CONFIG
    if file.is_file() and (folder / LAST).is_file():
        before, now = yaml.safe_load(file.read_text(encoding="utf-8")), yaml.safe_load(text)
        other = [key for key in KEPT_SETTINGS if _set(before.get(key)) != _set(now.get(key))]
        if other:
            raise InputError(
                f"The run in {folder} was started with other settings ({', '.join(other)}): give "
                "the same ones, another folder (--out), or --overwrite to start anew."
            )
    with whole_file(file) as part:
        part.write_text(text, encoding="utf-8")


def _set(value: Any) -> Any:
    """A setting without what is None in it: an option that came later changes no run."""
    if isinstance(value, dict):
        return {key: _set(item) for key, item in value.items() if item is not None}
    return value


def _where(state: Path) -> str:
    """A sentence on where a kept state goes on.

    Raises:
        WeightsError: the state cannot be read.
    """
    content = read_state(state)
    epoch, step = content["epoch"] + 1, content["global_step"]
    return f"Resuming from {state}: epoch {epoch}, after {step} steps."


def read_state(file: Path) -> dict[str, Any]:
    """The content of a training checkpoint, read without running code of it.

    Raises:
        WeightsError: the file is absent, damaged or no training checkpoint.
    """
    try:
        content = load_plain(file)
    except WeightsError as error:
        raise WeightsError(
            f"The checkpoint {file} is damaged; start anew with --overwrite, or give another one."
        ) from error
    if not isinstance(content, dict) or not {"state_dict", "epoch", "global_step"} <= set(content):
        raise WeightsError(f"{file} is no training checkpoint: give a .ckpt of a run folder.")
    return content


def find_best(name: str, folder: Path, checkpoint: str | None, fold: str = "") -> Path:
    """The checkpoint of a recipe that is scored: the one given, the run's best, or a card's.

    Args:
        name: Of the recipe.
        folder: The run folder.
        checkpoint: A file that was given.
        fold: Of a recipe with folds, which: its weights have that name in the card.

    Raises:
        WeightsError: there is none; it says how to get one.
    """
    if checkpoint:
        if not Path(checkpoint).is_file():
            raise WeightsError(f"There is no checkpoint at {checkpoint}.")
        return Path(checkpoint)
    for kept in (folder / BEST, folder / WEIGHTS):
        if kept.is_file():
            return kept
    for card in cards().values():
        for entry in card.weights:
            named = not fold or entry.name == fold
            ours = re.search(rf"{re.escape(name)}\b", entry.origin)
            if named and ours and name in card.recipes:
                return find_weights(card, entry.name).file
    raise WeightsError(
        f"There is no trained checkpoint in {folder}: vitruvian train {name} makes one, or give "
        "one with --ckpt FILE."
    )


def score(
    recipe: Path,
    checkpoint: Path,
    arguments: Sequence[str] = (),
    *,
    callbacks: Sequence[Callback] = (),
) -> dict[str, float]:
    """The test metrics of a checkpoint, in per cent where the data set's are.

    Args:
        recipe: The recipe, or the `config.yaml` of a run.
        checkpoint: Of a run, or weights in the published layout.
        arguments: As in `make_cli`.
        callbacks: Likewise.

    Raises:
        WeightsError: the checkpoint is damaged or another network's.
    """
    bar = RichProgressBar(console_kwargs={"stderr": True})
    cli = make_cli(
        recipe,
        arguments,
        callbacks=[bar, *callbacks],
        enable_checkpointing=False,
        enable_model_summary=False,
        logger=False,
    )
    cli.model.load_network(checkpoint)
    scores = cli.trainer.test(cli.model, datamodule=cli.datamodule, verbose=False)
    return {key.removeprefix("test/"): round(float(v), 3) for key, v in scores[0].items()}
