"""Weights in three tiers, never mixed up and never random in silence.

Embedded: inside the package, hash-checked. Published: a URL, a hash and a licence in a card,
fetched on request. Your own: a path.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

import platformdirs

from vitruvian.core.card import Card, Plain, WeightsEntry
from vitruvian.core.errors import WeightsError
from vitruvian.core.files import sha256


def cache_folder() -> Path:
    """Where fetched and derived files are kept: `$VITRUVIAN_CACHE`, else the user's cache."""
    return Path(os.environ.get("VITRUVIAN_CACHE") or platformdirs.user_cache_dir("vitruvian"))


@dataclass(frozen=True)
class Weights:
    """A checkpoint file that is there, and what is known of it.

    Attributes:
        system: The system's path, for instance "pose/openpose".
        name: The entry's name, or the file's for one's own.
        tier: "embedded", "published" or "own".
        file: The file.
        sha256: Of the file.
        licence: The terms; of one's own weights, "unknown".
        origin: Where they come from.
        trained_on: The data.
        layout: "ours" or "published".
        arguments: What the network is built with, where known.
    """

    system: str
    name: str
    tier: str
    file: Path
    sha256: str
    licence: str
    origin: str
    trained_on: str
    layout: str
    arguments: Mapping[str, Plain] = field(default_factory=dict)

    def to_dict(self) -> dict[str, str]:
        """What `run.json` says of the weights."""
        keys = ("system", "name", "tier", "sha256", "licence", "origin", "trained_on")
        return {key: str(getattr(self, key)) for key in keys}


def find_weights(card: Card, weights: str | Path | None = None) -> Weights:
    """The checkpoint that `weights` means for the system of `card`.

    Args:
        card: The system's card.
        weights: A path to a checkpoint, the name of an entry of the card, or None: the card's
            first entry.

    Raises:
        WeightsError: the file is absent or its hash is not the card's.
        VitruvianError: the card has no such entry; it says how to get weights.
    """
    if weights is not None and _is_path(weights):
        path = Path(weights).expanduser()
        if not path.is_file():
            msg = f"There is no checkpoint at {path}."
            raise WeightsError(msg)
        try:
            digest = sha256(path)
        except OSError as error:
            msg = f"{path} cannot be read ({error.strerror}): check its permissions."
            raise WeightsError(msg) from error
        return Weights(
            card.path,
            path.name,
            "own",
            path,
            digest,
            "unknown",
            str(path),
            "unknown",
            layout="published",
        )
    entry = card.find_weights(None if weights is None else str(weights))
    embedded = entry.tier == "embedded"
    file = _embedded(entry.location, entry.sha256) if embedded else _fetched(entry)
    return Weights(
        card.path,
        entry.name,
        entry.tier,
        file,
        entry.sha256,
        entry.licence,
        entry.origin,
        entry.trained_on,
        entry.layout,
        entry.arguments,
    )


def _is_path(weights: str | Path) -> bool:
    text = str(weights)
    return isinstance(weights, Path) or os.sep in text or Path(text).suffix in _SUFFIXES


_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".tar", ".bin")


@cache
def _embedded(name: str, expected: str) -> Path:
    file = Path(str(resources.files("vitruvian"))) / "weights" / name
    if not file.is_file() or sha256(file) != expected:
        msg = f"The embedded weights {file} are absent or altered; install vitruvian again."
        raise WeightsError(msg)
    return file


def _fetched(entry: WeightsEntry) -> Path:
    import pooch

    file = cache_folder() / "weights" / f"{entry.sha256[:16]}-{Path(entry.location).name}"
    if file.is_file() and sha256(file) == entry.sha256:
        return file
    try:
        return Path(
            pooch.retrieve(
                entry.location,
                known_hash=f"sha256:{entry.sha256}",
                path=file.parent,
                fname=file.name,
                progressbar=True,
            )
        )
    except Exception as error:  # pooch passes on whatever requests, urllib3 or FTP raise
        msg = (
            f"{entry.location} could not be fetched ({type(error).__name__}); download it by hand, "
            f"check its SHA-256 {entry.sha256}, and give the file with --weights."
        )
        raise WeightsError(msg) from error
