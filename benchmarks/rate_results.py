"""The results of `benchmarks.rate`, as they are compared and plotted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.curves import Curve
from benchmarks.tables import ResultsError, Row, Table, read_table

KODAK_PICTURES = 24
"""What published means are over: next to means over fewer pictures they would mislead."""


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

    def curve(self, codec: str, image: str, measure: Callable[[Row], float]) -> Curve:
        """The curve of one picture and another codec, in a measure of quality."""
        return curve_through([row for row in self.peers if (row["codec"], row["image"]) == (codec, image)], measure)

    @property
    def codecs(self) -> list[str]:
        """The other codecs, in the order of their rows."""
        return list(dict.fromkeys(row["codec"] for row in self.peers))


def curve_through(rows: Iterable[Row], measure: Callable[[Row], float]) -> Curve:
    """The curve through the files of some rows, in a measure of quality."""
    return Curve.through((float(row["bpp"]), measure(row)) for row in rows)


def read_results(folder: Path) -> Results:
    """Read the results of `benchmarks.rate`, which have to be whole and of the same pictures."""
    paths = sorted(folder.glob("taichi_gs-*.tsv"))
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
    measured = {(row["codec"], row["setting"], row["image"]) for row in rows}
    for codec, setting in {(codec, setting) for codec, setting, _ in measured} or {("", "")}:
        if any((codec, setting, image) not in measured for image in pictures[0]):
            raise ResultsError("peers.tsv does not have all pictures: its run has not ended")
    path = folder / "published.tsv"
    published = read_table(path).rows if path.exists() and len(pictures[0]) == KODAK_PICTURES else ()
    machines = {f"{table.comment('cpu')}, {table.comment('cores')} cores" for table in (*ours.values(), peers)}
    return Results(ours, rows, published, tuple(sorted(machines)))
