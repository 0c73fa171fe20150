"""Train the priors of the format on photographs, and print them as `taichi_gs/format/prior_tables.py` has them.

    python -m benchmarks.priors FOLDER [--jobs N]

Each photograph is encoded at several sizes, and the values of all codewords are counted. The committed tables were
trained on 32 photographs of many kinds. They are part of the format: other tables make another version of it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import taichi_gs
from benchmarks.processes import map_in_processes
from taichi_gs.format.bitstream import parse
from taichi_gs.format.prior_tables import NUM_BINS
from taichi_gs.model.channels import channels_of
from taichi_gs.model.quantized import COVARIANCE_CHANNELS, NUM_CHANNELS, QuantizedGaussians

SIZES = (256, 512, 1024, 2048, 5000, 12000)
"""In bytes."""

TOTAL = 1 << 16
"""The sum of a table."""

SMOOTHING = (0.107, 0.786, 0.107)
"""Of neighbouring bins."""

MIRRORED = (1, 2, 4, 5)
"""u, v, Co and Cg: their signs depend on how a picture is turned, and on the colour of its light."""


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Train the priors of the format.", allow_abbrev=False)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of PNG files")
    parser.add_argument("--jobs", type=int, default=1, help="files at a time [default: 1]")
    arguments = parser.parse_args()
    paths = sorted(arguments.folder.glob("*.png"))
    if not paths:
        parser.error(f"{arguments.folder} has no PNG files")
    tasks = [(path, size) for path in paths for size in SIZES]
    counts = sum(map_in_processes(counts_of, tasks, arguments.jobs), np.zeros((NUM_CHANNELS, NUM_BINS)))
    sys.stdout.write(module_of(tables_of(counts)))
    return 0


def counts_of(task: tuple[Path, int]) -> NDArray[np.float64]:
    """The values [channels, bins] of the codewords of a file of a picture, at a size in bytes.

    All codewords of a file together count as the root of their number: large files would else decide alone.
    """
    path, num_bytes = task
    quantized = parse(taichi_gs.encode(path, preset="fast", num_bytes=num_bytes))
    return np.stack([_histogram(quantized, channel) for channel in range(NUM_CHANNELS)])


def _histogram(quantized: QuantizedGaussians, channel: int) -> NDArray[np.float64]:
    """The values of one of the seven channels."""
    is_color = channel >= COVARIANCE_CHANNELS
    book = quantized.color_codebook if is_color else quantized.covariance_codebook
    column = channel - COVARIANCE_CHANNELS if is_color else channel
    own, quantizer = channels_of(quantized.blending)[channel], book.quantizers[column]
    values = quantizer.step * (book.symbols[:, column] - own.levels_below(quantizer.step))
    weights = np.full(len(values), len(values) ** -0.5)
    return np.histogram(values, NUM_BINS, (own.low, own.high), weights=weights)[0]


def tables_of(counts: NDArray[np.float64]) -> list[list[int]]:
    """The tables of counts [channels, bins]: positive integers of the sum TOTAL."""
    tables = []
    for channel, own in enumerate(counts):
        smooth = np.convolve(own, SMOOTHING, "same")
        if channel in MIRRORED:
            smooth = (smooth + smooth[::-1]) / 2
        table = np.maximum(1, np.round(TOTAL * smooth / smooth.sum())).astype(int)
        table[table.argmax()] += TOTAL - table.sum()
        tables.append(table.tolist())
    return tables


def module_of(tables: list[list[int]]) -> str:
    """The text of `prior_tables.py`."""
    parts = f"weights of {NUM_BINS} equal parts of each channel's range"
    about = f"The tables of `priors.py`, by `python -m benchmarks.priors`: {parts}."
    lines = [f'"""{about}"""', "", f"NUM_BINS = {NUM_BINS}", "", "# fmt: off", "TABLES = ("]
    for name, table in zip(("m", "u", "v", "Y", "Co", "Cg", "z"), tables, strict=True):
        rows = [table[first : first + 16] for first in range(0, NUM_BINS, 16)]
        lines += [f"    (  # {name}", *(f"        {', '.join(map(str, row))}," for row in rows), "    ),"]
    return "\n".join([*lines, ")", "# fmt: on", ""])


if __name__ == "__main__":
    sys.exit(main())
