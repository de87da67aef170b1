"""Video: files, cameras and streams as upright RGB frames; and back to files with their sound."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.core.files import whole_file

STREAM_TIMEOUT = 10.0
"""Seconds without a byte after which a stream or camera counts as stopped."""

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


class VideoFrame(NamedTuple):
    """One frame of a video.

    Attributes:
        index: Place in the video, from 0.
        seconds: Time since the video's start; strictly increasing.
        image: (height, width, 3) RGB uint8, upright.
    """

    index: int
    seconds: float
    image: NDArray[np.uint8]


class VideoReader:
    """The frames of a video file, a camera or a stream, one by one, in constant memory.

    Iterates once over `VideoFrame`s, from frame `start` on. The turn that the file asks for is
    applied; a frame of another size than the first is scaled to it. What can be read of a
    truncated or damaged video is read, and `problem` then says what was not.

    Args:
        location: A file, `camera:0`, or the URL of a stream.
        start: Frames to skip; they are decoded, for the frames after them to be exact.
        threads: Of the decoder; 0 takes as many as there are cores.

    Attributes:
        width: Of the upright frame, in pixels.
        height: Likewise.
        rate: Frames a second, as the file says it; 25 where it says nothing sensible.
        frames: How many frames the file says that it holds, or its duration makes; None for
            cameras and streams. An estimate: files lie.
        duration: In seconds, as the file says it; None likewise.
        problem: After the last frame: None, or one sentence that says what could not be read.

    Raises:
        InputError: there is no such file, camera or stream, or no frame of video in it.
    """

    def __init__(self, location: str | Path, *, start: int = 0, threads: int = 0) -> None:
        self.location = str(location)
        self.problem: str | None = None
        self._live = self.location.startswith("camera:") or "://" in self.location
        self._damaged = 0
        self._start = start
        self._reformatter = VideoReformatter()
        self._container = _open(self.location)
        try:
            self._stream = _video_stream(self._container, self.location)
            self._stream.codec_context.thread_count = threads
            self._stream.codec_context.thread_type = "AUTO"
            self._decoded = self._decode()
            self._first = next(self._decoded, None)
            if self._first is None:
                raise InputError(
                    f"{self.location} holds no frame that can be decoded: get a whole copy of it."
                )
        except BaseException:
            self._container.close()
            raise
        self._transposed, self._flips = _turn(self._first)
        size = (self._first.width, self._first.height)
        self.width, self.height = size[::-1] if self._transposed else size
        self.rate = _sensible_rate(self._stream)
        self.duration = None if self._live else _duration(self._stream, self._container)
        estimate = self._stream.frames or round((self.duration or 0) * self.rate)
        self.frames: int | None = None if self._live else estimate or None

    def __iter__(self) -> Iterator[VideoFrame]:
        first, self._first = self._first, None
        if first is None:
            return
        size = {"width": first.width, "height": first.height}
        beginning = float((self._stream.start_time or 0) * self._stream.time_base)
        period = float(1 / self.rate)
        seconds = -period
        index = 0
        frame = first
        while frame is not None:
            # Damaged files hold frames without a time, or with one that goes back.
            time = frame.time - beginning if frame.time is not None else -1.0
            seconds = max(time, 0.0) if time > seconds else seconds + period
            if index >= self._start:
                yield VideoFrame(index, seconds, self._upright(frame, size))
            index += 1
            frame = next(self._decoded, None)
        self._judge(index, seconds + period)

    def close(self) -> None:
        """Let go of the file, the camera or the connection."""
        self._decoded.close()
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _decode(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                self._stopped(error)
                packet = None
            try:
                # No packet: what the decoder still holds, where the demuxer did not ask for it.
                yield from packet.decode() if packet else self._stream.decode(None)
            except EOFError:
                return
            except av.FFmpegError:
                self._damaged += 1
            if packet is None:
                return

    def _stopped(self, error: Exception) -> None:
        if isinstance(error, EOFError):
            return
        what = "stopped" if self._live else "is damaged"
        self.problem = (
            f"{self.location} {what} before its end ({_reason(error)}): what came before was done."
        )

    def _judge(self, index: int, seconds: float) -> None:
        """Set `problem` where the file held less than it said."""
        if self.problem or self._live:
            return
        if self.duration and self.duration - seconds > max(0.25, 2.5 / self.rate):
            self.problem = (
                f"{self.location} is truncated: its header says {self.duration:.1f} s, and "
                f"{seconds:.1f} s ({index} frames) could be read."
            )
        elif self._damaged:
            self.problem = (
                f"{self.location} is damaged: {self._damaged} parts of it could not be decoded, "
                f"{index} frames were read."
            )

    def _upright(self, frame: Any, size: dict[str, int]) -> NDArray[np.uint8]:
        # An interpolation that is named takes FFmpeg's fast path: 0.3 ms at 720p, else 1.4.
        rgb = self._reformatter.reformat(
            frame, format="rgb24", interpolation="BILINEAR", threads=1, **size
        )
        image = np.ascontiguousarray(rgb.to_ndarray())
        if self._transposed:
            image = cv2.transpose(image)
        if self._flips is not None:
            image = cv2.flip(image, self._flips)
        return image


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _open(location: str) -> Any:
    if location.startswith("camera:"):
        return _open_camera(location)
    if "://" in location:
        options = {"rtsp_transport": "tcp"} if location.lower().startswith("rtsp") else {}
        try:
            return av.open(location, options=options, timeout=STREAM_TIMEOUT)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise InputError(
                f"The stream {location} cannot be opened ({_reason(error)}): check its address."
            ) from error
    if not Path(location).exists():
        raise InputError(f"There is no file {location}: check the name.")
    try:
        # "file:" keeps a name such as "12:30.mp4" from being read as the URL of a protocol.
        return av.open(f"file:{location}", metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{location} is no video that can be read ({_reason(error)}): get a whole copy of it."
        ) from error


def _open_camera(location: str) -> Any:
    name = location.removeprefix("camera:")
    try:
        if sys.platform == "darwin":
            device, driver, options = name, "avfoundation", {"framerate": "30"}
        elif sys.platform == "win32":
            from av.device import enumerate_input_devices

            cameras = [d for d in enumerate_input_devices("dshow") if "video" in d.media_types]
            device = f"video={cameras[int(name)].name if name.isdecimal() else name}"
            driver, options = "dshow", {}
        else:
            device, driver, options = f"/dev/video{name}", "v4l2", {}
        return av.open(device, format=driver, options=options, timeout=STREAM_TIMEOUT)
    except (av.FFmpegError, OSError, ValueError, IndexError, ImportError) as error:
        raise InputError(
            f"There is no {location} that can be opened ({_reason(error)}): connect a camera, "
            "close what uses it, or give its number, camera:1."
        ) from error


def _video_stream(container: Any, location: str) -> Any:
    # The cover picture of a music file is a stream of one frame, and no video.
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context
    ]
    if not streams:
        raise InputError(f"{location} holds no video that can be decoded: give another file.")
    best = container.streams.best("video")
    return best if best in streams else streams[0]


def _sensible_rate(stream: Any) -> Fraction:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and Fraction(1, 1000) <= rate <= 1000:
            return Fraction(rate)
    return Fraction(25)


def _duration(stream: Any, container: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    # The container's is its longest stream's: it says nothing of the video where there is sound.
    if container.duration and len(container.streams) == 1:
        return float(container.duration / av.time_base)
    return None


def _turn(frame: Any) -> tuple[bool, int | None]:
    """Whether to transpose a frame, and the code of `cv2.flip` to apply then (None: no flip).

    The display matrix holds x' = a x + c y and y' = b x + d y in its first, second, fourth and
    fifth numbers (ISO 14496-12, 6.2.2), in 16.16 fixed point.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, None
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32, count=5).tolist()
    transposed = abs(b) > abs(a)
    across, down = (c < 0, b < 0) if transposed else (a < 0, d < 0)
    codes = {(True, True): -1, (True, False): 1, (False, True): 0, (False, False): None}
    return transposed, codes[across, down]


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
            image = cv2.copyMakeBorder(
                image, 0, self.height % 2, 0, self.width % 2, cv2.BORDER_REPLICATE
            )
        # cv2 does this in 0.5 ms at 720p, FFmpeg in 2.0.
        yuv = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
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
            raise InputError(f"Cannot write {self.path}: {_reason(error)}.") from error

    def _close(self) -> None:
        with suppress(av.FFmpegError, OSError):  # the first error is the one to tell
            self._container.close()

    def _open_output(self, part: Path, sound: Any) -> None:
        options = {"movflags": "+faststart"} if self._format in {"mp4", "mov"} else {}
        names = _ENCODERS.get(self._format, _H264)
        name = next(name for name in names if name in av.codecs_available)
        self._container = av.open(f"file:{part}", "w", format=self._format, options=options)
        stream = self._container.add_stream(
            name, rate=self._rate, options=_ENCODER_OPTIONS.get(name, {})
        )
        stream.width, stream.height = self.width + self.width % 2, self.height + self.height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        context.colorspace, context.color_range = _BT601, _LIMITED_RANGE
        context.thread_count = self._threads
        self._stream = stream
        try:
            copy = self._container.add_stream_from_template(sound) if sound else None
            self._container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            if not sound:
                raise
            self._close()
            self.notes.append(
                f"The sound of {self._audio_from} does not fit into {self.path.name} "
                f"({_reason(error)}): it was left out."
            )
            self._open_output(part, None)
        else:
            self._audio = _packets(sound, copy) if sound else iter(())

    def _open_audio(self, stack: ExitStack) -> Any:
        if self._audio_from is None:
            return None
        source = stack.enter_context(_open(str(self._audio_from)))
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
        if packet.pts + (packet.duration or 0) > 0:
            packet.stream = copy
            yield seconds, packet
