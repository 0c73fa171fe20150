"""Projection for the decoder: what `kernels/projection.py` computes, without its gradient, by NumPy.

A kernel would have to be compiled or loaded at each start of a process, which takes a hundred times as long as this.
Intermediate values are float64, so that machines whose exponential functions differ in the last bit still agree, but
for one value in many millions, on the float32 that comes out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taichi_gs.model.blending import CUTOFFS, Blending
from taichi_gs.model.gaussians import FloatArray, Gaussians

GAUSSIANS_AT_A_TIME = 1 << 16
"""Intermediate values take more memory than what comes out."""


@dataclass(frozen=True)
class Projected:
    """Gaussians as they are blended, front to back; see `gaussians.Gaussians` and, for conics, `kernels/blend.py`.

    Attributes:
        means: [N, 2], (x, y) in pixels; as exact as those of the Gaussians, and float32 where they can be drawn.
        extents: [N, 2] float32, (x, y) in pixels.
        conics: [N, 4] float32.
        colors: [N, 3] float32, RGB.
        background: [3] float32, RGB.
        image_size: (height, width) in pixels.
        blending: "alpha" or "normalized".
    """

    means: NDArray[np.floating]
    conics: FloatArray
    extents: FloatArray
    colors: FloatArray
    background: FloatArray
    image_size: tuple[int, int]
    blending: Blending

    def window(self, corner: tuple[int, int], image_size: tuple[int, int]) -> Projected:
        """Return what reaches a part of (height, width) whose top left pixel is (x, y), as a picture of its own."""
        if corner == (0, 0) and image_size == self.image_size:
            return self
        start = np.array(corner, np.float64)
        first, last = self.means - self.extents, self.means + self.extents
        reaches = ((last >= start) & (first <= start + image_size[::-1])).all(axis=1)
        return self.part(np.flatnonzero(reaches), corner, image_size)

    def part(self, which: NDArray[np.integer], corner: tuple[int, int], image_size: tuple[int, int]) -> Projected:
        """Return the Gaussians `which`, as a picture of (height, width) whose top left pixel was (x, y)."""
        means, conics, extents, colors = (x[which] for x in (self.means, self.conics, self.extents, self.colors))
        return Projected(means - corner, conics, extents, colors, self.background, image_size, self.blending)

    def drawable(self) -> Projected:
        """Return the same with means in single precision, as kernels take them."""
        return replace(self, means=self.means.astype(np.float32))


def project_gaussians(gaussians: Gaussians) -> Projected:
    """Project Gaussians, whose order is kept."""
    conics = np.empty((len(gaussians), 4), np.float32)
    extents = np.empty((len(gaussians), 2), np.float32)
    for start in range(0, len(gaussians), GAUSSIANS_AT_A_TIME):
        some = slice(start, start + GAUSSIANS_AT_A_TIME)
        conics[some], extents[some] = project(
            gaussians.log_covariances[some], gaussians.amplitudes[some], gaussians.blending
        )
    means, colors, background = gaussians.means, gaussians.colors, gaussians.background
    return Projected(means, conics, extents, colors, background, gaussians.image_size, gaussians.blending)


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
