"""Standard output for results, standard error for everything else. Either may be closed, or on a full disk."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Any

import click

from taichi_gs.errors import FileError


def replace_closed_streams() -> None:
    """Open something in the place of standard streams that are closed, so that no other file gets their numbers.

    What stands for standard input and output refuses to be used, as it should; standard error takes all and keeps none.
    """
    for name, mode, flags in (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def allow_names_of_any_bytes() -> None:
    """Let standard output print names of files that its encoding does not have: as the bytes they are, or escaped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape" if os.name == "posix" else "backslashreplace")


def emit(text: str) -> None:
    """Print a result on standard output.

    Raises:
        FileError: if that is not possible; BrokenPipeError if nobody reads it any more.
    """
    try:
        click.echo(text)
    except OSError as error:
        raise refused(error) from error


def emit_record(record: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output; errors as in `emit`."""
    emit(json.dumps(record, allow_nan=False))


def emit_bytes(data: bytes) -> None:
    """Write bytes to standard output; errors as in `emit`."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise refused(error) from error


def say(text: str) -> None:
    """Print a line for people on standard error; where it cannot be printed, nobody can be told."""
    try:
        click.echo(text, err=True)
    except OSError:
        silence(sys.stderr)


class Screen:
    """Standard error for what draws on it, and should not notice when the terminal is closed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    def write(self, text: str) -> int:
        """Draw."""
        with self._undisturbed():
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Show what was drawn."""
        with self._undisturbed():
            sys.stderr.flush()

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            silence(sys.stderr)


def refused(error: OSError) -> FileError | OSError:
    """What to raise for an error of standard output, which is not used from now on."""
    if isinstance(error, BrokenPipeError):
        return error
    silence(sys.stdout)
    return FileError(f"cannot write to standard output: {reason_of(error)}")


@contextlib.contextmanager
def stdout_silenced() -> Iterator[None]:
    """Let programs that are started in the block say nothing on standard output, which has results alone.

    A terminal is left to them: some browsers draw on it.
    """
    if sys.stdout.isatty():
        yield
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    before = os.dup(1)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)


def silence(stream: IO[Any]) -> None:
    """Let a stream lead nowhere: Python flushes it at its end, and would complain again."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def reason_of(error: OSError) -> str:
    """The end of a sentence: what the system says."""
    if error.errno == errno.EBADF:
        return "it is closed"
    message = error.strerror or str(error) or type(error).__name__
    return message[0].lower() + message[1:]
