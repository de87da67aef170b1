"""report.html: one page that holds all it needs, for one photo as for thousands.

Its size is bounded: so many thumbnails, rows and points of a chart at most; the rest is in the
files beside it, and the page says so.
"""

from __future__ import annotations

import base64
import contextlib
import html
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from PIL import Image

from vitruvian.core.drawing import draw_frame
from vitruvian.core.errors import InputError
from vitruvian.core.records import Frame
from vitruvian.people.folder import OutFolder
from vitruvian.people.key_frames import KEY_FRAMES, THUMBNAIL, thumbnail
from vitruvian.people.photos import read_photo
from vitruvian.people.report_parts import chart, table

if TYPE_CHECKING:
    from vitruvian.people.sources import Source
    from vitruvian.people.summary import Outcome

MOST_PHOTOS = 48
MOST_VIDEOS = 24
MOST_ROWS = 300
MOST_TRACKS = 40
BINS = 120


@dataclass
class _Track:
    """What the table says of one person of a video."""

    first: float
    last: float = 0.0
    frames: int = 0
    score: float = 0.0
    height: float = 0.0
    faces: int = 0


@dataclass
class _Video:
    """What is gathered of a video while its lines pass."""

    width: int  # frames a bin
    means: list[float] = field(default_factory=lambda: [0.0] * BINS)
    peaks: list[int] = field(default_factory=lambda: [0] * BINS)
    tracks: dict[int, _Track] = field(default_factory=dict)
    keys: dict[int, tuple[float, int]] = field(default_factory=dict)


