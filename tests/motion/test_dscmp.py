"""The network's own promises: scenes apart, directions alike, always finite."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vitruvian.core.errors import InputError
from vitruvian.core.export import export_checked
from vitruvian.motion.contexts import PATCH_SIZE, QueueContext
from vitruvian.motion.dscmp import Dscmp, DscmpNetwork, best_in_scene, coherence
from vitruvian.motion.metrics import temporal_correlation
from vitruvian.motion.sampling import draw_noise
from vitruvian.motion.tracks import make_tracks


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    return Dscmp(hidden=16).eval()


def walks(people, seed=0):
    random = np.random.default_rng(seed)
    moves = random.normal(0, 0.1, (people, 8, 2)) + random.normal(0, 0.4, (people, 1, 2))
    start = random.uniform(-4, 4, (people, 1, 2))
    return torch.from_numpy((start + moves.cumsum(1)).astype(np.float32))


@torch.inference_mode()
def test_scenes_in_a_batch_do_not_see_each_other(system):
    one, other = walks(5), walks(7, seed=1)
    scene = torch.tensor([0] * 5 + [1] * 7)
    noise = draw_noise(2, 6, 2, torch.Generator().manual_seed(0))[scene]
    both, _, _ = system.network(torch.cat([one, other]), scene, noise)
    alone, _, _ = system.network(one, torch.zeros(5, dtype=torch.long), noise[:5])
    assert torch.allclose(both[:5], alone, atol=1e-5)


@torch.inference_mode()
def test_people_of_a_scene_do_see_each_other(system):
    past, scene, noise = walks(5), torch.zeros(5, dtype=torch.long), draw_noise(5, 6, 2)
    before, _, _ = system.network(past, scene, noise)
    moved = past.clone()
    moved[1] += 0.5
    after, _, _ = system.network(moved, scene, noise)
    assert (before[0] - after[0]).abs().max() > 2e-5
    moved[1] += 1000  # beyond the radius nobody counts
    gone, _, _ = system.network(moved, scene, noise)
    rest = [0, 2, 3, 4]
    less, _, _ = system.network(past[rest], scene[rest], noise[rest])
    assert torch.allclose(gone[rest], less, atol=2e-6)


@torch.inference_mode()
def test_a_turned_and_moved_scene_has_turned_futures(system):
    past, scene, noise = walks(6), torch.zeros(6, dtype=torch.long), draw_noise(6, 4, 2)
    angle = 0.7
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    plain, _, _ = system.network(past, scene, noise)
    turned, _, _ = system.network(past @ turn.T + 3, scene, noise)
    assert torch.allclose(turned, plain @ turn.T, atol=1e-4)


def test_the_queue_reaches_so_far_back_and_no_farther():
    torch.manual_seed(0)
    module = QueueContext(4, 3)
    hidden = torch.randn(1, 8, 4, requires_grad=True)
    module(hidden)[0, 6].sum().backward()
    felt = hidden.grad[0].abs().sum(dim=1) > 0
    assert felt.tolist() == [False, False, False, False, True, True, True, False]


def test_the_queue_is_refined_by_its_convolution():
    torch.manual_seed(0)
    module = QueueContext(4, 3)
    hidden = torch.randn(2, 5, 4)
    queue = hidden[:, 2:5].transpose(1, 2)  # of the last step
    refined = queue + torch.relu(module.refine(queue))
    expected = module.mix(refined.transpose(1, 2).flatten(1))
    assert torch.allclose(module(hidden)[:, 4], expected, atol=1e-6)


@torch.inference_mode()
def test_people_share_the_draws_of_their_scene_unless_they_have_their_own():
    past = walks(1).expand(2, -1, -1) + torch.tensor([[[0.0, 0]], [[1000, 0]]])  # the same twice
    torch.manual_seed(0)
    for shared in (True, False):
        found = Dscmp(hidden=16, shared=shared).eval().futures_of(past, torch.zeros(2).long(), 5)
        assert torch.allclose(found[0], found[1], atol=1e-3) is shared


def test_the_layout_moves_the_latent():
    torch.manual_seed(0)
    network = DscmpNetwork(hidden=16, classes=3)
    past, scene = walks(4), torch.zeros(4, dtype=torch.long)
    patches = torch.rand(4, 3, PATCH_SIZE, PATCH_SIZE)
    with_layout, mean, variance = network(past, scene, draw_noise(4, 3, 2), patches)
    without, zero, _ = network(past, scene, draw_noise(4, 3, 2))
    assert mean.shape == variance.shape == (4, 2)
    assert not zero.any()
    assert not torch.allclose(with_layout, without)


def test_draws_are_normal_even_and_begin_with_the_mean():
    fixed = draw_noise(2, 20, 2)
    assert not fixed[:, 0].any()
    assert torch.equal(fixed[0], fixed[1])
    drawn = draw_noise(2000, 20, 2, torch.Generator().manual_seed(0))[:, 1:]
    assert drawn.mean().abs() < 0.02
    assert drawn.std() == pytest.approx(1, abs=0.02)
    spread = drawn.mean(dim=1).std()
    assert spread < 0.5 / math.sqrt(19)  # independent draws would have 1 / √19


def test_coherence_is_the_metric():
    torch.manual_seed(0)
    predicted, truth = torch.randn(5, 12, 2), torch.randn(5, 12, 2)
    expected = temporal_correlation(predicted[:, None].numpy(), truth.numpy())
    assert coherence(predicted, truth) == pytest.approx(expected, abs=1e-5)
    still = torch.zeros(1, 12, 2, requires_grad=True)
    coherence(still, truth[:1]).sum().backward()
    assert torch.isfinite(still.grad).all()


def test_the_best_sample_is_of_the_whole_scene():
    errors = torch.tensor([[0.0, 1.0], [2.0, 0.5], [3.0, 4.0]])
    least, place = best_in_scene(errors, torch.tensor([0, 0, 1]), 2)
    assert least.tolist() == [1.5, 3.0]
    assert place.tolist() == [1, 0]


finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.data())
def test_futures_are_finite_for_any_finite_track(system, people, steps, data):
    shape = (steps, people, 2)
    kinds = st.one_of(finite, st.floats(-50, 50), st.just(0.0))
    places = data.draw(arrays(np.float64, shape, elements=kinds))
    frames, ids = np.meshgrid(np.arange(steps), np.arange(people), indexing="ij")
    tracks = make_tracks(
        frames.ravel().astype(float), ids.ravel().astype(float), places.reshape(-1, 2), "any"
    )
    (found,) = system.predict([tracks])
    assert len(found) == people
    for person in found:
        assert np.isfinite(person.samples).all()
        assert person.samples.shape == (20, 12, 2)


def test_other_units_are_refused(system):
    tracks = make_tracks(np.zeros(1), np.zeros(1), np.zeros((1, 2)), "film", unit="px")
    with pytest.raises(InputError, match="film is in px, these weights are for tracks in m"):
        system.predict([tracks])


def test_weights_come_back(system, tmp_path):
    from vitruvian.core.load import load

    system.save(tmp_path / "w.safetensors")
    again = load("motion/dscmp", tmp_path / "w.safetensors", "cpu")
    frames = np.repeat(np.arange(8.0), 3)
    tracks = make_tracks(
        frames,
        np.tile(np.arange(3.0), 8),
        walks(3).transpose(0, 1).reshape(-1, 2).double().numpy(),
        "a",
    )
    (expected,), (found,) = system.predict([tracks]), again.predict([tracks])
    for one, other in zip(expected, found, strict=True):
        assert one.samples == pytest.approx(other.samples, abs=1e-5)


def test_export_is_the_same_network_for_any_number_of_people(system, tmp_path):
    pytest.importorskip("onnxruntime")
    network, example, other = system.for_export()
    scene = torch.zeros(len(example["past"]), dtype=torch.long)
    noise = example["noise"].expand(len(scene), -1, -1)
    with torch.inference_mode():
        expected, _, _ = system.network(example["past"], scene, noise)
        assert torch.allclose(network(**example), expected, atol=1e-5)
    assert export_checked(network, example, other, tmp_path / "m.onnx") < 1e-4


@torch.inference_mode()
def test_many_scenes_at_once_are_five_times_as_fast():
    system = Dscmp().eval()
    scenes, each = 64, 4
    past = torch.cat([walks(each, seed) for seed in range(scenes)])
    scene = torch.arange(scenes).repeat_interleave(each)

    def seconds(run):
        started = time.perf_counter()
        run()
        return time.perf_counter() - started

    alone = torch.zeros(each, dtype=torch.long)
    rounds = [
        (
            seconds(lambda: system.futures_of(past, scene, 20)),
            seconds(lambda: [system.futures_of(past[:each], alone, 20) for _ in range(8)]) / 8,
        )
        for _ in range(15)  # the least of many: other tests run beside this one
    ]
    together, one = (min(times) for times in zip(*rounds, strict=True))
    assert one * scenes >= 5 * together
