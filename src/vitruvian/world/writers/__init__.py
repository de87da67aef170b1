"""Formats that the world is written in: one small file each, listed in `_MODULES`.

A new format is a file here with a `WRITER`, and its name below.
"""

from __future__ import annotations

import importlib
from functools import lru_cache

from vitruvian.core.errors import UnknownNameError
from vitruvian.world.writers.base import Writer

_MODULES = (
    *("native", "coco", "coco_wholebody", "crowdpose", "mpii", "lsp"),
    *("voc", "cityscapes", "camvid", "ccp", "lip", "eth_ucy", "clips"),
)


@lru_cache(maxsize=1)
def writers() -> dict[str, Writer]:
    """Name → writer, of every format."""
    found = [importlib.import_module(f"{__name__}.{module}").WRITER for module in _MODULES]
    return {writer.name: writer for writer in found}


def find_writer(name: str) -> Writer:
    """The writer of a format.

    Raises:
        UnknownNameError: there is none; the nearest name is suggested.
    """
    if name not in writers():
        raise UnknownNameError("format", name, writers())
    return writers()[name]
