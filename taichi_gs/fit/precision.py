"""What a file may spend and on what: codebook sizes, bits, and the squared error that a bit is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

RATE_SLOPE = 0.25
"""What a bit is worth, in units of (squared error of the picture) / (bits of its file).

Along a photograph's rate-distortion curve d ln(squared error) / d ln(bits) is about -0.55. Less is charged here: the
curvatures by which prices are compared are those of single parameters, and Gaussians that overlap err together.
"""


@dataclass(frozen=True)
class Precision:
    """What a file may spend, and on what.

    Attributes:
        num_codewords: the size of each codebook, by name in VECTORS.
        position_bits: bits of either coordinate; None lets rate and distortion decide.
        channel_bits: bits of each channel of the codewords, by name in VECTORS; None, or no entry, likewise.
        max_bytes: the file's size is kept at or below it, if given.
    """

    num_codewords: dict[str, int]
    position_bits: int | None = None
    channel_bits: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    max_bytes: int | None = None

    def bit_price(self, squared_error: float, num_gaussians: int) -> float:
        """The squared error that one bit is worth while the whole picture has `squared_error`."""
        index_bits = sum(math.log2(max(k, 2)) for k in self.num_codewords.values())
        codebook_bits = sum(6.0 * k * d for k, d in zip(self.num_codewords.values(), (3, 4), strict=True))
        # Ten bits a position: a rough figure will do here.
        return RATE_SLOPE * squared_error / (num_gaussians * (10.0 + index_bits) + codebook_bits)
