"""Progress bars for photos and videos."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from vitruvian.people.options import Watcher

if TYPE_CHECKING:
    from vitruvian.people.sources import Source
    from vitruvian.people.summary import Outcome


class RateColumn(ProgressColumn):
    """Pictures a second, as detected now; those of an earlier run do not count."""

    def render(self, task: Task) -> Text:
        """The text of a bar's column."""
        speed = task.speed if not task.finished else task.finished_speed
        unit = task.fields["unit"]
        return Text(
            f"{speed:.1f} {unit}/s" if speed else f"– {unit}/s", style="progress.data.speed"
        )


class Bars(Watcher):
    """Progress bars of a run: one for all photos, one for each video. A context manager.

    Nothing is shown before there is something to count.

    Args:
        console: Where they are drawn.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(separator=" of "),
            RateColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._count = 0
        self._photos: TaskID | None = None
        self._bar: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress.live.is_started:
            self._progress.stop()

    def begin(self, sources: Sequence[Source]) -> None:
        """Count the photos."""
        self._count = sum(source.kind == "photo" for source in sources)

    def detector(self, description: dict[str, Any]) -> None:
        """Say what the networks run on."""
        self._progress.console.print(
            f"Runs on {description['device']}.", markup=False, highlight=False, soft_wrap=True
        )

    def source(self, source: Source, frames: int | None) -> None:
        """Begin the bar of a video."""
        if source.kind == "photo":
            self._bar = self._photos  # None before the first that can be read
        else:
            name = source.name.rstrip("/").rpartition("/")[2] or source.name
            self._bar = self._add(name, frames, "frames")

    def _add(self, name: str, total: int | None, unit: str) -> TaskID:
        if not self._progress.live.is_started:
            self._progress.start()
        short = name if len(name) <= 32 else name[:31] + "…"
        return self._progress.add_task(escape(_printable(short)), total=total, unit=unit)

    def frames(self, count: int, *, detected: bool) -> None:
        """Move the bar on."""
        if self._bar is None:
            self._bar = self._photos = self._add("photos", self._count, "photos")
        self._progress.advance(self._bar, count)
        if not detected:  # the speed shown is the network's
            bar = self._bar
            task = next(task for task in self._progress.tasks if task.id == bar)
            self._progress.reset(bar, completed=int(task.completed), total=task.total)

    def source_done(self, outcome: Outcome) -> None:
        """Fill the bar of a video, or pass over a photo that cannot be read."""
        if outcome.source.kind != "photo":
            if self._bar is not None and outcome.frames:
                self._progress.update(self._bar, total=outcome.frames, completed=outcome.frames)
        elif outcome.problem and self._photos is not None:
            self._progress.advance(self._photos)


def _printable(text: str) -> str:
    """A file name on one line, as far as a terminal can show it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
