"""Projection: from a Gaussian's parameters to the conic and the extents that blending needs.

Loop-free, so Taichi's own reverse-mode autodiff differentiates it (`kernel.grad`).
"""

import functools
import math

from taichi_gs.kernels.taichi import ti
from taichi_gs.model.blending import CUTOFFS

LOG2E = 1.4426950408889634
SQRT_HALF_LOG2E = 0.8493218002880191
TINY = 1e-12


@functools.cache
def make_project(dtype, blending):
    """The kernel from log_covariances [N, 3] and amplitudes [N] to conics [N, 4] and extents [N, 2], of a Taichi dtype.

    Conics are described in `blend.py`. For the matrix logarithm (m, u, v) of a covariance and r = hypot(u, v),

        cov    = exp(m)  (cosh r I + sinh r / r [[u, v], [v, -u]]),
        cov^-1 = exp(-m) (cosh r I - sinh r / r [[u, v], [v, -u]]).

    Where a difference of large numbers would lose all digits of a thin Gaussian, a quotient is taken in its place.
    Extents are sqrt(2 ln(amplitude / cut-off) cov_xx) and likewise for y, and negative where the Gaussian is nowhere
    visible; the cut-off is that of the blending.
    """
    matrix = ti.types.ndarray(dtype=dtype, ndim=2)
    vector = ti.types.ndarray(dtype=dtype, ndim=1)
    log_cutoff = math.log(CUTOFFS[blending])

    @ti.kernel
    def project(log_covariances: matrix, amplitudes: vector, conics: matrix, extents: matrix):
        for i in range(amplitudes.shape[0]):
            m, u, v = log_covariances[i, 0], log_covariances[i, 1], log_covariances[i, 2]
            r = ti.sqrt(u * u + v * v + TINY)
            shrink = ti.exp(-r)
            r2 = r * r
            series = 1.0 + r2 / 6.0 * (1.0 + r2 / 20.0 * (1.0 + r2 / 42.0 * (1.0 + r2 / 72.0)))
            slope = ti.select(r2 < 0.25, series, 0.5 * (ti.exp(r) - shrink) / r)
            # The variances exp(m) xx and exp(m) yy, from r + |u| and r - |u|.
            sign = ti.select(u > 0.0, 1.0, -1.0)
            more = r + sign * u
            less = (v * v + TINY) / more
            xx = shrink + slope * ti.select(u > 0.0, more, less)
            yy = shrink + slope * ti.select(u > 0.0, less, more)
            log_amplitude = ti.log(amplitudes[i])
            scale = SQRT_HALF_LOG2E * ti.exp(-0.5 * m)
            conics[i, 0] = scale * ti.sqrt(yy)
            conics[i, 1] = -scale * slope * v / ti.sqrt(yy)
            conics[i, 2] = scale / ti.sqrt(yy)
            conics[i, 3] = LOG2E * log_amplitude
            reach = 2.0 * (log_amplitude - log_cutoff) * ti.exp(m)
            visible = ti.select(reach > 0.0, 1.0, -1.0)
            extents[i, 0] = visible * ti.sqrt(ti.abs(reach) * xx + TINY)
            extents[i, 1] = visible * ti.sqrt(ti.abs(reach) * yy + TINY)

    return project
