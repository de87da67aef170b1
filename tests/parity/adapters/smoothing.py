"""The One-Euro filter."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from tests.parity.adapters import published
from tests.parity.fixture import Fixture
from vitruvian.people.smoothing import OneEuroFilter, OneEuroOptions


@published("Daniil-Osokin/lightweight-human-pose-estimation.pytorch", "OneEuroFilter")
def one_euro(fixture: Fixture) -> dict[str, Tensor]:
    (signal,) = fixture.inputs().values()
    signal = signal.double().cumsum(0)
    results = {}
    for name, options in _settings(fixture).items():
        step = 1 / options["freq"]
        one_euro_filter = OneEuroFilter(
            OneEuroOptions(options["mincutoff"], options["beta"], options["dcutoff"], max_gap=step)
        )
        results[name] = torch.stack(
            [torch.from_numpy(one_euro_filter(value.numpy(), step)) for value in signal]
        )
    return results


def _settings(fixture: Fixture) -> dict[str, dict[str, float]]:
    """Options of each output: the args, and what the notes say of the second one."""
    default = {"freq": 15, "mincutoff": 1, "beta": 0.05, "dcutoff": 1} | fixture.args
    names = list(fixture.outputs())
    said = fixture.meta["notes"].rpartition("second:")[2]
    changed = {key: float(value) for key, value in re.findall(r"(\w+) ([\d.]*\d)", said)}
    return {name: default if name == "default" else default | changed for name in names}
