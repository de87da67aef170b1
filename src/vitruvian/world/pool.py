"""Rendering in processes: results in order, few of them waiting, and no process left behind."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from vitruvian.core.errors import VitruvianError

Result = TypeVar("Result")
_AHEAD = 4


def render_all(
    function: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], workers: int
) -> Generator[Result, None, None]:
    """The function's results for each job, in the jobs' order. Close the generator when done.

    Args:
        function: Of a module's top level.
        jobs: Its arguments.
        workers: Processes; 1: this one does the work.

    Raises:
        VitruvianError: a process was killed, most often for want of memory.
    """
    if workers == 1 or len(jobs) < 2:
        for job in jobs:
            yield function(*job)
        return
    # A process of its own, not a copy of this one: threads and kernels cannot be copied.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(min(workers, len(jobs)), context, _begin)
    waiting: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            waiting.append(executor.submit(function, *job))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise VitruvianError(
            "A rendering process ended early, most often for want of memory: the same command goes "
            "on from here, and fewer --workers need less; a script that renders in processes needs "
            "if __name__ == '__main__'."
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _begin() -> None:
    """One thread each; leave ^C to the parent, and go when it is gone."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
