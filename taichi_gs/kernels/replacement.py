"""By how much the picture's squared error changes if a Gaussian is replaced by another, in normalised blending.

Let C be the colour at one pixel, W the sum of all weights, E = C - picture. With the weight w and the colour c in place
of the Gaussian's weight w' and colour c', C changes by

    d = (w (c - C) - w' (c' - C)) / (W - w' + w),

and the squared error by d . (d + 2 E), times the pixel's weight. See `blend.py` for the names.
"""

import functools

from taichi_gs.kernels.blend import make_weight
from taichi_gs.kernels.launching import Launcher
from taichi_gs.kernels.projection import NUM_PROJECTED, make_project_one
from taichi_gs.kernels.sharing import first_of_slot, slot_bits
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.weights import FIRST_STATES, LOG2_CUTOFFS

LANES = 16
"""Neighbouring pixels that are looked at together: LLVM turns loops over so many into vector instructions."""

MAX_CANDIDATES = 16
"""Of one Gaussian. They are looked at together: what the pixels are without it is found once for all of them."""


@functools.cache
def make_replacement(dtype, *, shared):
    """The kernel from M Gaussians, K candidates for each and a drawn picture to the changes `errors` [M, K].

    `rows [M]` names the Gaussians among those of the first three arrays; `projected [N, NUM_PROJECTED]` has conics and
    extents. The four arrays after it are of the candidates, the K of the first row before those of the second; K is
    MAX_CANDIDATES at most. `image` is as `forward` left it. The picture [3, H, W] and the weights of its pixels [H, W]
    have no padding; W is LANES or more. `shared` tells whether all threads of the CPU take part.

    Where `num_kept` is below K, and a Gaussian with its candidates has at least twice `min_rows` rows of pixels, every
    second or every so manieth row comes first. The `num_kept` candidates with the least change there and `penalties`
    [M, K] are then looked at in all rows; those left out change it by infinity.
    """
    bits = slot_bits(shared=shared)
    project_one = make_project_one(dtype, "normalized")
    weight_of = make_weight(dtype, "normalized")
    background_weight, log2_cutoff = FIRST_STATES["normalized"], LOG2_CUTOFFS["normalized"]
    array1 = ti.types.ndarray(dtype=dtype, ndim=1)
    array2 = ti.types.ndarray(dtype=dtype, ndim=2)
    array3 = ti.types.ndarray(dtype=dtype, ndim=3)
    lanes, pixels = ti.types.vector(LANES, dtype), ti.types.vector(3 * LANES, dtype)
    totals = ti.types.vector(MAX_CANDIDATES * LANES, dtype)
    of_each, names = ti.types.vector(MAX_CANDIDATES, dtype), ti.types.vector(MAX_CANDIDATES, ti.i32)
    candidates = ti.types.vector(MAX_CANDIDATES * NUM_PROJECTED, dtype)

    @ti.func
    def rows_of(y, extent_y, height):
        # Negative extents are those of a Gaussian that is nowhere visible.
        first = ti.math.clamp(y - extent_y - 0.5, 0.0, ti.cast(height, dtype))
        return ti.Vector([first, ti.math.clamp(y + extent_y + 0.5, first, ti.cast(height, dtype))])

    @ti.func
    def columns_of(a, linear, constant, x):
        # The weight is above 0 where (a dx + linear)^2 < constant - cut-off; the middle of it if it is nowhere.
        half, middle = ti.sqrt(ti.max(constant - log2_cutoff, 0.0)) / a, x - linear / a
        return ti.Vector([middle - half, middle + half])

    @ti.func
    def least(values, count):
        # The indices of the least values, in order.
        found, rest = names(0), values
        for n in range(count):
            for candidate in range(MAX_CANDIDATES):
                if rest[candidate] < rest[found[n]]:
                    found[n] = candidate
            rest[found[n]] = ti.math.inf
        return found

    @Launcher
    @ti.kernel
    def replacement(
        means: array2,
        projected: array2,
        colors: array2,
        rows: ti.types.ndarray(dtype=ti.i32, ndim=1),
        new_means: array2,
        new_log_covariances: array2,
        new_colors: array2,
        new_amplitudes: array1,
        image: array3,
        picture: array3,
        weights: array2,
        penalties: array2,
        min_rows: ti.i32,
        num_kept: ti.i32,
        errors: array2,
    ):
        ti.loop_config(serialize=not shared)
        for slot in range(1 << bits):
            for m in range(first_of_slot(slot, rows.shape[0], bits), first_of_slot(slot + 1, rows.shape[0], bits)):
                i, num_candidates = rows[m], errors.shape[1]
                width, height = picture.shape[2], picture.shape[1]
                a, b, c, l = projected[i, 0], projected[i, 1], projected[i, 2], projected[i, 3]
                span = rows_of(means[i, 1], projected[i, 5], height)
                others_projected = candidates(0.0)
                for candidate in range(num_candidates):
                    k = m * num_candidates + candidate
                    u, v = new_log_covariances[k, 1], new_log_covariances[k, 2]
                    found = project_one(new_log_covariances[k, 0], u, v, new_amplitudes[k])
                    for column in ti.static(range(NUM_PROJECTED)):
                        others_projected[candidate * NUM_PROJECTED + column] = found[column]
                    other = rows_of(new_means[k, 1], found[5], height)
                    span = ti.Vector([ti.min(span[0], other[0]), ti.max(span[1], other[1])])
                tried, num_tried, changes = names(0), num_candidates, of_each(0.0)
                for n in range(num_candidates):
                    tried[n] = n
                top, end = ti.cast(span[0], ti.i32), ti.cast(span[1], ti.i32)
                step = 1
                if num_kept < num_candidates:
                    step = ti.max((end - top) // min_rows, 1)
                looks = 1 if step == 1 else 2
                for look in range(looks):
                    if look == 1:
                        for candidate in range(num_candidates):
                            changes[candidate] += penalties[m, candidate]
                        tried, num_tried, step = least(changes, num_kept), num_kept, 1
                    total = totals(0.0)
                    for j in range((end - top - step // 2 + step - 1) // step):
                        y = top + step // 2 + j * step
                        dy = y + 0.5 - means[i, 1]
                        linear, constant = b * dy, l - (c * dy) * (c * dy)
                        reach = columns_of(a, linear, constant, means[i, 0])
                        for n in range(num_tried):
                            candidate = tried[n]
                            k = m * num_candidates + candidate
                            new_dy = y + 0.5 - new_means[k, 1]
                            at = candidate * NUM_PROJECTED
                            across = others_projected[at + 2] * new_dy
                            other = columns_of(
                                others_projected[at],
                                others_projected[at + 1] * new_dy,
                                others_projected[at + 3] - across * across,
                                new_means[k, 0],
                            )
                            reach = ti.Vector([ti.min(reach[0], other[0]), ti.max(reach[1], other[1])])
                        left = ti.cast(ti.math.clamp(reach[0] - 1.0, 0.0, ti.cast(width, dtype)), ti.i32) // LANES
                        right = ti.cast(ti.math.clamp(reach[1] + 1.0, 0.0, ti.cast(width, dtype)) + (LANES - 1), ti.i32)
                        for block in range(left, right // LANES):
                            first = ti.min(block * LANES, width - LANES)
                            color, moved, error, others = pixels(0.0), pixels(0.0), pixels(0.0), lanes(0.0)
                            pixel_weights = lanes(0.0)
                            for x in range(LANES):
                                along = a * (first + x + 0.5 - means[i, 0]) + linear
                                weight = weight_of(constant - along * along)
                                # Of the other weights' sum, the background's is the part that rounding must not cancel.
                                others[x] = ti.max(1.0 / image[3, y, first + x] - weight, background_weight)
                                # The last block of a row looks at some pixels of the one before, which count there.
                                pixel_weights[x] = ti.select(x >= block * LANES - first, weights[y, first + x], 0.0)
                                for channel in ti.static(range(3)):
                                    own = image[channel, y, first + x]
                                    color[channel * LANES + x] = own
                                    moved[channel * LANES + x] = weight * (colors[i, channel] - own)
                                    error[channel * LANES + x] = 2.0 * (own - picture[channel, y, first + x])
                            for n in range(num_tried):
                                candidate = tried[n]
                                k = m * num_candidates + candidate
                                new_dy = y + 0.5 - new_means[k, 1]
                                at = candidate * NUM_PROJECTED
                                new_a, new_linear = others_projected[at], others_projected[at + 1] * new_dy
                                across = others_projected[at + 2] * new_dy
                                new_constant = others_projected[at + 3] - across * across
                                new_x = first + 0.5 - new_means[k, 0]
                                new_r, new_g, new_b = new_colors[k, 0], new_colors[k, 1], new_colors[k, 2]
                                for x in range(LANES):
                                    new_along = new_a * (new_x + x) + new_linear
                                    new_weight = weight_of(new_constant - new_along * new_along)
                                    scale = 1.0 / (others[x] + new_weight)
                                    d_r = (new_weight * (new_r - color[x]) - moved[x]) * scale
                                    d_g = (new_weight * (new_g - color[x + LANES]) - moved[x + LANES]) * scale
                                    d_b = (new_weight * (new_b - color[x + 2 * LANES]) - moved[x + 2 * LANES]) * scale
                                    change = d_r * (d_r + error[x]) + d_g * (d_g + error[x + LANES])
                                    change += d_b * (d_b + error[x + 2 * LANES])
                                    total[candidate * LANES + x] += pixel_weights[x] * change
                    changes = of_each(ti.math.inf)
                    for n in range(num_tried):
                        own = lanes(0.0)
                        for x in range(LANES):
                            own[x] = total[tried[n] * LANES + x]
                        changes[tried[n]] = step * own.sum()
                for candidate in range(num_candidates):
                    errors[m, candidate] = changes[candidate]

    return replacement
