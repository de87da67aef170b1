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
from torch import nn

import vitruvian
from vitruvian.core.files import whole_file
from vitruvian.core.published import load_published, published_names, read_checkpoint
from vitruvian.face.retinaface.network import RetinaFaceNetwork
from vitruvian.pose.openpose.mobilenet import MobileNetOpenPose

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


def make_graph(
    network: nn.Module, name: str, outputs: list[str], size: tuple[int, int] | None = None
) -> None:
    """Write `WEIGHTS/name.onnx` for the network whose weights are `WEIGHTS/name.safetensors`.

    Weights that are stored in half precision are made float32 where the graph begins.

    Args:
        network: Without weights.
        name: Of the files.
        outputs: Names of what it gives.
        size: Height and width of its input; None: any.
    """
    weights = WEIGHTS / f"{name}.safetensors"
    load_published(network, read_checkpoint(weights))
    network.eval()
    any_size = torch.export.Dim.DYNAMIC
    shape = {0: any_size} if size else {0: any_size, 2: any_size, 3: any_size}
    program = torch.onnx.export(
        network,
        (torch.rand(2, 3, *(size or (64, 96))),),
        input_names=["image"],
        output_names=outputs,
        dynamic_shapes={"image": shape},
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
