"""Projection: from a Gaussian's parameters to the conic and the extents that blending needs.

`gradients.py` differentiates it.
"""

import functools
import math

from taichi_gs.kernels.taichi import ti
from taichi_gs.model.blending import CUTOFFS

LOG2E = 1.4426950408889634
SQRT_HALF_LOG2E = 0.8493218002880191
TINY = 1e-12

NUM_PROJECTED = 6
"""Numbers of a projected Gaussian: its conic and its extents."""


@functools.cache
def make_anisotropy(dtype):
    """The Taichi function from (u, v) of a matrix logarithm to what its exponential consists of.

    With r = hypot(u, v) it returns a struct:

        r
        shrink       exp(-r)
        slope        sinh r / r
        slope_slope  d slope / dr
        less_u       r - u
        xx, yy       cosh r + slope u and cosh r - slope u: the variances are exp(m) times these

    Where a difference of large numbers would lose all digits of a thin Gaussian, a quotient is taken in its place.
    """
    parts = ti.types.struct(r=dtype, shrink=dtype, slope=dtype, slope_slope=dtype, less_u=dtype, xx=dtype, yy=dtype)

    @ti.func
    def anisotropy_of(u, v):
        r = ti.sqrt(u * u + v * v + TINY)
        shrink = ti.exp(-r)
        r2 = r * r
        series = 1.0 + r2 / 6.0 * (1.0 + r2 / 20.0 * (1.0 + r2 / 42.0 * (1.0 + r2 / 72.0)))
        slope = ti.select(r2 < 0.25, series, 0.5 * (ti.exp(r) - shrink) / r)
        its_series = r / 3.0 * (1.0 + r2 / 10.0 * (1.0 + r2 / 28.0 * (1.0 + r2 / 54.0)))
        # (cosh r - slope) / r, with cosh r = exp(-r) + sinh r
        slope_slope = ti.select(r2 < 0.25, its_series, (shrink + (r - 1.0) * slope) / r)
        # Of r + u and r - u, the larger one is a sum, and both together are a product.
        more = r + ti.abs(u)
        less = (v * v + TINY) / more
        less_u = ti.select(u > 0.0, less, more)
        xx = shrink + slope * ti.select(u > 0.0, more, less)
        return parts(
            r=r, shrink=shrink, slope=slope, slope_slope=slope_slope, less_u=less_u, xx=xx, yy=shrink + slope * less_u
        )

    return anisotropy_of


@functools.cache
def make_project_one(dtype, blending):
    """The Taichi function from (m, u, v) and the amplitude to a vector: the conic's four numbers, the two extents.

    Conics are described in `blend.py`. For the matrix logarithm (m, u, v) of a covariance and r = hypot(u, v),

        cov    = exp(m)  (cosh r I + sinh r / r [[u, v], [v, -u]]),
        cov^-1 = exp(-m) (cosh r I - sinh r / r [[u, v], [v, -u]]).

    Extents are sqrt(2 ln(amplitude / cut-off) cov_xx) and likewise for y, and negative where the Gaussian is nowhere
    visible; the cut-off is that of the blending.
    """
    log_cutoff = math.log(CUTOFFS[blending])
    anisotropy_of = make_anisotropy(dtype)

    @ti.func
    def project_one(m, u, v, amplitude):
        part = anisotropy_of(u, v)
        log_amplitude = ti.log(amplitude)
        scale = SQRT_HALF_LOG2E * ti.exp(-0.5 * m)
        root = ti.sqrt(part.yy)
        reach = 2.0 * (log_amplitude - log_cutoff) * ti.exp(m)
        visible = ti.select(reach > 0.0, 1.0, -1.0)
        return ti.Vector(
            [
                scale * root,
                -scale * part.slope * v / root,
                scale / root,
                LOG2E * log_amplitude,
                visible * ti.sqrt(ti.abs(reach) * part.xx + TINY),
                visible * ti.sqrt(ti.abs(reach) * part.yy + TINY),
            ],
            dtype,
        )

    return project_one


@functools.cache
def make_project(dtype, blending):
    """The kernel from log_covariances [N, 3] and amplitudes [N] to conics [N, 4] and extents [N, 2] of a dtype."""
    matrix = ti.types.ndarray(dtype=dtype, ndim=2)
    vector = ti.types.ndarray(dtype=dtype, ndim=1)
    project_one = make_project_one(dtype, blending)

    @ti.kernel
    def project(log_covariances: matrix, amplitudes: vector, conics: matrix, extents: matrix):
        for i in range(amplitudes.shape[0]):
            found = project_one(log_covariances[i, 0], log_covariances[i, 1], log_covariances[i, 2], amplitudes[i])
            for column in ti.static(range(4)):
                conics[i, column] = found[column]
            for column in ti.static(range(2)):
                extents[i, column] = found[4 + column]

    return project
