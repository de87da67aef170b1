"""Drawing: people and faces on their picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitruvian.core.records import Frame


def draw_frame(image: NDArray[np.uint8], frame: Frame) -> NDArray[np.uint8]:
    """Draw everyone of `frame` on `image` (RGB uint8, in place); returns `image`."""
    raise NotImplementedError
