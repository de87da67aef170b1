"""Clips as folders of frames with optical flow, in the layout of MPI Sintel (Butler et al. 2012).

`final/CLIP/frame_0001.png` …, `flow/CLIP/frame_0001.flo` from each frame to the next (Middlebury's
format), `occlusions/CLIP/frame_0001.png`, 255 where the next frame does not show the point. Sintel
has no more; here are `flow_back` and `occlusions_back`, from each frame to the one before, and
`tracks/CLIP.json`: boxes and COCO joints of everyone in every frame, in continuous pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.skeletons import COCO17
from vitruvian.world.writers.base import Entry, Writer, dump_json, png, rounded

if TYPE_CHECKING:
    from vitruvian.world.clips import Frame
    from vitruvian.world.flow import Flow
    from vitruvian.world.sample import Setting

FRAMES, FPS = 16, 25.0
_MAGIC = 202021.25


def render(seed: int, index: int, setting: Setting, device: str) -> list[Frame]:
    """The frames of a clip."""
    from vitruvian.world.clips import render_clip

    return render_clip(seed, index, setting, frames=FRAMES, fps=FPS, device=device)


def encode(frames: Sequence[Frame], part: str) -> Entry:
    """Frames, flow both ways, occlusions, tracks."""
    from vitruvian.world.flow import flow

    clip = f"clip_{frames[0].sample.index + 1:06d}"
    root = f"Sintel/{part}"
    files = {
        f"{root}/final/{clip}/{_name(place)}.png": png(frame.sample.image)
        for place, frame in enumerate(frames)
    }
    for place, (first, second) in enumerate(pairwise(frames)):
        there, back = flow(first, second)
        for suffix, own, found in (("", place, there), ("_back", place + 1, back)):
            files[f"{root}/flow{suffix}/{clip}/{_name(own)}.flo"] = flo(found)
            hidden = np.where(found.visible, 0, 255).astype(np.uint8)
            files[f"{root}/occlusions{suffix}/{clip}/{_name(own)}.png"] = png(hidden)
    files[f"{root}/tracks/{clip}.json"] = dump_json(_tracks(frames))
    return Entry(files, {}, len(frames[0].sample.people))


def _name(place: int) -> str:
    return f"frame_{place + 1:04d}"


def flo(found: Flow) -> bytes:
    """Flow in Middlebury's format: a magic number, width, height, x and y of each pixel."""
    vectors: NDArray[np.float32] = found.vectors.astype("<f4")
    height, width = vectors.shape[:2]
    head = np.array([_MAGIC], "<f4").tobytes() + np.array([width, height], "<i4").tobytes()
    return head + vectors.tobytes()


def _tracks(frames: Sequence[Frame]) -> dict[str, Any]:
    people = []
    for place in range(len(frames[0].sample.people)):
        own = [frame.sample.people[place] for frame in frames]
        people.append(
            {
                "id": place + 1,
                "boxes": [rounded(person.box) for person in own],
                "keypoints": [rounded(person.keypoints(COCO17).ravel()) for person in own],
            }
        )
    return {"fps": FPS, "joints": list(COCO17.joints), "people": people}


WRITER = Writer(
    "clips",
    "Clips in the layout of MPI Sintel: frames, optical flow both ways, occlusions, tracks.",
    encode,
    parts=("training", "test"),
    size=(256, 192),
    crowd=(1, 2),
    render=render,
    unit="clips",
    samples=20,
    shard=4,
)
