"""Halves of tiles: which rows of a tile a Gaussian really reaches, for the kernels on the CPU.

A tile is NUM_HALVES halves of HALF_WIDTH columns, and its pixels lie in vectors one half after the other, a half row by
row. Most Gaussians are thin and slanted: their rows are fewer half by half than over the width of a tile.

A kernel goes through rows by two, that is through 16 neighbours in a vector. The bounds of that loop are found for a
batch of Gaussians at once: a processor works on several of them at a time, and no loop waits for its bounds.
"""

import functools
import math

from taichi_gs.kernels.blend import NUM_PIXELS
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import HALF_WIDTH, TILE
from taichi_gs.model.blending import CUTOFFS

NUM_HALVES = TILE // HALF_WIDTH
BATCH = 64
"""Gaussians whose halves are listed at once."""

ROW_MARGIN = 1e-3
"""Rows are found in single precision: what is that much too far out, in pixels, still counts as reached."""


@ti.func
def pixel_at(y, x):
    """Where the pixel in row y and column x of a tile lies in a vector of NUM_PIXELS."""
    return (x & HALF_WIDTH) * TILE + y * HALF_WIDTH + (x & (HALF_WIDTH - 1))


@ti.func
def first_pixel(half, y):
    """Where row y of a half begins; the mask tells the compiler that 15 more do not overflow an index."""
    return (half * (TILE * HALF_WIDTH) + y * HALF_WIDTH) & (NUM_PIXELS - HALF_WIDTH)


@ti.func
def _least(x, y):
    # `ti.min` and `ti.max` take three instructions, because of NaN.
    return ti.select(x < y, x, y)


@ti.func
def _most(x, y):
    return ti.select(x > y, x, y)


@functools.cache
def make_find_rows(dtype, blending):
    """The Taichi function that finds the rows of a tile's halves that a Gaussian reaches.

    Its arguments are the conic, and the centre of the tile's first pixel seen from the mean. It returns, for each half
    in turn, a row and a number of double rows from there, all of them in the tile; outside them the weight is 0.
    """
    log2_cutoff = math.log2(CUTOFFS[blending])

    @ti.func
    def find_rows(a, b, c, l, x0, y0):
        # The ellipse is (a dx + b dy)^2 + (c dy)^2 = reach. At a given dx it ends at
        #     dy = (-ab dx +- sqrt(reach (b^2 + c^2) - (ac dx)^2)) / (b^2 + c^2),
        # and in a half where that is farthest: at its apex, or at the half's column that is nearest to this.
        reach = l - log2_cutoff
        ab, ac, norm = a * b, a * c, b * b + c * c
        limit = 1.00001 * reach * norm  # above what rounding makes of it: a square root of it is taken
        scale = 1.0 / norm
        apex = b / ac * ti.sqrt(_most(reach, 0.0))
        found = ti.Vector([0] * (2 * NUM_HALVES))
        for half in ti.static(range(NUM_HALVES)):
            left, right = x0 + half * HALF_WIDTH, x0 + (half * HALF_WIDTH + HALF_WIDTH - 1)
            x_first, x_last = _least(_most(apex, left), right), _least(_most(-apex, left), right)
            square_first, square_last = limit - (ac * x_first) * (ac * x_first), limit - (ac * x_last) * (ac * x_last)
            y_first = (-ab * x_first - ti.sqrt(_most(square_first, 0.0))) * scale - y0
            y_last = (-ab * x_last + ti.sqrt(_most(square_last, 0.0))) * scale - y0
            first = ti.cast(_least(_most(y_first, 0.0), float(TILE)) + (1.0 - ROW_MARGIN), ti.i32)
            end = ti.cast(_most(_least(y_last, TILE - 1.0), -1.0) + (1.0 + ROW_MARGIN), ti.i32)
            num = ti.select(_most(square_first, square_last) >= 0.0, (end - first + 1) >> 1, 0)
            found[2 * half] = ti.min(first, TILE - 2 * num)
            found[2 * half + 1] = num
        return found

    return find_rows


@functools.cache
def make_list_halves(dtype, blending):
    """The Taichi function that finds the rows of a batch of pairs, all halves of the first, then of the second.

    The pairs are [pair, pair + count) of the tile whose first pixel is (left, top); count is BATCH or less. `starts`
    and `nums`, vectors of NUM_HALVES * BATCH, take what `find_rows` finds.
    """
    find_rows = make_find_rows(dtype, blending)

    @ti.func
    def list_halves(
        means: ti.template(),
        conics: ti.template(),
        tile_indices: ti.template(),
        left,
        top,
        pair,
        count,
        starts: ti.template(),
        nums: ti.template(),
    ):
        for k in range(count):
            i = tile_indices[pair + k]
            x0, y0 = left + 0.5 - means[i, 0], top + 0.5 - means[i, 1]
            rows = find_rows(conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3], x0, y0)
            for half in ti.static(range(NUM_HALVES)):
                starts[NUM_HALVES * k + half] = rows[2 * half]
                nums[NUM_HALVES * k + half] = rows[2 * half + 1]

    return list_halves
