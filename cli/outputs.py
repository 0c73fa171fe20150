"""Where a command writes: default names, and refusals before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

from taichi_gs.files import check_target, quoted

from .failures import Failure


def choose_output(source: str, output: str | None, suffix: str, *, force: bool) -> str:
    """Return the path to write to: `output`, or the input's name with another suffix.

    Raises:
        Failure: if that is the input itself, or exists and `force` is false.
        FileError: if it cannot be written.
    """
    target = str(Path(source).with_suffix(suffix)) if output is None else output
    if os.path.exists(target) and os.path.samefile(source, target):
        raise Failure(f"the output {quoted(target)} is the input itself; choose another with -o")
    if os.path.isfile(target) and not force:
        raise Failure(f"{quoted(target)} already exists; use --force to overwrite it")
    check_target(target, overwrite=force)
    return target
