"""Where a run spends its time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Timings:
    """Seconds by stage. A stage may be entered many times.

    >>> timings = Timings()
    >>> with timings.stage("decode"):
    ...     pass
    >>> timings.to_dict()["decode"]["count"]
    1
    """

    def __init__(self) -> None:
        self.samples: dict[str, list[float]] = defaultdict(list)
        self._seconds: dict[str, float] = defaultdict(float)
        self._counts: dict[str, int] = defaultdict(int)
        self.keep_samples = False

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to the stage `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self._seconds[name] += seconds
            self._counts[name] += 1
            if self.keep_samples:  # a benchmark wants the spread; a long run must not grow
                self.samples[name].append(seconds)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Stage → `{"seconds": in all, "count": how often}`, in the order of first use."""
        return {
            name: {"seconds": round(seconds, 4), "count": self._counts[name]}
            for name, seconds in self._seconds.items()
        }
