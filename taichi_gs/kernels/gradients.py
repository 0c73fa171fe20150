"""From the gradients of all (tile, Gaussian) pairs to those of the Gaussians' parameters: sums, and the chain rule.

It is the reverse of `projection.py`, whose names it uses. With g the gradients by conics (a, b, c, l), and t = r - u
so that yy = exp(-r) + slope t,

    dL/dm = -1/2 (a g_a + b g_b + c g_c),   dL/dyy = (a g_a - b g_b - c g_c) / (2 yy),
    dL/dslope = t dL/dyy - c v g_b,         dL/dr = -exp(-r) dL/dyy + dslope/dr dL/dslope,
    dL/du = u / r dL/dr - t / r slope dL/dyy,
    dL/dv = v / r (dL/dr + slope dL/dyy) - c slope g_b.
"""

import functools

from taichi_gs.kernels.blend import NUM_GRADS
from taichi_gs.kernels.projection import LOG2E, make_anisotropy
from taichi_gs.kernels.taichi import ti
from taichi_gs.model.blending import MAX_OPACITY
from taichi_gs.model.quantized import AMPLITUDE_UNIT


@functools.cache
def make_gather_one(dtype):
    """The Taichi function that sums the rows of `grad_pairs` [P, 9] for one Gaussian, and differentiates.

    The rows are rank_pairs[first:end], summed in this order. It returns the Gaussian's row of `grads`, see
    `make_gather`. `conics` has four columns or more.
    """
    anisotropy_of = make_anisotropy(dtype)

    @ti.func
    def gather_one(
        grad_pairs: ti.template(),
        rank_pairs: ti.template(),
        first,
        end,
        log_covariances: ti.template(),
        amplitudes: ti.template(),
        conics: ti.template(),
        i,
    ):
        total = ti.Vector([0.0] * NUM_GRADS, dtype)
        for k in range(first, end):
            pair = rank_pairs[k]
            for column in ti.static(range(NUM_GRADS)):
                total[column] += grad_pairs[pair, column]
        u, v, c = log_covariances[i, 1], log_covariances[i, 2], conics[i, 2]
        part = anisotropy_of(u, v)
        by_a, by_b, by_c = conics[i, 0] * total[2], conics[i, 1] * total[3], c * total[4]
        by_yy = 0.5 * (by_a - by_b - by_c) / part.yy
        by_slope = by_yy * part.less_u - c * v * total[3]
        by_r = part.slope_slope * by_slope - part.shrink * by_yy
        return ti.Vector(
            [
                total[0],
                total[1],
                -0.5 * (by_a + by_b + by_c),
                (u * by_r - part.less_u * part.slope * by_yy) / part.r,
                v * (by_r + part.slope * by_yy) / part.r - c * part.slope * total[3],
                total[6],
                total[7],
                total[8],
                LOG2E * total[5] / amplitudes[i],
            ],
            dtype,
        )

    return gather_one


@functools.cache
def make_by_codes(dtype, blending):
    """The Taichi function from gradients by red, green, blue and an amplitude to those by Y, Co, Cg and its code."""

    @ti.func
    def by_codes(red, green, blue, by_amplitude, amplitude):
        slope = amplitude * (1.0 - amplitude / MAX_OPACITY)
        if ti.static(blending == "normalized"):
            slope = AMPLITUDE_UNIT * amplitude
        return ti.Vector([red + green + blue, red - blue, green - red - blue, by_amplitude * slope], dtype)

    return by_codes


@functools.cache
def make_gather(dtype):
    """The kernel that gathers the gradients of all Gaussians from the rows of `grad_pairs` [P, 9].

    It writes `grads` [N, 9]: the gradients by the mean x, y, by (m, u, v), by red, green and blue, and by the
    amplitude. See `tiles.TileLists` for the lists.
    """
    matrix = ti.types.ndarray(dtype=dtype, ndim=2)
    vector = ti.types.ndarray(dtype=dtype, ndim=1)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    gather_one = make_gather_one(dtype)

    @ti.kernel
    def gather(
        grad_pairs: matrix,
        order: index1,
        rank_offsets: index1,
        rank_pairs: index1,
        log_covariances: matrix,
        amplitudes: vector,
        conics: matrix,
        grads: matrix,
    ):
        for rank in range(order.shape[0]):
            i = order[rank]
            first, end = rank_offsets[rank], rank_offsets[rank + 1]
            found = gather_one(grad_pairs, rank_pairs, first, end, log_covariances, amplitudes, conics, i)
            for column in ti.static(range(NUM_GRADS)):
                grads[i, column] = found[column]

    return gather
