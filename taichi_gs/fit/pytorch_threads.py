"""How many threads PyTorch has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_own = threading.local()  # of each thread: how many blocks it is in
_num_inside = 0
_num_outside = 1  # of threads, before the first came in


@contextmanager
def one_pytorch_thread() -> Iterator[None]:
    """Keep those operations of PyTorch that the calling thread asks for on one thread of the CPU.

    They are small beside Taichi's kernels, and between them PyTorch's threads would spin on the cores that Taichi's
    threads need. Sums also come out the same whatever the number of cores. And a process that was forked after PyTorch
    had threads would wait for them for ever.

    Several threads may be inside. PyTorch has one number for each thread, and one with which new threads begin. So
    those who come while others are inside find that number changed, and give back what was there before all of them.
    """
    global _num_inside, _num_outside
    with _lock:
        num_threads = torch.get_num_threads()  # a thread that asks for the first time takes the number for new ones
        _own.depth = getattr(_own, "depth", 0) + 1
        if _num_inside == 0:
            _num_outside = num_threads
        _num_inside += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _num_inside -= 1
            _own.depth -= 1
            if _own.depth == 0:
                torch.set_num_threads(_num_outside)
