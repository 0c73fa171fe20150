"""Differentiate the Gaussians of one tile, on the CPU: the loop of gradients.

The kernels of `blend_cpu.py` and of `cost_cpu.py` have it. It is of the form of `tile_drawing.py`, and runs front to
back as well. Every (tile, Gaussian) pair writes one row of `grad_pairs`. Rows are summed per Gaussian afterwards in a
fixed order, so that there are no atomics, and gradients are the same in every run.
"""

import functools

from taichi_gs.kernels.blend import store_gradients
from taichi_gs.kernels.half_tiles import BATCH, NUM_HALVES, first_pixel, make_list_halves
from taichi_gs.kernels.row_steps import make_begin_rows, make_cut_off, num_steps
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import HALF_WIDTH, TILE


@functools.cache
def make_differentiate_tile(dtype, blending):
    """The Taichi function that writes the gradients of a tile to its rows of `grad_pairs` and `grad_backgrounds`.

    The tile's first pixel is (left, top), its pairs are [first_pair, end). `rest`, `red`, `green`, `blue` and `behind`
    are vectors of NUM_PIXELS, laid out in halves, and are overwritten. `rest` comes as FIRST_STATES of the blending;
    red, green and blue are the gradient by a pixel's colour, and `behind` is its product with this colour. In
    normalised blending all four are divided by W, and so need not be for each Gaussian.
    """
    list_halves = make_list_halves(dtype, blending)
    begin_rows, cut_off = make_begin_rows(dtype, blending), make_cut_off(blending)
    normalized = blending == "normalized"
    lanes, columns = ti.types.vector(2 * HALF_WIDTH, dtype), ti.types.vector(HALF_WIDTH, dtype)
    items = ti.types.vector(NUM_HALVES * BATCH, ti.i32)

    @ti.func
    def total(v: ti.template()):
        # A tree, for which there are vector instructions.
        return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))

    @ti.func
    def differentiate_tile(
        means: ti.template(),
        conics: ti.template(),
        colors: ti.template(),
        tile_indices: ti.template(),
        grad_pairs: ti.template(),
        grad_backgrounds: ti.template(),
        tile,
        left,
        top,
        first_pair,
        end,
        rest: ti.template(),
        red: ti.template(),
        green: ti.template(),
        blue: ti.template(),
        behind: ti.template(),
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
                m_1, m_x, m_y, m_xx, m_xy, m_yy = (
                    columns(0.0),
                    columns(0.0),
                    columns(0.0),
                    columns(0.0),
                    columns(0.0),
                    columns(0.0),
                )
                s_r, s_g, s_b = columns(0.0), columns(0.0), columns(0.0)
                for half in range(NUM_HALVES):
                    start, num = starts[NUM_HALVES * k + half], nums[NUM_HALVES * k + half]
                    if num > 0:
                        x0 = left + half * HALF_WIDTH + 0.5 - means[i, 0]
                        v_1, v_y, v_yy = lanes(0.0), lanes(0.0), lanes(0.0)
                        w_r, w_g, w_b = lanes(0.0), lanes(0.0), lanes(0.0)
                        weights, factors, dys = lanes(0.0), lanes(0.0), lanes(0.0)
                        done = 0
                        while done < num:
                            y = start + 2 * done
                            decay = begin_rows(a, b, c, l, x0, y0 + y, steps, weights, factors)
                            for x in range(2 * HALF_WIDTH):
                                dys[x] = (y0 + y) + ti.select(x < HALF_WIDTH, 0.0, 1.0)
                            for _ in range(ti.min(steps, num - done)):
                                first = first_pixel(half, y)
                                for x in range(2 * HALF_WIDTH):
                                    j = first + x
                                    weight = cut_off(weights[x])
                                    v = red[j] * r + green[j] * g + blue[j] * bl
                                    if ti.static(normalized):
                                        v = ti.select(weight > 0.0, weights[x], 0.0) * (v - behind[j])
                                    else:
                                        alpha = weight
                                        weight *= rest[j]
                                        v *= weight
                                        behind[j] -= v
                                        rest[j] -= weight
                                        v -= alpha / (1.0 - alpha) * behind[j]
                                    v_along_y = v * dys[x]
                                    v_1[x] += v
                                    v_y[x] += v_along_y
                                    v_yy[x] += v_along_y * dys[x]
                                    w_r[x] += weight * red[j]
                                    w_g[x] += weight * green[j]
                                    w_b[x] += weight * blue[j]
                                    weights[x] *= factors[x]
                                    factors[x] *= decay
                                    dys[x] += 2.0
                                y += 2
                            done += steps
                        # dx is one value a lane, so that the moments in x need no accumulators of their own above.
                        for x in range(HALF_WIDTH):
                            dx, z = x0 + x, x + HALF_WIDTH
                            v, v_dy = v_1[x] + v_1[z], v_y[x] + v_y[z]
                            m_1[x] += v
                            m_x[x] += v * dx
                            m_xx[x] += v * dx * dx
                            m_y[x] += v_dy
                            m_xy[x] += v_dy * dx
                            m_yy[x] += v_yy[x] + v_yy[z]
                            s_r[x] += w_r[x] + w_r[z]
                            s_g[x] += w_g[x] + w_g[z]
                            s_b[x] += w_b[x] + w_b[z]
                moments = ti.Vector([total(m_1), total(m_x), total(m_y), total(m_xx), total(m_xy), total(m_yy)], dtype)
                sums = ti.Vector([total(s_r), total(s_g), total(s_b)], dtype)
                store_gradients(grad_pairs, pair + k, a, b, c, moments, sums)
            pair += BATCH
        total_r, total_g, total_b = lanes(0.0), lanes(0.0), lanes(0.0)
        for y in range(TILE):
            for x in range(TILE):
                j = y * TILE + x
                total_r[x] += rest[j] * red[j]
                total_g[x] += rest[j] * green[j]
                total_b[x] += rest[j] * blue[j]
        grad_backgrounds[0, tile] = total_r.sum()
        grad_backgrounds[1, tile] = total_g.sum()
        grad_backgrounds[2, tile] = total_b.sum()

    return differentiate_tile
