"""Optical flow: the same surface point in both frames."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.world.clips import render_clip
from vitruvian.world.flow import flow, frame_depth
from vitruvian.world.sample import Setting
from vitruvian.world.surface import load_surface


@pytest.fixture(scope="module", params=[False, True], ids=["still camera", "moving camera"])
def frames(request):
    setting = Setting(120, 128, people=(2, 2), activity="walking", occluders=0.0)
    return render_clip(7, 1, setting, frames=2, fps=12, moving=request.param)


def landed(frames):
    """Pixels of the first frame whose point the second shows, and those that show it."""
    forward, _ = flow(*frames)
    rows, columns = np.nonzero(forward.visible)
    x, y = (forward.vectors[rows, columns] + np.stack([columns, rows], axis=1) + 0.5).T
    return rows, columns, np.floor(y).astype(int), np.floor(x).astype(int)


def test_flow_lands_on_the_same_person_and_part(frames):
    rows, columns, there, across = landed(frames)
    first, second = (frame.sample.rendering for frame in frames)
    assert len(rows) > 0.8 * first.person.size
    assert (first.person[rows, columns] == second.person[there, across]).all()
    own = first.person[rows, columns] >= 0
    same = first.parts[rows, columns] == second.parts[there, across]
    assert same[own].mean() > 0.93
    assert (first.scene[rows, columns] == second.scene[there, across]).mean() > 0.97


def test_flow_is_the_way_of_projected_surface_points(frames):
    forward, _ = flow(*frames)
    before, after = (frame.sample for frame in frames)
    rows, columns = np.nonzero(before.rendering.person == 0)
    picked = np.random.default_rng(0).choice(len(rows), 40, replace=False)
    for row, column in zip(rows[picked], columns[picked], strict=True):
        corners = load_surface().faces[before.rendering.faces[row, column]]
        u, v = before.rendering.places[row, column]
        shares = np.array([u, v, 1 - u - v], dtype=np.float64)
        here = before.camera.project(shares @ before.meshes[0][corners].astype(np.float64))
        there = after.camera.project(shares @ after.meshes[0][corners].astype(np.float64))
        assert here[:2] == pytest.approx([column + 0.5, row + 0.5], abs=0.02)
        assert forward.vectors[row, column] == pytest.approx(there[:2] - here[:2], abs=0.02)


def test_there_and_back_is_no_way(frames):
    forward, backward = flow(*frames)
    rows, columns, there, across = landed(frames)
    ways = forward.vectors[rows, columns] + backward.vectors[there, across]
    known = backward.visible[there, across]
    assert np.percentile(np.linalg.norm(ways[known], axis=1), 90) < 0.5


def test_a_still_camera_leaves_the_background_still():
    setting = Setting(96, 96, activity="dancing", occluders=0.0)
    frames = render_clip(7, 2, setting, frames=2, fps=10, moving=False)
    forward, backward = flow(*frames)
    person = frames[0].sample.rendering.person >= 0
    assert np.abs(forward.vectors[~person]).max() < 1e-6
    assert np.abs(forward.vectors[person]).max() > 0.5
    # What the person uncovers was not seen before.
    uncovered = person & (frames[1].sample.rendering.person < 0)
    covered = (frames[1].sample.rendering.person >= 0) & ~person
    assert not forward.visible[covered].any()
    assert not backward.visible[uncovered].any()


def test_depth_is_whole_below_the_horizon(frames):
    depth = frame_depth(frames[0])
    rays = frames[0].sample.camera.rays()
    assert np.isfinite(depth[rays[..., 2] < -0.01]).all()
    assert (depth > 0).all()
