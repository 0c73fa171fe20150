"""The results files: TSV with comments on how it was made, one row a measurement, and mean rows at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from taichi_gs.files import write_atomic

MEAN = "mean"
"""What stands in the column `image` of a mean row."""

NONE = "-"
"""An empty cell."""

Row = dict[str, str]

_SETTINGS = "settings: "
_INTEGERS = "point target_bytes bytes num_gaussians covariance_k color_k".split()
_OF_LATER_RUNS = ("commit", "date", "libraries")
_DECIMALS = {
    "target_bpp": 5,
    "bpp": 5,
    "psnr": 4,
    "ms_ssim": 5,
    "ssimulacra2": 3,
    "seconds_encode": 3,
    "seconds_decode": 4,
    "published_bpp": 5,
    "published_psnr": 4,
    "gain_db": 4,
}


class ResultsError(Exception):
    """A benchmark that cannot run, or a results file that cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Table:
    """A results file.

    Attributes:
        comments: its comment lines, without the `# `.
        columns: the names of its columns.
        rows: its rows, measurements first.
    """

    comments: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def measurements(self) -> list[Row]:
        return [row for row in self.rows if row["image"] != MEAN]

    @property
    def means(self) -> list[Row]:
        return [row for row in self.rows if row["image"] == MEAN]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the rows were measured with."""
        lines = [comment.removeprefix(_SETTINGS) for comment in self.comments if comment.startswith(_SETTINGS)]
        if len(lines) != 1:
            raise ResultsError(f"a results file has one line `# {_SETTINGS}`, and this has {len(lines)}")
        settings: dict[str, Any] = json.loads(lines[0])
        return settings

    def with_settings(self, settings: dict[str, Any]) -> Table:
        """The same table with other settings."""
        others = (comment for comment in self.comments if not comment.startswith(_SETTINGS))
        return replace(self, comments=(*others, settings_comment(settings)))

    def resumed(self, comments: Iterable[str]) -> Table:
        """The same table with what a later run that adds rows has to say of itself, out of its comments."""
        if not self.rows:
            return self
        told = [f"resumed, {comment}" for comment in comments if comment.partition(":")[0] in _OF_LATER_RUNS]
        return replace(self, comments=(*self.comments, *told))

    def comment(self, name: str) -> str:
        """Return what the comment `# name: ` says, or an empty string."""
        return next((line.removeprefix(f"{name}: ") for line in self.comments if line.startswith(f"{name}: ")), "")


def settings_comment(settings: dict[str, Any]) -> str:
    return _SETTINGS + json.dumps(settings, sort_keys=True)


def format_value(column: str, value: Any) -> str:
    """Format a cell; None is an empty one."""
    if value is None:
        return NONE
    return f"{value:.{_DECIMALS[column]}f}" if column in _DECIMALS else str(value)


def format_row(columns: Iterable[str], row: Row) -> str:
    return "\t".join(row[column] for column in columns) + "\n"


def format_head(comments: Iterable[str], columns: Iterable[str]) -> str:
    return "".join(f"# {comment}\n" for comment in comments) + "\t".join(columns) + "\n"


def read_table(path: Path) -> Table:
    """Read a results file; a last line without its end, which an interrupted run can leave, does not count."""
    lines = [line[:-1] for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    comments = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    body = [line.split("\t") for line in lines if line and not line.startswith("#")]
    if not body or body[0][0] != "image":
        raise ResultsError(f"{path.name} is not a results file")
    columns, cells = body[0], body[1:]
    if any(len(row) != len(columns) for row in cells):
        raise ResultsError(f"{path.name} has rows that do not fit its columns")
    return Table(comments, tuple(columns), tuple(dict(zip(columns, row, strict=True)) for row in cells))


def write_table(path: Path, table: Table) -> None:
    """Write a results file, all of it or nothing."""
    rows = "".join(format_row(table.columns, row) for row in table.rows)
    write_atomic(path, (format_head(table.comments, table.columns) + rows).encode(), overwrite=True)


def append_rows(path: Path, columns: Iterable[str], batches: Iterable[Iterable[Row]]) -> None:
    """Append rows to a results file, each batch as soon as it is there."""
    with open(path, "a", encoding="utf-8", newline="\n") as file:
        for rows in batches:
            file.write("".join(format_row(columns, row) for row in rows))
            file.flush()


def goal(row: Row) -> str:
    """What was asked for: a point of the published table, or a size, where files have such a column; or a rate."""
    return row.get("point") or row.get("target_bytes") or row["target_bpp"]


def mean_rows(columns: Iterable[str], rows: Iterable[Row]) -> list[Row]:
    """Average measurements: one row for every goal, of the cells as they are written."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(goal(row), []).append(row)
    return [_mean_row(columns, group) for group in groups.values()]


def _mean_row(columns: Iterable[str], group: list[Row]) -> Row:
    mean = dict.fromkeys(columns, NONE) | {"image": MEAN, "preset": group[0]["preset"]}
    for column in columns:
        values = [row[column] for row in group]
        if (column in _DECIMALS or column in _INTEGERS) and NONE not in values:
            average = sum(map(float, values)) / len(values)
            mean[column] = f"{average:.1f}".removesuffix(".0") if column in _INTEGERS else format_value(column, average)
    return mean
