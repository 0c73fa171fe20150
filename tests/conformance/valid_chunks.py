"""The files of `valid/` with chunks: metadata, alpha planes, and such as are to be skipped; and both checksums."""

from __future__ import annotations

import struct
import zlib
from functools import cache

from conformance.pictures import Case, gray, normalized, random_picture
from conformance.raw import HAS_CHUNKS, MAX_SHORT, chunk, varint, with_checksum, without_checksum
from picture_files import icc_profile

from taichi_gs.format.bitstream import parse_header, serialize
from taichi_gs.model.lattice import subdivision_of

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
EXIF = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 274, 3, 1, 6) + bytes(4)
"""A TIFF header and one entry: the orientation 6, which decoders must not apply."""


@cache
def color_profile() -> bytes:
    """An ICC profile: sRGB's primaries and a gamma of 2.2."""
    columns = {b"rXYZ": (28578, 14586, 912), b"gXYZ": (25238, 46981, 6362), b"bXYZ": (9380, 3967, 46793)}
    tags = {name: b"XYZ \0\0\0\0" + struct.pack(">3i", *column) for name, column in columns.items()}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563)
    return icc_profile(b"mntr", b"RGB ", b"XYZ ", {**tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def gray_profile() -> bytes:
    return icc_profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, 563)})


def with_chunks(data: bytes, chunks: bytes) -> bytes:
    """Return a file without chunks with some that are taken as they are."""
    header = parse_header(data)
    start, end = header.header_bytes, header.header_bytes + header.payload_bytes
    body = data[:3] + bytes([data[3] | HAS_CHUNKS]) + data[4:start] + varint(header.payload_bytes)
    return with_checksum(body + data[start:end] + chunks)


def checksums() -> list[Case]:
    """Return the largest file with a checksum of two bytes and the smallest one with four."""
    data = with_chunks(serialize(normalized(5, seed=3)), b"")
    room = MAX_SHORT - len(without_checksum(data)) - 8
    sizes = {"checksum_of_2_bytes": (MAX_SHORT, room), "checksum_of_4_bytes": (MAX_SHORT + 1, room + 1)}
    return [
        Case(
            name,
            f"{number} bytes before the checksum",
            with_chunks(serialize(normalized(5, seed=3)), chunk(b"note", bytes(size))),
        )
        for name, (number, size) in sizes.items()
    ]


def files_with_chunks() -> list[Case]:
    """Return the files of `valid/` with metadata, alpha planes and other chunks."""
    plane = serialize(gray(12, subdivision=subdivision_of(36), columns=4, background=(0, 0, 0), seed=5))
    plain_plane = serialize(gray(5, blending="alpha", background=(255, 255, 255), seed=6))
    flat_plane = serialize(gray(0, background=(136, 136, 136)))
    color, luma = normalized(15, seed=7), gray(15, seed=8)
    everything = {b"ICCP": color_profile(), b"EXIF": EXIF, b"XMP_": XMP, b"ALPH": plane}
    made: dict[str, tuple[str, bytes]] = {
        "alpha_plane": ("an alpha plane: normalised, subdivided", serialize(color, {b"ALPH": plane})),
        "alpha_plane_blended": ("an alpha plane blended front to back", serialize(color, {b"ALPH": plain_plane})),
        "alpha_plane_flat": (
            "an alpha plane without Gaussians: half transparent",
            serialize(color, {b"ALPH": flat_plane}),
        ),
        "blended_alpha_plane": (
            "blended front to back, and an alpha plane",
            serialize(random_picture(15, seed=9), {b"ALPH": flat_plane}),
        ),
        "gray_alpha": ("gray with an alpha plane", serialize(luma, {b"ALPH": plane})),
        "gray_all": (
            "gray, with every kind of chunk",
            serialize(
                gray(15, subdivision=subdivision_of(42), columns=5, seed=8),
                {**everything, b"ICCP": gray_profile(), b"note": b"a"},
            ),
        ),
        "icc_profile": ("an ICC profile", serialize(color, {b"ICCP": color_profile()})),
        "exif": ("Exif with an orientation, which is not to be applied", serialize(color, {b"EXIF": EXIF})),
        "xmp": ("an XMP packet", serialize(color, {b"XMP_": XMP})),
        "every_chunk": ("profile, Exif, XMP and alpha plane, in this order", serialize(color, everything)),
        "every_chunk_reversed": (
            "the same in the reverse order",
            serialize(color, dict(reversed(everything.items()))),
        ),
        "unknown_chunks": (
            "chunks to be skipped: their tags begin with a lower-case letter, and may go on with any bytes",
            serialize(color, {b"note": b"of no interest", b"z\0\xff ": b"", b"xTGS": bytes(range(40))}),
        ),
        "no_chunks": ("chunks are flagged, but there are none", with_chunks(serialize(color), b"")),
        "empty_metadata": ("XMP of no bytes, compressed", serialize(color, {b"XMP_": b""})),
        "stored_metadata": (
            "metadata in a zlib stream of stored blocks",
            with_chunks(serialize(color), chunk(b"XMP_", zlib.compress(XMP, 0))),
        ),
        "chunks_after_no_payload": (
            "chunks after an empty payload",
            serialize(normalized(0, background=(0, 0, 0)), {b"XMP_": XMP}),
        ),
    }
    return [Case(name, about, data) for name, (about, data) in made.items()]
