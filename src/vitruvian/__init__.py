"""Vitruvian sees people: it finds, measures and re-creates them in pictures and video.

>>> import vitruvian
>>> frame = vitruvian.analyze("photo.jpg")     # everyone in a photo
>>> for frame in vitruvian.analyze("clip.mp4"):  # or in each frame of a video
...     for person in frame:
...         print(person.id, person.pose["nose"])

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["analyze", "load", "systems"]

if TYPE_CHECKING:
    from vitruvian.core.card import cards as systems
    from vitruvian.core.load import load
    from vitruvian.people.analyze import analyze

_HOMES = {
    "analyze": ("vitruvian.people.analyze", "analyze"),
    "load": ("vitruvian.core.load", "load"),
    "systems": ("vitruvian.core.card", "cards"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'vitruvian' has no attribute {name!r}"
        raise AttributeError(msg)
    import importlib

    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
