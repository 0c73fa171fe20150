"""The cost of what Gaussians look like, and its gradients, on the CPU: all of a step's kernels in one launch.

Passing arrays to a kernel takes longer than small kernels do, and so does waking threads. So whatever a step needs is
in one kernel: it projects the Gaussians, lists the tiles that they reach, draws, compares and differentiates each tile
while it lies in the processor's cache, and sums the gradients. No picture is kept.
"""

import functools

from taichi_gs.kernels.blend import NUM_PIXELS
from taichi_gs.kernels.block_errors import NUM_LARGE, NUM_SMALL, make_share_blocks, make_sum_blocks
from taichi_gs.kernels.gradients import make_by_codes, make_gather_one
from taichi_gs.kernels.half_tiles import pixel_at
from taichi_gs.kernels.launching import Launcher
from taichi_gs.kernels.projection import NUM_PROJECTED, make_project_one
from taichi_gs.kernels.sharing import first_of_slot, slot_bits
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tile_backward import make_differentiate_tile
from taichi_gs.kernels.tile_drawing import make_draw_tile
from taichi_gs.kernels.tile_forward import make_add_background
from taichi_gs.kernels.tile_lists import list_tiles, make_reached_tiles
from taichi_gs.kernels.tiles import HALF_WIDTH, TILE
from taichi_gs.kernels.weights import FIRST_STATES

NUM_SUMS = 5
"""Numbers of a tile: the background's gradient, the squared error, and the cost."""


