"""Files and pipes alike: the path `-` is standard input, or standard output."""

from __future__ import annotations

import sys
import time

from taichi_gs.files import MAX_FILE_BYTES, quoted, read_bytes, write_atomic

from .console import emit_bytes, reason_of
from .failures import Failure

PIPE = "-"

PIECE_BYTES = 1 << 20

SECONDS_BETWEEN_LOOKS = 0.02


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
    pieces: list[bytes] = []
    num_bytes = 0
    while piece := _read_piece():
        pieces.append(piece)
        num_bytes += len(piece)
        if num_bytes > MAX_FILE_BYTES:
            raise Failure(f"there are more than {MAX_FILE_BYTES:,} bytes, the limit, on standard input")
    return b"".join(pieces)


def _read_piece() -> bytes:
    """What comes next on standard input, which may be little; nothing at its end."""
    try:
        while (piece := sys.stdin.buffer.read(PIECE_BYTES)) is None:
            time.sleep(SECONDS_BETWEEN_LOOKS)  # it does not block, and there is nothing yet
    except OSError as error:
        raise Failure(f"cannot read standard input: {reason_of(error)}") from error
    return piece


def check_pipe_output() -> None:
    """Refuse to fill a terminal with bytes; raises Failure."""
    if sys.stdout.isatty():
        raise Failure("standard output is a terminal; redirect it, or name a file with -o")


def write_output(target: str, data: bytes, *, overwrite: bool) -> None:
    """Write a whole file, or to standard output; raises FileError."""
    if target != PIPE:
        write_atomic(target, data, overwrite=overwrite)
        return
    emit_bytes(data)
