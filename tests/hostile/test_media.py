"""Bad pictures and videos: one sentence that names the file, never a trace or a half picture."""

from __future__ import annotations

import re
import socket
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.people.media import numbered, picture, write_clip
from vitruvian.core.errors import InputError
from vitruvian.people.photos import read_photo, write_photo
from vitruvian.people.sources import find_sources
from vitruvian.people.video import VideoReader

TEXT = "This is a text, not a picture, whatever its name says.\n" * 20


def refused(path: Path, reader=read_photo) -> str:
    """The sentence with which a file is refused: one, on one line, with the file's name."""
    with pytest.raises(InputError) as caught:
        reader(path)
    sentence = str(caught.value)
    assert path.name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence.replace(str(path), "")
    return sentence


def watch(path: Path) -> tuple[int, str | None]:
    """Frames and problem of a video that opens."""
    with VideoReader(path) as video:
        return sum(1 for _ in video), video.problem


@pytest.mark.parametrize("reader", [read_photo, VideoReader])
def test_missing_empty_folder_and_text(tmp_path, reader) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text(TEXT)
    (tmp_path / "folder.jpg").mkdir()
    assert "no file" in refused(tmp_path / "missing.jpg", reader)
    for name in ("empty.jpg", "text.jpg", "folder.jpg"):
        refused(tmp_path / name, reader)


