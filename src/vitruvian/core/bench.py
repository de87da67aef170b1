"""What the benchmarks share: rounds, their spread, threads, and the machine.

Method: one process, a fixed number of threads for every library, warm-up rounds that do not count,
then the median and the 90th percentile of the rounds. Things to compare take turns within a round,
so a busy machine slows all of them.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

WARM_UP = 3
PACKAGES = ("vitruvian", "torch", "torchvision", "onnxruntime", "opencv-python-headless", "av")


@dataclass(frozen=True)
class Spread:
    """Milliseconds of one thing over the rounds."""

    median: float
    p90: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """Of the rounds' seconds."""
        ordered = sorted(seconds)
        high = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
        return cls(round(1e3 * statistics.median(ordered), 3), round(1e3 * high, 3))


def fix_threads(threads: int) -> None:
    """Give every library as many threads; must be called before any network is loaded."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import cv2
    import torch

    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)


def machine(threads: int) -> dict[str, Any]:
    """What the figures were measured on and with."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": threads,
        "versions": versions,
    }


def take_turns(
    ways: Mapping[str, Callable[[], Any]],
    runs: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of every round, by name; each way runs once a round.

    In one thread `time.process_time` as the clock leaves out what else the machine does meanwhile.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(runs + WARM_UP):
        for name, way in ways.items():
            start = clock()
            way()
            if number >= WARM_UP:
                seconds[name].append(clock() - start)
    return seconds


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
