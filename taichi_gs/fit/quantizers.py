"""Choose uniform quantisers (paper eq. 7, 8), and round values to their symbols."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taichi_gs.model.arrays import Array, namespace
from taichi_gs.model.quantized import MAX_BITS, UniformQuantizer


def fit_quantizer(values: NDArray[np.floating], bits: int) -> UniformQuantizer:
    """Return the quantiser that spreads 2**bits levels over the range of `values` (eq. 8).

    Its minimum and step are float16, as a file keeps them; the step is rounded up, so that the range stays covered.
    """
    if len(values) == 0:
        return UniformQuantizer(0.0, 0.0, 0)
    low, high = float(values.min()), float(values.max())
    if bits == 0 or low == high:
        return UniformQuantizer(float(np.float16(np.median(values))), 0.0, 0)
    minimum = np.float16(low)
    if float(minimum) > low:  # compared with a float16, a Python float would be rounded to float16 first
        minimum = np.nextafter(minimum, np.float16(-np.inf))
    step = np.float16((high - float(minimum)) / ((1 << bits) - 1))
    if float(minimum) + float(step) * ((1 << bits) - 1) < high:
        step = np.nextafter(step, np.float16(np.inf))
    return UniformQuantizer(float(minimum), float(step), bits)


def quantize(values: Array, quantizer: UniformQuantizer) -> Array:
    """Round values to the nearest symbol, int64, clipped to the quantiser's range (eq. 7)."""
    xp = namespace(values)
    if quantizer.bits == 0:
        return xp.zeros_like(values, dtype=xp.int64)
    nearest = xp.round((values - quantizer.minimum) / quantizer.step)
    return xp.astype(xp.clip(nearest, 0.0, quantizer.num_levels - 1.0), xp.int64)


def quantize_vectors(vectors: Array, quantizers: Sequence[UniformQuantizer]) -> Array:
    """The symbols [K, D] of vectors [K, D], with one quantiser a channel."""
    channels = [quantize(vectors[:, channel], quantizer) for channel, quantizer in enumerate(quantizers)]
    return namespace(vectors).stack(channels, axis=1)


def step_for_distortion(curvature: float, bit_weight: float, count: int) -> float:
    """The quantiser step at which `count` values cost least, bits and squared error together.

    A step S adds about curvature S^2 / 12 to the squared error and costs count log2(1 / S) bits. At λ squared error a
    bit the sum is least at S^2 = 6 λ count / (ln 2 curvature).

    Args:
        curvature: the second-order coefficient of the squared error, summed over all values that the step rounds.
        bit_weight: λ, the squared error that one bit is worth.
        count: how many values are coded.
    """
    return math.sqrt(6.0 * bit_weight * count / (math.log(2.0) * curvature))


def bits_for_distortion(values: NDArray[np.floating], curvature: float, bit_weight: float, count: int) -> int:
    """The number of bits, at most MAX_BITS, that come closest to `step_for_distortion` over the range of `values`."""
    spread = float(values.max() - values.min()) if len(values) else 0.0
    step = step_for_distortion(curvature, bit_weight, count) if curvature > 0.0 and bit_weight > 0.0 else math.inf
    return int(np.clip(round(math.log2(spread / step + 1.0)), 0, MAX_BITS))
