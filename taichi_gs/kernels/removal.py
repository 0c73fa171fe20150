"""What each Gaussian is worth: by how much the picture's squared error changes if that one is removed.

Let C be the colour at one pixel and E = C - picture. Removing a Gaussian of the colour c changes C by d, and the
squared error by |E + d|^2 - |E|^2 = d . (d + 2 E), times the pixel's weight. See `blend.py` for the names in

    alpha blending:       d = alpha / (1 - alpha) S - s c,     S: the colour still to come behind it
    normalised blending:  d = weight / (W - weight) (C - c).

On the CPU a task is a tile, in the form of `blend_cpu.py`, with the weights of `row_steps.py`. Their errors count where
a Gaussian stands nearly alone, and there it is worth most anyway. On a GPU a task is a row of 16 pixels of a tile, and
writes one number for each of the tile's pairs. No atomics: the sums, taken elsewhere, are the same in every run.
"""

import functools

from taichi_gs.kernels.blend import NUM_PIXELS, make_weight
from taichi_gs.kernels.half_tiles import BATCH, NUM_HALVES, first_pixel, make_list_halves, pixel_at
from taichi_gs.kernels.launching import Launcher
from taichi_gs.kernels.row_steps import make_begin_rows, make_cut_off, num_steps
from taichi_gs.kernels.sharing import first_of_slot, slot_bits
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import HALF_WIDTH, TILE
from taichi_gs.kernels.weights import FIRST_STATES

OUTSIDE = 1e30
"""W of a pixel that only pads the image: no Gaussian changes anything there."""


def make_removal(dtype, blending, form, *, shared=True):
    """The kernel from an image of the blending, a picture [3, H, W] and weights [H, W] to errors.

    These are [P, TILE], or [P, 1] on the CPU: a row takes the change of the squared error by one pair, in parts.

    The image is as `forward` left it, and the weights are those of the picture's pixels.

    Only the pixels of the picture count, and not those that pad the image to whole tiles. `form` is "cpu" or "gpu".
    Only the threads of the CPU need not share the work.
    """
    return _make_rows_form(dtype, blending) if form == "gpu" else _make_tiles_form(dtype, blending, shared)


@functools.cache
def _make_tiles_form(dtype, blending, shared):
    bits = slot_bits(shared=shared)
    list_halves = make_list_halves(dtype, blending)
    begin_rows, cut_off = make_begin_rows(dtype, blending), make_cut_off(blending)
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    pixels = ti.types.vector(NUM_PIXELS, dtype)
    lanes = ti.types.vector(2 * HALF_WIDTH, dtype)
    items = ti.types.vector(NUM_HALVES * BATCH, ti.i32)

    @Launcher
    @ti.kernel
    def removal(
        means: array2,
        conics: array2,
        extents: array2,
        colors: array2,
        tile_offsets: index1,
        tile_indices: index1,
        image: array3,
        picture: array3,
        weights: array2,
        errors: array2,
    ):
        tiles_x = image.shape[2] // TILE
        ti.loop_config(serialize=not shared)
        for slot in range(1 << bits):
            for tile in range(
                first_of_slot(slot, tile_offsets.shape[0] - 1, bits),
                first_of_slot(slot + 1, tile_offsets.shape[0] - 1, bits),
            ):
                left, top = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
                num_columns, num_rows = ti.min(TILE, picture.shape[2] - left), ti.min(TILE, picture.shape[1] - top)
                # W or, in alpha blending, the transmittance, and what is still to come of the colour there.
                state = pixels(OUTSIDE if normalized else 0.0)
                behind_r, behind_g, behind_b = pixels(0.0), pixels(0.0), pixels(0.0)
                red, green, blue = pixels(0.0), pixels(0.0), pixels(0.0)
                # Twice the error that there is.
                error_r, error_g, error_b = pixels(0.0), pixels(0.0), pixels(0.0)
                pixel_weight = pixels(0.0)
                for y in range(num_rows):
                    for x in range(num_columns):
                        j = pixel_at(y, x)
                        red[j] = image[0, top + y, left + x]
                        green[j] = image[1, top + y, left + x]
                        blue[j] = image[2, top + y, left + x]
                        error_r[j] = 2.0 * (red[j] - picture[0, top + y, left + x])
                        error_g[j] = 2.0 * (green[j] - picture[1, top + y, left + x])
                        error_b[j] = 2.0 * (blue[j] - picture[2, top + y, left + x])
                        pixel_weight[j] = weights[top + y, left + x]
                        if ti.static(normalized):
                            state[j] = 1.0 / image[3, top + y, left + x]
                        else:
                            state[j] = 1.0
                            behind_r[j], behind_g[j], behind_b[j] = red[j], green[j], blue[j]
                starts, nums = items(0), items(0)
                pair, end = tile_offsets[tile], tile_offsets[tile + 1]
                while pair < end:
                    count = ti.min(end - pair, BATCH)
                    list_halves(means, conics, tile_indices, left, top, pair, count, starts, nums)
                    for k in range(count):
                        i = tile_indices[pair + k]
                        a, b, c, l = conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3]
                        r, g, bl = colors[i, 0], colors[i, 1], colors[i, 2]
                        y0, steps = top + 0.5 - means[i, 1], num_steps(b, c)
                        total, uncut, factors = lanes(0.0), lanes(0.0), lanes(0.0)
                        for half in range(NUM_HALVES):
                            start, num = starts[NUM_HALVES * k + half], nums[NUM_HALVES * k + half]
                            x0, done = left + half * HALF_WIDTH + 0.5 - means[i, 0], 0
                            while done < num:
                                y = start + 2 * done
                                decay = begin_rows(a, b, c, l, x0, y0 + y, steps, uncut, factors)
                                for _ in range(ti.min(steps, num - done)):
                                    first = first_pixel(half, y)
                                    for x in range(2 * HALF_WIDTH):
                                        j = first + x
                                        weight = cut_off(uncut[x])
                                        change_r, change_g, change_b = red[j] - r, green[j] - g, blue[j] - bl
                                        if ti.static(normalized):
                                            # Rounding must not cancel the background's part of the others' sum.
                                            others = state[j] - weight
                                            factor = weight / ti.select(others > first_state, others, first_state)
                                            change_r *= factor
                                            change_g *= factor
                                            change_b *= factor
                                        else:
                                            share, factor = weight * state[j], weight / (1.0 - weight)
                                            state[j] -= share
                                            behind_r[j] -= share * r
                                            behind_g[j] -= share * g
                                            behind_b[j] -= share * bl
                                            change_r = factor * behind_r[j] - share * r
                                            change_g = factor * behind_g[j] - share * g
                                            change_b = factor * behind_b[j] - share * bl
                                        total[x] += pixel_weight[j] * (
                                            change_r * (change_r + error_r[j])
                                            + change_g * (change_g + error_g[j])
                                            + change_b * (change_b + error_b[j])
                                        )
                                        uncut[x] *= factors[x]
                                        factors[x] *= decay
                                    y += 2
                                done += steps
                        errors[pair + k, 0] = total.sum()
                    pair += BATCH

    return removal


