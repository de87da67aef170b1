"""The device is the one that was asked for, or none."""

from __future__ import annotations

import pytest
import torch

from vitruvian.core.device import choose_device
from vitruvian.core.errors import VitruvianError


@pytest.fixture
def machine(monkeypatch):
    """Pretends that a machine has these accelerators."""

    def pretend(*, cuda=False, mps=False, bf16=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: bf16)
        monkeypatch.setattr(torch, "empty", lambda *_, **__: None)

    return pretend


@pytest.mark.parametrize(
    ("has", "device", "precision"),
    [
        ({}, "cpu", "32"),
        ({"mps": True}, "mps", "32"),
        ({"cuda": True, "mps": True, "bf16": True}, "cuda", "bf16"),
        ({"cuda": True}, "cuda", "32"),
    ],
)
def test_auto_takes_the_best_that_is_there(machine, has, device, precision):
    machine(**has)
    chosen = choose_device()
    assert (chosen.device.type, chosen.precision) == (device, precision)


def test_what_was_asked_for_is_taken(machine):
    machine(cuda=True, bf16=True)
    assert choose_device("cuda:1", "32").device == torch.device("cuda:1")
    assert choose_device("cpu").device.type == "cpu"
    assert choose_device("cpu", "bf16").precision == "bf16"


def test_a_device_that_is_not_there_is_an_error_not_a_cpu():
    if not torch.cuda.is_available():
        with pytest.raises(VitruvianError, match=r"'cuda:7' cannot be used here.*--device cpu"):
            choose_device("cuda:7")
    with pytest.raises(VitruvianError, match="'toaster' cannot be used here"):
        choose_device("toaster")


def test_the_choice_is_said():
    threads = torch.get_num_threads()
    assert str(choose_device("cpu", "32")) == f"cpu ({threads} threads), float32"
    assert str(choose_device("cpu", "bf16")).endswith("bfloat16")


@pytest.mark.parametrize(("precision", "dtype"), [("32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_computes_in_the_precision(precision, dtype):
    matrix = torch.ones(2, 2)
    with choose_device("cpu", precision).autocast():
        assert (matrix @ matrix).dtype == dtype
