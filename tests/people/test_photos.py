"""Photos of every kind, read upright as RGB, and written."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.people.media import picture
from vitruvian.core.errors import InputError
from vitruvian.people.photos import PHOTO_FORMATS, read_photo, write_photo

TURNED = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    8: lambda image: np.rot90(image, 1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
def test_the_exif_turn_is_applied(tmp_path, orientation: int, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {} if name in {"a.png", "a.tif"} else {"quality": 95}
    Image.fromarray(picture()).save(tmp_path / name, exif=exif, **options)
    image = read_photo(tmp_path / name)
    expected = TURNED[orientation](picture())
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < (4 if options else 0.1)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "YCbCr", "RGB"])
def test_every_mode_becomes_rgb(tmp_path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode in {"CMYK", "YCbCr"} else "a.png")
    original = Image.fromarray(picture()).convert(mode)
    original.save(path)
    image = read_photo(path)
    assert image.dtype == np.uint8
    assert image.flags.writeable
    assert image.flags.c_contiguous
    expected = np.asarray(original.convert("RGB")).astype(int)
    assert np.abs(image - expected).mean() < 1


def test_cmyk_jpeg(tmp_path) -> None:
    Image.fromarray(picture()).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read_photo(tmp_path / "a.jpg").astype(int) - picture()).mean() < 4


def test_16_bits_keep_their_upper_8(tmp_path) -> None:
    grey = picture()[..., 0]
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "a.png")
    assert np.array_equal(read_photo(tmp_path / "a.png"), np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("scale", [1 / 255, 1.0])
def test_floats(tmp_path, scale: float) -> None:
    grey = picture()[..., 0]
    Image.fromarray(grey.astype(np.float32) * scale).save(tmp_path / "a.tif")
    assert np.array_equal(read_photo(tmp_path / "a.tif")[..., 0], grey)


def test_what_is_transparent_is_white(tmp_path) -> None:
    image = np.zeros((8, 8, 4), dtype=np.uint8)
    image[4:, :, 3] = 255
    Image.fromarray(image).save(tmp_path / "a.png")
    palette = Image.fromarray(np.zeros((8, 8), dtype=np.uint8), "P")
    palette.save(tmp_path / "b.png", transparency=0)
    assert read_photo(tmp_path / "a.png")[:, 0, 0].tolist() == [255] * 4 + [0] * 4
    assert read_photo(tmp_path / "b.png").min() == 255


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_of_several_frames_the_first_is_read(tmp_path, name: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if name == "a.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    assert read_photo(tmp_path / name)[3, 3].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", [*PHOTO_FORMATS, ".JPG", "", ".unknown"])
def test_what_is_written_is_read(tmp_path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_photo(picture(), path)
    assert list(tmp_path.iterdir()) == [path]
    assert np.abs(read_photo(path).astype(int) - picture()).mean() < 12
    with Image.open(path) as image:
        assert image.format == PHOTO_FORMATS.get(suffix.lower(), "JPEG")


def test_a_jpeg_is_written_well(tmp_path) -> None:
    write_photo(picture(), tmp_path / "a.jpg")
    assert np.abs(read_photo(tmp_path / "a.jpg").astype(int) - picture()).mean() < 2


def test_a_folder_that_is_not_there(tmp_path) -> None:
    with pytest.raises(InputError, match="Cannot write"):
        write_photo(picture(), tmp_path / "no" / "a.jpg")
