"""Tiles: which Gaussians reach which tile of 16 x 16 pixels, front to back."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TILE = 16

HALF_WIDTH = 8
"""Pixels across a half of a tile, in which the CPU draws it."""


class TileLists(NamedTuple):
    """P pairs of a tile and a Gaussian that reaches it, listed by tile and by Gaussian; all int32.

    tile_offsets [T + 1], tile_indices [P]: tile t, in raster order, holds the Gaussians
        tile_indices[tile_offsets[t]:tile_offsets[t + 1]], front to back.
    order [N], rank_offsets [N + 1], rank_pairs [P]: the Gaussian order[r] stands in tile_indices at the positions
        rank_pairs[rank_offsets[r]:rank_offsets[r + 1]].
    """

    tile_offsets: NDArray[np.int32]
    tile_indices: NDArray[np.int32]
    order: NDArray[np.int32]
    rank_offsets: NDArray[np.int32]
    rank_pairs: NDArray[np.int32]


def num_tiles(image_size: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) of tiles that cover an image of (height, width) pixels."""
    height, width = image_size
    return -(-height // TILE), -(-width // TILE)


def list_tiles(
    means: NDArray[np.floating],
    extents: NDArray[np.floating],
    order: NDArray[np.integer] | None,
    image_size: tuple[int, int],
) -> TileLists:
    """Return the TileLists of Gaussians with means [N, 2] and extents [N, 2] in pixels.

    `order [N]` is the permutation that puts them front to back; without one they are in that order already. NumPy and
    not Taichi: a sort in NumPy is as fast as a serial kernel at the usual sizes, and a decoder saves that kernel's
    compile time at every start. `fit/tile_tensors.py` is for GPUs.
    """
    columns = num_tiles(image_size)[1]
    ranked: NDArray[np.int32] = np.arange(len(means), dtype=np.int32)
    if order is not None:
        ranked = order.astype(np.int32)
        means, extents = means.take(ranked, axis=0), extents.take(ranked, axis=0)
    left, top, widths, heights = reached_tiles(means, extents, image_size)
    counts = widths * heights
    rank_offsets = _offsets(counts)

    pairs = np.arange(rank_offsets[-1], dtype=np.int32)
    within, width = pairs - np.repeat(rank_offsets[:-1], counts), np.repeat(widths, counts)
    # Each of a Gaussian's rows of tiles is `width` long, and its next one begins `columns` after it.
    tiles = np.repeat(top * columns + left, counts) + within + within // width * (columns - width)
    # NumPy sorts 16-bit keys by radix, several times faster than wider ones.
    total = math.prod(num_tiles(image_size))
    by_tile = np.argsort(tiles.astype(np.uint16) if total < 1 << 16 else tiles, kind="stable")
    rank_pairs = np.empty_like(pairs)
    rank_pairs[by_tile] = pairs
    tile_offsets = _offsets(np.bincount(tiles, minlength=total))
    return TileLists(tile_offsets, np.repeat(ranked, counts).take(by_tile), ranked, rank_offsets, rank_pairs)


def count_pairs(means: NDArray[np.floating], extents: NDArray[np.floating], image_size: tuple[int, int]) -> int:
    """Return the number of pairs that `list_tiles` would list; it may be more than memory would hold."""
    _, _, widths, heights = reached_tiles(means, extents, image_size)
    return int(np.dot(widths.astype(np.float64), heights.astype(np.float64)))


def reached_tiles(
    means: NDArray[np.floating], extents: NDArray[np.floating], image_size: tuple[int, int]
) -> tuple[NDArray[np.int32], ...]:
    """Return (left, top, width, height), [N] int32 each, in tiles, of the rectangle that each Gaussian reaches.

    From the first to the last tile with a pixel centre inside [mean - extent, mean + extent]. It is empty where there
    is none: where the extents are negative, or so small that they fit between two centres.
    """
    rows, columns = num_tiles(image_size)
    first_pixel, last_pixel = np.ceil(means - extents - 0.5).T, np.floor(means + extents - 0.5).T
    left, right = _tiles_at(first_pixel[0], 0, columns), _tiles_at(last_pixel[0], 1, columns)
    top, bottom = _tiles_at(first_pixel[1], 0, rows), _tiles_at(last_pixel[1], 1, rows)
    return left, top, np.where((first_pixel <= last_pixel).all(axis=0), right - left, 0), bottom - top


def _tiles_at(pixels: NDArray[np.floating], shift: int, limit: int) -> NDArray[np.int32]:
    """The tiles along one side that whole numbers of pixels lie in, plus `shift`, and within 0 and `limit`."""
    tiles: NDArray[np.int32] = np.clip(np.floor(pixels / TILE) + shift, 0, limit).astype(np.int32)
    return tiles


def _offsets(counts: NDArray[np.integer]) -> NDArray[np.int32]:
    offsets = np.zeros(len(counts) + 1, dtype=np.int32)
    np.cumsum(counts, out=offsets[1:])
    return offsets
