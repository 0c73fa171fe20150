"""The lists of `tiles.py` by PyTorch, on the device where the Gaussians are: no list goes to the host and back."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from taichi_gs.kernels.tiles import TILE, num_tiles

COUNT_EVERY, RESERVE, MIN_CAPACITY = 10, 4, 4096
"""See `PairCapacity`. Of photographs, pairs become half as many again within the first ten steps of a fit, and a tenth
as many later; a few Gaussians in a drawing can become 2.8 times as many."""


class TileTensors(NamedTuple):
    """The fields of `tiles.TileLists` as int32 tensors on one device."""

    tile_offsets: Tensor
    tile_indices: Tensor
    order: Tensor
    rank_offsets: Tensor
    rank_pairs: Tensor


class PairCapacity:
    """How many pairs the lists of N moving Gaussians have room for, so that the host need not know how many there are.

    It reads their number the first time, and again after COUNT_EVERY lists or when N is another one. In between there
    is room for RESERVE times as many, for MIN_CAPACITY at least, and never for more than there can be. Should that not
    do, the last Gaussians are missing in some tiles until the host counts again. So this is for the steps of a fit, and
    not for a picture that has to be right.
    """

    def __init__(self) -> None:
        self._num_gaussians, self._capacity, self._lists_left = 0, 0, 0

    def room_for(self, num_gaussians: int, num_tiles: int, num_pairs: Tensor) -> int:
        """Return the capacity of the next lists, of which `num_pairs` [] is the number of pairs, on the device."""
        if self._lists_left == 0 or num_gaussians != self._num_gaussians:
            wanted = max(RESERVE * int(num_pairs), MIN_CAPACITY)
            self._capacity = min(wanted, num_gaussians * num_tiles)
            self._num_gaussians, self._lists_left = num_gaussians, COUNT_EVERY
        self._lists_left -= 1
        return self._capacity


def list_tiles(
    means: Tensor,
    extents: Tensor,
    order: Tensor | None,
    image_size: tuple[int, int],
    capacity: PairCapacity | None = None,
) -> TileTensors:
    """Return the same lists as `tiles.list_tiles` for tensors that autograd does not follow.

    Without a `capacity` the number of pairs, which sizes tensors, is read back from the device, once, after the few
    operations that count them. With one, `tile_indices` and `rank_pairs` are longer than that; what comes after the P
    pairs is within their range and means nothing. Nothing else here makes the host wait: only scalars, which travel
    with a launch, go from the host to the device.
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
    num_pairs = rank_offsets[-1]
    size = int(num_pairs) if capacity is None else capacity.room_for(len(means), rows * columns, num_pairs)

    pairs = torch.arange(size, dtype=torch.int32, device=means.device)
    rank = torch.searchsorted(rank_offsets[1:], pairs, right=True, out_int32=True).clamp_(max=len(means) - 1)
    within, width = pairs - rank_offsets.index_select(0, rank), widths.clamp(min=1).index_select(0, rank)
    row = torch.div(within, width, rounding_mode="floor")
    tiles = (top * columns + left).index_select(0, rank) + within + row * (columns - width)
    # Pairs are in the order of ranks, and a stable sort keeps them so within each tile. What is no pair comes last.
    tiles, by_tile = torch.sort(torch.where(pairs < num_pairs, tiles, rows * columns), stable=True)
    rank_pairs = torch.empty_like(pairs).scatter_(0, by_tile, pairs)
    borders = torch.arange(rows * columns + 1, dtype=torch.int32, device=means.device)
    tile_offsets = torch.searchsorted(tiles, borders, out_int32=True)
    tile_indices = ranked.index_select(0, rank.index_select(0, by_tile))
    return TileTensors(tile_offsets, tile_indices, ranked, rank_offsets.clamp(max=size), rank_pairs)


def _tiles_at(pixels: Tensor, shift: int, limit: int) -> Tensor:
    return (torch.floor(pixels / TILE) + shift).clamp(0, limit).to(torch.int32)
