"""`vitruvian world`: people that we render, with every annotation at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.cli.output import print_json, say
from vitruvian.core.errors import InputError
from vitruvian.core.files import whole_file

EPILOG = """
Examples:

  vitruvian world show --out people.png                     a contact sheet

  vitruvian world show --count 1 --people 5 --annotations   all that is known of one crowd
"""

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, epilog=EPILOG
)


@app.callback()
def world() -> None:
    """Render annotated people; needs `pip install vitruvian[world]`."""


@app.command(epilog=EPILOG)
def show(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture to write.")] = Path(
        "world.png"
    ),
    count: Annotated[int, typer.Option(min=1, max=400, help="Samples on the sheet.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Of the world.")] = 0,
    index: Annotated[int, typer.Option(min=0, help="Of the first sample.")] = 0,
    people: Annotated[int, typer.Option(min=1, max=12, help="In each sample.")] = 1,
    size: Annotated[
        tuple[int, int], typer.Option(metavar="WIDTH HEIGHT", help="Of a sample, in pixels.")
    ] = (192, 256),
    activity: Annotated[
        str | None, typer.Option(help="standing, walking, running, sitting …; any if left out.")
    ] = None,
    place: Annotated[
        str | None, typer.Option(help="room, street, lawn or studio; any if left out.")
    ] = None,
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Draw everything known of the first sample.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")
    ] = False,
) -> None:
    """Write a contact sheet of samples, or all annotations of one."""
    from PIL import Image
    from rich.console import Console
    from rich.progress import track

    from vitruvian.world.rig import load_rig, rig_file

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise InputError(f"Cannot write a picture to {out}: end its name in .png, .jpg or .webp.")
    if not rig_file().is_file():
        say("Building the body model, once: this takes a minute or two.")
    load_rig()

    from vitruvian.world.sample import Setting, render_sample
    from vitruvian.world.sheet import annotations_sheet, samples_sheet

    setting = Setting(size[0], size[1], (people, people), activity, place)
    places = range(index, index + (1 if annotations else count))
    steps = track(places, "Rendering", console=Console(stderr=True), transient=True)
    samples = [render_sample(seed, step, setting) for step in steps]
    sheet = annotations_sheet(samples[0]) if annotations else samples_sheet(samples)
    with whole_file(out) as part:
        Image.fromarray(sheet).save(part)
    if as_json:
        print_json({"out": str(out), "samples": len(samples), "seed": seed, "index": index})
    else:
        typer.echo(f"{out}: {len(samples)} samples of seed {seed}, from index {index}")
