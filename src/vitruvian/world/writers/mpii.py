"""MPII Human Pose (Andriluka et al., CVPR 2014): the MATLAB release, and the usual JSON.

MPII counts pixels from 1: 0.5 is added to the house's points. The release's own training people are
all parts' together, as published; which are for validation only `annot/*.json` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.skeletons import MPII16, WHOLEBODY133
from vitruvian.world.writers.base import (
    Entry,
    Record,
    Writer,
    by_part,
    dump_json,
    jpeg,
    matlab,
    rounded,
    seen_people,
)

if TYPE_CHECKING:
    from vitruvian.world.sample import RenderedPerson, Sample

UNIT = 200
"""Pixels of height of a person whose scale is 1."""


def encode(sample: Sample, part: str) -> Entry:
    """A picture and its people."""
    del part  # all pictures lie in one folder
    name = f"{sample.index + 1:09d}.jpg"
    people = [_person(person) for _, person in seen_people(sample)]
    return Entry(
        {f"images/{name}": jpeg(sample.image)}, {"image": name, "people": people}, len(people)
    )


def _person(person: RenderedPerson) -> dict[str, Any]:
    points = person.keypoints(MPII16)
    points[points[:, 2] > 0, :2] += 0.5
    box = person.full_box
    return {
        "joints": [rounded(point) for point in points[:, :2]],
        "visibility": points[:, 2].astype(int).tolist(),
        "center": rounded((box[:2] + box[2:]) / 2 + 0.5),
        "scale": round(float((box[2:] - box[:2]).max()) / UNIT, 4),
        "head": rounded(head_box(person) + 0.5),
    }


def head_box(person: RenderedPerson) -> NDArray[np.float64]:
    """(4,): x1, y1, x2, y2 around the points of the face, the ears and the head's top."""
    names = (*WHOLEBODY133.joints[23:91], "left_ear", "right_ear", "head_top")
    from vitruvian.world.landmarks import load_landmarks

    known = load_landmarks().names
    points = person.joints[[known.index(name) for name in names], :2]
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def finish(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """The release, and for both parts the JSON and the truth that PCKh is scored with."""
    yield "mpii_human_pose_v1_u12_1.mat", matlab({"RELEASE": _release(records)})
    for part in ("train", "valid"):
        people = [
            (record.content["image"], person)
            for record in by_part(records, part)
            for person in record.content["people"]
        ]
        entries = [_entry(image, person) for image, person in people]
        yield f"annot/{part}.json", dump_json(entries)
        heads = np.array([person["head"] for _, person in people]).reshape(-1, 2, 2)
        points = np.array([entry["joints"] for entry in entries]).reshape(-1, 16, 2)
        seen = np.array([entry["joints_vis"] for entry in entries]).reshape(-1, 16)
        truth = {
            "headboxes_src": heads.transpose(1, 2, 0),
            "pos_gt_src": points.transpose(1, 2, 0),
            "jnt_missing": 1.0 - seen.T,
            "dataset_joints": np.array([list(MPII16.joints)], dtype=object),
        }
        yield f"annot/gt_{part}.mat", matlab(truth)


def _entry(image: str, person: Mapping[str, Any]) -> dict[str, Any]:
    labelled = [int(value > 0) for value in person["visibility"]]
    joints = [
        point if known else [-1.0, -1.0]
        for point, known in zip(person["joints"], labelled, strict=True)
    ]
    return {
        "joints_vis": labelled,
        "joints": joints,
        "image": image,
        "scale": person["scale"],
        "center": person["center"],
    }


def _release(records: Sequence[Record]) -> NDArray[Any]:
    """The release's struct; every picture is one of training, as validation comes from it."""
    count = len(records)
    pictures = [
        {
            "image": _struct([{"name": record.content["image"]}]),
            "annorect": _struct([_rect(person) for person in record.content["people"]]),
            "frame_sec": _empty(),
            "vididx": _empty(),
        }
        for record in records
    ]
    single = np.empty((count, 1), dtype=object)
    for place, record in enumerate(records):
        people = len(record.content["people"])
        single[place, 0] = np.arange(1, people + 1, dtype=np.float64).reshape(-1, 1)
    acts = [{"cat_name": _empty(), "act_name": _empty(), "act_id": -1.0} for _ in records]
    release = {
        "annolist": _struct(pictures),
        "img_train": np.ones((1, count)),
        "version": "12",
        "single_person": single,
        "act": _struct(acts).T,
        "video_list": np.empty((1, 0), dtype=object),
    }
    return _struct([release])


def _rect(person: Mapping[str, Any]) -> dict[str, Any]:
    points = [
        {"x": float(x), "y": float(y), "id": float(place), "is_visible": float(seen == 2)}
        for place, ((x, y), seen) in enumerate(
            zip(person["joints"], person["visibility"], strict=True)
        )
        if seen
    ]
    head = dict(zip(("x1", "y1", "x2", "y2"), map(float, person["head"]), strict=True))
    x, y = person["center"]
    return {
        **head,
        "annopoints": _struct([{"point": _struct(points)}]),
        "scale": float(person["scale"]),
        "objpos": _struct([{"x": float(x), "y": float(y)}]),
    }


def _empty() -> NDArray[Any]:
    return np.empty((0, 0))


def _struct(items: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    """(1, items) MATLAB struct array."""
    fields = list(items[0]) if items else []
    result = np.empty((1, len(items)), dtype=[(name, object) for name in fields])
    for place, item in enumerate(items):
        for name in fields:
            result[name][0, place] = item[name]
    return result if fields else _empty()


WRITER = Writer(
    "mpii",
    "MPII Human Pose: 16 joints and a head box of each person, MATLAB and JSON.",
    encode,
    finish,
    parts=("train", "valid"),
    size=(480, 320),
    crowd=(1, 3),
)
