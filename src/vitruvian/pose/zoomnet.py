"""ZoomNet: the body first, then face and hands, zoomed into in the network's own early features.

Jin, Xu, Xu, Wang, Liu, Qian, Ouyang, Luo: "Whole-Body Human Pose Estimation in the Wild", ECCV 2020
(arXiv 2007.11858). One network finds the joints of body and feet and the boxes of face and hands;
RoIAlign cuts those boxes out of what its first two convolutions give, and a head reads the 68 or 21
points in each. The network was never released: this is a reconstruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align

from vitruvian.core.errors import InputError
from vitruvian.core.skeletons import WHOLEBODY133, find_skeleton
from vitruvian.core.system import Batch
from vitruvian.nn.hrnet import STEM, Fusion, HRNet, hrnet_stages, transition, unit
from vitruvian.pose.heatmap_tensors import cell_gaussians, cell_peaks, joints_mse_loss
from vitruvian.pose.topdown_system import TopDownSystem

BODY = slice(0, 23)
PARTS = {"face": slice(23, 91), "left_hand": slice(91, 112), "right_hand": slice(112, 133)}
"""Places of the points of body with feet, and of each zoomed part, among the 133."""

CORNERS = 5
"""Maps of a part's box: top left, top right, bottom left, bottom right, centre."""

GRID = 64
"""Width and height of a part's maps."""

ENLARGE = 1.2
"""Of a part's box."""

CENTER_SCORE = 0.1
"""A centre whose map is higher than this moves the box to it."""

Phase = Literal["body", "heads", "all"]


class PartHead(nn.Module):
    """HRNetV2p on features of a part: four branches, all of them joined at the end.

    Args:
        points: Maps that come out.
        width: Channels of the finest branch: 18.
        modules: Fusions of stage 2, 3 and 4.
        blocks: Residual blocks between two fusions.
    """

    def __init__(
        self, points: int, width: int = 18, modules: Sequence[int] = (1, 4, 3), blocks: int = 4
    ) -> None:
        super().__init__()
        stages = hrnet_stages(width, modules, blocks)
        widths = [(STEM,), *(stage.output for stage in stages)]
        self.transitions = nn.ModuleList(
            transition(before, after) for before, after in pairwise(widths)
        )
        self.entry = unit(STEM, widths[1][1], stride=1)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Fusion(stage, len(stage.channels)) for _ in range(stage.modules)))
            for stage in stages
        )
        joined = sum(widths[-1])
        self.last = nn.Sequential(
            nn.Conv2d(joined, joined, 1),
            nn.BatchNorm2d(joined),
            nn.ReLU(inplace=True),
            nn.Conv2d(joined, points, 1),
        )

    def forward(
        self, fine: Float[Tensor, "batch 64 64 64"], coarse: Float[Tensor, "batch 64 32 32"]
    ) -> Float[Tensor, "batch points 64 64"]:
        """Heat maps of crops of the features of stride 2 and of stride 4."""
        branches = [fine]
        for number, (layers, stage) in enumerate(zip(self.transitions, self.stages, strict=True)):
            sources = branches + branches[-1:] * (len(list(layers.children())) - len(branches))
            pairs = zip(layers.children(), sources, strict=True)
            branches = [layer(each) for layer, each in pairs]
            if number == 0:
                branches[1] = branches[1] + self.entry(coarse)
            branches = stage(branches)
        size = branches[0].shape[-2:]
        large = [F.interpolate(each, size, mode="bilinear") for each in branches[1:]]
        return self.last(torch.cat([branches[0], *large], dim=1))


class ZoomNet(nn.Module):
    """The whole network: HRNet for the body and the boxes, a head for faces, one for hands.

    Args:
        body_width: Channels of the body's finest branch: 32.
        head_width: Of a head's: 18.
        modules: Fusions of stage 2, 3 and 4 of each.
        blocks: Residual blocks between two fusions.
    """

    def __init__(
        self,
        *,
        body_width: int = 32,
        head_width: int = 18,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
    ) -> None:
        super().__init__()
        self.body = HRNet(hrnet_stages(body_width, modules, blocks))
        self.body_maps = nn.Conv2d(self.body.channels, BODY.stop + CORNERS * len(PARTS), 1)
        self.face = PartHead(68, head_width, modules, blocks)
        self.hand = PartHead(21, head_width, modules, blocks)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Maps of body and boxes, the boxes (batch, 3, 4), and maps of face, left and right hand.

        Height and width are multiples of 32; boxes are x1, y1, x2, y2 in pixels of the crop.
        """
        maps, features = self.look(image)
        boxes, _ = read_boxes(maps)
        return (maps, boxes, *self.zoom(features, boxes))

    def look(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch 38 height/4 width/4"], tuple[Tensor, Tensor]]:
        """Maps of body and boxes, and the features that are zoomed into, of strides 2 and 4."""
        fine, coarse = self.body.stem(image)
        return self.body_maps(self.body.after_stem(coarse)), (fine, coarse)

    def zoom(
        self, features: tuple[Tensor, Tensor], boxes: Float[Tensor, "batch 3 4"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Maps (batch, points, 64, 64) of face, left and right hand.

        One head reads both hands: it sees the left one mirrored.
        """
        face, left, right = (self._cut(features, boxes[:, part]) for part in range(len(PARTS)))
        mirrored = [each.flip(-1) for each in left]
        return self.face(*face), self.hand(*mirrored).flip(-1), self.hand(*right)

    def _cut(self, features: tuple[Tensor, Tensor], boxes: Tensor) -> list[Tensor]:
        rows = torch.arange(boxes.shape[0], device=boxes.device, dtype=boxes.dtype)[:, None]
        found = []
        for number, each in enumerate(features):
            side = GRID >> number
            scale = 0.5**number / 2
            rois = torch.cat([rows, boxes], dim=1).float()
            crop = roi_align(each.float(), rois, (side, side), scale, 2, aligned=True)
            found.append(crop.to(each.dtype))
        return found


