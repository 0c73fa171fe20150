"""`tgs embed`: a .tgs file as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .console import emit_bytes
from .failures import OneSentenceCommand, naming
from .options import limits_option, path
from .streams import name_of, read_input

if TYPE_CHECKING:
    from taichi_gs.format.limits import Limits


@click.command(cls=OneSentenceCommand)
@click.argument("source", metavar="FILE", type=path)
@click.option(
    "--alt",
    metavar="TEXT",
    default="",
    help="What is to be seen, for people who cannot see it.  [default: none, the picture only decorates]",
)
@click.option("--full", metavar="URL", help="The full picture, which is loaded and shown in place of FILE.")
@click.option("--script", metavar="URL", help="Where the element's script is.  [default: /taichi-gs/element.js]")
@click.option("--no-script", is_flag=True, help="Leave the script out, for a page that has it already.")
@limits_option
def embed(source: str, alt: str, full: str | None, script: str | None, no_script: bool, limits: Limits | None) -> None:
    """Print the HTML of one picture, with the whole .tgs file in it; - is standard input.

    The page needs no request to show FILE. It needs the browser decoder: copy the files of web/src to the folder
    taichi-gs of your site, or say with --script where element.js is.

    \b
    Examples:
      tgs embed preview.tgs --alt "A dog on a beach" --full dog.avif
      tgs embed preview.tgs --script /static/element.js
    """
    if no_script and script is not None:
        raise click.UsageError("--script and --no-script exclude each other.")
    from taichi_gs.integrations import html

    with naming(name_of(source)):
        place = None if no_script else html.DEFAULT_SCRIPT if script is None else script
        text = html.embed(read_input(source), alt=alt, full=full, script=place, limits=limits)
    emit_bytes(f"{text}\n".encode())  # whatever the terminal's encoding: HTML is UTF-8
