"""`Parts`: a .tgs file taken apart, and put together again whatever the parts are."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace

from taichi_gs.format.bitstream import MAX_SHORT_CHECKED, SIGNATURE
from taichi_gs.format.chunks import ALPHA_TAG
from taichi_gs.format.header import HAS_CHUNKS
from taichi_gs.format.varint import varint

NUMBERS = ("width", "height", "num_gaussians", "columns", "subdivision_code", "covariance_k", "color_k")
"""The varints of a header in their order."""

_OF_GAUSSIANS = {"columns": 1, "subdivision_code": 0, "covariance_k": 0, "color_k": 0}
"""Those that a file without Gaussians leaves out, and what they are then."""

_BEGINNING = len(SIGNATURE) + 1
"""Everything before the numbers: the signature, and the version and the flags, which share a byte."""


@dataclass(frozen=True)
class Parts:
    """A .tgs file taken apart; `assemble` writes whatever the parts are, possible or not.

    Attributes:
        version, flags: four bits each. The flags decide whether the length of the payload and the chunks are written.
        numbers: the value of each of NUMBERS. The number of Gaussians decides whether the last four are written.
        payload: the entropy-coded bytes.
        chunks: tag and content of each chunk.
    """

    version: int
    flags: int
    numbers: dict[str, int]
    payload: bytes
    chunks: tuple[tuple[bytes, bytes], ...]


def dissect(data: bytes) -> Parts:
    """Take a file apart, its checksum not looked at.

    Raises:
        ValueError: if it is not laid out as a .tgs file.
    """
    rest = memoryview(without_checksum(data))
    if not data.startswith(SIGNATURE) or len(rest) < _BEGINNING:
        raise ValueError("not a .tgs file")
    version, flags = divmod(data[len(SIGNATURE)], 16)
    rest = rest[_BEGINNING:]

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

    numbers: dict[str, int] = {}
    for name in NUMBERS:
        is_there = name not in _OF_GAUSSIANS or numbers["num_gaussians"]
        numbers[name] = take_varint() if is_there else _OF_GAUSSIANS[name]
    payload = take(take_varint() if flags & HAS_CHUNKS else len(rest))
    chunks = []
    while flags & HAS_CHUNKS and rest:
        tag, length = struct.unpack("<4sI", take(8))
        chunks.append((tag, take(length)))
    return Parts(version, flags, numbers, payload, tuple(chunks))


def assemble(parts: Parts) -> bytes:
    """Put a file together, with a good checksum."""
    body = SIGNATURE + bytes([parts.version << 4 | parts.flags])
    names = (name for name in NUMBERS if name not in _OF_GAUSSIANS or parts.numbers["num_gaussians"])
    body += b"".join(varint(parts.numbers[name]) for name in names)
    if parts.flags & HAS_CHUNKS:
        body += varint(len(parts.payload)) + parts.payload + pack(parts.chunks)
    else:
        body += parts.payload
    return with_checksum(body)


def pack(chunks: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Put chunks one after another."""
    return b"".join(struct.pack("<4sI", tag, len(content)) + content for tag, content in chunks)


def with_checksum(body: bytes) -> bytes:
    """Append the bytes of the CRC-32 that a decoder expects."""
    return body + struct.pack("<I", zlib.crc32(body))[: 2 if len(body) <= MAX_SHORT_CHECKED else 4]


def without_checksum(data: bytes) -> bytes:
    """Return a file without the bytes that a decoder takes for its checksum."""
    return data[: -2 if len(data) <= MAX_SHORT_CHECKED + 2 else -4]


def repaired(data: bytes) -> bytes:
    """Return a file with its checksum replaced by a good one, and likewise in its alpha plane."""
    body = without_checksum(data)
    try:
        parts = dissect(data)
    except ValueError:
        return with_checksum(body)
    if ALPHA_TAG not in dict(parts.chunks):
        return with_checksum(body)
    chunks = tuple(
        (tag, with_checksum(without_checksum(content)) if tag == ALPHA_TAG else content)
        for tag, content in parts.chunks
    )
    return assemble(replace(parts, chunks=chunks))
