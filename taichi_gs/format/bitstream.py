"""The .tgs format: `QuantizedGaussians` to bytes and back. `docs/format.md` is its specification.

    signature 3 | header about 12 | payload | chunks (if flagged) | checksum 2 or 4

The checksum is verified before anything else is believed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace

from taichi_gs.errors import BitstreamError
from taichi_gs.format.chunks import ALPHA_TAG, pack_chunks, unpack_chunks
from taichi_gs.format.header import VERSION, Header, check_header, describe, pack_header, unpack_header
from taichi_gs.format.limits import FORMAT_LIMITS, Limits, check_sides
from taichi_gs.format.payload import decode_payload, encode_payload
from taichi_gs.format.varint import ByteCursor
from taichi_gs.model.lattice import Lattice
from taichi_gs.model.quantized import QuantizedGaussians

SIGNATURE = b"\x89TG"

_DRAFT_SIGNATURE = b"\x89TGS\r\n\x1a\n"

_SHORT_CHECKSUM, _LONG_CHECKSUM = 2, 4

MAX_SHORT_CHECKED = 4096
"""So many bytes before it have a checksum of two bytes, more have one of four."""

_LOOKALIKES = {
    b"\x1f\x8b": "a Telegram animated sticker, which also ends in .tgs, or another gzip file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"RIFF": "a WebP image or another RIFF file",
    b"GIF8": "a GIF image",
}


def serialize(quantized: QuantizedGaussians, chunks: Mapping[bytes, bytes] | None = None) -> bytes:
    """Return the .tgs file of a picture; `parse` returns `quantized.canonical()`.

    Of a picture without Gaussians, the file does not say the grid, the subdivision and the quantisers.

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
    return body + _checksum(body)


def num_bytes_of(quantized: QuantizedGaussians) -> int:
    """Return the size of the .tgs file of a picture, without chunks; errors are those of `serialize`."""
    header, payload = _encode(quantized)
    body_bytes = len(SIGNATURE) + len(pack_header(header, has_chunks=False)) + len(payload)
    return body_bytes + _num_checksum_bytes(body_bytes)


def _encode(quantized: QuantizedGaussians) -> tuple[Header, bytes]:
    """The header and the payload of a picture; what could not be read must not be written."""
    quantized = quantized.canonical()
    # This first: lattices rely on sides that are possible.
    check_sides(quantized.image_size, quantized.grid_size, FORMAT_LIMITS)
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
    return replace(header, chunks=unpack_chunks(cursor, limits.max_chunk_bytes))


def _verified(data: bytes) -> bytes:
    """Return `data` without its checksum, having verified signature, version and checksum in this order."""
    if not data:
        raise BitstreamError("The file is empty.")
    if not data.startswith(SIGNATURE):
        if SIGNATURE.startswith(data):
            raise BitstreamError("The file is truncated: it ends within its signature.")
        guess = next((f"; it looks like {name}" for magic, name in _LOOKALIKES.items() if data.startswith(magic)), "")
        raise BitstreamError(f"This is not a .tgs file of Gaussians{guess}.")
    if data.startswith(_DRAFT_SIGNATURE):
        raise BitstreamError("The file is of a draft of the format, from before 0.1.0; encode its picture again.")
    version = data[len(SIGNATURE) : len(SIGNATURE) + 1]
    if version and version[0] >> 4 != VERSION:
        raise BitstreamError(f"The file has version {version[0] >> 4} of the format, and only {VERSION} is understood.")
    num_bytes = _num_checksum_bytes(len(data) - _SHORT_CHECKSUM)
    body, checksum = data[:-num_bytes], data[-num_bytes:]
    if len(body) <= len(SIGNATURE) or _checksum(body) != checksum:
        raise BitstreamError("The file is damaged or truncated: its checksum does not match.")
    return body


def _num_checksum_bytes(body_bytes: int) -> int:
    return _SHORT_CHECKSUM if body_bytes <= MAX_SHORT_CHECKED else _LONG_CHECKSUM


def _checksum(body: bytes) -> bytes:
    """The low bytes of the CRC-32 of everything before it, the lowest first."""
    return zlib.crc32(body).to_bytes(_LONG_CHECKSUM, "little")[: _num_checksum_bytes(len(body))]
