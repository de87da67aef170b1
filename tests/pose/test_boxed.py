"""Joints in boxes without PyTorch: crops of all pictures together, and as PyTorch reads them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitruvian.core.skeletons import COCO17, HALPE26
from vitruvian.core.weights import Weights
from vitruvian.pose.boxed import BATCH, BoxedPose
from vitruvian.pose.heatmap_tensors import merge_flipped
from vitruvian.pose.heatmaps import encode_joints

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


def test_the_flip_test_is_that_of_pytorch():
    random = np.random.default_rng(0)
    maps, mirrored = random.random((2, 2, 17, 16, 12), dtype=np.float32)
    reader = BoxedPose(Marks(), OURS, skeleton="coco17")
    expected = merge_flipped(
        torch.from_numpy(maps), torch.from_numpy(mirrored), COCO17.flip_order, shift=True
    )
    assert reader._merged(maps.copy(), mirrored) == pytest.approx(expected.numpy(), abs=1e-6)
