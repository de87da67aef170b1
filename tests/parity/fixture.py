"""Reads fixtures: what published code computes, as numbers.

`NAME.json` holds the source, the state dict's keys and shapes, inputs and outputs;
`NAME.safetensors` the output tensors. Weights follow from their keys and shapes, inputs from their
names, so neither is stored.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

NOISE = 1e-5  # a tensor of a smaller norm is float32's rounding of zero


def _random(text: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(text.encode()) & 0xFFFFFFFF)


def fill_tensor(key: str, shape: list[int], dtype: str = "float32") -> Tensor:
    """The tensor that stands under `key`: a function of the key and the shape alone."""
    if not dtype.startswith(("float", "bfloat")):
        return torch.zeros(shape, dtype=getattr(torch, dtype))
    random = _random(key)
    noise = random.standard_normal(shape) if shape else np.asarray(random.standard_normal())
    if key.endswith("running_var"):
        value = 1.0 + 0.1 * np.abs(noise)
    elif key.endswith("running_mean"):
        value = 0.1 * noise
    elif len(shape) >= 2:
        value = noise * np.sqrt(1.0 / max(int(np.prod(shape[1:])), 1))
    elif key.endswith("weight"):  # the scale of a norm
        value = 1.0 + 0.1 * noise
    else:
        value = 0.1 * noise
    return torch.from_numpy(np.asarray(value, dtype=np.float32).reshape(shape))


def make_input(name: str, shape: list[int], kind: str) -> Tensor:
    """`uniform`: [0, 1); `normal`: N(0, 1); `signed`: [-1, 1); `labels:N`: integers in [0, N)."""
    random = _random("input:" + name)
    if kind == "uniform":
        return torch.from_numpy(random.random_sample(shape).astype(np.float32))
    if kind == "signed":
        return torch.from_numpy((random.random_sample(shape) * 2 - 1).astype(np.float32))
    if kind == "normal":
        return torch.from_numpy(random.standard_normal(shape).astype(np.float32))
    if kind.startswith("labels:"):
        high = int(kind.split(":")[1])
        return torch.from_numpy(random.randint(0, high, shape).astype(np.int64))
    msg = f"unknown kind of input: {kind}"
    raise ValueError(msg)


class Fixture:
    """One fixture of a folder."""

    def __init__(self, json_file: Path) -> None:
        self.name = json_file.stem
        self.meta: dict[str, Any] = json.loads(json_file.read_text())
        self.source: dict[str, Any] = self.meta["source"]
        self.args: dict[str, Any] = self.source.get("args", {})
        self._tensors = json_file.with_suffix(".safetensors")

    def state_dict(self) -> dict[str, Tensor]:
        """Published keys → tensors."""
        return {key: fill_tensor(key, shape, kind) for key, shape, kind in self.meta["state_dict"]}

    def shapes(self) -> dict[str, list[int]]:
        """Published keys → shapes."""
        return {key: shape for key, shape, _ in self.meta["state_dict"]}

    def inputs(self) -> dict[str, Tensor]:
        """Input name → tensor."""
        specs = self.meta["inputs"].items()
        return {name: make_input(name, spec["shape"], spec["kind"]) for name, spec in specs}

    def outputs(self) -> dict[str, Tensor]:
        """Output name → tensor, as the published code computed it (or given: see the notes)."""
        return load_file(self._tensors)

    def check(self, results: Mapping[str, Tensor], tolerance: float = 1e-4) -> None:
        """Compare by relative L2; every stored output must be there, save given ones (`in_…`)."""
        for name, want in self.outputs().items():
            if name not in results and name.startswith(("in_", "gt_", "det_")):
                continue
            assert name in results, f"{self.name}: the adapter gives no {name!r}"
            got = results[name].detach().float()
            step = self.meta["outputs"][name].get("stride")
            if step:
                got = got[..., ::step, ::step]
            assert got.shape == want.shape, (
                f"{self.name}.{name}: shape {tuple(got.shape)}, published {tuple(want.shape)}"
            )
            if want.norm() < NOISE and got.norm() < NOISE:
                continue  # an exact zero, as either side rounds it
            error = float((got - want).norm() / want.norm().clamp_min(1e-12))
            assert error <= tolerance, f"{self.name}.{name}: relative error {error:.2e}"
