"""A thread of its own for Taichi, which everything that launches kernels runs in.

Taichi compiles a kernel when it is first launched, and fails if two threads do that at once. It also makes the thread
that launches kernels round denormal numbers to zero. In here neither concerns the threads of the caller.
"""

import ctypes
import os
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class _Cancelled(BaseException):
    """Ends a call in the thread whose caller was interrupted."""


class _Call:
    """A function to run, and what became of it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_done = threading.Event()


class TaichiThread:
    """Runs one call after another, in the order in which they came, whichever thread they came from."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._current: _Call | None = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="taichi", daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether a call is running."""
        return self._current is not None

    def call(self, function: Callable[..., _Result], /, *arguments: Any, **options: Any) -> _Result:
        """Run a function in the thread, and return what it returns or raise what it raises.

        If the waiting thread is interrupted, by Ctrl-C for instance, a call that is running ends first, as soon as it
        can, and one that waits for its turn never begins.
        """
        if threading.current_thread() is self._thread:
            return function(*arguments, **options)
        call = _Call(lambda: function(*arguments, **options))
        self._calls.put(call)
        try:
            # With a timeout, because without one some systems put off Ctrl-C until the end.
            while not call.is_done.wait(0.2):
                pass
        except BaseException:
            self._cancel(call)
            raise
        if call.error is not None:
            raise call.error
        result: _Result = call.result
        return result

    def _cancel(self, call: _Call) -> None:
        """End a call that is running, and wait until it has; let one that waits for its turn do nothing."""
        with self._guard:
            call.function = _nothing
            is_running = self._current is call
            if is_running:
                thread = ctypes.c_ulong(self._thread.ident or 0)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_Cancelled))
        if is_running:
            call.is_done.wait()

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            # A call is cancelled once at most, and only until `_finish` has said that none is running. Python raises
            # the error when the next function begins. That is `is_done.set` at the latest, so no other call is hit.
            try:
                self._run_call(call)
                self._finish(call)
            except _Cancelled:
                self._finish(call)

    def _run_call(self, call: _Call) -> None:
        with self._guard:
            self._current = call
        try:
            call.result = call.function()
        except _Cancelled:
            raise
        except BaseException as error:
            call.error = error

    def _finish(self, call: _Call) -> None:
        """Let nobody cancel the call any more, and wake its caller."""
        with self._guard:
            self._current = None
        call.is_done.set()


def _nothing() -> None:
    """What is left of a call that was interrupted before it began."""


_thread: TaichiThread | None = None
_lock = threading.Lock()
_forked_while_busy = False


def taichi_thread() -> TaichiThread:
    """Return the thread of this process."""
    global _thread
    with _lock:
        if _thread is None:
            _thread = TaichiThread()
        return _thread


def was_forked_while_busy() -> bool:
    """Whether this process is the child of one whose kernels were running: what they held will never be released."""
    return _forked_while_busy


def _forget_in_child() -> None:
    global _thread, _lock, _forked_while_busy
    _forked_while_busy = _forked_while_busy or (_thread is not None and _thread.is_busy)
    _thread, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
