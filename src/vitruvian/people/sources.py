"""Sources: what the user's inputs stand for: photos, videos, cameras and streams."""

from __future__ import annotations

import difflib
import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vitruvian.core.errors import InputError
from vitruvian.people.photos import PHOTO_FORMATS

Kind = Literal["photo", "video", "camera", "stream"]

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for names in (
        ("mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "m2v", "vob", "mxf"),
        ("ts", "mts", "m2ts", "wmv", "asf", "flv", "3gp", "3g2", "ogv", "y4m", "mjpg"),
    )
    for name in names
)

# HEIC is known so that a folder of telephone pictures names what it leaves out.
_SUFFIXES = frozenset(PHOTO_FORMATS) | VIDEO_SUFFIXES | {".heic", ".heif"}

# Here and not in video.py, which loads FFmpeg.
STREAM = re.compile(r"(rtsps?|https?|rtmps?|udp|tcp|rtp|srt)://", re.IGNORECASE)

_PHOTO_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM.{4}\0\0\0\0|II[*+]\0|MM\0[*+]|RIFF.{4}WEBP"
    rb"|P[1-6][\s#]|\0\0\0\x0cjP  |\xff\x4f\xff\x51"
    rb"|.{4}ftyp(avif|avis|heic|heix|hevc|hevx|mif1|msf1)",
    re.DOTALL,
)
_VIDEO_MAGIC = re.compile(
    rb".{4}(ftyp|moov|mdat|free|skip|wide|pnot)|\x1aE\xdf\xa3|RIFF.{4}AVI "
    rb"|FLV\x01|\0\0\x01[\xb3\xba]|0&\xb2u\x8ef\xcf\x11|OggS|YUV4MPEG2|\x06\x0e\x2b\x34|\0?\0\0\x01[\x09\x40\x42\x67]"
    rb"|G.{187}G|.{4}G.{191}G",
    re.DOTALL,
)


@dataclass(frozen=True)
class Source:
    """One thing to read.

    Attributes:
        name: What records show: the path as it was given; in a folder, the folder as given and
            the path in it; the words of a camera or the URL of a stream.
        kind: "photo", "video", "camera" or "stream".
        location: What `read_photo` or `VideoReader` opens.
    """

    name: str
    kind: Kind
    location: str


def find_sources(inputs: Sequence[str | Path]) -> tuple[list[Source], list[str]]:
    """What the inputs stand for, in their order; folders and globs in natural order.

    An input is a photo, a video, a folder (read with its sub-folders), a glob, `camera:0`, or the
    URL of a stream. Photo or video is decided by content, not by suffix. In a folder or glob,
    hidden files, files without a known suffix, and the `annotated` folder beside a `people.jsonl`
    are left out. A file that is named twice is done once.

    Returns:
        The sources, and one sentence for each file that is no photo or video or cannot be read
        (the others are still to be done). Both may be empty only where `inputs` is.

    Raises:
        InputError: a named file does not exist, or a folder or glob holds no photo or video.
    """
    sources: list[Source] = []
    problems: list[str] = []
    seen: set[str] = set()
    for given in inputs:
        text = str(given)
        if text.startswith("camera:"):
            found = [Source(text, "camera", text)]
        elif STREAM.match(text):
            found = [Source(text, "stream", text)]
        else:
            found = []
            for path in _paths(text, problems):
                identity = os.path.realpath(path)
                if identity in seen:
                    continue
                seen.add(identity)
                kind, problem = _look(path)
                if kind:
                    found.append(Source(path, kind, path))
                else:
                    problems.append(problem)
        sources += [source for source in found if source not in sources]
    return sources, problems


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts "photo 2" before "photo 10", and does not mind case."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name.casefold())
        if part
    ]


def _paths(text: str, problems: list[str]) -> list[str]:
    """The files that an input names; folders that cannot be read are added to `problems`."""
    before = len(problems)
    if os.path.isdir(text):  # noqa: PTH112  (os.path says False where Path raises: names too long)
        paths = sorted(_media_below(text, problems), key=natural_key)
        if not paths and len(problems) > before:
            raise InputError(problems[before])
        if not paths:
            raise InputError(f"The folder {text} holds no photo or video: give another.")
        return paths
    if os.path.lexists(text):
        return [text]
    if glob.has_magic(text):
        paths = []
        for hit in sorted(glob.glob(text, recursive=True), key=natural_key):  # noqa: PTH207
            if os.path.isdir(hit):  # noqa: PTH112
                paths += sorted(_media_below(hit, problems), key=natural_key)
            elif Path(hit).suffix.lower() in _SUFFIXES:
                paths.append(hit)
        if not paths:
            raise InputError(f"No photo or video matches {text}: check the pattern.")
        return paths
    raise InputError(f"There is no file or folder {text}: {_hint(text)}.")


def _hint(text: str) -> str:
    path = Path(text)
    folder = path.parent
    try:
        names = [other.name for other in folder.iterdir()]
    except FileNotFoundError:
        return f"the folder {folder} does not exist"
    except OSError as error:
        return f"{folder} cannot be read ({error.strerror})"
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {folder / near[0]}" if near else "check the name"


def _media_below(folder: str, problems: list[str]) -> Iterator[str]:
    def note(error: OSError) -> None:
        problems.append(
            f"The folder {error.filename} cannot be read ({error.strerror}): check its permissions."
        )

    for root, folders, files in os.walk(folder, onerror=note):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not (name == "annotated" and "people.jsonl" in files)
        ]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in _SUFFIXES:
                yield os.path.join(root, name)  # noqa: PTH118  (keeps the folder as it was given)


def _look(path: str) -> tuple[Literal["photo", "video"] | None, str]:
    """What a file holds, and where it is neither photo nor video, the sentence that says why."""
    if not Path(path).is_file():
        return None, f"{path} is a broken link or no regular file: leave it out."
    try:
        with Path(path).open("rb") as file:
            head = file.read(400)
    except OSError as error:
        return (
            None,
            f"{path} cannot be read ({error.strerror}): check the file and its permissions.",
        )
    if not head:
        return None, f"{path} is empty: get a whole copy of it."
    if _PHOTO_MAGIC.match(head):
        return "photo", ""
    if _VIDEO_MAGIC.match(head):
        return "video", ""
    return None, f"{path} holds neither a photo nor a video, whatever its name says: leave it out."
