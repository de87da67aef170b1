"""How fast top-down pose is, beside its peers in the same rounds; random weights throughout.

Networks read one person's crop of 192×256 pixels. Ours run as `TopDownSystem.from_weights` leaves
them (norms folded, channels last), from uint8 crops to maps; peers as their users get them, from
normalised crops.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vitruvian.core.bench import Spread, take_turns
from vitruvian.core.export import export_onnx
from vitruvian.core.quantization import quantize_onnx
from vitruvian.pose.coco_metrics import coco_keypoint_ap
from vitruvian.pose.cpm import ConvolutionalPoseMachine
from vitruvian.pose.heatmaps import Decoder, decode_joints
from vitruvian.pose.hourglass import HourglassSystem
from vitruvian.pose.hrnet import PoseHRNetSystem
from vitruvian.pose.pyranet import PyramidNetwork
from vitruvian.pose.simple_baseline import SimpleBaseline
from vitruvian.pose.topdown import Crop
from vitruvian.pose.topdown_system import TopDownSystem

SIZE = (192, 256)  # width, height
ABSENT = "not installed"
PEERS = ("timm", "transformers", "rtmlib", "faster-coco-eval")
PEOPLE = 8
DETECTIONS = 12_000

Ways = dict[str, Callable[[], Any]]


def systems() -> dict[str, Callable[[], TopDownSystem]]:
    """Name → what builds it, for crops of `SIZE`."""
    width, height = SIZE
    size: dict[str, Any] = {"width": width, "height": height}
    hourglass = partial(HourglassSystem, stacks=2, **size)
    return {
        "HRNet-W32": partial(PoseHRNetSystem, **size),
        "Simple Baselines, ResNet-50": partial(SimpleBaseline, **size),
        "hourglass, 2 stacks": partial(hourglass, layout="bearpaw"),
        "hourglass, 2 stacks, princeton": partial(hourglass, layout="princeton"),
        "PyraNet, 2 stacks": partial(PyramidNetwork, stacks=2, **size),
        "CPM, 6 stages": partial(ConvolutionalPoseMachine, **size),
    }


def prepare(build: Callable[[], TopDownSystem]) -> TopDownSystem:
    """A system with random weights as `from_weights` gives one with trained ones."""
    torch.manual_seed(0)
    system = build().requires_grad_(requires_grad=False).eval()
    for parameter in system.network.parameters():
        if parameter.ndim > 1:  # the published starts are so small that maps would be zero
            nn.init.kaiming_normal_(parameter)
    system.fold()
    return system


def installed() -> dict[str, str]:
    """Peer → its version, or "not installed"."""
    found = {}
    for peer in PEERS:
        try:
            found[peer] = metadata.version(peer)
        except metadata.PackageNotFoundError:
            found[peer] = ABSENT
    return found


def peer_networks() -> dict[str, nn.Module]:
    """Timm's HRNet-W32, and the backbone of ViTPose-B; nothing where timm is not installed."""
    if installed()["timm"] == ABSENT:
        return {}
    import timm

    torch.manual_seed(0)
    make = partial(timm.create_model, pretrained=False)
    vit = make("vit_base_patch16_224", img_size=SIZE[::-1], num_classes=0, global_pool="")
    plain, last = (make("hrnet_w32", features_only=True, feature_location="") for _ in range(2))
    return {
        "timm hrnet_w32, features": plain.eval(),
        "timm hrnet_w32, features, channels last": last.eval().to(
            memory_format=torch.channels_last
        ),
        "timm ViT-B/16 (ViTPose-B's backbone)": vit.eval(),
    }


