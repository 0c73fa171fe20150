"""Where a command writes: default names, and refusals before any work is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from taichi_gs.files import check_target, quoted

from .failures import Failure
from .plan import Item
from .streams import PIPE, check_pipe_output


def name_output(source: str, output: str | None, suffix: str) -> str:
    """Return the path to write to: `output`, or the input's name with another suffix, or `-` if the input is that."""
    if output is not None:
        return output
    return PIPE if source == PIPE else str(Path(source).with_suffix(suffix))


def check_output(source: str, target: str, *, force: bool) -> None:
    """Refuse what should not, or cannot, be written.

    Raises:
        Failure: if that is the input itself, or exists and `force` is false, or is a terminal.
        FileError: if it cannot be written.
    """
    if target == PIPE:
        check_pipe_output()
        return
    check_not_input(source, target)
    if os.path.isfile(target) and not force:
        raise Failure(f"{quoted(target)} already exists; use --force to overwrite it")
    check_target(target, overwrite=force)


def check_not_input(source: str, target: str) -> None:
    """Refuse to replace the input by the output; raises Failure."""
    if os.path.exists(target) and os.path.exists(source) and os.path.samefile(source, target):
        raise Failure(f"the output {quoted(target)} is the input itself; choose another with -o or --output-dir")


def select_missing(items: Sequence[Item], *, force: bool, skip_existing: bool) -> list[Item]:
    """Return the items to work on: all, or with `skip_existing` those whose output does not exist.

    Raises:
        Failure: if outputs exist and neither is true, or if one is an input.
        FileError: if an output exists that cannot be overwritten.
    """
    existing = {item for item in items if os.path.lexists(item.target)}
    if existing and not (force or skip_existing):
        number = (
            f"{len(existing)} outputs exist already, such as" if len(existing) > 1 else "the output exists already:"
        )
        example = quoted(min(existing).target)
        raise Failure(f"{number} {example}; use --skip-existing to leave them, or --force to overwrite them")
    for item in existing:
        check_not_input(item.source, item.target)
        check_target(item.target, overwrite=True)
    return [item for item in items if not (skip_existing and item in existing)]
