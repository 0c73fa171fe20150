"""The search for the fewest bytes of a PSNR, among fits whose curve is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from taichi_gs.encoder.goal import Goal
from taichi_gs.encoder.plane_fits import FitResult, Outcome
from taichi_gs.encoder.quality_search import SearchSettings, fit_to_goal

STEPS = 3

SIZES = (120, 100_000)


class Curve:
    """Fits whose PSNR is A + B x + C x^2, x the log2 of the bits per pixel, give or take some luck.

    Gaussians are dropped down to the PSNR that is wanted, along half of the curve's slope: that saves less.
    """

    num_pixels = 200_000

    def __init__(
        self,
        at_one_bit: float = 33.0,
        slope: float = 2.5,
        curvature: float = 0.09,
        luck: tuple[float, ...] = (0.0,),
    ) -> None:
        self._constants, self._luck = (at_one_bit, slope, curvature), luck
        self.sizes: list[int] = []
        self.restarts: list[int] = []
        self.results: list[FitResult] = []

    def psnr(self, size: int) -> float:
        x = math.log2((8 * size - 8 * 65) / self.num_pixels)
        at_one_bit, slope, curvature = self._constants
        return at_one_bit + slope * x + curvature * x * x

    def configure(self, max_bytes: int, restart: int, min_psnr: float) -> Any:
        return SimpleNamespace(steps=STEPS, max_bytes=max_bytes, restart=restart, min_psnr=min_psnr)

    def measured(self, config: Any, listener: Callable[[int, float], None]) -> FitResult:
        whole = self.psnr(config.max_bytes) + self._luck[len(self.sizes) % len(self._luck)]
        for step in range(1, STEPS + 1):
            listener(step, whole - STEPS + step)
        reached = min(whole, max(config.min_psnr, whole - 5.0))
        saved = 2.0 ** (-0.2 * (whole - reached)) if whole >= config.min_psnr else 1.0
        self.sizes.append(config.max_bytes)
        self.restarts.append(config.restart)
        quantized: Any = len(self.results)
        self.results.append(FitResult(quantized, round(saved * config.max_bytes), min(whole, reached), reached))
        return self.results[-1]


def search(
    curve: Any, psnr: float, num_restarts: int = 1, settings: SearchSettings | None = None, sizes: Any = SIZES
) -> tuple[Outcome, list[tuple[int, int, float]]]:
    reports: list[tuple[int, int, float]] = []
    return fit_to_goal(
        curve, Goal("psnr", psnr), sizes, num_restarts, lambda *report: reports.append(report), settings
    ), reports


@pytest.mark.parametrize("size", [1500, 4000, 12_000, 40_000])
@pytest.mark.parametrize("slope", [1.5, 2.5, 3.5])
@pytest.mark.parametrize("at_one_bit", [30.0, 35.0, 38.0])
def test_few_fits_find_hardly_more_bytes_than_it_takes(at_one_bit: float, slope: float, size: int) -> None:
    curve = Curve(at_one_bit, slope)
    psnr = curve.psnr(size)
    outcome, _ = search(curve, psnr)
    found: Any = outcome.quantized
    assert outcome.shortfall is None
    assert curve.results[found].reached >= psnr
    assert len(curve.sizes) <= 4
    # Half a decibel is dropped again at most, and that saves a part of what it cost.
    assert curve.results[found].num_bytes <= 1.16 * size


def test_exact_files_have_no_finite_psnr() -> None:
    """How much better than asked for they are is not known: small ones are tried as far as fits go."""

    class Exact(Curve):
        def measured(self, config: Any, listener: Callable[[int, float], None]) -> FitResult:
            super().measured(config, listener)
            self.results[-1] = FitResult(self.results[-1].quantized, config.max_bytes, math.inf, math.inf)
            return self.results[-1]

    curve = Exact()
    outcome, _ = search(curve, 40.0)
    found: Any = outcome.quantized
    assert outcome.shortfall is None
    assert curve.results[found].num_bytes == min(curve.sizes) < curve.sizes[0]


def test_a_fit_that_is_hardly_below_what_gaussians_were_dropped_for_counts_as_too_good() -> None:
    """It has as much as was asked for, but less than the little more that they were dropped for."""

    class Hardly(Curve):
        def measured(self, config: Any, listener: Callable[[int, float], None]) -> FitResult:
            fit = super().measured(config, listener)
            if fit.reached == config.min_psnr:
                self.results[-1] = FitResult(fit.quantized, fit.num_bytes, fit.reached - 1e-6, fit.weighted_psnr)
            return self.results[-1]

    curve = Hardly(at_one_bit=38.0)
    outcome, _ = search(curve, 28.0)
    found: Any = outcome.quantized
    assert len(curve.sizes) > 1
    assert curve.results[found].num_bytes < 0.5 * curve.results[0].num_bytes


def test_a_second_fit_corrects_the_guess_of_the_first() -> None:
    curve = Curve(at_one_bit=31.0)
    search(curve, 28.0)
    assert len(curve.sizes) >= 2
    assert abs(curve.psnr(curve.sizes[1]) - 28.0) < abs(curve.psnr(curve.sizes[0]) - 28.0)


def test_a_first_guess_that_is_good_enough_is_the_last() -> None:
    """28 dB are expected of 0.18 bits per pixel."""
    curve = Curve(at_one_bit=28.3 - 2.5 * math.log2(0.18), curvature=0.0)
    outcome, reports = search(curve, 28.0)
    assert curve.sizes == [pytest.approx((0.18 * 200_000 + 8 * 22) / 8, abs=1)]
    assert outcome == Outcome(curve.results[0].quantized)
    assert [report[:2] for report in reports] == [(1, 3), (2, 3), (3, 3)]


def test_steps_count_on_and_those_in_all_are_what_is_planned_so_far() -> None:
    curve = Curve(at_one_bit=38.0)
    _, reports = search(curve, 30.0, num_restarts=3)
    count = len(curve.sizes)
    assert count >= 4
    assert [report[0] for report in reports] == list(range(1, STEPS * count + 1))
    assert [report[1] for report in reports] == [STEPS * (fit + 1) for fit in range(count) for _ in range(STEPS)]


# Out of reach


def test_a_psnr_that_no_size_has_gets_the_largest() -> None:
    curve = Curve(at_one_bit=20.0)
    outcome, _ = search(curve, 40.0)
    best = max(curve.results, key=lambda result: result.reached)
    assert max(curve.sizes) == SIZES[1]
    assert outcome.quantized == best.quantized
    assert outcome.shortfall == f"the best that this preset reaches is {best.reached:.2f} dB, not 40"


@pytest.mark.parametrize("max_fits", [1, 2, 5])
def test_the_last_fit_has_all_bytes_where_the_others_fell_short(max_fits: int) -> None:
    curve = Curve(at_one_bit=33.0, luck=(-30.0,))
    outcome, _ = search(curve, 33.0, settings=SearchSettings(max_fits=max_fits, min_growth=1.01, max_slope=40.0))
    assert outcome.shortfall is not None
    assert len(curve.sizes) <= max_fits
    assert (max(curve.sizes) == SIZES[1]) == (max_fits > 1)
    assert curve.sizes == sorted(set(curve.sizes)), "no size is tried again"


def test_a_psnr_that_every_size_has_gets_the_smallest() -> None:
    curve = Curve(at_one_bit=60.0)
    outcome, _ = search(curve, 20.0)
    found: Any = outcome.quantized
    assert outcome.shortfall is None
    assert curve.results[found].num_bytes <= 1.2 * SIZES[0]


def test_there_may_be_one_size_only() -> None:
    for at_one_bit, shortfall in ((60.0, False), (10.0, True)):
        curve = Curve(at_one_bit)
        outcome, _ = search(curve, 30.0, sizes=(500, 500))
        assert set(curve.sizes) == {500}
        assert (outcome.shortfall is not None) == shortfall


# Luck


@pytest.mark.parametrize("luck", [(0.0, -0.4, 0.5), (0.8, -0.8), (-1.0, 0.0, 0.3, -0.3), (2.0, -2.0, 0.0)])
@pytest.mark.parametrize("psnr", [26.0, 31.0, 36.0])
def test_what_is_returned_is_the_best_that_was_seen(psnr: float, luck: tuple[float, ...]) -> None:
    """The smallest of the files that are good enough, whatever curves the fits are on."""
    for at_one_bit in (31.0, 34.0, 37.0):
        curve = Curve(at_one_bit, luck=luck)
        outcome, _ = search(curve, psnr, num_restarts=3)
        good = [result for result in curve.results if result.reached >= psnr]
        found: Any = outcome.quantized
        if good:
            assert curve.results[found].num_bytes == min(result.num_bytes for result in good)
            assert outcome.shortfall is None
        else:
            assert curve.results[found].reached == max(result.reached for result in curve.results)
            assert outcome.shortfall is not None


@pytest.mark.parametrize("luck", [(0.0,), (0.0, -1.5, 1.5), (2.0, -2.0), (-1.0, 0.0, 3.0, -3.0)])
@pytest.mark.parametrize("psnr", [26.0, 31.0, 36.0])
def test_no_fit_is_larger_than_one_that_was_good_enough_or_smaller_than_one_that_was_not(
    psnr: float, luck: tuple[float, ...]
) -> None:
    for at_one_bit in (28.0, 31.0, 34.0, 37.0, 40.0):
        curve = Curve(at_one_bit, luck=luck)
        search(curve, psnr)
        for number, (size, result) in enumerate(zip(curve.sizes, curve.results, strict=True)):
            later = curve.sizes[number + 1 :]
            assert all(other < size if result.reached >= psnr else other > size for other in later)


def test_restarts_have_the_size_that_was_found() -> None:
    curve = Curve(at_one_bit=28.3 - 2.5 * math.log2(0.18), curvature=0.0, luck=(0.0, 0.4, -2.0, 0.1))
    search(curve, 28.0, num_restarts=4)
    assert curve.restarts == [0, 1, 2, 3]
    assert len(set(curve.sizes)) == 1
