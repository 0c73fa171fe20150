"""Ctrl-C, SIGTERM and SIGHUP: all are exceptions, so that everything cleans up after itself."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Those that end a command; Windows has no SIGHUP."""


class Terminated(BaseException):
    """SIGTERM, as an exception that cleans up like KeyboardInterrupt, and that no `except Exception` stops."""

    exit_code = 143
    word = "Terminated"


class HungUp(Terminated):
    """SIGHUP likewise: the terminal was closed."""

    exit_code = 129
    word = "Hung up"


def raise_terminated() -> None:
    """Let SIGTERM raise Terminated from now on, and SIGHUP HungUp, unless `nohup` has it ignored."""
    signal.signal(signal.SIGTERM, _terminate)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _hang_up)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put off the signals to the end of the block, for what takes no time; they disturb the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
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
    """Let a process that is started in the block ignore what the terminal sends to all: it would die of it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # Python starts it before the first process, and then lets interrupts through, which were blocked or not.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_interrupts() -> None:
    """Ignore what the terminal sends to all processes; the parent ends this one."""
    for number in SIGNALS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _hang_up(number: int, frame: FrameType | None) -> NoReturn:
    raise HungUp
