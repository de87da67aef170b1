"""Written video: the drawn frames with the sound of their source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.core.files import whole_file
from vitruvian.people.video import open_media, reason

CONTAINERS: dict[str, str] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
    ".flv": "flv",
}
"""Suffix → FFmpeg's container that is written under it; every other suffix gets an MP4."""

_H264 = ("libx264", "libopenh264", "mpeg4")  # the first that this build of FFmpeg has
_ENCODERS = {"webm": ("libvpx-vp9", "libvpx")}
_ENCODER_OPTIONS = {
    # 720p on one thread: ultrafast 3.2 ms a frame, superfast 7.2, veryfast 11.7.
    "libx264": {"preset": "ultrafast", "crf": "21"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "28", "b": "0"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "8M"},
    "mpeg4": {"flags": "+qscale", "global_quality": "472"},
}
_BT601 = 6  # FFmpeg's number of the matrix that cv2.COLOR_RGB2YUV_I420 applies
_LIMITED_RANGE = 1


class VideoWriter:
    """Writes a video file, whole or not at all, with the sound of another one.

    A context manager: the file stands under its name once the block ended without an error. The
    container follows the suffix (`CONTAINERS`). WebM gets VP9, all others H.264, or what this
    build of FFmpeg has instead. Frames of odd width or height get one more column or row.

    Args:
        path: Where to.
        width: Of the frames.
        height: Likewise.
        rate: Frames a second.
        audio_from: The video whose sound is copied as it is, packet by packet.
        threads: Of the encoder; 0 takes as many as there are cores.

    Attributes:
        notes: Sentences about what could not be kept.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        rate: Fraction,
        *,
        audio_from: str | Path | None = None,
        threads: int = 0,
    ) -> None:
        self.path = Path(path)
        self.width, self.height = width, height
        self.notes: list[str] = []
        self._rate = Fraction(rate).limit_denominator(1001)
        self._audio_from = audio_from
        self._threads = threads
        self._format = CONTAINERS.get(self.path.suffix.lower(), "mp4")
        # AVI knows one rate only. Elsewhere a frame is a whole number of ticks, as short as 0.1 ms.
        finer = 1 if self._format == "avi" else -(-10000 // self._rate.numerator)
        ticks = self._rate if finer == 1 else Fraction(self._rate.numerator * finer)
        self._time_base = 1 / ticks
        self._last = -1
        self._stack = ExitStack()
        self._audio: Iterator[tuple[float, Any]] = iter(())
        self._waiting: tuple[float, Any] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack, self._errors():
            part = stack.enter_context(whole_file(self.path))
            source = self._open_audio(stack)
            self._open_output(part, source)
            stack.callback(self._close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            with self._stack, self._errors():
                self._container.mux(self._stream.encode(None))
                self._copy_audio(float("inf"))
                self._container.close()
        else:
            self._stack.__exit__(kind, error, trace)

    def write(self, image: NDArray[np.uint8], seconds: float | None = None) -> None:
        """Add a frame.

        Args:
            image: (height, width, 3) RGB uint8.
            seconds: Its time; one period after the last frame where left out.

        Raises:
            InputError: the file cannot be written.
        """
        if image.shape != (self.height, self.width, 3):
            msg = f"A frame of {self.width}×{self.height} was expected, not {image.shape}."
            raise ValueError(msg)
        period = 1 / (self._rate * self._time_base)
        place = self._last + period if self._last >= 0 else Fraction(0)
        if seconds is not None:
            place = Fraction(seconds) / self._time_base
        self._last = max(round(place), self._last + 1)
        if self.width % 2 or self.height % 2:
            edges = (0, self.height % 2, 0, self.width % 2)
            image = np.asarray(cv2.copyMakeBorder(image, *edges, cv2.BORDER_REPLICATE), np.uint8)
        # cv2 does this in 0.5 ms at 720p, FFmpeg in 2.0.
        yuv: Any = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
        with self._errors():
            frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
            frame.pts, frame.time_base = self._last, self._time_base
            frame.colorspace, frame.color_range = _BT601, _LIMITED_RANGE
            self._container.mux(self._stream.encode(frame))
            self._copy_audio(float(self._last * self._time_base))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"Cannot write {self.path}: {reason(error)}.") from error

    def _close(self) -> None:
        with suppress(av.FFmpegError, OSError):  # the first error is the one to tell
            self._container.close()

    def _open_output(self, part: Path, sound: Any) -> None:
        options = {"movflags": "+faststart"} if self._format in {"mp4", "mov"} else {}
        names = _ENCODERS.get(self._format, _H264)
        name = next(name for name in names if name in av.codecs_available)
        self._container: Any = av.open(f"file:{part}", "w", format=self._format, options=options)
        stream: Any = self._container.add_stream(
            name, rate=self._rate, options=_ENCODER_OPTIONS.get(name, {})
        )
        stream.width, stream.height = self.width + self.width % 2, self.height + self.height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        context.colorspace, context.color_range = _BT601, _LIMITED_RANGE
        context.thread_count = self._threads
        self._stream: Any = stream
        try:
            copy = self._container.add_stream_from_template(sound) if sound else None
            self._container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            if not sound:
                raise
            self._close()
            self.notes.append(
                f"The sound of {self._audio_from} does not fit into {self.path.name} "
                f"({reason(error)}): it was left out."
            )
            self._open_output(part, None)
        else:
            self._audio = _packets(sound, copy) if sound else iter(())

    def _open_audio(self, stack: ExitStack) -> Any:
        if self._audio_from is None:
            return None
        source = stack.enter_context(open_media(str(self._audio_from)))
        return source.streams.best("audio")

    def _copy_audio(self, until: float) -> None:
        try:
            while True:
                self._waiting = self._waiting or next(self._audio, None)
                if self._waiting is None or self._waiting[0] > until:
                    return
                self._container.mux(self._waiting[1])
                self._waiting = None
        except _SoundError as error:
            self.notes.append(f"The sound of {self._audio_from} is damaged from {error} s on.")
            self._audio, self._waiting = iter(()), None


class _SoundError(Exception):
    """The sound cannot be read from this second on."""


def _packets(sound: Any, copy: Any) -> Iterator[tuple[float, Any]]:
    """The packets of a sound stream with their seconds, where the video starts at 0."""
    container = sound.container
    pictures = container.streams.best("video")
    beginning = (pictures.start_time or 0) * pictures.time_base if pictures else Fraction(0)
    shift = round(beginning / sound.time_base)
    seconds = 0.0
    packets = container.demux(sound)
    while True:
        try:
            packet = next(packets, None)
        except EOFError:
            return
        except av.FFmpegError as error:
            raise _SoundError(f"{seconds:.1f}") from error
        if packet is None:
            return
        if packet.dts is None or packet.pts is None:
            continue
        packet.pts -= shift
        packet.dts -= shift
        seconds = float(packet.pts * sound.time_base)
        if seconds > -0.1:  # a decoder of sound wants the one to three packets before its start
            packet.stream = copy
            yield seconds, packet
