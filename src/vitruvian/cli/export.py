"""`vitruvian export`: a network for other runtimes, compared with PyTorch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from vitruvian.cli.output import JsonOption, print_json
from vitruvian.core.errors import InputError, UnknownNameError

EPILOG = """
Examples:

  vitruvian export pose/simple_baseline --weights runs/mine/weights.safetensors --out model.onnx

  vitruvian export pose/hrnet --weights runs/mine/weights.safetensors --int8 photos/
"""


def export(
    system: Annotated[str, typer.Argument(help="A system; vitruvian systems lists them.")],
    out: Annotated[str, typer.Option(metavar="FILE", help="The file to write.")] = "model.onnx",
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE|NAME", help="A checkpoint, or a name from the card."),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="onnx.")] = "onnx",
    int8: Annotated[
        str | None,
        typer.Option(
            metavar="PHOTOS", help="8 bits; the folder's photos of one person each tell ranges."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export a network to ONNX (any batch size), run it in ONNX Runtime and compare.

    Nothing is written where the two differ by more than 1e-3. A network of pictures takes
    normalised crops; motion/dscmp takes the pasts of one scene's people and the latent's noise.

    With --int8, weights and activations have 8 bits: a quarter of the size, and two to four times
    as fast on a CPU. Twenty photos or more, like those that the network will see, choose the
    ranges; every fourth measures how far the outputs are off.
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

    if int8 is not None:
        if not hasattr(loaded, "network_input"):
            raise InputError(f"{system} has no export in 8 bits yet.")
        _export_int8(loaded, int8, Path(out), as_json)
        return
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


def _export_int8(loaded: Any, photos: str, out: Path, as_json: bool) -> None:
    from vitruvian.core.export import export_onnx
    from vitruvian.core.quantization import MOST_SAMPLES, quantize_onnx
    from vitruvian.people.photos import read_photo
    from vitruvian.people.sources import find_sources

    sources, problems = find_sources([photos])
    for problem in problems:
        typer.echo(problem, err=True)
    found = [source.location for source in sources if source.kind == "photo"][:MOST_SAMPLES]
    samples = [loaded.network_input(read_photo(file)).contiguous().numpy() for file in found]
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder, "exact.onnx")
        export_onnx(loaded.network, loaded.input_size, exact)
        off = quantize_onnx(exact, samples, out)
        sizes = [file.stat().st_size for file in (exact, out)]
    if as_json:
        print_json({"out": str(out), "off": off, "bytes": sizes[1], "bytes_exact": sizes[0]})
    else:
        before, after = (f"{size / 1e6:.1f}" for size in sizes)
        typer.echo(
            f"{out}: {after} MB in 8 bits, {before} in 32; its outputs are off by {off:.1%} "
            "(root mean square) on photos that chose nothing."
        )
