"""One file: in this process, with errors as they come."""

from __future__ import annotations

import os
from typing import Any

import click

from .conversion import Conversion
from .failures import Shortfall, sentence_of
from .options import FileOptions
from .outputs import check_output, name_output
from .progress import progress_bar
from .report import keep_record, open_report, print_record, summary
from .streams import PIPE, name_of, read_input, write_output


def convert_single(conversion: Conversion, files: FileOptions, *, announced: bool) -> None:
    """Convert the one file that `files` names; `announced` is whether people want to hear of it.

    Raises:
        Failure, TgsError: if that did not work; Shortfall if it did, but not as well as was asked for.
    """
    (source,) = files.sources
    with open_report(files.report, append=files.skip_existing, overwrite=files.force) as report:
        try:
            record = _convert(conversion, source, files)
        except Exception as error:
            failed = {"input": source, "error": sentence_of(error)}
            keep_record(failed, report)
            if files.as_json:
                print_record(failed)
            raise
        if record is None:
            return
        keep_record(record, report)
    if files.as_json:
        print_record(record)
    if announced and not (files.as_json or files.quiet):
        click.echo(summary(record), err=True)
    if "shortfall" in record:
        raise Shortfall(record["shortfall"])


def _convert(conversion: Conversion, source: str, files: FileOptions) -> dict[str, Any] | None:
    data = read_input(source)
    name = name_of(source)
    convert = conversion.open(data, name)
    target = name_output(source, files.output, conversion.output_suffix)
    if files.skip_existing and target != PIPE and os.path.isfile(target):
        return None
    check_output(source, target, force=files.force)
    with progress_bar(os.path.basename(source), quiet=files.quiet) as progress:
        converted = convert(progress)
    write_output(target, converted.data, overwrite=files.force)
    return converted.record(source, target)
