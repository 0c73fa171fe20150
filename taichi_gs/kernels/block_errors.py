"""Errors that neighbouring pixels share: sums over blocks of a tile, for the costs of `cost_cpu.py`.

A tile is divided into blocks of BLOCKS[0] and, independently, of BLOCKS[1] pixels a side. The mean error of a block is
that of its pixels, weighted by their weights: pixels outside the picture have none.
"""

import functools

from taichi_gs.kernels.blend import NUM_PIXELS
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import HALF_WIDTH, TILE

BLOCKS = (4, 8)
"""Sides, in pixels. A half of a tile is as wide as the larger ones, and its vectors hold their pixels together."""

NUM_SMALL, NUM_LARGE = (NUM_PIXELS // side**2 for side in BLOCKS)
_NUM_GROUPS = NUM_PIXELS // (BLOCKS[0] * HALF_WIDTH)  # of small blocks that are neighbours in a half's row


@functools.cache
def make_sum_blocks(dtype):
    """The Taichi function that sums `values`, a vector of NUM_PIXELS laid out in halves, over both kinds of blocks."""
    columns_type = ti.types.vector(TILE * TILE // BLOCKS[0], dtype)

    @ti.func
    def sum_blocks(values: ti.template(), small: ti.template(), large: ti.template()):
        columns = columns_type(0.0)
        for group in range(_NUM_GROUPS):
            for row in ti.static(range(BLOCKS[0])):
                for k in range(HALF_WIDTH):
                    columns[group * HALF_WIDTH + k] += values[(group * BLOCKS[0] + row) * HALF_WIDTH + k]
        for block in range(NUM_SMALL):
            small[block] = 0.0
            for k in ti.static(range(BLOCKS[0])):
                small[block] += columns[block * BLOCKS[0] + k]
        for block in range(NUM_LARGE):
            large[block] = 0.0
            for k in ti.static(range(NUM_SMALL // NUM_LARGE)):
                large[block] += small[block * (NUM_SMALL // NUM_LARGE) + k]

    return sum_blocks


@functools.cache
def make_share_blocks(dtype):
    """The Taichi function that replaces weighted errors, in halves, by what the blocks of each pixel have in common.

    That is the mean error of the small block, times `small_importance`, plus that of the large one, times its own.
    `small_weights` and `large_weights` are the sums of the pixels' weights.
    """
    sum_blocks = make_sum_blocks(dtype)
    small_type, large_type = ti.types.vector(NUM_SMALL, dtype), ti.types.vector(NUM_LARGE, dtype)
    columns_type = ti.types.vector(TILE * TILE // BLOCKS[0], dtype)

    @ti.func
    def share_blocks(
        values: ti.template(),
        small_weights: ti.template(),
        large_weights: ti.template(),
        small_importance,
        large_importance,
    ):
        small, large, columns = small_type(0.0), large_type(0.0), columns_type(0.0)
        sum_blocks(values, small, large)
        for block in range(NUM_SMALL):
            parent = block // (NUM_SMALL // NUM_LARGE)
            # Where no pixel is in the picture, the sum is 0 as well.
            shared = small_importance * small[block] / ti.max(small_weights[block], 1e-20)
            shared += large_importance * large[parent] / ti.max(large_weights[parent], 1e-20)
            for k in ti.static(range(BLOCKS[0])):
                columns[block * BLOCKS[0] + k] = shared
        for group in range(_NUM_GROUPS):
            for row in ti.static(range(BLOCKS[0])):
                for k in range(HALF_WIDTH):
                    values[(group * BLOCKS[0] + row) * HALF_WIDTH + k] = columns[group * HALF_WIDTH + k]

    return share_blocks