class Report:
    """Gathers what the page shows while the lines of people.jsonl pass, then renders it.

    Args:
        folder: OUT.
        outcomes: What came of each source.
    """

    def __init__(self, folder: OutFolder, outcomes: Sequence[Outcome]) -> None:
        self._folder = folder
        self._done = {outcome.source.name: outcome for outcome in outcomes if outcome.frames}
        photos = [name for name, item in self._done.items() if item.source.kind == "photo"]
        videos = [name for name, item in self._done.items() if item.source.kind != "photo"]
        self._photo_count, self._video_count = len(photos), len(videos)
        self._shown: dict[str, Mapping[str, Any]] = {name: {} for name in _spread(photos)}
        self._videos: dict[str, _Video] = {}
        for name in videos[:MOST_VIDEOS]:
            video = _Video(max(1, math.ceil(self._done[name].frames / BINS)))
            files = folder.video_work(self._done[name].source).glob("*.jpg")
            video.keys = {int(file.stem): (0.0, 0) for file in files}
            self._videos[name] = video
        self._rows: list[list[str]] = []
        self._photo_people = 0

    def add(self, frame: Mapping[str, Any]) -> None:
        """Take note of a line of people.jsonl."""
        name = frame["source"]
        if name in self._videos:
            self._add_video_frame(self._videos[name], frame)
        elif self._done[name].source.kind == "photo":
            self._photo_people += len(frame["people"])
            if name in self._shown:
                self._shown[name] = frame
            for person in frame["people"][: MOST_ROWS - len(self._rows)]:
                self._rows.append(_photo_row(name, person))

    def _add_video_frame(self, video: _Video, frame: Mapping[str, Any]) -> None:
        people, seconds = frame["people"], frame["seconds"]
        place = min(frame["frame"] // video.width, BINS - 1)
        video.means[place] += len(people) / video.width
        video.peaks[place] = max(video.peaks[place], len(people))
        if frame["frame"] in video.keys:
            video.keys[frame["frame"]] = (seconds, len(people))
        for person in people:
            track = video.tracks.setdefault(person["id"], _Track(seconds))
            track.last = seconds
            track.frames += 1
            track.score += person["score"]
            track.height += person["box"][3] - person["box"][1]
            track.faces += person["face"] is not None

    def render(self, record: Mapping[str, Any]) -> str:
        """The page.

        Args:
            record: What run.json says.
        """
        template = Template(
            resources.files("vitruvian.people").joinpath("report.html").read_text("utf-8")
        )
        only = next(iter(self._done)) if len(self._done) == 1 else None
        title = f"People in {Path(only).name}" if only else "People in pictures"
        when = record["finished"].replace("T", " ").removesuffix("+00:00") + " UTC"
        subtitle = " · ".join(filter(None, (when, record["device"])))
        return template.substitute(
            title=html.escape(title),
            subtitle=html.escape(subtitle),
            version=html.escape(record["vitruvian"]),
            row="340px" if len(self._shown) <= 4 else "190px",
            tiles="".join(_tiles(record)),
            body="\n".join(self._sections(record)),
        )

    def _sections(self, record: Mapping[str, Any]) -> Iterator[str]:
        if record["bad"]:
            items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in record["bad"][:100])
            more = len(record["bad"]) - 100
            items += f"<li>and {more:,} more, in run.json</li>" if more > 0 else ""
            yield '<section class="card problems"><h2>Problems</h2>'
            yield f"<ul>{items}</ul></section>"
        if self._shown:
            yield "<h2>Photos</h2>"
            if len(self._shown) < self._photo_count:
                yield (
                    f'<p class="soft">{len(self._shown)} of {self._photo_count:,} photos, evenly '
                    "chosen; every one is in the folder <code>annotated</code>.</p>"
                )
            yield f'<div class="gallery">{"".join(map(self._photo, self._shown))}</div>'
        if self._videos:
            yield "<h2>Videos</h2>"
            if len(self._videos) < self._video_count:
                yield f'<p class="soft">The first {MOST_VIDEOS} of {self._video_count:,}.</p>'
            for name, video in self._videos.items():
                yield self._video(self._done[name], video)
        if self._rows:
            yield "<h2>People in the photos</h2>"
            if len(self._rows) < self._photo_people:
                yield (
                    f'<p class="soft">The first {MOST_ROWS} of {self._photo_people:,}; all are in '
                    '<a href="people.csv">people.csv</a>.</p>'
                )
            header = ("Photo", "Person", "#Score", "#Joints", "#Height", "#Face")
            yield f'<div class="card scroll">{table(header, self._rows)}</div>'
        yield from _making(record)

    def _photo(self, name: str) -> str:
        outcome = self._done[name]
        size = 1000 if len(self._shown) <= 4 else THUMBNAIL
        picture = self._photo_thumbnail(outcome, size)
        if outcome.annotated:
            picture = f'<a href="{_link(outcome.annotated)}">{picture}</a>'
        caption = f"<span>{_name(Path(name).name)}</span><small>{_people(outcome.people)}</small>"
        frame = self._shown[name]
        shape = min(max(frame["width"] / frame["height"], 0.4), 4)
        style = f'style="--shape:{shape:.3f}"'
        return f"<figure {style}>{picture}<figcaption>{caption}</figcaption></figure>"

    def _photo_thumbnail(self, outcome: Outcome, size: int) -> str:
        # A picture may be gone since, or be one that Pillow writes but does not read.
        with contextlib.suppress(OSError, ValueError, InputError):
            if outcome.annotated:
                with Image.open(self._folder.path / outcome.annotated) as image:
                    return _picture(thumbnail(image, size))
            pixels = read_photo(outcome.source.location)
            frame = Frame.from_dict(self._shown[outcome.source.name])
            return _picture(thumbnail(Image.fromarray(draw_frame(pixels, frame)), size))
        return ""

    def _video(self, outcome: Outcome, video: _Video) -> str:
        length = f"{outcome.seconds:.1f} s" if outcome.seconds < 100 else _clock(outcome.seconds)
        facts = [length, f"{outcome.frames:,} frames", f"{outcome.tracks:,} tracks"]
        facts.append(f"at most {_people(outcome.most)} at once")
        link = ""
        if outcome.annotated:
            link = f'<a href="{_link(outcome.annotated)}">Open the drawn video</a>'
        parts = [
            f'<div class="head"><h3>{_name(_short(outcome.source))}</h3>{link}</div>',
            f'<p class="soft">{" · ".join(facts)}</p>',
            chart(self._bins(outcome, video), video.peaks, outcome.seconds),
            self._key_frames(outcome, video),
        ]
        if video.tracks:
            order = sorted(video.tracks.items(), key=lambda item: -item[1].frames)[:MOST_TRACKS]
            rows = [_track_row(number, track) for number, track in sorted(order)]
            header = ("Person", "#From", "#To", "#Frames", "#Score", "#Height", "#Face seen")
            parts.append(f'<div class="scroll">{table(header, rows)}</div>')
            if len(video.tracks) > MOST_TRACKS:
                parts.append(
                    f'<p class="soft">The {MOST_TRACKS} longest seen of {len(video.tracks):,}.</p>'
                )
        return f'<section class="card">{"".join(parts)}</section>'

    def _bins(self, outcome: Outcome, video: _Video) -> list[float]:
        """Mean count in each bin that holds frames; the last may hold fewer than the others."""
        used = math.ceil(outcome.frames / video.width)
        means = video.means[:used]
        last = outcome.frames - (used - 1) * video.width
        means[-1] *= video.width / last
        return means

    def _key_frames(self, outcome: Outcome, video: _Video) -> str:
        folder = self._folder.video_work(outcome.source)
        best = sorted(video.keys, key=lambda index: -video.keys[index][1])[:KEY_FRAMES]
        figures = []
        for index in sorted(best):
            seconds, count = video.keys[index]
            with contextlib.suppress(OSError):
                picture = _picture((folder / f"{index}.jpg").read_bytes())
                caption = f"<span>{seconds:.1f} s</span><small>{_people(count)}</small>"
                figures.append(f"<figure>{picture}<figcaption>{caption}</figcaption></figure>")
        return f'<div class="strip">{"".join(figures)}</div>' if figures else ""


