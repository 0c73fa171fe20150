"""A progress bar on stderr, for people only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taichi_gs.codec import Progress


@contextmanager
def progress_bar(description: str, *, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Yield a callback that moves a bar with step, PSNR and time left, or None where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[psnr]}"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=None, psnr="")

        def show(state: Progress) -> None:
            psnr = "" if state.psnr is None else f"{state.psnr:.2f} dB"
            bar.update(task, completed=state.step, total=state.num_steps, psnr=psnr)

        yield show
