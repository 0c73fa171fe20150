"""The golden files still mean the same, byte by byte."""

from __future__ import annotations

import reference_decoder
from golden_files import (
    GOLDEN_FILE,
    GOLDEN_FRONT_TO_BACK_FILE,
    GOLDEN_GRAY_FILE,
    golden_front_to_back_picture,
    golden_gray_picture,
    golden_picture,
)
from quantized_pictures import assert_same

from taichi_gs.format.bitstream import parse, parse_header, serialize


def test_golden_files() -> None:
    assert_same(parse(GOLDEN_FILE), golden_picture())
    assert serialize(golden_picture()) == GOLDEN_FILE
    assert_same(parse(GOLDEN_FRONT_TO_BACK_FILE), golden_front_to_back_picture())
    assert serialize(golden_front_to_back_picture()) == GOLDEN_FRONT_TO_BACK_FILE


def test_the_golden_gray_file() -> None:
    """Its metadata may be compressed to other bytes elsewhere."""
    assert_same(parse(GOLDEN_GRAY_FILE), golden_gray_picture(slice(None)))
    chunks = parse_header(GOLDEN_GRAY_FILE).chunks
    assert_same(parse(chunks[b"ALPH"]), golden_gray_picture(slice(0, None, 3)))
    assert serialize(golden_gray_picture(slice(0, None, 3))) == chunks[b"ALPH"]
    assert chunks[b"XMP_"] == b"<xmp/>"


def test_the_values_in_the_golden_file() -> None:
    """By hand: steps of 1/2, 1/8 and 1/4, and the area code 1, which adds 1/2 to m."""
    symbols = reference_decoder.decode_symbols(GOLDEN_FILE)
    assert symbols["covariance_values"].tolist() == [[-1, 0, 0], [1, 2, -1], [3, -2, 1.5]]
    assert symbols["color_values"].tolist() == [[0, 0.5, 1, 0], [0.5, 0, 0, 1.75]]
