"""Reading and writing video."""

from __future__ import annotations

import itertools
import resource
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.people.media import number_of, numbered, picture, turn_clip, write_clip
from vitruvian.core.errors import InputError
from vitruvian.people.video import VideoReader
from vitruvian.people.video_writer import VideoWriter


def test_frames_come_in_order_with_their_times(tmp_path) -> None:
    clip = write_clip(tmp_path / "a.mp4", numbered(12), rate=10)
    with VideoReader(clip) as video:
        assert (video.width, video.height, video.rate, video.frames) == (64, 48, 10, 12)
        assert video.duration == pytest.approx(1.2)
        frames = list(video)
        assert video.problem is None
    assert [frame.index for frame in frames] == list(range(12))
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    assert [frame.seconds for frame in frames] == pytest.approx([place / 10 for place in range(12)])
    assert frames[0].image.flags.writeable


@pytest.mark.parametrize("start", [0, 1, 7, 11, 12, 40])
def test_start_skips_exactly(tmp_path, start: int) -> None:
    clip = write_clip(tmp_path / "a.mp4", numbered(12))
    with VideoReader(clip, start=start, threads=1) as video:
        seen = [(frame.index, number_of(frame.image)) for frame in video]
    assert seen == [(place, place) for place in range(start, 12)]


def test_a_variable_rate_keeps_its_times(tmp_path) -> None:
    times = [0.0, 0.04, 0.3, 0.31, 1.0, 1.5]
    clip = write_clip(tmp_path / "a.mkv", numbered(6), seconds=times)
    with VideoReader(clip) as video:
        assert [frame.seconds for frame in video] == pytest.approx(times, abs=1e-3)
    out = tmp_path / "b.mp4"
    with VideoReader(clip) as video, VideoWriter(out, 64, 48, video.rate) as writer:
        for frame in video:
            writer.write(frame.image, frame.seconds)
    with VideoReader(out) as video:
        again = list(video)
    assert [frame.seconds for frame in again] == pytest.approx(times, abs=2e-3)
    assert [number_of(frame.image) for frame in again] == list(range(6))


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    ],
)
def test_the_turn_of_the_file_is_applied(tmp_path, matrix, turned) -> None:
    clip = write_clip(tmp_path / "a.mp4", [picture()] * 3)
    turn_clip(clip, matrix)
    expected = turned(picture())
    with VideoReader(clip) as video:
        image = next(iter(video)).image
        assert image.shape == (video.height, video.width, 3) == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 6


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path) -> None:
    parts = [
        write_clip(tmp_path / f"{width}.ts", [picture(width, 48)] * 5, container="mpegts")
        for width in (64, 96)
    ]
    clip = tmp_path / "both.ts"
    clip.write_bytes(b"".join(part.read_bytes() for part in parts))
    with VideoReader(clip) as video:
        shapes = {frame.image.shape for frame in video}
        times = []
    assert shapes == {(48, 64, 3)}
    with VideoReader(clip) as video:
        times = [frame.seconds for frame in video]
    assert len(times) > 5
    assert all(a < b for a, b in itertools.pairwise(times))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.webm", "a.ts", "a.MP4"])
def test_every_container_is_written_and_read(tmp_path, name: str) -> None:
    out = tmp_path / name
    with VideoWriter(out, 64, 48, Fraction(30000, 1001)) as writer:
        for image in numbered(12):
            writer.write(image)
    assert list(tmp_path.iterdir()) == [out]
    with VideoReader(out) as video:
        assert float(video.rate) == pytest.approx(29.97, rel=0.02)
        frames = list(video)
        assert video.problem is None
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    times = [place / 29.97 for place in range(12)]
    assert [frame.seconds for frame in frames] == pytest.approx(times, abs=2e-3)


def test_sound_is_copied_packet_by_packet(tmp_path) -> None:
    clip = write_clip(tmp_path / "a.mp4", numbered(12), sound=True)
    out = tmp_path / "b.mov"
    with VideoWriter(out, 64, 48, Fraction(10), audio_from=clip) as writer:
        for image in numbered(12):
            writer.write(image)
        assert writer.notes == []

    def packets(path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    assert packets(out) == packets(clip)


def test_sound_that_does_not_fit_is_left_out_with_a_note(tmp_path) -> None:
    clip = write_clip(tmp_path / "a.mp4", numbered(3), sound=True)
    out = tmp_path / "b.webm"
    with VideoWriter(out, 64, 48, Fraction(10), audio_from=clip) as writer:
        for image in numbered(3):
            writer.write(image)
    assert len(writer.notes) == 1
    assert "a.mp4" in writer.notes[0]
    with VideoReader(out) as video:
        assert len(list(video)) == 3


@pytest.mark.parametrize("size", [(63, 47), (1, 1), (64, 47), (3, 48)])
def test_odd_sizes_get_one_more_row_or_column(tmp_path, size) -> None:
    width, height = size
    out = tmp_path / "a.mp4"
    with VideoWriter(out, width, height, Fraction(10)) as writer:
        for _ in range(3):
            writer.write(picture(width, height))
    with VideoReader(out) as video:
        assert (video.width, video.height) == (width + width % 2, height + height % 2)
        assert len(list(video)) == 3


def test_nothing_stands_under_the_name_after_an_error(tmp_path) -> None:
    out = tmp_path / "a.mp4"

    def stopped() -> None:
        with VideoWriter(out, 64, 48, Fraction(10)) as writer:
            writer.write(picture())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(tmp_path.iterdir()) == []


def test_colours_survive(tmp_path) -> None:
    out = tmp_path / "a.mp4"
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (240, 240, 240), (10, 10, 10)]
    with VideoWriter(out, 64, 48, Fraction(10)) as writer:
        for colour in colours:
            writer.write(np.full((48, 64, 3), colour, dtype=np.uint8))
    with VideoReader(out) as video:
        for frame, colour in zip(video, colours, strict=True):
            assert frame.image.mean(axis=(0, 1)) == pytest.approx(colour, abs=6)


def test_a_frame_of_the_wrong_size_is_our_error(tmp_path) -> None:
    with (
        pytest.raises(ValueError, match="64×48"),
        VideoWriter(tmp_path / "a.mp4", 64, 48, Fraction(10)) as writer,
    ):
        writer.write(picture(48, 48))


def test_a_folder_that_is_not_there(tmp_path) -> None:
    with (
        pytest.raises(InputError, match="Cannot write"),
        VideoWriter(tmp_path / "no" / "a.mp4", 64, 48, Fraction(10)),
    ):
        pass


def test_memory_does_not_grow_with_the_length(tmp_path) -> None:
    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def run(count: int) -> None:
        out = tmp_path / "a.mp4"
        image = picture(640, 480)
        with VideoWriter(out, 640, 480, Fraction(30), threads=1) as writer:
            for _ in range(count):
                writer.write(image)
        with VideoReader(out, threads=1) as video:
            assert sum(1 for _ in video) == count

    run(60)
    before = peak()
    run(400)
    assert peak() - before < 30_000  # kB; 340 frames more are 300 MB


def test_the_clip_that_is_an_mp4_named_avi(data_set, tmp_path) -> None:
    clip = data_set("people_media") / "video.avi"
    out = tmp_path / "video.avi"
    with (
        VideoReader(clip) as video,
        VideoWriter(out, video.width, video.height, video.rate, audio_from=clip) as writer,
    ):
        for frame in video:
            if frame.index == 20:
                break
            writer.write(frame.image, frame.seconds)
    with av.open(str(out)) as container:
        assert container.format.name == "avi"
        assert len(container.streams.audio) == 1
