"""The embedded OpenPose network gives the published outputs, by PyTorch and by ONNX Runtime."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file

from vitruvian.core.card import find_card
from vitruvian.core.inference import make_runner
from vitruvian.core.published import load_published, read_checkpoint, to_published
from vitruvian.core.weights import find_weights
from vitruvian.pose.openpose.mobilenet import MobileNetOpenPose

PHOTOS = ("000000000192", "000000000241", "000000000415")


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
@pytest.mark.parametrize("photo", PHOTOS)
def test_published_outputs(data_set, backend, photo):
    folder = data_set("published") / "openpose_mobilenet_v2_small"
    runner = make_runner(
        MobileNetOpenPose, find_weights(find_card("openpose")), backend=backend, precision="32"
    )
    image = cv2.imread(str(folder / f"{photo}_432x368.png"))
    heatmaps, affinities = runner(
        image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - 1
    )
    want = load_file(folder / "outputs.safetensors")[photo]
    got = np.concatenate([heatmaps, affinities], axis=1)[0]
    assert np.linalg.norm(got - want) <= 1e-4 * np.linalg.norm(want)


def test_a_batch_equals_its_pictures():
    runner = make_runner(MobileNetOpenPose, find_weights(find_card("openpose")), backend="torch")
    images = np.random.default_rng(0).uniform(-1, 1, (3, 3, 64, 96)).astype(np.float32)
    together = runner(images)
    for i in range(3):
        for whole, single in zip(together, runner(images[i : i + 1]), strict=True):
            np.testing.assert_allclose(whole[i], single[0], atol=1e-4)


def test_published_keys_both_ways():
    weights = find_weights(find_card("openpose"))
    network = MobileNetOpenPose()
    published = read_checkpoint(weights.file)
    load_published(network, published)
    back = to_published(network)
    assert set(published) == {key for key in back if not key.endswith("num_batches_tracked")}
    assert all((back[key] == published[key]).all() for key in published)
