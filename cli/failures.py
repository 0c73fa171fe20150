"""What goes wrong, in one sentence on stderr and as an exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from taichi_gs.errors import BitstreamError, OptionError, TgsError

from .signals import Terminated

EXIT_FAILED = 1
EXIT_SHORTFALL = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Failure(click.ClickException):
    """A failure to be shown as `tgs: error: sentence`; exit status 1."""

    exit_code = EXIT_FAILED

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence on stderr."""
        click.echo(f"tgs: error: {self.format_message()}", file=file, err=True)


class Shortfall(Failure):
    """A file was written that is not as good as was asked for; exit status 3."""

    exit_code = EXIT_SHORTFALL


class OneSentenceGroup(click.Group):
    """A command group that turns the library's errors, a lack of memory and Ctrl-C into one line each."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except OptionError as error:
            raise click.UsageError(str(error), ctx) from error
        except (TgsError, MemoryError) as error:
            raise Failure(sentence_of(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        except Terminated:
            click.echo("Terminated", err=True)
            ctx.exit(EXIT_TERMINATED)


def sentence_of(error: Exception) -> str:
    """Say in one line what went wrong; errors that nobody raised on purpose have their type's name before."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, TgsError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory for this picture"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put what stands for the file before what the decoder says of its bytes."""
    try:
        yield
    except BitstreamError as error:
        raise Failure(f"{name}: {error}") from error
