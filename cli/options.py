"""Options that several commands share."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import click

from taichi_gs.encoder.choices import Device

from .streams import PIPE

if TYPE_CHECKING:
    from taichi_gs.format.limits import Limits

device_option = click.option(
    "--device",
    type=click.Choice(get_args(Device)),
    default="auto",
    show_default=True,
    help="Where to compute.",
)

LIMIT_NAMES = ("pixels", "side", "gaussians", "codewords", "chunk_bytes", "pairs")
"""The fields of `taichi_gs.Limits`, without the max_ that they begin with."""


def _parse_limits(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> Limits | None:
    """The limits, of which some are NAME=NUMBER; None if all are the default ones."""
    chosen = {}
    for value in values:
        match = re.fullmatch(f"({'|'.join(LIMIT_NAMES)})=([0-9]{{1,18}})", value)
        if match is None:
            names = ", ".join(LIMIT_NAMES)
            raise click.BadParameter(f"{value!r} is not NAME=NUMBER with one of the names {names}.", ctx, param)
        chosen[f"max_{match[1]}"] = int(match[2])
    if not chosen:
        return None
    from taichi_gs.format.limits import Limits

    return Limits(**chosen)


limits_option = click.option(
    "--limit",
    "limits",
    metavar="NAME=NUMBER",
    multiple=True,
    callback=_parse_limits,
    help=f"Refuse files that ask for more. NAME: {', '.join(LIMIT_NAMES)}. May be repeated.",
)


class WholeNumber(click.IntRange):
    """A whole number between limits, called so where something else is given."""

    name = "whole number"

    def get_metavar(self, *_: Any, **__: Any) -> str:
        """Return what stands for it in help."""
        return "N"


class Number(click.FloatRange):
    """A number between limits, likewise."""

    name = "number"

    def get_metavar(self, *_: Any, **__: Any) -> str:
        """Return what stands for it in help."""
        return "X"


path = click.Path(readable=False)
"""Anything, which is looked at when it is read; completion offers files for it."""


@dataclass(frozen=True)
class FileOptions:
    """What to read and where to write, in the words of the command line."""

    sources: tuple[str, ...]
    output: str | None
    output_dir: str | None
    recursive: bool
    files_from: str | None
    shard: tuple[int, int] | None
    jobs: int | None
    force: bool
    skip_existing: bool
    as_json: bool
    report: str | None
    dry_run: bool
    quiet: bool
    keep_suffix: bool = False

    @property
    def is_single(self) -> bool:
        """Whether one file was named, and nothing that could stand for several."""
        several = self.recursive or any((self.output_dir, self.files_from, self.shard))
        return len(self.sources) == 1 and not several and not os.path.isdir(self.sources[0])

    def resolved(self) -> FileOptions:
        """The same with an OUT that is a folder as what it is."""
        if self.output in (None, "", PIPE) or not (self.output.endswith(("/", os.sep)) or os.path.isdir(self.output)):
            return self
        if self.output_dir is not None:
            raise click.UsageError("-o and --output-dir both name a folder; give one of them.")
        return replace(self, output=None, output_dir=self.output)

    def check(self) -> None:
        """Refuse combinations that make no sense; raises click.UsageError."""
        if not self.sources and self.files_from is None:
            raise click.UsageError("Missing argument 'INPUT...'.")
        for option in ("output", "output_dir", "files_from", "report"):
            if getattr(self, option) == "":
                raise click.UsageError(f"--{option.replace('_', '-')} is empty; it needs a name.")
        if self.force and self.skip_existing:
            raise click.UsageError("--force and --skip-existing exclude each other.")
        if self.output is not None and self.output_dir is not None:
            raise click.UsageError("-o and --output-dir exclude each other.")
        if self.output is not None and not self.is_single:
            if self.output == PIPE:
                raise click.UsageError("Standard output takes one file; several need a folder.")
            raise click.UsageError(f"-o {self.output} names one file; several need a folder, as in -o {self.output}/")
        if PIPE in self.sources and not self.is_single:
            raise click.UsageError("Standard input is one picture without a name; give it alone, and a file with -o.")
        if self.as_json and (self.output == PIPE or (self.output is None and self.sources == (PIPE,))):
            raise click.UsageError("--json and the output would both go to standard output; name a file with -o.")


def _parse_shard(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Part i of n, written i/n, as (i, n)."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", value)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise click.BadParameter(f"{value!r} is not a part of a whole, such as 1/4, 2/4, 3/4 or 4/4.", ctx, param)
    return int(match[1]), int(match[2])


_DECORATORS = (
    click.argument("sources", metavar="INPUT...", nargs=-1, type=path),
    click.option(
        "-o",
        "--output",
        metavar="OUT",
        type=path,
        help="Write this file, or into this folder, which exists or has / at its end. - is standard output.",
    ),
    click.option(
        "--output-dir", metavar="DIR", type=path, help="Write into this folder.  [default: beside each INPUT]"
    ),
    click.option("-r", "--recursive", is_flag=True, help="Take the files in folders, at any depth."),
    click.option(
        "--files-from", metavar="LIST", type=path, help="Read paths from a file, one on each line; - is standard input."
    ),
    click.option("--shard", metavar="I/N", callback=_parse_shard, help="Do only part I of N, for job arrays."),
    click.option(
        "-j",
        "--jobs",
        type=WholeNumber(min=1),
        help="Work on N files at a time.  [default: one for each GPU, or else for each core]",
    ),
    click.option("--force", is_flag=True, help="Overwrite files that exist."),
    click.option("--skip-existing", is_flag=True, help="Skip inputs whose outputs exist, to continue an earlier run."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each file, as it finishes."),
    click.option("--report", metavar="FILE", type=path, help="Write the JSON objects to this file."),
    click.option("--dry-run", is_flag=True, help="List what would be done, and write nothing."),
    click.option("-q", "--quiet", is_flag=True, help="Show only failures and warnings."),
)


def file_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of FileOptions, which it gets as one argument `files`."""

    @functools.wraps(command)
    def packed(**arguments: Any) -> None:
        given = FileOptions.__dataclass_fields__.keys() & arguments.keys()
        files = FileOptions(**{name: arguments.pop(name) for name in given}).resolved()
        files.check()
        command(files=files, **arguments)

    for decorate in reversed(_DECORATORS):
        packed = decorate(packed)
    return packed
