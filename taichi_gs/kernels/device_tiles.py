"""The lists of `tiles.py` by PyTorch, on the device where the Gaussians are: no list goes to the host and back."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from taichi_gs.kernels.blend import TILE
from taichi_gs.kernels.tiles import num_tiles


class TileTensors(NamedTuple):
    """The fields of `tiles.TileLists` as int32 tensors on one device."""

    tile_offsets: Tensor
    tile_indices: Tensor
    order: Tensor
    rank_offsets: Tensor
    rank_pairs: Tensor


def list_tiles(means: Tensor, extents: Tensor, order: Tensor | None, image_size: tuple[int, int]) -> TileTensors:
    """Return the same lists as `tiles.list_tiles` for tensors that autograd does not follow.

    The number of pairs sizes tensors and is read back from the device, once, after the few operations that count them.
    Nothing else here makes the host wait: sizes that PyTorch would have to look up are derived from that number, and
    only scalars, which travel with a launch, go from the host to the device.
    """
    rows, columns = num_tiles(image_size)
    ranked = torch.arange(len(means), dtype=torch.int32, device=means.device)
    if order is not None:
        ranked = order.to(torch.int32)
        means, extents = means.index_select(0, ranked), extents.index_select(0, ranked)
    # From the first to one past the last tile with a pixel centre inside [mean - extent, mean + extent].
    first_pixel, last_pixel = torch.ceil(means - extents - 0.5), torch.floor(means + extents - 0.5)
    left, right = _tiles_at(first_pixel[:, 0], 0, columns), _tiles_at(last_pixel[:, 0], 1, columns)
    top, bottom = _tiles_at(first_pixel[:, 1], 0, rows), _tiles_at(last_pixel[:, 1], 1, rows)
    widths = right - left
    counts = widths * (bottom - top) * (first_pixel <= last_pixel).all(dim=1)
    rank_offsets = functional.pad(counts.cumsum(0, dtype=torch.int32), (1, 0))
    num_pairs = int(rank_offsets[-1])

    pairs = torch.arange(num_pairs, dtype=torch.int32, device=means.device)
    rank = torch.searchsorted(rank_offsets[1:], pairs, right=True, out_int32=True)
    within, width = pairs - rank_offsets.index_select(0, rank), widths.index_select(0, rank)
    row = torch.div(within, width, rounding_mode="floor")
    tiles = (top * columns + left).index_select(0, rank) + within + row * (columns - width)
    # Pairs are in the order of ranks, and a stable sort keeps them so within each tile.
    tiles, by_tile = torch.sort(tiles, stable=True)
    rank_pairs = torch.empty_like(pairs).scatter_(0, by_tile, pairs)
    borders = torch.arange(rows * columns + 1, dtype=torch.int32, device=means.device)
    tile_offsets = torch.searchsorted(tiles, borders, out_int32=True)
    tile_indices = ranked.index_select(0, rank.index_select(0, by_tile))
    return TileTensors(tile_offsets, tile_indices, ranked, rank_offsets, rank_pairs)


def _tiles_at(pixels: Tensor, shift: int, limit: int) -> Tensor:
    return (torch.floor(pixels / TILE) + shift).clamp(0, limit).to(torch.int32)
