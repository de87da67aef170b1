"""Other views of a crop: turns and zooms, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import COCO17
from vitruvian.pose.heatmaps import Decoder
from vitruvian.pose.topdown_system import TopDownSystem
from vitruvian.pose.views import look_otherwise

WIDTH, HEIGHT = 96, 128
VIEWS = [[1, 180], [1, 20], [1, -20], [1.25, 0], [0.8, 0]]


def test_views_of_a_crop_are_turns_and_zooms() -> None:
    values = torch.rand(2, 3, 9, 9)
    middle = (4.0, 4.0)
    clockwise = look_otherwise(values, 1, 90, middle)
    torch.testing.assert_close(clockwise, values.rot90(-1, (-2, -1)), atol=1e-5, rtol=0)
    turned = look_otherwise(values, 1, 180, middle)
    torch.testing.assert_close(turned, values.flip((-2, -1)), atol=1e-5, rtol=0)
    closer = look_otherwise(values, 2, 0, middle)
    torch.testing.assert_close(closer[..., ::2, ::2], values[..., 2:7, 2:7], atol=1e-5, rtol=0)
    away = look_otherwise(values, 0.5, 0, middle)
    torch.testing.assert_close(away[..., 2:7, 2:7], values[..., ::2, ::2], atol=1e-5, rtol=0)
    assert away[..., 0, :].eq(0).all()
    corner = look_otherwise(values, 2, 0, (0, 0))
    torch.testing.assert_close(corner[..., ::2, ::2], values[..., :5, :5], atol=1e-5, rtol=0)


def test_a_view_has_a_way_back() -> None:
    across, down = torch.meshgrid(torch.arange(48), torch.arange(64), indexing="xy")
    blob = torch.exp(-((across - 30) ** 2 + (down - 25) ** 2) / 30)[None, None]
    there = look_otherwise(blob, 1.25, 20, (23.5, 31.5))
    assert there.argmax() != blob.argmax()
    back = look_otherwise(there, 1 / 1.25, -20, (23.5, 31.5))
    torch.testing.assert_close(back, blob, atol=0.03, rtol=0)


class Grey(torch.nn.Module):
    """Stands for a network: each map is the crop, where the decoder takes its places to be."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        size = np.array([HEIGHT, WIDTH])
        step = (size - 1) / (size // 4 - 1) if decoder == "udp" else np.array([4.0, 4.0])
        first = 1.5 if decoder == "cell" else 0.0
        down, across = (
            torch.arange(n // 4) * s + first for n, s in zip(size.tolist(), step, strict=True)
        )
        self.place = across[:, None].expand(-1, len(down)).T, down[:, None].expand(-1, len(across))

    def forward(self, image: Tensor) -> Tensor:
        lengths = image.shape[:-3:-1]
        grid = torch.stack([2 * a / (n - 1) - 1 for a, n in zip(self.place, lengths, strict=True)])
        grid = grid.permute(1, 2, 0).float().expand(len(image), -1, -1, -1)
        grey = F.grid_sample(image[:, :1], grid, align_corners=True)
        return grey.expand(-1, len(COCO17), -1, -1)


def system(decoder: Decoder, views: list[list[float]]) -> TopDownSystem:
    return TopDownSystem(
        Grey(decoder), "coco17", width=WIDTH, height=HEIGHT, decoder=decoder, flip_test=False,
        views=views, mean=(0, 0, 0), deviation=(1, 1, 1),
    )  # fmt: skip


def spot(x: float, y: float) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    grey = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 10**2))
    return np.repeat(grey.astype(np.uint8)[None], 3, axis=0)


@pytest.mark.parametrize("decoder", ["dark", "udp", "cell"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_finds_the_spot_where_it_is(decoder: Decoder, view: list[float]) -> None:
    spots = [(30.0, 44.0), (62.0, 70.0)]
    image = torch.from_numpy(np.stack([spot(*place) for place in spots]))
    near = 1.0 if decoder == "cell" else 0.4  # which reads quarters of four pixels
    alone, _ = system(decoder, []).read(image)
    assert alone[:, 0] == pytest.approx(np.array(spots), abs=near)
    for views in ([view], [view] * 20):  # many times, the crop itself hardly counts
        points, scores = system(decoder, views).read(image)
        assert points[:, 0] == pytest.approx(np.array(spots), abs=near)
        assert scores.max() == pytest.approx(1, abs=0.05)


def test_views_change_what_is_read() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 3, HEIGHT, WIDTH), dtype=np.uint8)
    image = torch.from_numpy(noise)
    before, after = (system("dark", views).read(image)[1] for views in ([], [[1, 180]]))
    assert (before != after).all()


@pytest.mark.parametrize("view", [[1], [0, 20], [1, float("nan")], [-1.0, 0], [1, 20, 3]])
def test_what_is_no_view_is_refused(view: list[float]) -> None:
    with pytest.raises(InputError, match="no view of a crop"):
        system("dark", [view])
