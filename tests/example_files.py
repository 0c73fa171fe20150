"""Files of each kind, and files made field by field, for tests of reading and writing them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from conformance.raw import with_checksum
from quantized_pictures import gray_picture, quantized_picture

from taichi_gs.format.bitstream import SIGNATURE, serialize

PICTURE = quantized_picture()
FILE = serialize(PICTURE)
TAIL = {b"ICCP": b"a profile", b"EXIF": b"", b"note": b"of no interest"}
FILE_WITH_TAIL = serialize(PICTURE, TAIL)
FULL_PICTURE = quantized_picture(blending="normalized", subdivision=40, grid_size=(5, 7))
FULL_FILE = serialize(FULL_PICTURE, TAIL)
"""A file with all flags but gray."""

GRAY_PICTURE = gray_picture(bits=4)
GRAY_FILE = serialize(GRAY_PICTURE)
ALPHA = serialize(gray_picture(num_gaussians=20, bits=4, seed=5))
GRAY_ALPHA_FILE = serialize(GRAY_PICTURE, {**TAIL, b"ALPH": ALPHA})
ALPHA_FILE = serialize(FULL_PICTURE, {b"ALPH": ALPHA})


def file_of(
    numbers: Sequence[int] = (3, 2, 0, 5, 4, 0, 0),
    flags: int = 0,
    bits: int = 0,
    ranges: Sequence[float] = (0.0, 1.0) * 7,
    rest: bytes = b"",
    version: int = 2,
) -> bytes:
    """A file with a valid checksum, by default a background of 3 x 2 pixels and nothing else.

    `numbers` are width, height, N, columns, rows, the subdivision if flagged, and the two numbers of codewords, below
    2**14; `rest` is all that follows the ranges.
    """
    varints = b"".join(bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7]) for n in numbers)
    header = SIGNATURE + bytes([version, flags]) + varints + bytes([1, 2, 3] if not flags & 8 else [1])
    return with_checksum(header + struct.pack(f"<I{len(ranges)}e", bits, *ranges) + rest)