@functools.cache
def _make_rows_form(dtype, blending):
    weight_of = make_weight(dtype, blending)
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    lanes = ti.types.vector(TILE, dtype)
    color_lanes = ti.types.vector(3 * TILE, dtype)

    @ti.kernel
    def removal(
        means: array2,
        conics: array2,
        extents: array2,
        colors: array2,
        tile_offsets: index1,
        tile_indices: index1,
        image: array3,
        picture: array3,
        weights: array2,
        errors: array2,
    ):
        tiles_x = image.shape[2] // TILE
        for task in range(image.shape[1] * tiles_x):
            y, left = task // tiles_x, (task % tiles_x) * TILE
            tile = (y // TILE) * tiles_x + task % tiles_x
            num_columns = ti.select(y < picture.shape[1], ti.min(TILE, picture.shape[2] - left), 0)
            # Of alpha blending only: the transmittance, and the colour that is still to come.
            transmittance, behind = lanes(1.0), color_lanes(0.0)
            for x in range(num_columns):
                for channel in ti.static(range(3)):
                    behind[channel * TILE + x] = image[channel, y, left + x]
            for pair in range(tile_offsets[tile], tile_offsets[tile + 1]):
                i = tile_indices[pair]
                dy = y + 0.5 - means[i, 1]
                total = lanes(0.0)
                if ti.abs(dy) <= extents[i, 1]:
                    across = conics[i, 2] * dy
                    linear, constant = conics[i, 1] * dy, conics[i, 3] - across * across
                    for x in range(num_columns):
                        dx = left + x + 0.5 - means[i, 0]
                        along = conics[i, 0] * dx + linear
                        weight = weight_of(constant - along * along)
                        factor, share = weight, weight
                        if ti.static(normalized):
                            # Of the other weights' sum, the background's is the part that rounding must not cancel.
                            factor /= ti.max(1.0 / image[3, y, left + x] - weight, first_state)
                        else:
                            factor /= 1.0 - weight
                            share *= transmittance[x]
                            transmittance[x] -= share
                        for channel in ti.static(range(3)):
                            color = image[channel, y, left + x]
                            change = factor * (color - colors[i, channel])
                            if ti.static(not normalized):
                                own = share * colors[i, channel]
                                behind[channel * TILE + x] -= own
                                change = factor * behind[channel * TILE + x] - own
                            total[x] += (
                                weights[y, left + x] * change * (change + 2.0 * (color - picture[channel, y, left + x]))
                            )
                # Everywhere: where Taichi copies arrays, what a kernel only writes to comes without what was in it.
                errors[pair, y % TILE] = total.sum()

    return removal
