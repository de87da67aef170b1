"""Rendered people as a data set: made when they are asked for, or read from a native folder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.skeletons import COCO17, WHOLEBODY133, Skeleton, find_skeleton
from vitruvian.pose.coco_metrics import wholebody_ap
from vitruvian.pose.datasets.base import Floats, PersonAnnotation, PoseDataset
from vitruvian.pose.metrics import pck
from vitruvian.pose.topdown import PADDING

if TYPE_CHECKING:
    from vitruvian.world.dataset import World
    from vitruvian.world.items import Item
    from vitruvian.world.sample import Setting

SEEDS = {"train": 101, "validation": 102, "test": 103}
COUNTS = {"train": 4000, "validation": 200, "test": 500}
HELD_OUT = 10
"""Of a folder's samples, one in so many is for validation, and one in so many for the test."""

BODY_SHARE = 0.53
"""Of a box, what a body covers: the usual factor where no silhouette is known."""

_KEPT = 8  # pictures that are remembered: an annotation is asked for before its picture
_TORSO = ("left_shoulder", "right_hip")


class RenderedPeople(PoseDataset):
    """People that the world renders, one a picture; needs the extra `world`.

    A person is a function of the split, the index and the epoch: every epoch of a training has new
    people, while those of validation and test stay. Joints inside the picture are labelled, seen or
    not; the fact "seen" tells which can be seen, and only those are scored.

    Args:
        split: "train", "validation" or "test": each a world of its own seed.
        root: A folder of `vitruvian world make --as native` to read instead; every tenth sample is
            for validation, every tenth for the test.
        count: People; 4,000, 200 and 500 of the splits, or all of the folder's, where left out.
        settings: What is rendered; the samples take them in turn. None: 192 × 256 pixels of
            anything.
        skeleton: Name of a skeleton in `core.skeletons`.
        skip_bad: Without effect: rendered annotations do not lie.

    Raises:
        InputError: the folder is none of ours.
    """

    name: ClassVar[str] = "world"
    title: ClassVar[str] = "Rendered people"
    licence: ClassVar[str] = "none needed: rendered here"
    skeleton: Skeleton = COCO17
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    def __init__(
        self,
        split: str = "test",
        root: str | Path | None = None,
        *,
        count: int | None = None,
        settings: Sequence[Setting] = (),
        skeleton: str = "coco17",
        skip_bad: bool = False,
    ) -> None:
        del skip_bad
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        self.split = split
        self.skeleton = find_skeleton(skeleton)
        self.problems = []
        self.epoch = 0
        self._settings = settings
        self._folder: World | None = None
        if root is None:
            asked = COUNTS[split] if count is None else count
            if asked < 1:
                raise InputError("Rendered people need a count of 1 or more.")
            self._places: Sequence[int] = range(asked)
        else:
            from vitruvian.world.dataset import World

            self._folder = World(root=root)
            kinds = {0: "validation", 1: "test"}
            own = [
                place
                for place in range(len(self._folder))
                if kinds.get(place % HELD_OUT, "train") == split
            ]
            self._places = own if count is None else own[:count]
            if not self._places:
                raise InputError(f"{root} has too few samples for a {split} part.")
        self._fresh = root is None and split == "train"
        self._known: dict[int, PersonAnnotation] = {}
        self._pictures: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        # The base class has a list; this one makes its people when they are asked for.
        self.people = _People(self)  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> PersonAnnotation:
        """Person `index`; of a split that is trained on, that of the present epoch."""
        place = self._place(index)
        if place not in self._known:
            self._load(place)
        person = self._known[place]
        if self._fresh:
            del self._known[place]
        return person

    def picture(self, index: int) -> NDArray[np.uint8]:
        """(height, width, 3) RGB uint8: the picture that person `index` is in."""
        place = self._place(index)
        if place not in self._pictures:
            self._load(place)
        return self._pictures[place]

    def of_epoch(self, epoch: int) -> Self:
        """The people of an epoch: others each time in training, the same in tests."""
        self.epoch = epoch if self._fresh else 0
        return self

    def verify(self) -> int:
        """Nothing can be wrong that would not stop the rendering."""
        return len(self)

    def evaluate(self, joints: Mapping[int, Floats]) -> dict[str, float]:
        """PCK@0.2 of the torso over the joints that are seen, then of each kind of joint.

        Of whole bodies AP instead of the kinds, as COCO-WholeBody has it, each person being alone
        in a picture; a person's area is that of the box times 0.53.
        """
        order = sorted(joints)
        predicted = np.stack([joints[index][:, :2] for index in order])
        scores = self.score(predicted, order, self.skeleton.joints)
        if self.skeleton != WHOLEBODY133:
            return scores
        truth, found = [], []
        for index in order:
            person = self[index]
            points = np.concatenate([person.joints[:, :2], 2.0 * person.joints[:, 2:]], axis=1)
            low, size = person.center - person.size / PADDING / 2, person.size / PADDING
            truth.append(
                {
                    "image_id": index,
                    "keypoints": points,
                    "bbox": [*low.tolist(), *size.tolist()],
                    "area": BODY_SHARE * float(size.prod()),
                }
            )
            score = float(joints[index][:, 2].mean())
            found.append({"image_id": index, "keypoints": joints[index], "score": score})
        parts = wholebody_ap(truth, found)
        whole = parts.pop("wholebody")
        statistics = {"ap": whole["ap"], "ar": whole["ar"]}
        statistics |= {f"ap/{part}": values["ap"] for part, values in parts.items()}
        # -1 where nobody shows the part.
        return {"pck@0.2": scores["pck@0.2"]} | {
            name: 100 * value if value >= 0 else value for name, value in statistics.items()
        }

    def score(
        self, predicted: Floats, order: Sequence[int], names: Sequence[str]
    ) -> dict[str, float]:
        """Scores of predictions, in per cent: `pck@0.2`, `pck@0.2/wrist` and so on.

        Args:
            predicted: (people, joints, 2); NaN where a joint was not found.
            order: The people's indices.
            names: The joints that are compared.
        """
        people = [self[index] for index in order]
        places = [self.skeleton.index[name] for name in names]
        truth = np.stack([person.joints[places, :2] for person in people])
        seen = np.stack([person.facts["seen"][places] for person in people])
        lengths = np.array([person.facts["torso"] for person in people])
        scores = pck(predicted, truth, lengths, 0.2, seen)
        result = {"pck@0.2": 100 * scores.pooled}
        per_joint = dict(zip(names, scores.per_joint, strict=True))
        kinds = [name.removeprefix("left_").removeprefix("right_") for name in names]
        for kind in dict.fromkeys(kinds):
            sides = [value for name, value in per_joint.items() if name.endswith(kind)]
            if np.isfinite(sides).any():  # a joint may be seen on nobody
                result[f"pck@0.2/{kind}"] = 100 * float(np.nanmean(sides))
        return result

    def _place(self, index: int) -> int:
        """The sample of a person."""
        return self._places[index] + (self.epoch * len(self) if self._fresh else 0)

    def _load(self, place: int) -> None:
        item = self._render(place) if self._folder is None else self._folder[place]
        self._known[place] = _annotation(item, self.skeleton)
        self._pictures[place] = item["image"]
        while len(self._pictures) > _KEPT:
            self._pictures.popitem(last=False)

    def _render(self, place: int) -> Item:
        """What an annotation needs of an item, without the maps, which take time."""
        from vitruvian.world.sample import render_sample

        setting = self._settings[place % len(self._settings)] if self._settings else None
        sample = render_sample(SEEDS[self.split], place, setting)
        people = sample.people
        return {
            "seed": sample.seed,
            "index": sample.index,
            "image": sample.image,
            "names": list(sample.joint_names),
            "boxes": np.array([person.box for person in people]),
            "full_boxes": np.array([person.full_box for person in people]),
            "joints": np.array([person.joints for person in people]),
            "visibility": np.array([person.visibility for person in people]),
        }


