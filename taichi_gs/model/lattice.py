"""Lattices: where in its cell of the grid a Gaussian may stand, as its own size and shape have it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from taichi_gs.model.arrays import Array, namespace
from taichi_gs.model.blending import Blending
from taichi_gs.model.quantized import (
    AMPLITUDE_CHANNEL,
    COVARIANCE_CHANNELS,
    CodedVectors,
    IntArray,
    QuantizedCodebook,
    QuantizedGaussians,
)

MAX_LEVELS = 4096
"""The most points of a lattice along either side of a cell."""

MAX_SUBDIVISION_CODE = 128

_SUBDIVISIONS = (256, 279, 304, 332, 362, 395, 431, 470)
"""2^8 times 2^(i / 8), rounded."""

MAX_COLUMNS = 65535

MAX_DENSITY = 1 << 32
"""Bound on the levels before the amplitude is considered, in units of 2**-16."""

MAX_SHEAR = 1 << 15
SHEAR_UNIT = 256
"""Shears of lattices are multiples of a 256th of a cell's height per width."""


_MOVES = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""To the neighbours of a point: lines, and points on a line."""


@dataclass(frozen=True)
class Lattice:
    """Where in its cell of the grid each of N Gaussians may stand: a lattice of its own, oriented by its covariance.

    Arrays are all NumPy's or all PyTorch's, on one device.

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
    levels: Array
    shears: Array

    def nearest(self, means: Array) -> tuple[Array, Array]:
        """The cells and offsets, (row, column) [N, 2] each, that are next to means (x, y) [N, 2] in pixels.

        The nearest line is taken first, then the nearest point on it. Means outside the picture go to its border.
        """
        xp, (levels_y, levels_x) = namespace(means), self.levels.T
        lines, points, (cell, spacing, starts) = self._nearest(means)
        cells_y = (starts + spacing * points) // cell
        cells, offsets = (cells_y, lines // levels_x), (points % levels_y, lines % levels_x)
        return xp.stack(cells, axis=1), xp.stack(offsets, axis=1)

    def rounded(self, means: Array) -> Array:
        """Return `positions` of what is `nearest` to means (x, y) [N, 2] in pixels, in fewer steps."""
        (height, width), (rows, columns) = self.image_size, self.grid_size
        xp = namespace(means)
        lines, points, (cell, spacing, starts) = self._nearest(means)
        x = _quotient(2 * lines + 1, 2 * self.levels[:, 1])
        y = _quotient(starts + spacing * points, cell)
        return xp.astype(xp.stack([x * (width / columns), y * (height / rows)], axis=1), xp.float32)

    def _nearest(self, means: Array) -> tuple[Array, Array, tuple[Array, Array, Array]]:
        """The lines and the points on them, counted over all cells, that are next to means, and what `_line` says."""
        (height, width), (rows, columns) = self.image_size, self.grid_size
        xp = namespace(means)
        x, y = xp.astype(means, xp.float64).T
        levels_y, levels_x = self.levels.T
        last = xp.astype(columns * levels_x - 1, xp.float64)
        lines = xp.floor(x * (columns / width) * levels_x)
        lines = xp.astype(xp.clip(lines, xp.zeros_like(last), last), xp.int64)
        cell, spacing, starts = self._line(lines % levels_x)
        points = xp.floor((y * (rows / height) - _quotient(starts - spacing // 2, cell)) * levels_y)
        # The first point of a line that lies in the picture; there are as many as in an unsheared lattice.
        first = -(starts // spacing)
        first, last = (xp.astype(ends, xp.float64) for ends in (first, first + rows * levels_y - 1))
        return lines, xp.astype(xp.clip(points, first, last), xp.int64), (cell, spacing, starts)

    def positions(self, cells: Array, offsets: Array) -> Array:
        """The means (x, y) [N, 2] float32, in pixels, at offsets [N, 2] in cells [N, 2], both (row, column)."""
        return namespace(cells).astype(self.exact_positions(cells, offsets), namespace(cells).float32)

    def exact_positions(self, cells: Array, offsets: Array) -> Array:
        """Return `positions` before they are rounded, float64."""
        (height, width), (rows, columns) = self.image_size, self.grid_size
        doubled = 2 * self.levels[:, 1]
        x = _quotient(doubled * cells[:, 1] + 2 * offsets[:, 1] + 1, doubled)
        cell, spacing, starts = self._line(offsets[:, 1])
        y = _quotient(cell * cells[:, 0] + (starts + spacing * offsets[:, 0]) % cell, cell)
        return namespace(cells).stack([x * (width / columns), y * (height / rows)], axis=1)

    def steps(self) -> Array:
        """The vectors (x, y), in pixels, to the next line and to the next point on a line: [N, 2, 2] float32."""
        height, width = (side / count for side, count in zip(self.image_size, self.grid_size, strict=True))
        xp = namespace(self.levels)
        levels_y, levels_x = xp.astype(self.levels, xp.float64).T
        shears = xp.astype(self.shears, xp.float64) / SHEAR_UNIT
        to_line = xp.stack([width / levels_x, height * shears / levels_x], axis=1)
        to_point = xp.stack([xp.zeros_like(levels_y), height / levels_y], axis=1)
        return xp.astype(xp.stack([to_line, to_point], axis=1), xp.float32)

    def neighbours(self, means: Array) -> Array:
        """Return the positions [N, 8, 2] of the points around those at means (x, y) [N, 2], in pixels.

        The picture ends some lines, and its last point stands in for those beyond.
        """
        xp, count = namespace(means), len(_MOVES)
        to_line, to_point = (self.steps()[:, k] for k in range(2))
        around = xp.stack([means + a * to_line + b * to_point for a, b in _MOVES], axis=1)
        levels, shears = (xp.repeat(per_row, count, axis=0) for per_row in (self.levels, self.shears))
        positions = replace(self, levels=levels, shears=shears).rounded(xp.reshape(around, (-1, 2)))
        return xp.reshape(positions, (-1, count, 2))

    def of_rows(self, rows: Array) -> Lattice:
        """Return the lattices of the Gaussians `rows` [M]."""
        return replace(self, levels=self.levels[rows], shears=self.shears[rows])

    def _line(self, offsets_x: Array) -> tuple[Array, Array, Array]:
        """A cell's height, the spacing of the points of a line, and the y of point 0, in a common unit, [N] each."""
        levels_y, levels_x = self.levels.T
        spacing = 2 * SHEAR_UNIT * levels_x
        starts = spacing // 2 + self.shears * (2 * offsets_x + 1 - levels_x) * levels_y
        return spacing * levels_y, spacing, starts


@dataclass(frozen=True)
class CodewordLattices:
    """What the lattices of Gaussians follow from, by their codewords.

    Steps follow the Gaussian's own frame, the Cholesky factor of its covariance scaled to determinant 1, and its size,
    in proportion to exp(3 m / 8); for normalised blending also its amplitude, in inverse proportion to its fourth root.
    They go as 1 / `subdivision`; with 0 every lattice is one point, the centre of the cell.

    Only integers decide, so that all machines find the same: see "Lattices" in `docs/format.md`.

    Attributes:
        grid_size: (rows, columns) of cells.
        image_size: (height, width) in pixels.
        densities: [K, 2] int64, of covariance codewords: the (rows, columns) of points in a cell, in units of 2**-16,
            before the amplitude is considered.
        shears: [K] int64, of covariance codewords, as in `Lattice`.
        factors: [K] int64, of colour codewords: what both densities are multiplied by, in units of 2**-16.
    """

    grid_size: tuple[int, int]
    image_size: tuple[int, int]
    densities: IntArray
    shears: IntArray
    factors: IntArray

    @staticmethod
    def of(
        covariances: QuantizedCodebook,
        colors: QuantizedCodebook,
        grid_size: tuple[int, int],
        image_size: tuple[int, int],
        subdivision: int,
        blending: Blending,
    ) -> CodewordLattices:
        """Find them for two codebooks; the arguments are what `QuantizedGaussians` has under these names."""
        m, u, v = (_fixed_point(covariances, channel) for channel in range(COVARIANCE_CHANNELS))
        z = _fixed_point(colors, AMPLITUDE_CHANNEL)
        one = 1 << 16
        if subdivision == 0:
            densities, shears, factors = np.full((len(m), 2), one), np.zeros_like(m), np.full_like(z, one)
            return CodewordLattices(grid_size, image_size, densities, shears, factors)
        xx, xy = _unit_covariances(u, v)
        if blending == "normalized":
            sizes, factors = np.split(_exp(np.concatenate([-3 * m // 8, z])), [len(m)])
            factors >>= 16
        else:
            sizes, factors = _exp(-3 * m // 8), np.full_like(z, one)
        densities, shears = _densities(xx, subdivision * sizes), _shears(xx, xy, grid_size, image_size)
        return CodewordLattices(grid_size, image_size, densities, shears, factors)

    def of_gaussians(self, covariance_indices: IntArray, color_indices: IntArray) -> Lattice:
        """Return the lattices of N Gaussians that have these codewords, [N] each."""
        densities = self.densities.take(covariance_indices, axis=0)
        levels = densities * self.factors[color_indices, None] + (1 << 31) >> 32
        levels = np.minimum(np.maximum(levels, 1), MAX_LEVELS)
        return Lattice(self.grid_size, self.image_size, levels, self.shears[covariance_indices])


def _quotient(dividends: Array, divisors: Array) -> Array:
    """The quotients of integers in float64, where PyTorch by itself would take float32."""
    xp = namespace(dividends)
    return xp.astype(dividends, xp.float64) / divisors


def rows_of(columns: int, image_size: tuple[int, int]) -> int:
    """The rows of a grid of square cells, about, that has so many columns on a picture of (height, width)."""
    height, width = image_size
    return min(max((2 * columns * height + width) // (2 * width) if width else 0, 1), MAX_COLUMNS)


def subdivision_of(code: int) -> int:
    """The subdivision with a code from 0 to MAX_SUBDIVISION_CODE: 0, then steps of an eighth of an octave from 1 on."""
    octaves, eighths = divmod(code - 1, 8)
    return (_SUBDIVISIONS[eighths] << octaves) >> 8 if code else 0


def subdivision_code_of(subdivision: float) -> int:
    """The smallest code of the subdivision that is the nearest; only 0 has the code 0."""
    codes = range(1, MAX_SUBDIVISION_CODE + 1)
    return min(codes, key=lambda code: abs(subdivision_of(code) - subdivision)) if subdivision > 0 else 0


def lattice_of(
    covariances: CodedVectors,
    colors: CodedVectors,
    grid_size: tuple[int, int],
    image_size: tuple[int, int],
    subdivision: int,
    blending: Blending,
) -> Lattice:
    """Return the lattices of N Gaussians; the arguments are what `QuantizedGaussians` has under these names."""
    codebooks = covariances.codebook, colors.codebook
    lattices = CodewordLattices.of(*codebooks, grid_size, image_size, subdivision, blending)
    return lattices.of_gaussians(covariances.indices, colors.indices)


def lattice_of_picture(quantized: QuantizedGaussians) -> Lattice:
    """Return the lattices of the Gaussians of a picture, in their order."""
    grid_size, image_size = quantized.grid_size, quantized.image_size
    return lattice_of(
        quantized.covariances, quantized.colors, grid_size, image_size, quantized.subdivision, quantized.blending
    )


# Fixed point: an int64 stands for a multiple of 2**-32. Everything rounds down.


def _fixed_point(codebook: QuantizedCodebook, channel: int) -> IntArray:
    """The values [K] of a channel in fixed point, exactly; they are within the bounds of the format."""
    quantizer = codebook.quantizers[channel]
    minimum, step = int(quantizer.minimum * 2**32), int(quantizer.step * 2**32)
    return minimum + step * codebook.symbols[:, channel]


def _multiply(a: IntArray, b: IntArray) -> IntArray:
    """The product in fixed point; a has to be below 2**11 in magnitude, and the product below 2**18."""
    # b in two parts, so that no intermediate value has more than 64 bits.
    product = a * (b & 0xFFFFF)
    product >>= 20
    product += a * (b >> 20)
    product >>= 12
    return product


def _exp(x: IntArray) -> IntArray:
    """The exponential of |x| <= 12 in fixed point: eight terms of the series at x / 256, squared eight times."""
    power, part = np.full_like(x, 1 << 32), x >> 8
    for k in range(8, 0, -1):
        # Both are so small that 64 bits hold their product.
        power = (1 << 32) + (power * part >> 32) // k
    for _ in range(8):
        power = _multiply(power, power)
    return power


def _unit_covariances(u: IntArray, v: IntArray) -> tuple[IntArray, IntArray]:
    """The elements xx and xy of the covariance of the logarithm [[u, v], [v, -u]] in fixed point, [K] each.

    They are cosh(r) + u sinh(r) / r and v sinh(r) / r with r^2 = u^2 + v^2. Both series go up to r^48, far enough for
    the u and v of `channels.SHAPE_CHANNELS`. Where little is left of xx, rounding must not make it zero or negative.
    """
    squares = _multiply(u, u) + _multiply(v, v)
    low, high = squares & 0xFFFFF, squares >> 20
    series = np.full((2, len(squares)), 1 << 32)
    cosh, sinhc = series
    for k in range(24, 0, -1):
        # What `_multiply` does, but for its last 12 bits, by which the divisors are greater.
        part = series * low
        part >>= 20
        series *= high
        series += part
        cosh //= 2 * k * (2 * k - 1) << 12
        sinhc //= 2 * k * (2 * k + 1) << 12
        series += 1 << 32
    return np.maximum(cosh + _multiply(u, sinhc), 1 << 16), _multiply(v, sinhc)


def _densities(xx: IntArray, fineness: IntArray) -> IntArray:
    """The rows and the columns [K, 2] of points in a cell, up to MAX_DENSITY, before the amplitude is considered.

    They are fineness * root / 2**52 and fineness * 2**12 / root, where root is the square root of 2**32 xx.
    """
    # Here 64 bits are not enough, and Python's own integers are.
    roots = np.array([math.isqrt(element << 32) for element in xx.tolist()], dtype=np.int64)
    # Where this minimum is taken, the rows are too many all the same.
    high, low = np.minimum(fineness >> 22, (1 << 62) // roots + 1), fineness & 0x3FFFFF
    rows = high * roots + (low * roots >> 22) >> 30
    # A long division, whose second digit is of 12 bits.
    whole = fineness // roots
    columns = (whole << 12) + ((fineness - whole * roots << 12) // roots)
    densities: IntArray = np.minimum(np.stack([rows, columns], axis=1), MAX_DENSITY)
    return densities


def _shears(xx: IntArray, xy: IntArray, grid_size: tuple[int, int], image_size: tuple[int, int]) -> IntArray:
    """The shears [K]: xy / xx, in units of cells."""
    (height, width), (rows, columns) = image_size, grid_size
    across, upright, most = 2 * SHEAR_UNIT * width * rows, columns * height, 2 * MAX_SHEAR
    # Python's own integers again: these have up to 90 bits.
    elements = zip(xx.tolist(), xy.tolist(), strict=True)
    doubled = [max(-most, min(s_xy * across // (s_xx * upright), most)) for s_xx, s_xy in elements]
    return np.array(doubled, dtype=np.int64) + 1 >> 1
