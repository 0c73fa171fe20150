"""Files made field by field, so that they can be what `taichi_gs.format.bitstream.serialize` never writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import constriction
import numpy as np

SIGNATURE = b"\x89TGS\r\n\x1a\n"
HAS_TAIL, IS_NORMALIZED, IS_SUBDIVIDED, IS_GRAY = 1, 2, 4, 8

NO_RANGES = (0.0, 1.0) * 7


def varint(value: int) -> bytes:
    groups = b""
    while value > 127:
        groups, value = groups + bytes([value & 127 | 128]), value >> 7
    return groups + bytes([value])


def with_checksum(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def chunk(tag: bytes, content: bytes) -> bytes:
    return tag + struct.pack("<I", len(content)) + content


def payload_of(*symbols: tuple[int, list[int]]) -> bytes:
    """Code symbols, each with the edges of its distribution as `docs/format.md` defines them."""
    coder = constriction.stream.queue.RangeEncoder()
    for symbol, edges in symbols:
        # constriction widens the interval of each symbol by one.
        table = np.diff(np.array(edges, dtype=np.float64)) - 1
        coder.encode(np.array([symbol], dtype=np.int32), constriction.stream.model.Categorical(table, perfect=False))
    words = coder.get_compressed()
    return words.astype("<u4").tobytes()


def file_of(
    *,
    version: int = 2,
    flags: int = 0,
    size: tuple[int, int] = (3, 2),
    num_gaussians: int = 0,
    grid: tuple[int, int] = (5, 4),
    subdivision: int | None = None,
    codewords: tuple[int, int] | None = None,
    background: bytes = b"\1\2\3",
    bits: Sequence[int] = (),
    ranges: Sequence[float] = NO_RANGES,
    payload: bytes = b"",
    tail: bytes | None = None,
) -> bytes:
    """Return a file with a valid checksum, by default a background of 3 x 2 pixels and nothing else.

    Args:
        version, flags: as in the file; that there is a tail, a subdivision, or gray is flagged without being told.
        size, grid: width and height, columns and rows.
        subdivision: of the cells, if any.
        codewords: of either codebook; as many as `num_gaussians` allows, but one at most, if not given.
        background: three bytes, or one for gray.
        bits: of the channels, from the first on; 15 at most each, and a last one beyond the channels is reserved.
        ranges: minimum and step of each channel that is stored.
        payload: the entropy-coded part.
        tail: chunks.
    """
    flags |= HAS_TAIL if tail is not None else 0
    flags |= IS_SUBDIVIDED if subdivision is not None else 0
    flags |= IS_GRAY if len(background) == 1 else 0
    codewords = codewords or (min(num_gaussians, 1),) * 2
    numbers = (*size, num_gaussians, *grid, *([] if subdivision is None else [subdivision]), *codewords)
    body = SIGNATURE + bytes([version, flags]) + b"".join(map(varint, numbers)) + background
    body += struct.pack("<I", sum(value << 4 * channel for channel, value in enumerate(bits)))
    body += struct.pack(f"<{len(ranges)}e", *ranges)
    if tail is not None:
        body += varint(len(payload))
    return with_checksum(body + payload + (tail or b""))
