"""By how much the picture's squared error changes if a Gaussian is replaced by another, in normalised blending.

Let C be the colour at one pixel, W the sum of all weights, E = C - picture. With the weight w and the colour c in place
of the Gaussian's weight w' and colour c', C changes by

    d = (w (c - C) - w' (c' - C)) / (W - w' + w),

and the squared error by d . (d + 2 E), times the pixel's weight. See `blend.py` for the names.
"""

import functools

from taichi_gs.kernels.blend import make_weight
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.weights import FIRST_STATES, LOG2_CUTOFFS

LANES = 16
"""Neighbouring pixels that are looked at together: LLVM turns loops over so many into vector instructions.

They divide a tile's width, so that no pixel is looked at outside the padded picture."""


@functools.cache
def make_replacement(dtype):
    """The kernel from Gaussians, M candidates [M, ...] and a drawn picture to the changes `errors` [M].

    `rows [M]` names the Gaussian that a candidate is in the place of. The first four arrays are of the Gaussians, and
    the four after `rows` of the candidates. `image` is as `forward` left it, both its sides whole tiles; the picture
    [3, H', W'] and the weights of its pixels [H', W'] are padded to the same size, the weights by zeros.
    """
    weight_of = make_weight(dtype, "normalized")
    background_weight, log2_cutoff = FIRST_STATES["normalized"], LOG2_CUTOFFS["normalized"]
    array1 = ti.types.ndarray(dtype=dtype, ndim=1)
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    lanes = ti.types.vector(LANES, dtype)

    @ti.func
    def reach_of(constant):
        return ti.sqrt(ti.max(constant - log2_cutoff, 0.0))

    @ti.kernel
    def replacement(
        means: array2,
        conics: array2,
        extents: array2,
        colors: array2,
        rows: ti.types.ndarray(dtype=ti.i32, ndim=1),
        new_means: array2,
        new_conics: array2,
        new_extents: array2,
        new_colors: array2,
        image: array3,
        picture: array3,
        weights: array2,
        errors: array1,
    ):
        for k in range(rows.shape[0]):
            i = rows[k]
            a, b, c, l = conics[i, 0], conics[i, 1], conics[i, 2], conics[i, 3]
            new_a, new_b, new_c, new_l = new_conics[k, 0], new_conics[k, 1], new_conics[k, 2], new_conics[k, 3]
            width, height = image.shape[2], image.shape[1]
            # Negative extents are those of a Gaussian that is nowhere visible.
            low_y = ti.min(means[i, 1] - extents[i, 1], new_means[k, 1] - new_extents[k, 1])
            high_y = ti.max(means[i, 1] + extents[i, 1], new_means[k, 1] + new_extents[k, 1])
            top = ti.cast(ti.math.clamp(low_y - 0.5, 0.0, ti.cast(height, dtype)), ti.i32)
            bottom = ti.cast(ti.math.clamp(high_y + 0.5, 0.0, ti.cast(height, dtype)), ti.i32)
            total = lanes(0.0)
            for y in range(top, bottom):
                dy, new_dy = y + 0.5 - means[i, 1], y + 0.5 - new_means[k, 1]
                linear, constant = b * dy, l - (c * dy) * (c * dy)
                new_linear, new_constant = new_b * new_dy, new_l - (new_c * new_dy) * (new_c * new_dy)
                # The weight is above 0 where (a dx + linear)^2 < constant - cut-off.
                half, new_half = reach_of(constant), reach_of(new_constant)
                low_x = ti.min(means[i, 0] - (linear + half) / a, new_means[k, 0] - (new_linear + new_half) / new_a)
                high_x = ti.max(means[i, 0] - (linear - half) / a, new_means[k, 0] - (new_linear - new_half) / new_a)
                left = ti.cast(ti.math.clamp(low_x - 1.0, 0.0, ti.cast(width, dtype)), ti.i32) // LANES
                right = ti.cast(ti.math.clamp(high_x + 1.0, 0.0, ti.cast(width, dtype)) + (LANES - 1), ti.i32) // LANES
                for block in range(left, right):
                    first = block * LANES
                    for x in range(LANES):
                        along = a * (first + x + 0.5 - means[i, 0]) + linear
                        new_along = new_a * (first + x + 0.5 - new_means[k, 0]) + new_linear
                        weight = weight_of(constant - along * along)
                        new_weight = weight_of(new_constant - new_along * new_along)
                        # Of the other weights' sum, the background's is the part that rounding must not cancel.
                        others = ti.max(1.0 / image[3, y, first + x] - weight, background_weight)
                        scale = 1.0 / (others + new_weight)
                        change = ti.cast(0.0, dtype)
                        for channel in ti.static(range(3)):
                            color = image[channel, y, first + x]
                            moved = new_weight * (new_colors[k, channel] - color) - weight * (
                                colors[i, channel] - color
                            )
                            moved *= scale
                            change += moved * (moved + 2.0 * (color - picture[channel, y, first + x]))
                        total[x] += weights[y, first + x] * change
            errors[k] = total.sum()

    return replacement
