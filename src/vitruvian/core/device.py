"""Which device and which number format a run uses; the choice is always said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from vitruvian.core.errors import VitruvianError

Precision = Literal["auto", "32", "bf16"]


@dataclass(frozen=True)
class Device:
    """Where a run computes, and in which precision.

    Attributes:
        device: The torch device.
        precision: "32", or "bf16": matrix products and convolutions in bfloat16 by autocast.
    """

    device: torch.device
    precision: Literal["32", "bf16"]

    def __str__(self) -> str:
        if self.device.type == "cuda":
            name = torch.cuda.get_device_name(self.device)
        elif self.device.type == "cpu":
            name = f"cpu ({torch.get_num_threads()} threads)"
        else:
            name = self.device.type
        return f"{name}, {'float32' if self.precision == '32' else 'bfloat16'}"

    def autocast(self) -> torch.autocast:
        """A context in which a network runs in the chosen precision."""
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        )


def choose_device(device: str = "auto", precision: Precision = "auto") -> Device:
    """Turn what the user asked for into a device that is there.

    Args:
        device: "auto" (CUDA, else Apple's MPS, else the CPU) or a torch device such as "cuda:1".
        precision: "auto" is bf16 on a CUDA device that computes in it, else 32.

    Raises:
        VitruvianError: the device is not there; nothing else is used in its place.
    """
    if device == "auto":
        if torch.cuda.is_available():
            device = "cuda"
        else:
            device = "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        msg = f"The device {device!r} cannot be used here ({reason}); try --device cpu."
        raise VitruvianError(msg) from error
    if precision == "auto":
        fast = chosen.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return Device(chosen, "bf16" if fast else "32")
    return Device(chosen, precision)
