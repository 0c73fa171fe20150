"""Several fits of one picture: which file is the best, how steps are counted, and what each fit is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import reference_decoder
from numpy.typing import NDArray
from small_fits import photograph

from taichi_gs.encoder.plane_fits import FitResult, PlaneFits
from taichi_gs.encoder.presets import EncoderConfig
from taichi_gs.encoder.rate_model import RateModel
from taichi_gs.encoder.restarts import best_of, score
from taichi_gs.fit.config import FitConfig
from taichi_gs.format.bitstream import num_bytes_of, serialize
from taichi_gs.kernels import runtime
from taichi_gs.model.quantized import QuantizedGaussians

CONFIG = EncoderConfig(steps=40, num_gaussians=40, seed=7, tune="psnr")

GRAY: NDArray[np.float32] = photograph().mean(axis=2, keepdims=True)


class RecordedFits(PlaneFits):
    """Fits, and the results of those that were measured."""

    def __init__(self, config: EncoderConfig = CONFIG, planes: NDArray[np.float32] | None = None) -> None:
        super().__init__(photograph() if planes is None else planes, config, runtime.start())
        self.results: list[FitResult] = []

    def measured(self, config: FitConfig, listener: Callable[[int, float], None]) -> FitResult:
        self.results.append(super().measured(config, listener))
        return self.results[-1]


def nothing(*_: object) -> None:
    """Listen to nothing."""


def psnr_of(quantized: QuantizedGaussians, planes: NDArray[np.float32]) -> float:
    """Of what the reference decoder draws, against the planes [H, W, C] rounded to 8 bits."""
    pixels = reference_decoder.decode(serialize(quantized)).reshape(planes.shape).astype(float)
    levels = np.floor(255 * planes.astype(np.float64) + 0.5)
    return 10 * math.log10(255**2 / float(np.mean((pixels - levels) ** 2)))


# The best


@pytest.mark.parametrize("max_bytes", [None, 400])
def test_the_best_of_several_restarts_is_kept(max_bytes: int | None) -> None:
    fits = RecordedFits()
    configs = [fits.configure(max_bytes, restart) for restart in range(4)]
    reports: list[tuple[int, int, float]] = []
    best = best_of(fits, configs, lambda *report: reports.append(report))

    assert len({serialize(result.quantized) for result in fits.results}) == 4
    worths = []
    for result in fits.results:
        assert result.num_bytes == num_bytes_of(result.quantized) == len(serialize(result.quantized))
        assert result.num_bytes <= (max_bytes or math.inf)
        # A decoder may round single pixels in another way.
        assert result.reached == pytest.approx(psnr_of(result.quantized, photograph()), abs=0.01)
        assert result.weighted_psnr == pytest.approx(result.reached, abs=1e-3)
        worths.append(result.reached - 1.7 * math.log2(result.num_bytes))
    assert best is fits.results[int(np.argmax(worths))].quantized
    assert [report[:2] for report in reports] == [(step, 160) for step in range(1, 161)]


def test_the_smallest_of_exact_files_is_kept() -> None:
    """Their PSNR is infinite, and so are their scores."""
    sizes = iter((90, 70, 80))

    class ExactFits(RecordedFits):
        def measured(self, config: FitConfig, listener: Callable[[int, float], None]) -> FitResult:
            return replace(super().measured(config, listener), num_bytes=next(sizes), weighted_psnr=math.inf)

    fits = ExactFits()
    best = best_of(fits, [fits.configure(None, restart) for restart in range(3)], nothing)
    assert best is fits.results[1].quantized


def test_a_single_fit_is_not_measured() -> None:
    fits = RecordedFits()
    reports: list[tuple[int, int, float]] = []
    best = best_of(fits, [fits.configure(None, 0)], lambda *report: reports.append(report))
    assert fits.results == []
    assert serialize(best) == serialize(fits.measured(fits.configure(None, 0), nothing).quantized)
    assert [report[:2] for report in reports] == [(step, 40) for step in range(1, 41)]


def test_twice_the_bytes_are_worth_17_decibels() -> None:
    one = RecordedFits().measured(RecordedFits().configure(None, 0), nothing)
    other = replace(one, num_bytes=2 * one.num_bytes, weighted_psnr=one.weighted_psnr + 1.7)
    assert score(other) == pytest.approx(score(one))
    assert score(replace(one, reached=0.0)) == score(one), "quality ranks them, which may be weighted"


def test_gray_is_measured_as_gray() -> None:
    fits = RecordedFits(planes=GRAY)
    result = fits.measured(fits.configure(None, 0), nothing)
    assert result.quantized.is_gray
    assert result.reached == pytest.approx(psnr_of(result.quantized, GRAY), abs=0.01)


# What each is asked for


def test_restarts_differ_in_seed_and_in_the_sizes_of_codebooks() -> None:
    model = RateModel(codebook_scales=(1.0, 1.5), gaussians_per_covariance=4, gaussians_per_color=10, few_gaussians=1)
    fits = RecordedFits(replace(CONFIG, num_gaussians=200, rate_model=model))
    configs = [fits.configure(None, restart) for restart in range(4)]
    assert [config.seed for config in configs] == [7, 8, 9, 10]
    assert [config.covariance_k for config in configs] == [50, 75, 50, 75]
    assert [config.color_k for config in configs] == [20, 30, 20, 30]
    given = RecordedFits(replace(CONFIG, covariance_k=5, color_k=6))
    assert [(c.covariance_k, c.color_k) for c in (given.configure(None, restart) for restart in (0, 1))] == [(5, 6)] * 2


def test_options_reach_the_fit() -> None:
    config = replace(
        CONFIG,
        blending="alpha",
        loss="l1-ssim",
        density="gradient",
        position_bits=9,
        covariance_bits=5,
        color_bits=6,
        amplitude_bits=4,
    )
    found = RecordedFits(config).configure(None, 0, 33.0)
    assert (found.blending, found.loss, found.density, found.steps) == ("alpha", "l1-ssim", "gradient", 40)
    assert (found.position_bits, found.covariance_bits, found.color_bits) == (9, (5, 5, 5), (6, 6, 6, 4))
    assert (found.num_gaussians, found.max_bytes, found.min_psnr, found.is_gray) == (40, None, 33.0, False)


def test_the_number_of_gaussians_follows_from_the_picture_or_from_the_bytes() -> None:
    free = replace(CONFIG, num_gaussians=None)
    for pixels_per_gaussian, count in ((100, 30), (3072, 1), (100_000, 1)):
        fits = RecordedFits(replace(free, rate_model=RateModel(pixels_per_gaussian=pixels_per_gaussian)))
        assert fits.num_pixels == 48 * 64
        assert fits.configure(None, 0).num_gaussians == count
    fewer, more = (RecordedFits(free).configure(size, 0) for size in (300, 600))
    assert fewer.num_gaussians < more.num_gaussians
    assert (fewer.max_bytes, more.max_bytes) == (300, 600)
    assert RecordedFits(free, GRAY).configure(300, 0).num_gaussians >= fewer.num_gaussians
    assert RecordedFits(free, GRAY).configure(300, 0).is_gray


def test_growth_gets_some_bytes_to_spare() -> None:
    """Nothing else removes Gaussians that are of little use; the limit is the same."""
    model = RateModel(spare_of_growth=2.0)
    free = replace(CONFIG, num_gaussians=None, rate_model=model)
    pruned, doubled = (RecordedFits(free).configure(size, 0) for size in (300, 600))
    grown = RecordedFits(replace(free, density="gradient")).configure(300, 0)
    assert grown.num_gaussians == doubled.num_gaussians > pruned.num_gaussians
    assert grown.max_bytes == 300
