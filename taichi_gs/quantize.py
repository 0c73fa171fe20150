"""Uniform quantisation of codebooks (paper eq. 7, 8), how many bits they are worth, and what all integers stand for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taichi_gs.arrays import Array, namespace
from taichi_gs.gaussians import MAX_OPACITY, Blending, FloatArray, Gaussians
from taichi_gs.lattice import Lattice, lattice_of_picture
from taichi_gs.quantized import AMPLITUDE_CHANNEL, QuantizedGaussians, UniformQuantizer

MAX_BITS = 12

MAX_LOG_AREA_CODE = 32.0
"""Bound on the values of m: exp(32) square pixels is beyond any picture, and no float overflows."""

MAX_ANISOTROPY_CODE = 8.0
"""Bound on u and v, axes of e^8 to e^11 : 1: the integers of their lattices fit 64 bits."""

MAX_COLOR_CODE = 16.0
"""Bound on Y, Co and Cg, which go from -1 to 1 but where Gaussians make up for each other, and on opacity codes."""

AMPLITUDE_UNIT = 4.0
"""An amplitude code of normalised blending counts in units of e^4, so that it ranges as colours do."""

MAX_AMPLITUDE_CODE = 2.0
"""Bound on the amplitude codes of normalised blending, so that no weight drowns all others in float32."""


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


def dequantize(symbols: Array, quantizer: UniformQuantizer) -> Array:
    """The values that symbols stand for (eq. 7), float32."""
    xp = namespace(symbols)
    return xp.astype(quantizer.minimum + quantizer.step * xp.astype(symbols, xp.float64), xp.float32)


def quantize_vectors(vectors: Array, quantizers: Sequence[UniformQuantizer]) -> Array:
    """The symbols [K, D] of vectors [K, D], with one quantiser a channel."""
    channels = [quantize(vectors[:, channel], quantizer) for channel, quantizer in enumerate(quantizers)]
    return namespace(vectors).stack(channels, axis=1)


def dequantize_vectors(symbols: Array, quantizers: Sequence[UniformQuantizer]) -> Array:
    """The vectors [K, D] that symbols [K, D] stand for, float32, with one quantiser a channel."""
    channels = [dequantize(symbols[:, channel], quantizer) for channel, quantizer in enumerate(quantizers)]
    return namespace(symbols).stack(channels, axis=1)


def step_for_distortion(curvature: float, bit_price: float, count: int) -> float:
    """The quantiser step at which `count` values cost least, bits and squared error together.

    A step S adds about curvature S^2 / 12 to the squared error and costs count log2(1 / S) bits; at `bit_price` squared
    error a bit the sum is least at S^2 = 6 bit_price count / (ln 2 curvature).

    Args:
        curvature: the second-order coefficient of the squared error, summed over all values that the step rounds.
        bit_price: squared error that one bit is worth.
        count: how many values are coded.
    """
    return math.sqrt(6.0 * bit_price * count / (math.log(2.0) * curvature))


def bits_for_distortion(values: NDArray[np.floating], curvature: float, bit_price: float, count: int) -> int:
    """The number of bits, at most MAX_BITS, that come closest to `step_for_distortion` over the range of `values`."""
    spread = float(values.max() - values.min()) if len(values) else 0.0
    step = step_for_distortion(curvature, bit_price, count) if curvature > 0.0 and bit_price > 0.0 else math.inf
    return int(np.clip(round(math.log2(spread / step + 1.0)), 0, MAX_BITS))


def rgb_from_ycocg(ycocg: NDArray[np.float32]) -> NDArray[np.float32]:
    """RGB [N, 3] from Y, Co, Cg [N, 3]: R = Y + Co - Cg, G = Y + Cg, B = Y - Co - Cg."""
    y, co, cg = ycocg.T
    return np.stack([y + co - cg, y + cg, y - co - cg], axis=1)


def amplitudes_of(codes: NDArray[np.float32], blending: Blending) -> FloatArray:
    """The amplitudes [N] that amplitude codes [N] stand for: opacities for "alpha", else weights at the means."""
    amplitudes = np.exp(AMPLITUDE_UNIT * codes) if blending == "normalized" else MAX_OPACITY / (1.0 + np.exp(-codes))
    return amplitudes.astype(np.float32)


def dequantize_gaussians(quantized: QuantizedGaussians, lattice: Lattice | None = None) -> Gaussians:
    """The Gaussians that the integers stand for, front to back; `lattice` is theirs, if it is known already."""
    lattice = lattice or lattice_of_picture(quantized)
    order = quantized.blending_order()
    covariances, codes = (
        dequantize_vectors(codebook.symbols, codebook.quantizers)[indices[order]]
        for codebook, indices in (
            (quantized.covariance_codebook, quantized.covariance_indices),
            (quantized.color_codebook, quantized.color_indices),
        )
    )
    return Gaussians(
        means=lattice.positions(quantized.cells, quantized.offsets)[order],
        log_covariances=covariances,
        colors=rgb_from_ycocg(codes[:, :3]),
        amplitudes=amplitudes_of(codes[:, AMPLITUDE_CHANNEL], quantized.blending),
        background=(quantized.background / 255.0).astype(np.float32),
        image_size=quantized.image_size,
        blending=quantized.blending,
    )
