"""Projection for the decoder: what `kernels/project.py` computes, without its gradient, by NumPy.

A kernel would have to be compiled or loaded at each start of a process, which takes a hundred times as long as this.
Intermediate values are float64, so that machines whose exponential functions differ in the last bit still agree, but
for one value in many millions, on the float32 that comes out.
"""

from __future__ import annotations

import numpy as np

from taichi_gs.gaussians import CUTOFFS, Blending, FloatArray


def project(log_covariances: FloatArray, amplitudes: FloatArray, blending: Blending) -> tuple[FloatArray, FloatArray]:
    """Return conics [N, 4] and extents [N, 2], float32, as described in `kernels/blend.py`.

    For the matrix logarithm (m, u, v) of a covariance and r = hypot(u, v),

        cov    = exp(m)  (cosh r I + sinh r / r [[u, v], [v, -u]]),
        cov^-1 = exp(-m) (cosh r I - sinh r / r [[u, v], [v, -u]]).

    Extents are sqrt(2 ln(amplitude / cut-off) cov_xx) and likewise for y, and -1 where the Gaussian is nowhere visible.

    Args:
        log_covariances: [N, 3] float32.
        amplitudes: [N] float32, not negative.
        blending: of the Gaussians, which decides the cut-off.
    """
    m, u, v = log_covariances.T.astype(np.float64)
    r = np.hypot(u, v)
    slope = np.divide(np.sinh(r), r, out=np.ones_like(r), where=r > 0)
    # cosh r + slope u as exp(-r) + slope (r + u). One of r + u and r - u is a difference that loses the digits of a
    # thin Gaussian, and is v^2 over the other one instead.
    more = r + np.abs(u)
    less = np.divide(v * v, more, out=np.zeros_like(r), where=more > 0)
    xx = np.exp(-r) + slope * np.where(u > 0, more, less)
    yy = np.exp(-r) + slope * np.where(u > 0, less, more)
    with np.errstate(divide="ignore"):  # the logarithm of an amplitude of 0
        log_amplitudes = np.log(amplitudes.astype(np.float64))
    scale = np.sqrt(0.5 * np.log2(np.e)) * np.exp(-0.5 * m)
    conics = [
        scale * np.sqrt(yy),
        -scale * slope * v / np.sqrt(yy),
        scale / np.sqrt(yy),
        np.log2(np.e) * log_amplitudes,
    ]
    reach = 2 * (log_amplitudes - np.log(CUTOFFS[blending])) * np.exp(m)
    visible = reach > 0
    extents = [np.where(visible, np.sqrt(np.where(visible, reach, 0) * element), -1.0) for element in (xx, yy)]
    return np.stack(conics, axis=1).astype(np.float32), np.stack(extents, axis=1).astype(np.float32)
