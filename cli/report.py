"""What a command says of its files: a line or a JSON object each, totals, and the failures in a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from taichi_gs.errors import FileError
from taichi_gs.files import quoted

from .console import emit, emit_record, say
from .plan import Item
from .progress import is_watched
from .records import Record, RecordFile


def shown(path: str) -> str:
    """A path in a line for people: as it is, or quoted if it could break the line or the terminal."""
    return path if path.isprintable() else quoted(path)


def counted(number: int, thing: str) -> str:
    """A number with what it counts."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def summary(record: Record) -> str:
    """One line about a file that was written."""
    parts = [f"{record['bytes']:,} bytes" + (", larger than the input" if _is_larger(record) else "")]
    if "bits_per_pixel" in record:
        parts.append(f"{record['bits_per_pixel']:.4f} bpp")
    elif "width" in record:
        parts.append(f"{record['width']}x{record['height']} pixels")
    if "psnr" in record:
        parts.append("lossless" if record["psnr"] is None else f"{record['psnr']:.2f} dB")
    if "num_gaussians" in record:
        parts.append(counted(record["num_gaussians"], "Gaussian"))
    if "seconds" in record:
        parts.append(f"{record['seconds']:.1f} s")
    return f"{shown(record['input'])} -> {shown(record['output'])}: {', '.join(parts)}"


def print_plan(items: Sequence[Item], *, as_json: bool) -> None:
    """Print what would be done: an output for each input."""
    for item in items:
        if as_json:
            emit_record({"input": item.source, "output": item.target})
        else:
            emit(f"{shown(item.source)} -> {shown(item.target)}")


@dataclass(frozen=True)
class Scope:
    """How many files there are.

    Attributes:
        files: to be converted, without those skipped.
        skipped: left because their outputs exist.
        others: left because of their types.
        unreadable: the folders that cannot be read; nobody knows what is in them.
    """

    files: int
    skipped: int = 0
    others: int = 0
    unreadable: int = 0

    def sentence(self) -> str:
        """What there is to do, before it is done."""
        if self.files:
            return ", ".join([f"{counted(self.files, 'file')} to do", *self.skips()])
        if not self.skipped and self.unreadable:
            return "nothing to do: no file was found in what can be read"
        if not self.skipped:
            return "nothing to do: there is no file in this part"
        outputs = "its output exists" if self.skipped == 1 else f"all {self.skipped:,} outputs exist"
        return "; ".join([f"nothing to do: {outputs}", *Scope(0, 0, self.others).skips()])

    def skips(self) -> list[str]:
        """What is left alone."""
        skipped = [f"{self.skipped:,} skipped"]
        others = [f"{counted(self.others, 'file')} of other types skipped"]
        return [*(skipped if self.skipped else []), *(others if self.others else [])]


