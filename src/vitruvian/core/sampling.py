"""The order of training samples: a function of the seed, that a resumed run goes on with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
from torch.utils.data import Dataset, DistributedSampler


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


def one_thread(_worker: int) -> None:
    """Keep OpenCV from starting as many threads in each worker as there are cores."""
    cv2.setNumThreads(1)
