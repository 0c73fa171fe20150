"""Choose uniform quantisers (paper eq. 7, 8), and round values to their symbols."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taichi_gs.model.arrays import Array, namespace
from taichi_gs.model.channels import MAX_STEP_CODE, Channel
from taichi_gs.model.dequantize import QuantizerArrays
from taichi_gs.model.quantized import UniformQuantizer


def step_code_for_bits(values: NDArray[np.floating], channel: Channel, bits: int) -> int:
    """The code of the smallest step with which 2**bits levels are enough for `values` (eq. 8)."""
    spread = float(values.max() - values.min()) if len(values) else 0.0
    return step_code_for(channel, spread / ((1 << bits) - 1), at_least=True)


def step_code_for(channel: Channel, step: float, *, at_least: bool = False) -> int:
    """The code of the channel's step that is the nearest, or that is not smaller."""
    if step <= 0.0:
        return MAX_STEP_CODE
    code = 4.0 * math.log2(channel.largest_step / step) if math.isfinite(step) else 0.0
    return min(max(math.floor(code) if at_least else round(code), 0), MAX_STEP_CODE)


def quantize(vectors: Array, quantizers: Sequence[UniformQuantizer]) -> Array:
    """Round vectors [K, D] to the nearest symbols, int64, within the ranges of quantisers, one a channel (eq. 7)."""
    xp, arrays = namespace(vectors), QuantizerArrays.of(quantizers, vectors)
    steps = xp.where(arrays.last > 0.0, arrays.steps, 1.0)  # a single level needs no step
    nearest = xp.round((xp.astype(vectors, xp.float64) - arrays.minima) / steps)
    return xp.astype(xp.clip(nearest, xp.zeros_like(arrays.last), arrays.last), xp.int64)


def step_for_distortion(curvature: float, bit_weight: float, count: int) -> float:
    """The quantiser step at which `count` values cost least, bits and squared error together; infinite if none is.

    A step S adds about curvature S^2 / 12 to the squared error and costs count log2(1 / S) bits. At λ squared error a
    bit the sum is least at S^2 = 6 λ count / (ln 2 curvature).

    Args:
        curvature: the second-order coefficient of the squared error, summed over all values that the step rounds.
        bit_weight: λ, the squared error that one bit is worth.
        count: how many values are coded.
    """
    if curvature <= 0.0:
        return math.inf
    return math.sqrt(6.0 * bit_weight * count / (math.log(2.0) * curvature))
