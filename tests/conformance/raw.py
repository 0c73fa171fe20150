"""Files made field by field, so that they can be what `taichi_gs.format.bitstream.serialize` never writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reference_decoder import STEP_CODES, uniform, weighted

SIGNATURE = b"\x89TG"
HAS_CHUNKS, IS_FRONT_TO_BACK, IS_GRAY, HAS_GRAIN = 1, 2, 4, 8

MAX_SHORT = 4096
"""The most bytes before a checksum of two."""

Symbol = tuple[int, Sequence[int]]
"""A symbol and the edges of its distribution, as `docs/format.md` defines them."""


def varint(value: int) -> bytes:
    groups = b""
    while value > 127:
        groups, value = groups + bytes([value & 127 | 128]), value >> 7
    return groups + bytes([value])


def with_checksum(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))[: 2 if len(body) <= MAX_SHORT else 4]


def without_checksum(data: bytes) -> bytes:
    """Return what `with_checksum` was given."""
    return data[: -2 if len(data) <= MAX_SHORT + 2 else -4]


def chunk(tag: bytes, content: bytes) -> bytes:
    return tag + struct.pack("<I", len(content)) + content


def interval_of(symbols: Iterable[Symbol]) -> tuple[int, int, int]:
    """Return (S, range, bytes of S): the numbers that stand for symbols, in the words of `docs/format.md`.

    This is what its range encoder does, but that all words emitted, and carries, stay in one integer.
    """
    lower, size, num_bytes = 0, 2**64 - 1, 8
    for symbol, edges in symbols:
        if len(edges) > 2:
            scale = size // 2**24
            lower, size = lower + scale * edges[symbol], scale * (edges[symbol + 1] - edges[symbol])
        if size < 2**32:
            lower, size, num_bytes = lower << 32, size << 32, num_bytes + 4
    return lower, size, num_bytes


def payload_of(*symbols: Symbol) -> bytes:
    """Code symbols as an encoder has to."""
    lower, size, num_bytes = interval_of(symbols)
    zeros = next(zeros for zeros in range(num_bytes, -1, -1) if -(-lower >> 8 * zeros) << 8 * zeros < lower + size)
    return (-(-lower >> 8 * zeros)).to_bytes(num_bytes - zeros, "big")


def background_of(*levels: int) -> list[Symbol]:
    """Return the symbols of a background, in units of 17: three, or one of a gray picture."""
    return [(level, uniform(16)) for level in levels or (0, 0, 0)]


def quantizers_of(area_code: int = 0, step_codes: Sequence[int] = (0,) * 7) -> list[Symbol]:
    """Return the symbols of the quantisers: of seven channels, or five of a gray picture."""
    first, *others = step_codes
    differences = [(other - first + 12, weighted(STEP_CODES)) for other in others]
    return [(area_code, uniform(48)), (first, uniform(41)), *differences]


@dataclass(frozen=True)
class RawFile:
    """The fields of a file, by default black of 3 x 2 pixels and nothing else.

    Attributes:
        version, flags: as in the file; that there are chunks is flagged without being told.
        size: width and height.
        num_gaussians: N; the next three are in the file if there are any.
        columns: of the grid.
        subdivision_code: of the cells.
        codewords: of either codebook.
        payload: the entropy-coded part.
        chunks: what follows the payload.
    """

    version: int = 1
    flags: int = 0
    size: tuple[int, int] = (3, 2)
    num_gaussians: int = 0
    columns: int = 5
    subdivision_code: int = 0
    codewords: tuple[int, int] = (1, 1)
    payload: bytes = b""
    chunks: bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the file, with a valid checksum."""
        flags = self.flags | (HAS_CHUNKS if self.chunks is not None else 0)
        numbers = [*self.size, self.num_gaussians]
        if self.num_gaussians:
            numbers += [self.columns, self.subdivision_code, *self.codewords]
        if self.chunks is not None:
            numbers.append(len(self.payload))
        head = SIGNATURE + bytes([self.version << 4 | flags]) + b"".join(map(varint, numbers))
        return with_checksum(head + self.payload + (self.chunks or b""))


def file_of(**fields: Any) -> bytes:
    """Return the file with these fields of RawFile."""
    return RawFile(**fields).to_bytes()
