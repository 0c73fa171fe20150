"""Measure files of a few bytes next to other codecs' on a folder of PNG files.

    python -m benchmarks.small FOLDER [--bytes 64 128 256] [--preset NAME] [--jobs N] [--peers-only] [--resume]
    python -m benchmarks.small_tables DIR [--document docs/results.md --block small]

The first command measures, and the second makes tables. The output folder gets these files:

    peers.tsv                    the best files of other codecs; rows that are there are kept
    taichi_gs-PRESET.tsv         what `python -m benchmarks.kodak` measures at these sizes
    taichi_gs-PRESET-psnr.tsv    the same with `--tune psnr`
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import kodak, small_peers
from benchmarks.provenance import ROOT, command_line
from benchmarks.rate import pictures, results_name
from benchmarks.tables import ResultsError

OUTPUT = ROOT / "benchmarks" / "results" / "small"

SIZES = (64, 128, 256, 512, 1024, 2048)

TUNES = ("psnr", None)
"""What the encoder is measured with; None is its default."""


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    output: Path = arguments.output or OUTPUT / arguments.folder.resolve().name
    try:
        paths = pictures(arguments.folder, arguments.images)
        output.mkdir(parents=True, exist_ok=True)
        command = command_line("benchmarks.small", argv)
        small_peers.run(paths, output / "peers.tsv", command, arguments.bytes, arguments.jobs)
    except ResultsError as error:
        print(f"small: error: {error}", file=sys.stderr)
        return 1
    if arguments.peers_only:
        return 0
    return max(kodak.main(_kodak_arguments(arguments, output, tune)) for tune in TUNES)


def _kodak_arguments(arguments: argparse.Namespace, output: Path, tune: str | None) -> list[str]:
    options = ["--preset", arguments.preset, *(["--tune", tune] if tune else []), "--jobs", str(arguments.jobs)]
    sizes = ["--bytes", *map(str, arguments.bytes)]
    images = ["--images", *arguments.images] if arguments.images else []
    resume = ["--resume"] if arguments.resume else []
    out = output / results_name(arguments.preset, tune)
    return [str(arguments.folder), *options, *sizes, *images, "--out", str(out), *resume]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small", description="Measure files of a few bytes.")
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="a folder of PNG files")
    listed = " ".join(map(str, SIZES))
    add("--bytes", type=int, nargs="+", default=list(SIZES), help=f"sizes not to be exceeded [default: {listed}]")
    add("--preset", default="default", help="preset of the encoder [default: default]")
    add("--images", nargs="+", metavar="NAME", help="only these pictures, as in kodim01 kodim05")
    add("--jobs", type=int, default=1, help="pictures in work at a time [default: 1]")
    add("--output", type=Path, metavar="DIR", help="folder [default: FOLDER's name in benchmarks/results/small]")
    add("--peers-only", action="store_true", help="measure the other codecs alone")
    add("--resume", action="store_true", help="go on with this encoder's results where they end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
