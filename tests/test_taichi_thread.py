"""The thread that kernels run in: calls take turns, and an interrupted one ends without harm to the next."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taichi_gs.kernels.thread import TaichiThread


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, even where a parent in the background has left it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_after(seconds: float) -> threading.Timer:
    """Send Ctrl-C to the main thread, which waits for a call."""
    timer = threading.Timer(seconds, signal.raise_signal, [signal.SIGINT])
    timer.start()
    return timer


def steps(number: int) -> None:
    for _ in range(number):
        time.sleep(0.0002)


def spin(started: threading.Event) -> None:
    started.set()
    while True:
        time.sleep(0.001)


def test_results_errors_and_calls_within_calls() -> None:
    thread = TaichiThread()
    assert thread.call(lambda: thread.call(threading.current_thread).name) == "taichi"
    assert thread.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        thread.call(divmod, 7, 0)
    assert not thread.is_busy


def test_a_process_that_is_traced_goes_on(python: Callable[..., Any]) -> None:
    """Debuggers and coverage trace. In Python 3.11 an error that is taken back from a thread would then hang it."""
    program = """
import threading
from taichi_gs.kernels.thread import TaichiThread
def trace(frame, event, argument):
    return trace
threading.settrace(trace)
thread = TaichiThread()
print([thread.call(divmod, number, 7) for number in (14, 22)])
"""
    done = python("-c", program)
    assert done.stdout == "[(2, 0), (3, 1)]\n"


def test_an_interrupted_call_ends() -> None:
    thread, started = TaichiThread(), threading.Event()
    interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        thread.call(spin, started)
    assert started.is_set()
    assert thread.call(lambda: "next") == "next"


def test_a_call_that_waits_for_its_turn_is_interrupted_at_once() -> None:
    thread, started, calls = TaichiThread(), threading.Event(), []
    end = threading.Event()
    other = threading.Thread(target=lambda: thread.call(lambda: (started.set(), end.wait())))
    other.start()
    started.wait()
    interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        thread.call(calls.append, 1)
    assert thread.is_busy
    end.set()
    other.join()
    assert thread.call(len, calls) == 0


def test_interruptions_at_any_moment_hit_no_other_call() -> None:
    """Calls of about the time after which they are interrupted: before, in, and after their last steps."""
    thread, interrupted = TaichiThread(), 0
    for number in range(300):
        try:
            timer = interrupt_after(0.002)
            thread.call(steps, number % 12)
            timer.join()  # then the interruption has come
        except KeyboardInterrupt:
            interrupted += 1
        assert thread.call(divmod, number, 7) == divmod(number, 7)
    assert interrupted == 300
