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
    tail = parse_header(GOLDEN_GRAY_FILE).tail
    assert_same(parse(tail[b"ALPH"]), golden_gray_picture(slice(0, None, 3)))
    assert tail[b"XMP_"] == b"<xmp/>"
