"""Blending by NumPy: the pixels that the kernels draw, without Taichi, which takes longer to start than this.

Each operation is that of `kernels/tile_forward.py` on the same numbers, in single precision and in the same order, so
that pixels are equal to the last bit. What the kernels leave out has no weight here either.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from taichi_gs.decoder.projection import Projected
from taichi_gs.kernels.tiles import HALF_WIDTH, TILE
from taichi_gs.kernels.weights import EXP2_COEFFICIENTS, FIRST_STATES, LOG2_CUTOFFS, LOG2_UNITS, LOWEST_POWERS
from taichi_gs.model.blending import Blending
from taichi_gs.model.gaussians import FloatArray

VALUES_PER_GAUSSIAN = 3000
"""NumPy takes about as long to begin with a Gaussian as for so many of its values."""

VALUES_AT_A_TIME = 1 << 14
"""They lie in the processor's cache between one operation and the next."""

_ONE = np.float32(1.0)


def work_of(projected: Projected) -> int:
    """How much work it is to draw a picture, in values of a Gaussian at a pixel."""
    lefts, tops, rights, bottoms = _boxes(projected).T
    return int(np.dot(rights - lefts, bottoms - tops)) + VALUES_PER_GAUSSIAN * len(lefts)


def blend(projected: Projected) -> FloatArray:
    """Draw a picture, whose means are in single precision, as planes [3, H, W], which may leave 0 to 1."""
    (height, width), blending = projected.image_size, projected.blending
    red, green, blue = planes = np.zeros((3, height, width), np.float32)
    state = np.full((height, width), FIRST_STATES[blending], np.float32)
    columns, rows = _Places(width, HALF_WIDTH), _Places(height, TILE)
    for i, (left, top, right, bottom) in enumerate(_boxes(projected).tolist()):
        (x, y), (a, b, c, log2_amplitude), (r, g, bl) = projected.means[i], projected.conics[i], projected.colors[i]
        along_x = a * columns.distances(left, right, x)
        for first, last in _bands(top, bottom, right - left):
            dy = rows.distances(first, last, y)
            along, across = along_x + (b * dy)[:, None], c * dy
            along *= along
            weight = _weights_of(np.subtract((log2_amplitude - across * across)[:, None], along, out=along), blending)
            box = slice(first, last), slice(left, right)
            if blending == "normalized":
                state[box] += weight
            else:
                weight *= state[box]
                state[box] -= weight
            red[box] += weight * r
            green[box] += weight * g
            blue[box] += weight * bl
    scale = _ONE / state if blending == "normalized" else _ONE
    rest = np.float32(FIRST_STATES[blending]) if blending == "normalized" else state
    for plane, back in zip(planes, projected.background, strict=True):
        plane += rest * back
        plane *= scale
    return planes


class _Places:
    """The centres of pixels along a side, counted as kernels count them: from the first pixel of a part of a tile."""

    def __init__(self, count: int, part: int) -> None:
        pixels = np.arange(count)
        firsts = pixels // part * part
        self._firsts = firsts.astype(np.float32) + np.float32(0.5)
        self._within = (pixels - firsts).astype(np.float32)

    def distances(self, start: int, stop: int, mean: np.float32) -> FloatArray:
        """From a mean to the pixels from `start` to before `stop`."""
        distances: FloatArray = (self._firsts[start:stop] - mean) + self._within[start:stop]
        return distances


def _boxes(projected: Projected) -> NDArray[np.int64]:
    """The (left, top, right, bottom) [N, 4] of pixels that can have weight: those within extents, and one more."""
    limits = np.array(projected.image_size[::-1])
    firsts = np.clip(np.ceil(projected.means - projected.extents - 0.5) - 1, 0, limits)
    lasts = np.clip(np.floor(projected.means + projected.extents - 0.5) + 2, firsts, limits)
    lasts[(projected.extents < 0.0).any(axis=1)] = 0.0
    boxes: NDArray[np.int64] = np.concatenate([np.minimum(firsts, lasts), lasts], axis=1).astype(np.int64)
    return boxes


def _bands(top: int, bottom: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield the (first, one past the last) rows of bands that are not too large; none if there are no pixels."""
    height = max(1, VALUES_AT_A_TIME // max(width, 1))
    for first in range(top, bottom if width else top, height):
        yield first, min(first + height, bottom)


def _weights_of(powers: FloatArray, blending: Blending) -> FloatArray:
    """The weights of base-two exponents of e, in units of the blending: `make_weight` of `kernels/blend.py`."""
    lowest = np.float32(LOWEST_POWERS[blending])
    weights = _exp2(np.maximum(powers - np.float32(LOG2_UNITS[blending]), lowest))
    if blending == "normalized":
        weights -= _exp2(np.full(1, lowest))
    else:
        weights[powers < np.float32(LOG2_CUTOFFS[blending])] = 0.0
    return weights


def _exp2(x: FloatArray) -> FloatArray:
    """`exp2_f32` of `kernels/blend.py`."""
    p0, p1, p2, p3, p4, p5 = (np.float32(coefficient) for coefficient in EXP2_COEFFICIENTS)
    whole = np.trunc(x)
    f = x - whole
    f2 = f * f
    values = p4 + p5 * f
    values *= f2
    values += p2 + p3 * f
    values *= f2
    values += p0 + p1 * f
    bits = values.view(np.int32)
    bits += whole.astype(np.int32) << 23
    return values
