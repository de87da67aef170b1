"""`vitruvian.analyze`: people in photos, videos and arrays, as records.

>>> import vitruvian
>>> frame = vitruvian.analyze("photo.jpg")                # doctest: +SKIP
>>> frame[0].pose["nose"]                                 # doctest: +SKIP
>>> frame.draw().save("drawn.jpg")                        # doctest: +SKIP
>>> for frame in vitruvian.analyze("clip.mp4"):           # doctest: +SKIP
...     print(frame.seconds, [person.id for person in frame])
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.records import Frame
from vitruvian.people.refining import FAST
from vitruvian.people.sources import Source, find_sources
from vitruvian.pose.openpose.detection import HEIGHT, SCALES

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from vitruvian.core.device import Precision
    from vitruvian.core.inference import Backend
    from vitruvian.people.options import Detector

_PRECISIONS = ("auto", "32", "bf16")
_BACKENDS = ("auto", "torch", "onnxruntime")


class Options(TypedDict, total=False):
    """The options of `analyze`, for type checkers."""

    rate: float
    height: int
    scales: Sequence[float]
    faces: bool
    smooth: bool
    batch_size: int
    device: str
    precision: Precision
    backend: Backend
    pose: str


@overload
def analyze(
    input: NDArray[Any] | Image.Image | torch.Tensor, **options: Unpack[Options]
) -> Frame: ...


@overload
def analyze(input: list[Any] | tuple[Any, ...], **options: Unpack[Options]) -> list[Frame]: ...


@overload
def analyze(input: Any, **options: Unpack[Options]) -> Any: ...  # a path may be either


def analyze(
    input: Any,  # noqa: A002  (what it is)
    *,
    rate: float = 25.0,
    height: int = HEIGHT,
    scales: Sequence[float] = SCALES,
    faces: bool = True,
    smooth: bool = True,
    batch_size: int = 8,
    device: str = "auto",
    precision: Precision = "auto",
    backend: Backend = "auto",
    pose: str = FAST,
) -> Frame | list[Frame] | Iterator[Frame]:
    """Find people, their joints and their faces.

    Args:
        input: One picture: the path of a photo, a NumPy array (height, width), (height, width, 3)
            RGB or (height, width, 4) RGBA, of uint8, uint16, bool, or floats in [0, 1]; a PIL
            image; a torch tensor (3, height, width) or (1, height, width) of the same types. A list
            or tuple of those. Or moving pictures: the path of a video, `"camera:0"`, the URL of a
            stream, or an iterator of frames, each a picture as above but no path.
        rate: Frames a second of an iterator of frames; a video says its own.
        height: Of the pose network's input, in pixels; more finds smaller people, and is slower.
        scales: The picture is read at these multiples of `height`.
        faces: Whether faces are looked for.
        smooth: Whether the joints of a moving picture are smoothed over time.
        batch_size: Frames that go through the networks together.
        device: "auto" (CUDA, else Apple's MPS, else the CPU), or a torch device.
        precision: "auto", "32" or "bf16".
        backend: "auto", "torch" or "onnxruntime".
        pose: "fast": the 18 joints that are found at once. "accurate": 26 that another network
            reads in each person's box; "wholebody": 133, with face and fingers. Or the file of a
            top-down system's weights (`weights.safetensors` of a run), which reads its own joints.

    Returns:
        Of one picture a `Frame`, of a list a list of them: people are numbered from 1. Of moving
        pictures an iterator that reads as it is asked, in constant memory: people keep their number
        from frame to frame. Each frame keeps its `image`, so that `frame.draw()` works.

    Raises:
        InputError: a file, camera or stream cannot be read, or an array is no picture.
        ValueError: an option has no sense.
    """
    _check_options(height, scales, batch_size, rate, precision, backend)
    detector = _detector(
        height, tuple(map(float, scales)), bool(faces), str(device), precision, backend, pose
    )
    if isinstance(input, list | tuple):
        return list(_pictures(detector, input, batch_size))
    if isinstance(input, str | os.PathLike):
        source = _one_source(input)
        if source.kind != "photo":
            return _video(detector, source, smooth=smooth, batch_size=batch_size)
        return next(_pictures(detector, [input], 1))
    if _is_picture(input):
        return next(_pictures(detector, [input], 1))
    if isinstance(input, Iterable):
        return _frames(detector, iter(input), rate, smooth=smooth, batch_size=batch_size)
    raise InputError(
        f"A {type(input).__name__} cannot be analyzed: give a path, an array, a PIL image, a "
        "tensor, a list of those, or an iterator of frames."
    )


def _check_options(
    height: int,
    scales: Sequence[float],
    batch_size: int,
    rate: float,
    precision: str,
    backend: str,
) -> None:
    if not 32 <= height <= 4096:
        msg = f"height must lie between 32 and 4096, not {height}."
        raise ValueError(msg)
    if not scales or not all(0 < scale <= 8 for scale in scales):
        msg = f"scales must be numbers in (0, 8], not {scales!r}."
        raise ValueError(msg)
    if batch_size < 1:
        msg = f"batch_size must be 1 or more, not {batch_size}."
        raise ValueError(msg)
    if not 0 < rate < float("inf"):
        msg = f"rate must be a number of frames a second, not {rate}."
        raise ValueError(msg)
    for kind, name, known in (
        ("precision", precision, _PRECISIONS),
        ("backend", backend, _BACKENDS),
    ):
        if name not in known:
            raise UnknownNameError(kind, str(name), known)


@lru_cache(maxsize=2)
def _detector(
    height: int,
    scales: tuple[float, ...],
    faces: bool,
    device: str,
    precision: Precision,
    backend: Backend,
    pose: str,
) -> Detector:
    """A detector; the last two are kept, since loading takes longer than a photo."""
    from vitruvian.people.detector import PeopleDetector

    return PeopleDetector(
        height=height,
        scales=scales,
        faces=faces,
        device=device,
        precision=precision,
        backend=backend,
        pose=pose,
    )


def _one_source(path: str | os.PathLike[str]) -> Source:
    text = os.fspath(path)
    if Path(text).is_dir():
        raise InputError(
            f"{text} is a folder: give one photo or video, a list of photos, or run "
            "`vitruvian analyze` on it."
        )
    sources, problems = find_sources([text])
    if problems:
        raise InputError(problems[0])
    if len(sources) > 1:
        raise InputError(f"{text} matches {len(sources)} files: give them as a list.")
    return sources[0]


def _pictures(detector: Detector, pictures: Sequence[Any], batch_size: int) -> Iterator[Frame]:
    """Pictures that have nothing to do with each other, `batch_size` in memory at a time."""
    for start in range(0, len(pictures), batch_size):
        batch = [
            _load(picture, start + place)
            for place, picture in enumerate(pictures[start : start + batch_size])
        ]
        found = detector.detect([image for _, image in batch], look_again=True)
        for (name, image), (people, faces) in zip(batch, found, strict=True):
            numbered = tuple(replace(person, id=place) for place, person in enumerate(people, 1))
            yield Frame(name, 0, 0.0, image.shape[1], image.shape[0], numbered, faces, image)


def _load(picture: Any, place: int) -> tuple[str, NDArray[np.uint8]]:
    """Name and pixels of a picture."""
    if not isinstance(picture, str | os.PathLike):
        return f"picture {place}", as_rgb(picture)
    from vitruvian.people.photos import read_photo

    source = _one_source(picture)
    if source.kind != "photo":
        raise InputError(
            f"{source.name} is a {source.kind}, and a list holds photos: give it alone."
        )
    return source.name, read_photo(source.location)


def _video(detector: Detector, source: Source, *, smooth: bool, batch_size: int) -> Iterator[Frame]:
    from vitruvian.people.video import VideoReader

    reader = VideoReader(source.location)  # at once: what cannot be opened is said by the call

    def read() -> Iterator[Frame]:
        with reader:
            pictures = ((frame.seconds, frame.image) for frame in reader)
            yield from _follow(detector, source.name, pictures, smooth, batch_size)

    return read()


def _frames(
    detector: Detector, frames: Iterator[Any], rate: float, *, smooth: bool, batch_size: int
) -> Iterator[Frame]:
    pictures = ((place / rate, as_rgb(frame)) for place, frame in enumerate(frames))
    return _follow(detector, "frames", pictures, smooth, batch_size)


def _follow(
    detector: Detector,
    name: str,
    pictures: Iterator[tuple[float, NDArray[np.uint8]]],
    smooth: bool,
    batch_size: int,
) -> Iterator[Frame]:
    from vitruvian.people.tracking import Follower

    follower = Follower(smooth=smooth)
    index = 0
    while batch := list(islice(pictures, batch_size)):
        found = detector.detect([image for _, image in batch])
        for (seconds, image), (people, faces) in zip(batch, found, strict=True):
            height, width = image.shape[:2]
            yield follower.follow(Frame(name, index, seconds, width, height, people, faces, image))
            index += 1


def _is_picture(value: Any) -> bool:
    return isinstance(value, np.ndarray) or hasattr(value, "getexif") or _is_tensor(value)


def _is_tensor(value: Any) -> bool:
    # Without importing torch: whoever has a tensor has torch.
    return hasattr(value, "detach") and hasattr(value, "cpu")


def as_rgb(picture: Any) -> NDArray[np.uint8]:
    """A picture in memory as (height, width, 3) RGB uint8, which is never the caller's own memory.

    Args:
        picture: A NumPy array, PIL image or torch tensor, as in `analyze`.

    Raises:
        InputError: it is none of these, or of a shape, type or range that no picture has.
    """
    if hasattr(picture, "getexif"):
        from vitruvian.people.photos import _upright_rgb

        return _upright_rgb(picture)
    if _is_tensor(picture):
        values = picture.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":
            values = values.float()
        array = values.numpy()
        if array.ndim != 3 or array.shape[0] not in (1, 3, 4):
            raise InputError(
                f"A tensor must be (3, height, width), not {tuple(array.shape)}: give one picture "
                "with its channels first."
            )
        array = np.moveaxis(array, 0, -1)
    elif isinstance(picture, np.ndarray):
        array = picture
    else:
        raise InputError(
            f"A {type(picture).__name__} is no picture: give an array, a PIL image or a tensor."
        )
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise InputError(
            f"An array must be (height, width, 3) RGB, not {picture.shape}: grey (height, width) "
            "and RGBA are taken, too."
        )
    pixels = _as_bytes(array)
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    if pixels.shape[2] == 4:  # on white, as photos are read
        opacity = pixels[..., 3:].astype(np.float32) / 255
        mixed = pixels[..., :3] * opacity + 255 * (1 - opacity)
        return np.rint(mixed).astype(np.uint8)
    return np.ascontiguousarray(pixels)


def _as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Values of any type as uint8, copied."""
    if array.dtype == np.uint8:
        return array.copy()
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):
            raise InputError(
                f"A picture of floats must lie in [0, 1], not in [{low:g}, {high:g}]: divide by "
                "its largest value, or give uint8."
            )
        return np.rint(array.astype(np.float32) * 255).astype(np.uint8)
    raise InputError(f"A picture of {array.dtype} cannot be read: give uint8, or floats in [0, 1].")
