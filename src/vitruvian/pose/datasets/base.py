"""What every data set of single people with joints has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vitruvian.core.drawing import contact_sheet
from vitruvian.core.errors import InputError
from vitruvian.core.records import Frame, Person, Pose
from vitruvian.core.skeletons import Skeleton

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PersonAnnotation:
    """One annotated person. Pixels are continuous, the first pixel's centre at (0.5, 0.5).

    Attributes:
        picture: The image file.
        joints: (joints, 3): x, y, and 1 where the joint is labelled (visible or not), else 0.
        center: (2,): middle of the person's crop.
        size: (2,): width and height of the crop before it is made as wide as the input asks,
            with the data set's margin.
        score: Of the box the crop came from; 1 where a person drew it.
        facts: What the data set's own protocol needs besides, for instance "image_id".
    """

    picture: Path
    joints: Floats
    center: Floats
    size: Floats
    score: float = 1.0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(joints,): which joints are annotated."""
        return self.joints[:, 2] > 0


LISTED = 12
"""Bad annotations that a message names; the others are counted."""


class PoseDataset:
    """People with joints, in the order of the official files.

    Annotations that lie are looked for before anything is trained or scored: joints that are no
    numbers or far outside of the picture, pictures that are not there, and what a format can know
    besides.

    Args:
        people: The annotations.
        origin: The file that they come from.
        problems: What the format found: of each bad annotation where it is and what is wrong.
        skip_bad: Whether to go on without the bad ones.

    Attributes:
        name: Of its folder below the data root.
        title: In words.
        licence: Its terms, in words.
        skeleton: Its joints.
        splits: Its parts, as the official files have them.
        people: The annotations that are good.
        problems: What is wrong with the others.

    Raises:
        InputError: an annotation is bad and `skip_bad` is not set, or none is good.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    licence: ClassVar[str]
    skeleton: Skeleton
    splits: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        people: Sequence[PersonAnnotation],
        origin: Path,
        *,
        problems: Sequence[str] = (),
        skip_bad: bool = False,
    ) -> None:
        folders = {person.picture.parent for person in people}
        there = {path for folder in folders if folder.is_dir() for path in folder.iterdir()}
        self.people: list[PersonAnnotation] = []
        self.problems = list(problems)
        for person in people:
            problem = _problem(person, person.picture in there)
            if problem:
                self.problems.append(f"{_whereabouts(person)}: {problem}")
            else:
                self.people.append(person)
        if self.problems and not skip_bad:
            raise InputError(list_problems(origin, self.problems))
        if not self.people:
            raise InputError(f"{origin} holds no person of this split: is it the right file?")

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: int) -> PersonAnnotation:
        return self.people[index]

    def picture(self, index: int) -> NDArray[np.uint8]:
        """(height, width, 3) RGB uint8: the picture that person `index` is in."""
        return read_picture(self.people[index].picture)

    def of_epoch(self, epoch: int) -> Self:
        """The people that an epoch of a training has: the same, unless they are made anew."""
        del epoch
        return self

    def evaluate(self, joints: Mapping[int, Floats]) -> dict[str, float]:
        """The official metrics of predictions.

        Args:
            joints: Person's index → (joints, 3): x, y in pixels of the picture, score.

        Returns:
            Metric → value in per cent, the main one first.
        """
        raise NotImplementedError

    def verify(self) -> int:
        """Look into every picture's header and compare it with the annotations.

        Returns:
            How many people were looked at.

        Raises:
            InputError: a picture cannot be read, has another size than the annotations say, or a
                joint lies farther outside of it than the picture is wide.
        """
        sizes: dict[Path, tuple[int, int]] = {}
        for person in self.people:
            if person.picture not in sizes:
                sizes[person.picture] = picture_size(person.picture)
            check_person(person, sizes[person.picture])
        return len(self.people)

    def frame(self, index: int) -> Frame:
        """The annotation as a record, with its picture."""
        person, image = self.people[index], self.picture(index)
        joints = person.joints * (person.joints[:, 2:] > 0)
        pose = Pose(self.skeleton, joints.astype(np.float32))
        box = np.concatenate([person.center - person.size / 2, person.center + person.size / 2])
        found = Person(person.score, box.astype(np.float32), pose, id=1)
        height, width = image.shape[:2]
        return Frame(str(person.picture), 0, 0.0, width, height, (found,), image=image)

    def plot(self, index: int) -> Image.Image:
        """The picture with the annotation drawn on it."""
        return self.frame(index).draw()

    def sheet(self, count: int = 10) -> Image.Image:
        """So many annotations, evenly through the set, drawn side by side."""
        places = np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int)
        drawn = [np.asarray(self.plot(int(place)), dtype=np.uint8) for place in places]
        return Image.fromarray(contact_sheet(drawn, columns=5))


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(height, width, 3) RGB uint8, without the EXIF turn: annotations are of the stored pixels.

    Raises:
        InputError: the file is absent or no picture.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise InputError(f"The picture {path} cannot be read: {error.strerror}.") from error
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(data, flags) if len(data) else None
    if image is None:
        raise InputError(f"The picture {path} is damaged: get it again.")
    return np.asarray(image, dtype=np.uint8)


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height that the picture's header says.

    Raises:
        InputError: the file is no picture.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"The picture {path} is damaged: get it again.") from error


def check_person(person: PersonAnnotation, size: tuple[int, int]) -> None:
    """Compare an annotation with the size of its picture.

    Raises:
        InputError: they cannot belong together.
    """
    said = person.facts.get("picture_size")
    if said and tuple(said) != size:
        raise InputError(
            f"{person.picture} is {size[0]}×{size[1]} pixels, but its annotations are of a picture "
            f"of {said[0]}×{said[1]}: pictures and annotations are of different releases."
        )
    if _is_far_outside(person, size):
        raise InputError(
            f"The annotations of {person.picture} put a joint far outside its {size[0]}×{size[1]} "
            "pixels: pictures and annotations do not belong together."
        )


def list_problems(origin: Path, problems: Sequence[str]) -> str:
    """A sentence on bad annotations, and a line for each."""
    count = len(problems)
    lines = [f"  {problem}" for problem in problems[:LISTED]]
    if count > LISTED:
        lines.append(f"  … and {count - LISTED} more")
    word = "annotation" if count == 1 else "annotations"
    start = f"{origin} has {count} bad {word}; correct the file, or leave them out with --skip-bad:"
    return "\n".join([start, *lines])


def _problem(person: PersonAnnotation, is_there: bool) -> str:
    """What is wrong with an annotation, as far as can be said without opening the picture."""
    if not np.isfinite(person.joints).all():
        return "joints that are no numbers (NaN)"
    if not is_there:
        return "the picture is missing"
    said = person.facts.get("picture_size")
    if said and _is_far_outside(person, tuple(said)):
        return f"a joint far outside of the picture's {said[0]}×{said[1]} pixels"
    return ""


def _whereabouts(person: PersonAnnotation) -> str:
    known = person.facts.get("annotation")
    return str(person.picture) if known is None else f"{person.picture}, annotation {known}"


def _is_far_outside(person: PersonAnnotation, size: tuple[int, int]) -> bool:
    """Whether a joint lies farther outside than the picture is large."""
    points, limit = person.joints[person.labelled, :2], np.array(size)
    return bool(((points < -limit) | (points > 2 * limit)).any())


def read_matlab(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """The arrays `names` of a MATLAB file.

    Raises:
        InputError: the file is absent, damaged, or has no such arrays.
    """
    from scipy.io import loadmat

    def load() -> Any:
        return loadmat(path, squeeze_me=False, struct_as_record=False)

    content = read_annotations(path, load)
    absent = [name for name in names if name not in content]
    if absent:
        raise InputError(f"{path} has no array {absent[0]!r}: is it the data set's own file?")
    return {name: content[name] for name in content if not name.startswith("__")}


def read_annotations(path: Path, load: Callable[[], Any]) -> Any:
    """What `load` reads from `path`.

    Raises:
        InputError: the file is absent, or `load` fails on it.
    """
    if not path.is_file():
        raise InputError(f"There is no annotation file at {path}.")
    try:
        return load()
    except Exception as error:  # scipy and json raise whatever they stumble over
        raise InputError(
            f"The annotations {path} cannot be read ({type(error).__name__}): get the file again."
        ) from error
