"""Simple Baselines: a ResNet and three deconvolutions.

Xiao, Wu, Wei: "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018
(arXiv 1804.06208). One person's crop goes in, a heat map a joint comes out at a quarter of its
size; the joint is where its map is highest. The crop, the target maps and the reading of the maps
are those of `pose/topdown.py` and `pose/heatmaps.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.published import load_published, read_checkpoint
from vitruvian.core.records import Frame, Person, Pose
from vitruvian.core.skeletons import SKELETONS, find_skeleton
from vitruvian.core.system import Batch
from vitruvian.nn.normed_system import NormedSystem
from vitruvian.nn.norms import NormName
from vitruvian.nn.resnet import RESNETS, ResNet, Style
from vitruvian.pose.heatmaps import Decoder, decode_joints, joints_mse_loss, merge_flipped
from vitruvian.pose.topdown import PADDING, Crop

_DECONVOLUTIONS = {4: (1, 0), 3: (1, 1), 2: (0, 0)}  # kernel → padding, output padding: all double


class PoseResNet(ResNet):
    """The network (section 2, figure 1c): ResNet, deconvolutions, one convolution.

    Published checkpoints (`conv1.weight`, `deconv_layers.0.weight`, `final_layer.bias`) have the
    same keys. They expect the picture's channels in the order blue, green, red, with the ImageNet
    mean and deviation of red, green, blue put on them in that order.

    Args:
        joints: Maps that come out.
        depth: 18, 34, 50, 101 or 152.
        style: Where a bottleneck strides ("pytorch", "caffe"). As published, "caffe" makes
            bottlenecks at every depth.
        filters: Channels of each deconvolution; each doubles the map.
        kernels: Their kernels: 4, 3 or 2.
        deconvolution_bias: Whether they have a bias.
        final_kernel: Kernel of the last convolution, 1 or 3.

    Raises:
        UnknownNameError: a depth, style or kernel that there is not.
        InputError: `filters` and `kernels` differ in length.
    """

    def __init__(
        self,
        joints: int = 17,
        *,
        depth: int = 50,
        style: Style = "pytorch",
        filters: Sequence[int] = (256, 256, 256),
        kernels: Sequence[int] = (4, 4, 4),
        deconvolution_bias: bool = False,
        final_kernel: int = 1,
    ) -> None:
        if depth not in RESNETS:
            raise UnknownNameError("ResNet depth", str(depth), map(str, RESNETS))
        if len(filters) != len(kernels) or not filters:
            msg = f"Give each deconvolution filters and a kernel: {filters} does not fit {kernels}."
            raise InputError(msg)
        for kernel in kernels:
            if kernel not in _DECONVOLUTIONS:
                known = map(str, _DECONVOLUTIONS)
                raise UnknownNameError("deconvolution kernel", str(kernel), known)
        if final_kernel not in (1, 3):
            raise UnknownNameError("final kernel", str(final_kernel), ("1", "3"))
        stages, bottleneck = RESNETS[depth]
        super().__init__(stages, bottleneck=bottleneck or style == "caffe", style=style)
        self.deconv_layers = nn.Sequential()
        channels = self.channels[-1]
        for width, kernel in zip(filters, kernels, strict=True):
            padding, output_padding = _DECONVOLUTIONS[kernel]
            self.deconv_layers.extend(
                [
                    nn.ConvTranspose2d(
                        channels,
                        width,
                        kernel,
                        stride=2,
                        padding=padding,
                        output_padding=output_padding,
                        bias=deconvolution_bias,
                    ),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
            )
            channels = width
        self.final_layer = nn.Conv2d(channels, joints, final_kernel, padding=final_kernel // 2)
        self._initialise_head()

    def _initialise_head(self) -> None:
        """N(0, 0.001) weights and zero biases, as the released code has it."""
        for module in (*self.deconv_layers, self.final_layer):
            if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(  # type: ignore[override]
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch joints height/4 width/4"]:
        """Heat maps of normalised crops; height and width are multiples of 32.

        With three deconvolutions they are a quarter of the crop's size; each one more or less
        doubles or halves it.
        """
        return self.final_layer(self.deconv_layers(self.features(image)[-1]))


def pose_resnet_like(
    shapes: Mapping[str, Sequence[int]], *, style: Style = "pytorch"
) -> PoseResNet:
    """The network that a checkpoint with these shapes belongs to.

    Args:
        shapes: Published key → shape.
        style: Follows from no shape: the checkpoint's card or configuration name tells it.

    Raises:
        InputError: the shapes are not those of this network.
    """
    return PoseResNet(style=style, **pose_resnet_options(shapes))


def pose_resnet_options(shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Arguments of `PoseResNet` that the shapes of a checkpoint tell: all but the style.

    Args:
        shapes: Published key → shape.

    Raises:
        InputError: the shapes are not those of this network.
    """
    stages = tuple(
        len({key.split(".")[1] for key in shapes if key.startswith(f"layer{number}.")})
        for number in range(1, 5)
    )
    bottleneck = "layer1.0.conv3.weight" in shapes
    depths = [depth for depth, (blocks, _) in RESNETS.items() if blocks == stages]
    exact = [depth for depth in depths if RESNETS[depth][1] == bottleneck]
    deconvolutions = [
        (int(key.split(".")[1]), shape)
        for key, shape in shapes.items()
        if key.startswith("deconv_layers.") and key.endswith(".weight") and len(shape) == 4
    ]
    deconvolutions.sort()
    if not depths or not deconvolutions or "final_layer.weight" not in shapes:
        raise InputError("The checkpoint is not one of Simple Baselines: its keys are others.")
    joints, _, final_kernel, _ = shapes["final_layer.weight"]
    return {
        "joints": joints,
        "depth": (exact or depths)[0],
        "filters": [shape[1] for _, shape in deconvolutions],
        "kernels": [shape[2] for _, shape in deconvolutions],
        "deconvolution_bias": f"deconv_layers.{deconvolutions[0][0]}.bias" in shapes,
        "final_kernel": final_kernel,
    }


MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class SimpleBaseline(NormedSystem):
    """Training, scoring and use of the network (section 2, table 1).

    The objective is `joints_mse_loss`: half the squared error of the maps, unlabelled joints left
    out. Joints are read from the mean of the maps of the crop and of its mirror image.

    Args:
        skeleton: Name of the joints' skeleton.
        depth: Of the ResNet.
        style: As in `PoseResNet`.
        filters: Likewise.
        kernels: Likewise.
        deconvolution_bias: Likewise.
        final_kernel: Likewise.
        width: Of the crops, in pixels.
        height: Likewise.
        decoder: How joints are read from maps; see `decode_joints`.
        flip_test: Whether the mirrored crop is read, too.
        channels: Order in which the network sees colours. The published weights want "bgr"; the
            mean and deviation are ImageNet's of red, green, blue in either case, as published.
        channels_last: Memory order of the network; faster on recent CPUs and GPUs.
        backbone: Training begins with this checkpoint of a ResNet that classifies pictures, in
            torchvision's layout (the paper: ImageNet's); None: with random numbers.
        norm: One of `vitruvian.nn.norms.NORMS`; "batch" as published.
    """

    card_name = "simple_baseline"
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        skeleton: str = "coco17",
        *,
        depth: int = 50,
        style: Style = "pytorch",
        filters: Sequence[int] = (256, 256, 256),
        kernels: Sequence[int] = (4, 4, 4),
        deconvolution_bias: bool = False,
        final_kernel: int = 1,
        width: int = 192,
        height: int = 256,
        decoder: Decoder = "quarter",
        flip_test: bool = True,
        channels: Literal["bgr", "rgb"] = "bgr",
        channels_last: bool = False,
        backbone: str | None = None,
        norm: NormName = "batch",
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["backbone"])
        self.backbone = backbone
        self.skeleton = find_skeleton(skeleton)
        self.network = PoseResNet(
            len(self.skeleton),
            depth=depth,
            style=style,
            filters=filters,
            kernels=kernels,
            deconvolution_bias=deconvolution_bias,
            final_kernel=final_kernel,
        )
        self.set_norm(norm)
        self.input_size = (width, height)
        self.decoder: Decoder = decoder
        self.flip_test = flip_test
        self.channels = channels
        self.memory = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.memory)
        mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (MEAN, DEVIATION))
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch joints height/4 width/4"]:
        """Heat maps of RGB crops."""
        pixels = image.flip(1) if self.channels == "bgr" else image
        normalised = (pixels.float() - self.mean) / self.deviation
        return self.network(normalised.contiguous(memory_format=self.memory))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`heatmaps`: the mean squared error of the maps."""
        output = self(batch["image"]).float()
        return {"heatmaps": joints_mse_loss(output, batch["target"], batch["target_weight"])}

    def read(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Joints (batch, joints, 2) in pixels of the RGB crops, and scores (batch, joints)."""
        maps = self(image).float()
        if self.flip_test:
            mirrored = self(image.flip(-1)).float()
            order = self.skeleton.flip_order
            maps = merge_flipped(maps, mirrored, order, shift=self.decoder != "udp")
        return decode_joints(maps.cpu().numpy(), self.input_size, decoder=self.decoder)

    def setup(self, stage: str) -> None:
        """Look whether data and network speak of the same crops; begin with the backbone.

        Raises:
            InputError: they do not.
            WeightsError: the backbone's checkpoint is damaged or another network's.
        """
        if stage == "fit" and self.backbone:
            head = {
                key: value
                for key, value in self.network.state_dict().items()
                if key.startswith(("deconv_layers.", "final_layer."))
            }
            state = {**read_checkpoint(self.backbone), **head}
            classifier = ("fc.weight", "fc.bias")
            load_published(self.network, state, origin=self.backbone, unused=classifier)
        trainer: Any = self.trainer
        data = trainer.datamodule
        if data is not None and tuple(data.input_size) != self.input_size:
            raise InputError(
                f"The network's crops are {self.input_size}, the data's {tuple(data.input_size)}: "
                "set model and data to one width and height."
            )

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Read the joints of a batch; the data set scores them at the end of the epoch."""
        udp = self.decoder == "udp"
        points, scores = self.read(batch["image"])
        rows = zip(
            batch["index"].tolist(),
            batch["center"].cpu().numpy(),
            batch["size"].cpu().numpy(),
            points,
            scores,
            strict=True,
        )
        for index, center, size, joints, score in rows:
            place = Crop(center, size, self.input_size, udp=udp).to_picture(joints)
            self.scored[index] = np.concatenate([place, score[:, None]], axis=-1).astype("f4")

    def evaluate(self, part: str, scored: Mapping[int, Any]) -> Mapping[str, float]:
        """The data set's own metrics."""
        trainer: Any = self.trainer
        return trainer.datamodule.people(part).evaluate(scored)

    @classmethod
    def arguments_of(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Depth, filters, kernels and joints that a published state dict shows."""
        options = pose_resnet_options({key: tuple(value.shape) for key, value in state.items()})
        joints = options.pop("joints")
        names = [name for name, skeleton in SKELETONS.items() if len(skeleton) == joints]
        if "coco17" in names or not names:
            return options
        return {**options, "skeleton": names[0]}

    @torch.inference_mode()
    def predict(
        self,
        images: Sequence[NDArray[np.uint8]],
        boxes: Sequence[Sequence[Sequence[float]]] | None = None,
    ) -> list[Frame]:
        """The joints of each boxed person.

        Args:
            images: (height, width, 3) RGB uint8.
            boxes: Of each picture, the people's boxes x1, y1, x2, y2; None: the whole picture is
                one person.

        Raises:
            InputError: a box has no area.
        """
        frames = []
        for place, image in enumerate(images):
            height, width = image.shape[:2]
            chosen = [[0, 0, width, height]] if boxes is None else boxes[place]
            padding = 1.0 if boxes is None else PADDING
            udp = self.decoder == "udp"
            crops = [Crop.of_box(box, self.input_size, padding=padding, udp=udp) for box in chosen]
            people = self._people(image, crops, chosen)
            frames.append(Frame(f"image {place}", 0, 0.0, width, height, people, image=image))
        return frames

    def _people(
        self, image: NDArray[np.uint8], crops: Sequence[Crop], boxes: Sequence[Sequence[float]]
    ) -> tuple[Person, ...]:
        if not crops:
            return ()
        pixels = np.stack([crop.sample(image) for crop in crops]).transpose(0, 3, 1, 2)
        with self.chosen.autocast():
            points, scores = self.read(torch.from_numpy(pixels.copy()).to(self.device))
        people = []
        for number, (crop, box) in enumerate(zip(crops, boxes, strict=True)):
            score = np.clip(scores[number], 0, 1)
            joints = np.concatenate([crop.to_picture(points[number]), score[:, None]], axis=-1)
            pose = Pose(self.skeleton, (joints * (score[:, None] > 0)).astype(np.float32))
            people.append(Person(pose.score, np.asarray(box, np.float32), pose, id=number + 1))
        return tuple(people)
