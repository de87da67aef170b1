"""Synchronized switchable norm: several processes are one with the whole batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn

from vitruvian.core.errors import InputError
from vitruvian.nn.norms import SwitchableNorm2d, SyncSwitchableNorm2d

CHANNELS = 5


def example(samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(samples, CHANNELS, 4, 3, generator=generator, dtype=torch.float64)
    cotangent = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return x * torch.arange(1, samples + 1).view(-1, 1, 1, 1) + 1, cotangent


def seeded(layer: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    for parameter in layer.double().parameters():
        nn.init.normal_(parameter, 1.0, 0.4)
    return layer


def one_step(
    layer: nn.Module, x: torch.Tensor, cotangent: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    x = x.clone().requires_grad_()
    y = layer(x)
    (y * cotangent).sum().backward()
    assert x.grad is not None
    return y.detach(), x.grad, [p.grad for p in layer.parameters() if p.grad is not None]


def worker(rank: int, sizes: tuple[int, ...], folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=len(sizes)
    )
    x, cotangent = (t.split(sizes)[rank] for t in example(sum(sizes)))
    layer = seeded(SyncSwitchableNorm2d(CHANNELS))
    y, dx, gradients = one_step(layer, x, cotangent)
    for gradient in gradients:
        dist.all_reduce(gradient)
    caught = ""
    try:
        layer(torch.full_like(x, float("nan")) if rank == 0 else x)
    except InputError as error:
        caught = str(error)
    result = (y, dx, gradients, layer.running_mean, layer.running_var, caught)
    torch.save(result, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("sizes", [(3, 1), (2, 4, 0, 1)])
def test_processes_equal_one_with_the_whole_batch(sizes: tuple[int, ...], tmp_path: Path) -> None:
    multiprocessing.spawn(worker, (sizes, str(tmp_path)), nprocs=len(sizes))
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(len(sizes))]
    whole = seeded(SwitchableNorm2d(CHANNELS))
    y, dx, gradients = one_step(whole, *example(sum(sizes)))
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), y)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), dx)
    for part in parts:
        torch.testing.assert_close(part[2], gradients)
        torch.testing.assert_close(part[3], whole.running_mean)
        torch.testing.assert_close(part[4], whole.running_var)
        assert "not finite" in part[5]  # on every process, so none waits for another


def test_without_processes_it_is_switchable_norm() -> None:
    x, cotangent = example(3)
    alone = one_step(seeded(SyncSwitchableNorm2d(CHANNELS)), x, cotangent)
    plain = one_step(seeded(SwitchableNorm2d(CHANNELS)), x, cotangent)
    torch.testing.assert_close(alone, plain)
