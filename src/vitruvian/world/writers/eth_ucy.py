"""ETH/UCY (Pellegrini et al. 2009, Lerner et al. 2007): ways of people on the ground, in metres.

The layout of Social GAN's split: `all_data/SCENE.txt` with rows of frame, person, x, y, and the
first 80 % of each film in `train`, the rest in `val`. Sample i is a film of scene i modulo 8; the
films of a scene follow each other, and each has its own map from above in `maps`, with the
homography from the map's pixels to metres beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitruvian.world.writers.base import Entry, Record, Writer, lines, palette_png, rounded

if TYPE_CHECKING:
    from vitruvian.world.crowds import Crowd
    from vitruvian.world.sample import Setting

SCENES = (
    *("biwi_eth", "biwi_hotel", "crowds_zara01", "crowds_zara02", "crowds_zara03"),
    *("students001", "students003", "uni_examples"),
)
SECONDS = 120.0
TRAINED = 0.8
_FILM, _PEOPLE = 100_000, 1000  # frame and person numbers that a film may use
_COLORS = np.array([[225, 225, 218], [96, 92, 88], [176, 214, 170]], dtype=np.uint8)


def simulate(seed: int, index: int, setting: Setting, device: str) -> Crowd:
    """The crowd of a film; pictures' settings are of no use to it."""
    from vitruvian.world.crowds import simulate_crowd

    del setting, device
    return simulate_crowd(seed, index, seconds=SECONDS)


def encode(crowd: Crowd, part: str) -> Entry:
    """The map, and the rows of the film."""
    del part  # the parts are cut in time
    scene, film = SCENES[crowd.index % len(SCENES)], crowd.index // len(SCENES)
    rows = crowd.rows()
    cut = 10.0 * round(TRAINED * len(crowd.positions))
    start = np.array([film * _FILM, film * _PEOPLE, 0, 0])
    name = f"maps/{scene}_{film}"
    files = {
        f"{name}.png": palette_png(crowd.square.labels, _COLORS),
        f"{name}_homography.txt": lines(
            " ".join(f"{value:.6f}" for value in row) for row in crowd.square.homography
        ),
    }
    record = {"scene": scene, "cut": cut + start[0], "rows": [rounded(row) for row in rows + start]}
    return Entry(files, record, crowd.positions.shape[1])


def finish(records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    """The scenes' tables: whole, and cut in time."""
    for scene in SCENES:
        films = [record.content for record in records if record.content["scene"] == scene]
        if not films:
            continue
        yield f"all_data/{scene}.txt", _table(_rows(films, 0, np.inf))
        yield f"train/{scene}_train.txt", _table(_rows(films, 0, 1))
        yield f"val/{scene}_val.txt", _table(_rows(films, 1, np.inf))


def _rows(films: Sequence[Any], first: float, last: float) -> list[NDArray[np.float64]]:
    """The films' rows before their cut (0 to 1), after it (1 to infinity), or all."""
    result = []
    for film in films:
        rows = np.array(film["rows"]).reshape(-1, 4)
        after = (rows[:, 0] >= film["cut"]).astype(int)
        result.append(rows[(after >= first) & (after < last)])
    return result


def _table(films: Sequence[NDArray[np.float64]]) -> bytes:
    return lines(
        f"{frame:.1f}\t{person:.1f}\t{x:.2f}\t{y:.2f}"
        for rows in films
        for frame, person, x, y in rows
    )


WRITER = Writer(
    "eth-ucy",
    "ETH/UCY: ways of people through eight scenes from above, in metres, with maps.",
    encode,
    finish,
    render=simulate,
    unit="films",
    samples=8,
)
