"""Ctrl-C and SIGTERM: both are exceptions, so that everything cleans up after itself."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn


class Terminated(BaseException):
    """SIGTERM, as an exception that cleans up like KeyboardInterrupt, and that no `except Exception` stops."""


def raise_terminated() -> None:
    """Let SIGTERM raise Terminated from now on."""
    signal.signal(signal.SIGTERM, _terminate)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM to the end of the block; for the main thread, and for what takes no time."""
    caught: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, frame: caught.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if caught:
            signal.raise_signal(caught[0])


@contextlib.contextmanager
def interrupts_not_inherited() -> Iterator[None]:
    """Let a process that is started in the block ignore Ctrl-C: it would die of it with a traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
