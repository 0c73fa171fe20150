"""Several fits of one picture. The best of their files is kept.

How many codewords suit a picture differs from picture to picture, and where Gaussians start is a matter of chance:
files of the same size differ by a tenth of a decibel and more. More steps do not even that out, more restarts do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from taichi_gs.encoder.plane_fits import FitResult, PlaneFits
from taichi_gs.fit.config import FitConfig
from taichi_gs.model.quantized import QuantizedGaussians

DECIBELS_PER_DOUBLING = 1.7
"""What twice the bytes gain along a photograph's curve: the rate at which files of different sizes are compared."""

ProgressListener = Callable[[int, int, float], None]
"""Called as listener(step, num_steps, psnr) after every step of any fit. Steps count on from fit to fit."""


def best_of(fits: PlaneFits, configs: Sequence[FitConfig], listener: ProgressListener) -> QuantizedGaussians:
    """Fit with each of `configs` and return the best result; the steps of all fits are known from the start."""
    num_steps = sum(config.steps for config in configs)
    done = 0

    def tick(step: int, psnr: float) -> None:
        listener(done + step, num_steps, psnr)

    if len(configs) == 1:
        return fits.fit(configs[0], tick)
    results = []
    for config in configs:
        results.append(fits.measured(config, tick))
        done += config.steps
    # Where files are exact their scores are equal.
    return max(results, key=lambda result: (score(result), -result.num_bytes)).quantized


def score(result: FitResult) -> float:
    """The quality less what the bytes are worth, in dB: the larger the better."""
    return result.weighted_psnr - DECIBELS_PER_DOUBLING * math.log2(result.num_bytes)
