"""The Lagrangian of rate and distortion: the squared error that one bit of the file is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

from taichi_gs.fit.config import FitConfig
from taichi_gs.model.quantized import COLOR_CHANNELS, COVARIANCE_CHANNELS


@dataclass(frozen=True)
class Lagrangian:
    """How λ follows from the error that there is and from the bits that the file is expected to have.

    Attributes:
        rate_slope: λ in units of (squared error of the picture) / (bits of its file). Along a photograph's
            rate-distortion curve d ln(squared error) / d ln(bits) is about -0.55. Less is charged: the curvatures that
            it is compared with are those of single parameters, and Gaussians that overlap err together.
        position_bits: of one Gaussian; a rough figure will do.
        channel_bits: of one number of a codeword, likewise.
    """

    rate_slope: float = 0.25
    position_bits: float = 10.0
    channel_bits: float = 6.0

    def weight(self, squared_error: float, num_gaussians: int, config: FitConfig) -> float:
        """Return λ, the squared error that one bit is worth while the whole picture has `squared_error`."""
        index_bits = sum(math.log2(max(k, 2)) for k in (config.covariance_k, config.color_k))
        codebook_numbers = config.covariance_k * COVARIANCE_CHANNELS + config.color_k * COLOR_CHANNELS
        num_bits = num_gaussians * (self.position_bits + index_bits) + self.channel_bits * codebook_numbers
        return self.rate_slope * squared_error / num_bits
