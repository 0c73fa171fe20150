"""Blending on the CPU: one task a tile, in the form that compiles to full-width vector code. See `blend.py`.

Pixel state lies in local vectors of 256 and the inner loops run over the 16 pixels of a row: LLVM turns exactly this
shape into vector instructions. Narrower loops, static unrolling or `ti.exp` inside make it 2 to 6 times slower.

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
    TILE,
    make_store_pixel,
    make_weight,
    normalized_slope,
    store_gradients,
)


@functools.cache
def make_kernels(dtype, blending):
    """Return `forward` and `backward` for `dtype`, ti.f32 or ti.f64; Taichi compiles them when first called."""
    backward_tiles = _make_backward_tiles(dtype, blending)

    def backward(means, conics, extents, colors, tile_offsets, tile_indices, image, grad_image):
        """Take detached tensors; return grad_pairs [P, 9] and the background's gradient [3], tensors as well."""
        grad_pairs = image.new_empty(len(tile_indices), NUM_GRADS)
        grad_backgrounds = image.new_empty(len(tile_offsets) - 1, 3)
        splats = (means, conics, extents, colors)
        images = (image, grad_image, grad_pairs, grad_backgrounds)
        # NumPy views are cheaper to pass to a kernel than tensors.
        backward_tiles(*(t.numpy() for t in (*splats, tile_offsets, tile_indices, *images)))
        return grad_pairs, grad_backgrounds.sum(dim=0)

    return SimpleNamespace(forward=_make_forward(dtype, blending), backward=backward)


@ti.func
def _rows_within(y0, extent):
    """The first and the last row of a tile within `extent` of a Gaussian; `y0` is row 0's centre seen from its mean."""
    return (
        ti.max(0, ti.cast(ti.ceil(-extent - y0), ti.i32)),
        ti.min(TILE - 1, ti.cast(ti.floor(extent - y0), ti.i32)),
    )


def _make_forward(dtype, blending):
    weight_of, store_pixel = make_weight(dtype, blending), make_store_pixel(dtype, blending)
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    array1 = ti.types.ndarray(dtype=dtype, ndim=1)
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    pixels = ti.types.vector(NUM_PIXELS, dtype)

    @ti.kernel
    def forward(
        means: array2,
        conics: array2,
        extents: array2,
        colors: array2,
        background: array1,
        tile_offsets: index1,
        tile_indices: index1,
        image: array3,
    ):
        tiles_x = image.shape[2] // TILE
        for tile in range(tile_offsets.shape[0] - 1):
            left, top = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
            state = pixels(first_state)  # see `make_store_pixel`
            red, green, blue = pixels(0.0), pixels(0.0), pixels(0.0)
            for pair in range(tile_offsets[tile], tile_offsets[tile + 1]):
                i = tile_indices[pair]
                a, b, c, l = conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3]
                r, g, bl = colors[i, 0], colors[i, 1], colors[i, 2]
                x0 = left + 0.5 - means[i, 0]
                y0 = top + 0.5 - means[i, 1]
                first, last = _rows_within(y0, extents[i, 1])
                for y in range(first, last + 1):
                    dy = y0 + y
                    linear, constant = b * dy, l - (c * dy) * (c * dy)
                    for x in range(TILE):
                        j = y * TILE + x
                        dx = x0 + x
                        along = a * dx + linear
                        power = constant - along * along
                        weight = weight_of(power)
                        if ti.static(normalized):
                            state[j] += weight
                        else:
                            weight *= state[j]
                            state[j] -= weight
                        red[j] += weight * r
                        green[j] += weight * g
                        blue[j] += weight * bl
            for y in range(TILE):
                for x in range(TILE):
                    j = y * TILE + x
                    store_pixel(image, top + y, left + x, red[j], green[j], blue[j], state[j], background)

    return forward


def _make_backward_tiles(dtype, blending):
    weight_of = make_weight(dtype, blending)
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    pixels = ti.types.vector(NUM_PIXELS, dtype)
    lanes = ti.types.vector(TILE, dtype)

    @ti.kernel
    def backward_tiles(
        means: array2,
        conics: array2,
        extents: array2,
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
            # alpha blending. Normalised, both are divided by W here, and so need not be for each Gaussian.
            red, green, blue, behind = pixels(0.0), pixels(0.0), pixels(0.0), pixels(0.0)
            for y in range(TILE):
                for x in range(TILE):
                    j = y * TILE + x
                    red[j] = grad_image[0, top + y, left + x]
                    green[j] = grad_image[1, top + y, left + x]
                    blue[j] = grad_image[2, top + y, left + x]
                    if ti.static(normalized):
                        red[j] *= image[3, top + y, left + x]
                        green[j] *= image[3, top + y, left + x]
                        blue[j] *= image[3, top + y, left + x]
                    behind[j] = (
                        red[j] * image[0, top + y, left + x]
                        + green[j] * image[1, top + y, left + x]
                        + blue[j] * image[2, top + y, left + x]
                    )
            for pair in range(tile_offsets[tile], tile_offsets[tile + 1]):
                i = tile_indices[pair]
                a, b, c, l = conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3]
                r, g, bl = colors[i, 0], colors[i, 1], colors[i, 2]
                x0 = left + 0.5 - means[i, 0]
                y0 = top + 0.5 - means[i, 1]
                first, last = _rows_within(y0, extents[i, 1])
                v_1, v_y, v_yy = lanes(0.0), lanes(0.0), lanes(0.0)
                w_r, w_g, w_b = lanes(0.0), lanes(0.0), lanes(0.0)
                for y in range(first, last + 1):
                    dy = y0 + y
                    linear, constant = b * dy, l - (c * dy) * (c * dy)
                    for x in range(TILE):
                        j = y * TILE + x
                        dx = x0 + x
                        along = a * dx + linear
                        power = constant - along * along
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
                        v_1[x] += v
                        v_y[x] += v * dy
                        v_yy[x] += v * dy * dy
                        w_r[x] += weight * red[j]
                        w_g[x] += weight * green[j]
                        w_b[x] += weight * blue[j]
                # dx is one value a lane, so the moments in x need no accumulators of their own in the loop above.
                moments = ti.Vector([0.0] * 6, dtype)  # sums of v, v dx, v dy, v dx dx, v dx dy, v dy dy
                sums = ti.Vector([0.0] * 3, dtype)
                for x in range(TILE):
                    dx = x0 + x
                    moments += ti.Vector([v_1[x], v_1[x] * dx, v_y[x], v_1[x] * dx * dx, v_y[x] * dx, v_yy[x]], dtype)
                    sums += ti.Vector([w_r[x], w_g[x], w_b[x]], dtype)
                store_gradients(grad_pairs, pair, a, b, c, moments, sums)
            total = ti.Vector([0.0, 0.0, 0.0], dtype)
            for j in range(NUM_PIXELS):
                total[0] += rest[j] * red[j]
                total[1] += rest[j] * green[j]
                total[2] += rest[j] * blue[j]
            for channel in ti.static(range(3)):
                grad_backgrounds[tile, channel] = total[channel]

    return backward_tiles
