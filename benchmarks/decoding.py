"""Time and memory of parsing and of decoding, over pictures of more and more pixels and of more and more Gaussians.

    python -m benchmarks.decoding [--quick] [--runs N] [--out FILE.tsv]

The pictures are random ones with Gaussians of natural sizes: the fewer there are for the pixels, the larger they are.
One series has a fixed number of Gaussians, the other one a fixed number of pixels. Times are in milliseconds, in a
process that has its kernel already; `mebibytes` is how much more memory than before a process needs at most, when it
does such a thing for the first time (Linux tells, for others it is `-`).

All of them should grow as a + b pixels + c Gaussians. This is fitted to each, by relative errors and without negative
terms: the comments have a, b and c, and the columns `to_fit` the measured values in multiples of the fitted ones.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.measuring import forget_peak, peak_mebibytes, run_process, times_in_turn
from benchmarks.provenance import ROOT, command_line, provenance, write_lines
from benchmarks.tables import NONE
from taichi_gs import decode
from taichi_gs.format.bitstream import parse, serialize
from taichi_gs.kernels import runtime
from taichi_gs.model.channels import area_code_of, quantizers_of
from taichi_gs.model.lattice import MAX_COLUMNS, lattice_of_picture, rows_of, subdivision_of
from taichi_gs.model.quantized import COVARIANCE_CHANNELS, IntArray, QuantizedCodebook, QuantizedGaussians

COLUMNS = (
    *("what", "series", "width", "height", "num_gaussians", "bytes"),
    *("runs", "median", "min", "max", "to_fit", "mebibytes", "memory_to_fit"),
)
ACTIONS: dict[str, Callable[[bytes], object]] = {"parse": parse, "decode": decode}

MEGAPIXELS, GAUSSIANS = (0.25, 1.0, 4.0, 16.0, 64.0), (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
QUICK_MEGAPIXELS, QUICK_GAUSSIANS = (0.25, 1.0), (1_000, 3_000)
FIXED_MEGAPIXELS, FIXED_GAUSSIANS = 1.0, 3_000
NUM_CODEWORDS = 256
STEP_CODES = (28, 28, 28, 16, 21, 21, 28)
"""Of the channels. They divide the ranges of `random_picture` into about 64 levels."""

SUBDIVISION_CODE = 44


class Measurement(NamedTuple):
    """A row: `milliseconds` of each run, and the MiB of the first one, None where the system does not tell."""

    what: str
    series: str
    image_size: tuple[int, int]
    num_gaussians: int
    num_bytes: int
    milliseconds: list[float]
    mebibytes: float | None

    @property
    def terms(self) -> tuple[float, float, float]:
        """What cost is a sum of: 1, the pixels and the Gaussians."""
        return 1.0, float(math.prod(self.image_size)), float(self.num_gaussians)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoding", description="Time and memory of decoding.")
    parser.add_argument("--megapixels", type=float, nargs="+", metavar="MP", help="pixels of the first series")
    parser.add_argument("--gaussians", type=int, nargs="+", metavar="N", help="Gaussians of the second series")
    parser.add_argument("--quick", action="store_true", help="only small pictures, to see that it works")
    parser.add_argument("--runs", type=int, default=7, help="repetitions of each measurement [default: 7]")
    parser.add_argument("--out", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.measure is not None:
        what, file = arguments.measure
        print(json.dumps(measure(ACTIONS[what], Path(file).read_bytes(), arguments.runs)))
        return 0
    megapixels = arguments.megapixels or (QUICK_MEGAPIXELS if arguments.quick else MEGAPIXELS)
    gaussians = arguments.gaussians or (QUICK_GAUSSIANS if arguments.quick else GAUSSIANS)
    subjects = [("pixels", image_size(size), FIXED_GAUSSIANS) for size in megapixels]
    subjects += [("Gaussians", image_size(FIXED_MEGAPIXELS), number) for number in gaussians]
    with tempfile.TemporaryDirectory() as folder:
        measurements = [row for subject in subjects for row in _measured(*subject, Path(folder), arguments.runs)]
    comments, rows = _table(measurements)
    comments = [*provenance(command_line("benchmarks.decoding", argv)), *comments]
    write_lines([*(f"# {comment}" for comment in comments), "\t".join(COLUMNS), *rows], arguments.out)
    return 0


def image_size(megapixels: float) -> tuple[int, int]:
    """(height, width) of a picture of about so many times 2**20 pixels, a third wider than it is high."""
    height = max(1, round(math.sqrt(megapixels * 2**20 * 3 / 4)))
    return height, max(1, round(megapixels * 2**20 / height))


def random_picture(image_size: tuple[int, int], num_gaussians: int) -> QuantizedGaussians:
    """Return a picture of normalised Gaussians whose standard deviations are about half the distance between them."""
    generator = np.random.default_rng(0)
    height, width = image_size
    num_codewords = min(NUM_CODEWORDS, num_gaussians)
    log_area = math.log(height * width / num_gaussians / 4)
    quantizers = quantizers_of(STEP_CODES, area_code_of(height * width, num_gaussians), "normalized", is_gray=False)
    ranges = [(log_area - 1, log_area + 1), (-1.0, 1.0), (-1.0, 1.0)]
    ranges += [(0.0, 1.0), (-0.2, 0.2), (-0.2, 0.2), (-0.25, 0.25)]

    def codebook(channels: slice) -> QuantizedCodebook:
        own = quantizers[channels]
        levels = [
            np.rint((generator.uniform(low, high, num_codewords) - quantizer.minimum) / quantizer.step)
            for quantizer, (low, high) in zip(own, ranges[channels], strict=True)
        ]
        return QuantizedCodebook(np.stack(levels, axis=1).astype(np.int64), own)

    columns = min(MAX_COLUMNS, math.ceil(width / (math.sqrt(height * width / num_gaussians) / 2)))
    grid_size = (rows_of(columns, image_size), columns)
    picture = QuantizedGaussians(
        image_size=image_size,
        background=np.full(3, 136, np.uint8),
        blending="normalized",
        grid_size=grid_size,
        cells=generator.integers(0, grid_size, (num_gaussians, 2)),
        subdivision=subdivision_of(SUBDIVISION_CODE),
        offsets=np.zeros((num_gaussians, 2), np.int64),
        covariance_codebook=codebook(slice(0, COVARIANCE_CHANNELS)),
        covariance_indices=generator.integers(0, num_codewords, num_gaussians),
        color_codebook=codebook(slice(COVARIANCE_CHANNELS, None)),
        color_indices=generator.integers(0, num_codewords, num_gaussians),
    )
    levels: IntArray = lattice_of_picture(picture).levels
    return replace(picture, offsets=generator.integers(0, levels))


def measure(action: Callable[[bytes], object], data: bytes, runs: int) -> tuple[list[float], float | None]:
    """Do something with a file: the milliseconds of each of `runs` runs, and the MiB that the first one needs.

    Before this a tiny file is worked on, so that nothing is measured of what a process does once.
    """
    runtime.start()
    action(serialize(random_picture((4, 4), 1)))
    before = forget_peak()
    action(data)
    peak = peak_mebibytes()
    mebibytes = None if before is None or peak is None else peak - before
    return times_in_turn({"": lambda: action(data)}, runs)[""], mebibytes


def fit(terms: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """Return coefficients, none of them negative, whose sum of terms comes close to each of `values` in proportion."""
    scaled = np.asarray(terms) / np.asarray(values)[:, None]
    kept = list(range(scaled.shape[1]))
    while True:
        # Terms differ by orders of magnitude.
        norms = np.linalg.norm(scaled[:, kept], axis=0)
        solution = np.linalg.lstsq(scaled[:, kept] / norms, np.ones(len(scaled)), rcond=None)[0] / norms
        if (solution >= 0).all():
            coefficients = dict(zip(kept, solution.tolist(), strict=True))
            return [coefficients.get(index, 0.0) for index in range(scaled.shape[1])]
        kept.pop(int((solution * norms).argmin()))


def _measured(
    series: str, image_size: tuple[int, int], num_gaussians: int, folder: Path, runs: int
) -> Iterator[Measurement]:
    """Measure a picture, every action in a process of its own."""
    file = folder / f"{image_size[1]}x{image_size[0]}x{num_gaussians}.tgs"
    file.write_bytes(serialize(random_picture(image_size, num_gaussians)))
    for what in ACTIONS:
        command = ["-m", "benchmarks.decoding", "--runs", str(runs), "--measure", what, str(file)]
        milliseconds, mebibytes = json.loads(run_process(command, ROOT).stdout)
        yield Measurement(what, series, image_size, num_gaussians, file.stat().st_size, milliseconds, mebibytes)


def _table(measurements: Sequence[Measurement]) -> tuple[list[str], list[str]]:
    """The comments and the rows."""
    comments, rows = [], []
    for what in ACTIONS:
        chosen = [measurement for measurement in measurements if measurement.what == what]
        terms = [measurement.terms for measurement in chosen]
        times = [statistics.median(measurement.milliseconds) for measurement in chosen]
        (start, pixel, gaussian), ratios = _fitted(terms, times)
        comments.append(
            f"{what}: {start:.2f} ms + {1e6 * pixel:.2f} ns a pixel + {1e6 * gaussian:.0f} ns a Gaussian; "
            f"{_range(ratios)} times that"
        )
        memory = [measurement.mebibytes for measurement in chosen if measurement.mebibytes]
        memory_ratios: list[float] = []
        if len(memory) == len(chosen):
            (start, pixel, gaussian), memory_ratios = _fitted(terms, memory)
            comments.append(
                f"{what}, memory: {start:.2f} MiB + {2**20 * pixel:.2f} bytes a pixel + "
                f"{2**20 * gaussian:.0f} bytes a Gaussian; {_range(memory_ratios)} times that"
            )
        for index, measurement in enumerate(chosen):
            height, width = measurement.image_size
            figures = [f"{function(measurement.milliseconds):.2f}" for function in (statistics.median, min, max)]
            mebibytes, ratio = NONE, NONE
            if measurement.mebibytes is not None:
                mebibytes = f"{measurement.mebibytes:.2f}"
            if memory_ratios:
                ratio = f"{memory_ratios[index]:.2f}"
            numbers = (width, height, measurement.num_gaussians, measurement.num_bytes, len(measurement.milliseconds))
            cells = [what, measurement.series, *map(str, numbers), *figures, f"{ratios[index]:.2f}", mebibytes, ratio]
            rows.append("\t".join(cells))
    return comments, rows


def _fitted(terms: Sequence[Sequence[float]], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """The coefficients, and each value in multiples of what they make of its terms."""
    coefficients = fit(terms, values)
    return coefficients, (np.asarray(values) / (np.asarray(terms) @ coefficients)).tolist()


def _range(ratios: Iterable[float]) -> str:
    ordered = sorted(ratios)
    return f"measured {ordered[0]:.2f} to {ordered[-1]:.2f}"


if __name__ == "__main__":
    sys.exit(main())
