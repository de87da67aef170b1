"""The part of `benchmarks/pose.py` for bottom-up systems: each trained by its recipe on crowds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lightning.pytorch import Callback
from numpy.typing import NDArray
from PIL import Image

from pose_methods import CROWDS
from vitruvian.core.card import find_card
from vitruvian.core.drawing import draw_pose
from vitruvian.core.files import whole_file
from vitruvian.core.recipes import find_recipe
from vitruvian.core.records import Pose
from vitruvian.core.training import BEST, CONFIG, score, train
from vitruvian.core.weights import find_weights
from vitruvian.pose.crowd_data import Pictures

Found = dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]]

FOLDS = 10
"""Parts of the test, whose spread tells what a gap is worth."""
SHOWN, LARGER = 4, 2
"""So many of the test's pictures are drawn, so much larger."""
GAP = 8


class Watch(Callback):
    """What a test finds in each picture, and what it costs."""

    def __init__(self) -> None:
        self.found: Found = {}
        self.seconds = 0.0
        self.parameters = 0
        self.pictures: Pictures | None = None

    def on_test_epoch_start(self, *_: Any) -> None:
        """Start the clock."""
        self.seconds = -time.process_time()

    def on_test_epoch_end(self, trainer: Any, system: Any) -> None:
        """Stop it, before anything is scored."""
        self.seconds += time.process_time()
        self.found = dict(system.scored)
        self.parameters = sum(each.numel() for each in system.parameters())
        self.pictures = trainer.datamodule.pictures("test")


def run_crowds(method: str, seed: int, epochs: int | None, runs: Path, strip: Path) -> dict:
    """Train a bottom-up system by its recipe, if it is to be trained, and test it on crowds.

    Args:
        method: Of `CROWDS`.
        seed: Of the training.
        epochs: As many; None: the method's.
        runs: The folder of all runs; one that is there goes on, or is done.
        strip: The picture that is drawn of what is found.
    """
    crowd = CROWDS[method]
    name, file = find_recipe(crowd.recipe)
    if crowd.weights:
        weights = find_weights(find_card(crowd.weights)).file
        return {**test(file, weights, crowd.test, strip), "epochs": 0}
    folder = runs / crowd.run / str(seed)
    options = ["--seed_everything", str(seed)]
    if crowd.base:
        base = runs / CROWDS[crowd.base].run / str(seed) / BEST
        options += ["--model.backbone", str(base)]
    if epochs or crowd.epochs:
        length = str(epochs or crowd.epochs)
        options += ["--trainer.max_epochs", length, "--lr_scheduler.init_args.T_max", length]
    result = train(name, file, folder, options)
    tested = test(folder / CONFIG, folder / BEST, crowd.test, strip)
    return {**tested, "seconds": result["seconds"], "epochs": result["epochs"]}


def test(recipe: Path, checkpoint: Path, options: Sequence[str], strip: Path) -> dict[str, Any]:
    """Scores of all pictures and of each fold, and what they cost.

    Args:
        recipe: As in `score`.
        checkpoint: Likewise.
        options: Settings.
        strip: As in `run_crowds`.
    """
    watch = Watch()
    scores = score(recipe, checkpoint, options, callbacks=[watch])
    found, pictures = watch.found, watch.pictures
    assert pictures is not None
    folds = [
        pictures.evaluate({index: found[index] for index in found if index % FOLDS == fold})
        for fold in range(FOLDS)
    ]
    draw_strip(pictures, found, strip)
    return {
        "scores": scores,
        "folds": [round(fold["ap"], 3) for fold in folds],
        "parameters": round(watch.parameters / 1e6, 3),
        "milliseconds": round(1e3 * watch.seconds / len(found), 1),
    }


def draw_strip(pictures: Pictures, found: Found, file: Path) -> None:
    """The first pictures of the test, each with its surest people, as many as there are."""
    tiles = []
    for index in range(SHOWN):
        image = np.ascontiguousarray(pictures.picture(index))
        image = cv2.resize(image, None, fx=LARGER, fy=LARGER, interpolation=cv2.INTER_CUBIC)
        joints, scores = found[index]
        for place in np.argsort(-scores, kind="stable")[: len(pictures.groups[index][1])]:
            scaled = joints[place] * np.array([LARGER, LARGER, 1], dtype=np.float32)
            draw_pose(image, Pose(pictures.people.skeleton, scaled), 3)
        tiles += [image, np.full((len(image), GAP, 3), 255, dtype=np.uint8)]
    with whole_file(file) as part:
        Image.fromarray(np.hstack(tiles[:-1])).save(part, "JPEG", quality=85)
