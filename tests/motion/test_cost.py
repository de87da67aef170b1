"""What a crowd costs: in proportion to its size, in operations, memory and time."""

from __future__ import annotations

import time

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vitruvian.motion import contexts
from vitruvian.motion.contexts import BLOCK, in_blocks
from vitruvian.motion.dscmp import Dscmp


class Counter(TorchDispatchMode):
    """Counts the numbers that operations give, and the most that one of them gives.

    Views count, too: their number and size are those of the operations around them.
    """

    def __init__(self):
        super().__init__()
        self.numbers = self.most = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        found = function(*arguments, **(options or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, torch.Tensor):
                self.numbers += tensor.numel()
                self.most = max(self.most, tensor.numel())
        return found


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    return Dscmp().eval()


def crowd(people):
    """A quarter of a person a square metre, who walk."""
    generator = torch.Generator().manual_seed(0)
    moves = 0.4 * torch.randn(people, 1, 2, generator=generator).expand(-1, 8, -1)
    place = torch.rand(people, 1, 2, generator=generator) * (4 * people) ** 0.5
    return moves.cumsum(1) + place, torch.zeros(people, dtype=torch.long)


@torch.inference_mode()
def test_four_times_the_people_take_four_times_the_operations(system):
    counted = []
    for people in (1000, 4000):
        with Counter() as counter:
            system.futures_of(*crowd(people), 20)
        counted.append(counter)
    few, many = counted
    assert many.numbers < 4.3 * few.numbers  # fewer stand at a rim, and each sees more
    assert many.most < 4.3 * few.most
    assert many.most < 4000 * 8 * 12 * 24 * 1.01  # how any two stand to each other


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@torch.inference_mode()
def seconds(system, people, rounds):
    """The processor's time of 20 futures of everyone, the least of some rounds."""
    given, times = crowd(people), []
    for _ in range(rounds):
        started = time.process_time()
        system.futures_of(*given, 20)
        times.append(time.process_time() - started)
    return min(times)


@pytest.mark.usefixtures("one_thread")
def test_four_times_the_people_take_four_times_as_long(system):
    for _ in range(3):  # other programs on the machine fill its caches, too
        ratio = seconds(system, 3200, 4) / seconds(system, 800, 4)
        if ratio < 5.5:
            break
    assert ratio < 5.5


@pytest.mark.usefixtures("one_thread")
def test_fifty_people_take_ten_milliseconds_of_one_core(system):
    assert min(seconds(system, 50, 10) for _ in range(4)) < 0.010


@torch.inference_mode()
def test_blocks_change_nothing(system, monkeypatch):
    past, scene = crowd(BLOCK + 37)
    found = system.futures_of(past, scene, 20)
    monkeypatch.setattr(contexts, "BLOCK", 10**6)
    assert torch.allclose(found, system.futures_of(past, scene, 20), atol=1e-5)


def test_rows_keep_their_order():
    rows = torch.arange(2.0 * BLOCK + 5)
    assert torch.equal(in_blocks(torch.add, rows, 2 * rows), 3 * rows)
    assert in_blocks(torch.neg, rows[:0]).shape == (0,)
