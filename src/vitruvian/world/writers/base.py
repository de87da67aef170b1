"""What a writer of a format is: one small file with two functions and a `WRITER`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vitruvian.world.sample import RenderedPerson, Sample, Setting


@dataclass(frozen=True)
class Entry:
    """What a format keeps of one sample.

    Attributes:
        files: Path below the data set's folder → content.
        record: What `Writer.finish` needs of it, as JSON can hold it.
        people: How many people were written, for the count.
    """

    files: Mapping[str, bytes]
    record: Mapping[str, Any] = field(default_factory=dict)
    people: int = 1


@dataclass(frozen=True)
class Record:
    """An entry's record, read again.

    Attributes:
        index: Of the sample.
        part: Of the data set, one of `Writer.parts`.
        content: `Entry.record`.
    """

    index: int
    part: str
    content: Mapping[str, Any]


def _nothing(_: Iterable[Record]) -> Iterator[tuple[str, bytes]]:
    return iter(())


@dataclass(frozen=True)
class Writer:
    """A format.

    Attributes:
        name: On the command line.
        title: One sentence of what is written.
        encode: From a sample, its index and its part to what is kept of it. It must be a function
            of these alone: the same bytes each time.
        finish: From all records, by index, to the files that list them: path, content.
        parts: Names of the data set's parts, as its files have them.
        size: Default width and height of the pictures.
        crowd: Default of the least and the most people in a picture.
        tar: Whether a shard's files are put into one tar instead of side by side.
        render: From seed, index, setting and device to what `encode` takes; None: `render_sample`.
        unit: What is counted: "people" of pictures, or samples by another name.
        samples: How many are made where nothing is said.
        shard: Samples that are made anew where a run was stopped among them.
    """

    name: str
    title: str
    encode: Callable[[Any, str], Entry]
    finish: Callable[[Sequence[Record]], Iterator[tuple[str, bytes]]] = _nothing
    parts: tuple[str, ...] = ("train",)
    size: tuple[int, int] = (320, 240)
    crowd: tuple[int, int] = (1, 1)
    tar: bool = False
    render: Callable[[int, int, Setting, str], Any] | None = None
    unit: str = "people"
    samples: int = 100
    shard: int = 32


def jpeg(image: NDArray[np.uint8], quality: int = 95) -> bytes:
    """An RGB picture as JPEG."""
    return _packed(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])


def png(image: NDArray[np.integer]) -> bytes:
    """Grey or RGB, uint8 or uint16, as PNG."""
    pixels = image[..., ::-1] if image.ndim == 3 else image
    return _packed(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])


def palette_png(labels: NDArray[np.integer], palette: NDArray[np.uint8]) -> bytes:
    """Labels as a PNG with a colour table (colours, 3)."""
    from PIL import Image

    picture = Image.fromarray(labels.astype(np.uint8), mode="P")
    picture.putpalette(palette.astype(np.uint8).ravel().tolist())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _packed(suffix: str, pixels: NDArray[np.integer], options: list[int]) -> bytes:
    _, data = cv2.imencode(suffix, np.ascontiguousarray(pixels), options)
    return bytes(data)


def matlab(arrays: Mapping[str, Any]) -> bytes:
    """A MATLAB 5 file. Its header tells no time, so that the same arrays are the same bytes."""
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, dict(arrays))  # type: ignore[arg-type]
    header = b"MATLAB 5.0 MAT-file, written by vitruvian".ljust(116)
    return header + buffer.getvalue()[116:]


def dump_json(content: Any) -> bytes:
    """JSON in UTF-8."""
    return (json.dumps(content, ensure_ascii=False) + "\n").encode()


def lines(items: Iterable[str]) -> bytes:
    """A text file, an item a line."""
    return "".join(f"{item}\n" for item in items).encode()


def rounded(values: Iterable[Any], digits: int = 2) -> list[Any]:
    """Numbers for a JSON file: rounded, whole ones without a decimal point."""
    result = [round(float(value), digits) for value in values]
    return [int(value) if value.is_integer() else value for value in result]


def seen_people(sample: Sample) -> list[tuple[int, RenderedPerson]]:
    """The people of whom a pixel is seen, with their number in the sample."""
    return [(place, person) for place, person in enumerate(sample.people) if person.box.any()]


def largest_person(sample: Sample) -> RenderedPerson:
    """The person with the largest box."""

    def area(person: RenderedPerson) -> float:
        return float((person.box[2] - person.box[0]) * (person.box[3] - person.box[1]))

    return max(sample.people, key=area)


def by_part(records: Sequence[Record], part: str) -> list[Record]:
    """The records of a part."""
    return [record for record in records if record.part == part]
