"""Blend the Gaussians of one tile, on the CPU: the loop that draws, for the kernels of `blend_cpu.py`.

Pixel state lies in local vectors of 256 and the inner loops run over 16 neighbours in them, two rows of a half (see
`half_tiles.py`): LLVM turns exactly this shape into vector instructions. Narrower loops, static unrolling or `ti.exp`
inside make it 2 to 6 times slower.
"""

import functools

from taichi_gs.kernels.blend import NUM_PIXELS, make_weight
from taichi_gs.kernels.half_tiles import BATCH, NUM_HALVES, first_pixel, make_find_rows, pixel_at
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import HALF_WIDTH, TILE
from taichi_gs.kernels.weights import FIRST_STATES


@functools.cache
def make_blend_tile(dtype, blending):
    """The Taichi function that draws the tile whose first pixel is (left, top) and whose pairs are [first_pair, end).

    `state`, `red`, `green` and `blue` are vectors of NUM_PIXELS, laid out in halves. `state` comes as FIRST_STATES of
    the blending, the others as zeros. They become the tile's colours, the background included, and in `state` 1 / W or,
    in alpha blending, the transmittance behind all Gaussians.
    """
    find_rows, weight_of = make_find_rows(dtype, blending), make_weight(dtype, blending)
    add_background, normalized = make_add_background(dtype, blending), blending == "normalized"
    # One more than there can be: a half that is not reached is written over by the next, or lies there.
    items = ti.types.vector(NUM_HALVES * BATCH + 1, ti.i32)

    @ti.func
    def blend_tile(
        means: ti.template(),
        conics: ti.template(),
        colors: ti.template(),
        background: ti.template(),
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
        gaussians, halves, starts, nums = items(0), items(0), items(0), items(0)
        pair = first_pair
        while pair < end:
            num_items = 0
            for k in range(ti.min(end - pair, BATCH)):
                i = tile_indices[pair + k]
                x0, y0 = left + 0.5 - means[i, 0], top + 0.5 - means[i, 1]
                rows = find_rows(conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3], x0, y0)
                for half in ti.static(range(NUM_HALVES)):
                    gaussians[num_items], halves[num_items] = i, half
                    starts[num_items], nums[num_items] = rows[2 * half], rows[2 * half + 1]
                    num_items += ti.select(rows[2 * half + 1] > 0, 1, 0)
            pair += BATCH
            for item in range(num_items):
                i, half, start = gaussians[item], halves[item], starts[item]
                a, b, c, l = conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3]
                r, g, bl = colors[i, 0], colors[i, 1], colors[i, 2]
                x0, y0 = left + half * HALF_WIDTH + 0.5 - means[i, 0], top + 0.5 - means[i, 1]
                for double_row in range(nums[item]):
                    y = start + 2 * double_row
                    first, dy, below = first_pixel(half, y), y0 + y, y0 + (y + 1)
                    linear, linear_below = b * dy, b * below
                    constant, constant_below = l - (c * dy) * (c * dy), l - (c * below) * (c * below)
                    for k in range(2 * HALF_WIDTH):
                        j = first + k
                        dx = x0 + (k & (HALF_WIDTH - 1))
                        along = a * dx + ti.select(k < HALF_WIDTH, linear, linear_below)
                        power = ti.select(k < HALF_WIDTH, constant, constant_below) - along * along
                        weight = weight_of(power)
                        if ti.static(normalized):
                            state[j] += weight
                        else:
                            weight *= state[j]
                            state[j] -= weight
                        red[j] += weight * r
                        green[j] += weight * g
                        blue[j] += weight * bl
        add_background(background, state, red, green, blue)

    return blend_tile


@functools.cache
def make_add_background(dtype, blending):
    """The Taichi function that makes of a tile's sums its colours; see `make_blend_tile`."""
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]

    @ti.func
    def add_background(
        background: ti.template(), state: ti.template(), red: ti.template(), green: ti.template(), blue: ti.template()
    ):
        back_r, back_g, back_b = background[0], background[1], background[2]
        for j in range(NUM_PIXELS):
            # Not into the image at once: stores to it would keep LLVM from vectors.
            rest, scale = state[j], ti.cast(1.0, dtype)
            if ti.static(normalized):
                rest, scale = first_state, 1.0 / state[j]
                state[j] = scale
            red[j] = (red[j] + rest * back_r) * scale
            green[j] = (green[j] + rest * back_g) * scale
            blue[j] = (blue[j] + rest * back_b) * scale

    return add_background


@functools.cache
def make_store_tile(blending):
    """The Taichi function that writes a tile's colours, and its state in normalised blending, to an image.

    The image has its planes, of `plane` pixels each, in one row; `first` is the tile's first pixel in a plane.
    """

    @ti.func
    def store_tile(
        image: ti.template(),
        first,
        plane,
        width,
        state: ti.template(),
        red: ti.template(),
        green: ti.template(),
        blue: ti.template(),
    ):
        for y in range(TILE):
            start = first + y * width
            for x in range(TILE):
                j = pixel_at(y, x)
                image[start + x] = red[j]
                image[start + plane + x] = green[j]
                image[start + 2 * plane + x] = blue[j]
                if ti.static(blending == "normalized"):
                    image[start + 3 * plane + x] = state[j]

    return store_tile
