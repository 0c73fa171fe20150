"""What a file may ask for: the bounds of the format, and `Limits` below them.

Nothing read from a file sizes an allocation or a loop before it has been checked against them.
"""

from __future__ import annotations

from dataclasses import dataclass

from taichi_gs.errors import BitstreamError, LimitError

MAX_SIDE = 65535
MAX_GAUSSIANS = 1 << 24
MAX_CODEWORDS = 65536

FREE_GAUSSIANS = 4096
GAUSSIANS_PER_BYTE = 64
"""N is at most 4096 + 64 * payload bytes: identical Gaussians cost nothing, and a tiny file could claim any number."""

FREE_PAIRS = 1 << 22
PAIRS_PER_BYTE = 64
PIXELS_PER_PAIR = 8
"""For `Limits.pairs_allowed`: what a file may ask for because of its size."""

WORST_PAIRS = 5 << 19
PAIRS_PER_GAUSSIAN = 12
SAMPLES_PER_PAIR = 28
"""Likewise: what a file with as many Gaussians and pixels as it may have can ask for; how many more it can for
each Gaussian less; and for how many samples less it can ask for one more. These take about as much time."""

FREE_PAYLOAD_BYTES = 1024
PAYLOAD_BYTES_PER_GAUSSIAN = 16
PAYLOAD_BYTES_PER_CODEWORD = 16
"""A payload is at most so large. A Gaussian has at most 32 bits for its cell, 33 for the index into either codebook,
and 24 for its offset; a codeword has at most 12 for each channel, and 13 for its place in the order of each."""

MAX_PAIRS = (1 << 31) - 1
"""Lists of pairs have 32-bit indices."""


@dataclass(frozen=True)
class Limits:
    """What a file may ask for before it is refused with LimitError; what the format does not allow is refused as well.

    Attributes:
        max_pixels: width times height; the default is Pillow's.
        max_side: width, height, and the rows and columns of the grid; the format itself ends at 65535.
        max_gaussians: N, of the picture and its alpha plane together; the format itself ends at 2**24 for either, and
            a file's payload bounds it further.
        max_codewords: codewords of either codebook.
        max_chunk_bytes: bytes of the chunks, as they are in the file and when decompressed.
        max_pairs: pairs of a Gaussian and a tile of 16 x 16 pixels that it reaches, for which drawing takes time and
            memory; if None, what `pairs_allowed` says.
    """

    max_pixels: int = 89_478_485
    max_side: int = MAX_SIDE
    max_gaussians: int = 400_000
    max_codewords: int = 16_384
    max_chunk_bytes: int = 16_777_216
    max_pairs: int | None = None

    @property
    def file_bytes_allowed(self) -> int:
        """How large a file can be that keeps all other limits, its alpha plane and metadata included."""
        return (
            2 * FREE_PAYLOAD_BYTES + _payload_bytes(self.max_gaussians, 2 * self.max_codewords) + self.max_chunk_bytes
        )

    def pairs_allowed(self, num_bytes: int, num_gaussians: int, num_pixels: int, num_samples: int) -> int:
        """Return how many pairs the Gaussians of a file may have where they are drawn.

        Photographs have 5 to 60 pairs a byte, and about 15 for every 256 pixels, drawn at whatever size. What a file
        leaves of its Gaussians and of its pixels, it may have in pairs.

        Args:
            num_bytes: of the file, but for its chunks.
            num_gaussians: N, of its alpha plane too.
            num_pixels: of its picture or, if there are more of them, samples of the whole picture as it is drawn.
            num_samples: that are to be drawn, in all layers together.
        """
        if self.max_pairs is not None:
            return min(self.max_pairs, MAX_PAIRS)
        by_size = FREE_PAIRS + PAIRS_PER_BYTE * num_bytes + min(num_pixels, self.max_pixels) // PIXELS_PER_PAIR
        gaussians_left = max(0, self.max_gaussians - num_gaussians)
        samples_left = max(0, 2 * self.max_pixels - num_samples)
        by_time = WORST_PAIRS + PAIRS_PER_GAUSSIAN * gaussians_left + samples_left // SAMPLES_PER_PAIR
        return min(by_size, by_time, MAX_PAIRS)


FORMAT_LIMITS = Limits(
    max_pixels=MAX_SIDE**2,
    max_gaussians=MAX_GAUSSIANS,
    max_codewords=MAX_CODEWORDS,
    max_chunk_bytes=1 << 32,
    max_pairs=MAX_PAIRS,
)
"""What the format itself allows: for files that are our own."""


def check_payload_bytes(payload_bytes: int, num_gaussians: int, num_codewords: int) -> None:
    """Raise LimitError if a payload is larger than its Gaussians and the codewords of both codebooks can need."""
    allowed = FREE_PAYLOAD_BYTES + _payload_bytes(num_gaussians, num_codewords)
    if payload_bytes > allowed:
        raise LimitError(
            f"The file has {payload_bytes} bytes of payload, more than the {allowed} allowed for its Gaussians and "
            "codewords."
        )


def _payload_bytes(num_gaussians: int, num_codewords: int) -> int:
    return PAYLOAD_BYTES_PER_GAUSSIAN * num_gaussians + PAYLOAD_BYTES_PER_CODEWORD * num_codewords


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
