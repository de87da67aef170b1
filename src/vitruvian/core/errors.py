"""Errors that a user can act on: one sentence that names the thing and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VitruvianError(Exception):
    """Something the user can mend. The message is one sentence: what is wrong, where, what to do.

    The command line prints it on stderr and leaves with `exit_code`; `--debug` shows the trace.
    """

    exit_code = 1


class InputError(VitruvianError):
    """A picture, video, stream, annotation or folder that cannot be read or written."""


class WeightsError(VitruvianError):
    """Weights that are absent, altered, or of another network."""


class UnknownNameError(VitruvianError):
    """A name that is not in a list of ours; suggests the nearest one.

    Args:
        kind: What the name should be, for instance "system".
        name: What was asked for.
        known: The names that there are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
        super().__init__(f"There is no {kind} named {name!r}. {hint}")
