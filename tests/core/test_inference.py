"""Pre-processing by the plain formula, and the runner that was asked for."""

from __future__ import annotations

import dataclasses
import shutil

import cv2
import numpy as np
import pytest

from vitruvian.core import inference
from vitruvian.core.card import find_card
from vitruvian.core.errors import VitruvianError, WeightsError
from vitruvian.core.inference import OnnxRunner, Preprocessor, TorchRunner, make_runner
from vitruvian.core.weights import find_weights
from vitruvian.face.retinaface.network import RetinaFaceNetwork
from vitruvian.pose.openpose.mobilenet import MobileNetOpenPose

MEAN = (10.0, 20.0, 30.0)  # of red, green, blue


def pictures(count, height, width, seed=0):
    rng = np.random.default_rng(seed)
    return list(rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("size", [(32, 48), (30, 41), (7, 5)])
def test_the_input_is_the_plain_formula_and_padded_with_zero(size, scale):
    images = pictures(2, 30, 41)
    batch = Preprocessor(16, MEAN, scale)(images, size)
    rows, columns = size
    assert batch.shape[0] == 2
    assert batch.shape[2] == -(-rows // 16) * 16
    assert batch.shape[3] == -(-columns // 16) * 16
    for image, got in zip(images, batch, strict=True):
        small = cv2.resize(image, (columns, rows)).astype(np.float32)
        want = ((small - np.float32(MEAN)) * np.float32(scale))[..., ::-1].transpose(2, 0, 1)
        np.testing.assert_array_equal(got[:, :rows, :columns], want)
        assert not got[:, rows:].any()
        assert not got[:, :, columns:].any()


def test_what_an_earlier_picture_left_does_not_show():
    preprocess = Preprocessor(16, MEAN)
    preprocess(pictures(1, 16, 16), (16, 16))
    bright = [np.full((10, 12, 3), 255, np.uint8)]
    again = preprocess(bright, (10, 12)).copy()
    np.testing.assert_array_equal(again, Preprocessor(16, MEAN)(bright, (10, 12)))
    for side in range(1, 12):  # more sizes than buffers are kept for
        preprocess(bright, (16 * side, 16))
    np.testing.assert_array_equal(again, preprocess(bright, (10, 12)))


@pytest.fixture(scope="module")
def weights():
    return find_weights(find_card("openpose"))


def test_auto_is_onnxruntime_on_a_cpu(weights, monkeypatch):
    monkeypatch.setattr(inference, "_cuda_usable", lambda: False)

    def build():
        raise AssertionError("the network is not needed")

    runner = make_runner(build, weights)
    assert isinstance(runner, OnnxRunner)
    assert runner.description == "cpu, float32, ONNX Runtime"
    assert isinstance(make_runner(build, weights, device="cpu", precision="32"), OnnxRunner)


@pytest.mark.parametrize(
    "asked", [{"backend": "torch"}, {"precision": "bf16", "device": "cpu"}, {"device": "cpu:0"}]
)
def test_pytorch_where_it_is_needed(weights, asked):
    runner = make_runner(MobileNetOpenPose, weights, **asked)
    assert isinstance(runner, TorchRunner)
    assert runner.description.endswith("PyTorch")
    outputs = runner(np.zeros((1, 3, 32, 32), np.float32))
    assert {output.dtype for output in outputs} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"device": "cuda"}, "it runs on the CPU here, not on cuda"),
        ({"precision": "bf16"}, "it runs in float32"),
    ],
)
def test_onnxruntime_says_why_it_cannot(weights, asked, words):
    with pytest.raises(VitruvianError, match=f"{words}. Use --backend torch"):
        make_runner(MobileNetOpenPose, weights, backend="onnxruntime", **asked)


def test_onnxruntime_needs_the_graph_and_the_package(weights, tmp_path, monkeypatch):
    own = dataclasses.replace(weights, file=shutil.copy(weights.file, tmp_path / "w.safetensors"))
    with pytest.raises(VitruvianError, match="only embedded weights come with a graph"):
        make_runner(MobileNetOpenPose, own, backend="onnxruntime")
    assert isinstance(make_runner(MobileNetOpenPose, own, device="cpu"), TorchRunner)
    monkeypatch.setattr(inference, "_installed", lambda _: False)
    with pytest.raises(VitruvianError, match="pip install onnxruntime"):
        make_runner(MobileNetOpenPose, weights, backend="onnxruntime")


def test_a_damaged_graph_is_refused(weights, tmp_path):
    file = shutil.copy(weights.file, tmp_path / "w.safetensors")
    (tmp_path / "w.onnx").write_bytes(b"no graph")
    with pytest.raises(WeightsError, match=r"w\.onnx is damaged"):
        make_runner(MobileNetOpenPose, dataclasses.replace(weights, file=file), device="cpu")


@pytest.mark.parametrize("size", [(32, 32), (64, 112), (144, 80)])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("name", "build", "multiple"),
    [("openpose", MobileNetOpenPose, 16), ("retinaface", RetinaFaceNetwork, 32)],
)
def test_the_graph_equals_the_network_at_every_size(name, build, multiple, size, batch):
    weights = find_weights(find_card(name))
    height, width = (side + -side % multiple for side in size)
    rng = np.random.default_rng(height)
    low, high = (-1, 1) if name == "openpose" else (-123, 151)
    images = rng.uniform(low, high, (batch, 3, height, width)).astype(np.float32)
    ours = make_runner(build, weights, device="cpu", precision="32", backend="torch")(images)
    theirs = make_runner(build, weights, backend="onnxruntime")(images)
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        # Of noise the maps show next to nothing, which makes the difference relatively larger.
        assert np.linalg.norm(one - other) <= 1e-3 * np.linalg.norm(one)
