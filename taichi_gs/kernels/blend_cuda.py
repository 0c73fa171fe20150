"""Blending on CUDA: one thread a pixel, and per-pair sums without atomics. See `blend.py`.

The backward pass has two kernels. The first runs a thread a pixel, front to back, and stores v and s of every (pair,
pixel) in global memory; the second runs a thread for each row of each pair and sums its 16 pixels, and a pair's 16
rows are added up by the third. Every sum has a fixed order, so gradients are the same in every run. Nothing in here
is particular to CUDA: the kernels run on the CPU as well, slowly, which is how their arithmetic is tested where there
is no GPU.
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
    """Return the functions `forward` and `backward` for `dtype`, with the signatures of the CPU form."""
    backward_pixels = _make_backward_pixels(dtype, blending)
    sum_rows, finish_pairs = _make_sum_rows(dtype), _make_finish_pairs(dtype)

    def backward(means, conics, extents, colors, tile_offsets, tile_indices, image, grad_image):
        """Take detached tensors; return grad_pairs [P, 9] and the background's gradient [3], tensors as well."""
        num_pairs, num_tiles = len(tile_indices), len(tile_offsets) - 1
        pixel_sums = image.new_empty(2, num_pairs, NUM_PIXELS)
        rests = image.new_empty(num_tiles, NUM_PIXELS)
        row_sums = image.new_empty(num_pairs, TILE, NUM_GRADS)
        grad_backgrounds = image.new_empty(num_tiles * TILE, 3)
        grad_pairs = image.new_empty(num_pairs, NUM_GRADS)
        backward_pixels(means, conics, colors, tile_offsets, tile_indices, image, grad_image, pixel_sums, rests)
        sum_rows(means, tile_offsets, tile_indices, grad_image, pixel_sums, rests, row_sums, grad_backgrounds)
        if num_pairs:
            finish_pairs(conics, tile_indices, row_sums, grad_pairs)
        return grad_pairs, grad_backgrounds.sum(dim=0)

    return SimpleNamespace(forward=_make_forward(dtype, blending), backward=backward)


