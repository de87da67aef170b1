"""`vitruvian bench`: how fast it is, beside its peers in the same process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitruvian.cli.output import JsonOption, print_json, say
from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.files import data_root

if TYPE_CHECKING:
    from vitruvian.core.bench import Spread

PHOTOS = ("people_media/COCO_val2014_000000000192.jpg",)  # below the data root; four people
FALLBACK = "examples/photos/street_0240.jpg"

EPILOG = """
Examples:

  vitruvian bench analyze                          stages of a photo and a 720p frame, peers

  vitruvian bench analyze --photo mine.jpg --threads 2 --json

  vitruvian bench analyze --memory                 also: ten minutes of video beside ten seconds

  vitruvian bench norms                            norms beside PyTorch's batch norm

  vitruvian bench pose                             top-down networks and what is around them

  vitruvian bench world                            rendered people a second

Figures are the median and the 90th percentile of the rounds, in milliseconds. On a busy machine
look at the ratios, not at the figures.
"""


def bench(
    subject: Annotated[str, typer.Argument(help="What to measure: analyze, norms, pose or world.")],
    photo: Annotated[
        Path | None, typer.Option(help="The photo to measure with; it is fitted to 640×480.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads that every library gets.")] = 1,
    runs: Annotated[
        int, typer.Option(min=1, help="Rounds that count, after three that do not.")
    ] = 30,
    peers: Annotated[bool, typer.Option(help="Measure other libraries, too.")] = True,
    memory: Annotated[
        bool, typer.Option("--memory", help="Measure memory over video lengths (two minutes).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure speed and memory, beside other libraries in the same process.

    One process, the same threads for every library, warm-up rounds that do not count.

    analyze: the main job, stage by stage, pictures in the page cache. Networks are timed by every
    way to run them; torchvision's Keypoint R-CNN (random weights, 640×480, 100 proposals, 10 boxes)
    is the peer.

    norms: forward and backward of the norms at (32, 256, 56, 56), and inference with one-hot
    ratios. PyTorch's batch norm is the peer.

    pose: networks of one person's crop at 192×256 beside timm's, as PyTorch and as ONNX; cropping
    and reading beside transformers' and rtmlib's where they are installed; eight people in a batch;
    COCO's AP beside faster-coco-eval. Some minutes; weights are random.

    world: crops of one person at 192×256 and crowds of 1 to 12 at 640×480, with every annotation,
    on the processor and on a GPU where there is one.
    """
    if subject not in SUBJECTS:
        raise UnknownNameError("benchmark", subject, SUBJECTS)
    from vitruvian.core.bench import fix_threads, machine

    fix_threads(threads)
    report = {"machine": machine(threads), "runs": runs}
    report |= SUBJECTS[subject](Options(photo, runs, peers, memory))
    _tell(report)
    if as_json:
        print_json(report)


@dataclass(frozen=True)
class Options:
    """What a subject may want to know; see the options of `vitruvian bench`."""

    photo: Path | None
    runs: int
    peers: bool
    memory: bool


def _analyze(options: Options) -> dict[str, Any]:
    from vitruvian.people import bench as bench_people
    from vitruvian.people.photos import read_photo

    picture, runs = read_photo(_photo(options.photo)), options.runs
    report: dict[str, Any] = {}
    say("Measuring the photo's stages …")
    whole = bench_people.bench_photo(picture, runs)
    report["photo 640×480"] = _plain(whole)
    say("Measuring a 720p video's stages …")
    report["video frame 1280×720"] = _plain(bench_people.bench_video(picture, runs))
    drawing = bench_people.bench_drawing(picture, runs)
    report["other"] = {"drawing five people on 720p": asdict(drawing)}
    say("Measuring ways to run the people network …")
    report["people network at 432×368"] = _plain(bench_people.bench_networks(runs))
    if options.peers:
        say("Measuring Keypoint R-CNN …")
        peer = bench_people.bench_keypoint_rcnn(max(5, runs // 5))
        report["peers"] = {"torchvision Keypoint R-CNN": asdict(peer)}
        report["ratios"] = {"Keypoint R-CNN / photo": round(peer.median / whole["all"].median, 1)}
    if options.memory:
        say("Measuring memory over video lengths …")
        report["memory, MiB"] = bench_people.bench_memory(picture)
    return report


def _norms(options: Options) -> dict[str, Any]:
    from vitruvian.nn.norms.bench import bench_norms

    say("Measuring norms …")
    spreads, ratios = bench_norms(options.runs)
    return {title: _plain(rows) for title, rows in spreads.items()} | {"ratios": ratios}


def _pose(options: Options) -> dict[str, Any]:
    from vitruvian.pose import bench as bench_pose

    peers = bench_pose.peer_networks() if options.peers else {}
    systems = {name: bench_pose.prepare(build) for name, build in bench_pose.systems().items()}
    hrnet = systems["HRNet-W32"]
    report: dict[str, Any] = {"peers": bench_pose.installed()} if options.peers else {}
    say("Measuring what is done for each person …")
    report |= bench_pose.bench_person(options.runs, hrnet, peers=options.peers)
    say("Measuring COCO's AP …")
    report |= bench_pose.bench_coco(max(3, options.runs // 5))
    say("Measuring eight people in a batch …")
    report |= bench_pose.bench_batch(max(3, options.runs // 3), hrnet)
    say("Exporting and measuring networks …")
    report |= bench_pose.bench_networks(options.runs, systems, peers)
    return report


def _world(options: Options) -> dict[str, Any]:
    from vitruvian.world.rig import load_rig

    load_rig()
    from vitruvian.world.bench import CROWD, PERSON, bench_world, devices

    report: dict[str, Any] = {}
    speeds: dict[str, float] = {}
    busy: dict[str, float] = {}
    for device in devices():
        for name, setting in (("person 192×256", PERSON), ("crowd 640×480", CROWD)):
            say(f"Measuring {name} on {device} …")
            title = f"{name}, {device}"
            spreads, speeds[title], busy[title] = bench_world(options.runs, setting, device=device)
            report[title] = _plain(spreads)
    report["people a second"] = speeds
    report["people a second of processor time"] = busy
    report["people_per_second"] = speeds["person 192×256, cpu"]
    return report


SUBJECTS: dict[str, Callable[[Options], dict[str, Any]]] = {
    "analyze": _analyze,
    "norms": _norms,
    "pose": _pose,
    "world": _world,
}


def _photo(given: Path | None) -> Path:
    if given is not None:
        return given
    for path in (*(data_root() / name for name in PHOTOS), Path(FALLBACK)):
        if path.is_file():
            return path
    raise InputError("There is no photo to measure with here: give one, --photo FILE.")


def _plain(spreads: dict[str, Spread]) -> dict[str, dict[str, float]]:
    return {name: asdict(spread) for name, spread in spreads.items()}


def _tell(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    console.print(
        f"{machine['processor']}, {machine['threads']} thread(s), {report['runs']} rounds"
    )
    console.print(f"Python {machine['python']}, {versions}", highlight=False)
    for title, rows in report.items():
        if not isinstance(rows, dict) or title == "machine":
            continue
        spread = isinstance(next(iter(rows.values())), dict)
        table = Table(title, *(("median ms", "p90 ms") if spread else ("",)), box=None)
        for column in table.columns[1:]:
            column.justify = "right"
        for name, row in rows.items():
            cells = (row["median"], row["p90"]) if spread else (row,)
            form = ("{:,.2f}" if spread else "{:,}").format
            table.add_row(name, *(cell if isinstance(cell, str) else form(cell) for cell in cells))
        console.print()
        console.print(table)
