"""`vitruvian analyze`: people in photos and videos → records, drawings and a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from vitruvian.cli.output import JsonOption, print_json, say
from vitruvian.cli.progress import Bars
from vitruvian.core.errors import UnknownNameError, VitruvianError

if TYPE_CHECKING:
    from vitruvian.people.options import RunOptions
    from vitruvian.people.summary import Summary

EPILOG = """
Examples:

  vitruvian analyze photo.jpg                  into vitruvian-out

  vitruvian analyze holiday/ --out people      a folder, with sub-folders

  vitruvian analyze holiday/ --out people      again: goes on, does new ones

  vitruvian analyze "cup/*.mp4" --height 736   smaller people, slower

  vitruvian analyze cup.mp4 --height 256 --scales 1   faster, coarser

  vitruvian analyze gym.mp4 --pose accurate    a second look at each person: 26 joints

  vitruvian analyze gym.mp4 --pose wholebody   133: feet, face and fingers, too

  vitruvian analyze cup.mp4 --futures          where people may go, in its copies

  vitruvian analyze camera:0                   a webcam, until ^C

A recording of a camera or stream that was killed is closed by the next run.
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
    ] = 480,
    scales: Annotated[
        str,
        typer.Option(metavar="LIST", help="Multiples of the height at which each picture is read."),
    ] = "1.0,0.57",
    pose: Annotated[
        str,
        typer.Option(
            metavar="fast|accurate|wholebody|FILE",
            help="How joints are read: at once; or again in each person's box, by an embedded "
            "network or by the weights of a top-down system of yours.",
        ),
    ] = "fast",
    faces: Annotated[bool, typer.Option(help="Look for faces.")] = True,
    smooth: Annotated[bool, typer.Option(help="Smooth the joints of a video.")] = True,
    annotate: Annotated[bool, typer.Option(help="Write drawn copies into DIR/annotated.")] = True,
    futures: Annotated[
        bool, typer.Option("--futures", help="Draw where people may go into copies of videos.")
    ] = False,
    futures_weights: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Others of motion/dscmp, in body heights."),
    ] = None,
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
    as_json: JsonOption = False,
) -> None:
    """Find people, their joints and their faces in photos and videos.

    DIR gets people.jsonl (a line a picture), people.csv, coco.json, run.json, drawn copies in
    annotated/, and report.html, one page to send on. The same command again goes on where it was
    interrupted, does photos that are new, or says that all is done.
    """
    if futures_weights is not None and not futures:
        raise VitruvianError("--futures-weights says what --futures predicts with: give both.")
    if futures and not annotate:
        raise VitruvianError("--futures draws into the copies of videos: leave --no-annotate out.")
    options = _options(
        height=height,
        scales=_parse_scales(scales),
        pose=pose,
        faces=faces,
        smooth=smooth,
        batch_size=batch_size,
        device=device,
        precision=precision,
        backend=backend,
        max_frames=max_frames,
        annotate=annotate,
        futures=(futures_weights or "heights") if futures else None,
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

    with Bars(console) as bars:
        return run(inputs, out, options, overwrite=overwrite, watcher=bars)


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
