"""What a run is asked, what it needs of a detector, and who is told how it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.timing import Timings
from vitruvian.people.journal import Found
from vitruvian.people.refining import FAST
from vitruvian.people.sources import Source
from vitruvian.pose.openpose.detection import HEIGHT, SCALES

if TYPE_CHECKING:
    from vitruvian.core.device import Precision
    from vitruvian.core.inference import Backend
    from vitruvian.people.futures import FutureDrawer
    from vitruvian.people.summary import Outcome


class Detector(Protocol):
    """What a run needs of `PeopleDetector`."""

    def detect(
        self, images: Sequence[NDArray[np.uint8]], *, look_again: bool = False
    ) -> list[Found]:
        """The people and the other faces of each picture; see `PeopleDetector.detect`."""

    def describe(self) -> dict[str, Any]:
        """Its systems, weights and device."""


@dataclass(frozen=True)
class RunOptions:
    """How a run sees. All but `annotate` must stay the same while a folder grows.

    Attributes:
        height: Of the pose network's input, in pixels.
        scales: The picture is read at these multiples of `height`.
        faces: Whether faces are looked for.
        smooth: Whether tracks are smoothed.
        batch_size: Video frames that go through the networks together.
        device: As in `choose_device`.
        precision: Likewise.
        backend: What runs the networks.
        max_frames: How many frames of each video are read; None: all.
        annotate: Whether drawn copies are written.
        pose: How joints are read; see `PeopleDetector`.
        futures: Weights that predict where people go, which is drawn into copies of videos; see
            `load_predictor`. None: nothing is predicted.
    """

    height: int = HEIGHT
    scales: tuple[float, ...] = SCALES
    faces: bool = True
    smooth: bool = True
    batch_size: int = 8
    device: str = "auto"
    precision: Precision = "auto"
    backend: Backend = "auto"
    max_frames: int | None = None
    annotate: bool = True
    futures: str | None = None
    pose: str = FAST

    def identity(self) -> dict[str, Any]:
        """What two runs in one folder must have in common, as JSON has it."""
        options = asdict(self)
        del options["annotate"]
        if self.futures is None:
            del options["futures"]
        if self.pose == FAST:  # folders of before there were others
            del options["pose"]
        return options | {"scales": list(self.scales)}

    def make_detector(self, timings: Timings) -> Detector:
        """The detector that the options ask for."""
        from vitruvian.people.detector import PeopleDetector

        names = ("height", "scales", "faces", "device", "precision", "backend", "pose")
        return PeopleDetector(**{name: getattr(self, name) for name in names}, timings=timings)

    def make_future_drawer(self) -> partial[FutureDrawer] | None:
        """What makes a drawer of futures for each video, where that was asked for.

        Raises:
            WeightsError: there are no weights for it.
        """
        if self.futures is None:
            return None
        from vitruvian.people.futures import FutureDrawer, load_predictor

        return partial(FutureDrawer, load_predictor(self.futures, self.device))


class Watcher:
    """Is told how a run goes; this one does not care. A progress bar overrides it."""

    def begin(self, sources: Sequence[Source]) -> None:
        """The sources are known."""

    def detector(self, description: dict[str, Any]) -> None:
        """The detector is loaded."""

    def source(self, source: Source, frames: int | None) -> None:
        """A source begins; `frames` is how many it says to have."""

    def frames(self, count: int, *, detected: bool) -> None:
        """So many more pictures are done; `detected` is False for those of an earlier run."""

    def source_done(self, outcome: Outcome) -> None:
        """A source is done."""