def test_unreadable(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.jpg"
    write_photo(picture(), path)

    def forbid(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", forbid)  # root may read everything, whatever the mode
    assert "permissions" in refused(path)
    sources, problems = find_sources([path])
    assert sources == []
    assert "permissions" in problems[0]
    monkeypatch.setattr("av.open", forbid)
    assert "Permission denied" in refused(path, VideoReader)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".gif", ".bmp", ".jp2"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_a_truncated_photo_is_refused_not_half_grey(tmp_path, suffix: str, share: float) -> None:
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    write_photo(noise, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".gif", ".bmp", ".jp2"])
def test_a_damaged_photo_is_read_or_refused(tmp_path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_photo(picture(), path)
    data = path.read_bytes()
    random = np.random.default_rng(1)
    for _ in range(60):
        bad = bytearray(data)
        for place in random.integers(0, len(bad), 6):
            bad[place] = random.integers(256)
        path.write_bytes(bytes(bad))
        try:
            image = read_photo(path)
        except InputError as error:
            assert path.name in str(error)  # noqa: PT017  (either outcome is right)
        else:
            assert image.ndim == 3
            assert image.dtype == np.uint8


def png_of(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel, all black: small in the file, large in memory."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    rows = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(rows.compress(row) for _ in range(height)) + rows.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, part) for kind, part in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of(50_000, 10)[:16] + struct.pack(">II", 50_000, 50_000) + TEXT.encode())
    data = bytearray(png_of(50_000, 10))
    data[20:24] = struct.pack(">I", 50_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(bytes(data))
    assert "megapixels" in refused(path)


@pytest.mark.filterwarnings("error")
def test_100_megapixels_are_read(tmp_path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_of(12_500, 8_000))
    assert read_photo(path).shape == (8_000, 12_500, 3)


def test_heic_says_what_to_do(tmp_path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(500))
    assert "HEIC" in refused(path)
    assert find_sources([path])[0][0].kind == "photo"


@pytest.mark.parametrize(
    "name", ["two  spaces", "line\nbreak", "фото 图片 صورة", "12:30", "a%03d", "-x"]
)
def test_odd_names_are_read(tmp_path, name: str) -> None:
    write_photo(picture(), tmp_path / f"{name}.png")
    assert np.array_equal(read_photo(tmp_path / f"{name}.png"), picture())
    clip = write_clip(tmp_path / "clip.mp4", numbered(3)).rename(tmp_path / f"{name}.mp4")
    assert watch(clip) == (3, None)


def test_a_video_without_frames(tmp_path) -> None:
    clip = write_clip(tmp_path / "a.ts", numbered(3), container="mpegts", sound=True)
    refused(write_sound(tmp_path / "sound.mp4"), VideoReader)
    clip.write_bytes(clip.read_bytes()[: 188 * 3])
    refused(clip, VideoReader)
    whole = write_clip(tmp_path / "b.mp4", numbered(3)).read_bytes()
    at = whole.index(b"mdat") + 4
    for name, data in (
        ("head.mp4", whole[:200]),
        (
            "zeros.mp4",
            whole[:at] + bytes(whole.index(b"moov") - 4 - at) + whole[whole.index(b"moov") - 4 :],
        ),
    ):
        (tmp_path / name).write_bytes(data)
        refused(tmp_path / name, VideoReader)


def write_sound(path: Path) -> Path:
    import av

    with av.open(str(path), "w") as output:
        voice = output.add_stream("aac", rate=48000)
        for start in range(0, 20_480, 1024):
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            tone.sample_rate, tone.pts = 48000, start
            output.mux(voice.encode(tone))
        output.mux(voice.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.avi", "fast.mp4"])
def test_of_a_truncated_video_is_read_what_is_there(tmp_path, name: str) -> None:
    frames = [picture(seed=place) for place in range(40)]
    noise = np.random.default_rng(0).integers(0, 60, (40, 48, 64, 3), dtype=np.uint8)
    clip = write_clip(tmp_path / name, [a // 2 + b for a, b in zip(frames, noise, strict=True)])
    if name == "fast.mp4":
        clip = front_moov(clip)
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2])
    count, problem = watch(clip)
    assert 3 < count < 38
    if name != "a.ts":  # a transport stream says nowhere how long it is
        assert problem is not None
        assert name in problem


def front_moov(path: Path) -> Path:
    """The same MP4 with its index in front of the data."""
    import av

    out = path.with_name("front-" + path.name)
    with (
        av.open(str(path)) as source,
        av.open(str(out), "w", options={"movflags": "+faststart"}) as output,
    ):
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    return out.rename(path)


def test_an_mp4_without_its_index(tmp_path) -> None:
    clip = write_clip(tmp_path / "a.mp4", numbered(20))
    data = clip.read_bytes()
    clip.write_bytes(data[: data.index(b"moov")])
    refused(clip, VideoReader)


def test_a_header_that_lies(tmp_path) -> None:
    clip = write_clip(tmp_path / "a.avi", numbered(20))
    data = bytearray(clip.read_bytes())
    at = data.index(b"strh") + 8 + 32  # the stream's length in frames
    data[at : at + 4] = struct.pack("<I", 4_000_000)
    clip.write_bytes(bytes(data))
    count, problem = watch(clip)
    assert count == 20
    assert problem is not None
    assert "a.avi" in problem


def test_a_damaged_video_never_raises(tmp_path) -> None:
    whole = write_clip(
        tmp_path / "a.mp4", [picture(seed=place) for place in range(20)]
    ).read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "bad.mp4"
    for _ in range(40):
        bad = bytearray(whole)
        for place in random.integers(0, len(bad), 10):
            bad[place] = random.integers(256)
        path.write_bytes(bytes(bad))
        try:
            watch(path)
        except InputError as error:
            assert "bad.mp4" in str(error)  # noqa: PT017  (either outcome is right)


@pytest.mark.parametrize("name", ["camera:97", "camera:", "camera:no such camera"])
def test_no_camera(name: str) -> None:
    with pytest.raises(InputError, match=re.escape(name)):
        VideoReader(name)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/a.mp4", "rtsp://127.0.0.1:9/a", "tcp://127.0.0.1:9"]
)
def test_a_stream_that_does_not_answer(url: str) -> None:
    with pytest.raises(InputError, match=re.escape(url)):
        VideoReader(url)


def serve_once(data: bytes, *, hold: threading.Event | None = None) -> int:
    """Send data to the first caller, and hang up, or go silent until `hold`; returns the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with server, server.accept()[0] as connection:
            connection.sendall(data)
            if hold:
                hold.wait(20)

    threading.Thread(target=run, daemon=True).start()
    return server.getsockname()[1]


@pytest.fixture
def half_stream(tmp_path) -> bytes:
    frames = [picture(seed=place) for place in range(30)]
    data = write_clip(tmp_path / "a.ts", frames, container="mpegts").read_bytes()
    return data[: len(data) * 2 // 3]


def test_a_stream_that_hangs_up_ends_with_what_was_there(half_stream) -> None:
    location = f"tcp://127.0.0.1:{serve_once(half_stream)}"
    with VideoReader(location) as video:
        assert video.frames is None
        assert sum(1 for _ in video) > 5


def test_an_http_stream_shorter_than_it_promised(half_stream) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nContent-Length: 9999999\r\n\r\n"
    location = f"http://127.0.0.1:{serve_once(head + half_stream)}/a.ts"
    with VideoReader(location) as video:
        assert sum(1 for _ in video) > 5


def test_a_stream_that_goes_silent_ends_after_the_timeout(half_stream, monkeypatch) -> None:
    monkeypatch.setattr("vitruvian.people.video.STREAM_TIMEOUT", 2.0)
    hold = threading.Event()
    location = f"tcp://127.0.0.1:{serve_once(half_stream, hold=hold)}"
    try:
        with VideoReader(location) as video:
            assert sum(1 for _ in video) > 3
            assert video.problem is not None
            assert location in video.problem
    finally:
        hold.set()
