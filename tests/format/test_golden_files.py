"""The golden files still mean the same, byte by byte."""

from __future__ import annotations

from golden_files import (
    GOLDEN_FILE,
    GOLDEN_FILE_2,
    GOLDEN_GRAY_FILE,
    golden_gray_picture,
    golden_picture,
    golden_picture_2,
)
from quantized_pictures import assert_same

from taichi_gs.format.bitstream import parse, parse_header, serialize


def test_golden_files() -> None:
    assert_same(parse(GOLDEN_FILE), golden_picture())
    assert_same(parse(GOLDEN_FILE_2), golden_picture_2())
    assert serialize(golden_picture_2()) == GOLDEN_FILE_2
    assert_same(parse(GOLDEN_GRAY_FILE), golden_gray_picture(slice(None)))
    chunks = parse_header(GOLDEN_GRAY_FILE).chunks
    assert_same(parse(chunks[b"ALPH"]), golden_gray_picture(slice(0, None, 3)))
    assert chunks[b"XMP_"] == b"<xmp/>"
