"""`vitruvian.load`: a system with its weights, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitruvian.core.card import Plain, find_card
from vitruvian.core.weights import find_weights

if TYPE_CHECKING:
    from vitruvian.core.device import Precision


def load(
    name: str,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    **arguments: Plain,
) -> Any:
    """A system with its weights, ready for `predict`.

    >>> openpose = vitruvian.load("openpose")
    >>> frames = openpose.predict([image])

    Args:
        name: Of the system, with or without its domain: "pose/openpose" or "openpose".
        weights: A path to a checkpoint, the name of an entry of the system's card, or None: the
            card's first entry. Nothing is ever filled with random numbers instead.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        precision: "auto", "32" or "bf16".
        arguments: Of the system's class, where the checkpoint does not say them.

    Raises:
        UnknownNameError: there is no such system, or no such weights.
        WeightsError: the checkpoint is absent, damaged, or another network's.
        VitruvianError: the system has no weights; the message names the commands that get some.
    """
    card = find_card(name)
    found = find_weights(card, weights)
    system: Any = card.load_class()
    return system.from_weights(found, device=device, precision=precision, **arguments)