def street_people(count: int, skeleton: str = "lsp14") -> RenderedPeople:
    """People who stand or walk in a street, as street-fashion photos show them."""
    from vitruvian.world.sample import Setting

    settings = [
        Setting(320, 480, activity=activity, place="street", view="street photo")
        for activity in ("standing", "walking")
    ]
    return RenderedPeople("test", count=count, settings=settings, skeleton=skeleton)


def any_people(count: int, skeleton: str = "lsp14") -> RenderedPeople:
    """People in any pose and place, as large as `street_people`."""
    from vitruvian.world.sample import Setting

    return RenderedPeople("test", count=count, settings=[Setting(320, 480)], skeleton=skeleton)


class _People(Sequence[PersonAnnotation]):
    """The people of a data set, made when asked for."""

    def __init__(self, people: RenderedPeople) -> None:
        self._people = people

    def __len__(self) -> int:
        return len(self._people)

    def __getitem__(self, index: Any) -> Any:
        return self._people[index]

    def __iter__(self) -> Iterator[PersonAnnotation]:
        return (self._people[index] for index in range(len(self)))


def _annotation(item: Item, skeleton: Skeleton) -> PersonAnnotation:
    """The person of an item whose box is the largest."""
    sides = item["boxes"][:, 2:] - item["boxes"][:, :2]
    chosen = int(sides.prod(axis=1).argmax())
    names, points = item["names"], item["joints"][chosen, :, :2]
    places = [names.index(name) for name in skeleton.joints]
    visibility = item["visibility"][chosen, places]
    labels = (visibility > 0).astype(np.float64)[:, None]
    joints = np.concatenate([points[places], labels], axis=1) * labels
    ends = [points[names.index(name)] for name in _TORSO]
    box = item["boxes"][chosen] if sides[chosen].all() else item["full_boxes"][chosen]
    size = (box[2:] - box[:2]) * PADDING
    return PersonAnnotation(
        Path(f"world-{item['seed']}-{item['index']}.png"),
        joints.astype(np.float32),
        ((box[:2] + box[2:]) / 2).astype(np.float32),
        np.maximum(size, 1).astype(np.float32),
        facts={
            "seen": visibility == 2,
            "torso": float(np.linalg.norm(ends[0] - ends[1])),
            "picture_size": (item["image"].shape[1], item["image"].shape[0]),
        },
    )
