"""Draw a picture's Gaussians at other resolutions: the time, the error of smaller pictures, and how a larger one looks.

    python -m benchmarks.scaling [PICTURE] [--out FILE.tsv] [--comparison FILE.png]

Every row of the table has the times of drawing and of the whole decoding, medians in milliseconds, and `to_own`, the
median of the ratios of drawing times to those of the picture at its own size, taken in turn. Smaller pictures are drawn
with several numbers of samples a side of a pixel, `usual` saying which one the decoder takes, and compared with the
average of the picture at its own size, by PSNR in dB.

The comparison has a part of the picture twice as large, on the left its decoded pixels enlarged by bicubic
interpolation, on the right its Gaussians drawn at that size.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from benchmarks.measuring import ratio_in_turn, times_in_turn
from benchmarks.provenance import ROOT, command_line, provenance, write_lines
from benchmarks.tables import NONE
from taichi_gs.decoder.draw import Layer, draw_layers
from taichi_gs.decoder.viewport import Viewport, choose_viewport
from taichi_gs.format.bitstream import parse
from taichi_gs.model.dequantize import dequantize_gaussians
from taichi_gs.model.gaussians import Gaussians
from taichi_gs.pictures.metrics import psnr
from taichi_gs.pictures.read import read_image

COLUMNS = ("scale", "samples", "usual", "width", "height", "num_gaussians", "runs", "decode", "draw", "to_own", "psnr")
ENLARGED = (2, 4)
REDUCED = (2, 4, 8)
SAMPLES = (1, 2, 4, 8)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description="Draw at other resolutions.")
    parser.add_argument("picture", nargs="?", type=Path, default=ROOT / "examples" / "photo.png")
    parser.add_argument("--preset", default="default", help="of the encoder [default: default]")
    parser.add_argument("--bpp", type=float, default=0.4, help="rate of the file [default: 0.4]")
    parser.add_argument("--runs", type=int, default=15, help="repetitions of each measurement [default: 15]")
    parser.add_argument("--out", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    parser.add_argument("--comparison", type=Path, metavar="FILE.png", help="where to write the two larger pictures")
    parser.add_argument(
        "--part", type=int, nargs=4, default=(430, 100, 170, 170), metavar=("X", "Y", "W", "H"), help="of the picture"
    )
    arguments = parser.parse_args(argv)
    data = taichi_gs.encode(read_image(arguments.picture), preset=arguments.preset, bits_per_pixel=arguments.bpp)
    rows = list(_rows(data, arguments.runs))
    comments = [f"# {comment}" for comment in provenance(command_line("benchmarks.scaling", argv))]
    write_lines([*comments, "\t".join(COLUMNS), *rows], arguments.out)
    if arguments.comparison is not None:
        x, y, width, height = arguments.part
        Image.fromarray(compare_enlargements(data, (x, y, width, height))).save(arguments.comparison, optimize=True)
    return 0


def compare_enlargements(data: bytes, part: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """A part (x, y, width, height) at twice its size, [H, W, 3]: pixels by bicubic interpolation, and Gaussians."""
    x, y, width, height = part
    pixels = Image.fromarray(taichi_gs.decode(data))
    enlarged = pixels.resize((2 * width, 2 * height), Image.Resampling.BICUBIC, (x, y, x + width, y + height))
    drawn = taichi_gs.decode(data, scale=2, region=(2 * x, 2 * y, 2 * width, 2 * height))
    line = np.full((2 * height, 4, 3), 255, np.uint8)
    return np.concatenate([np.asarray(enlarged), line, drawn], axis=1)


def _rows(data: bytes, runs: int) -> Iterator[str]:
    gaussians = dequantize_gaussians(parse(data))
    yield from (_row(data, gaussians, scale, None, runs) for scale in (1, *ENLARGED))
    for factor in REDUCED:
        yield from (_row(data, gaussians, 1 / factor, samples, runs) for samples in SAMPLES if samples <= factor)


def _row(data: bytes, gaussians: Gaussians, scale: float, samples: int | None, runs: int) -> str:
    """One row; with samples a side of a pixel where the picture gets smaller."""
    own, usual = choose_viewport(gaussians.image_size), choose_viewport(gaussians.image_size, scale=scale)
    viewport = usual if samples is None else replace(usual, samples=(samples, samples))
    actions: dict[str, Callable[[], object]] = {
        "own": lambda: _drawn(gaussians, own),
        "draw": lambda: _drawn(gaussians, viewport),
    }
    if viewport == usual:
        actions["decode"] = lambda: taichi_gs.decode(data, scale=scale)
    times = times_in_turn(actions, runs)
    medians = {name: f"{statistics.median(values):.2f}" for name, values in times.items()}
    quality = NONE
    if samples is not None:
        averaged = _averaged(_drawn(gaussians, own), viewport.image_size)
        quality = f"{psnr(averaged, _drawn(gaussians, viewport)):.2f}"
    height, width = viewport.image_size
    return "\t".join(
        [
            f"{scale:g}",
            str(viewport.samples[0]),
            "yes" if viewport == usual else "no",
            *(str(number) for number in (width, height, len(gaussians), runs)),
            medians.get("decode", NONE),
            medians["draw"],
            f"{ratio_in_turn(times['draw'], times['own']):.2f}",
            quality,
        ]
    )


def _drawn(gaussians: Gaussians, viewport: Viewport) -> NDArray[np.uint8]:
    return draw_layers([Layer(gaussians)], [3], viewport, "auto")


def _averaged(pixels: NDArray[np.uint8], image_size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture reduced to (height, width) by averaging over the area of each pixel."""
    return np.asarray(Image.fromarray(pixels).resize(image_size[::-1], Image.Resampling.BOX))


if __name__ == "__main__":
    sys.exit(main())
