"""`Parts`: a .tgs file taken apart, and put together again whatever the parts are."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace

from taichi_gs.format.bitstream import SIGNATURE
from taichi_gs.format.chunks import ALPHA_TAG
from taichi_gs.format.header import HAS_CHUNKS, IS_GRAY, IS_SUBDIVIDED
from taichi_gs.format.varint import varint

NUMBERS = ("width", "height", "num_gaussians", "columns", "rows", "subdivision", "covariance_k", "color_k")
"""The varints of a header in their order."""

_CHROMA_RANGES = slice(6, 10)
"""Where those of Co and Cg, which gray files leave out, are among the 14 numbers of the ranges."""


@dataclass(frozen=True)
class Parts:
    """A .tgs file taken apart; `assemble` writes whatever the parts are, possible or not.

    Attributes:
        version, flags: a byte each. The flags decide which of the other parts are written.
        numbers: the value of each of NUMBERS.
        background: three bytes.
        bits: of all channels, as one u32.
        ranges: 14 float16 numbers as integers, minimum and step of each channel.
        payload: the entropy-coded bytes.
        chunks: tag and content of each chunk.
    """

    version: int
    flags: int
    numbers: dict[str, int]
    background: bytes
    bits: int
    ranges: tuple[int, ...]
    payload: bytes
    chunks: tuple[tuple[bytes, bytes], ...]


def dissect(data: bytes) -> Parts:
    """Take a file apart, its checksum not looked at.

    Raises:
        ValueError: if it is not laid out as a .tgs file.
    """
    if not data.startswith(SIGNATURE) or len(data) < 14:
        raise ValueError("not a .tgs file")
    rest = memoryview(data)[:-4]
    version, flags = data[8], data[9]
    rest = rest[10:]

    def take(count: int) -> bytes:
        nonlocal rest
        if count > len(rest):
            raise ValueError("a part is cut off")
        taken, rest = bytes(rest[:count]), rest[count:]
        return taken

    def take_varint() -> int:
        value = shift = 0
        while True:
            (group,) = take(1)
            value |= (group & 127) << shift
            shift += 7
            if group < 128 or shift > 63:
                return value

    numbers = {name: take_varint() for name in NUMBERS if name != "subdivision" or flags & IS_SUBDIVIDED}
    background = take(1) * 3 if flags & IS_GRAY else take(3)
    (bits,) = struct.unpack("<I", take(4))
    count = 10 if flags & IS_GRAY else 14
    ranges = list(struct.unpack(f"<{count}H", take(2 * count)))
    if flags & IS_GRAY:
        ranges[_CHROMA_RANGES.start : _CHROMA_RANGES.start] = [0] * 4
    payload = take(take_varint() if flags & HAS_CHUNKS else len(rest))
    chunks = []
    while flags & HAS_CHUNKS and rest:
        tag, length = struct.unpack("<4sI", take(8))
        chunks.append((tag, take(length)))
    return Parts(version, flags, {"subdivision": 0, **numbers}, background, bits, tuple(ranges), payload, tuple(chunks))


def assemble(parts: Parts) -> bytes:
    """Put a file together, with a good checksum."""
    flags = parts.flags
    body = SIGNATURE + bytes([parts.version, flags])
    body += b"".join(varint(parts.numbers[name]) for name in NUMBERS if name != "subdivision" or flags & IS_SUBDIVIDED)
    ranges = list(parts.ranges)
    if flags & IS_GRAY:
        del ranges[_CHROMA_RANGES]
    body += parts.background[: 1 if flags & IS_GRAY else 3]
    body += struct.pack(f"<I{len(ranges)}H", parts.bits, *ranges)
    if flags & HAS_CHUNKS:
        body += varint(len(parts.payload)) + parts.payload
        body += b"".join(struct.pack("<4sI", tag, len(content)) + content for tag, content in parts.chunks)
    else:
        body += parts.payload
    return with_checksum(body)


def with_checksum(body: bytes) -> bytes:
    """Append the CRC-32 that a decoder expects."""
    return body + struct.pack("<I", zlib.crc32(body))


def repaired(data: bytes) -> bytes:
    """Return a file with its last four bytes replaced by a good checksum, and likewise in its alpha plane."""
    try:
        parts = dissect(data)
    except ValueError:
        return with_checksum(data[:-4])
    if ALPHA_TAG not in dict(parts.chunks):
        return with_checksum(data[:-4])
    chunks = tuple((tag, with_checksum(content[:-4]) if tag == ALPHA_TAG else content) for tag, content in parts.chunks)
    return assemble(replace(parts, chunks=chunks))
