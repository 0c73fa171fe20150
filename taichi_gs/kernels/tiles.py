"""Tiles: which Gaussians reach which tile of 16 x 16 pixels, front to back."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taichi_gs.kernels.blend import TILE


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
    order: NDArray[np.integer],
    image_size: tuple[int, int],
) -> TileLists:
    """Return the TileLists of Gaussians with means [N, 2] and extents [N, 2] in pixels.

    `order [N]` is the permutation that puts them front to back. NumPy and not Taichi: a sort in NumPy is as fast as a
    serial kernel at the usual sizes, and a decoder saves that kernel's compile time at every start.
    """
    rows, columns = num_tiles(image_size)
    ranked: NDArray[np.int32] = order.astype(np.int32)
    means, extents = means[ranked], extents[ranked]
    # From the first to one past the last tile with a pixel centre inside [mean - extent, mean + extent].
    limits = np.array([columns, rows])
    first_pixel, last_pixel = np.ceil(means - extents - 0.5), np.floor(means + extents - 0.5)
    first = np.clip(first_pixel // TILE, 0, limits).astype(np.int32)
    last = np.clip(last_pixel // TILE + 1, 0, limits).astype(np.int32)
    widths, heights = np.maximum(last - first, 0).T
    # No pixel centre lies inside where the extents are negative, or so small that they fit between two centres.
    counts = np.where((first_pixel <= last_pixel).all(axis=1), widths * heights, 0)
    rank_offsets = _offsets(counts)

    rank = np.repeat(np.arange(len(ranked), dtype=np.int32), counts)
    row, column = np.divmod(np.arange(len(rank), dtype=np.int32) - rank_offsets[rank], widths[rank])
    tiles = (first[rank, 1] + row) * columns + first[rank, 0] + column
    # NumPy sorts 16-bit keys by radix, several times faster than wider ones.
    by_tile = np.argsort(tiles.astype(np.uint16) if rows * columns < 1 << 16 else tiles, kind="stable")
    rank_pairs = np.empty(len(rank), dtype=np.int32)
    rank_pairs[by_tile] = np.arange(len(rank), dtype=np.int32)
    tile_offsets = _offsets(np.bincount(tiles, minlength=rows * columns))
    return TileLists(tile_offsets, ranked[rank[by_tile]], ranked, rank_offsets, rank_pairs)


def _offsets(counts: NDArray[np.integer]) -> NDArray[np.int32]:
    offsets = np.zeros(len(counts) + 1, dtype=np.int32)
    np.cumsum(counts, out=offsets[1:])
    return offsets
