"""What is written to a file is what is read from it: integers, header and metadata."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import reference_decoder
from example_files import (
    ALPHA_FILE,
    FILE,
    FILE_WITH_TAIL,
    FULL_FILE,
    GRAY_ALPHA_FILE,
    GRAY_FILE,
    GRAY_PICTURE,
    PICTURE,
    TAIL,
    file_of,
)
from golden_files import GOLDEN_FILE
from hypothesis import given, settings
from quantized_pictures import PICTURES, assert_same, quantized_picture

from taichi_gs.codec import decode
from taichi_gs.errors import LimitError
from taichi_gs.format.bitstream import parse, parse_header, serialize
from taichi_gs.format.limits import Limits
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians, UniformQuantizer


@given(PICTURES)
@settings(deadline=None, max_examples=60)
def test_round_trip(picture: QuantizedGaussians) -> None:
    assert_same(parse(serialize(picture)), picture.canonical())


@pytest.mark.parametrize(
    "picture",
    [
        quantized_picture(num_gaussians=0),
        quantized_picture(num_gaussians=1, num_codewords=1, image_size=(1, 1), grid_size=(1, 1)),
        quantized_picture(num_gaussians=3000, num_codewords=1, bits=0, grid_size=(1, 1)),
        quantized_picture(num_gaussians=500, grid_size=(3, 2)),
        quantized_picture(num_gaussians=3, image_size=(65535, 1), grid_size=(65535, 65535)),
        quantized_picture(num_gaussians=2000, num_codewords=300, bits=4),
        quantized_picture(num_gaussians=0, blending="normalized", subdivision=9),
        quantized_picture(num_gaussians=300, blending="normalized", subdivision=65535, grid_size=(1, 1)),
        quantized_picture(num_gaussians=300, blending="alpha", subdivision=65535, grid_size=(65535, 1)),
    ],
    ids=[
        *("nothing", "one", "all alike", "crowded", "vast", "codewords of four bits"),
        *("nothing subdivided", "one cell subdivided", "narrow cells subdivided"),
    ],
)
def test_extremes(picture: QuantizedGaussians) -> None:
    assert_same(parse(serialize(picture)), picture.canonical())


def test_twelve_bits_and_no_bits_side_by_side() -> None:
    quantizers = tuple(UniformQuantizer(-1.0, 2.0**-8, bits) for bits in (12, 0, 1, 12))
    symbols = np.array([[4095, 0, 1, 0], [0, 0, 0, 4095]])
    picture = replace(PICTURE, color_codebook=QuantizedCodebook(symbols, quantizers), color_indices=np.arange(50) % 2)
    assert_same(parse(serialize(picture)), picture.canonical())


def test_header() -> None:
    header = parse_header(FILE_WITH_TAIL)
    assert (header.version, header.image_size, header.grid_size) == (2, (24, 32), (48, 64))
    assert (header.blending, header.subdivision) == ("alpha", 0)
    assert header.num_gaussians == 50
    assert header.background == tuple(PICTURE.background.tolist())
    canonical = PICTURE.canonical()
    assert header.covariance_k == len(canonical.covariance_codebook)
    assert header.color_k == len(canonical.color_codebook)
    assert header.covariance_quantizers == PICTURE.covariance_codebook.quantizers
    assert header.color_quantizers == PICTURE.color_codebook.quantizers
    assert dict(header.chunks) == TAIL
    plain = parse_header(FILE)
    assert plain.header_bytes + plain.payload_bytes + 4 == len(FILE)
    assert dict(plain.chunks) == {}
    assert_same(parse(FILE_WITH_TAIL), parse(FILE))
    full = parse_header(FULL_FILE)
    assert (full.blending, full.subdivision, full.grid_size, dict(full.chunks)) == ("normalized", 40, (5, 7), TAIL)
    assert parse_header(GOLDEN_FILE).version == 1


def test_gray_files() -> None:
    as_color = serialize(replace(GRAY_PICTURE, is_gray=False))
    assert len(GRAY_FILE) == len(as_color) - 10
    assert_same(parse(GRAY_FILE), GRAY_PICTURE.canonical())
    np.testing.assert_array_equal(decode(as_color), np.repeat(decode(GRAY_FILE)[:, :, None], 3, axis=2))
    assert [parse_header(data).mode for data in (GRAY_FILE, GRAY_ALPHA_FILE, ALPHA_FILE, FULL_FILE)] == [
        *("L", "LA", "RGBA", "RGB")
    ]


def test_metadata_are_compressed() -> None:
    profile = b"a profile " * 1000
    data = serialize(PICTURE, {b"ICCP": profile})
    assert len(data) < len(FILE) + 100
    assert parse_header(data).chunks[b"ICCP"] == reference_decoder.decode_symbols(data)["tail"][b"ICCP"] == profile
    with pytest.raises(LimitError, match="larger than the 9999 bytes"):
        parse_header(data, Limits(max_chunk_bytes=len(profile) - 1))
    assert parse_header(data, Limits(max_chunk_bytes=len(profile))).chunks[b"ICCP"] == profile
    old = file_of(flags=1, rest=b"\0ICCP\3\0\0\0abc", version=1)
    assert parse_header(old).chunks[b"ICCP"] == reference_decoder.decode_symbols(old)["tail"][b"ICCP"] == b"abc"
