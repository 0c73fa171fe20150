"""Rate–distortion curves against curves whose differences are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from straight_curves import line

from benchmarks.curves import Curve, bd_rate, decibels

RATES = (0.05, 0.1, 0.2, 0.4)


def test_a_curve_is_read_off_in_the_logarithm_of_the_rate() -> None:
    curve = Curve.through([(0.4, 30.0), (0.1, 20.0)])
    assert curve.at(0.2) == pytest.approx(25.0)
    assert (curve.at(0.1), curve.at(0.4)) == (20.0, 30.0)
    assert curve.at(0.0999) is None
    assert curve.at(0.4001) is None
    assert Curve.through([]).at(0.1) is None


def test_a_curve_leaves_out_what_is_beaten_in_both() -> None:
    points = [(0.1, 20.0), (0.2, 19.0), (0.3, 22.0), (0.3, 21.0), (0.4, 22.0)]
    assert Curve.through(points) == Curve((0.1, 0.3), (20.0, 22.0))


def test_bjontegaard_differences_of_shifted_curves() -> None:
    anchor = line((0.03, 0.08, 0.15, 0.3, 0.7), 25.0)
    better = line(RATES, 26.0)
    # A dB is worth a third of a doubling.
    assert bd_rate(anchor, better) == pytest.approx(100 * (2 ** (-1 / 3) - 1))
    assert bd_rate(better, anchor) == pytest.approx(100 * (2 ** (1 / 3) - 1))
    assert bd_rate(anchor, anchor) == pytest.approx(0.0)


def test_bjontegaard_differences_are_integrals() -> None:
    """Curves of different shapes, against the trapezoidal rule on points that Akima's splines pass through densely."""
    qualities = np.linspace(25, 35, 60)
    anchor, test = -2 + 0.1 * (qualities - 25) + 0.002 * (qualities - 25) ** 2, -2.2 + 0.12 * (qualities - 25)
    expected = float(np.trapezoid(test - anchor, qualities) / (qualities[-1] - qualities[0]))
    curves = [Curve.through(zip((10**logs).tolist(), qualities.tolist(), strict=True)) for logs in (anchor, test)]
    assert bd_rate(*curves) == pytest.approx(100 * (10**expected - 1), abs=1e-2)


@pytest.mark.parametrize("other", [line((0.4, 0.8), 60.0), line((0.5, 0.8), 60.0), line((0.2,), 24.0)])
def test_curves_that_do_not_overlap_have_no_difference(other: Curve) -> None:
    assert bd_rate(line(RATES, 25.0), other) is None


def test_ms_ssim_in_decibels() -> None:
    assert decibels(0.9) == pytest.approx(10.0)
    assert decibels(0.99) == pytest.approx(20.0)
    assert math.isfinite(decibels(1.0))
