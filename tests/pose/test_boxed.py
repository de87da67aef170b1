"""Joints in boxes without PyTorch: crops of all pictures together, and as PyTorch reads them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitruvian.core.skeletons import HALPE26
from vitruvian.core.weights import Weights
from vitruvian.pose.boxed import BATCH, BoxedPose
from vitruvian.pose.heatmaps import encode_joints
from vitruvian.pose.topdown import Crop
from vitruvian.pose.topdown_system import TopDownSystem

WIDTH, HEIGHT = 48, 64
IMAGE = np.zeros((120, 160, 3), dtype=np.uint8)
OURS = Weights("pose/hrnet", "", "own", None, "", "", "", "", "ours")  # type: ignore[arg-type]


class Marks:
    """Stands for a graph: every joint is at the brightest pixel of the crop."""

    description = "none"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images):
        self.batches.append(len(images))
        maps = np.zeros((len(images), len(HALPE26), HEIGHT // 4, WIDTH // 4), np.float32)
        seen = np.ones(len(HALPE26), np.float32)
        for place, image in enumerate(images[..., 0]):
            row, column = np.unravel_index(image.argmax(), image.shape)
            if image[row, column] > 100:
                point = np.tile([column + 0.5, row + 0.5], (len(HALPE26), 1))
                size = (WIDTH // 4, HEIGHT // 4)
                maps[place] = encode_joints(
                    point, seen, (WIDTH, HEIGHT), size, sigma=1.5, kind="unbiased"
                )[0]
        return [maps]


def boxed(flip_test: bool = False) -> BoxedPose:
    size = {"width": WIDTH, "height": HEIGHT}
    return BoxedPose(Marks(), OURS, skeleton="halpe26", flip_test=flip_test, **size)


def marked(x: int, y: int) -> np.ndarray:
    image = IMAGE.copy()
    image[y - 2 : y + 3, x - 2 : x + 3] = 255
    return image


def box(*corners: float) -> np.ndarray:
    return np.array(corners, np.float32)


@pytest.mark.parametrize("flip_test", [False, True])
def test_joints_come_back_to_their_place_in_the_picture(flip_test):
    boxes = [[box(40, 20, 80, 90)], []]
    found = boxed(flip_test).detect([marked(60, 50), marked(90, 80)], boxes)
    assert [len(each) for each in found] == [1, 0]
    pose = found[0][0]
    assert pose.skeleton == HALPE26
    assert pose.joints[:, :2] == pytest.approx(np.tile([60.5, 50.5], (26, 1)), abs=2)
    empty = boxed(flip_test).detect([IMAGE], [[box(40, 20, 80, 90)]])[0][0]
    assert not empty.joints.any()


def test_people_of_all_pictures_go_through_together():
    reader = boxed()
    boxes = [[box(10, 10, 40, 60)] * 20, [], [box(60, 30, 90, 110)] * 15]
    found = reader.detect([IMAGE] * 3, boxes)
    assert [len(each) for each in found] == [20, 0, 15]
    assert reader.runner.batches == [BATCH, 35 - BATCH]
    assert reader.detect([], []) == []
    assert reader.detect([IMAGE], [[]]) == [[]]


class Grey(torch.nn.Module):
    """Stands for a network: a joint's map is the crop's own grey values, at its share."""

    share = np.linspace(0.5, 1, 17, dtype=np.float32)[:, None, None]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.share) * image[:, :1, ::4, ::4].float()


def grey(**options: bool) -> TopDownSystem:
    size = {"width": WIDTH, "height": HEIGHT, "decoder": "dark"}
    plain = {"mean": (0, 0, 0), "deviation": (1 / 255,) * 3}
    return TopDownSystem(Grey(), "coco17", **size, **plain, **options)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)


def test_mirrored_crops_are_read_as_by_pytorch(pixels):
    reader = BoxedPose(Marks(), OURS, skeleton="coco17", width=WIDTH, height=HEIGHT)
    reader.runner = lambda crops: [Grey.share * crops[:, None, ::4, ::4, 0].astype(np.float32)]
    crops = [Crop.of_box(box(0, 0, WIDTH, HEIGHT), reader.size, padding=1) for _ in pixels]
    points, scores = grey().read(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    found = zip(crops, reader._poses(crops, pixels), points, scores, strict=True)
    for crop, pose, joints, score in found:
        assert pose.joints[:, :2] == pytest.approx(crop.to_picture(joints), abs=1e-2)
        assert pose.joints[:, 2] == pytest.approx(np.clip(score, 0, 1))
