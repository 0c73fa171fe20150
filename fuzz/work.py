"""Decode the files that ask for the most work within the default limits, and tell what they take.

    python -m fuzz.work [--runs N] [--output FILE.tsv]

Each run is a process of its own, with kernels in memory before the clock starts. Of the time the median is told, and of
the memory the most, above what the process had before.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.provenance import ROOT, command_line, provenance, write_lines
from fuzz.hostile_files import crowd
from taichi_gs.format.bitstream import serialize
from taichi_gs.format.chunks import ALPHA_TAG
from taichi_gs.format.limits import Limits
from taichi_gs.model.quantized import NUM_GRAIN_LEVELS

COLUMNS = ("file", "bytes", "options", "outcome", "seconds", "processor_seconds", "mebibytes")

MOST, LARGEST = Limits().max_gaussians, (9459, 9459)
"""Gaussians, and a picture of nearly all the pixels that there may be."""

ANYWHERE = 65535
"""Columns of a grid that takes the most time to read."""

_PROGRAM = """
import json, sys, time
from pathlib import Path
import taichi_gs
from fuzz.checks import examine
from taichi_gs.kernels import runtime

warm, path, options = sys.argv[1:]
runtime.start("cpu")
taichi_gs.decode(Path(warm).read_bytes())
seconds = []

def decode(data):
    started = time.perf_counter()
    try:
        return taichi_gs.decode(data, device="cpu", **json.loads(options))
    finally:
        seconds.append(time.perf_counter() - started)

outcome = examine(Path(path).read_bytes(), decode)
print(json.dumps([outcome.name, outcome.sentence, seconds[0], outcome.seconds, outcome.mebibytes]))
"""


class Work(NamedTuple):
    """What came of a file, and what it took; see `checks.Outcome`."""

    name: str
    sentence: str
    seconds: float
    processor_seconds: float
    mebibytes: float


class Case(NamedTuple):
    """A file, made when it is asked for, and how it is drawn."""

    make: Callable[[], bytes]
    options: Mapping[str, Any] = {}


def _file(*arguments: Any, alpha: tuple[Any, ...] = (), has_grain: bool = False, **options: Any) -> bytes:
    """The file of a crowd, with another one as its alpha plane if there is one, and with the strongest grain if any."""
    chunks = {ALPHA_TAG: serialize(crowd(*alpha, **options, is_gray=True))} if alpha else {}
    colors = crowd(*arguments, **options)
    if has_grain:
        colors = replace(colors, grain=np.full(len(colors.color_codebook), NUM_GRAIN_LEVELS - 1))
    return serialize(colors, chunks)


def _case(*arguments: Any, drawn: Mapping[str, Any] | None = None, **options: Any) -> Case:
    return Case(functools.partial(_file, *arguments, **options), drawn or {})


CASES = {
    "all of everything": _case(MOST, 14, LARGEST, columns=ANYWHERE, num_codewords=Limits().max_codewords - 1),
    "all Gaussians on nine tiles of a third": _case(MOST, MOST, (48, 48), num_codewords=2, drawn={"size": (16, 16)}),
    "all Gaussians, half of them in alpha": _case(
        MOST // 2, 0, (16, 16), alpha=(MOST // 2, 0, (16, 16)), num_codewords=2
    ),
    "few bytes, a pixel smaller": _case(30, 30, LARGEST, drawn={"size": (9458, 9458)}),
    "few bytes, blended by alpha": _case(30, 30, LARGEST, blending="alpha", drawn={"size": (9458, 9458)}),
    "few bytes, with alpha": _case(10, 10, LARGEST, alpha=(10, 10, LARGEST)),
    "few bytes, with grain": _case(10, 10, LARGEST, has_grain=True, drawn={"grain": True}),
    "few bytes, with grain, a pixel smaller": _case(
        10, 10, LARGEST, has_grain=True, drawn={"grain": True, "size": (9458, 9458)}
    ),
    "few bytes, with grain, on a few pixels": _case(
        10, 10, LARGEST, has_grain=True, drawn={"grain": True, "size": (16, 16)}
    ),
    "few bytes, four samples a pixel": _case(30, 30, (4729, 4729), drawn={"size": (4728, 4728)}),
    "few bytes, sixteen samples a pixel": _case(30, 30, (4729, 4729), drawn={"scale": 0.26}),
    "few bytes, a region of a larger picture": _case(
        30, 30, (4729, 4729), drawn={"scale": 1.99, "region": (9, 9, 90, 90)}
    ),
}
"""Files that are decoded, and take the most."""


def measure(data: bytes, **options: Any) -> Work:
    """Decode a file once in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("warm.tgs", "hostile.tgs")]
        for path, content in zip(paths, (_file(9, 1, (20, 20)), data), strict=True):
            path.write_bytes(content)
        command = [sys.executable, "-c", _PROGRAM, *map(str, paths), json.dumps(options)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    return Work(*json.loads(done.stdout))


def main(argv: list[str] | None = None) -> int:
    """Measure all files and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m fuzz.work", description="Measure the most work of a decoder.")
    parser.add_argument("--runs", type=int, default=3, help="of each file [default: 3]")
    parser.add_argument("--output", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    arguments = parser.parse_args(argv)
    rows = []
    for name, case in CASES.items():
        data = case.make()
        runs = [measure(data, **case.options) for _ in range(arguments.runs)]
        seconds = statistics.median(run.seconds for run in runs)
        processor = statistics.median(run.processor_seconds for run in runs)
        most = max(run.mebibytes for run in runs)
        drawn = " ".join(f"{option}={value}" for option, value in case.options.items()) or "-"
        rows.append((name, len(data), drawn, runs[0].name, f"{seconds:.2f}", f"{processor:.2f}", f"{most:.0f}"))
    comments = [f"# {comment}" for comment in provenance(command_line("fuzz.work", argv))]
    write_lines([*comments, *("\t".join(map(str, row)) for row in (COLUMNS, *rows))], arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
