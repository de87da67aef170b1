"""`vitruvian analyze`: people in photos and videos → records, drawings and a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as Bar
from rich.progress import TaskID as BarID
from rich.text import Text

from vitruvian.cli.output import print_json, say
from vitruvian.core.errors import UnknownNameError, VitruvianError

if TYPE_CHECKING:
    from vitruvian.people.options import RunOptions, Watcher
    from vitruvian.people.sources import Source
    from vitruvian.people.summary import Outcome, Summary

EPILOG = """
Examples:

  vitruvian analyze photo.jpg                     into vitruvian-out

  vitruvian analyze holiday/ --out people         a folder, with sub-folders

  vitruvian analyze holiday/ --out people         again: goes on, does new ones

  vitruvian analyze "cup/*.mp4" --height 480      finds smaller people, slower

  vitruvian analyze camera:0                      a webcam, until ^C

A camera or stream cannot be read twice: a recording that was killed is closed by the next run.
"""


def analyze(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT…",
            help="Photos, videos, folders (with their sub-folders), globs, camera:0, stream URLs.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(metavar="DIR", help="Folder for the results; an interrupted run goes on."),
    ] = "vitruvian-out",
    height: Annotated[
        int,
        typer.Option(
            min=32, max=4096, help="Input height of the pose network: more finds smaller people."
        ),
    ] = 368,
    scales: Annotated[
        str,
        typer.Option(metavar="LIST", help="Multiples of the height to average, such as 1.0,0.5."),
    ] = "1.0",
    faces: Annotated[bool, typer.Option(help="Look for faces.")] = True,
    smooth: Annotated[bool, typer.Option(help="Smooth the joints of a video.")] = True,
    annotate: Annotated[bool, typer.Option(help="Write drawn copies into DIR/annotated.")] = True,
    max_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Stop each video or stream after so many frames.", metavar="N"),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, max=1024, help="Video frames that go through together.")
    ] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, 32 or bf16.")] = "auto",
    backend: Annotated[str, typer.Option(help="auto, torch or onnxruntime.")] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew: removes what a run made in DIR.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")
    ] = False,
) -> None:
    """Find people, their joints and their faces in photos and videos.

    DIR gets people.jsonl (a line a picture), people.csv, coco.json, run.json, drawn copies in
    annotated/, and report.html, one page to send on. The same command again goes on where it was
    interrupted, does photos that are new, or says that all is done.
    """
    options = _options(
        height=height,
        scales=_parse_scales(scales),
        faces=faces,
        smooth=smooth,
        batch_size=batch_size,
        device=device,
        precision=precision,
        backend=backend,
        max_frames=max_frames,
        annotate=annotate,
    )
    errors = Console(stderr=True)
    summary = _run(inputs, out, options, errors, overwrite=overwrite)
    _tell(summary, errors if as_json else Console())
    for sentence in summary.problems:
        say(sentence)
    if as_json:
        print_json(_as_dict(summary))
    if summary.problems:
        raise typer.Exit(1)


def _parse_scales(text: str) -> tuple[float, ...]:
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale <= 8 for scale in scales):
        raise VitruvianError(
            f"--scales must be numbers in (0, 8] with commas, such as 1.0,0.5, not {text!r}."
        )
    return scales


def _options(**options: Any) -> RunOptions:
    from vitruvian.people.options import RunOptions

    for name, known in (
        ("precision", ("auto", "32", "bf16")),
        ("backend", ("auto", "torch", "onnxruntime")),
    ):
        if options[name] not in known:
            raise UnknownNameError(name, options[name], known)
    return RunOptions(**options)


def _run(
    inputs: list[str], out: str, options: RunOptions, console: Console, *, overwrite: bool
) -> Summary:
    from vitruvian.people.run import run

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(separator=" of "),
        _RateColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
    ) as progress:
        return run(inputs, out, options, overwrite=overwrite, watcher=_watcher(progress))


class _RateColumn(ProgressColumn):
    """Pictures a second, as detected now; those of an earlier run do not count."""

    def render(self, task: Bar) -> Text:
        speed = task.speed if not task.finished else task.finished_speed
        unit = task.fields["unit"]
        return Text(
            f"{speed:.1f} {unit}/s" if speed else f"– {unit}/s", style="progress.data.speed"
        )


def _watcher(progress: Progress) -> Watcher:
    """What shows a run as progress bars: one for all photos, one for each video."""
    from vitruvian.people.options import Watcher

    class Bars(Watcher):
        def begin(self, sources: Sequence[Source]) -> None:
            self.count = sum(source.kind == "photo" for source in sources)
            self.photos: BarID | None = None

        def detector(self, description: dict[str, Any]) -> None:
            progress.console.print(
                f"Runs on {description['device']}.", markup=False, highlight=False, soft_wrap=True
            )

        def source(self, source: Source, frames: int | None) -> None:
            if source.kind != "photo":
                name = source.name.rstrip("/").rpartition("/")[2] or source.name
                self.bar = self._add(name, frames, "frames")
            elif self.photos is None:
                self.bar = self.photos = self._add("photos", self.count, "photos")
            else:
                self.bar = self.photos

        def _add(self, name: str, total: int | None, unit: str) -> BarID:
            short = name if len(name) <= 32 else name[:31] + "…"
            return progress.add_task(escape(_printable(short)), total=total, unit=unit)

        def frames(self, count: int, *, detected: bool) -> None:
            progress.advance(self.bar, count)
            if not detected:  # the speed shown is the network's
                task = next(task for task in progress.tasks if task.id == self.bar)
                progress.reset(self.bar, completed=int(task.completed), total=task.total)

        def source_done(self, outcome: Outcome) -> None:
            if outcome.source.kind != "photo":
                progress.update(self.bar, total=outcome.frames, completed=outcome.frames)
            elif outcome.problem:
                progress.advance(self.bar, 1)

    return Bars()


def _printable(text: str) -> str:
    """A file name on one line, as far as a terminal can show it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _tell(summary: Summary, console: Console) -> None:
    """Say what was found and where it lies."""
    counts = summary.counts
    pictures = []
    if counts["photos"]:
        pictures.append(_number(counts["photos"], "photo"))
    if counts["videos"]:
        frames = counts["frames"] - counts["photos"]
        pictures.append(f"{_number(counts['videos'], 'video')} ({_number(frames, 'frame')})")
    lines = []
    if summary.already:
        lines.append("All of this was done before; nothing was left to do.")
    if pictures:
        people = _number(counts["people"], "person", "people")
        faces = _number(counts["faces"], "face")
        lines.append(f"{people} and {faces} in {' and '.join(pictures)}.")
    if summary.annotated:
        lines.append(f"Drawn copies:  {summary.out / 'annotated'}")
    lines.append(f"Report:        {summary.out / 'report.html'}")
    lines.append(f"Records:       {summary.out / 'people.jsonl'}")
    if summary.problems:
        lines.append(f"{_number(len(summary.problems), 'input')} with a problem:")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _number(count: int, word: str, words: str | None = None) -> str:
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def _as_dict(summary: Summary) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "out": str(summary.out),
        **summary.counts,
        "problems": list(summary.problems),
        "already_done": summary.already,
        "device": summary.record["device"],
        "timings": summary.record["timings"],
    }
