"""What the verbs share: where text goes, and how errors are told.

Results go to stdout; progress, notes and errors to stderr. With `--json` the last line of stdout is
one JSON object.
"""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from vitruvian.core.errors import VitruvianError

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")
]


def print_json(content: Mapping[str, Any]) -> None:
    """One JSON object as a line of stdout; numbers that are none (NaN) are null.

    Letters beyond ASCII are escaped: a file name may be no valid Unicode, nor the terminal's.
    """
    sys.stdout.write(json.dumps(_plain(content), allow_nan=False) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def say(sentence: str) -> None:
    """A sentence on stderr."""
    sys.stderr.write(" ".join(sentence.split()) + "\n")


def run_safely(action: Callable[[], object], *, debug: bool = False) -> int:
    """Run a verb and turn what goes wrong into one sentence on stderr.

    Args:
        action: The verb.
        debug: Whether the trace is shown before the sentence.

    Returns:
        The exit code: 0; a `VitruvianError`'s own (1); 2 for wrong usage; 130 after ^C.
    """
    try:
        action()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if code == 130:
            say("Stopped by the user; the same command goes on where it can.")
        return code
    except KeyboardInterrupt:
        say("Stopped by the user; the same command goes on where it can.")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor at the last flush
        return 0
    except VitruvianError as error:
        if debug:
            traceback.print_exc()
        say(f"Error: {error}")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence instead of a trace
        if debug:
            traceback.print_exc()
        say(
            f"Error: something unforeseen happened ({type(error).__name__}: {_short(error)}); "
            "run again with --debug to see where, and report it."
        )
        return 1
    return 0


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + " …"
