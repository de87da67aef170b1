"""Places: procedural rooms, streets, lawns and studios, or a folder of photos.

The floor is z = 0 and walls are vertical planes behind and beside the people, so perspective,
shadows and the people's feet agree. Colours are linear light.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from vitruvian.core.errors import InputError
from vitruvian.world.camera import Camera
from vitruvian.world.kernels import scenery as kernels

PLACES = ("room", "street", "lawn", "studio")
SCENE_LABELS = (
    "nothing",
    "floor",
    "wall",
    "sky",
    "window",
    "grass",
    "person",
    "thing",
    "background photo",
    "plant",
)
"""What a pixel of a scene belongs to, by its number."""

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_GREEN = np.array([0.09, 0.16, 0.03])

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Background:
    """What lies behind the people; `Stage.render` paints it as a camera sees it.

    Attributes:
        place: Name in `PLACES`, or "photo".
        values: The fields of `kernels.scenery.Scenery`.
        photo: (height, width, 3): linear light, where a photo is the background.
        blur: Spread of what is out of focus, as a share of the picture's height.
    """

    place: str
    values: dict[str, Any]
    photo: NDArray[np.float32] | None
    blur: float

    def struct(self) -> Any:
        """The place as the kernels read it."""
        result = kernels.Scenery()
        for name, value in self.values.items():
            if isinstance(value, tuple):
                value = wp.vec3(*value) if len(value) == 3 else wp.vec2(*value)
            setattr(result, name, value)
        return result


def _color(rng: np.random.Generator, low: float, high: float, spread: float) -> tuple[float, ...]:
    """A muted colour: grey, warmer or colder."""
    level, warmth, odd = rng.uniform(low, high), rng.normal(0, spread), rng.normal(0, spread / 3)
    color = level * np.array([1 + warmth, 1 + odd, 1 - warmth])
    return _plain(np.clip(color, 0.01, 0.95))


def _plain(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def sample_background(
    rng: np.random.Generator, place: str, camera: Camera, reach: float
) -> Background:
    """Draw a place.

    Args:
        rng: Drawn from in an order that depends on `place` alone.
        place: Name in `PLACES`.
        camera: The camera, which no wall stands before.
        reach: How far from the origin the people reach, in metres.
    """
    ahead = camera.rotation[2, :2] / np.linalg.norm(camera.rotation[2, :2])
    inside = place in ("room", "studio")
    far = reach + (rng.uniform(0.3, 4.0) if inside else rng.uniform(2, 25))
    angle = np.radians(rng.normal(0, 20))
    cosine, sine = np.cos(angle), np.sin(angle)
    facing = np.array([[cosine, -sine], [sine, cosine]]) @ ahead
    hand = 1 if rng.uniform() < 0.5 else -1
    aside = hand * np.array([-facing[1], facing[0]])
    beside = max(reach, float(camera.position[:2] @ aside)) + rng.uniform(0.5, 4.0)
    cornered = bool(rng.uniform() < 0.5) and place in ("room", "street")
    street = place == "street"
    # Light floors and façades are as frequent as dark ones.
    wall = _color(rng, 0.12, 0.6, 0.12 if not street else 0.09)
    floor = _color(rng, 0.12, 0.5, 0.1 if not street else 0.06)
    second = tuple(value * 0.55 for value in floor)
    joint = tuple(value * 0.65 + 0.05 for value in wall)
    style, laid = rng.uniform(), rng.uniform()
    pane = _color(rng, 0.03, 0.4, 0.15)
    brick = 0.08 if rng.uniform() < 0.5 else 0.3
    window = rng.uniform(1.2, 3.5, 2)
    leaves = _GREEN * rng.uniform(0.4, 1.3) * rng.uniform(0.8, 1.2, 3)
    trees = rng.uniform(0.08, 0.4) if rng.uniform() < 0.4 and street else 0.0
    pattern = 0
    if place == "room" and laid < 0.5:
        pattern = 1
    elif laid < 0.75:
        pattern = 2 + int(laid > 0.68)
    if place == "lawn":
        floor = _plain(_GREEN * rng.uniform(0.7, 1.7) * rng.uniform(0.85, 1.15, 3))
    values = {
        "place": PLACES.index(place),
        "facing": _plain(facing),
        "far": float(far),
        "aside": _plain(aside),
        "side": float(beside) if cornered else 0.0,
        "tall": 30.0 if inside else float(rng.uniform(2.5, 16)),
        "wall": wall,
        "joint": joint,
        "brick": brick if style < 0.4 else 0.0,
        "window": _plain(window + np.array([0, 0.8]))
        if style > 0.25 and place != "lawn"
        else (0.0, 0.0),
        "pane": pane,
        "ratio": (float(rng.uniform(0.35, 0.6)), 0.0),
        "trees": float(trees),
        "leaves": _plain(leaves),
        "floor": floor,
        "second": second,
        "pattern": pattern,
        "tile": float(rng.uniform(0.12, 0.8)),
        "turn": float(rng.uniform(0, np.pi)),
        "blue": float(rng.uniform(0.3, 1.0)),
        "shift": float(rng.uniform(0, 200)),
    }
    blur = float(rng.uniform(0.001, 0.012)) if rng.uniform() < 0.5 else 0.0
    return Background(place, values, None, blur)


@lru_cache(maxsize=8)
def find_photos(folder: Path) -> tuple[Path, ...]:
    """The photos of a folder, by name.

    Raises:
        InputError: it is no folder, or holds none.
    """
    if not folder.is_dir():
        raise InputError(f"The background folder {folder} is not a folder: give one with photos.")
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_ENDINGS)
    if not photos:
        endings = ", ".join(PHOTO_ENDINGS)
        raise InputError(f"The background folder {folder} holds no photo ({endings}).")
    return tuple(photos)


@lru_cache(maxsize=8)
def _read(path: Path) -> NDArray[np.uint8]:
    data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if picture is None:
        raise InputError(f"The background {path} is not a picture that can be read: remove it.")
    return np.asarray(picture, dtype=np.uint8)[..., ::-1]


def photo_background(rng: np.random.Generator, folder: Path, width: int, height: int) -> Background:
    """A cut-out of one of a folder's photos, as large as the picture.

    Raises:
        InputError: the folder holds no photo, or the one that is drawn is broken.
    """
    photos = find_photos(folder)
    picture = _read(photos[int(rng.integers(len(photos)))])
    share, place, blurred = rng.uniform(0.6, 1.0), rng.uniform(size=2), rng.uniform()
    scale = min(picture.shape[0] / height, picture.shape[1] / width) * share
    size = np.array([max(1, round(height * scale)), max(1, round(width * scale))])
    top, left = ((np.array(picture.shape[:2]) - size) * place).astype(int)
    cut = picture[top : top + size[0], left : left + size[1]]
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(cut), (width, height), interpolation=way)
    light = np.power(resized.astype(np.float32) / np.float32(255), np.float32(2.2))
    return Background(
        "photo", {"place": kernels.PHOTO}, light, 0.006 * blurred if blurred > 0.5 else 0.0
    )


@lru_cache(maxsize=1)
def noise_table() -> NDArray[np.float32]:
    """(256, 256): noise of unit spread whose strength falls with frequency; it has no seam."""
    rng = np.random.default_rng(0)
    size = 256
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size) * size, np.fft.fftfreq(size) * size))
    strength = 1 / np.maximum(frequency, 6) ** 1.3
    strength[0, 0] = 0
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * strength).real
    return (noise / noise.std()).astype(np.float32)
