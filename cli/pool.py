"""Worker processes: each has one file at a time, and one that dies takes only that file with it.

The executors of the standard library give up all work when one process is killed, by the system for want of memory for
instance. Workers compute and the parent writes, so that a worker can be ended at any moment and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Literal

from .console import reason_of
from .failures import Failure, sentence_of
from .signals import ignore_interrupts, interrupts_not_inherited

if TYPE_CHECKING:
    from taichi_gs.codec import Progress

Work = Callable[[str, "Callable[[Progress], None] | None"], Any]
"""What is done with a file: takes its path and a callback for progress, can be pickled."""

SECONDS_BETWEEN_PROGRESS = 0.1


@dataclass(frozen=True)
class Event:
    """Something happened to the file `sources[index]`.

    Attributes:
        index: which file.
        kind: "started"; "progress" with a value (step, num_steps); "done" with what the work returned; "failed"
            with a sentence.
        value: see above.
    """

    index: int
    kind: Literal["started", "progress", "done", "failed"]
    value: Any = None


def run_here(work: Work, sources: Sequence[str], show: Callable[[Event], None]) -> Generator[Event, None, None]:
    """Do the work in this process; events of progress go to `show`."""
    for index, source in enumerate(sources):
        yield Event(index, "started")

        def report(state: Progress, index: int = index) -> None:
            show(Event(index, "progress", (state.step, state.num_steps)))

        try:
            result = work(source, report)
        except Exception as error:
            yield Event(index, "failed", sentence_of(error))
        else:
            yield Event(index, "done", result)


def run_in_processes(
    work: Work, sources: Sequence[str], environments: Sequence[Mapping[str, str]]
) -> Generator[Event, None, None]:
    """Do the work in spawned processes, one for each of `environments`, which has variables to set in it.

    Closing the generator, or an exception in it, ends the processes at once.
    """
    pool = _Pool(work)
    waiting = deque(range(len(sources)))
    try:
        for environment in environments[: len(sources)]:
            index = waiting.popleft()
            pool.start(environment).give(index, sources[index])
            yield Event(index, "started")
        while pool.busy:
            for worker in pool.ready():
                event = worker.receive()
                yield event
                if event.kind == "progress":
                    continue
                if not worker.is_alive:
                    pool.remove(worker)
                    if waiting:
                        worker = pool.start(worker.environment)
                if waiting:
                    index = waiting.popleft()
                    worker.give(index, sources[index])
                    yield Event(index, "started")
                elif worker.is_alive:
                    pool.dismiss(worker)
        pool.join()
    finally:
        pool.kill()


class _Worker:
    """The parent's end of a process."""

    def __init__(self, process: BaseProcess, connection: Connection, environment: Mapping[str, str]) -> None:
        self.process = process
        self.connection = connection
        self.environment = environment
        self.is_alive = True
        self._index = -1

    def give(self, index: int, source: str) -> None:
        self._index = index
        with contextlib.suppress(OSError):  # if it died meanwhile, receive() says so
            self.connection.send(source)

    def receive(self) -> Event:
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            self.is_alive = False
            self.process.join()
            code = self.process.exitcode or 0
            how = f"signal {-code}" if code < 0 else f"status {code}"
            return Event(self._index, "failed", f"the process that worked on it ended with {how}")
        return Event(self._index, kind, value)


class _Pool:
    """Processes at work, and those that were told to end."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._context = multiprocessing.get_context("spawn")
        self._busy: dict[Connection, _Worker] = {}
        self._all: list[_Worker] = []

    @property
    def busy(self) -> bool:
        return bool(self._busy)

    def start(self, environment: Mapping[str, str]) -> _Worker:
        try:
            connection, theirs = self._context.Pipe()
            process = self._context.Process(target=_serve, args=(theirs, self._work, dict(environment)), daemon=True)
            with interrupts_not_inherited():
                process.start()
            theirs.close()
        except OSError as error:
            raise Failure(f"cannot start a process to work in: {reason_of(error)}; try a smaller --jobs") from error
        worker = _Worker(process, connection, environment)
        self._busy[connection] = worker
        self._all.append(worker)
        return worker

    def ready(self) -> list[_Worker]:
        connections = wait(list(self._busy))
        return [worker for worker in self._busy.values() if worker.connection in connections]

    def remove(self, worker: _Worker) -> None:
        del self._busy[worker.connection]
        worker.connection.close()

    def dismiss(self, worker: _Worker) -> None:
        with contextlib.suppress(OSError):
            worker.connection.send(None)
        self.remove(worker)

    def join(self) -> None:
        for worker in self._all:
            worker.process.join()

    def kill(self) -> None:
        for worker in self._all:
            worker.process.kill()
        self.join()


def _serve(connection: Connection, work: Work, environment: Mapping[str, str]) -> None:
    """The process itself: work on what comes until None comes, or until the parent is gone."""
    ignore_interrupts()
    os.environ.update(environment)  # before anything is imported that reads it

    last = time.monotonic()

    def report(state: Progress) -> None:
        nonlocal last
        if time.monotonic() >= last + SECONDS_BETWEEN_PROGRESS:
            last = time.monotonic()
            # Where the parent was killed this raises, and nobody goes on with what nobody will read.
            _send(connection, "progress", (state.step, state.num_steps))

    with contextlib.suppress(EOFError, OSError, _ParentGone):
        while (source := connection.recv()) is not None:
            try:
                result = work(source, report)
            except Exception as error:
                _send(connection, "failed", sentence_of(error))
            else:
                _send(connection, "done", result)


class _ParentGone(BaseException):
    """The pipe to the parent is broken; not an Exception, because it is no fault of the file's."""


def _send(connection: Connection, kind: str, value: Any) -> None:
    try:
        connection.send((kind, value))
    except OSError as error:
        raise _ParentGone from error
