"""Commands that look at many files and write none: a failure does not stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from taichi_gs.errors import TgsError

from .console import emit_record
from .failures import EXIT_FAILED, Failure, sentence_of


def look_at_all(
    sources: Sequence[str],
    look: Callable[[str], dict[str, Any]],
    show: Callable[[dict[str, Any]], None],
    *,
    as_json: bool,
) -> None:
    """Print what `look` finds in each file, as an object or by `show`; exit with status 1 if one of them failed."""
    failed = False
    for source in sources:
        try:
            found = look(source)
        except (TgsError, Failure, MemoryError) as error:
            failed = True
            tell_failure(source, error, as_json=as_json)
            continue
        if as_json:
            emit_record(found)
        else:
            show(found)
    if failed:
        click.get_current_context().exit(EXIT_FAILED)


def tell_failure(source: str, error: Exception, *, as_json: bool) -> None:
    """Say what is wrong with a file."""
    if as_json:
        emit_record({"input": source, "error": sentence_of(error)})
    Failure(sentence_of(error)).show()
