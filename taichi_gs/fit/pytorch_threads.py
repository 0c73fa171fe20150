"""How many threads PyTorch has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_pytorch_thread() -> Iterator[None]:
    """Keep those operations of PyTorch that the calling thread asks for on one thread of the CPU.

    They are small beside Taichi's kernels, and between them PyTorch's threads would spin on the cores that Taichi's
    threads need. Sums also come out the same whatever the number of cores. And a process that was forked after PyTorch
    had threads would wait for them for ever.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
