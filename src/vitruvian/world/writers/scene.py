"""The scene's labels by name, in another set's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vitruvian.world.sample import Sample


def scene_names(sample: Sample) -> dict[str, str]:
    """The scene's label → what it is here: a street's floor is a road, a lawn's wall a hedge."""
    own = {
        "street": {"floor": "road", "wall": "building", "window": "building"},
        "lawn": {"floor": "grass", "wall": "plant"},
    }
    return own.get(sample.place, {})


def relabelled(sample: Sample, numbers: Mapping[str, int], other: int) -> NDArray[np.uint8]:
    """(height, width): the scene in the numbers of another set.

    Args:
        sample: The sample.
        numbers: Name → number, by the scene's names and those of `scene_names`.
        other: The number of what the set does not know.
    """
    from vitruvian.world.backgrounds import SCENE_LABELS

    names = scene_names(sample)
    table = [numbers.get(names.get(label, label), other) for label in SCENE_LABELS]
    return np.array(table, dtype=np.uint8)[sample.scene]


def instances(sample: Sample) -> NDArray[np.int32]:
    """(height, width): 1 for the first person, 2 for the second …, 0 for nobody."""
    return sample.rendering.person + 1
