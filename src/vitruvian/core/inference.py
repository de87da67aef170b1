"""Runs a network on arrays: by PyTorch, or by ONNX Runtime where its embedded graph is at hand.

On a CPU ONNX Runtime runs the embedded networks two to four times faster than eager PyTorch
(`vitruvian bench analyze` prints both), and starts without importing torch.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import VitruvianError, WeightsError
from vitruvian.core.weights import Weights

if TYPE_CHECKING:
    from torch import nn

    from vitruvian.core.device import Precision

Backend = Literal["auto", "torch", "onnxruntime"]
Floats = NDArray[np.float32]


class Runner(Protocol):
    """A network as a function of arrays."""

    def __call__(self, images: NDArray[Any]) -> list[Floats]:
        """(batch, 3, height, width), pre-processed as the network wants it → its outputs."""
        ...

    @property
    def description(self) -> str:
        """What runs the network, where and in which precision."""
        ...


class OnnxRunner:
    """ONNX Runtime on the CPU, from the graph beside an embedded weights file."""

    def __init__(self, weights: Weights) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # warnings about shapes are of no use to a user
        threads = os.environ.get("OMP_NUM_THREADS", "")
        if threads.isdigit():
            options.intra_op_num_threads = int(threads)
        # Threads that wait by spinning take the cores from whatever else runs: with two busy
        # neighbours a video took 16 s of processor time instead of 11, and longer by the clock.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = weights.file.with_suffix(".onnx")
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own family has no common ancestor
            msg = f"The graph {graph} is damaged: install vitruvian again, or use --backend torch."
            raise WeightsError(msg) from error

    def __call__(self, images: NDArray[Any]) -> list[Floats]:
        """Run the graph."""
        return list(self._session.run(None, {"image": images}))

    @property
    def description(self) -> str:
        """For `run.json`."""
        return "cpu, float32, ONNX Runtime"


class TorchRunner:
    """Eager PyTorch on the chosen device."""

    def __init__(
        self, network: nn.Module, weights: Weights, device: str, precision: Precision
    ) -> None:
        import torch

        from vitruvian.core.device import choose_device
        from vitruvian.core.published import load_published, read_checkpoint

        load_published(network, read_checkpoint(weights.file), origin=str(weights.file))
        self._torch = torch
        self._chosen = choose_device(device, precision)
        self._network = network.eval().to(self._chosen.device)

    def __call__(self, images: NDArray[Any]) -> list[Floats]:
        """Run the network."""
        with self._torch.inference_mode(), self._chosen.autocast():
            outputs = self._network(self._torch.from_numpy(images).to(self._chosen.device))
        if isinstance(outputs, self._torch.Tensor):  # of a network with one output
            outputs = (outputs,)
        return [output.float().cpu().numpy() for output in outputs]

    @property
    def description(self) -> str:
        """For `run.json`."""
        return f"{self._chosen}, PyTorch"


class Preprocessor:
    """Makes the input of a network that was trained on OpenCV's blue, green, red.

    Args:
        multiple: Of which the input's height and width must be; what is added at the right and the
            bottom is 0, that is as grey as `mean`.
        mean: Of red, green, blue; taken off.
        scale: Times the difference.
    """

    def __init__(self, multiple: int, mean: tuple[float, float, float], scale: float = 1.0) -> None:
        self.multiple = multiple
        self.mean = mean
        self.scale = scale
        # Memory that is new to the process costs three times what filling it does.
        self._buffers: dict[tuple[int, ...], Floats] = {}

    def __call__(self, images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> Floats:
        """Resize the pictures (bilinear) and make them a batch.

        Args:
            images: (height, width, 3) RGB uint8.
            size: Height and width of each picture in the input.

        Returns:
            (pictures, 3, height, width), BGR; the next call may write over it.
        """
        rows, columns = size
        whole = rows + -rows % self.multiple, columns + -columns % self.multiple
        batch = self._buffer((len(images), 3, *whole))
        batch[:, :, rows:] = 0
        batch[..., columns:] = 0
        for place, image in enumerate(images):
            # Area averaging is four times slower and finds the same.
            small = image if image.shape[:2] == size else cv2.resize(image, (columns, rows))
            for channel in range(3):  # in place: six times faster than cv2.dnn's blobs
                target = batch[place, channel, :rows, :columns]
                mean = np.float32(self.mean[2 - channel])
                np.subtract(small[..., 2 - channel], mean, out=target)
                if self.scale != 1:
                    target *= np.float32(self.scale)
        return batch

    def _buffer(self, shape: tuple[int, ...]) -> Floats:
        if shape not in self._buffers:
            if len(self._buffers) == 4:
                self._buffers.clear()
            self._buffers[shape] = np.empty(shape, dtype=np.float32)
        return self._buffers[shape]


def make_runner(
    build: Callable[[], nn.Module],
    weights: Weights,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    backend: Backend = "auto",
) -> Runner:
    """The fastest runner that does what was asked for.

    Args:
        build: Makes the network, for PyTorch; not called where ONNX Runtime runs it.
        weights: Of the network.
        device: As in `choose_device`.
        precision: Likewise; bf16 is PyTorch's.
        backend: As in `runs_graph`.

    Raises:
        VitruvianError: ONNX Runtime was asked for and cannot do it.
    """
    if runs_graph(weights, device=device, precision=precision, backend=backend):
        return OnnxRunner(weights)
    return TorchRunner(build(), weights, device, precision)


def runs_graph(
    weights: Weights,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    backend: Backend = "auto",
) -> bool:
    """Whether ONNX Runtime does what was asked for, by the graph beside the weights.

    Args:
        weights: Of the network.
        device: As in `choose_device`.
        precision: Likewise; bf16 is PyTorch's.
        backend: "auto" is ONNX Runtime on a CPU in float32 with embedded weights, else PyTorch.

    Raises:
        VitruvianError: ONNX Runtime was asked for and cannot do it.
    """
    reasons = {
        f"it runs on the CPU here, not on {device}": device not in ("auto", "cpu"),
        "it runs in float32": precision == "bf16",
        "only embedded weights come with a graph": not weights.file.with_suffix(".onnx").is_file(),
        "it is not installed (pip install onnxruntime)": not _installed("onnxruntime"),
    }
    against = next((reason for reason, holds in reasons.items() if holds), None)
    if backend == "onnxruntime" and against:
        msg = f"ONNX Runtime cannot be used: {against}. Use --backend torch."
        raise VitruvianError(msg)
    accelerated = device == "auto" and backend == "auto" and _cuda_usable()
    return not (backend == "torch" or against or accelerated)


class OneNetwork:
    """A detector around one network; a subclass says how the network is built.

    Its first two arguments are the runner and the weights.
    """

    @staticmethod
    def build() -> nn.Module:
        """The network, without weights."""
        raise NotImplementedError

    @classmethod
    def from_weights(
        cls,
        weights: Weights,
        device: str = "auto",
        precision: Precision = "auto",
        backend: Backend = "auto",
        **options: Any,
    ) -> Self:
        """The detector with weights that `find_weights` found; `options` as the class has them."""
        runner = make_runner(
            cls.build, weights, device=device, precision=precision, backend=backend
        )
        return cls(runner, weights, **options)  # type: ignore[call-arg]


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _cuda_usable() -> bool:
    """Whether PyTorch has a CUDA device; torch is imported only where a driver is installed."""
    if not ctypes.util.find_library("nvcuda" if os.name == "nt" else "cuda"):
        return False
    import torch

    return torch.cuda.is_available()
