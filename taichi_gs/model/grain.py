"""Grain: noise as strong as the texture that the Gaussians of a picture leave out, the same on every machine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


def noise_at(rows: NDArray[np.floating], columns: NDArray[np.floating]) -> FloatArray:
    """Return the noise [H, W], of deviation 1, at the places of some rows [H] and columns [W].

    Places are counted in pixels of the picture at its own size; the centre of its first pixel is (0, 0). Between the
    centres of pixels it is interpolated, bilinearly.
    """
    (own_rows, along_rows), (own_columns, along_columns) = _Places.of(rows), _Places.of(columns)
    noise = _noise(own_rows, own_columns)
    return along_columns.interpolated(along_rows.interpolated(noise).T).T


class _Places(NamedTuple):
    """Places along a side of a picture, by the pixels around them.

    Attributes:
        before, after: [P], the two pixels that each is between, by their numbers among those that any is between.
        part: [P, 1] float32, of the way from one to the other.
    """

    before: IntArray
    after: IntArray
    part: FloatArray

    @classmethod
    def of(cls, places: NDArray[np.floating]) -> tuple[IntArray, _Places]:
        """Return the pixels that any is between, ascending, and the places."""
        before = np.floor(places).astype(np.int64)
        part = (places - before).astype(np.float32)[:, None]
        after = before + 1 if part.any() else before
        pixels, numbers = np.unique(np.concatenate([before, after]), return_inverse=True)
        return pixels, cls(numbers[: len(before)], numbers[len(before) :], part)

    def interpolated(self, noise: FloatArray) -> FloatArray:
        """The rows of noise [P, ...] at the places, of that in the rows of the pixels."""
        if not self.part.any():
            return noise[self.before]
        between: FloatArray = noise[self.before] * (1 - self.part) + noise[self.after] * self.part
        return between


def _noise(rows: IntArray, columns: IntArray) -> FloatArray:
    """The noise at some pixels, whose rows and columns ascend."""
    (all_rows, rows), (all_columns, columns) = _with_neighbours(rows), _with_neighbours(columns)
    white = _white(all_rows[:, None], all_columns)
    summed = white[rows - 1] + 2 * white[rows] + white[rows + 1]
    summed = summed[:, columns - 1] + 2 * summed[:, columns] + summed[:, columns + 1]
    noise: FloatArray = summed.astype(np.float32) * np.float32(1.0 / _DEVIATION)
    return noise


def _with_neighbours(pixels: IntArray) -> tuple[IntArray, IntArray]:
    """Return pixels and those beside them, ascending, and where among these the pixels are."""
    everything = np.unique(np.concatenate([pixels - 1, pixels, pixels + 1]))
    return everything, np.searchsorted(everything, pixels)


def _white(rows: IntArray, columns: IntArray) -> NDArray[np.int32]:
    """Integers of the mean 0 that look random, and depend on row and column alone."""
    mixed = columns.astype(np.uint32) * np.uint32(0x9E3779B1) + rows.astype(np.uint32) * np.uint32(0x85EBCA6B)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        mixed ^= mixed >> np.uint32(shift)
        mixed *= np.uint32(factor)
    mixed ^= mixed >> np.uint32(15)
    # Two bytes at a time, then the two sums.
    pairs = (mixed & np.uint32(0x00FF00FF)) + (mixed >> np.uint32(8) & np.uint32(0x00FF00FF))
    total: NDArray[np.int32] = ((pairs & np.uint32(0xFFFF)) + (pairs >> np.uint32(16))).astype(np.int32)
    return total - np.int32(_MEAN)
