"""Make the paper's tables and figures again, from real files, and the page that shows them.

    python -m benchmarks.paper FOLDER [--jobs 2] [--only table1,table2]
    python -m benchmarks.paper

FOLDER has Kodak's 24 pictures, kodim01.png to kodim24.png. A row is written as soon as it is measured. A run that was
interrupted goes on where it ended, with the same command. Without FOLDER nothing is measured: the page is made from the
results that are there. The parts, with the files that they write:

    table1      table1-paper.tsv and table1-default-psnr.tsv: every picture at the four rates of the paper's Table 1
    table2      table2.tsv: times and sizes of this codec and of those of Pillow and its plug-ins, one at a time
    networks    networks.tsv: the same of COIN and WIRE, for every sixth picture
    table3      table3-NAME.tsv: the preset `paper` with one change, for every second picture; compares with table1
    figure2     peers.tsv: JPEG and HEIC over the rate
    figure3     figure3.tsv, and the picture: crops of pictures that the results of table1 choose
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import paper_figures, paper_fits, paper_tables, paper_times, peers
from benchmarks.kodak import positive
from benchmarks.provenance import ROOT, command_line
from benchmarks.rate import pictures
from benchmarks.summary import replace_results
from benchmarks.tables import ResultsError
from taichi_gs.errors import TgsError

OUTPUT = ROOT / "benchmarks" / "results" / "paper"
DOCUMENT = ROOT / "docs" / "paper.md"

PARTS = ("table1", "table2", "networks", "table3", "figure2", "figure3")
"""In the order in which they are measured: some need the results of others."""

EVERY = {"table3": 2, "networks": 6}
"""Parts that take long are measured with every so manieth picture."""

NETWORK_SECONDS = 900
"""The time that training a network may take for a picture."""

INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Measure what is asked for, make the page, and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    try:
        if arguments.folder is not None:
            _measure(arguments, command_line("benchmarks.paper", argv))
        _publish(arguments.output, arguments.document)
    except (ResultsError, TgsError) as error:
        print(f"paper: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("paper: interrupted; the same command goes on where it ended", file=sys.stderr)
        return INTERRUPTED
    return 0


def page_blocks(output: Path, shown: str) -> dict[str, str]:
    """The blocks of the page by name, from the results in a folder that the page calls `shown`."""
    return {
        "table1": paper_tables.table1(output, shown),
        "table2": paper_tables.table2(output, shown),
        "table3": paper_tables.table3(output, shown),
        "figure2": paper_figures.figure2(output, shown),
        "figure3": paper_figures.figure3(output, shown),
    }


def _measure(arguments: argparse.Namespace, command: str) -> None:
    output, steps, jobs = arguments.output, arguments.steps, arguments.jobs
    if output is None and (steps is not None or arguments.network_seconds != NETWORK_SECONDS):
        raise ResultsError("a trial with other steps or another time needs a folder of its own: give --output")
    output = output or OUTPUT
    paths = pictures(arguments.folder, arguments.images)
    output.mkdir(parents=True, exist_ok=True)
    for part in arguments.only:
        print(f"paper: {part}", file=sys.stderr)
        chosen = paths[:: EVERY.get(part, 1)]
        if part == "table1":
            paper_fits.run_table1(chosen, output, command, steps, jobs)
        elif part == "table2":
            paper_times.run(chosen, output / "table2.tsv", command, steps)
        elif part == "networks":
            limits = (arguments.network_seconds, steps)
            paper_times.run_networks(chosen, output / "networks.tsv", command, limits, jobs)
        elif part == "table3":
            paper_fits.run_table3(chosen, output, command, steps, jobs)
        elif part == "figure2":
            rates = (paper_figures.MIN_RATE, paper_figures.MAX_RATE)
            codecs = list(paper_figures.OTHERS)
            peers.run(chosen, output / "peers.tsv", command, rates, codecs, jobs, full_size=True)
        else:
            crops = _document(arguments.output, arguments.document).with_name(paper_figures.CROPS)
            paper_figures.make_figure3(chosen, output, crops, command, steps)


def _publish(output: Path | None, document: Path | None) -> None:
    """Put the results into the document, and draw what is drawn from results alone beside it."""
    target = _document(output, document)
    results = (output or OUTPUT).resolve()
    source = target if target.exists() else DOCUMENT
    text = source.read_text(encoding="utf-8")
    for name, block in page_blocks(results, _relative(results, target)).items():
        text = replace_results(text, block, name)
    target.write_text(text, encoding="utf-8", newline="\n")
    paper_figures.draw_figure2(results, target.with_name(paper_figures.RATE_PLOT))


def _document(output: Path | None, document: Path | None) -> Path:
    """The page: that of the project, or of a trial, beside its results."""
    return document or (DOCUMENT if output is None else output / DOCUMENT.name)


def _relative(results: Path, document: Path) -> str:
    """What a document calls the folder of results."""
    return Path(os.path.relpath(results, document.resolve().parent)).as_posix()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    return [part for part in PARTS if part in names]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description="Make the paper's tables again.")
    add = parser.add_argument
    add("folder", type=Path, nargs="?", metavar="FOLDER", help="Kodak's pictures; without it, only the page is made")
    add("--only", type=_parts, default=list(PARTS), metavar="PART,...", help=f"of {', '.join(PARTS)} [default: all]")
    add("--jobs", type=positive, default=1, help="pictures in work at a time, but not for table2 [default: 1]")
    add("--images", nargs="+", metavar="NAME", help="only these pictures, as in kodim01 kodim05")
    add("--output", type=Path, metavar="DIR", help="folder of results [default: benchmarks/results/paper]")
    add("--document", type=Path, metavar="FILE.md", help="the page [default: docs/paper.md, or paper.md in DIR]")
    add("--steps", type=positive, help="of all that is trained, for a trial")
    add("--network-seconds", type=positive, default=NETWORK_SECONDS, help="for a network [default: %(default)d]")
    return parser


if __name__ == "__main__":
    sys.exit(main())
