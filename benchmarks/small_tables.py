"""Compare this codec's small files with other codecs' from the results of `benchmarks.small`.

    python -m benchmarks.small_tables [DIR] [--document docs/results.md --block small]

Without options the tables are printed. `--document` puts them into a document, between its two marks of a block of
results; a test compares the two. Before this codec is measured, the tables have the others alone.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import statistics
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.small import OUTPUT, TUNES
from benchmarks.small_peers import key
from benchmarks.summary import add_document_options, markdown, mean_with_count, publish
from benchmarks.tables import NONE, ResultsError, Row, Table, read_table

TITLES = {"psnr": ("PSNR, dB", 2), "ssimulacra2": ("SSIMULACRA 2", 1)}
"""The titles of the measures that files are chosen by, and the digits of their means."""

TUNED_FOR = {"psnr": "psnr", "ssimulacra2": None}
"""What this codec is tuned for where a measure is compared; None is its default."""


@dataclass(frozen=True)
class SmallResults:
    """What a folder of `benchmarks.small` holds.

    Attributes:
        ours: results of this codec, by what it was tuned for; none of them if it has not been measured.
        names: those of their files.
        peers: the others' results.
    """

    ours: dict[str | None, Table]
    names: list[str]
    peers: Table

    @property
    def images(self) -> list[str]:
        """The pictures."""
        return list(dict.fromkeys(row["image"] for row in self.peers.rows))

    @property
    def sizes(self) -> list[str]:
        """What files are at most, in bytes, ascending."""
        return sorted({row["target_bytes"] for row in self.peers.rows if row["target_bytes"] != NONE}, key=int)

    @property
    def codecs(self) -> list[str]:
        """The other codecs."""
        return list(self.peers.settings["codecs"])

    def best_peer(self, image: str, size: str, measure: str) -> Row | None:
        """The best file of another codec; None if no codec has one that is small enough."""
        found = [row for codec in self.codecs if (row := self.peer(codec, image, size, measure))]
        return max(found, key=lambda row: float(row[measure]), default=None)

    def peer(self, codec: str, image: str, size: str, measure: str) -> Row | None:
        """The best file of one of the other codecs; None if it has none that is small enough."""
        row = self._rows[image, codec, size, measure]
        return None if row["bytes"] == NONE else row

    @functools.cached_property
    def _rows(self) -> dict[tuple[str, ...], Row]:
        """The others' rows by what tells them apart."""
        return {key(row): row for row in self.peers.rows}

    def our(self, image: str, size: str, measure: str) -> float:
        """The quality of this codec's file."""
        rows = self.ours[TUNED_FOR[measure]].measurements
        return next(float(row[measure]) for row in rows if (row["image"], row["target_bytes"]) == (image, size))