def sizes(networks: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Billions of multiply-adds of what each call does."""
    counted = {}
    for name, call in networks.items():
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            call()
        counted[name] = round(counter.get_total_flops() / 2e9, 2)
    return counted


@torch.inference_mode()
def bench_networks(
    runs: int, chosen: Mapping[str, TopDownSystem], peers: Mapping[str, nn.Module]
) -> dict[str, dict[str, Any]]:
    """Milliseconds a crop of each network, as PyTorch and as exported ONNX, and ratios.

    Args:
        runs: Rounds that count.
        chosen: What `prepare` gave, by name.
        peers: Networks of normalised crops.
    """
    width, height = SIZE
    image = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8)
    ways: Ways = {name: partial(system, image) for name, system in chosen.items()}
    parameters = {name: _millions(system.network) for name, system in chosen.items()}
    pixels = torch.randn(1, 3, height, width)
    for name, network in peers.items():
        last = "channels last" in name
        seen = pixels.to(memory_format=torch.channels_last) if last else pixels
        ways[name], parameters[name] = partial(network, seen), _millions(network)
    report: dict[str, dict[str, Any]] = {
        "parameters, M": parameters,
        "multiply-adds, G": sizes(ways),
    }
    plain: Ways = {
        f"{name}, as it is trained": partial(system.network, pixels)
        for name, system in chosen.items()
    }
    exported: Ways = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, system) in enumerate(chosen.items()):
            file = Path(folder, f"{number}.onnx")
            # The example sizes differ in the batch alone, which may be any in the file.
            with torch.inference_mode(mode=False):
                export_onnx(system.network, SIZE, file)
            exported[f"{name}, ONNX Runtime"] = _session(file, pixels.numpy())
            short = file.with_suffix(".int8.onnx")
            quantize_onnx(file, [torch.randn_like(pixels).numpy() for _ in range(8)], short)
            exported[f"{name}, ONNX Runtime in 8 bits"] = _session(short, pixels.numpy())
    seconds = _turns(ways | plain | exported, runs)
    report["networks, one crop of 192×256"] = _spreads(seconds)
    hrnet = "HRNet-W32"
    if peers:
        report["ratios of networks"] = {
            f"{hrnet} / {name}": _ratio(seconds[hrnet], seconds[name])
            for name in peers
            if "hrnet" in name
        }
    for what, suffix in (("as it is trained", ", as it is trained"), ("folded", "")):
        for form in ("ONNX Runtime", "ONNX Runtime in 8 bits"):
            report[f"gain of {form} over PyTorch, {what}"] = {
                name: _ratio(seconds[name + suffix], seconds[f"{name}, {form}"]) for name in chosen
            }
    return report


@torch.inference_mode()
def bench_batch(runs: int, system: TopDownSystem) -> dict[str, dict[str, Any]]:
    """Eight people in one batch beside eight single runs, in float32 and bfloat16."""
    width, height = SIZE
    one = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8)
    many = one.expand(PEOPLE, -1, -1, -1).contiguous()

    def in_bf16(image: Tensor, times: int) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            _repeat(system, image, times)

    ways: Ways = {}
    for name, way in (("float32", partial(_repeat, system)), ("bfloat16", in_bf16)):
        ways[f"a batch of eight, {name}"] = partial(way, many, 1)
        ways[f"eight times one, {name}"] = partial(way, one, PEOPLE)
    seconds = _turns(ways, runs)
    ratios = {
        f"batch / single, {name}": _ratio(
            seconds[f"a batch of eight, {name}"], seconds[f"eight times one, {name}"]
        )
        for name in ("float32", "bfloat16")
    }
    return {"HRNet-W32, eight people": _spreads(seconds), "ratios of eight people": ratios}


def bench_person(
    runs: int, system: TopDownSystem, *, peers: bool = True
) -> dict[str, dict[str, Any]]:
    """What is done for each of a picture's eight people, beside other libraries' code."""
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    corners = random.uniform((10, 10), (480, 140), (PEOPLE, 2))
    boxes = np.concatenate([corners, corners + np.array([130, 320])], axis=1).tolist()

    def before() -> Tensor:
        return system.normalised(system.cut_out(image, [Crop.of_box(b, SIZE) for b in boxes]))

    columns, rows = SIZE[0] // 4, SIZE[1] // 4
    down, across = np.mgrid[:rows, :columns]
    places = random.uniform(5, columns - 5, (PEOPLE, 17, 2, 1, 1))
    maps = np.exp(-((across - places[:, :, 0]) ** 2 + (down - places[:, :, 1]) ** 2) / 8)
    maps = (maps + random.normal(0, 0.01, maps.shape)).astype(np.float32)
    pre: Ways = {"vitruvian": before}
    post: Ways = {
        f"vitruvian, {decoder}": partial(decode_joints, maps, SIZE, decoder=decoder)
        for decoder in get_args(Decoder)
    }
    there = [name for name, version in installed().items() if peers and version != ABSENT]
    if "rtmlib" in there:
        pre["rtmlib"], post["rtmlib, DARK of UDP"] = _rtmlib(image, boxes, maps)
    if "transformers" in there:
        pre["transformers, VitPose"], post["transformers, DARK"] = _transformers(image, boxes, maps)
    with torch.inference_mode():
        return {
            "before the network, a person": _spreads(_each(_turns(pre, 10 * runs))),
            "behind the network, a person": _spreads(_each(_turns(post, 10 * runs))),
        }


def _each(seconds: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Of one person, where those of `PEOPLE` were measured."""
    return {name: [value / PEOPLE for value in values] for name, values in seconds.items()}


def bench_coco(runs: int) -> dict[str, dict[str, Any]]:
    """AP of 12,000 detections, beside faster-coco-eval called by itself."""
    from faster_coco_eval import COCO, COCOeval_faster

    people, detections = _fake_coco(DETECTIONS // 5)

    def theirs() -> None:
        truth = COCO(
            {
                "info": {},
                "images": [{"id": image} for image in {p["image_id"] for p in people}],
                "categories": [{"id": 1, "name": "person"}],
                "annotations": people,
            },
            print_function=_nothing,
        )
        found = truth.loadRes([dict(each) for each in detections])  # it writes into them
        evaluation = COCOeval_faster(truth, found, "keypoints", print_function=_nothing)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()

    ways: Ways = {
        "vitruvian": partial(coco_keypoint_ap, people, detections),
        "faster-coco-eval": theirs,
    }
    seconds = _turns(ways, runs)
    ratio = _ratio(seconds["vitruvian"], seconds["faster-coco-eval"])
    return {
        "COCO AP of 12,000 detections": _spreads(seconds),
        "ratio of COCO AP": {"vitruvian / faster-coco-eval": ratio},
    }


def _rtmlib(
    image: np.ndarray, boxes: Sequence[Sequence[float]], maps: np.ndarray
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Its ViTPose without the network: what it does before and behind it, person by person.

    What is behind blurs the maps in place, so it gets copies.
    """
    kind: Any = import_module("rtmlib.tools.pose_estimation.vitpose").ViTPose
    tool = kind.__new__(kind)
    tool.model_input_size = SIZE
    tool.mean, tool.std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

    def before() -> None:
        for box in boxes:
            pixels, _, _ = tool.preprocess(image, list(box))
            np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)

    windows = [tool.preprocess(image, list(box))[1:] for box in boxes]

    def behind() -> None:
        for own, (center, scale) in zip(maps, windows, strict=True):
            tool.postprocess([own[None].copy()], center, scale)

    return before, behind


def _transformers(
    image: np.ndarray, boxes: Sequence[Sequence[float]], maps: np.ndarray
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Its VitPose image processor: what it does before and behind the network (to a copy)."""
    folder = "transformers.models.vitpose"
    kind: Any = import_module(f"{folder}.image_processing_vitpose").VitPoseImageProcessor
    output: Any = import_module(f"{folder}.modeling_vitpose").VitPoseEstimatorOutput
    tool = kind(size={"width": SIZE[0], "height": SIZE[1]})
    given = [[[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes]]

    def before() -> None:
        tool.preprocess([image], boxes=given, return_tensors="pt")

    def behind() -> None:
        tool.post_process_pose_estimation(output(heatmaps=torch.tensor(maps)), given)

    return before, behind


def _fake_coco(images: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Three people and five detections an image, as COCO's files have them."""
    random = np.random.default_rng(0)
    people: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for image in range(1, images + 1):
        for number in range(5):
            start, size = random.uniform(0, 300, 2), random.uniform(40, 200, 2)
            points = np.concatenate(
                [start + size * random.random((17, 2)), np.full((17, 1), 2)], axis=1
            ).round(1)
            whole = {"image_id": image, "category_id": 1}
            if number < 3:
                people.append(
                    {
                        **whole,
                        "id": len(people) + 1,
                        "keypoints": points.ravel().tolist(),
                        "num_keypoints": 17,
                        "bbox": [*start.tolist(), *size.tolist()],
                        "area": float(size.prod()),
                        "iscrowd": 0,
                    }
                )
            points[:, :2] += random.normal(0, random.uniform(1, 15), (17, 2))
            score = float(random.random())
            detections.append({**whole, "keypoints": points.ravel().tolist(), "score": score})
    return people, detections


def _session(file: Path, pixels: np.ndarray) -> Callable[[], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {"image": pixels})


def _repeat(system: TopDownSystem, image: Tensor, times: int) -> None:
    for _ in range(times):
        system(image)


def _millions(network: nn.Module) -> float:
    return round(sum(each.numel() for each in network.parameters()) / 1e6, 2)


def _turns(ways: Ways, runs: int) -> dict[str, list[float]]:
    """Seconds of the processor in one thread, of the clock in several."""
    single = torch.get_num_threads() == 1
    return take_turns(ways, runs, time.process_time if single else time.perf_counter)


def _ratio(seconds: Sequence[float], others: Sequence[float]) -> float:
    """The median over the rounds, so that a disturbance of one does not count."""
    return round(statistics.median(a / b for a, b in zip(seconds, others, strict=True)), 3)


def _spreads(seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    return {name: asdict(Spread.of(each)) for name, each in seconds.items()}


def _nothing(*_: Any) -> None:
    """Takes the place of a library's printing."""
