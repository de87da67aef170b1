"""ETH and UCY: five scenes from above, tested on one at a time.

Pellegrini et al. (ICCV 2009), Lerner et al. (Eurographics 2007), in the split that Social GAN made
and everyone uses: `all_data/SCENE.txt`, `train/SCENE_train.txt` and `val/SCENE_val.txt`, each row
frame, person, x, y in metres, 2.5 annotated frames a second.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import ClassVar

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import find_data
from vitruvian.motion.tracks import Windows, cut_windows, join_windows, read_text

FOLDS: dict[str, tuple[str, ...]] = {
    "eth": ("biwi_eth",),
    "hotel": ("biwi_hotel",),
    "univ": ("students001", "students003"),
    "zara1": ("crowds_zara01",),
    "zara2": ("crowds_zara02",),
}
"""Fold → the scenes that it is tested on; it is trained on all others."""

ONLY_TRAINED = ("crowds_zara03", "uni_examples")

HELD_BACK: dict[str, tuple[str, ...]] = {
    "uni_examples": ("uni_examples", *FOLDS["univ"]),
    "zara3": ("crowds_zara03", *FOLDS["zara1"], *FOLDS["zara2"]),
}
"""Folds that choose settings → the scenes that are not trained on.

No protocol tests the first of these scenes; the others are of the same place. Its whole film is
the validation part, so a setting is judged, as in the test, at a place that was never seen.
"""


class EthUcy:
    """Windows of 20 steps of a fold: 8 are observed, 12 predicted.

    Args:
        fold: One of `FOLDS`, or of `HELD_BACK`, which has no test.
        split: "train" or "val": the earlier and the later part of the other scenes' films;
            "test": the whole film of the fold's scene.
        root: The data set's folder; None: its own below the data root.
        stride: See `cut_windows`.
        least: Likewise; 2 is the protocol.

    Raises:
        UnknownNameError: there is no such fold or split.
        InputError: a file is absent or damaged.
    """

    name: ClassVar[str] = "eth_ucy"
    title: ClassVar[str] = "ETH/UCY"
    licence: ClassVar[str] = "research use"
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    unit: ClassVar[str] = "m"

    def __init__(
        self,
        fold: str,
        split: str = "test",
        root: str | Path | None = None,
        *,
        stride: int = 1,
        least: int = 2,
    ) -> None:
        check_fold(fold)
        if split not in self.splits:
            raise UnknownNameError("split of ETH/UCY", split, self.splits)
        if split == "test" and fold in HELD_BACK:
            raise InputError(f"The fold {fold} only chooses settings: it has no test.")
        self.fold = fold
        folder = find_data(self.name, root)
        whole = HELD_BACK[fold][:1] if fold in HELD_BACK else FOLDS[fold]
        if split == ("val" if fold in HELD_BACK else "test"):
            files = [folder / "all_data" / f"{scene}.txt" for scene in whole]
        else:
            held = HELD_BACK.get(fold, whole)
            scenes = [s for other in FOLDS.values() for s in other] + list(ONLY_TRAINED)
            files = [
                folder / split / f"{scene}_{split}.txt" for scene in scenes if scene not in held
            ]
        self.windows = join_windows([_windows(file, stride, least) for file in files])
        if not len(self.windows):
            raise InputError(
                f"{files[0].parent} holds no window of 20 steps with {least} people: get it again."
            )

    def __len__(self) -> int:
        return len(self.windows)


def check_fold(fold: str) -> None:
    """Refuse a fold that there is not.

    Raises:
        UnknownNameError: with the folds that there are.
    """
    if fold not in FOLDS and fold not in HELD_BACK:
        raise UnknownNameError("fold of ETH/UCY", fold, (*FOLDS, *HELD_BACK))


@cache
def _windows(file: Path, stride: int, least: int) -> Windows:
    return cut_windows(read_text(file), stride=stride, least=least)
