"""What every system of tracks has in common: scoring by the protocol, and futures from tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vitruvian.core.errors import InputError
from vitruvian.core.system import Batch, System
from vitruvian.motion.futures import Future, Futures
from vitruvian.motion.layouts import CELL, cut_patches
from vitruvian.motion.metrics import mean_scores, score_window
from vitruvian.motion.observe import Moment, observe
from vitruvian.motion.tracks import Tracks


class MotionSystem(System):
    """A `System` whose input is tracks.

    A subclass gives `futures_of`, and sets `unit` and `samples`.

    Attributes:
        unit: Of the tracks that the network was trained on.
        metre: In that unit.
        samples: Futures that are scored.
    """

    unit: str = "m"
    metre: float = 1.0
    samples: int = 20

    def futures_of(
        self,
        past: Float[Tensor, "people observed 2"],
        scene: Tensor,
        samples: int,
        patches: Float[Tensor, "people classes side side"] | None = None,
    ) -> Float[Tensor, "people samples steps 2"]:
        """Futures relative to the last observed position, the likeliest first.

        Args:
            past: Relative to any origin of the scene.
            scene: (people,) int64: whose futures are drawn together, in order.
            samples: How many.
            patches: The layout around each person, where it is known (see `cut_patches`).
        """
        raise NotImplementedError

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Score a batch, a window at a time, without collisions."""
        self._score(batch, collisions=False)

    def test_step(self, batch: Batch, index: int) -> None:
        """Score a batch, a window at a time."""
        del index
        self._score(batch, collisions=True)

    def _score(self, batch: Batch, *, collisions: bool) -> None:
        past, future = batch["past"], batch["future"]
        patches = batch.get("patches")
        relative = self.futures_of(past, batch["scene"], self.samples, patches).float()
        futures = (past[:, None, -1:] + relative).cpu().numpy()
        truth = future.cpu().numpy()
        ends = np.cumsum(np.bincount(batch["scene"].cpu().numpy(), minlength=len(batch["index"])))
        pieces = zip(
            np.split(futures, ends[:-1]),
            np.split(truth, ends[:-1]),
            batch["index"].tolist(),
            strict=True,
        )
        for found, true, index in pieces:
            self.scored[index] = score_window(found, true, collisions=collisions, metre=self.metre)

    def evaluate(self, part: str, scored: Mapping[int, Any]) -> Mapping[str, float]:
        """The means of `mean_scores`."""
        del part
        return mean_scores(scored.values())

    @torch.inference_mode()
    def predict(
        self, tracks: Sequence[Tracks], *, frame: int | None = None, samples: int | None = None
    ) -> list[Futures]:
        """Where everyone goes who is there at a frame of each scene.

        Args:
            tracks: One a scene.
            frame: The frame that is now; None: each scene's last one.
            samples: Futures a person; None: 20.

        Raises:
            InputError: nobody is there, or the tracks are in another unit than the network's.
        """
        found = []
        for scene in tracks:
            if scene.unit != self.unit:
                raise InputError(
                    f"{scene.source} is in {scene.unit}, these weights are for tracks in "
                    f"{self.unit}: give other weights (--weights)."
                )
            moment = observe(scene, frame)
            found.append(self._futures(scene, moment, samples or self.samples))
        return found

    def _futures(self, tracks: Tracks, moment: Moment, samples: int) -> Futures:
        now = moment.past[:, -1]
        middle = np.median(now, axis=0)
        with np.errstate(over="ignore"):
            past = np.clip(moment.past - middle, -1e6, 1e6).astype(np.float32)
        given = torch.from_numpy(past).to(self.chosen.device)
        scene = torch.zeros(len(given), dtype=torch.long, device=given.device)
        patches = None
        if tracks.layout is not None:
            seen = cut_patches(tracks.layout, moment.past, CELL * self.metre)
            patches = seen.to(given.device)
        relative = self.futures_of(given, scene, samples, patches).double().cpu().numpy()
        positions = now[:, None, None] + relative
        people = tuple(
            Future(int(person), past, int(seen), sampled, truth)
            for person, past, seen, sampled, truth in zip(
                moment.people, moment.past, moment.seen, positions, moment.truth, strict=True
            )
        )
        frames = tuple(moment.frames.tolist())
        return Futures(tracks.source, moment.frame, frames, tracks.unit, people)
