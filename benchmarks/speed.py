"""Time the kernels on one thread, and the decoder as a whole process.

    python -m benchmarks.speed [--out FILE.tsv]

Every figure is a median with its lowest and highest value. The kernels run on N random Gaussians over 768 x 512 pixels,
about as wide as a fit makes them, in normalised blending; the processes are `decompress`, `info` and `--help`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.provenance import ROOT, command_line, provenance, write_lines

IMAGE_SIZE = (512, 768)
BLENDING: Final = "normalized"
COUNTS = (1000, 5000, 10000)
COLUMNS = ("what", "num_gaussians", "num_pairs", "runs", "median_ms", "min_ms", "max_ms")


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description="Time kernels and decoder.")
    parser.add_argument("--runs", type=int, default=25, help="repetitions of each measurement [default: 25]")
    parser.add_argument("--out", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    arguments = parser.parse_args(argv)
    # One thread, so that the figures compare with those of other kernels; set before Taichi and PyTorch are imported.
    os.environ["TI_CPU_MAX_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    lines = [f"# {comment}" for comment in provenance(command_line("benchmarks.speed", argv))]
    lines.append("\t".join(COLUMNS))
    for count in COUNTS:
        lines += _kernel_rows(count, arguments.runs)
    del os.environ["TI_CPU_MAX_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]
    lines += _process_rows(max(3, arguments.runs // 3))
    write_lines(lines, arguments.out)
    return 0


def _kernel_rows(count: int, runs: int) -> Iterator[str]:
    """One row a stage of a fitting step with `count` Gaussians."""
    from taichi_gs.kernels import runtime

    arch = runtime.start("cpu")
    import numpy as np
    import torch

    from taichi_gs.kernels import tiles
    from taichi_gs.kernels.blend import PLANES, make_sum_pairs
    from taichi_gs.kernels.forms import DTYPES, blend_kernels
    from taichi_gs.kernels.project import make_project
    from taichi_gs.render import render

    rng = np.random.default_rng(0)
    height, width = IMAGE_SIZE
    means = (rng.random((count, 2)) * [width, height]).astype(np.float32)
    # Wide enough that each pixel lies inside a handful of Gaussians, and up to several times as long as wide.
    deviation = 0.5 * (height * width / count) ** 0.5
    shapes = rng.normal([2 * np.log(deviation), 0, 0], [0.5, 0.5, 0.5], (count, 3)).astype(np.float32)
    colors = rng.random((count, 3)).astype(np.float32)
    amplitudes = rng.uniform(0.2, 0.9, count).astype(np.float32)
    background = np.full(3, 0.5, np.float32)
    order = np.arange(count)
    image = np.empty((PLANES[BLENDING], height, width), np.float32)
    gradient = torch.from_numpy(rng.normal(size=(3, height, width)).astype(np.float32))
    conics, extents = np.empty((count, 4), np.float32), np.empty((count, 2), np.float32)

    project = make_project(DTYPES["float32"], BLENDING)
    project(shapes, amplitudes, conics, extents)
    lists = tiles.list_tiles(means, extents, order, IMAGE_SIZE)
    kernels = blend_kernels(DTYPES["float32"], arch, BLENDING)
    arrays = (means, conics, extents, colors)
    kernels.forward(*arrays, background, lists.tile_offsets, lists.tile_indices, image)
    tensors = [torch.from_numpy(a) for a in (*arrays, lists.tile_offsets, lists.tile_indices, image)]
    grad_pairs, _ = kernels.backward(*tensors, gradient)
    sums = (np.empty_like(means), np.empty_like(conics), np.empty_like(colors))
    by_gaussian = (lists.order, lists.rank_offsets, lists.rank_pairs)
    sum_pairs = make_sum_pairs(DTYPES["float32"])
    inputs = (means, shapes, colors, amplitudes, background)
    leaves = [torch.from_numpy(array).clone().requires_grad_() for array in inputs]

    def draw() -> torch.Tensor:
        return render(leaves[0], leaves[1], leaves[2], leaves[3], leaves[4], order, IMAGE_SIZE, BLENDING)

    stages: dict[str, Callable[[], object]] = {
        "project": lambda: project(shapes, amplitudes, conics, extents),
        "list_tiles": lambda: tiles.list_tiles(means, extents, order, IMAGE_SIZE),
        "forward": lambda: kernels.forward(*arrays, background, lists.tile_offsets, lists.tile_indices, image),
        "backward": lambda: kernels.backward(*tensors, gradient),
        "sum_pairs": lambda: sum_pairs(grad_pairs.numpy(), *by_gaussian, *sums),
        "render": draw,
        "render+backward": lambda: torch.autograd.backward(draw(), gradient),
    }
    for name, stage in stages.items():
        yield _row(name, str(count), str(len(lists.tile_indices)), _times(stage, runs))


def _process_rows(runs: int) -> Iterator[str]:
    """One row a command, run as a whole process."""
    from taichi_gs import encode
    from taichi_gs.images import read_image

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "photo.tgs"), Path(folder, "photo.png")
        photo = ROOT / "examples" / "photo.png"
        source.write_bytes(encode(read_image(photo), preset="fast"))
        commands = {
            "tgs decompress": ["decompress", str(source), "-o", str(target), "--force"],
            "tgs info": ["info", str(source)],
            "tgs --help": ["--help"],
        }
        for name, command in commands.items():
            arguments = [sys.executable, "-m", "cli", *command]

            def run(arguments: list[str] = arguments) -> None:
                subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True)

            yield _row(name, "-", "-", _times(run, runs))


def _times(action: Callable[[], object], runs: int) -> list[float]:
    """Milliseconds of each of `runs` runs, after two that are not counted."""
    times = []
    for _ in range(runs + 2):
        started = time.perf_counter()
        action()
        times.append(1000.0 * (time.perf_counter() - started))
    return times[2:]


def _row(what: str, num_gaussians: str, num_pairs: str, times: list[float]) -> str:
    figures = [f"{value:.2f}" for value in (statistics.median(times), min(times), max(times))]
    return "\t".join([what, num_gaussians, num_pairs, str(len(times)), *figures])


if __name__ == "__main__":
    sys.exit(main())
