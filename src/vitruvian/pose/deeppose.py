"""DeepPose: joints as numbers, regressed from the whole crop and then from a window around each.

Toshev, Szegedy: "DeepPose: Human Pose Estimation via Deep Neural Networks", CVPR 2014
(arXiv 1312.4659). A first network sees the person's box and gives all joints in its frame
(section 3.1, equations 1 to 3). Each later stage sees, for every joint, a square around where the
stage before put it, and moves it (section 3.2, equations 5 to 7). There are no heat maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import find_skeleton
from vitruvian.core.system import Batch
from vitruvian.nn.norms import NormName
from vitruvian.pose.topdown_system import DEVIATION, MEAN, TopDownSystem

TORSO = ("left_shoulder", "right_hip")
"""The joints whose distance is a pose's diameter."""

MOMENTUM = 0.02
"""Share of a new batch in what is known of a stage's errors."""

FIRST_DEVIATION = 0.3
"""Of displacements before any error was seen, in diameters."""


class AlexNet(nn.Sequential):
    """The network of every stage (section 3.1, figure 2), from a square of 227 pixels.

    Args:
        joints: Two numbers come out for each.
        resolution: Width and height of the input.
        hidden: Width of the two hidden layers behind the convolutions.
        norm: Batch norms behind the convolutions; without, the paper's local response norms.

    Raises:
        InputError: nothing is left of a picture of that resolution.
    """

    def __init__(
        self, joints: int, *, resolution: int = 227, hidden: int = 4096, norm: bool = False
    ) -> None:
        side = resolution
        for kernel, stride in ((11, 4), (3, 2), (3, 2), (3, 2)):
            side = (side - kernel) // stride + 1
        if side < 1:
            raise InputError(f"DeepPose needs windows of at least 67 pixels, not {resolution}.")
        super().__init__(
            *_convolution(3, 96, 11, stride=4, padding=0, norm=norm),
            *_response_norm(norm=norm),
            nn.MaxPool2d(3, 2),
            *_convolution(96, 256, 5, norm=norm),
            *_response_norm(norm=norm),
            nn.MaxPool2d(3, 2),
            *_convolution(256, 384, 3, norm=norm),
            *_convolution(384, 384, 3, norm=norm),
            *_convolution(384, 256, 3, norm=norm),
            nn.MaxPool2d(3, 2),
            nn.Flatten(),
            nn.Linear(256 * side * side, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.6),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.6),
            _last(hidden, joints),
            nn.Unflatten(1, (joints, 2)),
        )


def _convolution(
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int | None = None,
    norm: bool,
) -> list[nn.Module]:
    around = kernel // 2 if padding is None else padding
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, around)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return [convolution, *([nn.BatchNorm2d(outputs)] if norm else []), nn.ReLU(inplace=True)]


def _last(hidden: int, joints: int) -> nn.Linear:
    """All joints begin near the middle of the window."""
    layer = nn.Linear(hidden, 2 * joints)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


def _response_norm(*, norm: bool) -> list[nn.Module]:
    """Krizhevsky's: PyTorch divides α = 1e-4 by the five channels, he does not."""
    return [] if norm else [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)]


