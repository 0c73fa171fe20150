"""Rate–distortion curves that are straight, for tests of what compares curves."""

from __future__ import annotations

import math

from benchmarks.curves import Curve


def line(rates: tuple[float, ...], quality: float, slope: float = 3.0) -> Curve:
    """A curve straight in the logarithm of the rate: `quality` dB at 0.1 bits per pixel, `slope` more per doubling."""
    return Curve.through((rate, quality + slope * math.log2(rate / 0.1)) for rate in rates)
