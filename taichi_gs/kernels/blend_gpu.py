"""Blending on a GPU: threads for pixels or for columns of pixels, and sums without atomics. See `blend.py`.

The forward pass runs a thread a pixel. In the backward pass a thread takes one column of one (tile, Gaussian) pair and
sums over its rows; the next kernel adds up a pair's 16 columns. Neighbouring threads read neighbouring pixels. Where
weights are normalised, a pixel's finished colour and its W say all that a pair has to know of the others. In alpha
blending it is the colour behind the Gaussian, so a thread a pixel goes through its tile's list first, front to back,
and stores v and s.

What lies between the kernels is kept for some of the pairs at a time, of all tiles alike, so that memory does not grow
with the picture. Every sum has a fixed order, and gradients are the same in every run and for any number of pairs at a
time. The kernels run on the CPU as well, slowly, which is how they are tested where there
is no GPU.
"""

import functools

from taichi_gs.kernels.blend import (
    NUM_GRADS,
    NUM_PIXELS,
    PLANES,
    make_store_pixel,
    make_weight,
    normalized_slope,
    store_gradients,
)
from taichi_gs.kernels.block_errors import BLOCKS
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import TILE, num_tiles
from taichi_gs.kernels.weights import FIRST_STATES

NUM_COLUMN_SUMS = 6
"""Of v, v dy, v dy dy and the three of s g, over the rows of a column: dx, one number there, comes in later."""

MAX_SCRATCH_BYTES = 1 << 28
"""Of what the backward pass keeps between its kernels: all pairs at once for usual pictures."""


