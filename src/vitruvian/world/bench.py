"""How fast the world renders, stage by stage, in one thread."""

from __future__ import annotations

import time

import warp as wp

from vitruvian.core.bench import WARM_UP, Spread
from vitruvian.core.timing import Timings
from vitruvian.world.sample import Setting, render_sample

PERSON = Setting()
CROWD = Setting(width=640, height=480, people=(1, 12))


def bench_world(
    runs: int, setting: Setting, *, device: str = "cpu"
) -> tuple[dict[str, Spread], float, float]:
    """Render samples that were not rendered before.

    Args:
        runs: How many samples count, after a few that do not.
        setting: What is rendered.
        device: warp's name of the device.

    Returns:
        The spread of each stage's time in a sample and of all; people a second over all samples
        that count; the same a second of the processor's time, which a busy machine slows less.
    """
    timings, people, start = Timings(), 0, 0.0
    timings.keep_samples = True
    for index in range(runs + WARM_UP):
        if index == WARM_UP:
            timings.samples.clear()
            start = time.process_time()
        with timings.stage("all"):
            sample = render_sample(1, index, setting, device=device, timings=timings)
        if index >= WARM_UP:
            people += len(sample.people)
    busy = time.process_time() - start
    spreads = {name: Spread.of(seconds) for name, seconds in timings.samples.items()}
    return spreads, round(people / sum(timings.samples["all"]), 1), round(people / busy, 1)


def devices() -> list[str]:
    """The devices that warp knows here: "cpu", and "cuda:0" where there is one."""
    return ["cpu", *(["cuda:0"] if wp.is_cuda_available() else [])]
