"""What each Gaussian is worth: by how much the picture's squared error changes if that one is removed.

Let C be the colour at one pixel and E = C - target. Removing a Gaussian of the colour c changes C by d, and the squared
error by |E + d|^2 - |E|^2 = d . (d + 2 E). See `blend.py` for the names in

    alpha blending:       d = alpha / (1 - alpha) S - s c,     S: the colour still to come behind it
    normalised blending:  d = weight / (W - weight) (C - c).

One form for either device: a task a row of 16 pixels of a tile, which writes one number for each of the tile's pairs.
No atomics: the sums, taken elsewhere, are the same in every run.
"""

import functools

import taichi as ti

from taichi_gs.kernels.blend import FIRST_STATES, TILE, make_weight


@functools.cache
def make_removal(dtype, blending):
    """The kernel from an image of the blending, as `forward` left it, and a target [3, H, W] to errors [P, TILE].

    `errors` takes the changes of the squared error, a row a pair and a column a row of pixels; it must be zero before.
    Only the pixels of the target count, and not those that pad the image to whole tiles.
    """
    weight_of = make_weight(dtype, blending)
    normalized, first_state = blending == "normalized", FIRST_STATES[blending]
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    lanes = ti.types.vector(TILE, dtype)
    color_lanes = ti.types.vector(3 * TILE, dtype)

    @ti.kernel
    def removal(
        means: array2,
        conics: array2,
        extents: array2,
        colors: array2,
        tile_offsets: index1,
        tile_indices: index1,
        image: array3,
        target: array3,
        errors: array2,
    ):
        tiles_x = image.shape[2] // TILE
        for task in range(target.shape[1] * tiles_x):
            y, left = task // tiles_x, (task % tiles_x) * TILE
            tile = (y // TILE) * tiles_x + task % tiles_x
            num_columns = ti.min(TILE, target.shape[2] - left)
            # Of alpha blending only: the transmittance, and the colour that is still to come.
            transmittance, behind = lanes(1.0), color_lanes(0.0)
            for x in range(num_columns):
                for channel in ti.static(range(3)):
                    behind[channel * TILE + x] = image[channel, y, left + x]
            for pair in range(tile_offsets[tile], tile_offsets[tile + 1]):
                i = tile_indices[pair]
                dy = y + 0.5 - means[i, 1]
                if ti.abs(dy) <= extents[i, 1]:
                    across = conics[i, 2] * dy
                    linear, constant = conics[i, 1] * dy, conics[i, 3] - across * across
                    total = lanes(0.0)
                    for x in range(num_columns):
                        dx = left + x + 0.5 - means[i, 0]
                        along = conics[i, 0] * dx + linear
                        weight = weight_of(constant - along * along)
                        factor, share = weight, weight
                        if ti.static(normalized):
                            # Of the other weights' sum, the background's is the part that rounding must not cancel.
                            factor /= ti.max(1.0 / image[3, y, left + x] - weight, first_state)
                        else:
                            factor /= 1.0 - weight
                            share *= transmittance[x]
                            transmittance[x] -= share
                        for channel in ti.static(range(3)):
                            color = image[channel, y, left + x]
                            change = factor * (color - colors[i, channel])
                            if ti.static(not normalized):
                                own = share * colors[i, channel]
                                behind[channel * TILE + x] -= own
                                change = factor * behind[channel * TILE + x] - own
                            total[x] += change * (change + 2.0 * (color - target[channel, y, left + x]))
                    errors[pair, y % TILE] = total.sum()

    return removal
