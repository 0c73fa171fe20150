"""Colours where nothing is visible: they must not cost bits, and must not bleed into what is visible."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatPlanes = NDArray[np.float32]


OWN_ALPHA = 0.25
"""From this alpha on a pixel keeps its own colour; below, as much of it as alpha is to this."""


def fill_transparent(colors: FloatPlanes, alpha: FloatPlanes) -> FloatPlanes:
    """Continue the visible colours smoothly to where they cannot be seen (pull-push, Gortler et al. 1996).

    Weighted averages are taken over ever larger blocks, and where a block has little weight the next larger one's
    colour comes in.

    Args:
        colors: [H, W, C] float32.
        alpha: [H, W] float32, 0 to 1.
    """
    weights = np.minimum(alpha[:, :, None] / np.float32(OWN_ALPHA), np.float32(1))
    weighted = colors * weights
    levels = []
    while max(weights.shape[:2]) > 1:
        levels.append((weighted, weights))
        weighted, weights = _blocks(weighted), _blocks(weights)
        # A block has its own colour as soon as it has that of one pixel.
        excess = np.maximum(weights, np.float32(1))
        weighted, weights = weighted / excess, weights / excess
    filled: FloatPlanes = weighted / np.maximum(weights, np.float32(1e-9))
    for weighted, weights in reversed(levels):
        filled = weighted + (1 - weights) * _doubled(filled, weights.shape[:2])
    return filled


def _blocks(planes: FloatPlanes) -> FloatPlanes:
    """The sums over blocks of 2 x 2 of [h, w, C], past the edges zero."""
    height, width = planes.shape[:2]
    padded = np.pad(planes, ((0, height % 2), (0, width % 2), (0, 0)))
    sums: FloatPlanes = padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]
    return sums


def _doubled(planes: FloatPlanes, size: tuple[int, ...]) -> FloatPlanes:
    """Twice the resolution of [h, w, C], interpolated linearly between the centres of blocks, cut to `size`."""
    for axis in (0, 1):
        along = np.pad(np.moveaxis(planes, axis, 0), ((1, 1), (0, 0), (0, 0)), mode="edge")
        doubled = np.empty((2 * len(along) - 4, *along.shape[1:]), np.float32)
        doubled[::2] = 0.25 * along[:-2] + 0.75 * along[1:-1]
        doubled[1::2] = 0.75 * along[1:-1] + 0.25 * along[2:]
        planes = np.moveaxis(doubled[: size[axis]], 0, axis)
    return planes