@functools.cache
def make_cost(dtype, blending, *, shares_rows, shares_tiles):
    """The kernel from N Gaussians, front to back, and a picture of T tiles to sums over tiles and to gradients.

    The arguments are those of `Splats` and of `Renderer.cost`, and then

        projected [N, NUM_PROJECTED]    is overwritten, by conics and extents
        boxes [N, 4], offsets, tile_indices, rank_pairs
                                        are overwritten, see `list_tiles`
        grad_pairs [C, 9]               is overwritten in the first P rows
        tile_sums [NUM_SUMS, T]         the background's gradient, the squared error, the cost
        grads [9 N]                     by means [N, 2], by log_covariances [N, 3], by colors and amplitudes [N, 4]
        small_importance, large_importance
                                        of blocks
        goes_on                         whether gradients by color codes replace those by colors and amplitudes
        factor_x, factor_y, factor      on the gradients by means, and by all else

    P is offsets[-1] afterwards. If it is more than C, nothing else is right, and the kernel has to be called again with
    more room. `shares_rows` and `shares_tiles` tell whether all threads take part in loops over Gaussians and tiles.
    """
    draw_tile, differentiate_tile = make_draw_tile(dtype, blending), make_differentiate_tile(dtype, blending)
    add_background = make_add_background(dtype, blending)
    sum_blocks, share_blocks = make_sum_blocks(dtype), make_share_blocks(dtype)
    project_one, gather_one = make_project_one(dtype, blending), make_gather_one(dtype)
    by_codes = make_by_codes(dtype, blending)
    reached_tiles, bits = make_reached_tiles(dtype), slot_bits(shared=shares_tiles)
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    array1 = ti.types.ndarray(dtype=dtype, ndim=1)
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    index2 = ti.types.ndarray(dtype=ti.i32, ndim=2)
    pixels = ti.types.vector(NUM_PIXELS, dtype)
    lanes = ti.types.vector(2 * HALF_WIDTH, dtype)
    small_blocks, large_blocks = ti.types.vector(NUM_SMALL, dtype), ti.types.vector(NUM_LARGE, dtype)

    @Launcher
    @ti.kernel
    def cost(
        means: array2,
        log_covariances: array2,
        colors: array2,
        amplitudes: array1,
        background: array1,
        picture: array3,
        weights: array2,
        projected: array2,
        boxes: index2,
        offsets: index1,
        tile_indices: index1,
        rank_pairs: index1,
        grad_pairs: array2,
        tile_sums: array2,
        grads: array1,
        small_importance: dtype,
        large_importance: dtype,
        goes_on: ti.i32,
        factor_x: dtype,
        factor_y: dtype,
        factor: dtype,
    ):
        ti.loop_config(serialize=not shares_rows)
        for i in range(amplitudes.shape[0]):
            found = project_one(log_covariances[i, 0], log_covariances[i, 1], log_covariances[i, 2], amplitudes[i])
            for column in ti.static(range(NUM_PROJECTED)):
                projected[i, column] = found[column]
            tiles_y, tiles_x = (picture.shape[1] + TILE - 1) // TILE, (picture.shape[2] + TILE - 1) // TILE
            box = reached_tiles(means[i, 0], means[i, 1], found[4], found[5], tiles_x, tiles_y)
            for side in ti.static(range(4)):
                boxes[i, side] = box[side]

        ti.loop_config(serialize=True)
        for _ in range(1):
            tiles_y, tiles_x = (picture.shape[1] + TILE - 1) // TILE, (picture.shape[2] + TILE - 1) // TILE
            list_tiles(boxes, tiles_y, tiles_x, offsets, tile_indices, rank_pairs)

        ti.loop_config(serialize=not shares_tiles)
        for slot in range(1 << bits):
            for tile in range(
                first_of_slot(slot, tile_sums.shape[1], bits), first_of_slot(slot + 1, tile_sums.shape[1], bits)
            ):
                tiles_x = (picture.shape[2] + TILE - 1) // TILE
                left, top = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
                first_pair, end = offsets[tile], offsets[tile + 1]
                if offsets[offsets.shape[0] - 1] > tile_indices.shape[0]:
                    end = first_pair
                state, red, green, blue = pixels(first_state), pixels(0.0), pixels(0.0), pixels(0.0)
                draw_tile(
                    means, projected, colors, tile_indices,
                    left, top, first_pair, end, state, red, green, blue,
                )  # fmt: skip
                add_background(background, state, red, green, blue)
                # `behind` has the weights first: none where pixels only pad the picture to whole tiles.
                picture_r, picture_g, picture_b, behind = pixels(0.0), pixels(0.0), pixels(0.0), pixels(0.0)
                for y in range(ti.min(TILE, picture.shape[1] - top)):
                    for x in range(ti.min(TILE, picture.shape[2] - left)):
                        j = pixel_at(y, x)
                        picture_r[j] = picture[0, top + y, left + x]
                        picture_g[j] = picture[1, top + y, left + x]
                        picture_b[j] = picture[2, top + y, left + x]
                        behind[j] = weights[top + y, left + x]
                error, cost = lanes(0.0), lanes(0.0)
                shared_r, shared_g, shared_b = pixels(0.0), pixels(0.0), pixels(0.0)
                if ti.max(small_importance, large_importance) > 0.0:
                    small_weights, large_weights = small_blocks(0.0), large_blocks(0.0)
                    sum_blocks(behind, small_weights, large_weights)
                    for j in range(NUM_PIXELS):
                        shared_r[j] = behind[j] * (red[j] - picture_r[j])
                        shared_g[j] = behind[j] * (green[j] - picture_g[j])
                        shared_b[j] = behind[j] * (blue[j] - picture_b[j])
                    share_blocks(shared_r, small_weights, large_weights, small_importance, large_importance)
                    share_blocks(shared_g, small_weights, large_weights, small_importance, large_importance)
                    share_blocks(shared_b, small_weights, large_weights, small_importance, large_importance)
                for y in range(TILE):
                    for x in range(TILE):
                        j = y * TILE + x
                        error_r, error_g, error_b = (
                            red[j] - picture_r[j],
                            green[j] - picture_g[j],
                            blue[j] - picture_b[j],
                        )
                        error[x] += behind[j] * (error_r * error_r + error_g * error_g + error_b * error_b)
                        full_r, full_g, full_b = error_r + shared_r[j], error_g + shared_g[j], error_b + shared_b[j]
                        cost[x] += behind[j] * (error_r * full_r + error_g * full_g + error_b * full_b)
                        scale = 2.0 * behind[j]
                        if ti.static(normalized):
                            scale *= state[j]
                        behind[j] = scale * (full_r * red[j] + full_g * green[j] + full_b * blue[j])
                        red[j] = scale * full_r
                        green[j] = scale * full_g
                        blue[j] = scale * full_b
                        state[j] = first_state
                tile_sums[3, tile] = error.sum()
                tile_sums[4, tile] = cost.sum()
                differentiate_tile(
                    means, projected, colors, tile_indices, grad_pairs, tile_sums,
                    tile, left, top, first_pair, end, state, red, green, blue, behind,
                )  # fmt: skip

        ti.loop_config(serialize=not shares_rows)
        for i in range(amplitudes.shape[0]):
            first_rank = tile_sums.shape[1] + 2
            first, end = offsets[first_rank + i], offsets[first_rank + i + 1]
            if offsets[offsets.shape[0] - 1] > tile_indices.shape[0]:
                end = first
            found = gather_one(grad_pairs, rank_pairs, first, end, log_covariances, amplitudes, projected, i)
            count = amplitudes.shape[0]
            grads[2 * i], grads[2 * i + 1] = factor_x * found[0], factor_y * found[1]
            for column in ti.static(range(3)):
                grads[2 * count + 3 * i + column] = factor * found[2 + column]
            appearance = ti.Vector([factor * found[5], factor * found[6], factor * found[7], factor * found[8]])
            if goes_on != 0:
                appearance = by_codes(appearance[0], appearance[1], appearance[2], appearance[3], amplitudes[i])
            for column in ti.static(range(4)):
                grads[5 * count + 4 * i + column] = appearance[column]

    return cost
