"""Fitting to a quality: a short search for the size of file that has the PSNR which is asked for.

Over x, log2 of the bits per pixel without the header, the PSNR of one picture is close to

    psnr(x) = A + B x + C x^2

where C is about the same for all photographs, B is guessed until two fits tell, and A comes from any fit. A fit is made
with a few more bytes than the curve says, and drops Gaussians in the end until the PSNR is just what was asked for
(`FitConfig.min_psnr`). If it falls short, or is so much too good that dropping Gaussians wastes bytes, the curve is
corrected and another fit made. At the size that was found there may be further trials, see `trials.py`, of which the
smallest file is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from taichi_gs.encoder.rate_model import HEADER_BITS
from taichi_gs.encoder.restarts import Trial, byte_picture, run_trial
from taichi_gs.errors import QualityError
from taichi_gs.fit.config import FitConfig

CURVATURE = 0.09
"""C, in dB."""

TYPICAL_RATE, TYPICAL_PSNR, TYPICAL_SLOPE = 0.18, 28.0, 2.0
"""Bits per pixel of a photograph, its PSNR there in dB, and the curve's slope there in dB a doubling: a first guess."""

MIN_SLOPE, MAX_SLOPE = 0.5, 4.0
"""In dB a doubling."""

MIN_BASE = 0.3
"""In doublings: fits that are nearer to each other than that tell nothing of the slope."""

MARGIN = 0.2
"""In dB, aimed at above what is asked for."""

ENOUGH = 0.5
"""A fit may have so many dB more than asked for before Gaussians are dropped; 0.7 wasted 10 % of the bytes."""

MAX_FITS = 5
"""If all others fall short the last has all the bytes that there may be."""

MIN_GROWTH = 1.05
"""The factor by which a file has to be larger than one that fell short."""

NARROW = 1.2
"""If the sizes that are left to try differ by less than this factor, what has been found is good enough."""

ROUNDING_ERROR = 0.002
"""In dB: a decoder may round single pixels in another way than the fit."""


def fit_to_psnr(
    image: Tensor,
    psnr: float,
    plan: Callable[[int, int], FitConfig],
    sizes: tuple[int, int],
    num_trials: int,
    report: Callable[[int, int, float], None],
) -> bytes:
    """Return a .tgs file of a picture that has a PSNR, and hardly more bytes than that takes.

    Args:
        image: [3, H, W], RGB from 0 to 1.
        psnr: in dB, of the decoded file against the picture rounded to 8 bits.
        plan: how to fit with a limit in bytes, in the trial of a number from 0.
        sizes: the smallest and the largest such limit.
        num_trials: with the limit that is found, at least 1.
        report: called after every step with the number of steps done, the number planned so far, and the PSNR in dB at
            the resolution of that step.

    Raises:
        QualityError: if no file reaches that PSNR.
    """
    return _Search(image, psnr, plan, sizes, report).run(num_trials)


@dataclass(frozen=True)
class _Result:
    """What a fit has come to.

    Attributes:
        trial: the file and its PSNR.
        size: the limit in bytes it was given.
        untrimmed: in dB, before Gaussians were dropped; if some were, that of the last step.
    """

    trial: Trial
    size: int
    untrimmed: float


class _Search:
    """The curve, by its points (x, psnr) and its slope B, and the fits that correct it."""

    def __init__(
        self,
        image: Tensor,
        psnr: float,
        plan: Callable[[int, int], FitConfig],
        sizes: tuple[int, int],
        report: Callable[[int, int, float], None],
    ) -> None:
        self._image, self._psnr, self._plan, self._report = image, psnr, plan, report
        self._low, self._high = sizes
        self._picture = byte_picture(image)
        self._num_pixels: int = image[0].numel()
        self._done = 0
        self._points = [(math.log2(TYPICAL_RATE), TYPICAL_PSNR)]
        self._slope = TYPICAL_SLOPE - 2.0 * CURVATURE * math.log2(TYPICAL_RATE)  # B, that is where x is 0

    def run(self, num_trials: int) -> bytes:
        """Search; see `fit_to_psnr`."""
        size = self._size_for(self._psnr)
        self._points = []
        results: list[_Result] = []
        best: _Result | None = None
        for left in reversed(range(MAX_FITS)):
            result = self._fit(size, 0)
            self._add(size, result.untrimmed)
            results.append(result)
            if result.trial.psnr >= self._psnr:
                best = result if best is None else self._better(best, result)
                if result.untrimmed < self._psnr + ENOUGH:
                    break
                self._high = size - 1
            else:
                if size == self._high:
                    break
                self._low = min(math.ceil(MIN_GROWTH * size), self._high)
            if best is not None and self._high < NARROW * self._low:
                break
            size = self._size_for(self._psnr + MARGIN)
            if best is None:
                size = self._high if left == 1 else size
            elif size == self._high:
                # By chance fits may be much better or worse than the curve: this one was too good from there on.
                size = round(math.sqrt(self._low * self._high))
        found = best or max(results, key=lambda result: result.trial.psnr)
        for number in range(1, num_trials):
            found = self._better(found, self._fit(found.size, number))
        if found.trial.psnr < self._psnr:
            message = f"the best that this preset reaches is {found.trial.psnr:.2f} dB, not {self._psnr:g}"
            raise QualityError(message, found.trial.data)
        return found.trial.data

    def _better(self, first: _Result, second: _Result) -> _Result:
        """The smaller file of those that are good enough, or the one that comes closest."""

        def key(result: _Result) -> tuple[float, int]:
            return (min(result.trial.psnr, self._psnr), -len(result.trial.data))

        return max(first, second, key=key)

    def _fit(self, size: int, number: int) -> _Result:
        """Fit with a limit in bytes, in the trial of a number, and measure."""
        config = replace(self._plan(size, number), min_psnr=self._psnr + ROUNDING_ERROR)
        before, last = self._done, 0.0

        def tick(step: int, psnr: float) -> None:
            nonlocal last
            self._done, last = before + step, psnr
            self._report(self._done, before + config.steps, psnr)

        trial = run_trial(self._image, self._picture, config, tick)
        was_trimmed = trial.psnr >= self._psnr + ROUNDING_ERROR
        return _Result(trial, size, max(last, trial.psnr) if was_trimmed else trial.psnr)

    def _add(self, size: int, psnr: float) -> None:
        """Put a point on the curve; one that is not too near tells the slope between them."""
        x = self._rate(size)
        others = [point for point in self._points if abs(point[0] - x) >= MIN_BASE]
        if others:
            other_x, other_psnr = min(others, key=lambda point: abs(point[0] - x))
            secant = min(max((psnr - other_psnr) / (x - other_x), MIN_SLOPE), MAX_SLOPE)
            self._slope = secant - CURVATURE * (x + other_x)
        self._points.append((x, psnr))

    def _size_for(self, psnr: float) -> int:
        """The bytes at which the curve through the point nearest to `psnr` reaches it, within the bounds."""
        x, known = min(self._points, key=lambda point: abs(point[1] - psnr))
        slope = min(max(self._slope + 2.0 * CURVATURE * x, MIN_SLOPE), MAX_SLOPE)
        squared = slope**2 + 4.0 * CURVATURE * (psnr - known)
        x += (math.sqrt(max(squared, 0.0)) - slope) / (2.0 * CURVATURE)
        size = round((math.pow(2.0, min(x, 64.0)) * self._num_pixels + HEADER_BITS) / 8.0)
        return min(max(size, self._low), self._high)

    def _rate(self, size: int) -> float:
        return math.log2((8.0 * size - HEADER_BITS) / self._num_pixels)
