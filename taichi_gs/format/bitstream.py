"""The .tgs format, version 2: `QuantizedGaussians` to bytes and back. `docs/format.md` is its specification.

Files of version 1 are read too.

    signature 8 | header about 50 | payload | chunks (if flagged) | CRC-32 4

The checksum is verified before anything else is believed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import replace

from taichi_gs.errors import BitstreamError
from taichi_gs.format.chunks import ALPHA_TAG, pack_chunks, unpack_chunks
from taichi_gs.format.header import KNOWN_FLAGS, Header, check_header, describe, pack_header, unpack_header
from taichi_gs.format.limits import FORMAT_LIMITS, Limits, check_ranges, check_sides
from taichi_gs.format.payload import decode_payload, encode_payload
from taichi_gs.format.varint import ByteCursor
from taichi_gs.model.lattice import Lattice
from taichi_gs.model.quantized import QuantizedGaussians

SIGNATURE = b"\x89TGS\r\n\x1a\n"

CHECKSUM_BYTES = 4

_LOOKALIKES = {
    b"\x1f\x8b": "a Telegram animated sticker, which also ends in .tgs, or another gzip file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"RIFF": "a WebP image or another RIFF file",
    b"GIF8": "a GIF image",
}


def serialize(quantized: QuantizedGaussians, chunks: Mapping[bytes, bytes] | None = None) -> bytes:
    """Return the .tgs file of a picture; `parse` returns `quantized.canonical()`.

    Args:
        quantized: the picture.
        chunks: four-byte tag to bytes: b"ICCP" an ICC profile, b"EXIF" and b"XMP_" what their names say, b"ALPH" the
            .tgs file of the alpha plane, a gray picture of the same size.

    Raises:
        BitstreamError: if the format cannot hold the picture, for instance a side of more than 65535 pixels.
        ValueError: if a cell, an offset, an index or a symbol is out of the range that `quantized` itself gives it.
    """
    header, payload = _encode(quantized)
    packed_chunks = pack_chunks(chunks or {})
    body = SIGNATURE + pack_header(header, has_chunks=bool(packed_chunks)) + payload + packed_chunks
    return body + struct.pack("<I", zlib.crc32(body))


def num_bytes_of(quantized: QuantizedGaussians) -> int:
    """Return the size of the .tgs file of a picture, without chunks; errors are those of `serialize`."""
    header, payload = _encode(quantized)
    return len(SIGNATURE) + len(pack_header(header, has_chunks=False)) + len(payload) + CHECKSUM_BYTES


def _encode(quantized: QuantizedGaussians) -> tuple[Header, bytes]:
    """The header and the payload of a picture; what could not be read must not be written."""
    quantized = quantized.canonical()
    # These first: lattices rely on sides and ranges that are possible.
    check_sides(quantized.image_size, quantized.grid_size, FORMAT_LIMITS)
    quantizers = (*quantized.covariance_codebook.quantizers, *quantized.color_codebook.quantizers)
    check_ranges(quantizers, quantized.blending)
    payload = encode_payload(quantized)
    header = describe(quantized, len(payload))
    check_header(header, FORMAT_LIMITS)
    return header, payload


def parse(data: bytes, limits: Limits | None = None) -> QuantizedGaussians:
    """Return the picture that a .tgs file holds.

    Args:
        data: the whole file.
        limits: what it may ask for; `Limits()` if not given.

    Raises:
        BitstreamError: if `data` is not a whole, undamaged .tgs file of a version that is understood.
        LimitError: if it asks for more than `limits` allow.
    """
    return parse_integers(data, parse_header(data, limits))[0]


def parse_integers(data: bytes, header: Header) -> tuple[QuantizedGaussians, Lattice]:
    """Do the part of `parse` that comes after `parse_header`; return the picture and its lattices."""
    return decode_payload(data[header.header_bytes : header.header_bytes + header.payload_bytes], header)


def parse_header(data: bytes, limits: Limits | None = None) -> Header:
    """Return what a .tgs file says of itself, the checksum verified but the payload not decoded.

    Raises:
        BitstreamError, LimitError: as `parse`, for everything outside the payload.
    """
    limits = limits or Limits()
    header = _parse_header(data, limits)
    if ALPHA_TAG not in header.chunks:
        return header
    alpha = _parse_header(header.chunks[ALPHA_TAG], limits, is_plane=True)
    if not alpha.is_gray or alpha.image_size != header.image_size:
        raise BitstreamError("The file is invalid: its alpha plane is not a gray picture of the same size.")
    return replace(header, alpha=alpha)


def _parse_header(data: bytes, limits: Limits, *, is_plane: bool = False) -> Header:
    """Do the work of `parse_header`, but for what is within the alpha plane; that itself may have no chunks."""
    cursor = ByteCursor(_verified(data))
    cursor.take(len(SIGNATURE))
    header = unpack_header(cursor, is_plane=is_plane)
    check_header(header, limits)
    cursor.take(header.payload_bytes)
    return replace(header, chunks=unpack_chunks(cursor, header.version, limits.max_chunk_bytes))


def _verified(data: bytes) -> bytes:
    """Return `data` without its checksum, having verified signature, version and checksum in this order."""
    if not data:
        raise BitstreamError("The file is empty.")
    if not data.startswith(SIGNATURE):
        if SIGNATURE.startswith(data):
            raise BitstreamError("The file is truncated: it ends within its signature.")
        guess = next((f"; it looks like {name}" for magic, name in _LOOKALIKES.items() if data.startswith(magic)), "")
        raise BitstreamError(f"This is not a .tgs file of Gaussians{guess}.")
    version = data[len(SIGNATURE) : len(SIGNATURE) + 1]
    if version and version[0] not in KNOWN_FLAGS:
        understood = " and ".join(map(str, KNOWN_FLAGS))
        raise BitstreamError(f"The file has version {version[0]} of the format, and only {understood} are understood.")
    body, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if len(body) < len(SIGNATURE) + 2 or struct.pack("<I", zlib.crc32(body)) != checksum:
        raise BitstreamError("The file is damaged or truncated: its checksum does not match.")
    return body
