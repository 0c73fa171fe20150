"""By how much the picture's squared error changes if a Gaussian is replaced by another, in normalised blending.

Let C be the colour at one pixel, W the sum of all weights, E = C - picture. With the weight w and the colour c in place
of the Gaussian's weight w' and colour c', C changes by

    d = (w (c - C) - w' (c' - C)) / (W - w' + w),

and the squared error by d . (d + 2 E), times the pixel's weight. See `blend.py` for the names.
"""

import functools

from taichi_gs.kernels.blend import make_weight
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.weights import FIRST_STATES

LANES = 16
"""Neighbouring pixels that are looked at together: LLVM turns loops over so many into vector instructions."""


@functools.cache
def make_replacement(dtype):
    """The kernel from Gaussians, M candidates [M, ...] and a drawn picture to the changes `errors` [M].

    `rows [M]` names the Gaussian that a candidate is in the place of. The first four arrays are of the Gaussians, and
    the four after `rows` of the candidates. `image` is as `forward` left it, both its sides whole tiles; the picture
    [3, H, W] and the weights of its pixels [H, W] have no padding.
    """
    weight_of = make_weight(dtype, "normalized")
    background_weight = FIRST_STATES["normalized"]
    array1 = ti.types.ndarray(dtype=dtype, ndim=1)
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    lanes = ti.types.vector(LANES, dtype)

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
            # Negative extents are those of a Gaussian that is nowhere visible.
            low_x = ti.min(means[i, 0] - extents[i, 0], new_means[k, 0] - new_extents[k, 0])
            high_x = ti.max(means[i, 0] + extents[i, 0], new_means[k, 0] + new_extents[k, 0])
            low_y = ti.min(means[i, 1] - extents[i, 1], new_means[k, 1] - new_extents[k, 1])
            high_y = ti.max(means[i, 1] + extents[i, 1], new_means[k, 1] + new_extents[k, 1])
            width, height = picture.shape[2], picture.shape[1]
            left = ti.cast(ti.math.clamp(low_x - 0.5, 0.0, ti.cast(width, dtype)), ti.i32)
            right = ti.cast(ti.math.clamp(high_x + 0.5, 0.0, ti.cast(width, dtype)), ti.i32)
            top = ti.cast(ti.math.clamp(low_y - 0.5, 0.0, ti.cast(height, dtype)), ti.i32)
            bottom = ti.cast(ti.math.clamp(high_y + 0.5, 0.0, ti.cast(height, dtype)), ti.i32)
            total = lanes(0.0)
            for y in range(top, bottom):
                dy, new_dy = y + 0.5 - means[i, 1], y + 0.5 - new_means[k, 1]
                linear, constant = b * dy, l - (c * dy) * (c * dy)
                new_linear, new_constant = new_b * new_dy, new_l - (new_c * new_dy) * (new_c * new_dy)
                for block in range((right - left + LANES - 1) // LANES):
                    first = left + block * LANES
                    for x in range(LANES):
                        column = ti.min(first + x, width - 1)
                        along = a * (first + x + 0.5 - means[i, 0]) + linear
                        new_along = new_a * (first + x + 0.5 - new_means[k, 0]) + new_linear
                        weight = weight_of(constant - along * along)
                        new_weight = weight_of(new_constant - new_along * new_along)
                        # Of the other weights' sum, the background's is the part that rounding must not cancel.
                        others = ti.max(1.0 / image[3, y, column] - weight, background_weight)
                        scale = 1.0 / (others + new_weight)
                        change = ti.cast(0.0, dtype)
                        for channel in ti.static(range(3)):
                            color = image[channel, y, column]
                            moved = new_weight * (new_colors[k, channel] - color) - weight * (
                                colors[i, channel] - color
                            )
                            moved *= scale
                            change += moved * (moved + 2.0 * (color - picture[channel, y, column]))
                        total[x] += ti.select(first + x < right, weights[y, column] * change, 0.0)
            errors[k] = total.sum()

    return replacement
