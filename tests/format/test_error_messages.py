"""Each thing that can be wrong with a file has an error message of its own."""

from __future__ import annotations

import struct
import zlib

import pytest
from conformance.raw import with_checksum
from example_files import ALPHA, FILE, GRAY_ALPHA_FILE, file_of

from taichi_gs.errors import BitstreamError
from taichi_gs.format.bitstream import SIGNATURE, parse


def tail_of(tag: bytes, content: bytes) -> bytes:
    """What follows the ranges in a file without a payload: the payload's length and one chunk."""
    return b"\0" + tag + struct.pack("<I", len(content)) + content


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (SIGNATURE[:5], "truncated"),
        (b"\x1f\x8b\x08\x00", "Telegram animated sticker"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"something else", r"not a \.tgs file of Gaussians\.$"),
        (SIGNATURE + b"\3" + FILE[9:], "version 3 of the format, and only 1 and 2"),
        (FILE[:-1], "checksum"),
        (file_of(flags=16), "reserved flags 0x10"),
        (file_of(flags=8, version=1), "reserved flags 0x08"),
        (file_of(flags=8, bits=1 << 16, ranges=(0.0, 1.0) * 5), "channel 4 of colour has 1 bits"),
        (file_of(flags=3, version=1), "reserved flags 0x02"),
        (file_of(flags=4, version=1), "reserved flags 0x04"),
        (file_of((3, 2, 0, 5, 4, 0, 0, 0), flags=4), "the subdivision 0"),
        (with_checksum(SIGNATURE + b"\2\4\3\2\0\5\4\x80\x80\4" + b"\0" * 40), "the subdivision 65536"),
        (with_checksum(SIGNATURE + b"\1\0\3"), "truncated"),
        (with_checksum(SIGNATURE + b"\1\0" + b"\xff" * 9), "shortest form"),
        (with_checksum(SIGNATURE + b"\1\0" + b"\x83\0" + b"\1" * 60), "shortest form"),
        (file_of((0, 2, 0, 5, 4, 0, 0)), "no pixels of width"),
        (file_of((3, 0, 0, 5, 4, 0, 0)), "no pixels of height"),
        (file_of((3, 2, 0, 0, 4, 0, 0)), "no columns"),
        (file_of((3, 2, 0, 5, 0, 0, 0)), "no rows"),
        (file_of((3, 2, 1, 5, 4, 0, 1)), "0 codewords for 1 Gaussians"),
        (file_of((3, 2, 0, 5, 4, 1, 0)), "1 codewords for 0 Gaussians"),
        (file_of(bits=13), "Channel 0 has 13 bits"),
        (file_of(bits=1 << 28), "reserved bits"),
        (file_of(ranges=(0.0, float("nan")) * 7), "not finite"),
        (file_of(ranges=(float("inf"), 1.0) * 7), "not finite"),
        (file_of(bits=1 << 24, ranges=(0.0, 0.0) * 7), "Channel 6 has a step that is not positive"),
        (file_of(bits=6, ranges=(0.0, 1.0) * 7), "Channel 0 has a range that goes beyond 32"),
        (file_of(ranges=(-33.0, 1.0) * 7), "Channel 0 has a range that goes beyond 32"),
        (file_of(ranges=(8.0, 1.0, -8.0, 1.0, 8.01, 0.0) + (0.0, 1.0) * 4), "Channel 2 has a range that goes beyond 8"),
        (file_of(bits=3 << 8, ranges=(0.0, 2.0) * 7), "Channel 2 has a range that goes beyond 8"),
        (file_of(ranges=(0.0, 1.0) * 3 + (16.0, 1.0, -16.02, 0.0) + (0.0, 1.0) * 2), "Channel 4 has a range"),
        (file_of(bits=5 << 24, ranges=(0.0, 1.0) * 7), "Channel 6 has a range that goes beyond 16"),
        (file_of(flags=2, ranges=(0.0, 1.0) * 6 + (2.125, 0.0)), "Channel 6 has a range that goes beyond 2"),
        (
            file_of(flags=2, bits=4 << 24, ranges=(0.0, 1.0) * 6 + (-1.0, 0.25)),
            "Channel 6 has a range that goes beyond 2",
        ),
        (file_of(rest=b"123"), "multiple of four"),
        (file_of(rest=b"12345678"), "more or less"),
        (file_of(flags=1, rest=b"\5"), "truncated"),
        (file_of(flags=1, rest=b"\0ICCP\1\0\0\0"), "truncated"),
        (file_of(flags=1, rest=b"\0ICCP"), "truncated"),
        (file_of(flags=1, rest=b"\0" + b"EXIF\0\0\0\0" * 2, version=1), "twice"),
        (file_of(flags=1, rest=b"\0note\0\0\0\0note\0\0\0\0"), "twice"),
        (file_of(flags=1, rest=tail_of(b"EXIF", b"")), "not one zlib stream"),
        (file_of(flags=1, rest=tail_of(b"EXIF", b"nonsense")), "cannot be decompressed"),
        (file_of(flags=1, rest=tail_of(b"EXIF", zlib.compress(b"1")[:-1])), "not one zlib stream"),
        (file_of(flags=1, rest=tail_of(b"EXIF", zlib.compress(b"1") + b"2")), "not one zlib stream"),
        (file_of(flags=1, rest=tail_of(b"ALPH", ALPHA), version=1), "newer version"),
        (file_of(flags=1, rest=tail_of(b"ALPH", b"")), "empty"),
        (file_of(flags=1, rest=tail_of(b"ALPH", ALPHA[:-1])), "checksum"),
        (file_of(flags=1, rest=tail_of(b"ALPH", ALPHA)), "not a gray picture of the same size"),
        (file_of(flags=1, rest=tail_of(b"ALPH", file_of())), "not a gray picture of the same size"),
        (file_of(flags=1, rest=tail_of(b"ALPH", GRAY_ALPHA_FILE)), "chunks of its own"),
        (file_of(flags=1, rest=b"\0NEWS\0\0\0\0"), "newer version"),
    ],
)
def test_each_fault_has_its_own_message(data: bytes, message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        parse(data)
