"""Classification: a residual network, cross entropy, top-1 and top-5.

He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition", CVPR 2016 (arXiv 1512.03385).
The ground on which normalizers are compared: every norm of `vitruvian.nn.norms` goes into every
network of `image/resnet.py` by one option.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from vitruvian.core.errors import InputError
from vitruvian.core.system import Batch
from vitruvian.image.data import fit_picture
from vitruvian.image.labels import Label, LabelledPicture
from vitruvian.image.metrics import top_accuracy
from vitruvian.image.resnet import Stem, classifier_options, make_classifier
from vitruvian.nn.normed_system import NormedSystem
from vitruvian.nn.norms import NormName

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
BEST = 5


class Classification(NormedSystem):
    """Training, scoring and use of a network of `image/resnet.py`.

    Args:
        labels: Names of the classes, or how many there are.
        depth: See `make_classifier`.
        version: Likewise.
        stages: Likewise.
        width: Likewise.
        stem: Likewise.
        norm: One of `vitruvian.nn.norms.NORMS`.
        dropout: Before the classifier.
        zero_gamma: Whether the last norm of each block begins with zeros.
        size: Side of the pictures, in pixels.
        resize: The shorter side of a picture before its middle is cut out; None: `size`.
        mean: Of red, green and blue in [0, 1]; ImageNet's where left out.
        deviation: Likewise.
    """

    card_name = "classification"
    pixel_mean: Tensor
    pixel_deviation: Tensor

    def __init__(
        self,
        labels: int | Sequence[str] = 1000,
        *,
        depth: int = 50,
        version: Literal[1, 2] = 1,
        stages: Sequence[int] | None = None,
        width: int | None = None,
        stem: Stem = "imagenet",
        norm: NormName = "batch",
        dropout: float = 0.0,
        zero_gamma: bool = False,
        size: int = 224,
        resize: int | None = None,
        mean: Sequence[float] = MEAN,
        deviation: Sequence[float] = DEVIATION,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        count = labels if isinstance(labels, int) else len(labels)
        if count < 2:
            raise InputError(f"Classification needs two classes or more, not {count}.")
        self.names = list(map(str, range(labels))) if isinstance(labels, int) else list(labels)
        self.network = make_classifier(
            count,
            depth=depth,
            version=version,
            stages=stages,
            width=width,
            stem=stem,
            dropout=dropout,
            zero_gamma=zero_gamma,
        )
        self.set_norm(norm)
        self.input_size = (size, size)
        self.resize = resize
        mean_, deviation_ = (torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (mean, deviation))
        self.register_buffer("pixel_mean", mean_, persistent=False)
        self.register_buffer("pixel_deviation", deviation_, persistent=False)

    def forward(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Scores of RGB pictures, before the softmax."""
        return self.network(self.normalised(image))

    def normalised(
        self, image: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """RGB pictures as the network sees them."""
        return (image.float() - self.pixel_mean) / self.pixel_deviation

    @torch.inference_mode()
    def network_input(self, image: NDArray[np.uint8]) -> Float[Tensor, "1 3 size size"]:
        """What the network gets for an RGB picture (height, width, 3)."""
        return self.normalised(self._fitted(image))

    def _fitted(self, image: NDArray[np.uint8]) -> UInt8[Tensor, "1 3 size size"]:
        pixels = fit_picture(image, self.input_size[0], self.resize)
        batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
        return batch.to(self.chosen.device)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`cross_entropy`, in nats."""
        return {"cross_entropy": F.cross_entropy(self(batch["image"]).float(), batch["label"])}

    def setup(self, stage: str) -> None:
        """Look whether data and network speak of the same classes and sizes.

        Raises:
            InputError: they do not.
        """
        trainer: Any = self.trainer
        data = trainer.datamodule
        if data is None:
            return
        if (data.size, data.size) != self.input_size:
            raise InputError(
                f"The network's pictures are of {self.input_size[0]}, the data's of {data.size}: "
                "set model and data to one size."
            )
        classes = data.pictures("train" if stage == "fit" else "test").classes
        if len(classes) != len(self.names):
            raise InputError(
                f"The data has {len(classes)} classes, the network {len(self.names)}: give "
                f"--model.labels {len(classes)}."
            )
        if isinstance(self.hparams.get("labels"), int):
            self.names = list(classes)
            self.hparams["labels"] = self.names

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Keep the scores of a batch; they are counted at the end of the epoch."""
        scores = self(batch["image"]).float().cpu().numpy()
        rows = zip(batch["index"].tolist(), batch["label"].tolist(), scores, strict=True)
        self.scored.update({index: (score, label) for index, label, score in rows})

    def evaluate(self, part: str, scored: Mapping[int, Any]) -> Mapping[str, float]:
        """`top1` and `top5`, in per cent."""
        del part
        scores = np.stack([score for score, _ in scored.values()])
        labels = np.array([label for _, label in scored.values()])
        return top_accuracy(scores, labels)

    @classmethod
    def arguments_of(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Depth, version, norm and classes that a published state dict shows."""
        options = classifier_options({key: tuple(value.shape) for key, value in state.items()})
        return {"labels": options.pop("classes"), **options}

    @torch.inference_mode()
    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[LabelledPicture]:
        """The best classes of each picture.

        Args:
            images: (height, width, 3) RGB uint8.
        """
        found = []
        for place, image in enumerate(images):
            with self.chosen.autocast():
                scores = self(self._fitted(image))
            chances = scores.float().softmax(1)[0].cpu()
            best = chances.topk(min(BEST, len(self.names)))
            labels = tuple(
                Label(self.names[index], float(chance))
                for chance, index in zip(best.values, best.indices.tolist(), strict=True)
            )
            height, width = image.shape[:2]
            found.append(LabelledPicture(f"image {place}", width, height, labels, image))
        return found