def main(argv: list[str] | None = None) -> int:
    """Print the tables, or put them into a document, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_tables", description="Compare small files.")
    parser.add_argument(
        "folder", type=Path, nargs="?", default=OUTPUT / "photos", metavar="DIR", help="what benchmarks.small wrote"
    )
    add_document_options(parser)
    arguments = parser.parse_args(argv)
    try:
        results = read_small_results(arguments.folder)
        publish(lambda folder: summarize(results, folder), arguments.folder, arguments.document, arguments.block)
    except ResultsError as error:
        print(f"small_tables: error: {error}", file=sys.stderr)
        return 1
    return 0


def read_small_results(folder: Path) -> SmallResults:
    """Read the results of `benchmarks.small`, which have to be whole and of the same pictures."""
    path = folder / "peers.tsv"
    if not path.exists():
        raise ResultsError(f"{folder} has no results: run benchmarks.small first")
    paths = sorted(folder.glob("taichi_gs-*.tsv"))
    tables = [read_table(path) for path in paths]
    ours = {table.settings.get("tune"): table for table in tables}
    if tables and (set(ours) != set(TUNES) or len(tables) != len(TUNES)):
        raise ResultsError(f"{folder} has not this codec's results of one preset, with and without --tune psnr")
    results = SmallResults(ours, [path.name for path in paths], read_table(path))
    goals = {(image, size) for image in results.images for size in results.sizes}
    for name, table in zip(results.names, tables, strict=True):
        if not table.means or {(row["image"], row["target_bytes"]) for row in table.measurements} != goals:
            raise ResultsError(f"{name} has not the pictures and sizes of peers.tsv: its run has not ended")
    whole = set(itertools.product(results.images, results.codecs, results.sizes, TITLES))
    if not whole <= {key(row) for row in results.peers.rows}:
        raise ResultsError("peers.tsv does not have all sizes of all pictures: its run has not ended")
    return results


def summarize(results: SmallResults, folder: str) -> str:
    """Return the tables as Markdown, with links to the results in `folder`."""
    links = ", ".join(f"[{name}]({folder}/{name})" for name in (*results.names, "peers.tsv"))
    parts = [f"{len(results.images)} pictures: {links}.\n", _comparison(results)]
    parts += [
        f"{title} of each codec’s best files, means:\n\n{_means(results, measure)}"
        for measure, (title, _) in TITLES.items()
    ]
    parts.append(f"Hashes, which have a size of their own, means:\n\n{_hashes(results)}")
    tables = (*results.ours.values(), results.peers)
    machines = sorted({f"{table.comment('cpu')}, {table.comment('cores')} cores" for table in tables})
    parts.append(f"Measured on {'; '.join(machines)}.\n")
    return "\n".join(parts)


def _comparison(results: SmallResults) -> str:
    """This codec and the best of the others, at each size."""
    header = ["at most, bytes"]
    for title, _ in TITLES.values():
        ours = [f"{title}: taichi_gs", "best other", "difference"] if results.ours else [f"{title}: best other"]
        header += [*ours, "pictures by best other"]
    return markdown(
        header,
        [[size] + [cell for measure in TITLES for cell in _compared(results, size, measure)] for size in results.sizes],
    )


def _compared(results: SmallResults, size: str, measure: str) -> list[str]:
    """The cells of one size and measure; differences are over the pictures of which there is another codec's file."""
    digits = TITLES[measure][1]
    best = {image: results.best_peer(image, size, measure) for image in results.images}
    theirs = {image: float(row[measure]) if row else None for image, row in best.items()}
    which = Counter(row["codec"] for row in best.values() if row)
    names = ", ".join(f"{codec} {count}" for codec, count in which.most_common())
    cells = [mean_with_count(theirs.values(), f".{digits}f", "–")]
    if results.ours:
        ours = {image: results.our(image, size, measure) for image in results.images}
        differences = [None if their is None else ours[image] - their for image, their in theirs.items()]
        mean = f"{statistics.fmean(ours.values()):.{digits}f}"
        cells = [mean, *cells, mean_with_count(differences, f"+.{digits}f", "–")]
    return [*cells, names or "–"]


def _means(results: SmallResults, measure: str) -> str:
    lines = []
    for size in results.sizes:
        cells = [size]
        for codec in results.codecs:
            rows = [results.peer(codec, image, size, measure) for image in results.images]
            qualities = [float(row[measure]) if row else None for row in rows]
            cells.append(mean_with_count(qualities, f".{TITLES[measure][1]}f", "–"))
        lines.append(cells)
    return markdown(("at most, bytes", *results.codecs), lines)


def _hashes(results: SmallResults) -> str:
    rows: dict[str, list[Row]] = {}
    for row in results.peers.rows:
        if row["target_bytes"] == NONE:
            rows.setdefault(row["codec"], []).append(row)
    columns = {"bytes": 1, **{measure: digits for measure, (_, digits) in TITLES.items()}}
    return markdown(
        ("hash", "bytes", *(title for title, _ in TITLES.values())),
        [
            [
                name,
                *(
                    f"{statistics.fmean(float(row[column]) for row in of):.{digits}f}"
                    for column, digits in columns.items()
                ),
            ]
            for name, of in rows.items()
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
