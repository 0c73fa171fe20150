"""Files and pipes alike: the path `-` is standard input, or standard output."""

from __future__ import annotations

import sys

from taichi_gs.files import MAX_FILE_BYTES, quoted, read_bytes, write_atomic

from .failures import Failure

PIPE = "-"


def name_of(source: str) -> str:
    """What stands for an input in messages."""
    return "standard input" if source == PIPE else quoted(source)


def read_input(source: str) -> bytes:
    """Read a whole file, or standard input.

    Raises:
        FileError: if the file cannot be read or is too large.
        Failure: if there is too much on standard input.
    """
    if source != PIPE:
        return read_bytes(source)
    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise Failure(f"there are more than {MAX_FILE_BYTES:,} bytes, the limit, on standard input")
    return data


def check_pipe_output() -> None:
    """Refuse to fill a terminal with bytes; raises Failure."""
    if sys.stdout.isatty():
        raise Failure("standard output is a terminal; redirect it, or name a file with -o")


def write_output(target: str, data: bytes, *, overwrite: bool) -> None:
    """Write a whole file, or to standard output; raises FileError."""
    if target != PIPE:
        write_atomic(target, data, overwrite=overwrite)
        return
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
