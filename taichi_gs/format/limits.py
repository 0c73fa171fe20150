"""What a file may ask for: the bounds of the format, and `Limits` below them.

Nothing read from a file sizes an allocation or a loop before it has been checked against them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from taichi_gs.errors import BitstreamError, LimitError
from taichi_gs.model.blending import Blending
from taichi_gs.model.quantized import (
    MAX_ANISOTROPY_CODE,
    MAX_BITS,
    MAX_LOG_AREA_CODE,
    UniformQuantizer,
    color_bounds,
)

MAX_SIDE = 65535
MAX_GAUSSIANS = 1 << 24
MAX_CODEWORDS = 65536

FREE_GAUSSIANS = 4096
GAUSSIANS_PER_BYTE = 64
"""N is at most 4096 + 64 * payload bytes: identical Gaussians cost nothing, and a tiny file could claim any number."""

FREE_PAIRS = 1 << 22
PAIRS_PER_BYTE = 64
PIXELS_PER_PAIR = 8
"""For `Limits.pairs_allowed`."""

MAX_PAIRS = (1 << 31) - 1
"""Lists of pairs have 32-bit indices."""


@dataclass(frozen=True)
class Limits:
    """What a file may ask for before it is refused with LimitError; what the format does not allow is refused as well.

    Attributes:
        max_pixels: width times height; the default is Pillow's.
        max_side: width, height, and the rows and columns of the grid; the format itself ends at 65535.
        max_gaussians: N; the format itself ends at 2**24, and a file's payload bounds it further.
        max_codewords: codewords of either codebook.
        max_chunk_bytes: bytes of the chunks, as they are in the file and when decompressed.
        max_pairs: pairs of a Gaussian and a tile of 16 x 16 pixels that it reaches, for which drawing takes time and
            memory; if None, what `pairs_allowed` says.
    """

    max_pixels: int = 89_478_485
    max_side: int = MAX_SIDE
    max_gaussians: int = 4_194_304
    max_codewords: int = MAX_CODEWORDS
    max_chunk_bytes: int = 16_777_216
    max_pairs: int | None = None

    def pairs_allowed(self, num_bytes: int, num_pixels: int) -> int:
        """Return how many pairs the Gaussians of a file may have where they are drawn.

        Photographs have 5 to 20 pairs a byte, and about 30 for every 256 pixels, drawn at whatever size.

        Args:
            num_bytes: of the file, but for its chunks.
            num_pixels: of its picture or, if there are more of them, samples that are to be drawn.
        """
        allowed = self.max_pairs
        if allowed is None:
            allowed = FREE_PAIRS + PAIRS_PER_BYTE * num_bytes + num_pixels // PIXELS_PER_PAIR
        return min(allowed, MAX_PAIRS)


FORMAT_LIMITS = Limits(
    max_pixels=MAX_SIDE**2, max_gaussians=MAX_GAUSSIANS, max_chunk_bytes=1 << 32, max_pairs=MAX_PAIRS
)
"""What the format itself allows: for files that are our own."""


def check_ranges(quantizers: Sequence[UniformQuantizer], blending: Blending) -> None:
    """Raise BitstreamError if a quantiser, of the channels of both codebooks in turn, is impossible or too wide."""
    bounds = [MAX_LOG_AREA_CODE, *[MAX_ANISOTROPY_CODE] * 2, *color_bounds(blending)]
    for channel, (quantizer, bound) in enumerate(zip(quantizers, bounds, strict=True)):
        if quantizer.bits > MAX_BITS:
            raise BitstreamError(
                f"Channel {channel} has {quantizer.bits} bits, more than the {MAX_BITS} of the format."
            )
        if not (math.isfinite(quantizer.minimum) and math.isfinite(quantizer.step)):
            raise BitstreamError(f"Channel {channel} has a range that is not finite.")
        if quantizer.bits and quantizer.step <= 0:
            raise BitstreamError(f"Channel {channel} has a step that is not positive.")
        reach = max(abs(quantizer.minimum), abs(quantizer.minimum + quantizer.step * (quantizer.num_levels - 1)))
        if reach > bound:
            raise BitstreamError(f"Channel {channel} has a range that goes beyond {bound:.0f}.")


def check_sides(image_size: tuple[int, int], grid_size: tuple[int, int], limits: Limits) -> None:
    """Raise BitstreamError or LimitError if (height, width) or (rows, columns) are zero or too large."""
    (height, width), (rows, columns) = image_size, grid_size
    max_side = min(limits.max_side, MAX_SIDE)
    for what, value, most in (
        ("pixels of width", width, max_side),
        ("pixels of height", height, max_side),
        ("columns of cells", columns, max_side),
        ("rows of cells", rows, max_side),
        ("pixels", width * height, limits.max_pixels),
    ):
        if value == 0:
            raise BitstreamError(f"The file is invalid: it has no {what}.")
        if value > most:
            raise LimitError(f"The file has {value} {what}, more than the {most} allowed.")
