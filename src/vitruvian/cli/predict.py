"""`vitruvian predict`: one system on pictures, or on tracks."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from vitruvian.cli.output import JsonOption, print_json, say
from vitruvian.core.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vitruvian.core.records import Frame

EPILOG = """
Examples:

  vitruvian predict pose/openpose photo.jpg

  vitruvian predict pose/openpose photo.jpg --weights pose_iter_584000.pth --hands hand.pth

  vitruvian predict image/classification photo.jpg --weights runs/mine/weights.safetensors

  vitruvian predict pose/simple_baseline crop.jpg --weights runs/mine/weights.safetensors

  vitruvian predict pose/simple_baseline photo.jpg --box 40,20,180,400 --box 200,30,330,410 \\
      --weights pose_resnet_50_256x192.pth.tar

  vitruvian predict motion/dscmp tracks.txt --scene image.jpg --homography H.txt
"""


def predict(
    system: Annotated[str, typer.Argument(help="A system; vitruvian systems lists them.")],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT…", help="Photos; track files for a system of tracks."),
    ],
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE|NAME", help="A checkpoint, or a name from the card."),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="X1,Y1,X2,Y2", help="A person's box in pixels; may be repeated."),
    ] = None,
    face: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="OpenPose: weights of its face network, 70 points."),
    ] = None,
    hands: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="OpenPose: weights of its hand network, 21 points."),
    ] = None,
    scene: Annotated[
        str | None, typer.Option(metavar="PHOTO", help="Tracks: the scene, to draw on.")
    ] = None,
    homography: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Tracks: 3×3 numbers, from the scene's pixels to metres."
        ),
    ] = None,
    frame: Annotated[
        int | None, typer.Option(help="Tracks: the frame that is now; the last if left out.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Tracks: futures a person; 20 at first.")
    ] = None,
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Folder for the results.")
    ] = "vitruvian-predict",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, 32 or bf16.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Run one system on photos: a drawn copy of each, and records.jsonl with a line each.

    A top-down system reads one person a box; without boxes the whole photo is one person.

    A system of tracks writes futures.json, futures.csv and a picture. A track file has rows of
    frame, person, x, y in metres; TrajNet++'s and SDD's files and people.jsonl are read, too.
    """
    from vitruvian.cli.futures import TrackOptions, predict_futures
    from vitruvian.core.card import find_card
    from vitruvian.core.device import Precision
    from vitruvian.core.load import load

    boxes = [_box(text) for text in box or []]
    if precision not in get_args(Precision):
        raise UnknownNameError("precision", precision, get_args(Precision))

    details = {key: file for key, file in (("face", face), ("hands", hands)) if file is not None}
    if details and find_card(system).path != "pose/openpose":
        raise InputError(
            f"{system} has no networks of faces and hands: leave --{min(details)} out."
        )

    def loaded(unit: str = "") -> Any:
        """The system; of tracks with the card's weights for their unit, where none are given."""
        own = unit if unit in [entry.name for entry in find_card(system).weights] else None
        return load(system, weights or own, device, cast("Precision", precision), **details)

    options = TrackOptions(scene, homography, frame, samples)
    if find_card(system).takes == "tracks":
        if boxes:
            raise InputError(f"{system} takes tracks: leave --box out.")
        predict_futures(loaded, inputs, out, options, as_json=as_json)
    else:
        options.refuse(system)
        _predict_photos(loaded, system, inputs, boxes, out, as_json=as_json)


def _predict_photos(
    load: Callable[[], Any],
    system: str,
    inputs: Sequence[str],
    boxes: Sequence[tuple[float, ...]],
    out: str,
    *,
    as_json: bool,
) -> None:
    from vitruvian.core.files import whole_file
    from vitruvian.people.photos import read_photo

    if boxes and len(inputs) > 1:
        raise InputError("--box is for one photo: give the photos one by one.")
    names = [f"{Path(name).stem}.png" for name in inputs]
    if len({name.casefold() for name in names}) < len(names):
        raise InputError("Two photos have the same name: give them in two runs with another --out.")
    # What is wrong with an only photo is said before a network is loaded.
    only = read_photo(inputs[0]) if len(inputs) == 1 else None
    if only is not None:
        _check_boxes(boxes, only, inputs[0])
    loaded = load()
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    records: list[dict[str, Any]] = []
    problems = []
    for name, drawn in zip(inputs, names, strict=True):
        try:
            image = read_photo(name) if only is None else only
        except InputError as error:
            problems.append(str(error))
            continue
        frame = replace(_run(loaded, image, boxes, system), source=name)
        records.append(frame.to_dict())
        with whole_file(folder / drawn) as part:
            frame.draw().save(part)
    with whole_file(folder / "records.jsonl") as part:
        part.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    found = [record["people"] for record in records if "people" in record]
    what = f"{sum(map(len, found))} people" if found or not records else "labels"
    told = f"{what} in {len(records)} photos: {folder / 'records.jsonl'}"
    (say if as_json else typer.echo)(told)
    for problem in problems:
        say(problem)
    if as_json:
        print_json({"out": str(folder), "frames": records, "problems": problems})
    if problems:
        raise typer.Exit(1)


def _check_boxes(boxes: Sequence[tuple[float, ...]], image: NDArray[np.uint8], name: str) -> None:
    height, width = image.shape[:2]
    for x1, y1, x2, y2 in boxes:
        if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
            raise InputError(f"The box {x1},{y1},{x2},{y2} lies outside of {name}.")


def _run(
    system: Any, image: NDArray[np.uint8], boxes: Sequence[tuple[float, ...]], name: str
) -> Frame:
    if boxes and "boxes" not in inspect.signature(system.predict).parameters:
        raise InputError(f"{name} finds people by itself: leave --box out.")
    frames = system.predict([image], [boxes]) if boxes else system.predict([image])
    return cast("Frame", frames[0])


def _box(text: str) -> tuple[float, ...]:
    try:
        x1, y1, x2, y2 = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--box {text} is not four numbers: x1,y1,x2,y2 in pixels.") from error
    if not (x1 < x2 and y1 < y2):
        raise InputError(f"--box {text} has no area: give x1,y1,x2,y2 with x1 < x2 and y1 < y2.")
    return x1, y1, x2, y2
