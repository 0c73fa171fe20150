"""Compare this codec with others from the results of `benchmarks.rate`: tables, and a plot.

    python -m benchmarks.compare [DIR] [--document docs/results.md --block NAME] [--plot docs/rate.svg]

Without options the tables are printed. `--document` puts them into a document, between its two marks of a block of
results; a test compares the two. `--plot` draws.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
from pathlib import Path

from benchmarks.curves import bd_rate
from benchmarks.rate import OUTPUT
from benchmarks.rate_results import MEASURES, Measure, Results, curve_through, read_results
from benchmarks.summary import add_document_options, markdown, mean_with_count, publish
from benchmarks.tables import ResultsError, Row, Table


def main(argv: list[str] | None = None) -> int:
    """Draw what is asked for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description="Compare with other codecs.")
    parser.add_argument(
        "folder", type=Path, nargs="?", default=OUTPUT / "kodak", metavar="DIR", help="what benchmarks.rate wrote"
    )
    add_document_options(parser)
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the three measures over the rate")
    arguments = parser.parse_args(argv)
    try:
        results = read_results(arguments.folder)
        if arguments.document or not arguments.plot:
            publish(lambda folder: summarize(results, folder), arguments.folder, arguments.document, arguments.block)
        if arguments.plot:
            from benchmarks.plot import draw

            draw(results, arguments.plot)
    except ResultsError as error:
        print(f"compare: error: {error}", file=sys.stderr)
        return 1
    return 0


def summarize(results: Results, folder: str) -> str:
    """Return the tables as Markdown, with links to the results in `folder`."""
    parts = []
    for name, table in results.ours.items():
        pictures = len({row["image"] for row in table.measurements})
        parts.append(
            f"### {_title(table)}\n\n{pictures} pictures: [{name}]({folder}/{name}), [peers.tsv]({folder}/peers.tsv).\n"
        )
        parts += [
            f"{measure.title} at equal rates, means:\n\n{_means(results, table, measure)}" for measure in MEASURES
        ]
        parts.append(f"Bjøntegaard’s differences:\n\n{_differences(results, table)}")
    parts.append(f"Measured on {'; '.join(results.machines)}.\n")
    return "\n".join(parts)


def _title(table: Table) -> str:
    tune = table.settings.get("tune")
    return f"Preset `{table.settings['preset']}`" + (f", `--tune {tune}`" if tune else "")


def _means(results: Results, table: Table, measure: Measure) -> str:
    """The mean quality at each rate that was asked for: this codec's, and the others' at the rates of its files."""
    lines = []
    for mean in table.means:
        rows = [row for row in table.measurements if row["target_bpp"] == mean["target_bpp"]]
        cells = [f"{float(mean[measure.column]):.{measure.digits}f}"]
        for codec in results.codecs:
            values = [_at(results, codec, row, measure.column) for row in rows]
            reached = [value for value in values if value is not None]
            whole = len(reached) == len(values)
            cells.append(f"{statistics.fmean(reached):.{measure.digits}f}" if whole else "–")
        lines.append([f"{float(mean['target_bpp']):g}", f"{float(mean['bpp']):.4f}", *cells])
    return markdown(("at most, bpp", "bpp", "taichi_gs", *results.codecs), lines)


def _differences(results: Results, table: Table) -> str:
    images = sorted({row["image"] for row in table.measurements})
    lines = []
    for codec in results.codecs:
        cells = []
        for measure, full_size in itertools.product(MEASURES, (True, False)):
            differences = []
            for image in images:
                ours = curve_through((row for row in table.measurements if row["image"] == image), measure.of)
                differences.append(bd_rate(results.curve(codec, image, measure.of, full_size), ours))
            cells.append(mean_with_count(differences, "+.1f", "no overlap"))
        lines.append([codec, *cells])
    header = [
        f"{measure.title.split(',')[0]}{what}" for measure in MEASURES for what in (", full size", ", all scales")
    ]
    return markdown(("BD-rate in % against", *header), lines)


def _at(results: Results, codec: str, row: Row, column: str) -> float | None:
    """Another codec's quality at the rate of a file of ours."""
    return results.curve(codec, row["image"], lambda other: float(other[column])).at(float(row["bpp"]))


if __name__ == "__main__":
    sys.exit(main())
