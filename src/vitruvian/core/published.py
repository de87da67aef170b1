"""Checkpoints in other people's layouts, read and written: safely, strictly, in both directions.

A network whose keys differ from the published ones says so by a method
`published_keys() -> dict[our key, published key]`; without it both are the same.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vitruvian.core.errors import WeightsError
from vitruvian.core.files import whole_file


@runtime_checkable
class HasPublishedKeys(Protocol):
    """A network that knows the names its published checkpoints use."""

    def published_keys(self) -> dict[str, str]:
        """Our key → published key, for every entry of the state dict."""
        ...


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file: safetensors, or a PyTorch file read with `weights_only`.

    Wrappings are taken off: `state_dict` or `model` around the tensors, `module.` before each key.
    No code of the file is ever run.

    Raises:
        WeightsError: the file is absent, damaged, or holds more than tensors and plain values.
    """
    path = Path(path)
    state = load_plain(path)
    for wrapping in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapping), dict):
            state = state[wrapping]
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        msg = f"{path} holds no state dict: a checkpoint maps names to tensors."
        raise WeightsError(msg)
    tensors = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    if all(key.startswith("module.") for key in tensors):
        tensors = {key.removeprefix("module."): value for key, value in tensors.items()}
    return tensors


def load_plain(path: Path) -> Any:
    """The content of a checkpoint file: tensors and plain values, as they lie in it.

    Raises:
        WeightsError: the file is absent, damaged, or holds more than tensors and plain values.
    """
    if not path.is_file():
        msg = f"There is no checkpoint at {path}."
        raise WeightsError(msg)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd pickles: they are read or refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        msg = (
            f"{path} is no checkpoint of plain tensors: it is damaged, or holds other objects, "
            "which are never loaded since they could run code; save its state dict alone."
        )
        raise WeightsError(msg) from error
    except PermissionError as error:
        msg = f"{path} cannot be read ({error.strerror}): check its permissions."
        raise WeightsError(msg) from error
    except Exception as error:  # the readers of damaged files raise anything
        msg = f"{path} is no checkpoint, or not a whole one ({_short(error)}): get it again."
        raise WeightsError(msg) from error


def load_published(
    network: nn.Module,
    state: Mapping[str, Tensor],
    *,
    origin: str = "the checkpoint",
    unused: Collection[str] = (),
) -> None:
    """Put published tensors into `network`; all of them must fit.

    Args:
        network: The network; its `published_keys` names the entries, where it has that method.
        state: Published key → tensor; or the network's own keys.
        origin: What the tensors came from, for the message.
        unused: Published keys that the network has no place for and that may be left out.

    Raises:
        WeightsError: an entry is missing, extra, has another shape or holds NaN; nothing was
            loaded then.
    """
    ours = network.state_dict()
    own = set(ours) <= set(state)  # a run's checkpoint
    theirs = {key: key for key in ours} if own else published_names(network)
    expected = set(theirs.values())
    counters = {key for key in expected if key.endswith("num_batches_tracked")}
    missing = sorted(expected - counters - set(state))
    extra = sorted(
        key for key in set(state) - expected - set(unused) if "num_batches_tracked" not in key
    )
    shapes = [
        f"{theirs[key]} {tuple(state[theirs[key]].shape)} instead of {tuple(value.shape)}"
        for key, value in ours.items()
        if theirs[key] in state and state[theirs[key]].shape != value.shape
    ]
    broken = sorted(key for key in expected & set(state) if state[key].isnan().any())
    problems = [
        f"{len(found)} {what} ({_few(found)})"
        for what, found in (
            ("missing", missing),
            ("extra", extra),
            ("of another shape", shapes),
            ("with NaN", broken),
        )
        if found
    ]
    if problems:
        msg = (
            f"{origin} does not fit {type(network).__name__}: entries {', '.join(problems)}. "
            "Is it a checkpoint of this network with these options?"
        )
        raise WeightsError(msg)
    network.load_state_dict(
        {key: state.get(theirs[key], value) for key, value in ours.items()}, strict=True
    )


def to_published(network: nn.Module) -> dict[str, Tensor]:
    """The network's tensors under their published keys: the inverse of `load_published`."""
    names = published_names(network)
    return {names[key]: value for key, value in network.state_dict().items()}


def save_published(network: nn.Module, path: str | Path) -> None:
    """Write `to_published(network)` as safetensors."""
    with whole_file(path) as part:
        save_file({key: value.contiguous() for key, value in to_published(network).items()}, part)


def published_names(network: nn.Module) -> dict[str, str]:
    """Our key → published key for every entry of the network's state dict."""
    if isinstance(network, HasPublishedKeys):
        return network.published_keys()
    return {key: key for key in network.state_dict()}


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _short(error: Exception) -> str:
    """The reason in a few words; a bare key or place, as some readers raise, says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:80] if lines and " " in lines[0] else type(error).__name__
