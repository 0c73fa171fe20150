"""Many files: the plan, the processes, the outputs and the report brought together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Sequence
from typing import Any

import click

from taichi_gs.encoder.choices import Device
from taichi_gs.files import make_folder, write_atomic

from .console import say
from .conversion import Conversion, Converted, FileConversion
from .failures import EXIT_FAILED, EXIT_SHORTFALL, Failure, sentence_of
from .machine import worker_environments
from .options import FileOptions
from .outputs import select_missing, unwritable_folders
from .plan import Input, Item, Names, argument, list_entry, make_plan, take_shard
from .pool import Event, run_here, run_in_processes
from .progress import batch_progress
from .records import check_report, open_report
from .report import Report, Scope, print_plan
from .signals import Terminated, undisturbed
from .streams import PIPE, name_of, read_input


def convert_batch(conversion: Conversion, files: FileOptions, device: Device) -> None:
    """Convert all that `files` asks for, and exit with the status that follows.

    One bad file does not stop the rest. When this is interrupted, the outputs that exist are whole, the report is
    finished, and the exception goes on.

    Raises:
        Failure: if nothing was done, because what is asked for makes no sense.
    """
    names = Names(conversion.output_suffix, files.output_dir, files.keep_suffix)
    plan = make_plan(_inputs(files), names, recursive=files.recursive, suffixes=conversion.input_suffixes)
    if not (plan.items or plan.unreadable):
        others = f"; files of other types: {plan.num_others:,}" if plan.num_others else ""
        suffixes = ", ".join(sorted(conversion.input_suffixes))
        raise Failure(f"there is nothing to do: no {suffixes} file was found{others}")
    part = plan.items if files.shard is None else take_shard(plan.items, files.shard)
    items = select_missing(part, force=files.force, skip_existing=files.skip_existing)
    lists = [] if files.files_from in (None, PIPE) else [files.files_from]
    check_report(files.report, [*lists, *(path for item in part for path in (item.source, item.target))])
    scope = Scope(len(items), len(part) - len(items), plan.num_others, len(plan.unreadable))
    if files.dry_run:
        print_plan(items, as_json=files.as_json)
        if not (files.quiet or files.as_json):
            say(scope.sentence())
        for sentence in plan.unreadable.values():
            Failure(sentence).show()
        click.get_current_context().exit(EXIT_FAILED if plan.unreadable else 0)
    unwritable = unwritable_folders(items)
    with open_report(files.report, append=files.skip_existing, overwrite=files.force) as file:
        report = Report(scope, file, as_json=files.as_json, quiet=files.quiet)
        try:
            for folder, sentence in plan.unreadable.items():
                report.add_folder({"input": folder, "error": sentence})
            for item in items:  # before any of them is worked on
                if (folder := os.path.dirname(item.target)) in unwritable:
                    report.add({"input": item.source, "error": unwritable[folder]})
            writable = [item for item in items if os.path.dirname(item.target) not in unwritable]
            _convert_items(conversion, writable, files, device, report)
        except (KeyboardInterrupt, Terminated, Failure):
            report.finish()
            if not files.force:
                say("Run the same command with --skip-existing to go on from here.")
            raise
        report.finish()
    troubles = [trouble for trouble in (report.trouble, file.trouble) if trouble is not None]
    for trouble in troubles:
        Failure(trouble).show()
    has_failed = report.failures or report.unreadable or troubles
    status = EXIT_FAILED if has_failed else EXIT_SHORTFALL if report.shortfalls else 0
    click.get_current_context().exit(status)


def _inputs(files: FileOptions) -> list[Input]:
    inputs = [argument(path) for path in files.sources]
    if files.files_from is not None:
        data = read_input(files.files_from)
        if b"\0" in data:
            raise Failure(f"{name_of(files.files_from)} holds a zero byte; a list has one path on each line")
        inputs += [list_entry(os.fsdecode(line)) for line in data.splitlines() if line.strip()]
    return inputs


def _convert_items(
    conversion: Conversion,
    items: Sequence[Item],
    files: FileOptions,
    device: Device,
    report: Report,
) -> None:
    """Convert files, write the outputs, and report each."""
    with batch_progress(len(items), quiet=files.quiet) as bars:

        def show(event: Event) -> None:
            if bars is None:
                return
            if event.kind == "started":
                bars.start(event.index, os.path.basename(items[event.index].source))
            elif event.kind == "progress":
                bars.move(event.index, event.value)
            else:
                bars.finish(event.index)

        with contextlib.closing(_events(conversion, items, files.jobs, device, show)) as events:
            for event in events:
                show(event)
                if event.kind in ("done", "failed"):
                    # Whatever interrupts, a file that is there has its record.
                    with undisturbed():
                        record = _record(items[event.index], event, overwrite=files.force)
                        report.keep(record)
                    report.show(record)


def _events(
    conversion: Conversion, items: Sequence[Item], jobs: int | None, device: Device, show: Callable[[Event], None]
) -> Generator[Event, None, None]:
    work, sources = FileConversion(conversion), [item.source for item in items]
    if len(items) <= 1:
        return run_here(work, sources, show)
    return run_in_processes(work, sources, worker_environments(jobs, device, most=len(items)))


def _record(item: Item, event: Event, *, overwrite: bool) -> dict[str, Any]:
    """Write an output if there is one, and return what there is to say of it."""
    if event.kind == "failed":
        return {"input": item.source, "error": event.value}
    converted: Converted = event.value
    try:
        make_folder(os.path.dirname(item.target))
        write_atomic(item.target, converted.data, overwrite=overwrite)
    except Exception as error:
        return {"input": item.source, "error": sentence_of(error)}
    return converted.record(item.source, item.target)
