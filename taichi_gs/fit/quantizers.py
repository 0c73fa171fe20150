"""Choose uniform quantisers (paper eq. 7, 8), and round values to their symbols."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taichi_gs.model.arrays import Array, namespace
from taichi_gs.model.channels import MAX_STEP_CODE, Channel
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


def quantize(values: Array, quantizer: UniformQuantizer) -> Array:
    """Round values to the nearest symbol, int64, clipped to the quantiser's range (eq. 7)."""
    xp = namespace(values)
    if quantizer.num_levels == 1:
        return xp.zeros_like(values, dtype=xp.int64)
    nearest = xp.round((values - quantizer.minimum) / quantizer.step)
    return xp.astype(xp.clip(nearest, 0.0, quantizer.num_levels - 1.0), xp.int64)


def quantize_vectors(vectors: Array, quantizers: Sequence[UniformQuantizer]) -> Array:
    """The symbols [K, D] of vectors [K, D], with one quantiser a channel."""
    channels = [quantize(vectors[:, channel], quantizer) for channel, quantizer in enumerate(quantizers)]
    return namespace(vectors).stack(channels, axis=1)


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
