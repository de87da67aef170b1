"""Makes the people that shipped pose networks learn from: `python benchmarks/open_people.py OUT`.

Nothing in it is under terms that forbid shipping what was learned:

- rendered people: anything the world draws; acrobats; and both before photos;
- the photos of Clothing Co-Parsing (Apache-2.0), whose joints the embedded OpenPose tells: those
  that it finds at one place, at three sizes and mirrored, in five readings of six.

Behind rendered people stand the same photos without their people: what the labels call a person is
covered by the texture beside it.

About 25 minutes on two cores. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from vitruvian.core.card import find_card
from vitruvian.core.files import find_data, whole_file
from vitruvian.core.skeletons import OPENPOSE18
from vitruvian.core.weights import find_weights
from vitruvian.pose.datasets.packed import Packed, pack_people
from vitruvian.pose.openpose.detection import OpenPose
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.sample import Setting, render_sample

SEED = 101
SHARD = 500
ANY, VARIED = 28_000, 19_500
"""People as the world draws them, and people of the three other kinds, in turn."""

KINDS = ("acrobatics", "acrobatics on photos", "any on photos")
READINGS = tuple((height, mirrored) for height in (368, 480, 300) for mirrored in (False, True))
AGREED, APART = 5, 0.03
"""Readings that must have a joint, within this share of the person's height."""

LEAST_JOINTS, LEAST_PIXELS, LEAST_SIDE = 6, 500, 8
TIMES, ACROBATS = 6, 3
"""How often an epoch has each photo and each acrobat.

There are 1,000 photos, 13,000 acrobats and 34,500 other people."""


def settings(backgrounds: Path) -> tuple[Setting, ...]:
    return (
        Setting(activity="acrobatics"),
        Setting(activity="acrobatics", backgrounds=backgrounds),
        Setting(backgrounds=backgrounds),
    )


