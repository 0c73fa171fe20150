"""What single choices of the encoder are worth: encode with one of them changed, everything else as committed.

    python -m benchmarks.ablation FOLDER --images NAME ... [--bpp RATE] [--steps N] [--out FILE.tsv]

One row a variation and picture, and the mean of each variation. `docs/decisions.md` quotes them.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.kodak import Task, measure
from benchmarks.provenance import command_line, provenance, write_lines

VARIATIONS: dict[str, dict[str, Any]] = {
    "as committed": {},
    "alpha blending": {"blending": "alpha"},
    "clone and split": {"density": "gradient"},
    "no Gaussians but the budget's": {"free.OVERGROWTH": 1.0},
    "three times the budget's Gaussians": {"free.OVERGROWTH": 3.0},
    "pruned in half the time": {"pull.PRUNE_END": 0.35},
    "half the learning rates": {
        "free.MEANS_RATE": 0.03,
        "free.RATES": {"log_covariances": 0.07, "color_codes": 0.0075, "background": 0.0015},
    },
    "a longer first stage": {"optimize.FREE": 0.3, "optimize.PULL": 0.35},
    "hardly any pull": {"pull.PULL_LAST": 0.0031},
    "hardly time to settle": {"optimize.SETTLE": 0.01},
    "a bit costs its full price": {"precision.RATE_SLOPE": 0.55},
    "a position's bit too": {"clustered.POSITION_PRICE": 1.0},
    "half as many codewords": {"budget.CODEBOOK_SCALES": (0.5,)},
    "codebooks of one size": {"budget.GAUSSIANS_PER_COVARIANCE": 7.5, "budget.GAUSSIANS_PER_COLOR": 7.5},
    "twice as many codewords": {"budget.CODEBOOK_SCALES": (2.0,)},
}
"""Options of `encode` by name, and constants of the modules of `taichi_gs.fit` by "module.NAME"."""

COLUMNS = ("variation", "image", "bpp", "psnr", "ms_ssim", "seconds_encode", "num_gaussians")


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description="Change one choice at a time.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of PNG files")
    parser.add_argument("--images", nargs="+", required=True, metavar="NAME", help="these pictures, as in kodim05")
    parser.add_argument("--bpp", type=float, default=0.083, help="rate not to be exceeded [default: 0.083]")
    parser.add_argument("--steps", type=int, default=600, help="optimisation steps [default: 600]")
    parser.add_argument("--out", type=Path, metavar="FILE.tsv", help="results file [default: stdout]")
    arguments = parser.parse_args(argv)
    options = {"preset": "default", "bits_per_pixel": arguments.bpp, "steps": arguments.steps}
    lines = [f"# {comment}" for comment in provenance(command_line("benchmarks.ablation", argv))]
    lines.append("\t".join(COLUMNS))
    for variation, choices in VARIATIONS.items():
        own = {name: value for name, value in choices.items() if not _is_constant(name)}
        kept = {name: _swap(name, value) for name, value in choices.items() if _is_constant(name)}
        rows = [measure(Task(arguments.folder / f"{name}.png", options | own)) for name in arguments.images]
        for name, value in kept.items():
            _swap(name, value)
        means = {name: f"{statistics.mean(float(row[name]) for row in rows):.4f}" for name in COLUMNS[2:]}
        for row in [*rows, {"image": "mean", **means}]:
            lines.append("\t".join([variation, *(row[name] for name in COLUMNS[1:])]))
            print(lines[-1], file=sys.stderr)
    write_lines(lines, arguments.out)
    return 0


def _is_constant(name: str) -> bool:
    return "." in name


def _swap(name: str, value: Any) -> Any:
    """Give a constant of `taichi_gs.fit` another value and return the one it had."""
    module_name, _, constant = name.partition(".")
    module = importlib.import_module(f"taichi_gs.fit.{module_name}")
    previous = getattr(module, constant)
    setattr(module, constant, value)
    return previous


if __name__ == "__main__":
    sys.exit(main())
