"""Compare this codec with others from the results of `benchmarks.rate`: tables, and a plot.

    python -m benchmarks.compare [DIR] [--document docs/results.md] [--plot docs/rate.svg]

Without options the tables are printed. `--document` puts them into a document, between its two `results` marks; a test
compares the two. `--plot` draws.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.curves import bd_quality, bd_rate, decibels
from benchmarks.rate import OUTPUT
from benchmarks.rate_results import Results, curve_through, read_results
from benchmarks.summary import markdown, replace_results
from benchmarks.tables import ResultsError, Row, Table

_LINKS = "../benchmarks/results/rate/"  # from docs/

NOTES = """\
Another codec’s figure at a rate is read off its curve, picture by picture, at the size of the file that taichi_gs made
of that picture: linearly in the logarithm of the rate, between two files on disk. Where its curve does not reach that
rate for every picture, there is no mean (–), and the difference is over as many pictures as stand in brackets.
"""

BD_NOTES = """\
Bjøntegaard’s differences from taichi_gs’s curve to another codec’s, means over the pictures: how many per cent larger
(+) or smaller (-) files of equal quality are, and how much better (+) or worse (-) pictures of equal rate. Curves are
interpolated by Akima’s method between the rates or qualities that both reach; the pictures for which there are such are
counted in brackets unless they are all. MS-SSIM is taken as −10 log10(1 − MS-SSIM) here.
"""


def main(argv: list[str] | None = None) -> int:
    """Draw what is asked for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description="Compare with other codecs.")
    parser.add_argument(
        "folder", type=Path, nargs="?", default=OUTPUT, metavar="DIR", help="what benchmarks.rate wrote"
    )
    parser.add_argument("--document", type=Path, metavar="FILE.md", help="replace its tables instead of printing them")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw PSNR and MS-SSIM over the rate")
    arguments = parser.parse_args(argv)
    try:
        results = read_results(arguments.folder)
        if arguments.document:
            text = arguments.document.read_text(encoding="utf-8")
            arguments.document.write_text(replace_results(text, summarize(results)), encoding="utf-8", newline="\n")
        if arguments.plot:
            from benchmarks.plot import draw

            draw(results, arguments.plot)
        if not arguments.document and not arguments.plot:
            print(summarize(results), end="")
    except ResultsError as error:
        print(f"compare: error: {error}", file=sys.stderr)
        return 1
    return 0


def summarize(results: Results) -> str:
    """Return the tables as Markdown."""
    parts = []
    for name, table in results.ours.items():
        pictures = len({row["image"] for row in table.measurements})
        parts.append(
            f"### Preset `{table.settings['preset']}`\n\n{pictures} pictures: [{name}]({_LINKS}{name}), "
            f"[peers.tsv]({_LINKS}peers.tsv).\n"
        )
        parts.append(f"PSNR in dB at equal rates, means:\n\n{_means(results, table, 'psnr', 2)}")
        parts.append(f"By how much taichi_gs’s PSNR is higher (+) or lower (-):\n\n{_gains(results, table)}")
        parts.append(f"MS-SSIM at equal rates, means:\n\n{_means(results, table, 'ms_ssim', 4)}")
        parts.append(f"Bjøntegaard’s differences:\n\n{_differences(results, table)}")
    parts.append(f"### How the tables are to be read\n\n{NOTES}\n{BD_NOTES}")
    parts.append(f"Measured on {'; '.join(results.machines)}.\n")
    return "\n".join(parts)


def _means(results: Results, table: Table, column: str, digits: int) -> str:
    """The mean quality at each rate that was asked for: this codec's, and the others' at the rates of its files."""

    def cells(rows: list[Row], codec: str) -> str:
        values = [_at(results, codec, row, column) for row in rows]
        reached = [value for value in values if value is not None]
        return f"{statistics.fmean(reached):.{digits}f}" if len(reached) == len(values) else "–"

    return _rate_table(results, table, cells, lambda mean: [f"{float(mean[column]):.{digits}f}"], ["taichi_gs"])


def _gains(results: Results, table: Table) -> str:
    """The mean difference in PSNR at each rate that was asked for."""

    def cells(rows: list[Row], codec: str) -> str:
        theirs = [_at(results, codec, row, "psnr") for row in rows]
        gains = [None if their is None else _psnr(row) - their for row, their in zip(rows, theirs, strict=True)]
        return _mean(gains, "+.2f", "–")

    return _rate_table(results, table, cells, lambda mean: [], [])


def _rate_table(
    results: Results,
    table: Table,
    cell: Callable[[list[Row], str], str],
    own_cells: Callable[[Row], list[str]],
    own_header: list[str],
) -> str:
    """A table with a row for each rate that was asked for and a column for each other codec."""
    lines = []
    for mean in table.means:
        rows = [row for row in table.measurements if row["target_bpp"] == mean["target_bpp"]]
        others = [cell(rows, codec) for codec in results.codecs]
        lines.append([f"{float(mean['target_bpp']):g}", f"{float(mean['bpp']):.4f}", *own_cells(mean), *others])
    return markdown(("at most, bpp", "bpp", *own_header, *results.codecs), lines)


def _differences(results: Results, table: Table) -> str:
    images = sorted({row["image"] for row in table.measurements})
    lines = []
    for codec in results.codecs:
        differences: list[tuple[float | None, ...]] = []
        for image in images:
            rows = [row for row in table.measurements if row["image"] == image]
            ours, theirs = curve_through(rows, _psnr), results.curve(codec, image, _psnr)
            similar, similar_theirs = curve_through(rows, _ms_ssim), results.curve(codec, image, _ms_ssim)
            differences.append((bd_rate(theirs, ours), bd_quality(theirs, ours), bd_rate(similar_theirs, similar)))
        columns = list(zip(*differences, strict=True))
        formats = ("+.1f", "+.2f", "+.1f")
        lines.append([codec, *(_mean(c, f, "no overlap") for c, f in zip(columns, formats, strict=True))])
    return markdown(("against", "BD-rate, %", "BD-PSNR, dB", "BD-rate by MS-SSIM, %"), lines)


def _mean(values: Iterable[float | None], form: str, none: str) -> str:
    """The mean of the values that there are, with their number in brackets if it is not all."""
    values = list(values)
    found = [value for value in values if value is not None]
    if not found:
        return none
    count = "" if len(found) == len(values) else f" ({len(found)})"
    return f"{statistics.fmean(found):{form}}{count}"


def _at(results: Results, codec: str, row: Row, column: str) -> float | None:
    """Another codec's quality at the rate of a file of ours."""
    return results.curve(codec, row["image"], lambda other: float(other[column])).at(float(row["bpp"]))


def _psnr(row: Row) -> float:
    return float(row["psnr"])


def _ms_ssim(row: Row) -> float:
    return decibels(float(row["ms_ssim"]))


if __name__ == "__main__":
    sys.exit(main())