def without_people(photo: NDArray[np.uint8], person: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A photo whose people are covered, row by row, by the mirrored texture beside them."""
    result = photo.copy()
    width = person.shape[1]
    hidden = cv2.dilate(person.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    for row in np.flatnonzero(hidden.any(axis=1)):
        free, holes = np.flatnonzero(~hidden[row]), np.flatnonzero(hidden[row])
        if len(free) < width // 4:
            continue
        after = np.searchsorted(free, holes)
        left = np.where(after > 0, free[np.maximum(after - 1, 0)], -(10**6))
        right = np.where(after < len(free), free[np.minimum(after, len(free) - 1)], 10**6)
        near = np.where(holes - left < right - holes, left, right)
        mirrored = np.abs(2 * near - holes)
        mirrored = np.where(mirrored >= width, 2 * (width - 1) - mirrored, mirrored)
        mirrored = np.clip(mirrored, 0, width - 1)
        source = np.where(hidden[row][mirrored], near, mirrored)
        result[row, holes] = photo[row, source]
    return result


def make_backgrounds(photos: Path, folder: Path) -> None:
    """Every photo of Clothing Co-Parsing without its people."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in track(sorted((photos / "photos").glob("*.jpg")), "backgrounds"):
        target = folder / file.name
        if target.is_file():
            continue
        photo: Any = cv2.imread(str(file))
        with whole_file(target) as part:
            cleared = without_people(photo, person_pixels(photos, file.stem))
            cv2.imwrite(str(part), cleared, [cv2.IMWRITE_JPEG_QUALITY, 90])


def person_pixels(photos: Path, stem: str) -> NDArray[np.bool_]:
    mask: Any = cv2.imread(str(photos / "pixel-level" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
    return np.asarray(mask > 0)


def render_shard(task: tuple[Path, int, Path | None]) -> None:
    """500 people, written whole."""
    target, number, backgrounds = task
    if target.is_file():
        return
    rows: dict[str, list[Any]] = {"pictures": [], "joints": [], "boxes": [], "indices": []}
    for index in range(number * SHARD, (number + 1) * SHARD):
        setting = None if backgrounds is None else settings(backgrounds)[index % len(KINDS)]
        sample = render_sample(SEED, index, setting)
        person = sample.people[0]
        box = np.asarray(person.box, dtype=np.float32)
        if (box[2:] - box[:2]).min() <= LEAST_SIDE:
            continue
        joints = np.concatenate([person.joints[:, :2], person.visibility[:, None]], axis=1)
        bgr = sample.image[..., ::-1]
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
        rows["pictures"].append(data.ravel())
        rows["joints"].append(joints.astype(np.float32))
        rows["boxes"].append(box)
        rows["indices"].append(index)
    sizes = [len(data) for data in rows["pictures"]]
    with whole_file(target) as part:
        np.savez(
            part,
            pictures=np.concatenate(rows["pictures"]),
            sizes=np.array(sizes),
            joints=np.stack(rows["joints"]),
            boxes=np.stack(rows["boxes"]),
            indices=np.array(rows["indices"]),
        )


def read_shard(file: Path, kinds: tuple[str, ...]) -> Iterator[Packed]:
    with np.load(file, allow_pickle=False) as rows:
        pictures = np.split(rows["pictures"], np.cumsum(rows["sizes"])[:-1])
        each = zip(pictures, rows["joints"], rows["boxes"], rows["indices"], strict=True)
        for picture, joints, box, index in each:
            kind = kinds[int(index) % len(kinds)]
            times = ACROBATS if kind.startswith("acrobatics") else 1
            yield Packed(picture.tobytes(), joints, box, kind, times)


def label_photos(photos: Path, target: Path) -> dict[str, list[list[float]]]:
    """File → (joints, 3) of OPENPOSE18 whose third number is 1 where the readings agree."""
    if target.is_file():
        return dict(json.loads(target.read_text(encoding="utf-8")))
    network = OpenPose.from_weights(find_weights(find_card("openpose")), scales=(1.0,))
    labels = {}
    for file in track(sorted((photos / "photos").glob("*.jpg")), "photos"):
        image = np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB), dtype=np.uint8)
        readings = [read_main(network, image, *reading) for reading in READINGS]
        found = np.stack([joints for joints in readings if joints is not None] or [np.empty((0,))])
        if len(found) < AGREED - 1:
            continue
        there = found[..., 2] > 0
        places = np.ma.array(found[..., :2], mask=~there[..., None].repeat(2, axis=-1))
        middle = np.ma.median(places, axis=0)
        height = float(np.ptp(middle[:, 1].compressed()))
        near = np.linalg.norm(found[..., :2] - middle.filled(0), axis=-1) < APART * height
        agreed = (there & near).sum(axis=0) >= AGREED
        joints = np.concatenate([middle.filled(0), agreed[:, None]], axis=1)
        labels[file.name] = joints.round(2).tolist()
    with whole_file(target) as part:
        part.write_text(json.dumps(labels), encoding="utf-8")
    return labels


def read_main(
    network: OpenPose, image: NDArray[np.uint8], height: int, mirrored: bool
) -> NDArray[np.float32] | None:
    """(joints, 3) of the largest person, as one reading has it."""
    network.height = height
    seen = np.ascontiguousarray(image[:, ::-1]) if mirrored else image
    poses = [pose for pose, _ in network.detect([seen])[0]]
    if not poses:
        return None

    def size(joints: NDArray[np.float32]) -> float:
        there = joints[:, 2] > 0
        return float(there.sum() * np.ptp(joints[there, 1]))

    pose = max(poses, key=lambda each: size(each.joints))
    joints = np.array(pose.joints)
    if mirrored:
        joints[:, 0] = np.where(joints[:, 2] > 0, image.shape[1] - joints[:, 0], 0)
        joints = joints[pose.skeleton.flip_order]
    return joints


def photo_people(
    photos: Path, labels: dict[str, list[list[float]]], names: tuple[str, ...]
) -> Iterator[Packed]:
    """The labelled photos; a neck, which OpenPose has between the shoulders, is left out."""
    for name, rows in labels.items():
        given = np.array(rows)
        pixels = person_pixels(photos, Path(name).stem)
        if given[:, 2].sum() < LEAST_JOINTS or pixels.sum() < LEAST_PIXELS:
            continue
        lines, columns = np.nonzero(pixels)
        box = np.array([columns.min(), lines.min(), columns.max() + 1, lines.max() + 1])
        joints = np.zeros((len(names), 3), dtype=np.float32)
        for joint, (x, y, agreed) in zip(OPENPOSE18.joints, given, strict=True):
            if agreed and joint in names and joint != "neck":
                joints[names.index(joint)] = (x, y, 2)
        data = (photos / "photos" / name).read_bytes()
        yield Packed(data, joints, box, "photo", TIMES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--share", type=float, default=1.0, help="of the rendered people")
    arguments = parser.parse_args()
    photos = find_data("ccp")
    parts, backgrounds = arguments.out / "parts", arguments.out / "backgrounds"
    parts.mkdir(parents=True, exist_ok=True)
    make_backgrounds(photos, backgrounds)
    plain = [
        (parts / f"any-{number:03d}.npz", number, None)
        for number in range(round(arguments.share * ANY / SHARD))
    ]
    varied = [
        (parts / f"varied-{number:03d}.npz", number, backgrounds)
        for number in range(round(arguments.share * VARIED / SHARD))
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, mp_context=context) as pool:
        shards = [*plain, *varied]
        list(track(pool.map(render_shard, shards), "rendering", total=len(shards)))
    labels = label_photos(photos, arguments.out / "photo_labels.json")
    names = load_landmarks().names
    people = [person for file, *_ in plain for person in read_shard(file, ("any",))]
    people += [person for file, *_ in varied for person in read_shard(file, KINDS)]
    people += photo_people(photos, labels, names)
    order = np.random.default_rng(0).permutation(len(people))
    count = pack_people(arguments.out, names, (people[place] for place in order))
    print(f"{count} people in {arguments.out}")


if __name__ == "__main__":
    main()
