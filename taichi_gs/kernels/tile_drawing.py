"""Sum the Gaussians of one tile, on the CPU, for the kernel of a fit's steps: the loop of `tile_forward.py` by steps.

The weights come from row to row, see `row_steps.py`.
"""

import functools

from taichi_gs.kernels.half_tiles import BATCH, NUM_HALVES, first_pixel, make_list_halves
from taichi_gs.kernels.row_steps import make_begin_rows, make_cut_off, num_steps
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import HALF_WIDTH


@functools.cache
def make_draw_tile(dtype, blending):
    """The Taichi function that adds to a tile's sums; see `make_blend_tile` for the arguments.

    `state`, red, green and blue come as they do there. They become the sums over the Gaussians, and the state behind
    all of them; `make_add_background` makes colours of them.
    """
    list_halves = make_list_halves(dtype, blending)
    begin_rows, cut_off = make_begin_rows(dtype, blending), make_cut_off(blending)
    normalized = blending == "normalized"
    lanes = ti.types.vector(2 * HALF_WIDTH, dtype)
    items = ti.types.vector(NUM_HALVES * BATCH, ti.i32)

    @ti.func
    def draw_tile(
        means: ti.template(),
        conics: ti.template(),
        colors: ti.template(),
        tile_indices: ti.template(),
        left,
        top,
        first_pair,
        end,
        state: ti.template(),
        red: ti.template(),
        green: ti.template(),
        blue: ti.template(),
    ):
        starts, nums = items(0), items(0)
        pair = first_pair
        while pair < end:
            count = ti.min(end - pair, BATCH)
            list_halves(means, conics, tile_indices, left, top, pair, count, starts, nums)
            for k in range(count):
                i = tile_indices[pair + k]
                a, b, c, l = conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3]
                r, g, bl = colors[i, 0], colors[i, 1], colors[i, 2]
                y0, steps = top + 0.5 - means[i, 1], num_steps(b, c)
                for half in range(NUM_HALVES):
                    start, num = starts[NUM_HALVES * k + half], nums[NUM_HALVES * k + half]
                    x0 = left + half * HALF_WIDTH + 0.5 - means[i, 0]
                    done = 0
                    while done < num:
                        y = start + 2 * done
                        weights, factors = lanes(0.0), lanes(0.0)
                        decay = begin_rows(a, b, c, l, x0, y0 + y, steps, weights, factors)
                        for _ in range(ti.min(steps, num - done)):
                            first = first_pixel(half, y)
                            for x in range(2 * HALF_WIDTH):
                                j = first + x
                                weight = cut_off(weights[x])
                                if ti.static(normalized):
                                    state[j] += weight
                                else:
                                    weight *= state[j]
                                    state[j] -= weight
                                red[j] += weight * r
                                green[j] += weight * g
                                blue[j] += weight * bl
                                weights[x] *= factors[x]
                                factors[x] *= decay
                            y += 2
                        done += steps
            pair += BATCH

    return draw_tile
