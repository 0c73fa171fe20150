"""Each thing that can be wrong with a file has an error message of its own."""

from __future__ import annotations

import zlib

import pytest
from conformance.invalid import DRAFTS
from conformance.raw import background_of, chunk, file_of, payload_of, quantizers_of, with_checksum
from example_files import ALPHA, FILE, GRAY_ALPHA_FILE

from taichi_gs.errors import BitstreamError
from taichi_gs.format.bitstream import SIGNATURE, parse, parse_header

START = SIGNATURE + b"\x10"
OTHER_SIZE = "not a gray picture of the same size"


def steps(*codes: int) -> bytes:
    return file_of(num_gaussians=1, payload=payload_of(*background_of(), *quantizers_of(0, codes)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (SIGNATURE[:2], "truncated: it ends within its signature"),
        (SIGNATURE, "checksum"),
        (b"\x1f\x8b\x08\x00", "Telegram animated sticker"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"something else", r"not a \.tgs file of Gaussians\.$"),
        *((draft, "of a draft of the format, .* encode its picture again") for draft in DRAFTS),
        (DRAFTS[0][:9], "of a draft of the format"),
        (file_of(version=2), "version 2 of the format, and only 1"),
        (file_of(version=0), "version 0 of the format, and only 1"),
        (SIGNATURE + b"\x20", "version 2 of the format, and only 1"),
        (FILE[:-1], "checksum"),
        (with_checksum(START + b"\3"), "truncated"),
        (with_checksum(START + b"\xff" * 9), "shortest form"),
        (with_checksum(START + b"\x83\0" + b"\1" * 60), "shortest form"),
        (file_of(num_gaussians=1, subdivision_code=129), "the subdivision code 129"),
        (file_of(size=(0, 2)), "no pixels of width"),
        (file_of(size=(3, 0)), "no pixels of height"),
        (file_of(num_gaussians=1, columns=0), "no columns"),
        (file_of(num_gaussians=1, codewords=(0, 1)), "0 codewords for 1 Gaussians"),
        (file_of(num_gaussians=1, codewords=(1, 2)), "2 codewords for 1 Gaussians"),
        (file_of(payload=b"\0"), "more or less"),
        (file_of(payload=b"\x12\x34\x56"), "more or less"),
        (file_of(payload=b"\xff" * 8), "a symbol that cannot be"),
        (steps(0, 0, 0, 0, 0, 0, -1), "a step that cannot be"),
        (steps(40, 41, 40, 40, 40, 40, 40), "a step that cannot be"),
        (with_checksum(SIGNATURE + b"\x11\3\2\0\5"), "truncated"),
        (file_of(chunks=b"ICCP\1\0\0\0"), "truncated"),
        (file_of(chunks=b"ICCP"), "truncated"),
        (file_of(chunks=chunk(b"note", b"") * 2), "twice"),
        (file_of(chunks=chunk(b"EXIF", b"")), "not one zlib stream"),
        (file_of(chunks=chunk(b"EXIF", b"nonsense")), "cannot be decompressed"),
        (file_of(chunks=chunk(b"EXIF", zlib.compress(b"1")[:-1])), "not one zlib stream"),
        (file_of(chunks=chunk(b"EXIF", zlib.compress(b"1") + b"2")), "not one zlib stream"),
        (file_of(chunks=chunk(b"ALPH", b"")), "empty"),
        (file_of(chunks=chunk(b"ALPH", ALPHA[:-1])), "checksum"),
        (file_of(chunks=chunk(b"ALPH", ALPHA)), OTHER_SIZE),
        (file_of(chunks=chunk(b"ALPH", file_of())), OTHER_SIZE),
        (file_of(chunks=chunk(b"ALPH", GRAY_ALPHA_FILE)), "chunks of its own"),
        (file_of(chunks=chunk(b"ALPH", DRAFTS[1])), "of a draft of the format"),
        (file_of(chunks=chunk(b"NEWS", b"")), "newer version"),
    ],
)
def test_each_fault_has_its_own_message(data: bytes, message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        parse(data)


def test_sound_files_of_the_same_kinds_are_read() -> None:
    """So that what is refused above is refused for what the message says."""
    for data in (
        file_of(),
        file_of(payload=payload_of(*background_of(1, 2, 3))),
        file_of(num_gaussians=1, subdivision_code=128),
        file_of(chunks=b""),
        file_of(chunks=chunk(b"note", b"") + chunk(b"EXIF", zlib.compress(b"1"))),
    ):
        assert parse_header(data).image_size == (2, 3)
