"""The chunks of a .tgs file, after its payload: metadata and the alpha plane, each as tag, length and content."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from taichi_gs.errors import BitstreamError, LimitError
from taichi_gs.format.varint import ByteCursor

METADATA_TAGS = {"icc_profile": b"ICCP", "exif": b"EXIF", "xmp": b"XMP_"}
"""The tags of chunks that only tell something about the picture, by the field of `Picture` that they hold."""

_METADATA = frozenset(METADATA_TAGS.values())

ALPHA_TAG = b"ALPH"
"""The chunk with the alpha plane, a gray .tgs file within the file."""

KNOWN_TAGS = {*_METADATA, ALPHA_TAG}
"""Chunks with other tags are ignored if these begin with a lower-case letter, else refused."""

MAX_CHUNKS = 1000
"""Far more than there are uses for; each takes time to look at, and next to no bytes."""

_TOO_MANY = f"The file has metadata in more pieces than the {MAX_CHUNKS} allowed."


def pack_chunks(chunks: Mapping[bytes, bytes]) -> bytes:
    """Return chunks one after another: tag, length as u32, bytes, which are compressed if metadata.

    Raises:
        BitstreamError, LimitError: if `unpack_chunks` would not take them.
        ValueError: if a tag has not four bytes.
    """
    if any(len(tag) != 4 for tag in chunks):
        raise ValueError("the tag of a chunk must have four bytes")
    if len(chunks) > MAX_CHUNKS:
        raise LimitError(_TOO_MANY)
    for tag in chunks:
        _check_tag(tag)
    packed = {tag: zlib.compress(chunk, 9) if tag in _METADATA else chunk for tag, chunk in chunks.items()}
    return b"".join(struct.pack("<4sI", tag, len(chunk)) + chunk for tag, chunk in packed.items())


def unpack_chunks(cursor: ByteCursor, max_bytes: int) -> dict[bytes, bytes]:
    """Return the chunks that are left to read; the inverse of `pack_chunks`.

    Raises:
        BitstreamError: if they are damaged, or a newer version is needed to understand them.
        LimitError: if they are more than MAX_CHUNKS or have more than `max_bytes`, as they are or decompressed.
    """
    if cursor.remaining > max_bytes:
        raise LimitError(f"The file has {cursor.remaining} bytes of metadata, more than the {max_bytes} allowed.")
    chunks: dict[bytes, bytes] = {}
    room = max_bytes
    while cursor.remaining:
        tag, length = struct.unpack("<4sI", cursor.take(8))
        chunk = cursor.take(length)
        if len(chunks) == MAX_CHUNKS:
            raise LimitError(_TOO_MANY)
        if tag in chunks:
            raise BitstreamError(f"The file is invalid: it has the metadata {tag!r} twice.")
        _check_tag(tag)
        if tag in _METADATA:
            chunk = _decompress(tag, chunk, room)
            room -= len(chunk)
        chunks[tag] = chunk
    return chunks


def _check_tag(tag: bytes) -> None:
    if tag not in KNOWN_TAGS and not tag[:1].islower():
        raise BitstreamError(f"The file has the metadata {tag!r}, which only a newer version understands.")


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
