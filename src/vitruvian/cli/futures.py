"""`vitruvian predict` for systems that take tracks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from vitruvian.cli.output import print_json, say
from vitruvian.core.errors import InputError
from vitruvian.core.files import whole_file


@dataclass(frozen=True)
class TrackOptions:
    """Options of `vitruvian predict` that only tracks have; see there."""

    scene: str | None = None
    homography: str | None = None
    frame: int | None = None
    samples: int | None = None

    def refuse(self, system: str) -> None:
        """Raises InputError where one of them is given to a system that takes photos."""
        for name in ("scene", "homography", "frame", "samples"):
            if getattr(self, name) is not None:
                raise InputError(f"{system} takes photos: leave --{name} out.")


def predict_futures(
    load: Callable[[str], Any],
    inputs: Sequence[str],
    out: str,
    options: TrackOptions,
    *,
    as_json: bool,
) -> None:
    """Write futures.json, futures.csv and a picture for each scene of track files.

    Args:
        load: Gives the system for tracks of a unit; called once the files are known to be right.
        inputs: The track files.
        out: The folder.
        options: What else was given.
        as_json: Whether the last line of stdout is one JSON object.

    Raises:
        InputError: a file cannot be read; nothing is written then.
    """
    from vitruvian.motion.datasets.files import read_tracks
    from vitruvian.motion.homography import read_homography
    from vitruvian.people.photos import read_photo

    image = read_photo(options.scene) if options.scene else None
    matrix = read_homography(options.homography) if options.homography else None
    if matrix is not None and image is None:
        raise InputError("A homography needs the picture that it is for: give --scene.")
    tracks = [scene for file in inputs for scene in read_tracks(file)]
    futures = load(tracks[0].unit).predict(tracks, frame=options.frame, samples=options.samples)
    drawn = []
    for found, scene in zip(futures, tracks, strict=True):
        drawn.append(found.draw(image, scene.to_pixels if matrix is None else matrix))
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    written = []
    for number, (found, picture) in enumerate(zip(futures, drawn, strict=True)):
        name = "futures" if len(futures) == 1 else f"futures_{number:03d}"
        with whole_file(folder / f"{name}.json") as part:
            part.write_text(json.dumps(found.to_dict()) + "\n", encoding="utf-8")
        with whole_file(folder / f"{name}.csv") as part:
            part.write_text(found.to_csv(), encoding="utf-8")
        with whole_file(folder / f"{name}.png") as part:
            picture.save(part)
        written.append(str(folder / f"{name}.json"))
    people = sum(map(len, futures))
    told = f"Futures of {people} {'person' if people == 1 else 'people'}: {', '.join(written)}"
    (say if as_json else typer.echo)(told)
    if as_json:
        print_json({"out": str(folder), "futures": [found.to_dict() for found in futures]})