def read_boxes(
    maps: Float[Tensor, "batch 38 height width"],
) -> tuple[Float[Tensor, "batch 3 4"], Float[Tensor, "batch 3"]]:
    """Boxes of face, left and right hand, in pixels of the crop, and their scores.

    A box is the mean of what its corners say, put around its centre where that is seen, enlarged.
    Its score is the mean of its corners' maxima.
    """
    scores, places = cell_peaks(maps[:, BODY.stop :])
    scores = scores.unflatten(1, (len(PARTS), CORNERS))  # type: ignore[no-untyped-call]
    points = (4 * places).unflatten(1, (len(PARTS), CORNERS))  # type: ignore[no-untyped-call]
    top_left, top_right, bottom_left, bottom_right, center = points.unbind(dim=2)
    x1 = (top_left[..., 0] + bottom_left[..., 0]) / 2
    x2 = (top_right[..., 0] + bottom_right[..., 0]) / 2
    y1 = (top_left[..., 1] + top_right[..., 1]) / 2
    y2 = (bottom_left[..., 1] + bottom_right[..., 1]) / 2
    middle = torch.stack([x1 + x2, y1 + y2], dim=-1) / 2
    middle = torch.where(scores[..., 4:] > CENTER_SCORE, center, middle)
    # A box is at least two cells wide: corners in one place still give the head something to see.
    size = ENLARGE * torch.stack([x2 - x1, y2 - y1], dim=-1).clamp(min=8)
    return torch.cat([middle - size / 2, middle + size / 2], dim=-1), scores[..., :4].mean(dim=-1)


def true_boxes(
    points: Float[Tensor, "batch 133 2"], visible: Float[Tensor, "batch 133"]
) -> tuple[Float[Tensor, "batch 3 4"], Float[Tensor, "batch 3"]]:
    """Extents of the labelled points of face, left and right hand; 1 where the part is valid.

    A part is valid where at least half of its points are labelled.
    """
    boxes, valid = [], []
    for places in PARTS.values():
        known = visible[:, places] > 0
        x, y = points[:, places].unbind(dim=-1)
        low, high = ([each.masked_fill(~known, sign * 1e6) for each in (x, y)] for sign in (1, -1))
        corners = [each.amin(dim=1) for each in low] + [each.amax(dim=1) for each in high]
        enough = known.float().mean(dim=1) >= 0.5
        whole = torch.stack(corners, dim=-1)
        boxes.append(torch.where(enough[:, None], whole, whole.new_tensor([0, 0, 8, 8])))
        valid.append(enough.to(points.dtype))
    return torch.stack(boxes, dim=1), torch.stack(valid, dim=1)


def box_points(boxes: Float[Tensor, "batch 3 4"]) -> Float[Tensor, "batch 15 2"]:
    """The four corners and the centre of each box, as its maps have them."""
    x1, y1, x2, y2 = boxes.unbind(dim=-1)
    corners = [(x1, y1), (x2, y1), (x1, y2), (x2, y2), ((x1 + x2) / 2, (y1 + y2) / 2)]
    return torch.stack([torch.stack(pair, dim=-1) for pair in corners], dim=2).flatten(1, 2)


def jitter_boxes(
    boxes: Float[Tensor, "batch 3 4"], shift: float = 0.1, scale: float = 0.25
) -> Tensor:
    """Boxes enlarged as `read_boxes` does, moved and resized at random shares of their size."""
    center, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    size = size.clamp(min=8)
    moved = center + size * shift * (2 * torch.rand_like(size) - 1)
    resized = ENLARGE * size * (1 + scale * (2 * torch.rand_like(size[..., :1]) - 1))
    return torch.cat([moved - resized / 2, moved + resized / 2], dim=-1)


