"""Uniform quantisation of positions and codebooks (paper eq. 7, 8), and how many bits each attribute is worth."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from taichi_gs.gaussians import MAX_OPACITY, Gaussians
from taichi_gs.quantized import IntArray, QuantizedCodebook, QuantizedGaussians, UniformQuantizer

MAX_BITS = 12
MAX_GRID = 65535


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


def quantize(values: NDArray[np.floating], quantizer: UniformQuantizer) -> IntArray:
    """Round values to the nearest symbol, clipped to the quantiser's range (eq. 7)."""
    if quantizer.bits == 0:
        return np.zeros(values.shape, dtype=np.int64)
    nearest = np.rint((values - quantizer.minimum) / quantizer.step)
    symbols: IntArray = np.clip(nearest, 0, quantizer.num_levels - 1).astype(np.int64)
    return symbols


def dequantize(symbols: IntArray, quantizer: UniformQuantizer) -> NDArray[np.float32]:
    """The values that symbols stand for (eq. 7), float32."""
    return (quantizer.minimum + quantizer.step * symbols).astype(np.float32)


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


def cell_of(means: NDArray[np.floating], grid_size: tuple[int, int], image_size: tuple[int, int]) -> IntArray:
    """The grid cell (row, column) [N, 2] of each mean (x, y) [N, 2] in pixels; means outside go to the border."""
    size = np.array(image_size)
    grid = np.array(grid_size)
    cells: IntArray = np.floor(means[:, ::-1] * (grid / size)).astype(np.int64)
    return cells.clip(0, grid - 1)


def cell_centers(cells: IntArray, grid_size: tuple[int, int], image_size: tuple[int, int]) -> NDArray[np.float32]:
    """The centres (x, y) [N, 2], in pixels, of grid cells (row, column) [N, 2]."""
    size, grid = np.array(image_size), np.array(grid_size)
    centers: NDArray[np.float32] = ((cells + 0.5) * (size / grid))[:, ::-1].astype(np.float32)
    return centers


def rgb_from_ycocg(ycocg: NDArray[np.float32]) -> NDArray[np.float32]:
    """RGB [N, 3] from Y, Co, Cg [N, 3]: R = Y + Co - Cg, G = Y + Cg, B = Y - Co - Cg."""
    y, co, cg = ycocg.T
    return np.stack([y + co - cg, y + cg, y - co - cg], axis=1)


def dequantize_codebook(codebook: QuantizedCodebook) -> NDArray[np.float32]:
    """The codewords [K, D] in floating point."""
    return np.stack([dequantize(s, q) for s, q in zip(codebook.symbols.T, codebook.quantizers, strict=True)], axis=1)


def dequantize_gaussians(quantized: QuantizedGaussians) -> Gaussians:
    """The Gaussians that the integers stand for, front to back."""
    order = quantized.blending_order()
    covariances = dequantize_codebook(quantized.covariance_codebook)[quantized.covariance_indices[order]]
    codes = dequantize_codebook(quantized.color_codebook)[quantized.color_indices[order]]
    return Gaussians(
        means=cell_centers(quantized.cells[order], quantized.grid_size, quantized.image_size),
        log_covariances=covariances,
        colors=rgb_from_ycocg(codes[:, :3]),
        opacities=(MAX_OPACITY / (1.0 + np.exp(-codes[:, 3]))).astype(np.float32),
        background=(quantized.background / 255.0).astype(np.float32),
        image_size=quantized.image_size,
    )
