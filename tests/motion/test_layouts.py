"""Semantic maps: what a person sees of one, through windows, batches, training and prediction."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vitruvian.core.errors import InputError, UnknownNameError
from vitruvian.motion.contexts import PATCH_SIZE
from vitruvian.motion.data import TrackData, TrackWindows
from vitruvian.motion.datasets.world import STRIDE, WorldCrowds, crowd_tracks
from vitruvian.motion.dscmp import Dscmp
from vitruvian.motion.layouts import BEHIND, CELL, Layout, cut_patches
from vitruvian.motion.tracks import Tracks


def half(x):
    """A map of 20 × 20 m at 0.1 m, of kind 1 where `x` metres are passed, else of kind 0."""
    labels = np.zeros((200, 200), dtype=np.uint8)
    labels[:, round(10 * x) :] = 1
    return Layout(labels, np.diag([10.0, 10, 1]), 2)


def walk(place, way):
    """(1, 8, 2): who comes to `place` along `way`."""
    return np.array(place) + np.arange(-7, 1)[:, None] * np.array(way, dtype=float)[None] * 0.4


def test_a_wall_ahead_is_ahead_whichever_way_one_goes():
    layout = half(10 + 2 * CELL)
    ahead = cut_patches(layout, walk((10, 10), (1, 0))[None])[0]
    assert ahead.shape == (2, PATCH_SIZE, PATCH_SIZE)
    free = torch.zeros(PATCH_SIZE, PATCH_SIZE)
    free[:, : BEHIND + 2] = 1
    assert torch.equal(ahead[0], free)
    assert torch.equal(ahead[1], 1 - free)
    aside = cut_patches(layout, walk((10, 10), (0, 1))[None])[0]  # x is to the right of who goes up
    assert aside[1].any(dim=1).tolist() == [True] * 4 + [False] * 8
    angle = 0.6
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    for change in (turn, 1.25 * turn):
        turned = cut_patches(layout.turned(change), walk((10, 10), (1, 0))[None] @ change)
        assert turned.sum(1).max() == 1
        if change is turn:
            assert (turned[0] - ahead).abs().max() < 1e-6


def test_outside_of_the_map_nothing_is_known():
    patch = cut_patches(half(5), walk((19, 10), (1, 0))[None])[0]
    assert not patch[:, :, BEHIND + 2 :].any()
    assert (patch[1, :, : BEHIND + 1] == 1).all()
    assert not cut_patches(half(5), walk((1e6, 1e6), (1, 0))[None]).any()


def test_crowds_are_a_function_of_seed_and_index():
    one, again = crowd_tracks(5, 1), crowd_tracks(5, 1)
    assert np.array_equal(one.positions, again.positions)
    assert not np.array_equal(one.positions[:50], crowd_tracks(5, 2).positions[:50])
    places = (one.positions * 10).astype(int)
    on = one.layout.labels[places[:, 1], places[:, 0]]
    assert (on == 1).mean() < 0.01  # nobody walks in walls


def test_in_a_picture_depth_is_shortened():
    plain, seen = crowd_tracks(5, 1), crowd_tracks(5, 1, "heights")
    assert seen.unit == "heights"
    assert seen.layout is None
    change, *_ = np.linalg.lstsq(plain.positions, seen.positions, rcond=None)
    assert plain.positions @ change == pytest.approx(seen.positions, abs=1e-6)
    short, long = sorted(np.linalg.norm(change, axis=0))
    tilt = math.asin(short / long)
    assert 10 <= math.degrees(tilt) <= 50
    assert long == pytest.approx(1 / (1.7 * math.cos(tilt)))


def test_windows_of_crowds_know_their_map():
    windows = WorldCrowds("val", count=6).windows
    assert len(windows.layouts) == len(windows)
    assert 1 < len({id(layout) for layout in windows.layouts}) <= 6
    assert set(np.diff(windows.frames[:3]) / 10) <= {STRIDE, 2 * STRIDE}
    plain = TrackWindows(windows, layouts=True).__getitems__([0, 1])
    assert plain["patches"].shape == (len(plain["past"]), 3, PATCH_SIZE, PATCH_SIZE)
    turned = TrackWindows(windows, layouts=True, augment=True, seed=1).__getitems__([0, 1])
    assert not torch.allclose(turned["past"], plain["past"])
    # A mirrored or turned scene is seen mirrored or as it was: the same ground in each column.
    columns = (turned["patches"].mean(2) - plain["patches"].mean(2)).abs().mean()
    assert columns < 0.02
    assert "patches" not in TrackWindows(windows).__getitems__([0])


def test_wrong_choices_are_a_sentence(tmp_path):
    with pytest.raises(InputError, match="Only the data set 'world' in metres has layouts"):
        TrackData("eth_ucy", layouts=True)
    with pytest.raises(InputError, match="has no folder"):
        WorldCrowds("val", tmp_path)
    with pytest.raises(InputError, match="Cannot make -1 crowds"):
        WorldCrowds("train", count=-1)
    with pytest.raises(UnknownNameError):
        WorldCrowds("validation")


def test_layouts_are_trained_with_and_used(tmp_path):
    torch.manual_seed(0)
    system = Dscmp(hidden=16, classes=3, latent=4, samples=5)
    data = TrackWindows(WorldCrowds("val", count=2).windows, layouts=True)
    losses = system.losses(data.__getitems__([0, 1, 2]))
    assert losses["divergence"] >= 0
    torch.stack([*losses.values()]).sum().backward()
    assert system.network.scene.layers[0].weight.grad.abs().sum() > 0
    system.eval()
    tracks = crowd_tracks(202, 0)
    bare = Tracks(tracks.frames, tracks.people, tracks.positions, "without")
    (seen,), (unseen,) = system.predict([tracks], frame=400), system.predict([bare], frame=400)
    assert not np.allclose(seen.people[0].samples, unseen.people[0].samples)


def test_lengths_are_in_metres_inside():
    torch.manual_seed(0)
    plain = Dscmp(hidden=16).eval()
    pixels = Dscmp(hidden=16, unit="px", metre=20.0).eval()
    pixels.network.load_state_dict(plain.network.state_dict())
    past = torch.from_numpy(walk((3, 4), (0.9, 0.2))[None].astype(np.float32))
    scene = torch.zeros(1, dtype=torch.long)
    expected = 20 * plain.futures_of(past, scene, 5)
    assert torch.allclose(pixels.futures_of(20 * past, scene, 5), expected, atol=1e-3)
    batch = {"past": past, "future": past[:, -1:].expand(-1, 12, -1), "scene": scene}
    batch["index"] = torch.zeros(1)
    larger = batch | {"past": 20 * past, "future": 20 * batch["future"]}
    torch.manual_seed(1)
    one = plain.losses(batch)
    torch.manual_seed(1)
    other = pixels.losses(larger)
    for name, value in one.items():
        assert value.item() == pytest.approx(other[name].item(), rel=1e-3)
