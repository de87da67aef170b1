"""`vitruvian export`: a network for other runtimes, compared with PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.cli.output import JsonOption, print_json
from vitruvian.core.errors import InputError, UnknownNameError

EPILOG = """
Examples:

  vitruvian export pose/simple_baseline --weights runs/mine/weights.safetensors --out model.onnx
"""


def export(
    system: Annotated[str, typer.Argument(help="A system; vitruvian systems lists them.")],
    out: Annotated[str, typer.Option(metavar="FILE", help="The file to write.")] = "model.onnx",
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE|NAME", help="A checkpoint, or a name from the card."),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="onnx.")] = "onnx",
    as_json: JsonOption = False,
) -> None:
    """Export a network to ONNX (any batch size), run it in ONNX Runtime and compare.

    Nothing is written where the two differ by more than 1e-3. A network of pictures takes
    normalised crops; motion/dscmp takes the pasts of one scene's people and the latent's noise.
    """
    if form != "onnx":
        raise UnknownNameError("export format", form, ["onnx"])

    from vitruvian.core.load import load

    loaded = load(system, weights, "cpu", "32")
    network = getattr(loaded, "network", None)
    if network is None:
        raise InputError(
            f"{system} comes with its ONNX graph, beside the embedded weights in the package."
        )

    from vitruvian.core.export import export_checked, export_onnx

    if hasattr(loaded, "for_export"):
        network, example, other = loaded.for_export()
        error = export_checked(network, example, other, Path(out))
    elif hasattr(loaded, "input_size"):
        error = export_onnx(network, loaded.input_size, Path(out))
    else:
        raise InputError(f"{system} has no export yet.")
    if as_json:
        print_json({"out": out, "error": error})
    else:
        typer.echo(f"{out}: ONNX Runtime differs from PyTorch by {error:.1e} of the largest output")
