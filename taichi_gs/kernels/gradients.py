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


@functools.cache
def make_gather(dtype, *, serial):
    """The kernel that sums the rows of `grad_pairs` [P, 9] for each Gaussian in a fixed order, and differentiates.

    It writes `grads` [N, 9]: the gradients by the mean x, y, by (m, u, v), by red, green and blue, and by the
    amplitude. See `tiles.TileLists` for the lists. `serial` keeps it in one thread.
    """
    matrix = ti.types.ndarray(dtype=dtype, ndim=2)
    vector = ti.types.ndarray(dtype=dtype, ndim=1)
    index1 = ti.types.ndarray(dtype=ti.i32, ndim=1)
    anisotropy_of = make_anisotropy(dtype)

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
        ti.loop_config(serialize=serial)
        for rank in range(order.shape[0]):
            i = order[rank]
            total = ti.Vector([0.0] * NUM_GRADS, dtype)
            for k in range(rank_offsets[rank], rank_offsets[rank + 1]):
                pair = rank_pairs[k]
                for column in ti.static(range(NUM_GRADS)):
                    total[column] += grad_pairs[pair, column]
            u, v, c = log_covariances[i, 1], log_covariances[i, 2], conics[i, 2]
            part = anisotropy_of(u, v)
            by_a, by_b, by_c = conics[i, 0] * total[2], conics[i, 1] * total[3], c * total[4]
            by_yy = 0.5 * (by_a - by_b - by_c) / part.yy
            by_slope = by_yy * part.less_u - c * v * total[3]
            by_r = part.slope_slope * by_slope - part.shrink * by_yy
            for column in ti.static(range(2)):
                grads[i, column] = total[column]
            grads[i, 2] = -0.5 * (by_a + by_b + by_c)
            grads[i, 3] = (u * by_r - part.less_u * part.slope * by_yy) / part.r
            grads[i, 4] = v * (by_r + part.slope * by_yy) / part.r - c * part.slope * total[3]
            for column in ti.static(range(3)):
                grads[i, 5 + column] = total[6 + column]
            grads[i, 8] = LOG2E * total[5] / amplitudes[i]

    return gather
