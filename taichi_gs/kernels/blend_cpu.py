"""Blending on the CPU: one task a tile, in the form that compiles to full-width vector code. See `blend.py`.

Pixel state lies in local vectors of 256 and the inner loops run over 16 neighbours in them, two rows of a strip (see
`strips.py`): LLVM turns exactly this shape into vector instructions. Narrower loops, static unrolling or `ti.exp`
inside make it 2 to 6 times slower.

The backward pass runs front to back, like the forward one. Every (tile, Gaussian) pair writes one row of
`grad_pairs`; rows are summed per Gaussian afterwards in a fixed order, so that there are no atomics and gradients are
the same in every run.
"""

import functools
from types import SimpleNamespace

import taichi as ti

from taichi_gs.kernels.blend import (
    FIRST_STATES,
    NUM_GRADS,
    NUM_PIXELS,
    PLANES,
    TILE,
    make_weight,
    normalized_slope,
    store_gradients,
)
from taichi_gs.kernels.strips import BATCH, NUM_STRIPS, STRIP, first_pixel, make_find_rows, pixel_at


@functools.cache
def make_kernels(dtype, blending):
    """Return `forward` and `backward` for `dtype`, ti.f32 or ti.f64; Taichi compiles them when first called."""
    forward_tiles, backward_tiles = _make_forward_tiles(dtype, blending), _make_backward_tiles(dtype, blending)

    def forward(means, conics, extents, colors, background, tile_offsets, tile_indices, image):
        """Take arrays or tensors, and draw into the contiguous `image`; the conics say all that the extents do."""
        # Flat, because a kernel reads the shape of an array anew at every store.
        flat = image.reshape(-1)
        forward_tiles(means, conics, colors, background, tile_offsets, tile_indices, flat, image.shape[2])

    def backward(means, conics, extents, colors, tile_offsets, tile_indices, image, grad_image):
        """Take detached tensors; return grad_pairs [P, 9] and the background's gradient [3], tensors as well."""
        grad_pairs = image.new_empty(len(tile_indices), NUM_GRADS)
        grad_backgrounds = image.new_empty(len(tile_offsets) - 1, 3)
        splats = (means, conics, colors)
        images = (image, grad_image, grad_pairs, grad_backgrounds)
        # NumPy views are cheaper to pass to a kernel than tensors.
        backward_tiles(*(t.numpy() for t in (*splats, tile_offsets, tile_indices, *images)))
        return grad_pairs, grad_backgrounds.sum(dim=0)

    return SimpleNamespace(forward=forward, backward=backward)


def _make_forward_tiles(dtype, blending):
    find_rows, weight_of = make_find_rows(dtype, blending), make_weight(dtype, blending)
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    num_planes = PLANES[blending]
    array1 = ti.types.ndarray(dtype=dtype, ndim=1)
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    pixels = ti.types.vector(NUM_PIXELS, dtype)
    # One more than there can be: a strip that is not reached is written over by the next, or lies there.
    items = ti.types.vector(NUM_STRIPS * BATCH + 1, ti.i32)

    @ti.kernel
    def forward_tiles(
        means: array2,
        conics: array2,
        colors: array2,
        background: array1,
        tile_offsets: index1,
        tile_indices: index1,
        image: array1,
        width: ti.i32,
    ):
        tiles_x = width // TILE
        plane = image.shape[0] // num_planes
        for tile in range(tile_offsets.shape[0] - 1):
            left, top = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
            # The transmittance in alpha blending and W in normalised blending.
            state = pixels(first_state)
            red, green, blue = pixels(0.0), pixels(0.0), pixels(0.0)
            gaussians, strips, starts, nums = items(0), items(0), items(0), items(0)
            pair, end = tile_offsets[tile], tile_offsets[tile + 1]
            while pair < end:
                num_items = 0
                for k in range(ti.min(end - pair, BATCH)):
                    i = tile_indices[pair + k]
                    x0, y0 = left + 0.5 - means[i, 0], top + 0.5 - means[i, 1]
                    rows = find_rows(conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3], x0, y0)
                    for strip in ti.static(range(NUM_STRIPS)):
                        gaussians[num_items], strips[num_items] = i, strip
                        starts[num_items], nums[num_items] = rows[2 * strip], rows[2 * strip + 1]
                        num_items += ti.select(rows[2 * strip + 1] > 0, 1, 0)
                pair += BATCH
                for item in range(num_items):
                    i, strip, start = gaussians[item], strips[item], starts[item]
                    a, b, c, l = conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3]
                    r, g, bl = colors[i, 0], colors[i, 1], colors[i, 2]
                    x0, y0 = left + strip * STRIP + 0.5 - means[i, 0], top + 0.5 - means[i, 1]
                    for double_row in range(nums[item]):
                        y = start + 2 * double_row
                        first, dy, below = first_pixel(strip, y), y0 + y, y0 + (y + 1)
                        linear, linear_below = b * dy, b * below
                        constant, constant_below = l - (c * dy) * (c * dy), l - (c * below) * (c * below)
                        for k in range(2 * STRIP):
                            j = first + k
                            dx = x0 + (k & (STRIP - 1))
                            along = a * dx + ti.select(k < STRIP, linear, linear_below)
                            power = ti.select(k < STRIP, constant, constant_below) - along * along
                            weight = weight_of(power)
                            if ti.static(normalized):
                                state[j] += weight
                            else:
                                weight *= state[j]
                                state[j] -= weight
                            red[j] += weight * r
                            green[j] += weight * g
                            blue[j] += weight * bl
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
            for y in range(TILE):
                first = (top + y) * width + left
                for x in range(TILE):
                    j = pixel_at(y, x)
                    image[first + x] = red[j]
                    image[first + plane + x] = green[j]
                    image[first + 2 * plane + x] = blue[j]
                    if ti.static(normalized):
                        image[first + 3 * plane + x] = state[j]

    return forward_tiles


