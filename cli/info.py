"""`tgs info`: what is in a .tgs file."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from .failures import naming
from .options import limits_option, path
from .streams import name_of, read_input

if TYPE_CHECKING:
    from taichi_gs.format.limits import Limits


@click.command()
@click.argument("source", metavar="FILE", type=path)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@limits_option
def info(source: str, as_json: bool, limits: Limits | None) -> None:
    """Show what the .tgs file FILE holds, without decoding it; - is standard input.

    \b
    Example:
      tgs info photo.tgs --json
    """
    from taichi_gs.decoder.decode import TgsFile

    with naming(name_of(source)):
        contents = {"input": source, **dataclasses.asdict(TgsFile(read_input(source), limits).info)}
    if as_json:
        click.echo(json.dumps(contents))
        return
    column = max(map(len, contents)) + 2
    for name, value in contents.items():
        click.echo(f"{name.replace('_', ' ') + ':':{column}}{_readable(value)}")


def _readable(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
