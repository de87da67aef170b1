"""`vitruvian world`: people that we render, with every annotation at once."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from vitruvian.cli.output import JsonOption, print_json, say
from vitruvian.core.errors import InputError
from vitruvian.core.files import whole_file

if TYPE_CHECKING:
    from rich.console import Console

EPILOG = """
Examples:

  vitruvian world show --out people.png                     a contact sheet

  vitruvian world show --count 1 --people 5 --annotations   all that is known of one crowd

  vitruvian world formats                                   what data sets can be made

  vitruvian world make --as coco-wholebody --people 200 --out DIR
"""

MAKE_EPILOG = """
Sample number K of a seed is the same picture in every run, by however many processes. A run that
was stopped, even by kill -9, goes on where it was when the same command is given again; a folder of
other options is refused.

Examples:

  vitruvian world make --as coco-wholebody --people 200 --out people

  vitruvian world make --as crowdpose --crowd 4 10 --count 1000 --workers 8 --out crowds

  vitruvian world make --as lsp --activity running --size 256 256 --people 500 --out runners

  vitruvian world make --as cityscapes --place street --split 0.8,0.1,0.1 --people 300 --out city

  vitruvian world make --as clips --count 40 --crowd 1 3 --out moving

  vitruvian world make --as eth-ucy --out ways

  vitruvian world make --as voc --backgrounds photos --people 300 --out mixed

  vitruvian world make --as native --people 10000 --out shards     for vitruvian.world.dataset.World
"""

Activity = Annotated[
    str | None, typer.Option(help="standing, walking, running, sitting …; any if left out.")
]
Place = Annotated[str | None, typer.Option(help="room, street, lawn or studio; any if left out.")]

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
    activity: Activity = None,
    place: Place = None,
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Draw everything known of the first sample.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a contact sheet of samples, or all annotations of one."""
    from PIL import Image
    from rich.console import Console
    from rich.progress import track

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise InputError(f"Cannot write a picture to {out}: end its name in .png, .jpg or .webp.")
    _build_body()

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


@app.command(epilog=MAKE_EPILOG)
def make(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder; a new one, or one to go on with.")
    ],
    form: Annotated[
        str, typer.Option("--as", metavar="FORMAT", help="See vitruvian world formats.")
    ] = "native",
    people: Annotated[
        int | None, typer.Option(help="How many people in all; the last picture may add a few.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(help="How many pictures, clips or films instead.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the world; another one, other people.")] = 0,
    size: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="WIDTH HEIGHT", help="Of the pictures; the format's own if left out."),
    ] = None,
    crowd: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="MIN MAX", help="People in a picture, 1 to 12; else the format's own."
        ),
    ] = None,
    activity: Activity = None,
    place: Place = None,
    view: Annotated[
        str, typer.Option(help="From where people are seen: any, or street photo.")
    ] = "any",
    occluders: Annotated[
        float | None, typer.Option(help="Share of pictures with things before the people, 0 to 1.")
    ] = None,
    backgrounds: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Photos of yours to put behind the people."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SHARES",
            help="Of the format's parts, such as 0.8,0.2; else 0.1 to each but one.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that render; as many as cores if left out.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda:0 with one process.")] = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Make a data set of rendered people, in a format that loaders of the real sets read."""
    from rich.console import Console

    from vitruvian.world.writers import find_writer

    writer = find_writer(form)
    if people is not None and count is not None:
        raise InputError("Give --people or --count, not both.")
    _build_body()

    from vitruvian.world.make import Plan, samples_for
    from vitruvian.world.make import make as make_set
    from vitruvian.world.sample import Setting

    width, height = size or writer.size
    setting = Setting(
        width, height, crowd or writer.crowd, activity, place, view=view, backgrounds=backgrounds
    )
    if occluders is not None:
        setting = dataclasses.replace(setting, occluders=occluders)
    if people is not None and writer.unit != "people":
        raise InputError(
            f"The format {form} counts {writer.unit}: give --count in place of --people."
        )
    samples = writer.samples if count is None else count
    if people is not None:
        samples = samples_for(people, seed, setting)
    plan = Plan(writer, samples, setting, seed, _shares(split), device)
    processes = workers if workers is not None else _processes(samples, device)
    with _Bar(Console(stderr=True), writer.unit) as bar:
        made = make_set(plan, out, workers=processes, progress=bar.progress)
    if as_json:
        print_json({"out": str(out), "format": writer.name, "seed": seed, **made})
    else:
        typer.echo(
            f"{out}: {made['people']} people in {made['samples']} samples as {writer.name}, "
            f"seed {seed}"
        )


@app.command()
def formats(
    as_json: JsonOption = False,
) -> None:
    """List the formats that vitruvian world make writes, and their parts."""
    from vitruvian.world.writers import writers

    if as_json:
        told = {
            name: {"title": writer.title, "parts": writer.parts, "size": writer.size}
            for name, writer in writers().items()
        }
        print_json({"formats": told})
        return
    for name, writer in writers().items():
        parts = f" Parts: {', '.join(writer.parts)}." if len(writer.parts) > 1 else ""
        typer.echo(f"{name:16} {writer.title}{parts}")


def _build_body() -> None:
    """Build the body model where it is not there, with a word of warning."""
    from vitruvian.world.rig import load_rig, rig_file

    if not rig_file().is_file():
        say("Building the body model, once: this takes a minute or two.")
    load_rig()


def _shares(split: str | None) -> tuple[float, ...] | None:
    if split is None:
        return None
    try:
        return tuple(float(share) for share in split.replace(",", " ").split())
    except ValueError as error:
        raise InputError(f"Cannot read the shares {split!r}: give numbers like 0.8,0.2.") from error


def _processes(samples: int, device: str) -> int:
    """As many as cores, but not for a handful of samples: a process takes seconds to begin."""
    import os

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, samples // 50)) if device == "cpu" else 1


class _Bar:
    """A progress bar with people a second and the time left, shown once there is something to do.

    Args:
        console: Where it is drawn.
        unit: What is counted.
    """

    def __init__(self, console: Console, unit: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        from vitruvian.cli.progress import RateColumn
        from vitruvian.world.make import Progress as Told

        columns = (BarColumn(), MofNCompleteColumn(separator=" of "), RateColumn())
        self._unit = unit
        self._bar = Progress(unit, *columns, TimeRemainingColumn(compact=True), console=console)
        self.progress = Told(self._begin, self._advance)

    def _begin(self, done: int, total: int) -> None:
        self._bar.start()
        self._task = self._bar.add_task("", total=total, completed=done, unit=self._unit)

    def _advance(self, people: int) -> None:
        self._bar.advance(self._task, people)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None and self._bar.live.is_started:
            # A person of whom nothing is seen was counted before, and is not written.
            self._bar.update(self._task, total=self._bar.tasks[0].completed)
        self._bar.stop()
