"""The files of `v2/` with tails: metadata, alpha planes, and chunks to be skipped."""

from __future__ import annotations

import struct
import zlib
from functools import cache

from conformance.pictures import ALPHA_BLENDED, Case, gray, normalized, random_picture
from conformance.raw import HAS_TAIL, SIGNATURE, chunk, varint, with_checksum
from picture_files import icc_profile

from taichi_gs.format.bitstream import parse_header, serialize

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


def with_tail(data: bytes, tail: bytes) -> bytes:
    """Return a file without a tail with one that is taken as it is."""
    header = parse_header(data)
    start, end = header.header_bytes, header.header_bytes + header.payload_bytes
    body = SIGNATURE + bytes([2, data[9] | HAS_TAIL]) + data[10:start] + varint(header.payload_bytes)
    return with_checksum(body + data[start:end] + tail)


def files_with_tails() -> list[Case]:
    """Return the files of `v2/` with metadata, alpha planes and other chunks."""
    plane = serialize(gray(12, subdivision=20, grid_size=(4, 4), background=(0, 0, 0), seed=5))
    plain_plane = serialize(gray(5, ranges=ALPHA_BLENDED, blending="alpha", background=(255, 255, 255), seed=6))
    flat_plane = serialize(gray(0, background=(128, 128, 128)))
    color, luma = normalized(15, seed=7), gray(15, seed=8)
    everything = {b"ICCP": color_profile(), b"EXIF": EXIF, b"XMP_": XMP, b"ALPH": plane}
    tails: dict[str, tuple[str, bytes]] = {
        "alpha_plane": ("an alpha plane: normalised, subdivided", serialize(color, {b"ALPH": plane})),
        "alpha_plane_blended": ("an alpha plane: alpha blending", serialize(color, {b"ALPH": plain_plane})),
        "alpha_plane_flat": (
            "an alpha plane without Gaussians: half transparent",
            serialize(color, {b"ALPH": flat_plane}),
        ),
        "blended_alpha_plane": (
            "alpha blending, and an alpha plane",
            serialize(random_picture(15, seed=9), {b"ALPH": flat_plane}),
        ),
        "gray_alpha": ("gray with an alpha plane", serialize(luma, {b"ALPH": plane})),
        "gray_all": (
            "all flags, and every kind of chunk",
            serialize(
                gray(15, subdivision=33, grid_size=(4, 5), seed=8),
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
        "tail_of_nothing": ("a tail of no bytes", with_tail(serialize(color), b"")),
        "empty_metadata": ("XMP of no bytes, compressed", serialize(color, {b"XMP_": b""})),
        "stored_metadata": (
            "metadata in a zlib stream of stored blocks",
            with_tail(serialize(color), chunk(b"XMP_", zlib.compress(XMP, 0))),
        ),
        "tail_after_no_payload": ("a tail after an empty payload", serialize(normalized(0), {b"XMP_": XMP})),
    }
    return [Case(name, about, data) for name, (about, data) in tails.items()]
