"""What goes wrong, in one sentence on stderr and as an exit status."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NoReturn

import click

from taichi_gs.errors import BitstreamError, OptionError, TgsError

from .console import reason_of, refused, say, silence
from .signals import Terminated

EXIT_FAILED = 1
EXIT_SHORTFALL = 3
EXIT_INTERRUPTED = 130


OPTIONS = {"num_bytes": "--bytes", "bits_per_pixel": "--bpp"} | {
    name: f"--{name.replace('_', '-')}"
    for name in """
        amplitude_bits color_bits color_k covariance_bits covariance_k first_frame keep_metadata num_gaussians
        position_bits
    """.split()
}
"""What the library's options are called here, if their names are no words of everyday language."""

PLAIN_OPTIONS = tuple("alt full k loss psnr quality region restarts scale script seed size steps tune".split())
"""Options that are such words: they are meant as options where a sentence is on what these must be."""


class Failure(click.ClickException):
    """A failure to be shown as `tgs: error: sentence`; exit status 1."""

    exit_code = EXIT_FAILED

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence on stderr."""
        say(f"tgs: error: {self.format_message()}")


class Shortfall(Failure):
    """A file was written that is not as good as was asked for; exit status 3."""

    exit_code = EXIT_SHORTFALL


class OneSentenceCommand(click.Command):
    """A command that takes options which the library refuses for wrong usage of its own, not of the group."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except OptionError as error:
            raise click.UsageError(sentence_of(error), ctx) from error


class OneSentenceGroup(click.Group):
    """A command group that turns the library's errors, signals, and what the system refuses into one line each."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run and exit; whatever happens to standard output and standard error, the status is right."""
        options["standalone_mode"] = False
        try:
            sys.exit(super().main(*arguments, **options) or 0)
        except click.ClickException as error:
            _end(error)
        except click.Abort:
            say("Interrupted")
            sys.exit(EXIT_INTERRUPTED)
        except OSError as error:
            _end(_failure_of(error))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (TgsError, MemoryError) as error:
            raise Failure(sentence_of(error)) from error
        except KeyboardInterrupt:
            say("Interrupted")
            ctx.exit(EXIT_INTERRUPTED)
        except Terminated as signal:
            say(signal.word)
            ctx.exit(signal.exit_code)


def _end(error: click.ClickException) -> NoReturn:
    try:
        error.show()
    except OSError:
        silence(sys.stderr)
    sys.exit(error.exit_code)


def _failure_of(error: OSError) -> Failure:
    """What the system has refused outside of reading and writing files, which have errors of their own."""
    try:
        os.getcwd()
    except OSError:
        return Failure("the folder in which tgs was started does not exist any more")
    if error.filename is not None:
        return Failure(f"cannot use {os.fsdecode(error.filename)!r}: {reason_of(error)}")
    return Failure(str(refused(error)))


def sentence_of(error: Exception) -> str:
    """Say in one line what went wrong; errors that nobody raised on purpose have their type's name before."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, TgsError):
        return in_words_of_the_command(str(error))
    if isinstance(error, MemoryError):
        return "there is not enough memory for this picture"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def in_words_of_the_command(sentence: str) -> str:
    """A sentence of the library's with its options called as here; names of files, in quotes, stay as they are."""
    sentence = sentence.replace("ask for first_frame", "add first_frame")
    options = dict(OPTIONS)
    if " exclude each other" in sentence or re.match(rf"({'|'.join(PLAIN_OPTIONS)}) must be ", sentence):
        options |= {name: f"--{name}" for name in PLAIN_OPTIONS}
    quotes = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|"""
    return re.sub(rf"{quotes}\b({'|'.join(options)})\b", lambda found: options.get(found[0], found[0]), sentence)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put what stands for the file before what the decoder says of its bytes."""
    try:
        yield
    except BitstreamError as error:
        raise Failure(in_words_of_the_command(f"{name}: {error}")) from error
