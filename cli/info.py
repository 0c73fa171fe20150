"""`tgs info`: what is in a .tgs file."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from .console import emit
from .failures import OneSentenceCommand, naming
from .looking import look_at_all
from .options import limits_option, path
from .report import shown
from .streams import name_of, read_input

if TYPE_CHECKING:
    from taichi_gs.format.limits import Limits


@click.command(cls=OneSentenceCommand)
@click.argument("sources", metavar="FILE...", nargs=-1, required=True, type=path)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each file.")
@limits_option
def info(sources: tuple[str, ...], as_json: bool, limits: Limits | None) -> None:
    """Show what .tgs files hold, without decoding them; - is standard input.

    A bad file does not stop the others. Then the exit status is 1, and with --json there is an object with `error`.

    \b
    Examples:
      tgs info photo.tgs
      tgs info small/*.tgs --json
    """
    from taichi_gs.decoder.decode import TgsFile

    def look(source: str) -> dict[str, Any]:
        with naming(name_of(source)):
            return {"input": source, **dataclasses.asdict(TgsFile(read_input(source), limits).info)}

    def show(contents: dict[str, Any]) -> None:
        column = max(map(len, contents)) + 2
        contents = contents | {"input": shown(contents["input"])}
        lines = [f"{name.replace('_', ' ') + ':':{column}}{_readable(value)}" for name, value in contents.items()]
        emit("\n".join(lines if len(sources) == 1 else [*lines, ""]))

    look_at_all(sources, look, show, as_json=as_json)


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
