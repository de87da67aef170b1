"""Loaders in processes of their own."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vitruvian.core.sampling import make_loader


class Corners(Dataset[Tensor]):
    """Corners of pictures, by OpenCV; each has the number of its place."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(corner(index))


def corner(number: int) -> np.ndarray:
    picture = np.full((1200, 1600, 3), number, dtype=np.uint8)
    return np.asarray(cv2.warpAffine(picture, np.eye(2, 3), (400, 300)))


@pytest.fixture
def _threads():
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@pytest.mark.usefixtures("_threads")
def test_workers_do_not_hang_where_opencv_has_threads():
    cv2.setNumThreads(4)
    corner(1)  # OpenCV starts its threads.
    loader = make_loader(Corners(), 2, 1, timeout=60)
    batches = [batch[:, 0, 0, 0].tolist() for batch in loader]
    assert batches == [[0, 1], [2, 3], [4, 5]]
