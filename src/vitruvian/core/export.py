"""Networks as ONNX, checked against PyTorch."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from vitruvian.core.errors import VitruvianError
from vitruvian.core.files import whole_file

BOUND = 1e-3


def export_onnx(network: nn.Module, size: tuple[int, int], file: str | Path) -> float:
    """Write a network of pictures as ONNX with any batch size, and compare both on one input.

    Args:
        network: (batch, 3, height, width) float → tensor or tensors.
        size: Width and height of its input.
        file: Where; it appears only if the comparison holds.

    Returns:
        See `export_checked`.

    Raises:
        VitruvianError: likewise.
    """
    width, height = size
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(2, 3, height, width, generator=generator)
    other = torch.randn(3, 3, height, width, generator=generator)
    return export_checked(network, {"image": example}, {"image": other}, file)


def export_checked(
    network: nn.Module,
    example: Mapping[str, torch.Tensor],
    other: Mapping[str, torch.Tensor],
    file: str | Path,
) -> float:
    """Write a network as ONNX, and compare it with PyTorch on inputs of another size.

    Args:
        network: Tensors → tensor or tensors.
        example: Its inputs by name, in order.
        other: The same with other sizes: sizes that differ may be any in the file.
        file: Where; it appears only if the comparison holds.

    Returns:
        The greatest difference of the outputs, relative to the greatest output.

    Raises:
        VitruvianError: ONNX Runtime is not installed, or the difference is over `BOUND`.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch.onnx needs it
    except ImportError as error:
        raise VitruvianError(
            f"Export needs {error.name}: pip install 'vitruvian[export]'."
        ) from error
    network = network.cpu().to(memory_format=torch.contiguous_format).eval()
    free = tuple(_free_sizes(name, example[name], other[name]) for name in example)
    with whole_file(file) as part:
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                tuple(example.values()),
                part,
                input_names=list(example),
                dynamic_shapes=free,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        session = onnxruntime.InferenceSession(part, providers=["CPUExecutionProvider"])
        with torch.inference_mode():
            outputs = network(*other.values())
        expected = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
        got = session.run(None, {name: value.numpy() for name, value in other.items()})
        error_ = max(_error(a, b.numpy()) for a, b in zip(got, expected, strict=True))
        if not error_ <= BOUND:
            raise VitruvianError(
                f"ONNX Runtime differs from PyTorch by {error_:.1e}, over {BOUND:.0e}: {file} was "
                "not written."
            )
    return error_


def _free_sizes(name: str, example: torch.Tensor, other: torch.Tensor) -> dict[int, Any]:
    """A dynamic dimension for each place where two inputs differ in size."""
    return {
        place: torch.export.Dim(f"{name}_{place}")
        for place, sizes in enumerate(zip(example.shape, other.shape, strict=True))
        if sizes[0] != sizes[1]
    }


def _error(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got - expected).max() / max(float(np.abs(expected).max()), 1e-12))
