"""`Gaussians`: a picture as N two-dimensional Gaussians in floating point.

Conventions, used throughout the package:

* Pixels; x to the right, y down; the centre of the pixel in column j and row i is (j + 0.5, i + 0.5).
* `image_size = (height, width)`. N Gaussians, K codewords, H x W pixels. Angles in radians.
* Colours are display-referred sRGB, scaled so that 0 is black and 1 is white; values outside are allowed, the picture
  is clipped at the very end.
* A covariance is kept as its matrix logarithm (log-Euclidean coordinates), `log_covariances [N, 3] = (m, u, v)`:

      log(cov) = [[m + u, v], [v, m - u]]

  With the paper's factors, cov = R S S^T R^T (eq. 2, 3), rotation t and scales s1, s2:

      m = log(s1 s2),   u = log(s1 / s2) cos 2t,   v = log(s1 / s2) sin 2t

  It has the same three degrees of freedom, is always positive definite, and has neither an angle that wraps nor axes
  that swap, so that averaging, clustering and rounding it make sense.
* At the point p Gaussian i has the value

      e_i(p) = amplitude_i * exp(-1/2 d^T cov_i^-1 d),  d = p - mean_i                  (eq. 5, 6)

  and a weight w_i, which is 0 where e_i is below CUTOFFS[blending]. The blending is one of two:

  - "alpha": the amplitude is an opacity and the weight an alpha, w_i = e_i. Gaussians are blended front to back in the
    order they are stored in (paper eq. 4), over the background:

        C(p) = sum_i color_i w_i prod_{j<i} (1 - w_j) + background prod_j (1 - w_j)

  - "normalized": the colour is the weighted mean of all, to which the background contributes everywhere alike. The
    weight w_i = e_i - CUTOFFS[blending] has no jump, and no order is needed:

        C(p) = (sum_i w_i color_i + BACKGROUND_WEIGHT background) / (sum_i w_i + BACKGROUND_WEIGHT)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from taichi_gs.model.blending import Blending

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Gaussians:
    """A picture as N Gaussians, front to back if that matters; see the module's text for the conventions.

    Attributes:
        means: [N, 2] float32 or float64, (x, y) in pixels.
        log_covariances: [N, 3] float32, the matrix logarithm (m, u, v) of the covariance in square pixels.
        colors: [N, 3] float32, RGB.
        amplitudes: [N] float32, positive; opacities in (0, MAX_OPACITY] if the blending is "alpha".
        background: [3] float32, RGB.
        image_size: (height, width) in pixels.
        blending: "alpha" or "normalized".

    Raises:
        ValueError: if the shapes do not agree, or the blending is not one of the two.
    """

    means: NDArray[np.floating]
    log_covariances: FloatArray
    colors: FloatArray
    amplitudes: FloatArray
    background: FloatArray
    image_size: tuple[int, int]
    blending: Blending

    def __post_init__(self) -> None:
        n = len(self.means)
        expected = {
            "means": (n, 2),
            "log_covariances": (n, 3),
            "colors": (n, 3),
            "amplitudes": (n,),
            "background": (3,),
        }
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
        if self.blending not in get_args(Blending):
            raise ValueError(f"unknown blending {self.blending!r}")

    def __len__(self) -> int:
        return len(self.means)

    def resized(self, image_size: tuple[int, int]) -> Gaussians:
        """Return the same picture at another resolution (height, width), in which S p is what p was, S = diag(sx, sy).

        Covariances become S cov S. With r = hypot(u, v) and q = ln(sx / sy) their logarithms (m', u', v') are given by

            m' = m + ln(sx sy)
            sinh(r') / r' u' = cosh(r) sinh(q) + sinh(r) / r u cosh(q)
            sinh(r') / r' v' = sinh(r) / r v
        """
        factor_y, factor_x = image_size[0] / self.image_size[0], image_size[1] / self.image_size[1]
        m, u, v = self.log_covariances.T.astype(np.float64)
        m += np.log(factor_x * factor_y)
        if factor_x != factor_y:
            r, q = np.hypot(u, v), np.log(factor_x / factor_y)
            slope = np.divide(np.sinh(r), r, out=np.ones_like(r), where=r > 0)
            u, v = np.cosh(r) * np.sinh(q) + slope * u * np.cosh(q), slope * v
            sinh = np.hypot(u, v)
            slope = np.divide(np.arcsinh(sinh), sinh, out=np.ones_like(sinh), where=sinh > 0)
            u, v = slope * u, slope * v
        means = self.means * np.array([factor_x, factor_y])
        log_covariances = np.stack([m, u, v], axis=1)
        return replace(
            self,
            means=means.astype(self.means.dtype),
            log_covariances=log_covariances.astype(np.float32),
            image_size=image_size,
        )
