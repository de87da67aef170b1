"""Small pictures and clips that tests make."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def picture(width: int = 64, height: int = 48, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth picture whose four corners differ: turns and mirrors show."""
    y, x = np.mgrid[:height, :width]
    red = 255 * x / width
    green = 255 * y / height
    blue = np.full_like(red, 40 + 20 * (seed % 8))
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def numbered(count: int, width: int = 64, height: int = 48) -> list[NDArray[np.uint8]]:
    """Frames whose grey is their number: 8 levels apart, up to 28 of them."""
    return [np.full((height, width, 3), 16 + 8 * place, dtype=np.uint8) for place in range(count)]


def number_of(image: NDArray[np.uint8]) -> int:
    """The number of a frame of `numbered`, after compression."""
    return round((float(image.mean()) - 16) / 8)


def write_clip(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    *,
    rate: int = 10,
    seconds: Sequence[float] | None = None,
    sound: bool = False,
    container: str | None = None,
    codec: str = "libx264",
) -> Path:
    """Write a clip with FFmpeg itself, not with the writer that is tested."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        height, width = frames[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if seconds:
            stream.codec_context.time_base = Fraction(1, 1000)
        voice = output.add_stream("aac", rate=48000) if sound else None
        for place, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            time = seconds[place] if seconds else place / rate
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if voice:
            for start in range(0, 48000 * len(frames) // rate, 1024):
                wave = np.sin(np.arange(start, start + 1024) / 20).astype(np.float32)[None]
                tone = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                tone.sample_rate, tone.pts, tone.time_base = 48000, start, Fraction(1, 48000)
                output.mux(voice.encode(tone))
            output.mux(voice.encode(None))
    return path


def turn_clip(path: Path, matrix: Sequence[int]) -> None:
    """Write a display matrix (a, b, c, d in whole numbers) into the track header of an MP4."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: 40 bytes before the matrix
    a, b, c, d = (value * 65536 for value in matrix)
    numbers = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], dtype=">i4")
    data[at : at + 36] = numbers.tobytes()
    path.write_bytes(bytes(data))
