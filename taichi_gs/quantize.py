"""Uniform quantisation of positions and codebooks (paper eq. 7, 8), and how many bits each attribute is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taichi_gs.gaussians import MAX_OPACITY, Blending, FloatArray, Gaussians
from taichi_gs.quantized import (
    AMPLITUDE_CHANNEL,
    COVARIANCE_CHANNELS,
    IntArray,
    QuantizedCodebook,
    QuantizedGaussians,
    UniformQuantizer,
)

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

MAX_LEVELS = 4096
"""The most points of a lattice along either side of a cell."""

MAX_SUBDIVISION = 65535

MAX_DENSITY = 1 << 32
"""Bound on the levels before the amplitude is considered, in units of 2**-16."""

MAX_SHEAR = 1 << 15
SHEAR_UNIT = 256
"""Shears of lattices are multiples of a 256th of a cell's height per width."""


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


@dataclass(frozen=True)
class Lattice:
    """Where in its cell of the grid each of N Gaussians may stand: a lattice of its own, oriented by its covariance.

    The points of a cell stand on vertical lines, equally many on each and equally spaced, shifted from line to line by
    the shear. What leaves the cell at its lower side comes back in at the upper one, so that the cells of a column
    continue each other's lines.

    Attributes:
        grid_size: (rows, columns) of cells.
        image_size: (height, width) in pixels.
        levels: [N, 2] int64, the (rows, columns) of points in a cell, 1 to MAX_LEVELS each. log2 of their product is
            what an offset costs in bits.
        shears: [N] int64, the shift along y, in cells, per cell along x, in units of 1 / SHEAR_UNIT.
    """

    grid_size: tuple[int, int]
    image_size: tuple[int, int]
    levels: IntArray
    shears: IntArray

    def nearest(self, means: NDArray[np.floating]) -> tuple[IntArray, IntArray]:
        """The cells and offsets, (row, column) [N, 2] each, that are next to means (x, y) [N, 2] in pixels.

        The nearest line is taken first, then the nearest point on it. Means outside the picture go to its border.
        """
        (height, width), (rows, columns) = self.image_size, self.grid_size
        x, y = means.T.astype(np.float64)
        levels_y, levels_x = self.levels.T
        lines = np.floor(x * (columns / width) * levels_x).clip(0, columns * levels_x - 1).astype(np.int64)
        cells_x, offsets_x = np.divmod(lines, levels_x)
        cell, spacing, starts = self._line(offsets_x)
        points = np.floor((y * (rows / height) - (starts - spacing // 2) / cell) * levels_y)
        # The first point of a line that lies in the picture; there are as many as in an unsheared lattice.
        first = -(starts // spacing)
        points = points.clip(first, first + rows * levels_y - 1).astype(np.int64)
        cells_y = (starts + spacing * points) // cell
        return np.stack([cells_y, cells_x], axis=1), np.stack([points % levels_y, offsets_x], axis=1)

    def positions(self, cells: IntArray, offsets: IntArray) -> FloatArray:
        """The means (x, y) [N, 2], in pixels, at offsets (row, column) [N, 2] in cells (row, column) [N, 2]."""
        (height, width), (rows, columns) = self.image_size, self.grid_size
        doubled = 2 * self.levels[:, 1]
        x = (doubled * cells[:, 1] + 2 * offsets[:, 1] + 1) / doubled
        cell, spacing, starts = self._line(offsets[:, 1])
        y = (cell * cells[:, 0] + (starts + spacing * offsets[:, 0]) % cell) / cell
        return np.stack([x * (width / columns), y * (height / rows)], axis=1).astype(np.float32)

    def steps(self) -> FloatArray:
        """The vectors (x, y), in pixels, to the next line and to the next point on a line: [N, 2, 2]."""
        height, width = (side / count for side, count in zip(self.image_size, self.grid_size, strict=True))
        levels_y, levels_x = self.levels.T
        to_line = (
            np.stack([np.full(len(levels_x), width), height * self.shears / SHEAR_UNIT], axis=1) / levels_x[:, None]
        )
        to_point = np.stack([np.zeros(len(levels_y)), height / levels_y], axis=1)
        return np.stack([to_line, to_point], axis=1).astype(np.float32)

    def _line(self, offsets_x: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """A cell's height, the spacing of the points of a line, and the y of point 0, in a common unit, [N] each."""
        levels_y, levels_x = self.levels.T
        spacing = 2 * SHEAR_UNIT * levels_x
        starts = spacing // 2 + self.shears * (2 * offsets_x + 1 - levels_x) * levels_y
        return spacing * levels_y, spacing, starts


def lattice_of(
    covariance_codebook: QuantizedCodebook,
    covariance_indices: IntArray,
    color_codebook: QuantizedCodebook,
    color_indices: IntArray,
    grid_size: tuple[int, int],
    image_size: tuple[int, int],
    subdivision: int,
    blending: Blending,
) -> Lattice:
    """Return the lattices of N Gaussians; the arguments are what `QuantizedGaussians` has under these names.

    Steps follow the Gaussian's own frame, the Cholesky factor of its covariance scaled to determinant 1, and its size,
    in proportion to exp(3 m / 8); for normalised blending also its amplitude, in inverse proportion to its fourth root.
    They go as 1 / `subdivision`; with 0 every lattice is one point, the centre of the cell.

    Only integers decide, so that all machines find the same: see "Lattices" in `docs/format.md`.
    """
    if subdivision == 0:
        n = len(covariance_indices)
        return Lattice(grid_size, image_size, np.ones((n, 2), dtype=np.int64), np.zeros(n, dtype=np.int64))
    (height, width), (rows, columns) = image_size, grid_size
    m, u, v = (_fixed_point(covariance_codebook, channel) for channel in range(COVARIANCE_CHANNELS))
    xx, xy = _unit_covariances(u, v)
    densities = np.empty((len(m), 2), dtype=np.int64)
    shears = np.empty(len(m), dtype=np.int64)
    # Here 64 bits are not enough. Python's own integers are, and it is little work.
    for k, (s_xx, s_xy, fineness) in enumerate(zip(xx.tolist(), xy.tolist(), _exp(-3 * m // 8).tolist(), strict=True)):
        root, fineness = math.isqrt(s_xx << 32), subdivision * fineness
        along_y, along_x = fineness * root // (16 << 32), (fineness << 32) // (16 * root)
        densities[k] = min(along_y >> 16, MAX_DENSITY), min(along_x >> 16, MAX_DENSITY)
        shear, unit = SHEAR_UNIT * s_xy * width * rows, s_xx * columns * height
        shears[k] = max(-MAX_SHEAR, min((2 * shear + unit) // (2 * unit), MAX_SHEAR))
    if blending == "normalized":
        factors = _exp(_fixed_point(color_codebook, AMPLITUDE_CHANNEL)) >> 16
    else:
        factors = np.full(len(color_codebook), 1 << 16)
    levels = densities[covariance_indices] * factors[color_indices, None] + (1 << 31) >> 32
    return Lattice(grid_size, image_size, levels.clip(1, MAX_LEVELS), shears[covariance_indices])


def lattice_of_picture(quantized: QuantizedGaussians) -> Lattice:
    """Return the lattices of the Gaussians of a picture, in their order."""
    return lattice_of(
        quantized.covariance_codebook,
        quantized.covariance_indices,
        quantized.color_codebook,
        quantized.color_indices,
        quantized.grid_size,
        quantized.image_size,
        quantized.subdivision,
        quantized.blending,
    )


# Fixed point: an int64 stands for a multiple of 2**-32. Everything rounds down.


def _fixed_point(codebook: QuantizedCodebook, channel: int) -> IntArray:
    """The values [K] of a channel in fixed point, exactly; they are within the bounds of the format."""
    quantizer = codebook.quantizers[channel]
    minimum, step = int(quantizer.minimum * 2**32), int(quantizer.step * 2**32)
    return minimum + step * codebook.symbols[:, channel]


def _multiply(a: IntArray, b: IntArray) -> IntArray:
    """The product in fixed point; it has to be below 2**31 in magnitude."""
    a_low, b_low = a & 0xFFFFFFFF, b & 0xFFFFFFFF
    low = a_low.astype(np.uint64) * b_low.astype(np.uint64) >> np.uint64(32)
    return (a >> 32) * b + a_low * (b >> 32) + low.astype(np.int64)


def _exp(x: IntArray) -> IntArray:
    """The exponential of |x| <= 12 in fixed point: eight terms of the series at x / 256, squared eight times."""
    power = np.full_like(x, 1 << 32)
    for k in range(8, 0, -1):
        power = (1 << 32) + _multiply(power, x >> 8) // k
    for _ in range(8):
        power = _multiply(power, power)
    return power


def _unit_covariances(u: IntArray, v: IntArray) -> tuple[IntArray, IntArray]:
    """The elements xx and xy of the covariance of the logarithm [[u, v], [v, -u]] in fixed point, [K] each.

    They are cosh(r) + u sinh(r) / r and v sinh(r) / r with r^2 = u^2 + v^2. Both series go up to r^48, far enough for
    MAX_ANISOTROPY_CODE. Where little is left of xx, rounding must not make it zero or negative.
    """
    squares = _multiply(u, u) + _multiply(v, v)
    series = np.full((2, len(squares)), 1 << 32)
    for k in range(24, 0, -1):
        divisors = np.array([[2 * k * (2 * k - 1)], [2 * k * (2 * k + 1)]])
        series = (1 << 32) + _multiply(series, squares) // divisors
    cosh, sinhc = series
    return np.maximum(cosh + _multiply(u, sinhc), 1 << 16), _multiply(v, sinhc)


def rgb_from_ycocg(ycocg: NDArray[np.float32]) -> NDArray[np.float32]:
    """RGB [N, 3] from Y, Co, Cg [N, 3]: R = Y + Co - Cg, G = Y + Cg, B = Y - Co - Cg."""
    y, co, cg = ycocg.T
    return np.stack([y + co - cg, y + cg, y - co - cg], axis=1)


def amplitudes_of(codes: NDArray[np.float32], blending: Blending) -> FloatArray:
    """The amplitudes [N] that amplitude codes [N] stand for: opacities for "alpha", else weights at the means."""
    amplitudes = np.exp(AMPLITUDE_UNIT * codes) if blending == "normalized" else MAX_OPACITY / (1.0 + np.exp(-codes))
    return amplitudes.astype(np.float32)


def dequantize_codebook(codebook: QuantizedCodebook) -> NDArray[np.float32]:
    """The codewords [K, D] in floating point."""
    return np.stack([dequantize(s, q) for s, q in zip(codebook.symbols.T, codebook.quantizers, strict=True)], axis=1)


def dequantize_gaussians(quantized: QuantizedGaussians, lattice: Lattice | None = None) -> Gaussians:
    """The Gaussians that the integers stand for, front to back; `lattice` is theirs, if it is known already."""
    lattice = lattice or lattice_of_picture(quantized)
    order = quantized.blending_order()
    covariances = dequantize_codebook(quantized.covariance_codebook)[quantized.covariance_indices[order]]
    codes = dequantize_codebook(quantized.color_codebook)[quantized.color_indices[order]]
    return Gaussians(
        means=lattice.positions(quantized.cells, quantized.offsets)[order],
        log_covariances=covariances,
        colors=rgb_from_ycocg(codes[:, :3]),
        amplitudes=amplitudes_of(codes[:, AMPLITUDE_CHANNEL], quantized.blending),
        background=(quantized.background / 255.0).astype(np.float32),
        image_size=quantized.image_size,
        blending=quantized.blending,
    )