def _make_backward_tiles(dtype, blending):
    find_rows, weight_of = make_find_rows(dtype, blending), make_weight(dtype, blending)
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    pixels = ti.types.vector(NUM_PIXELS, dtype)
    lanes = ti.types.vector(2 * STRIP, dtype)
    items = ti.types.vector(NUM_STRIPS * BATCH, ti.i32)

    @ti.kernel
    def backward_tiles(
        means: array2,
        conics: array2,
        colors: array2,
        tile_offsets: index1,
        tile_indices: index1,
        image: array3,
        grad_image: array3,
        grad_pairs: array2,
        grad_backgrounds: array2,
    ):
        tiles_x = image.shape[2] // TILE
        for tile in range(tile_offsets.shape[0] - 1):
            left, top = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
            # The background's weight or, in alpha blending, the transmittance.
            rest = pixels(first_state)
            # The pixel's gradient, and its product with the colour, or with the part of it that is still to come in
            # alpha blending. Normalised, both are divided by W here, and so need not be for each Gaussian. Row by row
            # first, and then to their strips: in one loop, and one loop for all, they would be scalars.
            red, green, blue, behind = pixels(0.0), pixels(0.0), pixels(0.0), pixels(0.0)
            row_r, row_g, row_b, row_behind = lanes(0.0), lanes(0.0), lanes(0.0), lanes(0.0)
            for y in range(TILE):
                for x in range(TILE):
                    scale = ti.cast(1.0, dtype)
                    if ti.static(normalized):
                        scale = image[3, top + y, left + x]
                    row_r[x] = grad_image[0, top + y, left + x] * scale
                    row_g[x] = grad_image[1, top + y, left + x] * scale
                    row_b[x] = grad_image[2, top + y, left + x] * scale
                    row_behind[x] = (
                        row_r[x] * image[0, top + y, left + x]
                        + row_g[x] * image[1, top + y, left + x]
                        + row_b[x] * image[2, top + y, left + x]
                    )
                for strip in range(NUM_STRIPS):
                    first = first_pixel(strip, y)
                    for k in range(STRIP):
                        red[first + k] = row_r[strip * STRIP + k]
                    for k in range(STRIP):
                        green[first + k] = row_g[strip * STRIP + k]
                    for k in range(STRIP):
                        blue[first + k] = row_b[strip * STRIP + k]
                    for k in range(STRIP):
                        behind[first + k] = row_behind[strip * STRIP + k]
            starts, nums = items(0), items(0)
            pair, end = tile_offsets[tile], tile_offsets[tile + 1]
            while pair < end:
                count = ti.min(end - pair, BATCH)
                for k in range(count):
                    i = tile_indices[pair + k]
                    x0, y0 = left + 0.5 - means[i, 0], top + 0.5 - means[i, 1]
                    rows = find_rows(conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3], x0, y0)
                    for strip in ti.static(range(NUM_STRIPS)):
                        starts[NUM_STRIPS * k + strip] = rows[2 * strip]
                        nums[NUM_STRIPS * k + strip] = rows[2 * strip + 1]
                for k in range(count):
                    i = tile_indices[pair + k]
                    a, b, c, l = conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3]
                    r, g, bl = colors[i, 0], colors[i, 1], colors[i, 2]
                    y0 = top + 0.5 - means[i, 1]
                    zero = ti.cast(0.0, dtype)
                    m_1, m_x, m_y, m_xx, m_xy, m_yy = zero, zero, zero, zero, zero, zero
                    s_r, s_g, s_b = zero, zero, zero
                    for strip in range(NUM_STRIPS):
                        start, num = starts[NUM_STRIPS * k + strip], nums[NUM_STRIPS * k + strip]
                        if num > 0:
                            x0 = left + strip * STRIP + 0.5 - means[i, 0]
                            v_1, v_y, v_yy = lanes(0.0), lanes(0.0), lanes(0.0)
                            w_r, w_g, w_b = lanes(0.0), lanes(0.0), lanes(0.0)
                            for double_row in range(num):
                                y = start + 2 * double_row
                                first, dy, below = first_pixel(strip, y), y0 + y, y0 + (y + 1)
                                linear, linear_below = b * dy, b * below
                                constant, constant_below = l - (c * dy) * (c * dy), l - (c * below) * (c * below)
                                for x in range(2 * STRIP):
                                    j = first + x
                                    dx = x0 + (x & (STRIP - 1))
                                    along = a * dx + ti.select(x < STRIP, linear, linear_below)
                                    power = ti.select(x < STRIP, constant, constant_below) - along * along
                                    weight = weight_of(power)
                                    v = red[j] * r + green[j] * g + blue[j] * bl
                                    if ti.static(normalized):
                                        v = normalized_slope(weight) * (v - behind[j])
                                    else:
                                        alpha = weight
                                        weight *= rest[j]
                                        v *= weight
                                        behind[j] -= v
                                        rest[j] -= weight
                                        v -= alpha / (1.0 - alpha) * behind[j]
                                    v_along_y = v * ti.select(x < STRIP, dy, below)
                                    v_1[x] += v
                                    v_y[x] += v_along_y
                                    v_yy[x] += v_along_y * ti.select(x < STRIP, dy, below)
                                    w_r[x] += weight * red[j]
                                    w_g[x] += weight * green[j]
                                    w_b[x] += weight * blue[j]
                            # dx is one value a lane, so that the moments in x need no accumulators of their own above.
                            # Numbers and not vectors, which LLVM would put together lane by lane.
                            for x in range(STRIP):
                                dx, z = x0 + x, x + STRIP
                                v, v_dy = v_1[x] + v_1[z], v_y[x] + v_y[z]
                                m_1 += v
                                m_x += v * dx
                                m_xx += v * dx * dx
                                m_y += v_dy
                                m_xy += v_dy * dx
                                m_yy += v_yy[x] + v_yy[z]
                                s_r += w_r[x] + w_r[z]
                                s_g += w_g[x] + w_g[z]
                                s_b += w_b[x] + w_b[z]
                    moments = ti.Vector([m_1, m_x, m_y, m_xx, m_xy, m_yy], dtype)
                    sums = ti.Vector([s_r, s_g, s_b], dtype)
                    store_gradients(grad_pairs, pair + k, a, b, c, moments, sums)
                pair += BATCH
            total_r, total_g, total_b = lanes(0.0), lanes(0.0), lanes(0.0)
            for y in range(TILE):
                for x in range(TILE):
                    j = y * TILE + x
                    total_r[x] += rest[j] * red[j]
                    total_g[x] += rest[j] * green[j]
                    total_b[x] += rest[j] * blue[j]
            grad_backgrounds[tile, 0] = total_r.sum()
            grad_backgrounds[tile, 1] = total_g.sum()
            grad_backgrounds[tile, 2] = total_b.sum()

    return backward_tiles
