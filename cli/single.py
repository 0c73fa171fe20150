"""One file: in this process, with errors as they come."""

from __future__ import annotations

import os
from typing import Any

from .console import emit_record, say
from .conversion import Conversion
from .failures import Failure, Shortfall, sentence_of
from .options import FileOptions
from .outputs import check_output, name_output
from .plan import Item, Names
from .progress import progress_bar
from .records import check_report, open_report
from .report import print_plan, shown, summary
from .streams import PIPE, name_of, read_input, write_output


def convert_single(conversion: Conversion, files: FileOptions) -> None:
    """Convert the one file that `files` names.

    Raises:
        Failure, TgsError: if that did not work; Shortfall if it did, but not as well as was asked for.
    """
    (source,) = files.sources
    target = name_output(source, files.output, Names(conversion.output_suffix, keep=files.keep_suffix))
    check_report(files.report, [each for each in (source, target) if each != PIPE])
    if files.skip_existing and target != PIPE and os.path.isfile(target):
        if not (files.as_json or files.quiet):
            say(f"nothing to do: {shown(target)} exists")
        return
    if files.dry_run:
        check_output(source, target, force=files.force)
        print_plan([Item(target, source)], as_json=files.as_json)
        return
    with open_report(files.report, append=files.skip_existing, overwrite=files.force) as report:
        try:
            record = _convert(conversion, source, target, files)
        except Exception as error:
            failed = {"input": source, "error": sentence_of(error)}
            report.write(failed)
            report.is_complete = True
            if files.as_json:
                emit_record(failed)
            raise
        report.write(record)
        report.is_complete = True
    if target != PIPE and not (files.as_json or files.quiet):
        say(summary(record))
    if files.as_json:
        emit_record(record)
    if report.trouble is not None:
        raise Failure(report.trouble)
    if "shortfall" in record:
        raise Shortfall(record["shortfall"])


def _convert(conversion: Conversion, source: str, target: str, files: FileOptions) -> dict[str, Any]:
    """Convert a file and return its record."""
    data = read_input(source)
    convert = conversion.open(data, name_of(source))
    check_output(source, target, force=files.force)
    if not files.quiet and (forecast := conversion.forecast(data)) is not None:
        say(forecast)
    with progress_bar(os.path.basename(source), quiet=files.quiet) as progress:
        converted = convert(progress)
    write_output(target, converted.data, overwrite=files.force)
    return converted.record(source, target)
