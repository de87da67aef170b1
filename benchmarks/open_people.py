"""Makes the people that shipped pose networks learn from: `python benchmarks/open_people.py OUT`.

Nothing in it is under terms that forbid shipping what was learned:

- rendered people: anything the world draws; acrobats; and both before photos;
- the photos of Clothing Co-Parsing (Apache-2.0), whose joints the embedded OpenPose tells: those
  that it finds at one place, at three sizes and mirrored, in five readings of six.

Behind rendered people stand the same photos without their people: what the labels call a person is
covered by the texture beside it. About 25 minutes on two cores.

`python benchmarks/open_people.py OUT --reader WEIGHTS`, once `pose/hrnet_open` has learned from
them, makes a second set in OUT/second, in an hour more: its network reads the photos again,
which tells more joints than OpenPose is sure of, and the people of the photos become puppets in the
poses of the rendered acrobats, seen from before and, with hair for a face, from behind
(`puppets.py`). In another OUT, with the weights of `pose/hrnet_open_fine`, it makes a better one:
all joints are then told of half as many photos more.

A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from open_photos import (
    label_photos,
    make_backgrounds,
    photo_parts,
    photo_people,
    read_again,
    sure_joints,
)
from puppet_stage import Row, Stage
from vitruvian.core.files import find_data, whole_file
from vitruvian.pose.datasets.packed import Packed, pack_people
from vitruvian.world.landmarks import load_landmarks
from vitruvian.world.sample import Setting, render_sample

SEED = 101
SHARD = 500
ANY, VARIED = 28_000, 19_500
"""People as the world draws them, and people of the three other kinds, in turn."""

KINDS = ("acrobatics", "acrobatics on photos", "any on photos")
ACROBATS = KINDS[:2]
LEAST_SIDE = 8
TIMES = {"acrobatics": 3, "acrobatics on photos": 3, "photo": 6}
"""How often an epoch has each person of a kind, if not once.

There are 1,000 photos, 13,000 acrobats and 34,500 other people."""

PUPPETS, AGAIN = 56_000, 2
"""Puppets of the second set; and it has every AGAINth of the people as the world draws them."""

TIMES_AGAIN = {"acrobatics": 2, "acrobatics on photos": 2, "photo": 5}


def settings(backgrounds: Path) -> tuple[Setting, ...]:
    return (
        Setting(activity="acrobatics"),
        Setting(activity="acrobatics", backgrounds=backgrounds),
        Setting(backgrounds=backgrounds),
    )


def render_shard(task: tuple[Path, int, Path | None]) -> None:
    """500 people, written whole."""
    target, number, backgrounds = task
    if target.is_file():
        return
    write_shard(target, rendered(number, backgrounds))


def rendered(number: int, backgrounds: Path | None) -> Iterator[Row]:
    for index in range(number * SHARD, (number + 1) * SHARD):
        setting = None if backgrounds is None else settings(backgrounds)[index % len(KINDS)]
        sample = render_sample(SEED, index, setting)
        person = sample.people[0]
        box = np.asarray(person.box, dtype=np.float32)
        if (box[2:] - box[:2]).min() > LEAST_SIDE:
            joints = np.concatenate([person.joints[:, :2], person.visibility[:, None]], axis=1)
            yield sample.image[..., ::-1], joints, box, index


def write_shard(target: Path, people: Iterable[Row]) -> None:
    pictures, joints, boxes, indices = zip(*people, strict=True)
    encoded = [
        cv2.imencode(".jpg", each, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].ravel() for each in pictures
    ]
    with whole_file(target) as part:
        np.savez(
            part,
            pictures=np.concatenate(encoded),
            sizes=np.array([len(data) for data in encoded]),
            joints=np.stack(joints).astype(np.float32),
            boxes=np.stack(boxes).astype(np.float32),
            indices=np.array(indices),
        )


def read_shard(
    file: Path, kinds: Sequence[str], times: Mapping[str, int] = TIMES
) -> Iterator[Packed]:
    with np.load(file, allow_pickle=False) as rows:
        pictures = np.split(rows["pictures"], np.cumsum(rows["sizes"])[:-1])
        each = zip(pictures, rows["joints"], rows["boxes"], rows["indices"], strict=True)
        for picture, joints, box, index in each:
            kind = kinds[int(index) % len(kinds)]
            yield Packed(picture.tobytes(), joints, box, kind, times.get(kind, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--share", type=float, default=1.0, help="of the people that are made")
    parser.add_argument("--reader", type=Path, help="weights of pose/hrnet_open: the second set")
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
    known = sure_joints(label_photos(photos, arguments.out / "photo_labels.json"))
    names = load_landmarks().names
    target, times = arguments.out, TIMES
    if arguments.reader is not None:
        target, times = target / "second", TIMES_AGAIN
        target.mkdir(exist_ok=True)
        known = read_again(photos, arguments.reader, known, target / "photo_labels.json")
    people = [person for file, *_ in plain for person in read_shard(file, ("any",), times)]
    others = [person for file, *_ in varied for person in read_shard(file, KINDS, times)]
    if arguments.reader is not None:
        people = people[::AGAIN]
        stage = Stage(
            [*track(photo_parts(photos, known), "cutting out", total=len(known))],
            np.stack([one.joints[:, :2] for one in others if one.source in ACROBATS]),
            names,
            [np.asarray(cv2.imread(str(file))) for file in sorted(backgrounds.glob("*.jpg"))],
        )
        for number in track(range(round(arguments.share * PUPPETS / SHARD)), "puppets"):
            file = parts / f"puppets-{number:03d}.npz"
            if not file.is_file():
                random = np.random.default_rng([SEED, number])
                write_shard(file, (stage.draw(random) for _ in range(SHARD)))
            people += read_shard(file, ("puppet",), times)
    people += [*others, *photo_people(photos, known, names, times["photo"])]
    order = np.random.default_rng(0).permutation(len(people))
    found = pack_people(target, names, (people[place] for place in order))
    print(f"{found} people in {target}")


if __name__ == "__main__":
    main()
