"""Progress bars on stderr, for people only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from .console import Screen

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from taichi_gs.codec import Progress

SECONDS_OF_ESTIMATE = 600.0
"""The time left follows from the speed of the last so many seconds; a file alone may take a minute."""


def is_watched(*, quiet: bool) -> bool:
    """Whether anybody would see a bar."""
    return not quiet and sys.stderr.isatty()


@contextmanager
def progress_bar(description: str, *, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Yield a callback that moves a bar with the steps and the time left, or None where nobody would see it."""
    if not is_watched(quiet=quiet):
        yield None
        return
    with _bars() as bars:
        task = bars.add_task(description, total=None, steps="")

        def show(state: Progress) -> None:
            _move(bars, task, (state.step, state.num_steps))

        yield show


@contextmanager
def batch_progress(num_files: int, *, quiet: bool) -> Iterator[BatchProgress | None]:
    """Yield bars for many files: one for all of them and one for each in work; None where nobody would see them."""
    if not is_watched(quiet=quiet):
        yield None
        return
    with _bars(speed_estimate_period=SECONDS_OF_ESTIMATE) as bars:
        yield BatchProgress(bars, num_files)


class BatchProgress:
    """Bars for many files, which are told apart by index."""

    def __init__(self, bars: Bars, num_files: int) -> None:
        self._bars = bars
        self._files: dict[int, TaskID] = {}
        self._overall = bars.add_task("all files", total=num_files, steps=f"0/{num_files}")
        self._num_files = num_files
        self._num_finished = 0

    def start(self, index: int, description: str) -> None:
        """Show the bar of a file."""
        self._files[index] = self._bars.add_task(description, total=None, steps="")

    def move(self, index: int, state: tuple[int, int]) -> None:
        """Show step and number of steps."""
        _move(self._bars, self._files[index], state)

    def finish(self, index: int) -> None:
        """Remove the bar of a file and move that of all."""
        self._bars.remove_task(self._files.pop(index))
        self._num_finished += 1
        _move(self._bars, self._overall, (self._num_finished, self._num_files))


def _bars(**options: Any) -> Bars:
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.TextColumn("{task.fields[steps]}"),
        bars.TimeRemainingColumn(),
    )
    return bars.Progress(*columns, console=Console(file=cast(IO[str], Screen())), transient=True, **options)


def _move(bars: Bars, task: TaskID, state: tuple[int, int]) -> None:
    """Show how far a task is; without the PSNR, which is of ever larger pictures, and falls as a fit gets better."""
    step, num_steps = state
    bars.update(task, completed=step, total=num_steps, steps=f"{step}/{num_steps}")
