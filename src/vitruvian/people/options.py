"""What a run is asked, what it needs of a detector, and who is told how it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.timing import Timings
from vitruvian.people.journal import Found
from vitruvian.people.sources import Source
from vitruvian.pose.openpose.detection import HEIGHT, SCALES

if TYPE_CHECKING:
    from vitruvian.core.device import Precision
    from vitruvian.core.inference import Backend
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

    def identity(self) -> dict[str, Any]:
        """What two runs in one folder must have in common, as JSON has it."""
        options = asdict(self)
        del options["annotate"]
        return options | {"scales": list(self.scales)}

    def make_detector(self, timings: Timings) -> Detector:
        """The detector that the options ask for."""
        from vitruvian.people.detector import PeopleDetector

        names = ("height", "scales", "faces", "device", "precision", "backend")
        return PeopleDetector(**{name: getattr(self, name) for name in names}, timings=timings)


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
