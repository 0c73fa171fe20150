"""What is written to a file is what is read from it: integers, header and metadata."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import reference_decoder
from conformance.raw import without_checksum
from example_files import (
    ALPHA_FILE,
    CHUNKS,
    FILE,
    FILE_WITH_CHUNKS,
    FULL_FILE,
    FULL_PICTURE,
    GRAY_ALPHA_FILE,
    GRAY_FILE,
    GRAY_PICTURE,
    PICTURE,
)
from hypothesis import given, settings
from quantized_pictures import PICTURES, assert_same, quantized_picture

from taichi_gs.codec import decode
from taichi_gs.errors import BitstreamError, LimitError
from taichi_gs.format.bitstream import MAX_SHORT_CHECKED, num_bytes_of, parse, parse_header, serialize
from taichi_gs.format.limits import Limits
from taichi_gs.model.channels import quantizers_of
from taichi_gs.model.quantized import QuantizedCodebook, QuantizedGaussians

LARGEST_SUBDIVISION = 60160


@given(PICTURES)
@settings(deadline=None, max_examples=60)
def test_round_trip(picture: QuantizedGaussians) -> None:
    data = serialize(picture)
    assert_same(parse(data), picture.canonical())
    assert num_bytes_of(picture) == len(data)


@pytest.mark.parametrize(
    "picture",
    [
        quantized_picture(num_gaussians=0),
        quantized_picture(num_gaussians=1, num_codewords=1, image_size=(1, 1), columns=1),
        quantized_picture(num_gaussians=3000, num_codewords=1, step_codes=0, columns=1),
        quantized_picture(num_gaussians=500, columns=2),
        quantized_picture(num_gaussians=3, image_size=(65535, 1), columns=65535),
        quantized_picture(num_gaussians=2000, num_codewords=300, step_codes=12, is_wide=True),
        quantized_picture(num_gaussians=0, blending="normalized", subdivision=10, has_grain=True),
        quantized_picture(num_gaussians=300, blending="normalized", subdivision=LARGEST_SUBDIVISION, columns=1),
        quantized_picture(num_gaussians=300, subdivision=LARGEST_SUBDIVISION, image_size=(65535, 1), columns=1),
    ],
    ids=[
        *("nothing", "one", "all alike", "crowded", "vast", "many codewords"),
        *("nothing subdivided", "one cell subdivided", "narrow cells subdivided"),
    ],
)
def test_extremes(picture: QuantizedGaussians) -> None:
    assert_same(parse(serialize(picture)), picture.canonical())


def test_steps_far_apart_side_by_side() -> None:
    """The ends of the ranges of four channels, two with very few symbols and two with very many."""
    codes = [20, 32, 8, 32, 8, 32, 8]
    quantizers = quantizers_of(codes, 2, "alpha", is_gray=False)
    picture = quantized_picture(num_codewords=2, step_codes=codes)
    last = np.array([quantizer.num_levels - 1 for quantizer in quantizers[3:]])
    codebook = QuantizedCodebook(np.array([last * [1, 0, 1, 0], last * [0, 1, 0, 1]]), quantizers[3:])
    picture = replace(picture, color_codebook=codebook, color_indices=np.arange(50) % 2)
    assert_same(parse(serialize(picture)), picture.canonical())


def test_grain() -> None:
    picture = quantized_picture(num_codewords=20, has_grain=True)
    assert picture.grain is not None
    parsed = parse(serialize(picture))
    assert parsed.grain is not None
    assert len(np.unique(parsed.grain)) > 4
    # Each Gaussian keeps the strength of its codeword, whatever the order of codewords is.
    assert sorted(zip(*picture.cells.T, picture.grain[picture.color_indices], strict=True)) == sorted(
        zip(*parsed.cells.T, parsed.grain[parsed.color_indices], strict=True)
    )
    without = parse(serialize(replace(picture, grain=None)))
    assert without.grain is None
    assert len(serialize(replace(picture, grain=None))) < len(serialize(picture))
    alike = replace(picture, grain=np.full(20, 7))
    assert len(serialize(alike)) <= len(serialize(replace(picture, grain=None))) + 3
    with pytest.raises(ValueError, match="outside the grid"):
        serialize(replace(picture, grain=np.full(20, 8)))


def test_header() -> None:
    header = parse_header(FILE_WITH_CHUNKS)
    assert (header.version, header.image_size, header.grid_size) == (1, (24, 32), (48, 64))
    assert (header.blending, header.subdivision) == ("alpha", 0)
    assert (header.num_gaussians, header.has_grain) == (50, False)
    canonical = PICTURE.canonical()
    assert header.covariance_k == len(canonical.covariance_codebook)
    assert header.color_k == len(canonical.color_codebook)
    assert dict(header.chunks) == CHUNKS
    plain = parse_header(FILE)
    assert plain.header_bytes + plain.payload_bytes + 2 == len(FILE)
    assert dict(plain.chunks) == {}
    assert_same(parse(FILE_WITH_CHUNKS), parse(FILE))
    full = parse_header(FULL_FILE)
    assert (full.blending, full.subdivision, full.grid_size) == ("normalized", 41, (5, 7))
    assert (full.has_grain, dict(full.chunks)) == (True, CHUNKS)


def test_gray_files() -> None:
    chroma = quantizers_of([12] * 7, 2, "normalized", is_gray=False)[4:6]
    codebook = GRAY_PICTURE.color_codebook
    symbols = codebook.symbols.copy()
    symbols[:, 1:3] = [round(-quantizer.minimum / quantizer.step) for quantizer in chroma]
    in_color = QuantizedCodebook(symbols, (codebook.quantizers[0], *chroma, codebook.quantizers[3]))
    as_color = serialize(replace(GRAY_PICTURE, color_codebook=in_color, is_gray=False))
    assert len(GRAY_FILE) < len(as_color)
    assert_same(parse(GRAY_FILE), GRAY_PICTURE.canonical())
    np.testing.assert_array_equal(decode(as_color), np.repeat(decode(GRAY_FILE)[:, :, None], 3, axis=2))
    assert [parse_header(data).mode for data in (GRAY_FILE, GRAY_ALPHA_FILE, ALPHA_FILE, FULL_FILE)] == [
        *("L", "LA", "RGBA", "RGB")
    ]


def test_metadata_are_compressed() -> None:
    profile = b"a profile " * 1000
    data = serialize(PICTURE, {b"ICCP": profile})
    assert len(data) < len(FILE) + 100
    assert parse_header(data).chunks[b"ICCP"] == reference_decoder.decode_symbols(data)["chunks"][b"ICCP"] == profile
    with pytest.raises(LimitError, match="larger than the 9999 bytes"):
        parse_header(data, Limits(max_chunk_bytes=len(profile) - 1))
    assert parse_header(data, Limits(max_chunk_bytes=len(profile))).chunks[b"ICCP"] == profile


@pytest.mark.parametrize("body_bytes", range(MAX_SHORT_CHECKED - 3, MAX_SHORT_CHECKED + 5))
def test_the_length_of_the_checksum(body_bytes: int) -> None:
    """Two bytes up to 4096 before them, and four from 4097 on, written and read."""
    empty = len(without_checksum(serialize(FULL_PICTURE, {b"note": b""})))
    data = serialize(FULL_PICTURE, {b"note": bytes(body_bytes - empty)})
    assert len(data) == body_bytes + (2 if body_bytes <= 4096 else 4)
    assert_same(parse(data), FULL_PICTURE.canonical())
    assert reference_decoder.decode_symbols(data)["cells"] == list(map(tuple, FULL_PICTURE.canonical().cells.tolist()))
    for damaged in (data[:-1], data + b"\0", data[:-1] + bytes([data[-1] ^ 1]), data[:50] + b"\xff" + data[51:]):
        with pytest.raises(BitstreamError, match="checksum"):
            parse_header(damaged)


def test_a_long_payload_has_a_long_checksum() -> None:
    picture = quantized_picture(num_gaussians=4000, num_codewords=200, columns=640)
    data = serialize(picture)
    header = parse_header(data)
    assert header.header_bytes + header.payload_bytes + 4 == len(data) == num_bytes_of(picture) > 4200
