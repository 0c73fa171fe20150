"""Projection: from a Gaussian's parameters to the conic and the extents that blending needs.

Loop-free, so Taichi's own reverse-mode autodiff differentiates it (`kernel.grad`).
"""

import functools

import taichi as ti

LOG2E = 1.4426950408889634
LOG_MIN_ALPHA = -5.541263545158426
"""ln(1/255): an alpha below counts as zero."""

TINY = 1e-12


@functools.cache
def make_project(dtype):
    """The kernel from log_covariances [N, 3] and opacities [N] to conics [N, 4] and extents [N, 2], for a Taichi dtype.

    Conics are described in `blend.py`. For the matrix logarithm (m, u, v) of a covariance and r = hypot(u, v),

        cov    = exp(m)  (cosh r I + sinh r / r [[u, v], [v, -u]]),
        cov^-1 = exp(-m) (cosh r I - sinh r / r [[u, v], [v, -u]]).

    Extents are sqrt(2 ln(255 opacity) cov_xx) and likewise for y, and negative where the Gaussian is nowhere visible.
    """
    matrix = ti.types.ndarray(dtype=dtype, ndim=2)
    vector = ti.types.ndarray(dtype=dtype, ndim=1)

    @ti.kernel
    def project(log_covariances: matrix, opacities: vector, conics: matrix, extents: matrix):
        for i in range(opacities.shape[0]):
            m, u, v = log_covariances[i, 0], log_covariances[i, 1], log_covariances[i, 2]
            r = ti.sqrt(u * u + v * v + TINY)
            grow, shrink = ti.exp(r), ti.exp(-r)
            mean, slope = 0.5 * (grow + shrink), 0.5 * (grow - shrink) / r
            log_opacity = ti.log(opacities[i])
            inverse = -0.5 * LOG2E * ti.exp(-m)
            conics[i, 0] = inverse * (mean - slope * u)
            conics[i, 1] = -2.0 * inverse * slope * v
            conics[i, 2] = inverse * (mean + slope * u)
            conics[i, 3] = LOG2E * log_opacity
            reach = 2.0 * (log_opacity - LOG_MIN_ALPHA) * ti.exp(m)
            visible = ti.select(reach > 0.0, 1.0, -1.0)
            extents[i, 0] = visible * ti.sqrt(ti.abs(reach) * (mean + slope * u) + TINY)
            extents[i, 1] = visible * ti.sqrt(ti.abs(reach) * (mean - slope * u) + TINY)

    return project
