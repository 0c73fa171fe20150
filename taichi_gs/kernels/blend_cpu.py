"""Blending on the CPU: one task a tile, whose pixels are drawn and differentiated in local vectors. See `blend.py`.

The loops are in `tile_forward.py` and `tile_backward.py`.
"""

import functools

from taichi_gs.kernels.blend import NUM_GRADS, NUM_PIXELS, PLANES
from taichi_gs.kernels.half_tiles import NUM_HALVES, first_pixel
from taichi_gs.kernels.sharing import SLOT_BITS, first_of_slot
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tile_backward import make_differentiate_tile
from taichi_gs.kernels.tile_forward import make_blend_tile, make_store_tile
from taichi_gs.kernels.tiles import HALF_WIDTH, TILE
from taichi_gs.kernels.weights import FIRST_STATES


@functools.cache
def make_kernels(dtype, blending):
    """Return `forward` and `backward` for `dtype`; Taichi compiles them when first called."""
    forward_tiles, backward_tiles = _make_forward_tiles(dtype, blending), _make_backward_tiles(dtype, blending)

    def forward(means, conics, extents, colors, background, tile_offsets, tile_indices, image):
        """Take arrays or tensors, and draw into the contiguous `image`; the conics say all that the extents do."""
        # Flat, because a kernel reads the shape of an array anew at every store.
        flat = image.reshape(-1)
        forward_tiles(means, conics, colors, background, tile_offsets, tile_indices, flat, image.shape[2])

    def backward(means, conics, extents, colors, tile_offsets, tile_indices, image, grad_image):
        """Take detached tensors; return grad_pairs [P, 9] and the background's gradient [3], tensors as well."""
        grad_pairs = image.new_empty(len(tile_indices), NUM_GRADS)
        grad_backgrounds = image.new_empty(3, len(tile_offsets) - 1)
        splats = (means, conics, colors)
        images = (image, grad_image, grad_pairs, grad_backgrounds)
        # NumPy views are cheaper to pass to a kernel than tensors.
        backward_tiles(*(t.numpy() for t in (*splats, tile_offsets, tile_indices, *images)))
        return grad_pairs, grad_backgrounds.sum(dim=1)

    return forward, backward


def _make_forward_tiles(dtype, blending):
    blend_tile, store_tile, first_state = (
        make_blend_tile(dtype, blending),
        make_store_tile(blending),
        FIRST_STATES[blending],
    )
    num_planes = PLANES[blending]
    array1 = ti.types.ndarray(dtype=dtype, ndim=1)
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    pixels = ti.types.vector(NUM_PIXELS, dtype)

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
        for slot in range(1 << SLOT_BITS):
            for tile in range(
                first_of_slot(slot, tile_offsets.shape[0] - 1, SLOT_BITS),
                first_of_slot(slot + 1, tile_offsets.shape[0] - 1, SLOT_BITS),
            ):
                left, top = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
                first_pair, end = tile_offsets[tile], tile_offsets[tile + 1]
                state, red, green, blue = pixels(first_state), pixels(0.0), pixels(0.0), pixels(0.0)
                blend_tile(
                    means, conics, colors, background, tile_indices,
                    left, top, first_pair, end, state, red, green, blue,
                )  # fmt: skip
                store_tile(image, top * width + left, plane, width, state, red, green, blue)

    return forward_tiles


def _make_backward_tiles(dtype, blending):
    differentiate_tile = make_differentiate_tile(dtype, blending)
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    pixels = ti.types.vector(NUM_PIXELS, dtype)
    lanes = ti.types.vector(2 * HALF_WIDTH, dtype)

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
        for slot in range(1 << SLOT_BITS):
            for tile in range(
                first_of_slot(slot, tile_offsets.shape[0] - 1, SLOT_BITS),
                first_of_slot(slot + 1, tile_offsets.shape[0] - 1, SLOT_BITS),
            ):
                left, top = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
                first_pair, end = tile_offsets[tile], tile_offsets[tile + 1]
                rest = pixels(first_state)
                # Row by row first, and then to their halves: in one loop, and one loop for all, they would be scalars.
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
                    for half in range(NUM_HALVES):
                        first = first_pixel(half, y)
                        for k in range(HALF_WIDTH):
                            red[first + k] = row_r[half * HALF_WIDTH + k]
                        for k in range(HALF_WIDTH):
                            green[first + k] = row_g[half * HALF_WIDTH + k]
                        for k in range(HALF_WIDTH):
                            blue[first + k] = row_b[half * HALF_WIDTH + k]
                        for k in range(HALF_WIDTH):
                            behind[first + k] = row_behind[half * HALF_WIDTH + k]
                differentiate_tile(
                    means, conics, colors, tile_indices, grad_pairs, grad_backgrounds,
                    tile, left, top, first_pair, end, rest, red, green, blue, behind,
                )  # fmt: skip

    return backward_tiles
