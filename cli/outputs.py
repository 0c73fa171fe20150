"""Where a command writes: default names, and refusals before any work is done."""

from __future__ import annotations

import os
from collections.abc import Sequence

from taichi_gs.files import check_target, quoted
from taichi_gs.pictures.suffixes import READ_SUFFIXES

from .failures import Failure
from .plan import TGS_SUFFIX, Item, Names
from .streams import PIPE, check_pipe_output


def name_output(source: str, output: str | None, names: Names) -> str:
    """Return the path to write to: `output`, or the input's name with another suffix, or `-` if the input is that.

    Raises:
        Failure: if `output` has the suffix of another kind of file.
    """
    if output is None:
        return PIPE if source == PIPE else names.target(source)
    suffix = os.path.splitext(output)[1].lower()
    if names.suffix == TGS_SUFFIX and suffix in READ_SUFFIXES:
        raise Failure(f"{quoted(output)} is the name of a picture, and compress writes .tgs files; choose another")
    if names.suffix != TGS_SUFFIX and suffix == TGS_SUFFIX:
        raise Failure(f"{quoted(output)} is the name of a .tgs file, and decompress writes pictures; choose another")
    return output


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


def unwritable_folders(items: Sequence[Item]) -> dict[str, str]:
    """Return the folders of outputs that cannot be written into or made, and why, in one sentence each."""
    found = {}
    for folder in {os.path.dirname(item.target) for item in items}:
        nearest = os.path.abspath(folder)
        while not os.path.lexists(nearest):
            nearest = os.path.dirname(nearest)
        if not os.path.isdir(nearest):
            found[folder] = f"cannot make the folder {quoted(folder)}: {quoted(nearest)} is not a directory"
        elif not os.access(nearest, os.W_OK | os.X_OK):
            found[folder] = f"cannot write into the folder {quoted(nearest)}: it is not writable"
    return found


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
