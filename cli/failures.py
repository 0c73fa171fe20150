"""What goes wrong, in one sentence on stderr and as an exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from taichi_gs.errors import BitstreamError, OptionError, TgsError
from taichi_gs.files import Path, quoted

EXIT_INTERRUPTED = 130


class Failure(click.ClickException):
    """A failure to be shown as `tgs: error: sentence`; exit status 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence on stderr."""
        click.echo(f"tgs: error: {self.format_message()}", file=file, err=True)


class Shortfall(Failure):
    """A file was written that is not as good as was asked for; exit status 3."""

    exit_code = 3


class OneSentenceGroup(click.Group):
    """A command group that turns the library's errors, a lack of memory and Ctrl-C into one line each."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except OptionError as error:
            raise click.UsageError(str(error), ctx) from error
        except TgsError as error:
            raise Failure(str(error)) from error
        except MemoryError as error:
            raise Failure("there is not enough memory for this picture") from error
        except KeyboardInterrupt:
            click.echo("Interrupted", err=True)
            ctx.exit(EXIT_INTERRUPTED)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the name of the file before what the decoder says of its bytes."""
    try:
        yield
    except BitstreamError as error:
        raise Failure(f"{quoted(path)}: {error}") from error
