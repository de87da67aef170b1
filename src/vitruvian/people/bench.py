"""How fast the main job is, stage by stage, beside its peers in the same process.

The same picture, as an array in memory; the method is that of `core/bench.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vitruvian.core.bench import WARM_UP, Spread, take_turns
from vitruvian.core.drawing import draw_frame
from vitruvian.core.records import Frame
from vitruvian.core.timing import Timings
from vitruvian.people.detector import PeopleDetector
from vitruvian.people.photos import read_photo, write_photo
from vitruvian.people.tracking import Follower
from vitruvian.people.video import VideoReader
from vitruvian.people.video_writer import VideoWriter

if TYPE_CHECKING:
    from vitruvian.core.device import Precision
    from vitruvian.core.inference import Backend

PHOTO_SIZE = (480, 640)  # height, width
VIDEO_SIZE = (720, 1280)
NETWORK_SIZE = (368, 432)  # of the input that networks are compared at
NETWORKS = ("people network", "faces network")

Picture = NDArray[np.uint8]


def bench_photo(photo: Picture, runs: int) -> dict[str, Spread]:
    """From a JPEG of 640×480 to a drawn JPEG: the stages, their sum, and the sum but networks."""
    photo = _fitted(photo, PHOTO_SIZE)
    with tempfile.TemporaryDirectory() as folder:
        source, drawn = Path(folder, "photo.jpg"), Path(folder, "drawn.jpg")
        write_photo(photo, source)
        timings = Timings()
        detector = PeopleDetector(timings=timings)

        def one() -> None:
            with timings.stage("decode"):
                image = read_photo(source)
            ((people, faces),) = detector.detect([image])
            with timings.stage("draw"):
                draw_frame(image, Frame("", 0, 0, *PHOTO_SIZE[::-1], people, faces))
            with timings.stage("write"):
                write_photo(image, drawn)

        return _stages(one, timings, runs)


def bench_video(photo: Picture, runs: int) -> dict[str, Spread]:
    """From a 720p H.264 video to a drawn one, frame by frame: stages, sum, sum but networks."""
    with tempfile.TemporaryDirectory() as folder:
        source, drawn = Path(folder, "clip.mp4"), Path(folder, "drawn.mp4")
        make_clip(photo, source, runs + WARM_UP, VIDEO_SIZE)
        timings = Timings()
        detector = PeopleDetector(timings=timings)
        follower = Follower(smooth=True)
        threads = cv2.getNumThreads()
        with (
            VideoReader(source, threads=threads) as reader,
            VideoWriter(drawn, reader.width, reader.height, reader.rate, threads=threads) as writer,
        ):
            pictures = iter(reader)

            def one() -> None:
                with timings.stage("decode"):
                    picture = next(pictures)
                ((people, faces),) = detector.detect([picture.image])
                with timings.stage("track"):
                    size = (reader.width, reader.height)
                    frame = follower.follow(
                        Frame("", picture.index, picture.seconds, *size, people, faces)
                    )
                with timings.stage("draw"):
                    draw_frame(picture.image, frame)
                with timings.stage("write"):
                    writer.write(picture.image, picture.seconds)

            return _stages(one, timings, runs)


def bench_drawing(photo: Picture, runs: int) -> Spread:
    """Drawing five people, with faces, on a 720p picture."""
    canvas = _fitted(photo, VIDEO_SIZE)
    ((people, _),) = PeopleDetector().detect([canvas])
    five = tuple(people[i % len(people)] for i in range(5)) if people else ()
    frame = Frame("", 0, 0, *VIDEO_SIZE[::-1], five)
    return _rounds(lambda: draw_frame(canvas, frame), runs)


def bench_networks(runs: int) -> dict[str, Spread]:
    """The people network at 432×368 by every way to run it that was tried."""
    import torch

    from vitruvian.core.card import find_card
    from vitruvian.core.inference import make_runner
    from vitruvian.core.published import load_published, read_checkpoint
    from vitruvian.core.weights import find_weights
    from vitruvian.pose.openpose.mobilenet import MobileNetOpenPose

    weights = find_weights(find_card("pose/openpose"))
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, *NETWORK_SIZE)).astype(np.float32)
    settings: dict[str, tuple[Backend, Precision]] = {
        "ONNX Runtime, float32": ("onnxruntime", "32"),
        "PyTorch, float32": ("torch", "32"),
        "PyTorch, bfloat16 autocast": ("torch", "bf16"),
    }
    ways: dict[str, Callable[[], Any]] = {}
    for name, (backend, precision) in settings.items():
        runner = make_runner(
            MobileNetOpenPose, weights, device="cpu", precision=precision, backend=backend
        )
        ways[name] = partial(runner, image)
    network = MobileNetOpenPose()
    load_published(network, read_checkpoint(weights.file))
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    tensor = torch.from_numpy(image).contiguous(memory_format=torch.channels_last)

    def channels_last() -> None:
        with torch.inference_mode():
            network(tensor)

    ways["PyTorch, float32, channels last"] = channels_last
    return {name: _rounds(way, runs) for name, way in ways.items()}


def bench_keypoint_rcnn(runs: int) -> Spread:
    """The Keypoint R-CNN of torchvision at 640×480: random weights, 100 proposals, 10 boxes."""
    import torch
    from torchvision.models.detection import keypointrcnn_resnet50_fpn

    torch.manual_seed(0)
    network = keypointrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        min_size=PHOTO_SIZE[0],
        max_size=PHOTO_SIZE[1],
        rpn_pre_nms_top_n_test=100,
        rpn_post_nms_top_n_test=100,
        box_detections_per_img=10,
        box_score_thresh=0.0,  # random scores: the ten best are kept whatever they are
    ).eval()
    image = torch.rand(3, *PHOTO_SIZE)

    def one() -> None:
        with torch.inference_mode():
            network([image])

    return _rounds(one, runs)


def bench_memory(photo: Picture, seconds: Sequence[int] = (10, 600)) -> dict[str, float]:
    """Most memory (MiB) that `vitruvian analyze` takes for videos of these lengths at 10 frames/s.

    The frames are small, so that ten minutes take about a minute: what grows with the length does
    so whatever their size.
    """
    most = {}
    with tempfile.TemporaryDirectory() as folder:
        for length in seconds:
            clip = Path(folder, f"{length}.mp4")
            make_clip(photo, clip, 10 * length, (96, 128), rate=10)
            command = [sys.executable, "-c", _ANALYZE, str(clip), str(Path(folder, f"out{length}"))]
            run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
            most[f"{length} s"] = round(json.loads(run.stdout.splitlines()[-1]) / 1024, 1)
    return most


_ANALYZE = """
import resource, sys
from vitruvian.people.options import RunOptions
from vitruvian.people.run import run
run([sys.argv[1]], sys.argv[2], RunOptions(height=96, scales=(1.0,)))
unit = 1024 if sys.platform == "darwin" else 1
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit)
"""


def make_clip(
    photo: Picture, path: Path, frames: int, size: tuple[int, int], rate: int = 25
) -> None:
    """A video in which the camera pans a little over the photo."""
    height, width = size
    canvas = _fitted(photo, (height, width + 64))
    with VideoWriter(path, width, height, Fraction(rate)) as writer:
        for number in range(frames):
            shift = int(32 + 32 * np.sin(number / 20))
            writer.write(np.ascontiguousarray(canvas[:, shift : shift + width]), number / rate)


def _stages(one: Callable[[], None], timings: Timings, runs: int) -> dict[str, Spread]:
    """Run `one` often; the spread of each stage's time in a round, of all, and but networks."""
    rounds: list[dict[str, float]] = []
    timings.keep_samples = True
    for number in range(runs + WARM_UP):
        timings.samples.clear()
        one()
        if number >= WARM_UP:
            rounds.append({name: sum(seconds) for name, seconds in timings.samples.items()})
    names = list(dict.fromkeys(name for stages in rounds for name in stages))
    spreads = {name: Spread.of([stages.get(name, 0.0) for stages in rounds]) for name in names}
    spreads["all"] = Spread.of([sum(stages.values()) for stages in rounds])
    spreads["all but networks"] = Spread.of(
        [sum(t for name, t in stages.items() if name not in NETWORKS) for stages in rounds]
    )
    return spreads


def _rounds(one: Callable[[], Any], runs: int) -> Spread:
    return Spread.of(take_turns({"": one}, runs)[""])


def _fitted(photo: Picture, size: tuple[int, int]) -> Picture:
    """The photo scaled to cover `size` (height, width) and cut to it."""
    height, width = size
    scale = max(height / photo.shape[0], width / photo.shape[1])
    grown = cv2.resize(photo, None, fx=scale, fy=scale)
    grown = cv2.resize(grown, (max(grown.shape[1], width), max(grown.shape[0], height)))
    return np.ascontiguousarray(grown[:height, :width])
