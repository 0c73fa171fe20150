"""Rate–distortion curves of one picture: reading them off at a rate, and the difference between two."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from taichi_gs.pictures.metrics import decibels_of_ms_ssim

METHOD = "akima"
"""How curves are interpolated for Bjøntegaard's differences: https://github.com/FAU-LMS/bjontegaard recommends it."""


@dataclass(frozen=True)
class Curve:
    """Bits per pixel, ascending, and the quality at each, ascending too."""

    rates: tuple[float, ...]
    qualities: tuple[float, ...]

    @classmethod
    def through(cls, points: Iterable[tuple[float, float]]) -> Curve:
        """Join (rate, quality) points, without those that another one beats in both."""
        front: list[tuple[float, float]] = []
        for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
            if not front or quality > front[-1][1]:
                front.append((rate, quality))
        return cls(tuple(rate for rate, _ in front), tuple(quality for _, quality in front))

    def at(self, rate: float) -> float | None:
        """Interpolate the quality linearly in the logarithm of the rate; None where the curve does not reach."""
        if not self.rates or not self.rates[0] <= rate <= self.rates[-1]:
            return None
        return float(np.interp(math.log(rate), np.log(self.rates), self.qualities))


def bd_rate(anchor: Curve, test: Curve) -> float | None:
    """Compute by how many per cent the test's rate exceeds the anchor's at equal quality (Bjøntegaard, VCEG-M33).

    None if no quality is on both curves.
    """
    if not _overlap(anchor.qualities, test.qualities):
        return None
    from bjontegaard import bd_rate as measure  # type: ignore[import-untyped]

    return float(measure(*_arguments(anchor, test), METHOD, require_matching_points=False, min_overlap=0))


def decibels(ms_ssim: float) -> float:
    """Put an MS-SSIM, as results files have it, on the scale on which Bjøntegaard's difference is usually taken."""
    return decibels_of_ms_ssim(min(ms_ssim, 0.999995))  # five decimals; beyond, it reads 1


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return min(len(a), len(b)) > 1 and max(a[0], b[0]) < min(a[-1], b[-1])


def _arguments(anchor: Curve, test: Curve) -> tuple[tuple[float, ...], ...]:
    return (anchor.rates, anchor.qualities, test.rates, test.qualities)
