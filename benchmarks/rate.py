"""Measure rate and distortion next to other codecs on a folder of PNG files.

    python -m benchmarks.rate FOLDER [--bpp 0.042,0.066] [--preset NAME] [--tune NAME] [--jobs N]
    python -m benchmarks.compare --document docs/results.md --plot docs/rate.svg

The first command measures and the second draws. The output folder gets three kinds of files:

    taichi_gs-PRESET.tsv    what `python -m benchmarks.kodak` measures at these rates, or taichi_gs-PRESET-TUNE.tsv
    peers.tsv               the codecs of Pillow and of its plug-ins; rows that are there are kept
    published.tsv           curves that others have published, if the pictures are Kodak's or `--anchors` has a file
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import kodak, peers
from benchmarks.provenance import ROOT, command_line, write_lines
from benchmarks.published import ANCHORS, read_curves, read_table1
from benchmarks.tables import MEAN, ResultsError, format_value
from taichi_gs.errors import TgsError

OUTPUT = ROOT / "benchmarks" / "results" / "rate"

RATES = (0.042, 0.066, 0.125, 0.183, 0.4, 0.5)
"""The four rates of the paper's Table 1, and two above them."""

MIN_RATE, MAX_RATE = 0.03, 0.6
"""What is drawn, in bits per pixel."""

SLACK = 1.6
"""How far beyond the rates the other codecs are measured, so that their curves reach them."""

PUBLISHED_COLUMNS = ("image", "codec", "bpp", "psnr", "source")
PUBLISHED = {
    "VTM": "VVC (VTM)",
    "BPG 4:4:4": "BPG 4:4:4",
    "Cool-Chic 5.0": "Cool-Chic 5.0",
    "Minnen2018 (MSE)": "Minnen 2018",
    "COIN": "COIN",
    "GaussianImage (ECCV 2024)": "GaussianImage (approximate)",
    "Zhang et al. 2024 (the method implemented here)": "Zhang et al. 2024",
}
"""The curves that are worth a line, and their labels: a few of each kind, and what is done with Gaussians."""


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    command = command_line("benchmarks.rate", argv)
    arguments.output = arguments.output or OUTPUT / arguments.folder.resolve().name
    try:
        paths = pictures(arguments.folder, arguments.images)
        arguments.output.mkdir(parents=True, exist_ok=True)
        anchors = arguments.anchors or (ANCHORS if {path.stem for path in paths} <= read_table1().keys() else None)
        if anchors:
            write_published(anchors, arguments.output / "published.tsv", command)
        rates = (min(arguments.bpp) / SLACK, max(arguments.bpp) * SLACK)
        peers.run(paths, arguments.output / "peers.tsv", command, rates, arguments.codecs, arguments.jobs)
    except (ResultsError, TgsError) as error:
        print(f"rate: error: {error}", file=sys.stderr)
        return 1
    return 0 if arguments.peers_only else kodak.main(_kodak_arguments(arguments))


def write_published(anchors: Path, out: Path, command: str) -> None:
    """Copy the published curves to draw, as far as they are to be seen, and where they are from."""
    lines = [f"# command: {command}", "\t".join(PUBLISHED_COLUMNS)]
    curves = read_curves(anchors)
    if missing := sorted(PUBLISHED.keys() - curves.keys()):
        raise ResultsError(f"{anchors.name} does not hold the published curves: there is no {missing[0]}")
    for name, label in PUBLISHED.items():
        source, points = curves[name]
        inside = [rate for rate, _ in points if MIN_RATE <= rate <= MAX_RATE]
        if len(inside) < 2:
            continue
        # The first point beyond keeps a line from ending before the border.
        last = next((rate for rate, _ in points if rate > MAX_RATE), MAX_RATE)
        for rate, psnr in points:
            if MIN_RATE <= rate <= last:
                lines.append("\t".join([MEAN, label, format_value("bpp", rate), format_value("psnr", psnr), source]))
    write_lines(lines, out)


def pictures(folder: Path, names: list[str] | None) -> list[Path]:
    """List the PNG files of a folder, or those of some names."""
    paths = [path for path in sorted(folder.glob("*.png")) if names is None or path.stem in names]
    missing = sorted(set(names or []) - {path.stem for path in paths})
    if missing or not paths:
        raise ResultsError(f"there is no picture {missing[0]} in {folder}" if missing else f"no PNG files in {folder}")
    return paths


def results_name(preset: str, tune: str | None) -> str:
    """The name of the file of this codec's results."""
    return f"taichi_gs-{preset}{f'-{tune}' if tune else ''}.tsv"


def _kodak_arguments(arguments: argparse.Namespace) -> list[str]:
    tune = ["--tune", arguments.tune] if arguments.tune else []
    out = arguments.output / results_name(arguments.preset, arguments.tune)
    options = ["--preset", arguments.preset, *tune, "--bpp", *map(str, arguments.bpp), "--jobs", str(arguments.jobs)]
    images = ["--images", *arguments.images] if arguments.images else []
    resume = ["--resume"] if arguments.resume else []
    return [str(arguments.folder), *options, *images, "--out", str(out), *resume]


def _rates(text: str) -> list[float]:
    return [float(rate) for rate in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rate", description="Compare with other codecs.")
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="a folder of PNG files")
    listed = ",".join(map(str, RATES))
    add("--bpp", type=_rates, default=list(RATES), metavar="RATE,...", help=f"not to be exceeded [default: {listed}]")
    add("--preset", default="default", help="preset of the encoder [default: default]")
    add("--tune", help="which errors count more [default: the encoder's]")
    add("--images", nargs="+", metavar="NAME", help="only these pictures, as in kodim01 kodim05")
    add("--jobs", type=int, default=1, help="pictures in work at a time [default: 1]")
    add("--anchors", type=Path, metavar="FILE.json", help="copy published curves from this file")
    add("--output", type=Path, metavar="DIR", help="folder [default: FOLDER's name in benchmarks/results/rate]")
    add("--codecs", nargs="+", metavar="NAME", help="only these other codecs, as in AVIF 'JPEG XL'")
    add("--peers-only", action="store_true", help="measure the other codecs alone")
    add("--resume", action="store_true", help="go on with this encoder's results where they end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
