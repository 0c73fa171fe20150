"""Print the means of results files as the tables that documents quote.

    python -m benchmarks.summary FILE.tsv ...
    python -m benchmarks.summary benchmarks/results/rate/kodak/taichi_gs-default.tsv --document README.md
    python -m benchmarks.summary benchmarks/results/default-k64.tsv --document docs/results.md --block presets

The last two forms put them into a document, between its two `results` marks, or those of the block that is named.
Tests compare them.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.tables import ResultsError, Row, Table, goal, read_table

ROOT = Path(__file__).resolve().parents[1]


def main(argv: list[str] | None = None) -> int:
    """Print the tables, or put them into a document, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.summary", description="Summarise results files.")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.tsv")
    add_document_options(parser)
    arguments = parser.parse_args(argv)
    try:
        summary = summarize(arguments.files, arguments.document.parent if arguments.document else ROOT)
        if arguments.document:
            _put_into(arguments.document, arguments.block, summary)
        else:
            print(summary, end="")
    except ResultsError as error:
        print(f"summary: error: {error}", file=sys.stderr)
        return 1
    return 0


def summarize(files: Iterable[Path], folder: Path = ROOT) -> str:
    """Return Markdown for results files: their means, and how they compare with published figures where they do.

    Links are those of a document in `folder`.
    """
    tables = {path: read_table(path) for path in sorted(files)}
    for path, table in tables.items():
        if not table.means:
            raise ResultsError(f"{path.name} has no mean row: its run has not ended")
    plain = {path: table for path, table in tables.items() if "published_psnr" not in table.columns}
    published = {path: table for path, table in tables.items() if "published_psnr" in table.columns}
    parts = []
    if plain:
        parts.append(_means(plain, folder))
    if published:
        parts.append(_comparison(published, folder))
    machines = sorted({f"{table.comment('cpu')}, {table.comment('cores')} cores" for table in tables.values()})
    parts.append(f"Measured on {'; '.join(machines)}. “At a time” is how many pictures were encoded side by side.\n")
    return "\n".join(parts)


def add_document_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a document and its results."""
    parser.add_argument("--document", type=Path, metavar="FILE.md", help="replace its results instead of printing")
    parser.add_argument("--block", default="", metavar="NAME", help="of several results in the document")


def publish(make: Callable[[str], str], folder: Path, document: Path | None, block: str) -> None:
    """Print tables, or put them into a document; `make` takes how the folder of the results is called there."""
    if document is None:
        print(make(folder.as_posix()), end="")
    else:
        shown = os.path.relpath(folder.resolve(), document.resolve().parent)
        _put_into(document, block, make(Path(shown).as_posix()))


def _put_into(document: Path, block: str, tables: str) -> None:
    text = replace_results(document.read_text(encoding="utf-8"), tables, block)
    document.write_text(text, encoding="utf-8", newline="\n")


def find_results(text: str, block: str = "") -> str:
    """Return what stands between the results marks of a document, or those of a block that has a name."""
    blocks = _marked(block).findall(text)
    if len(blocks) != 1:
        raise ResultsError(f"a document has one pair of results marks, and this has {len(blocks)}")
    return str(blocks[0][1])


def replace_results(text: str, summary: str, block: str = "") -> str:
    """Put `summary` between the results marks of a document, or those of a block that has a name."""
    find_results(text, block)
    return _marked(block).sub(lambda match: match[1] + summary + match[3], text)


def _marked(block: str) -> re.Pattern[str]:
    mark = re.escape(f"results: {block}" if block else "results")
    return re.compile(rf"(<!-- {mark} -->\n)(.*?)(<!-- /{mark} -->\n)", re.DOTALL)


def _means(tables: dict[Path, Table], folder: Path) -> str:
    header = ("preset", "k", "pictures", "bpp", "PSNR, dB", "MS-SSIM", "SSIMULACRA 2", "Gaussians")
    rows = [
        [
            _link(path, table, folder),
            _k(table),
            str(len(_group(table, mean))),
            f"{float(mean['bpp']):.4f}",
            f"{float(mean['psnr']):.2f}",
            f"{float(mean['ms_ssim']):.4f}",
            f"{float(mean['ssimulacra2']):.1f}" if "ssimulacra2" in mean else "–",
            f"{float(mean['num_gaussians']):,.0f}",
            *_speed(table, mean),
        ]
        for path, table in tables.items()
        for mean in table.means
    ]
    return markdown((*header, *_SPEED_HEADER), rows)


def _comparison(tables: dict[Path, Table], folder: Path) -> str:
    header = ("preset", "published bpp", "published PSNR", "bpp", "PSNR, dB", "gain, dB", "lowest gain", "better")
    rows = []
    for path, table in tables.items():
        for mean in table.means:
            group = _group(table, mean)
            rows.append(
                [
                    _link(path, table, folder),
                    f"{float(mean['published_bpp']):.4f}",
                    f"{float(mean['published_psnr']):.2f}",
                    f"{float(mean['bpp']):.4f}",
                    f"{float(mean['psnr']):.2f}",
                    f"{float(mean['gain_db']):+.2f}",
                    f"{min(float(row['gain_db']) for row in group):+.2f}",
                    f"{sum(map(is_better, group))} of {len(group)}",
                    *_speed(table, mean),
                ]
            )
    return markdown((*header, *_SPEED_HEADER), rows)


def is_better(row: Row) -> bool:
    """Whether a file is no larger than published, and its picture better."""
    return float(row["bpp"]) <= float(row["published_bpp"]) and float(row["gain_db"]) > 0


def _group(table: Table, mean: Row) -> list[Row]:
    """The measurements that a mean row averages."""
    return [row for row in table.measurements if goal(row) == goal(mean)]


_SPEED_HEADER = ("encode, s", "decode, s", "at a time")


def _speed(table: Table, mean: Row) -> list[str]:
    jobs = str(table.settings["jobs"])
    return [f"{float(mean['seconds_encode']):.1f}", f"{float(mean['seconds_decode']):.3f}", jobs]


def _k(table: Table) -> str:
    settings = table.settings
    if "k" in settings:
        return str(settings["k"])
    chosen = [settings.get(name) for name in ("covariance_k", "color_k")]
    return "preset’s" if chosen == [None, None] else " and ".join(str(size or "preset’s") for size in chosen)


def _link(path: Path, table: Table, folder: Path) -> str:
    """The name of the preset, as a link to the results file, seen from `folder`."""
    resolved = path.resolve()
    inside = resolved.is_relative_to(ROOT)
    shown = Path(os.path.relpath(resolved, folder.resolve())).as_posix() if inside else path.name
    return f"[{table.settings['preset']}]({shown})"


def mean_with_count(values: Iterable[float | None], form: str, none: str) -> str:
    """The mean of the values that there are, with their number in brackets if it is not all."""
    values = list(values)
    found = [value for value in values if value is not None]
    if not found:
        return none
    count = "" if len(found) == len(values) else f" ({len(found)})"
    return f"{statistics.fmean(found):{form}}{count}"


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = list(header)
    lines = [cells, ["---"] + ["--:"] * (len(cells) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