@ti.func
def _pixel_of(thread, tiles_x):
    # 256 consecutive threads, one CUDA block, make one tile, so that they walk the same list.
    tile, j = thread // NUM_PIXELS, thread % NUM_PIXELS
    return tile, j, (tile % tiles_x) * TILE + j % TILE, (tile // tiles_x) * TILE + j // TILE


def _make_weight_at(dtype, blending):
    weight_of = make_weight(dtype, blending)

    @ti.func
    def weight_at(means: ti.template(), conics: ti.template(), i, x, y):
        dx, dy = x + 0.5 - means[i, 0], y + 0.5 - means[i, 1]
        along, across = conics[i, 0] * dx + conics[i, 1] * dy, conics[i, 2] * dy
        power = (conics[i, 3] - across * across) - along * along
        return weight_of(power)

    return weight_at


def _make_forward(dtype, blending):
    weight_at, store_pixel = _make_weight_at(dtype, blending), make_store_pixel(dtype, blending)
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    array1 = ti.types.ndarray(dtype=dtype, ndim=1)
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)

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
        ti.loop_config(block_dim=NUM_PIXELS)
        for thread in range((tile_offsets.shape[0] - 1) * NUM_PIXELS):
            tile, _, x, y = _pixel_of(thread, image.shape[2] // TILE)
            state = ti.cast(first_state, dtype)  # see `make_store_pixel`
            color = ti.Vector([0.0, 0.0, 0.0], dtype)
            for pair in range(tile_offsets[tile], tile_offsets[tile + 1]):
                i = tile_indices[pair]
                weight = weight_at(means, conics, i, x, y)
                if ti.static(normalized):
                    state += weight
                else:
                    weight *= state
                    state -= weight
                color += weight * ti.Vector([colors[i, 0], colors[i, 1], colors[i, 2]], dtype)
            store_pixel(image, y, x, color[0], color[1], color[2], state, background)

    return forward


def _make_backward_pixels(dtype, blending):
    weight_at = _make_weight_at(dtype, blending)
    normalized, background_weight = blending == "normalized", FIRST_STATES[blending]
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)

    @ti.kernel
    def backward_pixels(
        means: array2,
        conics: array2,
        colors: array2,
        tile_offsets: index1,
        tile_indices: index1,
        image: array3,
        grad_image: array3,
        pixel_sums: array3,
        rests: array2,
    ):
        ti.loop_config(block_dim=NUM_PIXELS)
        for thread in range((tile_offsets.shape[0] - 1) * NUM_PIXELS):
            tile, j, x, y = _pixel_of(thread, image.shape[2] // TILE)
            grad = ti.Vector([grad_image[0, y, x], grad_image[1, y, x], grad_image[2, y, x]], dtype)
            behind = grad.dot(ti.Vector([image[0, y, x], image[1, y, x], image[2, y, x]], dtype))
            # A weight's share in the colour: the transmittance or, normalised, 1 / W.
            scale = ti.cast(1.0, dtype)
            if ti.static(normalized):
                scale = image[3, y, x]
            for pair in range(tile_offsets[tile], tile_offsets[tile + 1]):
                i = tile_indices[pair]
                weight = weight_at(means, conics, i, x, y)
                share = weight * scale
                v = grad.dot(ti.Vector([colors[i, 0], colors[i, 1], colors[i, 2]], dtype))
                if ti.static(normalized):
                    v = normalized_slope(weight) * scale * (v - behind)
                else:
                    v *= share
                    behind -= v
                    scale -= share
                    v -= weight / (1.0 - weight) * behind
                pixel_sums[0, pair, j] = v
                pixel_sums[1, pair, j] = share
            rests[tile, j] = background_weight * scale

    return backward_pixels


@functools.cache
def _make_sum_rows(dtype):
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)

    @ti.kernel
    def sum_rows(
        means: array2,
        tile_offsets: index1,
        tile_indices: index1,
        grad_image: array3,
        pixel_sums: array3,
        rests: array2,
        row_sums: array3,
        grad_backgrounds: array2,
    ):
        for thread in range((tile_offsets.shape[0] - 1) * TILE):
            tile, row = thread // TILE, thread % TILE
            _, _, left, y = _pixel_of(tile * NUM_PIXELS + row * TILE, grad_image.shape[2] // TILE)
            background = ti.Vector([0.0, 0.0, 0.0], dtype)
            for column in range(TILE):
                for channel in ti.static(range(3)):
                    background[channel] += rests[tile, row * TILE + column] * grad_image[channel, y, left + column]
            for channel in ti.static(range(3)):
                grad_backgrounds[thread, channel] = background[channel]
            for pair in range(tile_offsets[tile], tile_offsets[tile + 1]):
                i = tile_indices[pair]
                dy = y + 0.5 - means[i, 1]
                total = ti.Vector([0.0] * NUM_GRADS, dtype)
                for column in range(TILE):
                    x = left + column
                    dx = x + 0.5 - means[i, 0]
                    v = pixel_sums[0, pair, row * TILE + column]
                    share = pixel_sums[1, pair, row * TILE + column]
                    total += ti.Vector(
                        [
                            v,
                            v * dx,
                            v * dy,
                            v * dx * dx,
                            v * dx * dy,
                            v * dy * dy,
                            share * grad_image[0, y, x],
                            share * grad_image[1, y, x],
                            share * grad_image[2, y, x],
                        ],
                        dtype,
                    )
                for k in ti.static(range(NUM_GRADS)):
                    row_sums[pair, row, k] = total[k]

    return sum_rows


@functools.cache
def _make_finish_pairs(dtype):
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)

    @ti.kernel
    def finish_pairs(conics: array2, tile_indices: index1, row_sums: array3, grad_pairs: array2):
        for pair in range(tile_indices.shape[0]):
            i = tile_indices[pair]
            total = ti.Vector([0.0] * NUM_GRADS, dtype)
            for row in range(TILE):
                for k in ti.static(range(NUM_GRADS)):
                    total[k] += row_sums[pair, row, k]
            a, b, c = conics[i, 0], conics[i, 1], conics[i, 2]
            moments = ti.Vector([total[k] for k in ti.static(range(6))], dtype)
            sums = ti.Vector([total[6], total[7], total[8]], dtype)
            store_gradients(grad_pairs, pair, a, b, c, moments, sums)

    return finish_pairs
