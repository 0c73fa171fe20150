"""Run measurements in processes side by side, one thread each, and get the results in the order of the tasks."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

# Read by Taichi, and by the libraries under PyTorch and NumPy, when a process loads them.
_THREAD_VARIABLES = ("TI_CPU_MAX_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def map_in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Yield `function(task)` of all tasks in their order, so that what an interrupted run has written is a beginning.

    With one job the tasks run here, on as many threads as they like.
    """
    if jobs == 1:
        yield from map(function, tasks)
        return
    # Spawned, since Taichi does not survive a fork. The variables have to be there when a worker starts.
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield from pool.map(function, tasks)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
