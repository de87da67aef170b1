"""The world as a data set: rendered when asked for, or read from a folder, with the same result."""

from __future__ import annotations

import tarfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from torch.utils.data import Dataset

from vitruvian.core.errors import InputError
from vitruvian.world.items import PICTURES, Item, make_item, unpack_item

if TYPE_CHECKING:
    from vitruvian.world.sample import Setting


class World(Dataset[Item]):
    """Samples of a seed, from index `first` on; see `world.items` for what each one holds.

    A worker of a `DataLoader` renders alone: the items do not depend on the number of workers.

    Args:
        count: Samples; None: as many as `root` holds.
        seed: Of the world.
        setting: What is asked of each; one person on 192 × 256 pixels where left out.
        first: Index of the first sample.
        root: A folder of `vitruvian world make --as native`; its samples are read instead of
            rendered, and `seed` and `setting` are the folder's.
        device: warp's name of the device that renders.

    Raises:
        InputError: there is nothing to render, or the folder is not whole or of another format.

    Attributes:
        seed: Of the samples.
    """

    def __init__(
        self,
        count: int | None = None,
        seed: int = 0,
        setting: Setting | None = None,
        *,
        first: int = 0,
        root: str | Path | None = None,
        device: str = "cpu",
    ) -> None:
        self.seed = seed
        self.first = first
        self.setting = setting
        self.device = device
        self._folder = None if root is None else Path(root)
        if self._folder is not None:
            if setting is not None:
                raise InputError(f"The samples of {root} have their own setting: give none.")
            count = self._open(self._folder, count)
        if count is None or count < 1 or first < 0:
            raise InputError("The world needs the number of its samples, from 1 on.")
        self._count = count

    def _open(self, folder: Path, count: int | None) -> int:
        """Read what a folder holds; how many samples it gives."""
        from vitruvian.world.make import read_manifest

        manifest = read_manifest(folder)
        if manifest["format"] != "native":
            raise InputError(
                f"{folder} is written as {manifest['format']}; the world reads folders of "
                "vitruvian world make --as native."
            )
        if "people" not in manifest:
            raise InputError(f"{folder} is not whole: give the command that made it again.")
        self.seed, self._shard = int(manifest["seed"]), int(manifest["shard"])
        there = int(manifest["samples"]) - self.first
        if count is not None and count > there:
            raise InputError(
                f"{folder} has {manifest['samples']} samples, not {self.first + count}."
            )
        return there if count is None else count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> Item:
        if not -self._count <= place < self._count:
            raise IndexError(place)
        index = self.first + place % self._count
        if self._folder is not None:
            return _read(self._folder / f"shard-{index // self._shard:06d}.tar", index)
        from vitruvian.world.sample import render_sample

        return make_item(render_sample(self.seed, index, self.setting, device=self.device))


def _read(file: Path, index: int) -> Item:
    """A sample of a shard."""
    endings = [*(f"{name}.png" for name in PICTURES), "json"]
    places = _places(file)
    files = {}
    try:
        with file.open("rb") as shard:
            for ending in endings:
                start, size = places[f"{index:08d}.{ending}"]
                shard.seek(start)
                files[ending] = shard.read(size)
    except (OSError, KeyError) as error:
        raise InputError(f"The shard {file} has no whole sample {index}: make it again.") from error
    return unpack_item(files)


@lru_cache(maxsize=64)
def _places(file: Path) -> dict[str, tuple[int, int]]:
    """Where in a tar its files begin, and their sizes."""
    try:
        with tarfile.open(file) as tar:
            return {member.name: (member.offset_data, member.size) for member in tar}
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"The shard {file} cannot be read: make it again.") from error
