"""The lists of `tiles.py` by Taichi, in one thread, for the steps of a fit: a few times faster there than by NumPy.

They are listed by counting how many Gaussians reach each tile. From that follows where a tile's list begins. Then every
Gaussian, front to back, takes the next place in each of its tiles.
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
    count_tiles(boxes, columns, first_rank, offsets)
    offsets[first_rank] = 0
    reaching, total = 0, 0
    for tile in range(rows * columns):
        reaching += offsets[tile + 2]
        total += reaching
        offsets[tile + 2] = total
    if offsets[first_rank + count] <= tile_indices.shape[0]:
        enter_tiles(boxes, columns, offsets, tile_indices, rank_pairs)


@ti.func
def count_tiles(boxes: ti.template(), columns, first_rank, offsets: ti.template()):
    """Count how many Gaussians reach each tile, and how many tiles all Gaussians up to each one reach.

    Afterwards offsets[t + 2] is by how many more Gaussians reach tile t than the tile before it: each row of a box adds
    one to its first tile, and takes one from the tile that follows its last.
    """
    for k in range(first_rank + 1):
        offsets[k] = 0
    num_pairs = ti.cast(0, ti.i64)
    for i in range(boxes.shape[0]):
        left, top, right, bottom = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        for row in range(top, bottom):
            offsets[row * columns + left + 2] += 1
            offsets[row * columns + right + 2] -= 1
        num_pairs += (right - left) * (bottom - top)
        # More would be less than none, and no computer has the memory.
        offsets[first_rank + i + 1] = ti.cast(ti.min(num_pairs, MAX_INT32), ti.i32)


@ti.func
def enter_tiles(
    boxes: ti.template(), columns, offsets: ti.template(), tile_indices: ti.template(), rank_pairs: ti.template()
):
    """Enter all Gaussians in the lists of the tiles that they reach.

    offsets[t + 1] is the next place in the list of tile t, and where the list ends when all are entered.
    """
    pair = 0
    for i in range(boxes.shape[0]):
        left, top, right, bottom = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        for row in range(top, bottom):
            for tile in range(row * columns + left, row * columns + right):
                place = offsets[tile + 1]
                offsets[tile + 1] = place + 1
                tile_indices[place] = i
                rank_pairs[pair] = place
                pair += 1
