"""Grain: noise as strong as the texture that the Gaussians of a picture leave out, the same on every machine."""

from __future__ import annotations

import numpy as np

from taichi_gs.model.gaussians import FloatArray
from taichi_gs.model.quantized import NUM_GRAIN_LEVELS, IntArray

LEVELS = (0.0, *(2.0 ** (code / 2) for code in range(NUM_GRAIN_LEVELS - 1)))
"""The deviation of grain in levels of 0 to 255, by its code."""

_DEVIATION = 6.0 * np.sqrt((256.0**2 - 1.0) / 3.0)
"""Of the sum of four bytes, filtered by 1, 2, 1 along rows and columns."""

_MEAN = 510


def deviations_of(codes: IntArray) -> FloatArray:
    """The deviations that strength codes stand for; 1 is white."""
    return (np.array(LEVELS) / 255.0)[codes].astype(np.float32)


def noise_at(rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Return the noise [H, W], of deviation 1, at the places of some rows [H] and columns [W], both ascending.

    Places are counted in pixels of the picture at its own size; the centre of its first pixel is (0, 0). Between the
    centres of pixels it is interpolated, bilinearly.
    """
    first_row, first_column = int(np.floor(rows[0])), int(np.floor(columns[0]))
    noise = _noise(first_row, int(np.floor(rows[-1])) + 2, first_column, int(np.floor(columns[-1])) + 2)
    along_rows = _interpolated(noise, rows - first_row)
    return _interpolated(along_rows.T, columns - first_column).T


def _interpolated(noise: FloatArray, places: FloatArray) -> FloatArray:
    """The rows of `noise` at `places`, which are counted in rows."""
    before = np.floor(places).astype(np.int64)
    part = (places - before).astype(np.float32)[:, None]
    if not part.any():
        return noise[before]
    between: FloatArray = noise[before] * (1 - part) + noise[before + 1] * part
    return between


def _noise(top: int, bottom: int, left: int, right: int) -> FloatArray:
    """The noise at the pixels of rows from `top` to before `bottom`, and of columns likewise."""
    white = _white(np.arange(top - 1, bottom + 1)[:, None], np.arange(left - 1, right + 1)[None])
    summed = white[:-2] + 2 * white[1:-1] + white[2:]
    summed = summed[:, :-2] + 2 * summed[:, 1:-1] + summed[:, 2:]
    noise: FloatArray = summed.astype(np.float32) / np.float32(_DEVIATION)
    return noise


def _white(rows: IntArray, columns: IntArray) -> IntArray:
    """Integers of the mean 0 that look random, and depend on row and column alone."""
    mixed = columns.astype(np.uint32) * np.uint32(0x9E3779B1) + rows.astype(np.uint32) * np.uint32(0x85EBCA6B)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        mixed = (mixed ^ mixed >> np.uint32(shift)) * np.uint32(factor)
    mixed ^= mixed >> np.uint32(15)
    total = sum((mixed >> np.uint32(shift) & np.uint32(255)).astype(np.int64) for shift in (0, 8, 16, 24))
    return np.asarray(total) - _MEAN
