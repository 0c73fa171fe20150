"""What a command says of its files: a line or a JSON object each, totals, and the failures in a table."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import click

from taichi_gs.files import open_text, quoted

Record = Mapping[str, Any]
"""What is said of a file: input, output and facts, or input and error; `shortfall` if not as good as asked for."""


def shown(path: str) -> str:
    """A path in a line for people: as it is, or quoted if it could break the line or the terminal."""
    return path if path.isprintable() else quoted(path)


def summary(record: Record) -> str:
    """One line about a file that was written."""
    parts = [f"{record['bytes']:,} bytes"]
    if "bits_per_pixel" in record:
        parts.append(f"{record['bits_per_pixel']:.4f} bpp")
    if "psnr" in record:
        parts.append("lossless" if record["psnr"] is None else f"{record['psnr']:.2f} dB")
    if "num_gaussians" in record:
        parts.append(f"{record['num_gaussians']:,} Gaussians")
    if "seconds" in record:
        parts.append(f"{record['seconds']:.1f} s")
    return f"{shown(record['input'])} -> {shown(record['output'])}: {', '.join(parts)}"


def print_record(record: Record) -> None:
    """Print one object on stdout."""
    click.echo(json.dumps(record, allow_nan=False))


def keep_record(record: Record, file: IO[str] | None) -> None:
    """Write one object to a file of records, if there is one; at once, in case of a crash."""
    if file is not None:
        file.write(json.dumps(record, allow_nan=False) + "\n")
        file.flush()


@contextmanager
def open_report(path: str | None, *, append: bool, overwrite: bool) -> Iterator[IO[str] | None]:
    """Open a file for records, which goes on with `append` and is not written over without `overwrite`.

    Raises:
        FileError: if it cannot be opened, or exists and neither is true.
    """
    if path is None:
        yield None
        return
    with open_text(path, "a" if append else "w" if overwrite else "x") as file:
        yield file


class Report:
    """The records of many files.

    Args:
        num_files: how many files are to be converted, without those skipped.
        num_skipped: how many were left because their outputs exist.
        as_json: whether to print objects on stdout.
        lines: whether to print a line a file on stderr.
        file: gets the objects as well.
    """

    def __init__(
        self, num_files: int, num_skipped: int, *, as_json: bool, lines: bool, file: IO[str] | None = None
    ) -> None:
        self.failures: list[Record] = []
        self.shortfalls: list[Record] = []
        self._num_written = 0
        self._bytes = [0, 0]
        self._rates: list[float] = []
        self._qualities: list[float] = []
        self._num_files = num_files
        self._num_skipped = num_skipped
        self._as_json = as_json
        self._lines = lines
        self._file = file
        self._started = time.perf_counter()

    def keep(self, record: Record) -> None:
        """Count a finished file, and write its object to the file."""
        if "error" in record:
            self.failures.append(record)
        else:
            self._num_written += 1
            self._bytes[0] += record["input_bytes"]
            self._bytes[1] += record["bytes"]
            self._rates += [record["bits_per_pixel"]] if "bits_per_pixel" in record else []
            self._qualities += [record["psnr"]] if record.get("psnr") is not None else []
            if "shortfall" in record:
                self.shortfalls.append(record)
        keep_record(record, self._file)

    def show(self, record: Record) -> None:
        """Tell of a finished file on stdout and stderr, as far as that is wanted."""
        if self._as_json:
            print_record(record)
        if self._lines:
            click.echo(_failure(record) if "error" in record else summary(record), err=True)

    def totals(self) -> dict[str, Any]:
        """Sums and means over the files so far."""
        seconds = time.perf_counter() - self._started
        return {
            "files": self._num_files,
            "written": self._num_written,
            "failures": len(self.failures),
            "skipped": self._num_skipped,
            "input_bytes": self._bytes[0],
            "bytes": self._bytes[1],
            "mean_bits_per_pixel": _mean(self._rates),
            "mean_psnr": _mean(self._qualities),
            "seconds": round(seconds, 3),
            "images_per_second": round(self._num_written / seconds, 4),
        }

    def finish(self, *, quiet: bool) -> None:
        """Print the totals, and on stderr whatever failed or fell short."""
        totals = self.totals()
        keep_record({"totals": totals}, self._file)
        if self._as_json:
            print_record({"totals": totals})
        if not (quiet or self._as_json):
            click.echo(_totals_line(totals), err=True)
        _print_table(f"{len(self.failures)} of {self._num_files} files failed:", self.failures, "error")
        _print_table(f"{len(self.shortfalls)} files are not as good as asked for:", self.shortfalls, "shortfall")


def _failure(record: Record) -> str:
    """One line about a file that was not written, which most errors name themselves."""
    sentence: str = record["error"]
    return sentence if quoted(record["input"]) in sentence else f"{shown(record['input'])}: {sentence}"


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _totals_line(totals: Record) -> str:
    parts = [f"{totals['written']:,} of {totals['files']:,} files written"]
    if totals["skipped"]:
        parts.append(f"{totals['skipped']:,} skipped")
    parts.append(f"{totals['input_bytes']:,} -> {totals['bytes']:,} bytes")
    if totals["mean_bits_per_pixel"] is not None:
        parts.append(f"mean {totals['mean_bits_per_pixel']:.4f} bpp")
    if totals["mean_psnr"] is not None:
        parts.append(f"mean {totals['mean_psnr']:.2f} dB")
    parts.append(f"{totals['seconds']:.1f} s, {totals['images_per_second']:.3g} images/s")
    return ", ".join(parts)


def _print_table(title: str, records: list[Record], reason: str) -> None:
    if not records:
        return
    click.echo(title, err=True)
    column = max(len(shown(record["input"])) for record in records) + 2
    for record in records:
        click.echo(f"  {shown(record['input']):{column}}{record[reason]}", err=True)
