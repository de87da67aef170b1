"""A data set of the user's own: a folder with pictures, one short YAML and COCO's JSON.

cups/
joints.yaml         names and edges; see core/own_skeletons.py
annotations.json    key points as any labelling tool exports them in COCO's format
pictures/
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.core.skeletons import Skeleton, find_skeleton
from vitruvian.pose.datasets.base import Floats
from vitruvian.pose.datasets.coco import CocoFormat, read_json


class OwnPoints(CocoFormat):
    """Things with joints that the user named.

    Of the pictures in the order of a hash of their names the first tenth is the test, the second
    the validation, the rest trained on; "all" takes every picture. An annotation without a box
    gets the extent of its joints and a quarter.

    Args:
        split: One of `splits`.
        root: The folder with `joints.yaml`, `annotations.json` and `pictures`.
        skip_bad: Whether to go on without annotations that lie.

    Raises:
        InputError: files are missing, or do not fit each other.
    """

    name: ClassVar[str] = "own"
    title: ClassVar[str] = "Own joints"
    licence: ClassVar[str] = "yours"
    skeleton: Skeleton
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test", "all")
    counts_all: ClassVar[bool] = False

    def __init__(
        self,
        split: str = "test",
        root: str | Path | None = None,
        *,
        skip_bad: bool = False,
    ) -> None:
        if root is None:
            raise InputError("Give the folder of your joints: --data.root FOLDER.")
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.title}", split, self.splits)
        folder = Path(root)
        self.skeleton = find_skeleton(str(folder / "joints.yaml"))
        self.part = split
        super().__init__(
            split,
            annotations=folder / "annotations.json",
            pictures=folder / "pictures",
            skip_bad=skip_bad,
        )

    def read(self, file: Path, pictures: Path) -> Any:
        """The annotations of this split's pictures; joints are put in the YAML's order."""
        del pictures
        content = read_json(file, ("images", "annotations"))
        order = self._order(content, file)
        images = _part(content["images"], self.part)
        chosen, listed = ({image["id"] for image in found} for found in (images, content["images"]))
        entries = [
            _complete(entry, order)
            for entry in content["annotations"]
            if entry["image_id"] in chosen or entry["image_id"] not in listed
        ]
        return {"images": images, "annotations": entries}

    def _order(self, content: Mapping[str, Any], file: Path) -> list[int]:
        """Of each joint of the YAML its place in the file."""
        categories = [c for c in content.get("categories", ()) if c.get("keypoints")]
        if not categories:
            return list(range(len(self.skeleton)))
        names = list(categories[0]["keypoints"])
        if sorted(names) != sorted(self.skeleton.joints):
            raise InputError(
                f"{file} has the joints {', '.join(names)}; joints.yaml beside it has "
                f"{', '.join(self.skeleton.joints)}: name them alike."
            )
        return [names.index(joint) for joint in self.skeleton.joints]


def _part(images: list[dict[str, Any]], split: str) -> list[dict[str, Any]]:
    """The pictures of a split."""
    if split == "all":
        return images
    hashed = sorted(images, key=lambda i: hashlib.sha256(i["file_name"].encode()).digest())
    tenth = max(1, round(len(hashed) / 10))
    cuts = {"test": (0, tenth), "validation": (tenth, 2 * tenth), "train": (2 * tenth, None)}
    return hashed[slice(*cuts[split])]


def _complete(entry: Mapping[str, Any], order: list[int]) -> dict[str, Any]:
    """An annotation with its joints in order, a box and an area."""
    joints: Floats = np.array(entry.get("keypoints", ()), dtype=np.float32).reshape(-1, 3)
    if len(joints) == len(order):
        joints = joints[order]
    result = {**entry, "keypoints": joints.ravel().tolist(), "category_id": 1}
    seen = joints[joints[:, 2] > 0, :2]
    if not entry.get("bbox") and len(seen):
        low, size = seen.min(axis=0), np.ptp(seen, axis=0)
        margin = np.maximum(size.max() / 8, 1)
        result["bbox"] = [*(low - margin).tolist(), *(size + 2 * margin).tolist()]
    if not entry.get("area") and result.get("bbox"):
        result["area"] = float(result["bbox"][2] * result["bbox"][3])
    return result
