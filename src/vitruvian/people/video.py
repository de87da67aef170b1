"""Video: files, cameras and streams as upright RGB frames."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.people.sources import STREAM

STREAM_TIMEOUT = 10.0
"""Seconds without a byte after which a stream or camera counts as stopped."""


@dataclass(frozen=True, eq=False)
class VideoFrame:
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
        self._live = is_live(self.location)
        self._damaged = 0
        self._start = start
        self._reformatter = VideoReformatter()
        self._container = open_media(self.location)
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
        if self._container.format.name == "avi" and first.time is not None:
            beginning = first.time  # AVI stores no times; FFmpeg's are late by the decoder's delay
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

    def _decode(self) -> Generator[Any, None, None]:
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
            f"{self.location} {what} before its end ({reason(error)}): what came before was done."
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
        image: Any = np.ascontiguousarray(rgb.to_ndarray())
        if self._transposed:
            image = cv2.transpose(image)
        if self._flips is not None:
            image = cv2.flip(image, self._flips)
        return image


def is_live(location: str) -> bool:
    """Whether a location is a camera or a stream, not a file."""
    return location.startswith("camera:") or STREAM.match(location) is not None


def reason(error: Exception) -> str:
    """What an error of FFmpeg says, in a few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def open_media(location: str) -> Any:
    """The FFmpeg container of a file, a camera or a stream, or an `InputError`."""
    if location.startswith("camera:"):
        return _open_camera(location)
    if is_live(location):
        options = {"rtsp_transport": "tcp"} if location.lower().startswith("rtsp") else {}
        try:
            return av.open(location, options=options, timeout=STREAM_TIMEOUT)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise InputError(
                f"The stream {location} cannot be opened ({reason(error)}): check its address."
            ) from error
    if not Path(location).exists():
        raise InputError(f"There is no file {location}: check the name.")
    try:
        # "file:" keeps a name such as "12:30.mp4" from being read as the URL of a protocol.
        return av.open(f"file:{location}", metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{location} is no video that can be read ({reason(error)}): get a whole copy of it."
        ) from error


def _open_camera(location: str) -> Any:
    name = location.removeprefix("camera:")
    options: dict[str, str] = {}
    try:
        if sys.platform == "darwin":
            device, driver, options = name, "avfoundation", {"framerate": "30"}
        elif sys.platform == "win32":
            from av.device import enumerate_input_devices

            cameras = [d for d in enumerate_input_devices("dshow") if "video" in d.media_types]
            device = f"video={cameras[int(name)].name if name.isdecimal() else name}"
            driver = "dshow"
        else:
            device, driver = f"/dev/video{name}", "v4l2"
        return av.open(device, format=driver, options=options, timeout=STREAM_TIMEOUT)
    except (av.FFmpegError, OSError, ValueError, IndexError, ImportError) as error:
        raise InputError(
            f"There is no {location} that can be opened ({reason(error)}): connect a camera, "
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
        seconds = stream.duration * stream.time_base
        if container.format.name == "avi" and stream.average_rate:
            # FFmpeg shortens the duration of a truncated AVI to what is there.
            seconds = max(seconds, stream.frames / stream.average_rate)
        return float(seconds)
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
