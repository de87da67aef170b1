"""Which limbs connect which joints, and where the networks answer them.

Part affinity fields of COCO's 18 joints (Cao et al., CVPR 2017) and of BODY_25, which adds the
middle of the hips and six points of the feet (Cao et al., TPAMI 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.skeletons import OPENPOSE18, OPENPOSE25, Skeleton

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BodyTable:
    """The limbs of a skeleton.

    Without the support limbs they make a tree of the joints, so matched limbs never contradict
    each other.

    Attributes:
        skeleton: Its joints have the order of the heat maps.
        limbs: (limbs, 2): the joints that a limb goes from and to, in matching order.
        channels: (limbs,): the affinity channel of each limb's x; its y is the next one.
        support: Kinds of limbs (ear to shoulder) that only join what others began.
        counted: So many joints make a person, from the first on: those of feet do not.
    """

    skeleton: Skeleton
    limbs: Integers
    channels: Integers
    support: tuple[int, ...]
    counted: int

    @property
    def joints(self) -> int:
        """How many joints there are."""
        return len(self.skeleton)


BODY_18 = BodyTable(
    OPENPOSE18,
    np.array(
        [
            (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11),
            (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17),
        ]
    ),
    np.array([12, 20, 14, 16, 22, 24, 0, 2, 4, 6, 8, 10, 28, 30, 34, 32, 36, 18, 26]),
    support=(17, 18),
    counted=18,
)  # fmt: skip

BODY_25 = BodyTable(
    OPENPOSE25,
    np.array(
        [
            (1, 8), (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (10, 11),
            (8, 12), (12, 13), (13, 14), (1, 0), (0, 15), (15, 17), (0, 16), (16, 18), (2, 17),
            (5, 18), (14, 19), (19, 20), (14, 21), (11, 22), (22, 23), (11, 24),
        ]
    ),
    np.array(
        [
            0, 14, 22, 16, 18, 24, 26, 6, 2, 4, 8, 10, 12, 30, 32, 36, 34, 38, 20, 28, 40, 42, 44,
            46, 48, 50,
        ]
    ),
    support=(18, 19),
    counted=19,
)  # fmt: skip
