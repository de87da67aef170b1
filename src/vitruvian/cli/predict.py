"""`vitruvian predict`: one system on pictures."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from vitruvian.cli.output import print_json
from vitruvian.core.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from vitruvian.core.records import Frame

EPILOG = """
Examples:

  vitruvian predict pose/openpose photo.jpg

  vitruvian predict pose/simple_baseline crop.jpg --weights runs/mine/weights.safetensors

  vitruvian predict pose/simple_baseline photo.jpg --box 40,20,180,400 --box 200,30,330,410 \\
      --weights pose_resnet_50_256x192.pth.tar
"""


def predict(
    system: Annotated[str, typer.Argument(help="A system; vitruvian systems lists them.")],
    inputs: Annotated[list[str], typer.Argument(metavar="PHOTO…", help="Photos.")],
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE|NAME", help="A checkpoint, or a name from the card."),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="X1,Y1,X2,Y2", help="A person's box in pixels; may be repeated."),
    ] = None,
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Folder for the results.")
    ] = "vitruvian-predict",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, 32 or bf16.")] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")
    ] = False,
) -> None:
    """Run one system on photos: a drawn copy of each, and records.jsonl with a line each.

    A top-down system reads one person a box; without boxes the whole photo is one person.
    """
    from vitruvian.core.device import Precision
    from vitruvian.core.files import whole_file
    from vitruvian.core.load import load
    from vitruvian.people.photos import read_photo

    boxes = [_box(text) for text in box or []]
    if precision not in get_args(Precision):
        raise UnknownNameError("precision", precision, get_args(Precision))
    names = [Path(name).name for name in inputs]
    if len(set(names)) < len(names):
        raise InputError("Two photos have the same name: give them in two runs with another --out.")
    images = [read_photo(name) for name in inputs]
    if boxes and len(images) > 1:
        raise InputError("--box is for one photo: give the photos one by one.")
    for x1, y1, x2, y2 in boxes:
        height, width = images[0].shape[:2]
        if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
            raise InputError(f"The box {x1},{y1},{x2},{y2} lies outside of {inputs[0]}.")
    found = _run(load(system, weights, device, cast("Precision", precision)), images, boxes, system)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    frames = [replace(frame, source=name) for frame, name in zip(found, inputs, strict=True)]
    for frame, name in zip(frames, names, strict=True):
        drawn = frame.draw()
        with whole_file(folder / Path(name).with_suffix(".png")) as part:
            drawn.save(part)
    records = [frame.to_dict() for frame in frames]
    with whole_file(folder / "records.jsonl") as part:
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        part.write_text(lines, encoding="utf-8")
    if as_json:
        print_json({"out": str(folder), "frames": records})
    else:
        people = sum(len(frame) for frame in frames)
        typer.echo(f"{people} people in {len(frames)} photos: {folder / 'records.jsonl'}")


def _run(
    system: Any, images: Sequence[Any], boxes: Sequence[tuple[float, ...]], name: str
) -> list[Frame]:
    if not boxes:
        return [system.predict([image])[0] for image in images]
    if "boxes" not in inspect.signature(system.predict).parameters:
        raise InputError(f"{name} finds people by itself: leave --box out.")
    return list(system.predict(images, [boxes]))


def _box(text: str) -> tuple[float, ...]:
    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--box {text} is not four numbers: x1,y1,x2,y2 in pixels.") from error
    if not (x1 < x2 and y1 < y2):
        raise InputError(f"--box {text} has no area: give x1,y1,x2,y2 with x1 < x2 and y1 < y2.")
    return x1, y1, x2, y2
