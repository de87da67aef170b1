"""Rendered crowds as a data set: pictures of two to eight people, in COCO's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import find_data
from vitruvian.core.weights import cache_folder
from vitruvian.pose.datasets.coco import CocoKeypoints
from vitruvian.pose.datasets.world import SEEDS

COUNTS = {"train": 2000, "validation": 200, "test": 500}
"""Pictures of each split."""
SIZE = (320, 240)
PEOPLE = (2, 8)
LEAST = 16**2
"""Seen pixels of a person whose joints are asked for. COCO marks none below 32², in pictures twice
as wide."""

_PART = "train"  # of the folders that are written: all of a split is in one part of COCO's files


class RenderedCrowds(CocoKeypoints):
    """Crowds that the world renders: each split once, into a folder that is kept; needs `world`.

    The pictures of a split are a function of its seed and their number, so that all systems see the
    same ones. People of whom less than `LEAST` pixels are seen are treated as COCO treats crowds:
    nothing is learned where they are, and finding them is neither right nor wrong.

    Args:
        split: "train", "validation" or "test": each a world of its own seed.
        root: An existing folder, below which they are kept; None: the cache.
        count: Pictures; 2,000, 200 and 500 of the splits where left out.
        skip_bad: Whether to go on without annotations that lie.

    Raises:
        InputError: the folder holds something else, or another process is rendering into it.
    """

    name: ClassVar[str] = "world_crowds"
    title: ClassVar[str] = "Rendered crowds"
    licence: ClassVar[str] = "none needed: rendered here"
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    def __init__(
        self,
        split: str = "test",
        root: str | Path | None = None,
        *,
        count: int | None = None,
        skip_bad: bool = False,
    ) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        folder = render_crowds(split, COUNTS[split] if count is None else count, root)
        super().__init__(
            split,
            annotations=folder / self.files[_PART][0],
            pictures=folder / self.files[_PART][1],
            skip_bad=skip_bad,
        )

    def read(self, file: Path, pictures: Path) -> Any:
        """The annotations; people who are hardly seen are marked as a crowd."""
        content = super().read(file, pictures)
        for entry in content["annotations"]:
            entry["iscrowd"] = int(entry["area"] < LEAST)
        return content


def render_crowds(split: str, count: int, root: str | Path | None = None) -> Path:
    """The folder of a split in COCO's format; rendered where it is not there whole.

    Args:
        split: A key of `SEEDS`.
        count: Pictures, all of them in the folder's training part.
        root: As in `RenderedCrowds`.

    Raises:
        InputError: as in `RenderedCrowds`, or no picture is asked for.
    """
    if count < 1:
        raise InputError("Rendered crowds need a count of 1 or more.")
    from vitruvian.world.make import WORLD, Plan, make
    from vitruvian.world.sample import Setting
    from vitruvian.world.writers import find_writer

    kept = cache_folder() if root is None else find_data("world_crowds", root)
    folder = kept / f"crowds-{WORLD}" / f"{split}-{count}"
    setting = Setting(*SIZE, people=PEOPLE)
    plan = Plan(find_writer("coco"), count, setting, SEEDS[split], (1.0, 0.0))
    if not (folder / CocoKeypoints.files[_PART][0]).is_file():
        from vitruvian.core.training import say

        say(f"Rendering {count} crowds into {folder}, once.")
    make(plan, folder)
    return folder
