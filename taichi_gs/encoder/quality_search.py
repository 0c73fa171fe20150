"""Fitting to a quality: a short search for the size of file that has the PSNR or MS-SSIM which is asked for.

Over x, log2 of the bits per pixel without the header, the quality of one picture in dB is close to

    quality(x) = A + B x + C x^2

where C is about the same for all photographs, B is guessed until two fits tell, and A comes from any fit. A fit is made
with a few more bytes than the curve says. For a PSNR it drops Gaussians in the end until there is just as much as was
asked for (`FitConfig.min_psnr`). If it falls short, or is so much too good that bytes are wasted, the curve is
corrected and another fit made. At the size that was found there may be further restarts, see `restarts.py`; the
smallest file is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from taichi_gs.encoder.goal import Goal
from taichi_gs.encoder.plane_fits import FitResult, Outcome, PlaneFits
from taichi_gs.encoder.restarts import ProgressListener


@dataclass(frozen=True)
class SearchSettings:
    """How a search for a quality goes on.

    Attributes:
        curvature: C, in dB.
        typical_rate, typical_quality, typical_slope: bits per pixel of a photograph, its quality there in dB, and the
            curve's slope there in dB a doubling: a first guess.
        min_slope, max_slope: in dB a doubling.
        min_distance: in doublings; fits that are nearer to each other than that tell nothing of the slope.
        margin: in dB, aimed at above what is asked for.
        max_excess: a fit may have so many dB more than asked for before Gaussians are dropped; 0.7 of PSNR wasted 10 %
            of the bytes.
        max_fits: if all others fall short, the last has all the bytes that there may be.
        min_growth: the factor by which a file has to be larger than one that fell short.
        min_ratio: if the sizes that are left to try differ by less than this factor, what has been found is good
            enough.
        rounding_error: in dB: a decoder may round single pixels in another way than the fit.
        header_bits: of a file; they are no part of the curve.
        exact_above: in dB; an exact file counts as so much better than asked for, because it has no finite PSNR.
    """

    curvature: float = 0.09
    typical_rate: float = 0.18
    typical_quality: float = 28.0
    typical_slope: float = 2.0
    min_slope: float = 0.5
    max_slope: float = 4.0
    min_distance: float = 0.3
    margin: float = 0.2
    max_excess: float = 0.5
    max_fits: int = 5
    min_growth: float = 1.05
    min_ratio: float = 1.2
    rounding_error: float = 0.002
    header_bits: float = 8 * 22
    exact_above: float = 20.0


SETTINGS: Mapping[str, SearchSettings] = {
    "psnr": SearchSettings(),
    # No Gaussians are dropped, and so a fit has to be nearer.
    "quality": SearchSettings(
        typical_quality=12.5, margin=0.1, max_excess=0.3, min_growth=1.02, min_ratio=1.05, rounding_error=0.0
    ),
}
"""By the option that asks for a quality."""


def fit_to_goal(
    fits: PlaneFits,
    goal: Goal,
    sizes: tuple[int, int],
    num_restarts: int,
    listener: ProgressListener,
    settings: SearchSettings | None = None,
) -> Outcome:
    """Fit planes so that they have a quality, and hardly more bytes than that takes.

    Args:
        fits: of the planes.
        goal: the quality, of the decoded file against the planes rounded to 8 bits.
        sizes: the smallest and the largest limit in bytes.
        num_restarts: with the limit that is found, at least 1.
        listener: is told the number of steps done, the number planned so far, and the PSNR in dB at the resolution of
            the step.
        settings: how the search goes on.
    """
    return _Search(fits, goal, sizes, listener, settings or SETTINGS[goal.option]).run(num_restarts)


@dataclass(frozen=True)
class _Found:
    """What a fit has come to.

    Attributes:
        fit: its result.
        size: the limit in bytes it was given.
        unpruned: in dB, before Gaussians were dropped; if some were, that of the last step.
    """

    fit: FitResult
    size: int
    unpruned: float


class _Search:
    """The curve, by its points (x, dB) and its slope B, and the fits that correct it."""

    def __init__(
        self,
        fits: PlaneFits,
        goal: Goal,
        sizes: tuple[int, int],
        listener: ProgressListener,
        settings: SearchSettings,
    ) -> None:
        self._fits, self._goal, self._listener, self._settings = fits, goal, listener, settings
        self._wanted = goal.decibels
        self._low, self._high = sizes
        self._done = 0
        x = math.log2(settings.typical_rate)
        self._points = [(x, settings.typical_quality)]
        self._slope = settings.typical_slope - 2.0 * settings.curvature * x  # B, that is where x is 0

    def run(self, num_restarts: int) -> Outcome:
        """Search; see `fit_to_goal`."""
        settings = self._settings
        size = self._size_for(self._wanted)
        self._points = []
        results: list[_Found] = []
        best: _Found | None = None
        for left in reversed(range(settings.max_fits)):
            result = self._fit(size, 0)
            self._add(size, result.unpruned)
            results.append(result)
            if result.fit.reached >= self._wanted:
                best = result if best is None else self._better(best, result)
                if result.unpruned < self._wanted + settings.max_excess:
                    break
                self._high = size - 1
            else:
                if size == self._high:
                    break
                self._low = min(math.ceil(settings.min_growth * size), self._high)
            if best is not None and self._high < settings.min_ratio * self._low:
                break
            size = self._size_for(self._wanted + settings.margin)
            if best is None:
                size = self._high if left == 1 else size
            elif size == self._high:
                # By chance fits may be much better or worse than the curve: this one was too good from there on.
                size = round(math.sqrt(self._low * self._high))
        found = best or max(results, key=lambda result: result.fit.reached)
        for number in range(1, num_restarts):
            found = self._better(found, self._fit(found.size, number))
        if found.fit.reached < self._wanted:
            missed = self._goal.missed(found.fit.reached, "the best that this preset reaches")
            return Outcome(found.fit.quantized, missed)
        return Outcome(found.fit.quantized)

    def _better(self, first: _Found, second: _Found) -> _Found:
        """The smaller file of those that are good enough, or the one that comes closest."""

        def key(result: _Found) -> tuple[float, int]:
            return (min(result.fit.reached, self._wanted), -result.fit.num_bytes)

        return max(first, second, key=key)

    def _fit(self, size: int, number: int) -> _Found:
        """Fit with a limit in bytes, in the restart of a number, and measure."""
        wanted = self._wanted + self._settings.rounding_error
        config = self._fits.configure(size, number, wanted if self._goal.drops_gaussians else None)
        before, last = self._done, 0.0

        def tick(step: int, psnr: float) -> None:
            nonlocal last
            self._done, last = before + step, psnr
            self._listener(self._done, before + config.steps, psnr)

        fit = self._fits.measured(config, tick)
        # By chance it is a little less than what they were dropped for.
        dropped = self._goal.drops_gaussians and fit.reached >= self._wanted
        return _Found(fit, size, max(last, fit.reached) if dropped else fit.reached)

    def _add(self, size: int, quality: float) -> None:
        """Put a point on the curve; one that is not too near tells the slope between them."""
        settings, x = self._settings, self._rate(size)
        if math.isinf(quality):
            quality = self._wanted + settings.exact_above
        others = [point for point in self._points if abs(point[0] - x) >= settings.min_distance]
        if others:
            other_x, other = min(others, key=lambda point: abs(point[0] - x))
            secant = min(max((quality - other) / (x - other_x), settings.min_slope), settings.max_slope)
            self._slope = secant - settings.curvature * (x + other_x)
        self._points.append((x, quality))

    def _size_for(self, quality: float) -> int:
        """The bytes at which the curve through the point nearest to `quality` reaches it, within the bounds."""
        settings = self._settings
        x, known = min(self._points, key=lambda point: abs(point[1] - quality))
        slope = min(max(self._slope + 2.0 * settings.curvature * x, settings.min_slope), settings.max_slope)
        squared = slope**2 + 4.0 * settings.curvature * (quality - known)
        x += (math.sqrt(max(squared, 0.0)) - slope) / (2.0 * settings.curvature)
        size: int = round((math.pow(2.0, min(x, 64.0)) * self._fits.num_pixels + settings.header_bits) / 8.0)
        return min(max(size, self._low), self._high)

    def _rate(self, size: int) -> float:
        # A picture without anything in it has a file that is smaller than the usual header.
        return math.log2(max(8.0 * size - self._settings.header_bits, 8.0) / self._fits.num_pixels)
