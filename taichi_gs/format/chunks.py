"""The tail of a .tgs file: metadata and the alpha plane, in chunks of tag, length and content."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from taichi_gs.errors import BitstreamError, LimitError
from taichi_gs.format.varint import Reader

METADATA_TAGS = frozenset({b"ICCP", b"EXIF", b"XMP_"})
"""Chunks of the tail that only tell something about the picture; compressed by zlib since version 2."""

ALPHA_TAG = b"ALPH"
"""The chunk with the alpha plane, a gray .tgs file within the file."""

KNOWN_TAGS = {1: METADATA_TAGS, 2: METADATA_TAGS | {ALPHA_TAG}}
"""Tags of the tail in each version. Others are ignored if they begin with a lower-case letter, else refused."""


def pack_tail(tail: Mapping[bytes, bytes]) -> bytes:
    """Return the chunks of the tail one after another: tag, length as u32, bytes, which are compressed if metadata."""
    if any(len(tag) != 4 for tag in tail):
        raise ValueError("a tag of the tail must have four bytes")
    packed = {tag: zlib.compress(chunk, 9) if tag in METADATA_TAGS else chunk for tag, chunk in tail.items()}
    return b"".join(struct.pack("<4sI", tag, len(chunk)) + chunk for tag, chunk in packed.items())


MAX_CHUNKS = 1000
"""Far more than there are uses for; each takes time to look at, and next to no bytes."""


def unpack_tail(reader: Reader, version: int, max_bytes: int) -> dict[bytes, bytes]:
    """Return the chunks that are left to read; the inverse of `pack_tail`.

    Raises:
        BitstreamError: if they are damaged, or a newer version is needed to understand them.
        LimitError: if they are more than MAX_CHUNKS or have more than `max_bytes`, as they are or decompressed.
    """
    if reader.remaining > max_bytes:
        raise LimitError(f"The file has {reader.remaining} bytes of metadata, more than the {max_bytes} allowed.")
    tail: dict[bytes, bytes] = {}
    room = max_bytes
    while reader.remaining:
        tag, length = struct.unpack("<4sI", reader.take(8))
        chunk = reader.take(length)
        if len(tail) == MAX_CHUNKS:
            raise LimitError(f"The file has metadata in more pieces than the {MAX_CHUNKS} allowed.")
        if tag in tail:
            raise BitstreamError(f"The file is invalid: it has the metadata {tag!r} twice.")
        if tag not in KNOWN_TAGS[version] and not tag[:1].islower():
            raise BitstreamError(f"The file has the metadata {tag!r}, which only a newer version understands.")
        if version > 1 and tag in METADATA_TAGS:
            chunk = _decompress(tag, chunk, room)
            room -= len(chunk)
        tail[tag] = chunk
    return tail


def _decompress(tag: bytes, chunk: bytes, max_bytes: int) -> bytes:
    """Return what a whole zlib stream holds; LimitError if that is more than `max_bytes`."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(chunk, max_bytes + 1)
    except zlib.error as error:
        raise BitstreamError(f"The file is invalid: its metadata {tag!r} cannot be decompressed.") from error
    if len(content) > max_bytes:
        raise LimitError(f"The file's metadata {tag!r} is larger than the {max_bytes} bytes left to it.")
    if not stream.eof or stream.unused_data:
        raise BitstreamError(f"The file is invalid: its metadata {tag!r} is not one zlib stream.")
    return content
