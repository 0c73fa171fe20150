"""A picture of Gaussians on the CPU, for fits: projection, lists of tiles and drawing in one launch.

The weights are the decoder's, and not those of a step, see `row_steps.py`: whoever takes one out of their sum, as
`replacement.py` does, needs them exactly.
"""

import functools

from taichi_gs.kernels.blend import NUM_PIXELS, PLANES
from taichi_gs.kernels.launching import Launcher
from taichi_gs.kernels.projection import NUM_PROJECTED, make_project_one
from taichi_gs.kernels.sharing import first_of_slot, slot_bits
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tile_forward import make_blend_tile, make_store_tile
from taichi_gs.kernels.tile_lists import list_tiles, make_reached_tiles
from taichi_gs.kernels.tiles import TILE
from taichi_gs.kernels.weights import FIRST_STATES


@functools.cache
def make_draw(dtype, blending, *, shares_rows, shares_tiles):
    """The kernel from N Gaussians, front to back, to an image of whole tiles.

    The arguments are those of `Splats`, those that `make_cost` overwrites, and the image [PLANES[blending] H' W'], as
    one row, with its width W'.
    """
    blend_tile, store_tile = make_blend_tile(dtype, blending), make_store_tile(blending)
    project_one, reached_tiles = make_project_one(dtype, blending), make_reached_tiles(dtype)
    first_state, num_planes = FIRST_STATES[blending], PLANES[blending]
    bits = slot_bits(shared=shares_tiles)
    array1 = ti.types.ndarray(dtype=dtype, ndim=1)
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    index2 = ti.types.ndarray(dtype=ti.i32, ndim=2)
    pixels = ti.types.vector(NUM_PIXELS, dtype)

    @Launcher
    @ti.kernel
    def draw(
        means: array2,
        log_covariances: array2,
        colors: array2,
        amplitudes: array1,
        background: array1,
        projected: array2,
        boxes: index2,
        offsets: index1,
        tile_indices: index1,
        rank_pairs: index1,
        image: array1,
        width: ti.i32,
    ):
        ti.loop_config(serialize=not shares_rows)
        for i in range(amplitudes.shape[0]):
            found = project_one(log_covariances[i, 0], log_covariances[i, 1], log_covariances[i, 2], amplitudes[i])
            for column in ti.static(range(NUM_PROJECTED)):
                projected[i, column] = found[column]
            rows, columns = image.shape[0] // (num_planes * width * TILE), width // TILE
            box = reached_tiles(means[i, 0], means[i, 1], found[4], found[5], columns, rows)
            for side in ti.static(range(4)):
                boxes[i, side] = box[side]

        ti.loop_config(serialize=True)
        for _ in range(1):
            rows, columns = image.shape[0] // (num_planes * width * TILE), width // TILE
            list_tiles(boxes, rows, columns, offsets, tile_indices, rank_pairs)

        ti.loop_config(serialize=not shares_tiles)
        for slot in range(1 << bits):
            plane, tiles_x = image.shape[0] // num_planes, width // TILE
            num_tiles = plane // (TILE * TILE)
            for tile in range(first_of_slot(slot, num_tiles, bits), first_of_slot(slot + 1, num_tiles, bits)):
                left, top = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
                first_pair, end = offsets[tile], offsets[tile + 1]
                if offsets[offsets.shape[0] - 1] > tile_indices.shape[0]:
                    end = first_pair
                state, red, green, blue = pixels(first_state), pixels(0.0), pixels(0.0), pixels(0.0)
                blend_tile(
                    means, projected, colors, background, tile_indices,
                    left, top, first_pair, end, state, red, green, blue,
                )  # fmt: skip
                store_tile(image, top * width + left, plane, width, state, red, green, blue)

    return draw
