"""Heat maps and affinity fields: what every target must satisfy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vitruvian.pose.openpose.targets import draw_affinities, draw_heatmaps

SIZE = (24, 30)
LIMBS = np.array([(0, 1), (1, 2)])
KINDS = pytest.mark.parametrize("published", ["v1", "lightweight"])
JOINTS = arrays(np.float64, (2, 3, 2), elements=st.floats(-40, 280))
SEEN = arrays(np.bool_, (2, 3))


@KINDS
@settings(max_examples=40, deadline=None)
@given(joints=JOINTS, seen=SEEN)
def test_heat_maps_stay_in_range_with_their_background(joints, seen, published) -> None:
    heat = draw_heatmaps(joints, seen, SIZE, published=published)
    assert heat.shape == (4, *SIZE)
    assert heat.min() >= 0
    assert heat.max() <= 1
    np.testing.assert_allclose(heat[-1], 1 - heat[:-1].max(axis=0), atol=1e-6)
    assert not heat[:-1][~seen.any(axis=0)].any()


@KINDS
@settings(max_examples=40, deadline=None)
@given(joints=JOINTS, seen=SEEN)
def test_a_lone_field_holds_the_limbs_direction(joints, seen, published) -> None:
    joints, seen = joints[:1], seen[:1]
    fields = draw_affinities(joints, seen, LIMBS, SIZE, published=published)
    fields = fields.reshape(2, 2, *SIZE)
    for (a, b), field in zip(LIMBS, fields, strict=True):
        vector = joints[0, b] - joints[0, a]
        cells = field[:, (field != 0).any(axis=0)]
        if not (seen[0, a] and seen[0, b]) or not vector.any():
            assert cells.size == 0
            continue
        unit = vector / max(np.linalg.norm(vector), 1e-12)
        np.testing.assert_allclose(cells, np.repeat(unit[:, None], cells.shape[1], 1), atol=1e-6)


def test_where_people_overlap_v1_averages_and_lightweight_keeps_the_last() -> None:
    joints = np.array([[[40, 80], [160, 80], [0, 0]], [[100, 20], [100, 140], [0, 0]]], float)
    seen = np.array([[1, 1, 0], [1, 1, 0]], bool)
    v1, light = (
        draw_affinities(joints, seen, LIMBS[:1], SIZE, published=kind)[:, 10, 12]
        for kind in ("v1", "lightweight")
    )
    np.testing.assert_allclose(v1, [0.5, 0.5])
    np.testing.assert_allclose(light, [0, 1])


def test_a_gaussian_peaks_at_the_joints_cell() -> None:
    # Cell 5 is centred on pixel 43.5; stride and sigma are the caller's.
    joints = np.array([[[43.5, 27.5]]])
    heat = draw_heatmaps(joints, np.ones((1, 1), bool), SIZE, stride=8, sigma=7)
    assert np.unravel_index(heat[0].argmax(), SIZE) == (3, 5)
    assert heat[0].max() == pytest.approx(1)
    assert heat[0, 3, 6] == pytest.approx(np.exp(-64 / (2 * 49)), rel=1e-5)
    finer = draw_heatmaps(joints, np.ones((1, 1), bool), (48, 60), stride=4, sigma=7)
    assert finer[0, 6:8, 10:12].min() == finer[0].max()