class WholeBodyZoom(TopDownSystem):
    """Training, scoring and use of the network on the 133 points of COCO-WholeBody.

    The objective is the error of the maps of body and boxes, of the face's and of the hands'. Heads
    are trained in the true boxes, jittered.

    Args:
        skeleton: COCO-WholeBody's, "wholebody133": no other one has these parts.
        body_width: As in `ZoomNet`.
        head_width: Likewise.
        modules: Likewise.
        blocks: Likewise.
        phase: What is trained: "body", then "heads" on top of it (`backbone`: the weights of the
            phase before), then "all"; or "all" at once.
        sigma: Of the targets of body and boxes, in cells of 4 pixels.
        head_sigma: Of the targets of the heads, in cells of a part's grid.
        width: Of the crops, in pixels; a multiple of 32.
        height: Likewise.
        options: Of `TopDownSystem`.
    """

    card_name = "zoomnet"
    network: ZoomNet

    def __init__(
        self,
        skeleton: str = WHOLEBODY133.name,
        *,
        body_width: int = 32,
        head_width: int = 18,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        phase: Phase = "all",
        sigma: float = 3.0,
        head_sigma: float = 2.0,
        width: int = 288,
        height: int = 384,
        **options: Any,
    ) -> None:
        if find_skeleton(skeleton) is not WHOLEBODY133:
            raise InputError(f"ZoomNet reads the joints of {WHOLEBODY133.name}, not {skeleton}.")
        network = ZoomNet(
            body_width=body_width, head_width=head_width, modules=modules, blocks=blocks
        )
        super().__init__(network, skeleton, width=width, height=height, **options)
        self.check_sides(32)
        self.save_hyperparameters(ignore=["backbone"])
        self.phase = phase
        self.sigma = sigma
        self.head_sigma = head_sigma

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`body`, `face` and `hands`: `joints_mse_loss` of their maps, valid parts alone."""
        points, visible = batch["keypoints"], batch["visible"]
        boxes, valid = true_boxes(points, visible)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.phase != "heads"):
            maps, features = self.network.look(self.normalised(batch["image"]))
        losses: dict[str, Tensor] = {}
        if self.phase != "heads":
            wanted = torch.cat([points[:, BODY], box_points(boxes)], dim=1) / 4
            weight = torch.cat([visible[:, BODY], valid.repeat_interleave(CORNERS, dim=1)], dim=1)
            losses["body"] = self._error(maps, wanted, weight, self.sigma)
        if self.phase == "body":
            return losses
        jittered = jitter_boxes(boxes)
        found = []
        for part, (maps, places) in enumerate(
            zip(self.network.zoom(features, jittered), PARTS.values(), strict=True)
        ):
            start, end = jittered[:, part, None, :2], jittered[:, part, None, 2:]
            inside = GRID * (points[:, places] - start) / (end - start)
            weight = visible[:, places] * valid[:, part, None]
            found.append(self._error(maps, inside, weight, self.head_sigma))
        return {**losses, "face": found[0], "hands": (found[1] + found[2]) / 2}

    def _error(self, maps: Tensor, wanted: Tensor, weight: Tensor, sigma: float) -> Tensor:
        size = (maps.shape[-1], maps.shape[-2])
        within = ((wanted > 0) & (wanted < wanted.new_tensor(size))).all(dim=-1)
        target = cell_gaussians(wanted, size, sigma)
        return joints_mse_loss(maps.float(), target, weight * within)

    def read(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points (batch, 133, 2) in pixels of the RGB crops, and scores (batch, 133).

        Points of face and hands score their maximum times the score of their box.
        """
        maps, features = self.network.look(self.normalised(image))
        maps = maps.float()
        order = self.skeleton.flip_order
        if self.flip_test:
            mirrored, other = self.network.look(self.normalised(image.flip(-1)))
            maps = (maps + mirrored.float().flip(-1)[:, map_order(order)]) / 2
        boxes, sure = read_boxes(maps)
        parts = [each.float() for each in self.network.zoom(features, boxes)]
        if self.flip_test:
            width = image.shape[-1]
            x1, y1, x2, y2 = boxes[:, [0, 2, 1]].unbind(dim=-1)  # a mirrored left hand is a right
            turned = torch.stack([width - x2, y1, width - x1, y2], dim=-1)
            face, left, right = (each.float() for each in self.network.zoom(other, turned))
            pairs = zip(parts, (face[:, order[PARTS["face"]] - 23], right, left), strict=True)
            parts = [(maps_ + back.flip(-1)) / 2 for maps_, back in pairs]
        scores, places = cell_peaks(maps[:, BODY])
        points, found = [4 * places], [scores]
        for part, each in enumerate(parts):
            scores, places = cell_peaks(each)
            start, end = boxes[:, part, None, :2], boxes[:, part, None, 2:]
            points.append(start + places / GRID * (end - start))
            found.append(scores * sure[:, part, None].clamp(0, 1))
        joined, scored = torch.cat(points, dim=1), torch.cat(found, dim=1)
        return joined.cpu().numpy().astype(np.float32), scored.cpu().numpy()


def map_order(flip_order: NDArray[np.int64]) -> NDArray[np.int64]:
    """(38,): where each map of body and boxes stands in a mirrored picture."""
    corners = np.array([1, 0, 3, 2, 4])
    boxes = [BODY.stop + CORNERS * part + corners for part in (0, 2, 1)]
    return np.concatenate([flip_order[BODY], *boxes])
