"""Samples in batches: in order, or shuffled as a function of the seed that a resumed run keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, SequentialSampler


class ResumableSampler(DistributedSampler):
    """A shuffled order that is a function of (seed, epoch) and can begin inside an epoch.

    Yields (index, epoch), from which a data set draws its augmentation.
    """

    def resume(self, epoch: int, samples: int) -> None:
        """Leave out the first `samples` of this process in `epoch`; later epochs are whole."""
        self.set_epoch(epoch)
        self._begun = (epoch, samples)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, samples = getattr(self, "_begun", (0, 0))
        order = list(super().__iter__())
        for index in order[samples if epoch == self.epoch else 0 :]:
            yield index, self.epoch


def resumable_sampler(
    samples: Dataset[Any], trainer: Any, batch_size: int, seed: int
) -> ResumableSampler:
    """The shuffled order of a training, which begins where the trainer's loops are.

    Args:
        samples: The data set.
        trainer: Lightning's; None: one process that begins.
        batch_size: Samples a step and device.
        seed: Of the order.
    """
    replicas, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
    sampler = ResumableSampler(samples, replicas, rank, seed=seed, drop_last=replicas > 1)
    if trainer:
        begun = trainer.fit_loop.epoch_loop.batch_progress.current.processed * batch_size
        whole = len(sampler) - batch_size < begun
        sampler.resume(trainer.current_epoch, 0 if whole else begun)
    return sampler


def make_loader(
    samples: Dataset[Any],
    batch_size: int,
    workers: int,
    sampler: ResumableSampler | None = None,
    **options: Any,
) -> DataLoader:
    """Batches of a data set, loaded by processes of one thread each.

    Args:
        samples: The data set.
        batch_size: Samples a batch and device.
        workers: Processes; 0: this one.
        sampler: Of a training, whose last batch is left out where it is not whole and not the only
            one; None: all samples, in order.
        options: Of `DataLoader`.
    """
    if workers:
        # In each worker OpenCV would start as many threads as there are cores; and a process that
        # is forked from one with such threads hangs when it touches them.
        cv2.setNumThreads(1)
    return DataLoader(
        samples,
        batch_size,
        sampler=SequentialSampler(samples) if sampler is None else sampler,  # type: ignore[arg-type]
        drop_last=sampler is not None and len(sampler) > batch_size,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        **options,
    )
