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

from taichi_gs.kernels.blend import NUM_GRADS, NUM_PIXELS, TILE, make_alpha, store_gradients


@functools.cache
def make_kernels(dtype):
    """Return `forward` and `backward` for `dtype`, ti.f32 or ti.f64; Taichi compiles them when first called."""
    backward_tiles = _make_backward_tiles(dtype)

    def backward(means, conics, extents, colors, tile_offsets, tile_indices, image, grad_image):
        """Take detached tensors; return grad_pairs [P, 9] and the background's gradient [3], tensors as well."""
        grad_pairs = image.new_empty(len(tile_indices), NUM_GRADS)
        grad_backgrounds = image.new_empty(len(tile_offsets) - 1, 3)
        splats = (means, conics, extents, colors)
        images = (image, grad_image, grad_pairs, grad_backgrounds)
        # NumPy views are cheaper to pass to a kernel than tensors.
        backward_tiles(*(t.numpy() for t in (*splats, tile_offsets, tile_indices, *images)))
        return grad_pairs, grad_backgrounds.sum(dim=0)

    return SimpleNamespace(forward=_make_forward(dtype), backward=backward)


@ti.func
def _rows_within(y0, extent):
    """The first and the last row of a tile within `extent` of a Gaussian; `y0` is row 0's centre seen from its mean."""
    return (
        ti.max(0, ti.cast(ti.ceil(-extent - y0), ti.i32)),
        ti.min(TILE - 1, ti.cast(ti.floor(extent - y0), ti.i32)),
    )


def _make_forward(dtype):
    alpha_of = make_alpha(dtype)
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
            transmittance = pixels(1.0)
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
                        alpha = alpha_of(power)
                        weight = alpha * transmittance[j]
                        red[j] += weight * r
                        green[j] += weight * g
                        blue[j] += weight * bl
                        transmittance[j] -= weight
            for y in range(TILE):
                for x in range(TILE):
                    j = y * TILE + x
                    image[0, top + y, left + x] = red[j] + transmittance[j] * background[0]
                    image[1, top + y, left + x] = green[j] + transmittance[j] * background[1]
                    image[2, top + y, left + x] = blue[j] + transmittance[j] * background[2]

    return forward


def _make_backward_tiles(dtype):
    alpha_of = make_alpha(dtype)
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
            transmittance, behind = pixels(1.0), pixels(0.0)
            red, green, blue = pixels(0.0), pixels(0.0), pixels(0.0)
            for y in range(TILE):
                for x in range(TILE):
                    j = y * TILE + x
                    red[j] = grad_image[0, top + y, left + x]
                    green[j] = grad_image[1, top + y, left + x]
                    blue[j] = grad_image[2, top + y, left + x]
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
                        alpha = alpha_of(power)
                        weight = alpha * transmittance[j]
                        own = weight * (red[j] * r + green[j] * g + blue[j] * bl)
                        behind[j] -= own
                        transmittance[j] -= weight
                        v = own - alpha / (1.0 - alpha) * behind[j]
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
            rest = ti.Vector([0.0, 0.0, 0.0], dtype)
            for j in range(NUM_PIXELS):
                rest[0] += transmittance[j] * red[j]
                rest[1] += transmittance[j] * green[j]
                rest[2] += transmittance[j] * blue[j]
            for channel in ti.static(range(3)):
                grad_backgrounds[tile, channel] = rest[channel]

    return backward_tiles