class PoseCascade(nn.Module):
    """The initial regressor and the stages that refine it; a network of its own each.

    Args:
        joints: Of the pose.
        torso: Places of the two joints whose distance is the pose's diameter.
        stages: 3 in the paper; 1 is the initial regressor alone.
        sigma: Side of a window in diameters: 2 for LSP, 1 for FLIC.
        resolution: Width and height at which a network sees the crop and each window.
        hidden: As in `AlexNet`.
        norm: Likewise.
        black: What black is once normalised; windows show it outside of the crop.
    """

    black: Tensor
    displacement_mean: Tensor
    displacement_covariance: Tensor

    def __init__(
        self,
        joints: int,
        torso: tuple[int, int],
        *,
        stages: int = 3,
        sigma: float = 2.0,
        resolution: int = 227,
        hidden: int = 4096,
        norm: bool = False,
        black: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> None:
        super().__init__()
        self.torso = torso
        self.sigma = sigma
        self.resolution = resolution
        self.stages = nn.ModuleList(
            AlexNet(joints, resolution=resolution, hidden=hidden, norm=norm) for _ in range(stages)
        )
        self.register_buffer("black", torch.tensor(black).view(1, 3, 1, 1), persistent=False)
        later = stages - 1
        self.register_buffer("displacement_mean", torch.zeros(later, joints, 2))
        start = FIRST_DEVIATION**2 * torch.eye(2)
        covariance = start.expand(later, joints, 2, 2).clone()
        self.register_buffer("displacement_covariance", covariance)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch joints 2"]:
        """Joints in pixels of the crop, after the last stage."""
        return self.predict_stages(image)[-1]

    def predict_stages(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch joints 2"]]:
        """Joints in pixels of the crop, after each stage.

        A window's side follows from the pose of the stage before (equation 6).
        """
        center, side = whole(image)
        predicted = [self.first(image) * side[:, None] + center[:, None]]
        for stage in list(self.stages)[1:]:
            before = predicted[-1]
            sides = self.sigma * diameter(before, self.torso, image.shape[-2:])
            moved = []
            for joint in range(before.shape[1]):
                window = self.window(image, before[:, joint], sides[:, None].expand(-1, 2))
                moved.append(before[:, joint] + sides[:, None] * stage(window)[:, joint])
            predicted.append(torch.stack(moved, dim=1))
        return predicted

    def first(self, image: Float[Tensor, "batch 3 height width"]) -> Tensor:
        """(batch, joints, 2) in the frame of the crop, each about in [-0.5, 0.5]."""
        return self.stages[0](self.window(image, *whole(image)))

    def window(
        self,
        image: Float[Tensor, "batch 3 height width"],
        center: Float[Tensor, "batch 2"],
        side: Float[Tensor, "batch 2"],
    ) -> Float[Tensor, "batch 3 resolution resolution"]:
        """Parts of pictures, bilinearly; center and sides are in pixels."""
        size = center.new_tensor([image.shape[-1], image.shape[-2]])
        matrix = torch.cat([torch.diag_embed(side / size), (2 * center / size - 1)[..., None]], -1)
        shape = [*image.shape[:2], self.resolution, self.resolution]
        grid = F.affine_grid(matrix.to(image.dtype), shape, align_corners=False)
        return F.grid_sample(image - self.black, grid, align_corners=False) + self.black

    @torch.no_grad()
    def learn_errors(
        self,
        number: int,
        errors: Float[Tensor, "samples 2"],
        joint: Tensor,
        known: Tensor,
    ) -> None:
        """Keep mean and covariance of each joint's errors, which the next stage must mend.

        Args:
            number: Of the stage that made them, from 0.
            errors: Predicted less true place, in diameters.
            joint: (samples,): whose they are.
            known: (samples,): 1 where the joint is labelled, else 0.
        """
        mean, covariance = self.displacement_mean[number], self.displacement_covariance[number]
        member = F.one_hot(joint, len(mean)).to(errors.dtype) * known[:, None]
        count = member.sum(dim=0)
        weight = MOMENTUM * (count > 0).to(errors.dtype)
        share = member / count.clamp(min=1)
        mean += weight[:, None] * (share.T @ errors - mean)
        off = errors[:, None] - mean
        spread = torch.einsum("sj,sjx,sjy->jxy", share, off, off)
        covariance += weight[:, None, None] * (spread - covariance)

    def draw_displacements(self, number: int, joint: Tensor) -> Float[Tensor, "samples 2"]:
        """Errors as stage `number` makes them at these joints, in diameters (section 3.2)."""
        covariance = self.displacement_covariance[number].float()
        root = torch.linalg.cholesky(covariance + 1e-6 * torch.eye(2, device=covariance.device))
        noise = torch.randn(len(joint), 2, 1, device=covariance.device)
        return self.displacement_mean[number][joint] + (root[joint] @ noise)[..., 0]


def whole(image: Float[Tensor, "batch 3 height width"]) -> tuple[Tensor, Tensor]:
    """Centre and sides (batch, 2) of the window that is the whole crop."""
    size = image.new_tensor([image.shape[-1], image.shape[-2]]).float().expand(image.shape[0], 2)
    return size / 2, size


def diameter(
    joints: Float[Tensor, "batch joints 2"],
    torso: tuple[int, int],
    size: Sequence[int],
    visible: Tensor | None = None,
) -> Float[Tensor, " batch"]:
    """Distance of two opposing joints of the torso (section 3.2), in pixels.

    Args:
        joints: In pixels of the crop.
        torso: Their places.
        size: Height and width of the crop. A diameter is at least a twentieth of the height, and a
            quarter of it where one of the two joints is not labelled.
        visible: (batch, joints): above 0 where a joint is labelled; None: all are.
    """
    first, second = torso
    found = (joints[:, first] - joints[:, second]).norm(dim=-1).clamp(min=size[0] / 20)
    if visible is None:
        return found
    known = (visible[:, first] > 0) & (visible[:, second] > 0)
    return torch.where(known, found, torch.full_like(found, size[0] / 4))


class DeepPose(TopDownSystem):
    """Training, scoring and use of the cascade.

    Each stage minimises the squared error of joints in the frame of its window (equations 4 and
    7). Later stages see windows displaced as the stage before errs, whose errors are gathered on
    the way, so that all of them can be trained at once.

    Args:
        skeleton: Name of the joints' skeleton.
        stages: As in `PoseCascade`.
        sigma: Likewise.
        resolution: Likewise.
        hidden: Likewise.
        draws: Windows of each person and later stage in a step, of joints drawn at random.
        stage_epochs: Epochs for each stage, one after the other, as in the paper; None: all
            stages are trained in every epoch.
        norm: None: local response norms, as published; or one of `vitruvian.nn.norms.NORMS` behind
            each convolution.
        width: Of the crops, in pixels; windows are taken from them, so they should be large.
        height: Likewise.
        flip_test: Whether the mirrored crop is read, too; the paper does not.
        options: Of `TopDownSystem`.
    """

    card_name = "deeppose"
    network: PoseCascade

    def __init__(
        self,
        skeleton: str = "lsp14",
        *,
        stages: int = 3,
        sigma: float = 2.0,
        resolution: int = 227,
        hidden: int = 4096,
        draws: int = 4,
        stage_epochs: int | None = None,
        norm: NormName | None = None,
        width: int = 256,
        height: int = 256,
        flip_test: bool = False,
        **options: Any,
    ) -> None:
        joints = find_skeleton(skeleton)
        lacking = [name for name in TORSO if name not in joints.index]
        if lacking:
            raise InputError(f"DeepPose measures people by {lacking[0]}, which {skeleton} lacks.")
        black = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
        network = PoseCascade(
            len(joints),
            (joints.index[TORSO[0]], joints.index[TORSO[1]]),
            stages=stages,
            sigma=sigma,
            resolution=resolution,
            hidden=hidden,
            norm=norm is not None,
            black=black,
        )
        super().__init__(
            network,
            skeleton,
            width=width,
            height=height,
            flip_test=flip_test,
            norm=norm or "batch",
            mean=MEAN,
            deviation=DEVIATION,
            **options,
        )
        self.save_hyperparameters(ignore=["backbone"])
        self.draws = draws
        self.stage_epochs = stage_epochs

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`stage1`, `stage2`, …: squared errors in the window's frame, summed over the joints."""
        network, image = self.network, self.normalised(batch["image"])
        truth, visible = batch["keypoints"], batch["visible"]
        size = diameter(truth, network.torso, image.shape[-2:], visible)
        center, side = whole(image)
        found = network.first(image).float()
        wanted = (truth - center[:, None]) / side[:, None]
        error = ((found - wanted) ** 2).sum(dim=-1) * visible
        losses = [error.sum(dim=1).mean()]
        people, joints = visible.shape
        joint = torch.arange(joints, device=truth.device).repeat(people)
        missed = ((found - wanted) * side[:, None] / size[:, None, None]).flatten(0, 1)
        known = visible.flatten()
        turn = len(network.stages)
        if self.stage_epochs is not None:
            turn = min(self.current_epoch // self.stage_epochs + 1, turn)
        for number, stage in enumerate(list(network.stages)[1:turn]):
            network.learn_errors(number, missed.detach(), joint, known)
            joint = torch.multinomial(visible + 1e-6, self.draws, replacement=True).flatten()
            person = torch.arange(people, device=truth.device).repeat_interleave(self.draws)
            known = visible[person, joint]
            drawn = network.draw_displacements(number, joint)
            sides = network.sigma * size[person]
            start = truth[person, joint] + drawn * size[person][:, None]
            window = network.window(image[person], start, sides[:, None].expand(-1, 2))
            moved = stage(window)[torch.arange(len(joint)), joint].float()
            off = moved + drawn / network.sigma  # less the target, -drawn / sigma
            losses.append(((off**2).sum(dim=-1) * known).mean() * joints)
            missed = off * network.sigma
        named = {f"stage{number}": loss for number, loss in enumerate(losses, start=1)}
        if self.stage_epochs is None:
            return named
        return {f"stage{turn}": losses[-1]}

    def read(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Joints (batch, joints, 2) in pixels of the RGB crops; every score (batch, joints) is 1.

        A regressor says of no joint how sure it is.
        """
        points = self.network(self.normalised(image)).float()
        if self.flip_test:
            mirrored = self.network(self.normalised(image.flip(-1))).float()
            back = mirrored[:, self.skeleton.flip_order.tolist()]
            back = torch.stack([image.shape[-1] - back[..., 0], back[..., 1]], dim=-1)
            points = (points + back) / 2
        found = points.cpu().numpy().astype(np.float32)
        return found, np.ones(found.shape[:2], dtype=np.float32)
