"""Networks in 8 bits, and how far they are off."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from vitruvian.core import quantization
from vitruvian.core.errors import InputError, VitruvianError
from vitruvian.core.export import export_onnx
from vitruvian.core.quantization import quantize_onnx


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU()]
    layers += [nn.Conv2d(32, 96, 3, 1, 1), nn.ReLU(), nn.Conv2d(96, 4, 1)]
    file = tmp_path_factory.mktemp("exact") / "model.onnx"
    export_onnx(nn.Sequential(*layers).eval(), (24, 16), file)
    return file


def samples(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(size=(1, 3, 16, 24)).astype(np.float32) for _ in range(count)]


def test_a_network_in_8_bits_is_smaller_and_near(exact, tmp_path):
    file = tmp_path / "int8.onnx"
    off = quantize_onnx(exact, samples(16), file)
    assert 0 < off < 0.05
    assert file.stat().st_size < 0.5 * exact.stat().st_size
    batch = np.concatenate(samples(3))  # The file takes any batch, as the exact one.
    wanted, got = (
        onnxruntime.InferenceSession(each).run(None, {"image": batch})[0] for each in (exact, file)
    )
    assert np.abs(got - wanted).max() < 0.2 * np.abs(wanted).max()


def test_the_distance_is_measured_on_samples_that_chose_nothing(exact, tmp_path):
    calm = samples(16)
    for place in range(0, 16, quantization.HELD_OUT):
        calm[place] = calm[place] * 2
    assert quantize_onnx(exact, calm, tmp_path / "int8.onnx") > 0.2


def test_too_few_samples_and_too_great_a_distance(exact, tmp_path, monkeypatch):
    file = tmp_path / "int8.onnx"
    with pytest.raises(InputError, match="8 pictures or more to choose ranges by; there are 7"):
        quantize_onnx(exact, samples(7), file)
    monkeypatch.setattr(quantization, "WORST", 1e-6)
    with pytest.raises(VitruvianError, match="was not written"):
        quantize_onnx(exact, samples(8), file)
    assert not [*tmp_path.iterdir()]
