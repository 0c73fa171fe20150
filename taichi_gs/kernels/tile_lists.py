"""The lists of `tiles.py` by Taichi, in one thread, for the steps of a fit: a few times faster there than by NumPy.

They are listed by counting. Every Gaussian adds one to each tile that it reaches; from the sums follows where a tile's
list begins; and every Gaussian, front to back, takes the next place in each of its tiles.
"""

import functools

from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import TILE

MAX_INT32 = (1 << 31) - 1
"""As many pairs as lists can have."""


@functools.cache
def make_reached_tiles(dtype):
    """The Taichi function from a mean and the extents to (left, top, right, bottom), in tiles; see `reached_tiles`."""

    @ti.func
    def tile_at(pixel, shift, limit):
        return ti.cast(ti.math.clamp(ti.floor(pixel / TILE) + shift, 0.0, ti.cast(limit, dtype)), ti.i32)

    @ti.func
    def reached_tiles(x, y, extent_x, extent_y, columns, rows):
        first_x, last_x = ti.ceil(x - extent_x - 0.5), ti.floor(x + extent_x - 0.5)
        first_y, last_y = ti.ceil(y - extent_y - 0.5), ti.floor(y + extent_y - 0.5)
        left, top = tile_at(first_x, 0.0, columns), tile_at(first_y, 0.0, rows)
        right, bottom = tile_at(last_x, 1.0, columns), tile_at(last_y, 1.0, rows)
        if first_x > last_x or first_y > last_y:
            right = left
        return ti.Vector([left, top, right, bottom])

    return reached_tiles


@ti.func
def count_tiles(boxes: ti.template(), i, columns, tile_offsets: ti.template()):
    """Add the tiles that Gaussian i reaches to the counts, and return how many they are.

    `tile_offsets[t + 2]` counts tile t.
    """
    for row in range(boxes[i, 1], boxes[i, 3]):
        for column in range(boxes[i, 0], boxes[i, 2]):
            tile_offsets[row * columns + column + 2] += 1
    return (boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1])


@ti.func
def enter_tiles(
    boxes: ti.template(),
    i,
    columns,
    tile_offsets: ti.template(),
    tile_indices: ti.template(),
    rank_pairs: ti.template(),
    first,
):
    """Enter Gaussian i in the lists of the tiles that it reaches.

    `tile_offsets[t + 1]` is the next place in the list of tile t, and where the list ends when all are entered.
    `rank_pairs` takes the places from `first` on.
    """
    pair = first
    for row in range(boxes[i, 1], boxes[i, 3]):
        for column in range(boxes[i, 0], boxes[i, 2]):
            place = tile_offsets[row * columns + column + 1]
            tile_offsets[row * columns + column + 1] = place + 1
            tile_indices[place] = i
            rank_pairs[pair] = place
            pair += 1


@ti.func
def list_tiles(
    boxes: ti.template(),
    rows,
    columns,
    offsets: ti.template(),
    tile_indices: ti.template(),
    rank_pairs: ti.template(),
):
    """List the tiles that Gaussians, front to back, reach of rows and columns of them.

    `boxes` [N, 4] has what `make_reached_tiles` finds. These are overwritten:

        offsets [T + 2 + N + 1] int32   by `tile_offsets` in the first T + 1, and from T + 2 on by `rank_offsets`, see
                                        `tiles.TileLists`
        tile_indices, rank_pairs [C] int32
                                        in the first P places, as many as there are pairs

    P is offsets[-1] afterwards. If it is more than C, nothing is listed.
    """
    first_rank, count = rows * columns + 2, boxes.shape[0]
    for k in range(first_rank + 1):
        offsets[k] = 0
    num_pairs = ti.cast(0, ti.i64)
    for i in range(count):
        num_pairs += count_tiles(boxes, i, columns, offsets)
        # More would be less than none, and no computer has the memory.
        offsets[first_rank + i + 1] = ti.cast(ti.min(num_pairs, MAX_INT32), ti.i32)
    for tile in range(rows * columns):
        offsets[tile + 2] += offsets[tile + 1]
    if offsets[first_rank + count] <= tile_indices.shape[0]:
        for i in range(count):
            enter_tiles(boxes, i, columns, offsets, tile_indices, rank_pairs, offsets[first_rank + i])
