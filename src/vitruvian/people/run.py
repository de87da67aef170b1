"""`vitruvian analyze`: every source through detector, tracks and drawing, into one folder.

Each picture goes through once: detections are kept at once (see `journal`), its line is added to
people.jsonl, it is drawn. A run that was cut off goes over what it has from the journal, without a
network, and goes on with the first picture that is missing. A drawn video that was cut off is made
again in the same pass over the pictures, so a run that was not cut off decodes only once.

A camera or a stream cannot be read again: cut off by a kill, its recording is closed by the next
run with what was kept; ^C closes it at once.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.drawing import draw_frame
from vitruvian.core.errors import InputError
from vitruvian.core.records import Frame
from vitruvian.core.timing import Timings
from vitruvian.people.folder import OutFolder
from vitruvian.people.journal import Found, PhotoJournal, RawFrame, VideoJournal, decode, encode
from vitruvian.people.key_frames import KeyFrames
from vitruvian.people.options import Detector, RunOptions, Watcher
from vitruvian.people.photos import read_photo, write_photo
from vitruvian.people.sources import Source, find_sources
from vitruvian.people.summary import Outcome, Records, Summary, write_products
from vitruvian.people.tracking import Follower
from vitruvian.people.video import VideoFrame, VideoReader
from vitruvian.people.video_writer import VideoWriter

if TYPE_CHECKING:
    from vitruvian.people.futures import FutureDrawer


def run(
    inputs: Sequence[str | Path],
    out: str | Path,
    options: RunOptions | None = None,
    *,
    overwrite: bool = False,
    make_detector: Callable[[RunOptions, Timings], Detector] = RunOptions.make_detector,
    watcher: Watcher | None = None,
) -> Summary:
    """Analyze the inputs into the folder `out`, or go on with what an earlier run left there.

    Args:
        inputs: See `find_sources`.
        out: The folder.
        options: How to see.
        overwrite: Whether to start anew where a run was here before.
        make_detector: Makes the detector, once there is something to detect.
        watcher: Is told how it goes.

    Raises:
        VitruvianError: an input does not exist, or the folder cannot be used. Inputs that cannot
            be read are listed in the summary; the others are done.
        KeyboardInterrupt: ^C; all files in the folder are whole, and the same call goes on.
    """
    options = options or RunOptions()
    given = [str(item) for item in inputs]
    sources, problems = find_sources(given)
    annotated = Path(out, "annotated").resolve()
    sources = [source for source in sources if not _is_below(source, annotated)]
    if not sources and len(problems) < 2:
        nothing = f"{' '.join(given)} holds only what was drawn here: give other inputs."
        raise InputError(problems[0] if problems else nothing)
    make_drawer = options.make_future_drawer()
    folder = OutFolder(out, overwrite=overwrite)
    try:
        job = _Job(given, sources, problems, options, folder, make_detector, watcher or Watcher())
        job.make_drawer = make_drawer
        return job.run()
    finally:
        folder.close()


def _is_below(source: Source, folder: Path) -> bool:
    return source.kind in ("photo", "video") and Path(source.location).resolve().is_relative_to(
        folder
    )


@dataclass
class _Job:
    inputs: list[str]
    sources: list[Source]
    problems: list[str]
    options: RunOptions
    folder: OutFolder
    make_detector: Callable[[RunOptions, Timings], Detector]
    watcher: Watcher
    timings: Timings = field(default_factory=Timings)
    known_detector: dict[str, Any] | None = None
    make_drawer: partial[FutureDrawer] | None = None
    _detector: Detector | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Summary:
        identity = self.options.identity()
        self.known_detector = self.folder.remember(self.inputs, self.sources, identity)
        self.watcher.begin(self.sources)
        if not self.problems and (summary := self._finished()):
            return summary
        (self.folder.path / "run.json").unlink(missing_ok=True)
        self.folder.forget(self.sources)
        outcomes = []
        with (
            Records(self.folder) as records,
            contextlib.closing(PhotoJournal(self.folder.work / "photos.jsonl")) as photos,
        ):
            for source in self.sources:
                if source.kind == "photo":
                    outcome = self._photo(source, photos, records)
                else:
                    outcome = self._video(source, records)
                outcomes.append(outcome)
                self.watcher.source_done(outcome)
                if self._stop.is_set() and source != self.sources[-1]:
                    raise KeyboardInterrupt
            self._check_something(outcomes)
            records.publish()
        with self.timings.stage("write"):
            summary = write_products(
                self.folder,
                outcomes,
                self.problems,
                detector=self._systems(),
                options=asdict(self.options),
                timings=self.timings,
            )
        if self._stop.is_set():
            raise KeyboardInterrupt
        return summary

    def _systems(self) -> dict[str, Any] | None:
        """What the detector says of itself, with what predicted."""
        known = self.known_detector
        if known is None or self.make_drawer is None:
            return known
        return known | {"systems": [*known["systems"], self.make_drawer.args[0].weights.to_dict()]}

    def _check_something(self, outcomes: Sequence[Outcome]) -> None:
        """An input that is alone and cannot be read is an error, not a report about nothing."""
        problems = self.problems + [item.problem for item in outcomes if item.problem]
        if len(problems) == 1 and not any(item.frames for item in outcomes):
            raise InputError(problems[0])

    def _finished(self) -> Summary | None:
        """The summary of the run that is complete in the folder, if there is one."""
        before = self.folder.run_record()
        if before is None or before["bad"] or len(before["inputs"]) != len(self.sources):
            return None
        for source, item in zip(self.sources, before["inputs"], strict=True):
            if item["source"] != source.name or item["version"] != _version(source):
                return None
            if self.options.annotate and not self._annotated(source).is_file():
                return None
        return Summary.from_record(self.folder.path, before)

    def _annotated(self, source: Source) -> Path:
        return self.folder.annotated(source, self.inputs)

    def _detect(
        self, images: Sequence[NDArray[np.uint8]], *, look_again: bool = False
    ) -> list[Found]:
        if self._detector is None:
            self._detector = self.make_detector(self.options, self.timings)
            self.known_detector = self._detector.describe()
            self.folder.check_detector(self.known_detector)
            self.watcher.detector(self.known_detector)
        return self._detector.detect(images, look_again=look_again)

    def _photo(self, source: Source, journal: PhotoJournal, records: Records) -> Outcome:
        """One photo. Photos go through the networks one by one: no number hangs on a neighbour."""
        self.watcher.source(source, 1)
        outcome = Outcome(source, _version(source))
        path = self._annotated(source)
        item = journal.find(source.name)
        if item and item["version"] != outcome.version:
            item = None
        image = None
        detected = item is None
        try:
            if item is None:
                path.unlink(missing_ok=True)
                image = self._read_photo(source)
                height, width = image.shape[:2]
                item = {"source": source.name, "version": outcome.version}
                item |= {"width": width, "height": height}
                item |= encode(self._detect([image], look_again=True)[0])
                journal.add(item)
                records.publish()
            elif self.options.annotate and not path.is_file():
                image = self._read_photo(source)
        except _UnreadableError as error:
            outcome.problem = str(error)
            return outcome
        people, faces = decode(item)
        numbered = tuple(replace(person, id=place) for place, person in enumerate(people, 1))
        frame = Frame(source.name, 0, 0.0, item["width"], item["height"], numbered, faces)
        records.add(frame)
        outcome.count(frame)
        if self.options.annotate and image is not None:
            with self.timings.stage("draw"):
                draw_frame(image, frame)
            with self.timings.stage("write"), self.folder.whole(path) as part:
                write_photo(image, part)
        outcome.annotated = self._drawn(path)
        self.watcher.frames(1, detected=detected)
        return outcome

    def _read_photo(self, source: Source) -> NDArray[np.uint8]:
        try:
            with self.timings.stage("decode"):
                return read_photo(source.location)
        except InputError as error:
            raise _UnreadableError(str(error)) from error

    def _drawn(self, path: Path) -> str | None:
        return path.relative_to(self.folder.path).as_posix() if path.is_file() else None

    def _video(self, source: Source, records: Records) -> Outcome:
        """One video, camera or stream."""
        outcome = Outcome(source, _version(source))
        path = self._annotated(source)
        work = self.folder.video_work(source)
        live = source.kind != "video"
        head = {"source": source.name, "version": outcome.version}
        journal = VideoJournal(
            work / "detections.jsonl", head, 1 if live else self.options.batch_size
        )
        with contextlib.closing(journal):
            if journal.end is None:
                path.unlink(missing_ok=True)
            if live and journal.frames and journal.end is None:
                problem = (
                    f"The recording of {source.name} was cut off after {journal.frames} frames and "
                    "cannot be taken up again: their records are kept, the drawn video is lost."
                )
                journal.finish(journal.frames, problem)
            draw = self.options.annotate and not path.is_file() and not (live and journal.end)
            try:
                if journal.end is None or draw:
                    self._watch(outcome, journal, records, draw=draw)
                else:
                    self._replay(outcome, journal, records)
            except _UnreadableError as error:
                outcome.problem = str(error)
                return outcome
            outcome.problem = (journal.end or {}).get("problem")
            outcome.annotated = self._drawn(path)
        return outcome

    def _replay(self, outcome: Outcome, journal: VideoJournal, records: Records) -> None:
        """Records of a finished video, without its pictures."""
        self.watcher.source(outcome.source, journal.frames)
        follower = Follower(smooth=self.options.smooth)
        for raw in journal.replay():
            self._record(outcome, raw, follower, records)
            self.watcher.frames(1, detected=False)

    def _record(
        self, outcome: Outcome, raw: RawFrame, follower: Follower, records: Records
    ) -> Frame:
        with self.timings.stage("track"):
            name = outcome.source.name
            frame = follower.follow(
                Frame(name, raw.index, raw.seconds, raw.width, raw.height, *raw.found)
            )
        records.add(frame)
        outcome.count(frame)
        return frame

    def _watch(
        self, outcome: Outcome, journal: VideoJournal, records: Records, *, draw: bool
    ) -> None:
        """One pass over the pictures: what is missing is detected, and all is drawn."""
        source = outcome.source
        with contextlib.ExitStack() as stack:
            reader = stack.enter_context(self._open(source))
            limit = journal.end["end"] if journal.end else self.options.max_frames
            total = min((n for n in (limit, reader.frames) if n is not None), default=None)
            self.watcher.source(source, total)
            if source.kind != "video":
                stack.enter_context(self._stopping())
            follower = Follower(smooth=self.options.smooth)
            known = journal.replay()
            key_frames = KeyFrames(self.folder.video_work(source))
            writer = self._writer(stack, source, reader) if draw else None
            futures = self.make_drawer() if writer and self.make_drawer else None
            for batch in self._batches(islice(reader, limit)):
                raws = list(islice(known, len(batch)))
                detected = len(raws) < len(batch)
                if detected:
                    raws = self._detect_frames(batch)
                    journal.add(raws)
                    records.publish()
                for picture, raw in zip(batch, raws, strict=True):
                    frame = self._record(outcome, raw, follower, records)
                    key = key_frames.wants(raw.index)
                    if writer or key:
                        with self.timings.stage("draw"):
                            if futures:
                                futures.draw(picture.image, frame)
                            draw_frame(picture.image, frame)
                    if key:
                        key_frames.add(raw.index, picture.image)
                    if writer:
                        with self.timings.stage("write"):
                            writer.write(picture.image, raw.seconds)
                self.watcher.frames(len(batch), detected=detected)
            for raw in known:  # the file has become shorter since; its records stay
                self._record(outcome, raw, follower, records)
            problem = reader.problem
        if writer:
            outcome.notes += writer.notes
        if journal.end is None:
            journal.finish(outcome.frames, problem)

    def _open(self, source: Source) -> VideoReader:
        try:
            return VideoReader(source.location)
        except InputError as error:
            raise _UnreadableError(str(error)) from error

    def _writer(
        self, stack: contextlib.ExitStack, source: Source, reader: VideoReader
    ) -> VideoWriter:
        part = stack.enter_context(self.folder.whole(self._annotated(source)))
        # The sound is copied whole: it would run on where the pictures are cut short.
        sound = source.kind == "video" and self.options.max_frames is None
        return stack.enter_context(
            VideoWriter(
                part,
                reader.width,
                reader.height,
                reader.rate,
                audio_from=source.location if sound else None,
            )
        )

    def _batches(self, frames: Iterator[VideoFrame]) -> Iterator[list[VideoFrame]]:
        while not self._stop.is_set():
            with self.timings.stage("decode"):
                batch = list(islice(frames, self.options.batch_size))
            if not batch:
                return
            yield batch

    def _detect_frames(self, batch: Sequence[VideoFrame]) -> list[RawFrame]:
        raws = []
        found = self._detect([picture.image for picture in batch])
        for picture, item in zip(batch, found, strict=True):
            height, width = picture.image.shape[:2]
            raw = RawFrame(picture.index, picture.seconds, width, height, item)
            # As the journal gives it back: the first run and a resumed one see the same numbers.
            raws.append(RawFrame.from_dict(raw.to_dict()))
        return raws

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[None]:
        """^C ends the recording after its batch, with every file finished; a second ^C at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stop.set()
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class _UnreadableError(Exception):
    """An input that cannot be read: listed, while the others go on."""


def _version(source: Source) -> list[int]:
    """What changes with the content of a file: size and time; empty for cameras and streams."""
    if source.kind not in ("photo", "video"):
        return []
    try:
        status = Path(source.location).stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
