"""Pixels of 8 bits on the CPU, for the decoder: what `blend_cpu.py` draws, rounded before it leaves the cache."""

import functools

from taichi_gs.kernels.blend import NUM_PIXELS
from taichi_gs.kernels.half_tiles import pixel_at
from taichi_gs.kernels.launching import Launcher
from taichi_gs.kernels.sharing import SLOT_BITS, first_of_slot
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tile_forward import make_blend_tile
from taichi_gs.kernels.tiles import TILE
from taichi_gs.kernels.weights import FIRST_STATES


@functools.cache
def make_draw_levels(blending):
    """The kernel from Gaussians in single precision to levels of red, green and blue, rounded as `to_levels` does.

    Its last arguments are the levels [H', W', 3] of whole tiles, as one row of words of four bytes, and their width W'.
    """
    blend_tile, first_state = make_blend_tile(ti.f32, blending), FIRST_STATES[blending]
    array1 = ti.types.ndarray(dtype=ti.f32, ndim=1)
    array2 = ti.types.ndarray(dtype=ti.f32, ndim=2)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    pixels = ti.types.vector(NUM_PIXELS, ti.f32)
    levels = ti.types.vector(NUM_PIXELS, ti.i32)

    @ti.func
    def level_of(value):
        return ti.cast(ti.min(ti.max(value, 0.0), 1.0) * 255.0 + 0.5, ti.i32)

    @Launcher
    @ti.kernel
    def draw_levels(
        means: array2,
        conics: array2,
        colors: array2,
        background: array1,
        tile_offsets: index1,
        tile_indices: index1,
        words: index1,
        width: ti.i32,
    ):
        tiles_x = width // TILE
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
                rgb = levels(0)
                for j in range(NUM_PIXELS):
                    rgb[j] = level_of(red[j]) | level_of(green[j]) << 8 | level_of(blue[j]) << 16
                # Bytes one by one would take as long again as all else in a tile without Gaussians.
                for y in range(TILE):
                    for quarter in range(TILE // 4):
                        j, word = pixel_at(y, 4 * quarter), ((top + y) * width + left) // 4 * 3 + 3 * quarter
                        words[word] = rgb[j] | rgb[j + 1] << 24
                        words[word + 1] = rgb[j + 1] >> 8 | rgb[j + 2] << 16
                        words[word + 2] = rgb[j + 2] >> 16 | rgb[j + 3] << 8

    return draw_levels
