"""Threads of Taichi's pool that stay on a core each.

A kernel of a fit takes a few milliseconds. The threads are woken for each of its loops, and Linux often puts two of
them on one core, where they stay for as long: it does not move threads that have just run. In a third of the time of a
fit on two cores, one of the cores was idle.
"""

import contextlib
import os
from collections.abc import Iterator

from taichi_gs.kernels.taichi import ti

_TASKS = "/proc/self/task"
"""The threads of this process, on Linux."""


@contextlib.contextmanager
def pinned_pool() -> Iterator[None]:
    """Give each thread of the pool that Taichi starts in the block a core, where it has one for each core.

    With fewer threads than cores, Linux is left to choose among the cores. So it is on other systems.
    """
    before = _threads()
    yield
    if before:
        # Taichi starts the threads of the pool last. If numbers have begun anew, others are pinned, which does no harm.
        pool = sorted(_threads() - before)[-ti.lang.impl.current_cfg().cpu_max_num_threads :]
        cores = sorted(os.sched_getaffinity(0))
        if len(pool) == len(cores) > 1:
            for thread, core in zip(pool, cores, strict=True):
                with contextlib.suppress(OSError):  # as where a sandbox refuses it
                    os.sched_setaffinity(thread, {core})


def _threads() -> set[int]:
    """The numbers of the threads of this process; none where there is no telling."""
    try:
        return set(map(int, os.listdir(_TASKS))) if hasattr(os, "sched_setaffinity") else set()
    except OSError:
        return set()
