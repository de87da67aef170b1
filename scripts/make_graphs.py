"""Makes the ONNX graphs of the embedded networks: `python scripts/make_graphs.py`.

A graph holds no weights: its tensors point into the safetensors file beside it. It is made anew
when a network's code changes; a test holds it to the PyTorch network's outputs.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from onnxscript.optimizer import fold_constants, remove_unused_nodes
from torch import Tensor, nn

import vitruvian
from vitruvian.core.card import find_card
from vitruvian.core.files import whole_file
from vitruvian.core.published import load_published, published_names, read_checkpoint
from vitruvian.core.system import arguments_in
from vitruvian.face.retinaface.network import RetinaFaceNetwork
from vitruvian.people.refining import EMBEDDED
from vitruvian.pose.openpose.mobilenet import MobileNetOpenPose
from vitruvian.pose.topdown_system import TopDownSystem

WEIGHTS = Path(vitruvian.__file__).parent / "weights"


def tensor_places(file: Path) -> dict[str, tuple[int, int]]:
    """Key → (offset, length) in bytes of each tensor of a safetensors file."""
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {
        key: (
            8 + length + entry["data_offsets"][0],
            entry["data_offsets"][1] - entry["data_offsets"][0],
        )
        for key, entry in header.items()
    }


class CropReader(nn.Module):
    """A top-down system as one graph: crops as OpenCV cuts them → maps that joints are read from.

    Its published keys are those of the system's network.
    """

    def __init__(self, system: TopDownSystem) -> None:
        super().__init__()
        self.system = system

    def forward(self, crops: Tensor) -> Tensor:
        """(batch, height, width, 3) RGB uint8 → (batch, joints, height / 4, width / 4)."""
        return self.system(crops.permute(0, 3, 1, 2).contiguous())

    def published_keys(self) -> dict[str, str]:
        """Without what the network is wrapped in."""
        return {key: key.removeprefix("system.network.") for key in self.state_dict()}


def make_graph(
    network: nn.Module, name: str, outputs: list[str], example: Tensor | None = None
) -> None:
    """Write `WEIGHTS/name.onnx` for the network whose weights are `WEIGHTS/name.safetensors`.

    Weights that are stored in half precision are made float32 where the graph begins.

    Args:
        network: Without weights.
        name: Of the files.
        outputs: Names of what it gives.
        example: Two inputs, of which the first axis alone may be of another length; None: pictures
            of any size.
    """
    weights = WEIGHTS / f"{name}.safetensors"
    load_published(network, read_checkpoint(weights))
    network.eval()
    any_size = torch.export.Dim.DYNAMIC
    axes = (0,) if example is not None else (0, 2, 3)
    program = torch.onnx.export(
        network,
        (torch.rand(2, 3, 64, 96) if example is None else example,),
        input_names=["image"],
        output_names=outputs,
        dynamic_shapes=[dict.fromkeys(axes, any_size)],
        dynamo=True,
        optimize=False,
        verbose=False,
    )
    assert program is not None
    # Small constants only: the weights must stay as the safetensors file has them.
    fold_constants(program.model, input_size_limit=64, output_size_limit=64)
    remove_unused_nodes(program.model)
    model = program.model_proto
    places, theirs = tensor_places(weights), published_names(network)
    for tensor in model.graph.initializer:
        if tensor.name not in theirs or theirs[tensor.name] not in places:
            continue
        offset, length = places[theirs[tensor.name]]
        if 2 * length == len(tensor.raw_data):
            half = f"{tensor.name}_half"
            cast = helper.make_node("Cast", [half], [tensor.name], to=TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
            tensor.name, tensor.data_type = half, TensorProto.FLOAT16
        else:
            assert length == len(tensor.raw_data), f"{tensor.name} is stored otherwise"
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in (("location", weights.name), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
    for node in model.graph.node:  # traces of the machine that exported it
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    with whole_file(WEIGHTS / f"{name}.onnx") as part:
        part.write_bytes(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(str(WEIGHTS / f"{name}.onnx"))


if __name__ == "__main__":
    make_graph(MobileNetOpenPose(), "openpose_mobilenet_v2_small", ["heatmaps", "affinities"])
    make_graph(RetinaFaceNetwork(), "retinaface_mobilenet025", ["boxes", "scores", "landmarks"])
    for path, entry in EMBEDDED.values():
        card = find_card(path)
        file = WEIGHTS / card.find_weights(entry).location
        system: TopDownSystem = card.load_class()(**arguments_in(file)[1])
        crops = torch.zeros(2, *reversed(system.input_size), 3, dtype=torch.uint8)
        make_graph(CropReader(system), file.stem, ["heatmaps"], crops)
