"""The results of `benchmarks.rate`, as they are compared and plotted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.curves import Curve, decibels
from benchmarks.tables import NONE, ResultsError, Row, Table, read_table

FULL_SIZE = "1"
"""In the column `scale`."""

KODAK_PICTURES = 24
"""What published means are over: next to means over fewer pictures they would mislead."""


class Measure(NamedTuple):
    """A measure of quality.

    Attributes:
        title: of its table.
        column: in results files.
        digits: after the point, in tables.
        scale: takes a cell to the scale on which differences are taken.
    """

    title: str
    column: str
    digits: int
    scale: Callable[[float], float] = float

    def of(self, row: Row) -> float:
        """The quality of a row, on the scale on which differences are taken."""
        return self.scale(float(row[self.column]))


MEASURES = (
    Measure("PSNR, dB", "psnr", 2),
    Measure("MS-SSIM", "ms_ssim", 4, decibels),
    Measure("SSIMULACRA 2", "ssimulacra2", 1),
)


@dataclass(frozen=True)
class Results:
    """What a folder of `benchmarks.rate` holds.

    Attributes:
        ours: results of this codec by the names of the files.
        peers: rows of the other codecs, of the same pictures.
        published: published means, if all of Kodak's pictures were measured.
        machines: what was measured on.
    """

    ours: dict[str, Table]
    peers: tuple[Row, ...]
    published: tuple[Row, ...]
    machines: tuple[str, ...]

    def curve(self, codec: str, image: str, measure: Callable[[Row], float], full_size: bool = False) -> Curve:
        """The curve of one picture and another codec, in a measure of quality: at all scales, or at full size alone."""
        rows = self._rows_of.get((codec, image), ())
        return curve_through((row for row in rows if not full_size or row["scale"] == FULL_SIZE), measure)

    @functools.cached_property
    def _rows_of(self) -> dict[tuple[str, str], list[Row]]:
        """The rows of the files whose quality was measured, by codec and picture."""
        rows: dict[tuple[str, str], list[Row]] = {}
        for row in self.peers:
            if row["psnr"] != NONE:
                rows.setdefault((row["codec"], row["image"]), []).append(row)
        return rows

    @property
    def codecs(self) -> list[str]:
        """The other codecs, in the order of their rows."""
        return list(dict.fromkeys(row["codec"] for row in self.peers))


def curve_through(rows: Iterable[Row], measure: Callable[[Row], float]) -> Curve:
    """The curve through the files of some rows, in a measure of quality."""
    return Curve.through((float(row["bpp"]), measure(row)) for row in rows)


def read_results(folder: Path) -> Results:
    """Read the results of `benchmarks.rate`, which have to be whole and of the same pictures."""
    paths = sorted(folder.glob("taichi_gs-*.tsv"), key=lambda path: path.stem)  # `default` before `default-psnr`
    if not paths or not (folder / "peers.tsv").exists():
        raise ResultsError(f"{folder} has no results: run benchmarks.rate first")
    ours = {path.name: read_table(path) for path in paths}
    peers = read_table(folder / "peers.tsv")
    for name, table in ours.items():
        if not table.means:
            raise ResultsError(f"{name} has no mean row: its run has not ended")
    pictures = [{row["image"] for row in table.measurements} for table in ours.values()]
    if any(other != pictures[0] for other in pictures):
        raise ResultsError(f"{' and '.join(ours)} are not of the same pictures")
    rows = tuple(row for row in peers.rows if row["image"] in pictures[0])
    measured = {(row["codec"], row["scale"], row["setting"], row["image"]) for row in rows}
    for kind in {key[:3] for key in measured} or {("", "", "")}:
        if any((*kind, image) not in measured for image in pictures[0]):
            raise ResultsError("peers.tsv does not have all pictures: its run has not ended")
    path = folder / "published.tsv"
    published = read_table(path).rows if path.exists() and len(pictures[0]) == KODAK_PICTURES else ()
    machines = {f"{table.comment('cpu')}, {table.comment('cores')} cores" for table in (*ours.values(), peers)}
    return Results(ours, rows, published, tuple(sorted(machines)))