def _tiles(record: Mapping[str, Any]) -> Iterator[str]:
    counts, inputs = record["counts"], record["inputs"]
    in_photos = sum(item["people"] for item in inputs if item["kind"] == "photo")
    shown = {
        "photos": counts["photos"],
        "people in photos": in_photos,
        "videos": counts["videos"],
        "video frames": counts["frames"] - counts["photos"],
        "tracks of people": counts["tracks"],
        "faces in all": counts["faces"],
        "problems": len(record["bad"]),
    }
    for label, value in shown.items():
        if value or (label == "people in photos" and counts["photos"]):
            yield f'<div class="tile"><b>{value:,}</b><span>{label}</span></div>'


def _making(record: Mapping[str, Any]) -> Iterator[str]:
    """Which systems and weights made the page, with which options, and how long it took."""
    if record["systems"]:
        yield "<h2>Systems and weights</h2>"
        rows = [
            [
                f"<b>{_name(item['system'])}</b><br>{_name(item['name'])} ({_name(item['tier'])})",
                _name(item["licence"]),
                f"{_name(item['trained_on'])}<br><code>{_name(item['origin'])}</code>",
                f"<code>{_name(item['sha256'])}</code>",
            ]
            for item in record["systems"]
        ]
        header = ("System", "Licence", "Trained on, from", "SHA-256")
        yield f'<div class="card scroll">{table(header, rows)}</div>'
    yield "<h2>Options and time</h2>"
    options = " · ".join(
        f"{html.escape(name.replace('_', ' '))} {html.escape(_plain(value))}"
        for name, value in record["options"].items()
    )
    yield f'<div class="card"><p class="soft">{options}</p>{_bars(record["timings"])}</div>'


def _bars(timings: Mapping[str, Mapping[str, float]]) -> str:
    longest = max((item["seconds"] for item in timings.values()), default=0.0)
    rows = []
    for stage, item in timings.items():
        each = 1000 * item["seconds"] / max(item["count"], 1)
        share = 100 * item["seconds"] / max(longest, 1e-9)
        rows.append(
            f'<tr><td>{html.escape(stage)}</td><td class="number">{item["seconds"]:.2f} s</td>'
            f'<td class="number soft">{each:.1f} ms × {item["count"]:,.0f}</td>'
            f'<td><span class="bar" style="width:{share:.1f}%"></span></td></tr>'
        )
    return f'<table class="bars">{"".join(rows)}</table>' if rows else ""


def _photo_row(name: str, person: Mapping[str, Any]) -> list[str]:
    box, face = person["box"], person["face"]
    return [
        _name(Path(name).name),
        str(person["id"]),
        f"{person['score']:.2f}",
        str(len(person["pose"]["joints"])),
        f"{box[3] - box[1]:.0f} px",
        f"{face['score']:.2f}" if face else "–",
    ]


def _track_row(number: int, track: _Track) -> list[str]:
    return [
        str(number),
        f"{track.first:.1f} s",
        f"{track.last:.1f} s",
        f"{track.frames:,}",
        f"{track.score / track.frames:.2f}",
        f"{track.height / track.frames:.0f} px",
        f"{track.faces / track.frames:.0%}",
    ]


def _spread(names: Sequence[str]) -> list[str]:
    if len(names) <= MOST_PHOTOS:
        return list(names)
    return [names[i * len(names) // MOST_PHOTOS] for i in range(MOST_PHOTOS)]


def _picture(jpeg: bytes) -> str:
    data = base64.b64encode(jpeg).decode()
    return f'<img alt="" loading="lazy" src="data:image/jpeg;base64,{data}">'


def _link(path: str) -> str:
    return html.escape(quote(os.fsencode(path)))


def _name(text: str) -> str:
    return f"<bdi>{html.escape(str(text))}</bdi>"


def _short(source: Source) -> str:
    return Path(source.name).name if source.kind == "video" else source.name


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "all"}[value]
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
