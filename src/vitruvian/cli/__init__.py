"""The command line. A verb's module is imported when it is used: `--help` imports no torch."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Sequence

import typer

from vitruvian import __version__
from vitruvian.cli.output import run_safely, say
from vitruvian.core.errors import UnknownNameError

VERBS = {
    "analyze": "Find people in photos and videos: records, drawings, a report.",
    "predict": "Run one system on pictures of its own kind.",
    "train": "Train a recipe; a run that was cut off goes on.",
    "test": "Score a checkpoint or a system by its data set's protocol.",
    "systems": "List what there is, or tell all of one system.",
    "weights": "List, fetch, import and export checkpoints.",
    "world": "Render people with every annotation at once.",
    "export": "Export a network to ONNX and compare it with PyTorch.",
    "bench": "Measure speed and memory.",
}

INTRO = "Vitruvian sees people: it finds, measures and re-creates them in pictures and video."

EPILOG = """
Examples:

  vitruvian analyze photo.jpg                      people of a photo

  vitruvian train pose/simple_baseline_lsp         a network from scratch

  vitruvian test pose/simple_baseline_lsp --json   its score

  vitruvian systems pose/openpose                  what is known of a system

Every verb has --help and --debug, which shows the trace of an error.
"""


def make_app(verb: str = "") -> typer.Typer:
    """The commands, of which only `verb` is imported; the others just tell their help."""
    app = typer.Typer(
        name="vitruvian",
        help=INTRO,
        epilog=EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_main_options)
    for name, line in VERBS.items():
        if name == verb:
            _register(app, name, line)
        else:
            app.command(name, help=line)(_not_loaded)
    return app


def _main_options(
    version: bool = typer.Option(False, "--version", is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the trace of an error; of every verb."),
) -> None:
    del version, debug  # both are read before typer sees them


def _not_loaded() -> None:
    raise AssertionError


def _register(app: typer.Typer, name: str, line: str) -> None:
    module = importlib.import_module(f"vitruvian.cli.{name}")
    if hasattr(module, "app"):
        app.add_typer(module.app, name=name, help=line)
        return
    app.command(
        name,
        epilog=getattr(module, "EPILOG", None),
        context_settings=getattr(module, "CONTEXT", None),
    )(getattr(module, name))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    Args:
        arguments: What follows `vitruvian`; those of the process where left out.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file name, or a σ, may not fit the terminal.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    debug = "--debug" in given[:end]
    given = [item for i, item in enumerate(given) if item != "--debug" or i > end]
    verb = next((item for item in given if not item.startswith("-")), "")
    if given and given[0] == "--version":
        sys.stdout.write(f"vitruvian {__version__}\n")
        sys.exit(0)
    if verb and verb == given[0] and verb not in VERBS:
        say(f"Error: {UnknownNameError('verb', verb, VERBS)} See vitruvian --help.")
        sys.exit(2)
    sys.exit(run_safely(lambda: make_app(verb)(given, prog_name="vitruvian"), debug=debug))