@functools.cache
def make_kernels(dtype, blending):
    """Return `forward` and `backward` for `dtype`, with the signatures of the CPU form."""
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    forward = _make_forward(dtype, blending)
    store_shares, sum_columns = _make_store_shares(dtype), _make_sum_columns(dtype, blending)
    finish_pairs = _make_finish_pairs(dtype)

    def backward(means, conics, extents, colors, tile_offsets, tile_indices, image, grad_image):
        """Take detached tensors; return grad_pairs [P, 9] and the background's gradient [3], tensors as well.

        `tile_indices` may be longer than the lists (`fit/tile_tensors.py`), and then grad_pairs is, too.
        """
        import torch  # which a decoder does without

        num_pairs = len(tile_indices)
        pairs = torch.arange(num_pairs, dtype=torch.int32, device=image.device)
        pair_tiles = torch.searchsorted(tile_offsets[1:], pairs, right=True, out_int32=True)
        # The gradient at each pixel and, below it, its product with the colour, or with the part of it that is still
        # to come in alpha blending. Normalised, both are divided by W here, and so need not be for each Gaussian.
        grads = image.new_empty(4, *image.shape[1:])
        torch.mul(grad_image, image[3] if normalized else 1.0, out=grads[:3])
        torch.sum(grads[:3] * image[:3], dim=0, out=grads[3])
        transmittances = torch.ones_like(grads[3])

        stored = 0 if normalized else 2 * NUM_PIXELS
        pair_bytes = (stored + NUM_COLUMN_SUMS * TILE) * image.element_size()
        portion = max(1, min(num_pairs, MAX_SCRATCH_BYTES // pair_bytes))
        grad_pairs = image.new_empty(num_pairs, NUM_GRADS)
        for first in range(0, num_pairs, portion):
            some = slice(first, first + portion)
            rows = (tile_indices[some], pair_tiles[some])
            column_sums = image.new_empty(NUM_COLUMN_SUMS, len(rows[0]), TILE)
            shares = image.new_empty(2, len(rows[0]) if stored else 0, NUM_PIXELS)
            if stored:
                lists = (tile_offsets, tile_indices, first)
                store_shares(means, conics, extents, colors, *lists, grads, transmittances, shares)
            sum_columns(means, conics, extents, colors, *rows, grads, shares, column_sums)
            finish_pairs(means, conics, *rows, image.shape[2] // TILE, column_sums, grad_pairs[some])
        rests = first_state if normalized else transmittances
        return grad_pairs, (rests * grads[:3]).sum(dim=(1, 2))

    return forward, backward


@functools.cache
def make_cost(dtype, blending):
    """The function that draws Gaussians, compares them with a picture, and differentiates.

    It takes the arguments of `Renderer.cost`, detached, and returns the cost, the squared error, grad_pairs [P, 9] and
    the background's gradient [3].
    """
    forward, backward = make_kernels(dtype, blending)

    def cost(means, conics, extents, colors, background, tile_offsets, tile_indices, picture, weights, importances):
        import torch
        from torch.nn import functional

        height, width = picture.shape[1:]
        rows, columns = num_tiles((height, width))
        splats, lists = (means, conics, extents, colors), (tile_offsets, tile_indices)
        image = picture.new_empty(PLANES[blending], rows * TILE, columns * TILE)
        forward(*splats, background, *lists, image)
        padding = (0, image.shape[2] - width, 0, image.shape[1] - height)
        errors = image[:3, :height, :width] - picture
        squared_error = (weights * errors.square()).sum()
        if not any(importances):
            grad_image = functional.pad(2.0 * weights * errors, padding)
            return squared_error, squared_error, *backward(*splats, *lists, image, grad_image)
        errors, weights = functional.pad(errors, padding), functional.pad(weights, padding)
        shared = torch.zeros_like(errors)
        for side, importance in zip(BLOCKS, importances, strict=True):
            sums, totals = (
                functional.avg_pool2d(values[None], side)[0] for values in (weights * errors, weights[None])
            )
            means_of_blocks = importance * sums / totals.clamp(min=1e-20)
            shared += functional.interpolate(means_of_blocks[None], scale_factor=side)[0]
        grad_image = weights * (errors + shared)
        total = (errors * grad_image).sum()
        return total, squared_error, *backward(*splats, *lists, image, 2.0 * grad_image)

    return cost


@ti.func
def _corner_of(tile, tiles_x):
    """The column and the row of a tile's first pixel."""
    return (tile % tiles_x) * TILE, (tile // tiles_x) * TILE


@ti.func
def _pixel_of(thread, tiles_x):
    # 256 consecutive threads, one block, make one tile, so that they walk the same list.
    tile, j = thread // NUM_PIXELS, thread % NUM_PIXELS
    left, top = _corner_of(tile, tiles_x)
    return tile, j, left + j % TILE, top + j // TILE


def _make_weight_at(dtype, blending):
    weight_of = make_weight(dtype, blending)

    @ti.func
    def weight_at(conics: ti.template(), i, dx, dy):
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
                dx, dy = x + 0.5 - means[i, 0], y + 0.5 - means[i, 1]
                if ti.abs(dy) <= extents[i, 1]:
                    weight = weight_at(conics, i, dx, dy)
                    if ti.static(normalized):
                        state += weight
                    else:
                        weight *= state
                        state -= weight
                    color += weight * ti.Vector([colors[i, 0], colors[i, 1], colors[i, 2]], dtype)
            store_pixel(image, y, x, color[0], color[1], color[2], state, background)

    return forward


@functools.cache
def _make_store_shares(dtype):
    weight_at = _make_weight_at(dtype, "alpha")
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)

    @ti.kernel
    def store_shares(
        means: array2,
        conics: array2,
        extents: array2,
        colors: array2,
        tile_offsets: index1,
        tile_indices: index1,
        first: ti.i32,
        grads: array3,
        transmittances: array2,
        shares: array3,
    ):
        """Of alpha blending: write v and s of the pairs from `first` on, as many as `shares [2, p, 256]` holds.

        `transmittances` and the last plane of `grads` are those in front of these pairs, and then those behind them.
        """
        ti.loop_config(block_dim=NUM_PIXELS)
        for thread in range((tile_offsets.shape[0] - 1) * NUM_PIXELS):
            tile, j, x, y = _pixel_of(thread, grads.shape[2] // TILE)
            grad = ti.Vector([grads[0, y, x], grads[1, y, x], grads[2, y, x]], dtype)
            transmittance, behind = transmittances[y, x], grads[3, y, x]
            begin, end = ti.max(tile_offsets[tile], first), ti.min(tile_offsets[tile + 1], first + shares.shape[1])
            for pair in range(begin, end):
                i = tile_indices[pair]
                dx, dy = x + 0.5 - means[i, 0], y + 0.5 - means[i, 1]
                if ti.abs(dy) <= extents[i, 1]:
                    alpha = weight_at(conics, i, dx, dy)
                    share = alpha * transmittance
                    v = share * grad.dot(ti.Vector([colors[i, 0], colors[i, 1], colors[i, 2]], dtype))
                    transmittance -= share
                    behind -= v
                    shares[0, pair - first, j] = v - alpha / (1.0 - alpha) * behind
                    shares[1, pair - first, j] = share
            transmittances[y, x], grads[3, y, x] = transmittance, behind

    return store_shares


def _make_sum_columns(dtype, blending):
    weight_at = _make_weight_at(dtype, blending)
    normalized = blending == "normalized"
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)

    @ti.kernel
    def sum_columns(
        means: array2,
        conics: array2,
        extents: array2,
        colors: array2,
        tile_indices: index1,
        pair_tiles: index1,
        grads: array3,
        shares: array3,
        column_sums: array3,
    ):
        """Write `column_sums [6, p, 16]` of p pairs, whose `shares` were stored if the blending is alpha."""
        ti.loop_config(block_dim=NUM_PIXELS)
        for thread in range(tile_indices.shape[0] * TILE):
            pair, column = thread // TILE, thread % TILE
            i = tile_indices[pair]
            left, top = _corner_of(pair_tiles[pair], grads.shape[2] // TILE)
            x = left + column
            dx = x + 0.5 - means[i, 0]
            color = ti.Vector([colors[i, 0], colors[i, 1], colors[i, 2]], dtype)
            total = ti.Vector([0.0] * NUM_COLUMN_SUMS, dtype)
            # What comes after the pairs has the number of a tile below the picture.
            num_rows = ti.select(top < grads.shape[1], TILE, 0)
            for row in range(num_rows):
                y = top + row
                dy = y + 0.5 - means[i, 1]
                # The rows that are left out here are those that `store_shares` leaves out.
                if ti.abs(dy) <= extents[i, 1]:
                    grad = ti.Vector([grads[0, y, x], grads[1, y, x], grads[2, y, x]], dtype)
                    v, share = ti.cast(0.0, dtype), ti.cast(0.0, dtype)
                    if ti.static(normalized):
                        share = weight_at(conics, i, dx, dy)
                        v = normalized_slope(share) * (grad.dot(color) - grads[3, y, x])
                    else:
                        v, share = shares[0, pair, row * TILE + column], shares[1, pair, row * TILE + column]
                    total += ti.Vector(
                        [v, v * dy, v * dy * dy, share * grad[0], share * grad[1], share * grad[2]], dtype
                    )
            for k in ti.static(range(NUM_COLUMN_SUMS)):
                column_sums[k, pair, column] = total[k]

    return sum_columns


@functools.cache
def _make_finish_pairs(dtype):
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)

    @ti.kernel
    def finish_pairs(
        means: array2,
        conics: array2,
        tile_indices: index1,
        pair_tiles: index1,
        tiles_x: ti.i32,
        column_sums: array3,
        grad_pairs: array2,
    ):
        for pair in range(tile_indices.shape[0]):
            i = tile_indices[pair]
            left, _ = _corner_of(pair_tiles[pair], tiles_x)
            moments = ti.Vector([0.0] * 6, dtype)  # sums of v, v dx, v dy, v dx dx, v dx dy, v dy dy
            sums = ti.Vector([0.0] * 3, dtype)
            for column in range(TILE):
                dx = left + column + 0.5 - means[i, 0]
                v, v_y, v_yy = column_sums[0, pair, column], column_sums[1, pair, column], column_sums[2, pair, column]
                moments += ti.Vector([v, v * dx, v_y, v * dx * dx, v_y * dx, v_yy], dtype)
                for channel in ti.static(range(3)):
                    sums[channel] += column_sums[3 + channel, pair, column]
            store_gradients(grad_pairs, pair, conics[i, 0], conics[i, 1], conics[i, 2], moments, sums)

    return finish_pairs
