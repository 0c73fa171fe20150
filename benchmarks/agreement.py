"""Check that the package and the reference decoder agree: on .tgs files, and on pictures once they are encoded.

    python -m benchmarks.agreement FOLDER --preset fast --out agreement.tsv

A row says whether the integers are the same, and how far the pixels are apart. The exit status is 1 if any integer
differs, or any pixel by more than 1 in 255. The reference decoder in `tests/` draws every Gaussian over every pixel, so
that a photograph takes it up to a minute.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.provenance import ROOT, command_line, provenance
from benchmarks.tables import NONE, ResultsError, Row, format_head, format_row
from taichi_gs.errors import TgsError

COLUMNS = ("image", "bytes", "num_gaussians", "integers", "max_difference", "differing_values")
SUFFIXES = (".png", ".tgs")
MAX_DIFFERENCE = 1


def main(argv: list[str] | None = None) -> int:
    """Run the check and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    try:
        num_apart = run(arguments, command_line("benchmarks.agreement", argv))
    except (ResultsError, TgsError) as error:
        print(f"agreement: error: {error}", file=sys.stderr)
        return 1
    return 1 if num_apart else 0


def run(arguments: argparse.Namespace, command: str) -> int:
    """Compare what `arguments` ask for, write the rows to the file or to stdout, and return how many files differ."""
    names = ("preset", "bits_per_pixel", "num_gaussians", "seed")
    options = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    paths = _paths(arguments.folder, arguments.images)
    num_apart = 0
    with contextlib.ExitStack() as stack:
        output: TextIO = sys.stdout
        if arguments.out is not None:
            output = stack.enter_context(open(arguments.out, "w", encoding="utf-8", newline="\n"))
        output.write(format_head(provenance(command), COLUMNS))
        for path in paths:
            row, agrees = compare(path.stem, _file_of(path, options))
            num_apart += not agrees
            output.write(format_row(COLUMNS, row))
            output.flush()
    return num_apart


def compare(name: str, data: bytes) -> tuple[Row, bool]:
    """Decode a file by either decoder; return its row, and whether they agree.

    Raises:
        TgsError: if the package refuses the file.
    """
    from taichi_gs import decode

    symbols, reference_decoder = _from_tests("conformance.symbols"), _from_tests("reference_decoder")
    integers, pixels = symbols.by_package(data), decode(data).astype(int)
    row = dict.fromkeys(COLUMNS, NONE) | {"image": name, "bytes": str(len(data))}
    row["num_gaussians"] = str(len(integers["cells"]))
    try:
        is_same, reference = symbols.by_reference(data) == integers, reference_decoder.decode(data)
    except Exception as error:  # It asserts what it expects, and goes wrong in whatever way on what it does not.
        return row | {"integers": f"refused: {error}"}, False
    row["integers"] = "same" if is_same else "different"
    if reference.shape != pixels.shape:
        return row, False
    differences = np.abs(pixels - reference)
    row |= {"max_difference": str(differences.max()), "differing_values": str(np.count_nonzero(differences))}
    return row, is_same and bool(differences.max() <= MAX_DIFFERENCE)


def _file_of(path: Path, options: dict[str, Any]) -> bytes:
    """The .tgs file at a path, or that of the picture there."""
    from taichi_gs import encode

    return path.read_bytes() if path.suffix == ".tgs" else encode(path, **options)


def _from_tests(name: str) -> Any:
    """A module of the folder `tests`, which no package has."""
    folder = str(ROOT / "tests")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def _paths(folder: Path, images: list[str] | None) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES) if folder.is_dir() else []
    if images:
        unknown = sorted(set(images) - {path.stem for path in paths})
        if unknown:
            raise ResultsError(f"there is no {unknown[0]} in {folder.name}")
        paths = [path for path in paths if path.stem in images]
    if not paths:
        raise ResultsError(f"there are no PNG or .tgs files in {folder.name}")
    return paths


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.agreement", description="Check that the package and the reference decoder agree."
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="a folder of PNG and .tgs files")
    add("--preset", default="default", help="preset of the encoder, for pictures [default: default]")
    add("--bpp", dest="bits_per_pixel", type=float, help="rate not to be exceeded")
    add("--num-gaussians", type=int, help="how many Gaussians")
    add("--seed", type=int, help="seed of every random choice")
    add("--images", nargs="+", metavar="NAME", help="only these files, as in kodim01 kodim05")
    add("--out", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    return parser


if __name__ == "__main__":
    sys.exit(main())
