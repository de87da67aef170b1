"""Heat maps from several resolutions, and a cascade that finds the last pixels in their features.

Tompson, Goroshin, Jain, LeCun, Bregler: "Efficient Object Localization Using Convolutional
Networks", CVPR 2015 (arXiv 1411.4280). Banks of convolutions see the crop at full, half and quarter
size, and their sum gives coarse heat maps (section 3); whole maps of features are dropped in
training (SpatialDropout). The fine model (section 4) cuts windows around the coarse
places out of the *features* of the banks and says where in the window a joint is. The spatial model
of the same authors, between the two, is `spatial_model.py`.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.skeletons import find_skeleton
from vitruvian.core.system import Batch
from vitruvian.nn.norms import NormName
from vitruvian.pose.data import crop_of
from vitruvian.pose.heatmap_tensors import cell_gaussians, cell_peaks, mirror_back
from vitruvian.pose.spatial_model import SpatialModel, displacement_histogram
from vitruvian.pose.topdown_system import TopDownSystem

POOLS = {4: (2, 2, 1), 8: (2, 2, 2), 16: (2, 4, 2)}
"""Pixels in a cell of the coarse maps → pooling behind the first three convolutions."""

BANKS = 3
WINDOW = 36
"""Width and height of the fine maps, in pixels of the crop."""

SIGMA = 1.5
"""Of target Gaussians, in cells of the coarse maps and in pixels of the fine ones."""

PRIOR_PEOPLE = 2000
"""Training people whose displacements the spatial model begins with."""

Phase = Literal["coarse", "fine", "joint"]


class LocalContrast(nn.Module):
    """Subtracts the local mean and divides by the local deviation, both over the three channels.

    Where a picture is flat, its mean deviation stands in for the local one.

    Args:
        window: Width of the Gaussian window in pixels, odd.
    """

    kernel: Tensor

    def __init__(self, window: int = 9) -> None:
        super().__init__()
        places = torch.arange(window) - window // 2
        profile = torch.exp(-(places**2) / (2 * (window / 4) ** 2))
        kernel = profile[:, None] * profile
        kernel = (kernel / kernel.sum() / 3).expand(1, 3, window, window).clone()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Tensor:
        """The same shape, of about zero mean and deviation 1 everywhere."""
        centred = image - self._local(image)
        deviation = self._local(centred**2).clamp(min=0).sqrt()
        floor = deviation.mean(dim=(1, 2, 3), keepdim=True)
        return centred / torch.maximum(deviation, floor).clamp(min=1e-4)

    def _local(self, image: Tensor) -> Tensor:
        around = self.kernel.shape[-1] // 2
        return F.conv2d(F.pad(image, [around] * 4, mode="replicate"), self.kernel)


def _convolution(inputs: int, outputs: int, kernel: int, *, norm: bool) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    norms = [nn.BatchNorm2d(outputs)] if norm else []
    return nn.Sequential(convolution, *norms, nn.ReLU(inplace=True))


class Bank(nn.Module):
    """The convolutions of one resolution, with weights of their own."""

    def __init__(self, width: int, pools: tuple[int, ...], *, norm: bool) -> None:
        super().__init__()
        self.pools = pools
        self.first = _convolution(3, width, 5, norm=norm)
        self.second = _convolution(width, width, 5, norm=norm)
        self.third = _convolution(width, width, 5, norm=norm)
        self.last = _convolution(width, 4 * width, 9, norm=norm)

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, ...]:
        """Features behind the first two convolutions, before pooling, and behind the last."""
        first = self.first(image)
        second = self.second(F.max_pool2d(first, self.pools[0]))
        third = self.third(F.max_pool2d(second, self.pools[1]))
        return first, second, self.last(F.max_pool2d(third, self.pools[2]))


class FineModel(nn.Module):
    """One window of features in, one fine map out; all joints share all but the last weights.

    Args:
        joints: Of the pose.
        width: Channels of the banks.
        norm: As in `HeatmapCascade`.
    """

    def __init__(self, joints: int, width: int, *, norm: bool) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            _convolution(width, width, 5, norm=norm) for _ in range(2 * BANKS)
        )
        self.mix = _convolution(width, width, 1, norm=norm)
        self.weight = nn.Parameter(0.01 * torch.randn(joints, width))
        self.bias = nn.Parameter(torch.zeros(joints))

    def forward(
        self, windows: list[Float[Tensor, "joints_batch width h w"]], joints: int
    ) -> Float[Tensor, "batch joints window window"]:
        """Fine maps of windows that are sorted by joint, then by person."""
        size = (WINDOW, WINDOW)
        seen = [
            F.interpolate(path(window), size, mode="nearest")
            for path, window in zip(self.paths, windows, strict=True)
        ]
        features = self.mix(torch.stack(seen).sum(dim=0)).unflatten(0, (joints, -1))
        maps = torch.einsum("jbchw,jc->bjhw", features, self.weight.to(features.dtype))
        return maps + self.bias.view(-1, 1, 1).to(maps.dtype)


class HeatmapCascade(nn.Module):
    """The coarse network, and what follows it.

    Args:
        joints: Of the pose.
        stride: Pixels in a cell of the coarse maps: 4, 8 or 16.
        width: Channels of the banks: 128.
        norm: Batch norms behind all convolutions but the last; the paper has none.
        radius: Of the spatial model, in cells; 0: there is none.
        fine: Whether there is a fine model.

    Raises:
        UnknownNameError: there is no such stride.
    """

    def __init__(
        self,
        joints: int,
        *,
        stride: int = 4,
        width: int = 128,
        norm: bool = False,
        radius: int = 0,
        fine: bool = True,
    ) -> None:
        super().__init__()
        if stride not in POOLS:
            raise UnknownNameError("stride", str(stride), map(str, POOLS))
        self.joints = joints
        self.stride = stride
        self.contrast = LocalContrast()
        self.banks = nn.ModuleList(Bank(width, POOLS[stride], norm=norm) for _ in range(BANKS))
        self.head = nn.Sequential(
            nn.Dropout2d(0.5),
            _convolution(4 * width, 2 * width, 1, norm=norm),
            nn.Dropout2d(0.5),
            nn.Conv2d(2 * width, joints, 1),
        )
        self.spatial = SpatialModel(joints, radius) if radius else None
        self.fine = FineModel(joints, width, norm=norm) if fine else None

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch joints height/stride width/stride"]]:
        """Coarse maps, and those of the spatial model where there is one."""
        return self.coarse(image)[0]

    def coarse(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The maps of `forward`, and the features that windows are cut from, bank by bank."""
        total: Tensor | None = None
        shared: list[Tensor] = []
        for number, bank in enumerate(self.banks):
            seen = image if number == 0 else F.avg_pool2d(image, 2**number)
            first, second, last = bank(self.contrast(seen))
            shared += [first, second]
            if total is None:
                total = last
            else:
                total = total + F.interpolate(last, total.shape[-2:], mode="nearest")
        maps = [self.head(total)]
        if self.spatial is not None:
            maps.append(self.spatial(maps[0]))
        return maps, shared

    def fine_maps(
        self,
        features: list[Tensor],
        points: Float[Tensor, "batch joints 2"],
        size: tuple[int, int],
    ) -> Float[Tensor, "batch joints window window"]:
        """Fine maps of windows around points; gradients reach the features.

        Args:
            features: Of `coarse`.
            points: Centres of the windows, in pixels of the crop.
            size: Width and height of the crop.
        """
        assert self.fine is not None
        windows = []
        for number, each in enumerate(features):
            pixels = WINDOW / 2 ** (number // 2 + number % 2)
            side = max(math.ceil(pixels), 1)
            parts = [cut(each, points[:, joint], size, side) for joint in range(points.shape[1])]
            windows.append(torch.cat(parts))
        return self.fine(windows, points.shape[1])


def cut(
    features: Float[Tensor, "batch channels height width"],
    center: Float[Tensor, "batch 2"],
    size: tuple[int, int],
    side: int,
) -> Float[Tensor, "batch channels side side"]:
    """The `WINDOW` pixels around centres in features of any stride; zero outside.

    Args:
        features: Of the whole crop.
        center: In pixels of the crop.
        size: Width and height of the crop.
        side: Cells of the result.
    """
    whole = center.new_tensor(size)
    zoom = torch.diag_embed((WINDOW / whole).expand_as(center))
    matrix = torch.cat([zoom, (2 * center / whole - 1)[..., None]], dim=-1).to(features.dtype)
    grid = F.affine_grid(matrix, [*features.shape[:2], side, side], align_corners=False)
    return F.grid_sample(features, grid, align_corners=False)


class CascadedHeatmaps(TopDownSystem):
    """Training, scoring and use: coarse maps, the spatial model, fine maps.

    The objective is E1 + λ E2: mean squared errors of the coarse maps (and of the
    spatial model's) and of the fine ones, of windows around the truth that lie off as the coarse
    places do.

    Args:
        skeleton: Name of the joints' skeleton.
        stride: As in `HeatmapCascade`.
        features: Channels of the banks: its `width`.
        radius: Of the spatial model, in cells; 0: there is none. Its priors begin with the
            displacements of the training people.
        fine: Whether there is a fine model.
        phase: What is trained: "coarse", then "fine" on top of it (`backbone`: the weights of the
            phase before), then "joint", as in the paper; or "joint" at once.
        jitter: Deviation of the windows' places in training, in pixels of the crop.
        weight: λ.
        norm: None: no norms, as published; or one of `vitruvian.nn.norms.NORMS` behind each
            convolution.
        width: Of the crops, in pixels.
        height: Likewise.
        flip_test: Whether the mirrored crop is read for the coarse places, too.
        options: Of `TopDownSystem`.

    Raises:
        InputError: there is no fine model to train.
    """

    card_name = "heatmap_cascade"
    network: HeatmapCascade

    def __init__(
        self,
        skeleton: str = "lsp14",
        *,
        stride: int = 4,
        features: int = 128,
        radius: int = 0,
        fine: bool = True,
        phase: Phase = "joint",
        jitter: float = 5.0,
        weight: float = 0.1,
        norm: NormName | None = None,
        width: int = 256,
        height: int = 256,
        flip_test: bool = False,
        **options: Any,
    ) -> None:
        network = HeatmapCascade(
            len(find_skeleton(skeleton)),
            stride=stride,
            width=features,
            norm=norm is not None,
            radius=radius,
            fine=fine,
        )
        if phase == "fine" and not fine:
            raise InputError("There is no fine model to train: set phase to coarse.")
        super().__init__(
            network,
            skeleton,
            width=width,
            height=height,
            flip_test=flip_test,
            norm=norm or "batch",
            mean=(0.0, 0.0, 0.0),
            deviation=(1.0, 1.0, 1.0),
            **options,
        )
        self.save_hyperparameters(ignore=["backbone"])
        self.phase = phase
        self.jitter = jitter
        self.weight = weight

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`coarse`, `spatial` and `fine`: mean squared errors, of labelled joints."""
        image, truth, visible = batch["image"], batch["keypoints"], batch["visible"]
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.phase != "fine"):
            maps, features = self.network.coarse(self.normalised(image))
        height, width = maps[0].shape[-2:]
        target = cell_gaussians(truth / self.network.stride, (width, height), SIGMA)
        names = ("coarse", "spatial")
        losses = {
            name: _error(found, target, visible)
            for name, found in zip(names, maps, strict=False)
            if self.phase != "fine"
        }
        if self.network.fine is not None and self.phase != "coarse":
            center = truth + self.jitter * torch.randn_like(truth)
            found = self.network.fine_maps(features, center, self.input_size)
            target = cell_gaussians(truth - center + WINDOW / 2, (WINDOW, WINDOW), SIGMA)
            scale = 1.0 if self.phase == "fine" else self.weight
            losses["fine"] = scale * _error(found, target, visible)
        return losses

    def read(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Joints (batch, joints, 2) in pixels of the RGB crops, and the coarse maps' maxima."""
        found, features = self.network.coarse(self.normalised(image))
        maps = found[-1].float()
        if self.flip_test:
            mirrored = self.maps(image.flip(-1))[-1].float()
            maps = (maps + mirror_back(mirrored, self.skeleton.flip_order)) / 2
        scores, places = cell_peaks(maps)
        points = places * self.network.stride
        if self.network.fine is not None:
            fine = self.network.fine_maps(features, points, self.input_size).float()
            points = points + cell_peaks(fine)[1] - WINDOW / 2
        return points.cpu().numpy().astype(np.float32), scores.cpu().numpy()

    def setup(self, stage: str) -> None:
        """As in `TopDownSystem`; the spatial model begins with what the training people show."""
        super().setup(stage)
        trainer: Any = self.trainer
        spatial, data = self.network.spatial, trainer.datamodule
        if stage == "fit" and spatial is not None and data is not None and not self.backbone:
            source = data.people("train")
            people = [source[index] for index in range(min(len(source), PRIOR_PEOPLE))]
            crops = [crop_of(person.center, person.size, self.input_size) for person in people]
            pairs = list(zip(crops, people, strict=True))
            places = np.stack([crop.to_crop(person.joints[:, :2]) for crop, person in pairs])
            known = np.stack([person.joints[:, 2] for person in people])
            cells = places / self.network.stride
            spatial.set_priors(displacement_histogram(cells, known, spatial.radius))


def _error(found: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    errors = ((found.float() - target) ** 2).mean(dim=(2, 3))
    return (errors * visible).mean()
