from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

import vitruvian
from tests.people.fakes import FakeDetector, picture, write_clip, write_picture
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.records import Frame
from vitruvian.people import analyze as module
from vitruvian.people.analyze import analyze, as_rgb


@pytest.fixture
def made(monkeypatch) -> Iterator[list[FakeDetector]]:
    """The fake detectors that were made in place of the real ones."""
    detectors = []

    def make(**options):
        detectors.append(FakeDetector())
        return detectors[-1]

    monkeypatch.setattr("vitruvian.people.detector.PeopleDetector", make)
    module._detector.cache_clear()
    yield detectors
    module._detector.cache_clear()


def test_photo_by_path(made, tmp_path) -> None:
    path = write_picture(tmp_path / "a.jpg")
    for given in (path, str(path)):
        frame = vitruvian.analyze(given)
        assert isinstance(frame, Frame)
        assert frame.source == str(path)
        assert [person.id for person in frame] == [1, 2]
        assert frame.image.shape == (120, 160, 3)
        assert frame.to_dict()["people"][0]["pose"]["skeleton"] == "openpose18"
    assert len(made) == 1  # kept between calls


def test_drawing(made) -> None:
    image = picture([(40, 60)])
    frame = analyze(image)
    drawn = frame.draw()
    assert isinstance(drawn, Image.Image)
    assert drawn.size == (160, 120)
    assert (np.asarray(drawn) != image).any()
    assert (frame.image == image).all()


PICTURE = picture([(40, 60), (110, 60)])


@pytest.mark.parametrize(
    "given",
    [
        PICTURE,
        PICTURE.astype(np.float64) / 255,
        PICTURE.astype(np.float32) / 255,
        PICTURE.astype(np.uint16) * 256,
        np.dstack([PICTURE, np.full((120, 160), 255, np.uint8)]),
        PICTURE[:, ::-1][:, ::-1],
        np.asfortranarray(PICTURE),
        Image.fromarray(PICTURE),
        Image.fromarray(PICTURE).convert("RGBA"),
        torch.from_numpy(PICTURE).permute(2, 0, 1),
        torch.from_numpy(PICTURE).permute(2, 0, 1) / 255,
        (torch.from_numpy(PICTURE).permute(2, 0, 1) / 255).requires_grad_(),
    ],
)
def test_all_kinds_of_picture_are_the_same_picture(made, given) -> None:
    frame = analyze(given)
    assert (frame.image == PICTURE).all()
    assert len(frame) == 2


def test_half_precision_grey_and_masks() -> None:
    half = as_rgb((torch.from_numpy(PICTURE).permute(2, 0, 1) / 255).bfloat16())
    assert np.abs(half.astype(int) - PICTURE).max() <= 1
    grey = PICTURE.mean(axis=2).astype(np.uint8)
    for one in (grey, grey[..., None], torch.from_numpy(grey)[None], Image.fromarray(grey)):
        assert (as_rgb(one) == grey[..., None]).all()
        assert as_rgb(one).shape == (120, 160, 3)
    assert set(np.unique(as_rgb(grey > 100))) == {0, 255}
    clear = np.zeros((4, 4, 4), np.uint8)
    assert (as_rgb(clear) == 255).all()


def test_callers_array_is_never_shared(made) -> None:
    image = PICTURE.copy()
    frame = analyze(image)
    image[:] = 0
    assert (frame.image == PICTURE).all()


def test_list_is_done_in_batches(made, tmp_path) -> None:
    path = write_picture(tmp_path / "a.png")
    frames = analyze([path, PICTURE, Image.fromarray(PICTURE)], batch_size=2)
    assert isinstance(frames, list)
    assert [frame.source for frame in frames] == [str(path), "picture 1", "picture 2"]
    assert made[0].batches == [2, 1]
    assert analyze([]) == []
    assert len(analyze((PICTURE, PICTURE))) == 2


