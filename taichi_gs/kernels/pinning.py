"""Threads of Taichi's pool that stay on a core each.

A kernel of a fit takes a few milliseconds. The threads are woken for each of its loops. Linux often wakes two of them
on one core, and they stay there until the loop ends: it does not move threads that have just run. In a third of the
time of a fit on two cores, one of the cores was idle.
"""

import contextlib
import os
import threading
from collections.abc import Iterator

from taichi_gs.kernels.taichi import ti

_TASKS = "/proc/self/task"
"""The threads of this process, on Linux."""


@contextlib.contextmanager
def pinned_pool() -> Iterator[None]:
    """Give each thread of the pool that Taichi starts in the block a core of its own.

    That is done if the pool has exactly as many threads as this process has cores. Otherwise, and on other systems, the
    system is left to choose.
    """
    before = _threads()
    yield
    if threading.get_native_id() not in before:  # no Linux, or its folder of threads counts them in another way
        return
    with contextlib.suppress(OSError):  # as where a sandbox refuses it
        cores = sorted(os.sched_getaffinity(0))
        started = _threads() - before - {thread.native_id for thread in threading.enumerate()}
        # Taichi starts the threads of the pool last.
        pool = sorted(started)[-ti.lang.impl.current_cfg().cpu_max_num_threads :]
        if len(pool) == len(cores) > 1:
            for thread, core in zip(pool, cores, strict=True):
                os.sched_setaffinity(thread, {core})


def _threads() -> set[int]:
    """The numbers of the threads of this process; none where there is no telling."""
    try:
        return set(map(int, os.listdir(_TASKS))) if hasattr(os, "sched_setaffinity") else set()
    except OSError:
        return set()
