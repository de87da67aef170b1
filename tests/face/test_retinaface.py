"""RetinaFace gives the published outputs and detections, by PyTorch and by ONNX Runtime."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from vitruvian.core.card import find_card
from vitruvian.core.inference import make_runner
from vitruvian.core.published import load_published, read_checkpoint
from vitruvian.core.records import FACE_LANDMARKS
from vitruvian.core.weights import find_weights
from vitruvian.face.retinaface.detection import (
    MEAN,
    OWN_SIDES,
    FaceOptions,
    RetinaFace,
    decode_faces,
    make_priors,
    suppress,
)
from vitruvian.face.retinaface.network import RetinaFaceNetwork

PHOTOS = ("000000000241", "000000000395", "000000000459")


@pytest.fixture
def network():
    network = RetinaFaceNetwork().eval()
    load_published(network, read_checkpoint(find_weights(find_card("retinaface")).file))
    return network


@pytest.mark.parametrize("photo", PHOTOS)
def test_published_outputs_and_detections(data_set, network, photo):
    folder = data_set("published") / "retinaface_mobilenet025"
    image = cv2.imread(str(folder / f"{photo}.png"))
    tensor = torch.from_numpy(image).permute(2, 0, 1).float() - torch.tensor(MEAN)[:, None, None]
    with torch.inference_mode():
        outputs = [output[0].numpy() for output in network(tensor[None])]
    stored = load_file(folder / "outputs.safetensors")
    for name, got in zip(("loc", "conf", "landmarks"), outputs, strict=True):
        want = stored[f"{photo}.{name}"]
        assert np.linalg.norm(got - want) <= 1e-4 * np.linalg.norm(want)
    faces = decode_faces(*outputs, make_priors(*image.shape[:2]), FaceOptions())
    rows = [(*face.box, face.score, *face.landmarks[OWN_SIDES].ravel()) for face in faces]
    got = np.array(rows, dtype=np.float32)
    np.testing.assert_allclose(got, stored[f"{photo}.detections"], atol=1e-2)
    left, right = (FACE_LANDMARKS.index(f"{side}_eye") for side in ("left", "right"))
    sure = [face.landmarks for face in faces if face.score > 0.9]
    assert all(points[left, 0] > points[right, 0] for points in sure)  # who faces the camera


def test_onnxruntime_equals_pytorch():
    weights = find_weights(find_card("retinaface"))
    images = np.random.default_rng(0).uniform(-120, 130, (2, 3, 96, 160)).astype(np.float32)
    runs = [
        make_runner(RetinaFaceNetwork, weights, backend=backend, precision="32")(images)
        for backend in ("torch", "onnxruntime")
    ]
    for ours, theirs in zip(*runs, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("photo", PHOTOS)
def test_resizing_keeps_the_faces(data_set, photo):
    """The detector on a picture twice as large gives the same faces, in that picture's pixels."""
    folder = data_set("published") / "retinaface_mobilenet025"
    image = cv2.imread(str(folder / f"{photo}.png"))[..., ::-1]
    detector = RetinaFace.from_weights(find_weights(find_card("retinaface")))
    (once,) = detector.detect([np.ascontiguousarray(image)])
    (twice,) = detector.detect([cv2.resize(image, None, fx=2, fy=2)])
    sure = [face for face in once if face.score > 0.9]
    assert sure
    for face in sure:
        off = [np.abs(other.box / 2 - face.box).max() for other in twice]
        assert min(off) < 0.1 * (face.box[2] - face.box[0])


@given(st.lists(st.tuples(*[st.integers(0, 20)] * 4), max_size=30))
def test_suppression_leaves_no_overlap_and_drops_nothing_else(numbers):
    boxes = np.array([(x, y, x + w + 1, y + h + 1) for x, y, w, h in numbers], dtype=np.float32)
    boxes = boxes.reshape(-1, 4)

    def overlap(a, b):
        shared = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
        areas = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])
        return shared / (areas - shared)

    kept = suppress(boxes, 0.4)
    for place, box in enumerate(boxes):
        rivals = [overlap(boxes[other], box) for other in kept if other < place]
        assert (place in kept) == all(rival <= 0.4 for rival in rivals)
