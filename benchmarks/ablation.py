"""What single choices of the encoder are worth: encode with one of them changed, everything else as committed.

    python -m benchmarks.ablation FOLDER --images NAME ... [--bpp RATE] [--steps N] [--out FILE.tsv]

One row a variation and picture, and the mean of each variation. All errors count alike, because rows are compared by
their PSNR. `docs/decisions.md` quotes these rows.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.kodak import Task, measure
from benchmarks.provenance import command_line, provenance, write_lines
from benchmarks.tables import MEAN
from taichi_gs.encoder.rate_model import RateModel
from taichi_gs.fit.adam import LearningRates
from taichi_gs.fit.final_search import FinalSearch
from taichi_gs.fit.fit import Hyperparameters
from taichi_gs.fit.position_search import PositionSearch
from taichi_gs.fit.quantization_aware import QuantizationAware

FIT, MODEL = Hyperparameters(), RateModel()
"""What is committed; each variation changes one thing of one of them, or gives another option."""


def _halved(rates: LearningRates) -> LearningRates:
    return LearningRates(
        means=rates.means / 2,
        log_covariances=rates.log_covariances / 2,
        color_codes=rates.color_codes / 2,
        background=rates.background / 2,
    )


def _overgrowth(factor: float) -> Hyperparameters:
    return replace(FIT, unconstrained=replace(FIT.unconstrained, overgrowth=factor, sparse_overgrowth=factor))


def _last_stage(stage: QuantizationAware) -> Hyperparameters:
    return replace(FIT, quantization_aware=stage)


LAST = FIT.quantization_aware
FINER = replace(LAST, precision=replace(LAST.precision, searched_share=1.0))
NO_SEARCH = FinalSearch(PositionSearch(rounds=0), codewords=None, sweeps=0)


VARIATIONS: Mapping[str, Mapping[str, Any]] = {
    "as committed": {},
    "alpha blending": {"blending": "alpha"},
    "clone and split": {"density": "gradient"},
    "no Gaussians but the budget's": {"hyperparameters": _overgrowth(1.0)},
    "three times the budget's Gaussians": {"hyperparameters": _overgrowth(3.0)},
    "pruned in half the time": {"hyperparameters": replace(FIT, clustering=replace(FIT.clustering, prune_end=0.35))},
    "half the learning rates": {"hyperparameters": replace(FIT, rates=_halved(FIT.rates))},
    "a longer first stage": {
        "hyperparameters": replace(FIT, schedule=replace(FIT.schedule, unconstrained=0.3, clustering=0.35))
    },
    "hardly any pull": {"hyperparameters": replace(FIT, clustering=replace(FIT.clustering, last_attraction=0.0031))},
    "hardly time to settle": {"hyperparameters": replace(FIT, schedule=replace(FIT.schedule, codeword_training=0.01))},
    "a bit costs its full price": {
        "hyperparameters": replace(FIT, lagrangian=replace(FIT.lagrangian, rate_slope=0.55))
    },
    "no search in the end": {"hyperparameters": _last_stage(replace(LAST, final_search=NO_SEARCH))},
    "no search, and finer rounding": {"hyperparameters": _last_stage(replace(FINER, final_search=NO_SEARCH))},
    "a search, and finer rounding": {"hyperparameters": _last_stage(FINER)},
    "half as many codewords": {"rate_model": replace(MODEL, codebook_scales=(0.5,))},
    "codebooks of one size": {
        "rate_model": replace(MODEL, gaussians_per_covariance=7.5, gaussians_per_color=7.5),
    },
    "twice as many codewords": {"rate_model": replace(MODEL, codebook_scales=(2.0,))},
}
"""Options of `encode` by the names of rows; these are the names that committed results have."""

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
    options = {"preset": "default", "tune": "psnr", "bits_per_pixel": arguments.bpp, "steps": arguments.steps}
    lines = [f"# {comment}" for comment in provenance(command_line("benchmarks.ablation", argv))]
    lines.append("\t".join(COLUMNS))
    for variation, changes in VARIATIONS.items():
        rows = [measure(Task(arguments.folder / f"{name}.png", {**options, **changes})) for name in arguments.images]
        means = {name: f"{statistics.mean(float(row[name]) for row in rows):.4f}" for name in COLUMNS[2:]}
        for row in [*rows, {"image": MEAN, **means}]:
            lines.append("\t".join([variation, *(row[name] for name in COLUMNS[1:])]))
            print(lines[-1], file=sys.stderr)
    write_lines(lines, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