def test_video_is_read_as_it_is_asked(made, tmp_path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=30)
    frames = analyze(clip, batch_size=4)
    assert made[0].seen == 0
    first = next(frames)
    assert made[0].seen == 4
    rest = list(frames)
    assert [frame.frame for frame in (first, *rest)] == list(range(30))
    assert rest[9].seconds == pytest.approx(0.4)
    assert first.image is not None
    assert {person.id for frame in rest for person in frame} == {1, 2}
    # They pass each other; numbers stay with the colours: red is the upper one.
    assert all(frame[0].box[1] < frame[1].box[1] for frame in rest)


def test_iterator_of_frames_without_end(made) -> None:
    def endless():
        i = 0
        while True:
            yield picture([(20 + i % 100, 60)])
            i += 1

    frames = analyze(endless(), rate=50.0, smooth=False, batch_size=2)
    seen = [next(frames) for _ in range(20)]
    assert seen[5].seconds == pytest.approx(0.1)
    assert [person.id for frame in seen for person in frame] == [1] * 20


def test_smoothing_can_be_left_off(made, tmp_path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=50)
    steady = [frame[0].pose.joints for frame in analyze(clip)]
    raw = [frame[0].pose.joints for frame in analyze(clip, smooth=False)]
    assert (steady[0] == raw[0]).all()
    assert np.abs(steady[8] - raw[8]).max() > 1e-3


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (np.zeros((3, 20, 30), np.uint8), r"\(height, width, 3\) RGB, not \(3, 20, 30\)"),
        (np.zeros((20, 30, 3), np.int64), "int64"),
        (np.full((20, 30, 3), 200.0), r"\[0, 1\], not in \[200"),
        (np.full((20, 30, 3), np.nan), r"\[0, 1\]"),
        (np.zeros((0, 30, 3), np.uint8), "not .0, 30, 3"),
        (np.zeros((2, 20, 30, 3), np.uint8), "not .2, 20"),
        (torch.zeros(20, 30, 3), r"must be \(3, height, width\)"),
        (torch.zeros(2, 3, 20, 30), r"must be \(3, height, width\)"),
        (5, "A int cannot be analyzed"),
        (None, "NoneType"),
        ([3], "A int is no picture"),
        ("nothing-there.jpg", "nothing-there.jpg"),
    ],
)
def test_what_is_no_picture_is_said(made, given, match) -> None:
    with pytest.raises(InputError, match=match):
        analyze(given)


def test_bad_files_are_said(made, tmp_path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(InputError, match=r"text\.jpg"):
        analyze(tmp_path / "text.jpg")
    with pytest.raises(InputError, match="is a folder"):
        analyze(tmp_path)
    clip = write_clip(tmp_path / "clip.mp4", frames=3)
    with pytest.raises(InputError, match="list holds photos"):
        analyze([clip])
    whole = clip.read_bytes()
    clip.write_bytes(whole[:40])
    with pytest.raises(InputError, match=r"clip\.mp4"):
        analyze(clip)  # at the call, not at the first frame


@pytest.mark.parametrize(
    "options",
    [
        {"height": 0},
        {"scales": ()},
        {"scales": (0.0,)},
        {"batch_size": 0},
        {"rate": 0.0},
        {"rate": float("nan")},
    ],
)
def test_options_without_sense(made, options) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        analyze(PICTURE, **options)


def test_unknown_names_of_options(made) -> None:
    with pytest.raises(UnknownNameError, match="bf16"):
        analyze(PICTURE, precision="bf61")
    with pytest.raises(UnknownNameError, match="onnxruntime"):
        analyze(PICTURE, backend="onnx")


def test_real_detector_finds_the_people_of_a_real_photo(data_set) -> None:
    folder = data_set("people_media")
    frame = vitruvian.analyze(folder / "COCO_val2014_000000000241.jpg")
    assert 3 <= len(frame) <= 5
    assert any(person.face for person in frame)


def test_the_path_imports_neither_lightning_nor_what_it_does_not_need() -> None:
    code = (
        "import sys, vitruvian.people.analyze, vitruvian.people.run, vitruvian.cli.analyze\n"
        "print([m for m in ('torch', 'lightning', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
