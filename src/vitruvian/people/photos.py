"""Photos: every format that Pillow reads, as upright RGB arrays; and back to files."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vitruvian.core.errors import InputError
from vitruvian.core.files import whole_file

JPEG_QUALITY = 92

PHOTO_FORMATS: dict[str, str] = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".png", ".apng"), "PNG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    ".webp": "WEBP",
    ".gif": "GIF",
    ".jp2": "JPEG2000",
    ".avif": "AVIF",
}
"""Suffix → Pillow's name of the format that is written under it."""

# Pillow decodes each of these by itself; what they raise on a bad file is not one family.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
)

_EXIF_ORIENTATION = 0x0112

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_photo(path: str | Path) -> NDArray[np.uint8]:
    """The picture in a file.

    The EXIF turn is applied. What is transparent shows white. 16-bit values keep their upper
    8 bits. Of an animation or a file of several pages the first is read. Colour profiles are not
    applied. Pillow's own limit holds: twice `PIL.Image.MAX_IMAGE_PIXELS`, 179 megapixels.

    Returns:
        (height, width, 3) RGB uint8, its own memory.

    Raises:
        InputError: there is no such file, it cannot be read, is no picture, is truncated (a
            half-grey picture is never returned), or is larger than the limit.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # Pillow warns from half its limit on, and about odd EXIF data; both are well here.
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                image.load()
                return _upright_rgb(image)
    except UnidentifiedImageError as error:
        raise InputError(_why_no_picture(path)) from error
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise InputError(
            f"{path} is larger than {limit} megapixels: make it smaller, or raise "
            "PIL.Image.MAX_IMAGE_PIXELS where you trust the file."
        ) from error
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory: make the picture smaller.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder, not a picture: give a file in it.") from error
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}: check the name.") from error
    except PermissionError as error:
        hint = "is a folder, not a picture" if path.is_dir() else "may not be read"
        raise InputError(f"{path} {hint}: check its permissions.") from error
    except _DECODER_ERRORS as error:
        raise InputError(
            f"{path} is truncated or damaged ({_short(error)}): get a whole copy of it."
        ) from error


def _short(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 80 else words[:79] + "…"


def _why_no_picture(path: Path) -> str:
    if path.stat().st_size == 0:
        return f"{path} is empty: get a whole copy of it."
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] in {b"heic", b"heix", b"mif1", b"msf1", b"hevc"}:
        return f"{path} is a HEIC picture, which is not read here: convert it to JPEG or PNG."
    return f"{path} is no picture that can be read: give a JPEG, PNG, WebP, TIFF, BMP or GIF file."


def _upright_rgb(image: Image.Image) -> NDArray[np.uint8]:
    # After load(): a PNG may hold its EXIF data behind the pixels, and TIFF turns itself there.
    try:
        turn = _TURNS.get(image.getexif().get(_EXIF_ORIENTATION, 1))
    except _DECODER_ERRORS:
        turn = None  # the pixels are whole; only the note about them is not
    image = _to_rgb(image)
    if turn is not None:
        image = image.transpose(turn)
    return np.array(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(grey: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey values of 16 or 32 bits, or floats, as 8 bits.

    Integers above 255 are taken as 16-bit; floats are in [0, 1], or in [0, 255] where one is above.
    """
    values = grey.astype(np.float32)
    peak = float(values.max(initial=0))
    if grey.dtype.kind == "f":
        values *= 255 if peak <= 1 else 1
    elif grey.dtype == np.uint16 or peak > 255:
        values /= 257
    return np.clip(np.nan_to_num(values) + 0.5, 0, 255).astype(np.uint8)


def write_photo(image: NDArray[np.uint8], path: str | Path) -> None:
    """Write a picture in the format of the path's suffix, whole or not at all.

    JPEG, WebP and AVIF are written at quality 92. A suffix that is not in `PHOTO_FORMATS` gets a
    JPEG. A GIF holds one frame of 256 colours.

    Args:
        image: (height, width, 3) RGB uint8.
        path: Where to.

    Raises:
        InputError: the file cannot be written.
    """
    path = Path(path)
    kind = PHOTO_FORMATS.get(path.suffix.lower(), "JPEG")
    options = {"quality": JPEG_QUALITY} if kind in {"JPEG", "WEBP", "AVIF"} else {}
    if kind == "JPEG" and max(image.shape[:2]) > 65535:
        raise InputError(f"{path} cannot be written: JPEG ends at 65535 pixels a side, use PNG.")
    if kind == "PNG":
        options = {"compress_level": 3}  # a third of the time of level 6, files 5 % larger
    with whole_file(path) as part:
        Image.fromarray(image).save(part, kind, **options)
