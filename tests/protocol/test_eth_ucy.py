"""ETH/UCY: the numbers of windows and people that everyone's test sets have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.motion.datasets.eth_ucy import FOLDS, HELD_BACK, EthUcy
from vitruvian.motion.tracks import cut_windows, read_text

WINDOWS = {"eth": 70, "hotel": 301, "univ": 947, "zara1": 602, "zara2": 921}
PEOPLE = {"eth": 181, "hotel": 1053, "univ": 24334, "zara1": 2253, "zara2": 5833}


@pytest.mark.parametrize("fold", FOLDS)
def test_windows_and_people_of_each_fold(fold, data_set):
    test = EthUcy(fold, "test", data_set("eth_ucy")).windows
    assert (len(test), len(test.tracks)) == (WINDOWS[fold], PEOPLE[fold])
    assert np.diff(test.starts).min() >= 2


def test_a_fold_never_trains_on_its_scene(data_set):
    for fold, scenes in FOLDS.items():
        for split in ("train", "val"):
            sources = " ".join(EthUcy(fold, split, data_set("eth_ucy")).windows.sources)
            assert not any(scene in sources for scene in scenes)
            assert "crowds_zara03" in sources


def published_windows(file):
    """Windows as SGAN's loader makes them, frame by frame, written anew."""
    rows = np.loadtxt(file)
    frames = np.unique(rows[:, 0])
    for start in range(len(frames) - 19):
        inside = rows[np.isin(rows[:, 0], frames[start : start + 20])]
        people = [inside[inside[:, 1] == person] for person in np.unique(inside[:, 1])]
        whole = [track[:, 2:] for track in people if len(track) == 20]
        if len(whole) > 1:
            yield np.around(np.stack(whole), 4)


def test_every_window_is_the_published_one(data_set):
    file = data_set("eth_ucy") / "all_data" / "biwi_eth.txt"
    ours = cut_windows(read_text(file))
    theirs = list(published_windows(file))
    assert len(theirs) == len(ours)
    for window, expected in enumerate(theirs):
        assert np.array_equal(ours.tracks[ours.rows(window)], expected.astype(np.float32))


def test_what_is_not_there(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'zara1'"):
        EthUcy("zara01", "test", tmp_path)
    with pytest.raises(InputError, match=r"biwi_eth\.txt cannot be read"):
        EthUcy("eth", "test", tmp_path)


@pytest.mark.parametrize("fold", HELD_BACK)
def test_settings_are_chosen_at_places_that_were_not_seen(fold, data_set):
    held = HELD_BACK[fold]
    assert held[0] not in {scene for tested in FOLDS.values() for scene in tested}
    root = data_set("eth_ucy")
    trained = " ".join(EthUcy(fold, "train", root).windows.sources)
    assert not any(scene in trained for scene in held)
    assert {held[0]} == {Path(s).stem for s in EthUcy(fold, "val", root).windows.sources}
    with pytest.raises(InputError, match="has no test"):
        EthUcy(fold, "test", root)
