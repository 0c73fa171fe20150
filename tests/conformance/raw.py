"""Files made field by field, so that they can be what `taichi_gs.format.bitstream.serialize` never writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class RawFile:
    """The fields of a file, by default a background of 3 x 2 pixels and nothing else.

    Attributes:
        version, flags: as in the file; that there is a tail, a subdivision, or gray is flagged without being told.
        size, grid: width and height, columns and rows.
        num_gaussians: N.
        subdivision: of the cells, if any.
        codewords: of either codebook; as many as `num_gaussians` allows, but one at most, if not given.
        background: three bytes, or one for gray.
        bits: of the channels, from the first on; 15 at most each, and a last one beyond the channels is reserved.
        ranges: minimum and step of each channel that is stored.
        payload: the entropy-coded part.
        tail: chunks.
    """

    version: int = 2
    flags: int = 0
    size: tuple[int, int] = (3, 2)
    num_gaussians: int = 0
    grid: tuple[int, int] = (5, 4)
    subdivision: int | None = None
    codewords: tuple[int, int] | None = None
    background: bytes = b"\1\2\3"
    bits: Sequence[int] = ()
    ranges: Sequence[float] = NO_RANGES
    payload: bytes = b""
    tail: bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the file, with a valid checksum."""
        flags = self.flags | (HAS_TAIL if self.tail is not None else 0)
        flags |= IS_SUBDIVIDED if self.subdivision is not None else 0
        flags |= IS_GRAY if len(self.background) == 1 else 0
        codewords = self.codewords or (min(self.num_gaussians, 1),) * 2
        subdivision = [] if self.subdivision is None else [self.subdivision]
        numbers = (*self.size, self.num_gaussians, *self.grid, *subdivision, *codewords)
        body = SIGNATURE + bytes([self.version, flags]) + b"".join(map(varint, numbers)) + self.background
        body += struct.pack("<I", sum(value << 4 * channel for channel, value in enumerate(self.bits)))
        body += struct.pack(f"<{len(self.ranges)}e", *self.ranges)
        if self.tail is not None:
            body += varint(len(self.payload))
        return with_checksum(body + self.payload + (self.tail or b""))


def file_of(**fields: Any) -> bytes:
    """Return the file with these fields of RawFile."""
    return RawFile(**fields).to_bytes()