class Report:
    """The records of many files.

    Args:
        scope: how many there are.
        file: gets the objects as well.
        as_json: whether to print objects on stdout.
        quiet: whether to print only failures on stderr, instead of a line a file and totals.

    Attributes:
        failures, shortfalls: the records of such files.
        unreadable: the records of folders that cannot be read.
        trouble: why objects could not be printed, if they could not; the work goes on without.
    """

    def __init__(self, scope: Scope, file: RecordFile, *, as_json: bool, quiet: bool) -> None:
        self.failures: list[Record] = []
        self.shortfalls: list[Record] = []
        self.unreadable: list[Record] = []
        self.trouble: str | None = None
        self._num_written = 0
        self._larger: list[Record] = []
        self._bytes = [0, 0]
        self._rates: list[float] = []
        self._qualities: list[float] = []
        self._scope = scope
        self._as_json = as_json
        self._talks = not (quiet or as_json)
        self._lines = self._talks and not is_watched(quiet=quiet)
        self._file = file
        self._started = time.perf_counter()
        if self._lines and scope.files:
            say(scope.sentence())

    def add(self, record: Record) -> None:
        """Keep and show a record."""
        self.keep(record)
        self.show(record)

    def add_folder(self, record: Record) -> None:
        """Keep and show the record of a folder that cannot be read."""
        self.unreadable.append(record)
        self._file.write(record)
        self.show(record)

    def keep(self, record: Record) -> None:
        """Count a finished file, and write its object to the file."""
        if "error" in record:
            self.failures.append(record)
        else:
            self._num_written += 1
            self._larger += [record] if _is_larger(record) else []
            self._bytes[0] += record["input_bytes"]
            self._bytes[1] += record["bytes"]
            self._rates += [record["bits_per_pixel"]] if "bits_per_pixel" in record else []
            self._qualities += [record["psnr"]] if record.get("psnr") is not None else []
            if "shortfall" in record:
                self.shortfalls.append(record)
        self._file.write(record)

    def show(self, record: Record) -> None:
        """Tell of a finished file on stdout and stderr, as far as that is wanted; of failures there is a list later."""
        self._print(record)
        if self._lines and "error" not in record:
            say(summary(record))

    def totals(self) -> dict[str, Any]:
        """Sums and means over the files so far."""
        seconds = time.perf_counter() - self._started
        return {
            "files": self._scope.files,
            "written": self._num_written,
            "failures": len(self.failures),
            "skipped": self._scope.skipped,
            "other_types": self._scope.others,
            "unreadable_folders": self._scope.unreadable,
            "input_bytes": self._bytes[0],
            "bytes": self._bytes[1],
            "mean_bits_per_pixel": _mean(self._rates),
            "mean_psnr": _mean(self._qualities),
            "seconds": round(seconds, 3),
            "images_per_second": round(self._num_written / seconds, 4),
        }

    def finish(self) -> None:
        """Print the totals, and on stderr whatever failed or fell short."""
        totals = self.totals()
        self._file.write({"totals": totals})
        self._file.is_complete = True
        self._print({"totals": totals})
        if self._talks:
            say(self._totals_line(totals) if self._scope.files else self._scope.sentence())
        if self._talks and not self._lines:  # there was no line about each
            _print_table(f"{_files_are(self._larger)} larger than the input:", self._larger, _sizes)
        _print_table(f"{counted(len(self.unreadable), 'folder')} cannot be read:", self.unreadable, itemgetter("error"))
        _print_table(
            f"{len(self.failures)} of {counted(self._scope.files, 'file')} failed:", self.failures, itemgetter("error")
        )
        _print_table(
            f"{_files_are(self.shortfalls)} not as good as asked for:", self.shortfalls, itemgetter("shortfall")
        )

    def _totals_line(self, totals: Record) -> str:
        parts = [f"{totals['written']:,} of {counted(totals['files'], 'file')} written"]
        parts += self._scope.skips()
        parts.append(f"{totals['input_bytes']:,} -> {totals['bytes']:,} bytes")
        if self._larger and self._lines:
            parts.append(f"{counted(len(self._larger), 'file')} larger than the input")
        if totals["mean_bits_per_pixel"] is not None:
            parts.append(f"mean {totals['mean_bits_per_pixel']:.4f} bpp")
        if totals["mean_psnr"] is not None:
            parts.append(f"mean {totals['mean_psnr']:.2f} dB")
        parts.append(f"{totals['seconds']:.1f} s, {totals['images_per_second']:.3g} images/s")
        return ", ".join(parts)

    def _print(self, record: Record) -> None:
        if not self._as_json or self.trouble is not None:
            return
        try:
            emit_record(record)
        except FileError as error:
            self.trouble = str(error)


def _is_larger(record: Record) -> bool:
    """Whether compression has made a file larger; what is decompressed always is."""
    return "num_gaussians" in record and record["bytes"] > record["input_bytes"]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _files_are(records: list[Record]) -> str:
    return f"{counted(len(records), 'file')} {'is' if len(records) == 1 else 'are'}"


def _sizes(record: Record) -> str:
    return f"{record['input_bytes']:,} -> {record['bytes']:,} bytes"


def _print_table(title: str, records: list[Record], reason: Callable[[Record], str]) -> None:
    if not records:
        return
    say(title)
    column = max(len(shown(record["input"])) for record in records) + 2
    for record in records:
        say(f"  {shown(record['input']):{column}}{reason(record)}")
