"""How much a file may claim to have, and the error that each limit gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conformance.invalid_payloads import alike
from conformance.raw import IS_FRONT_TO_BACK, file_of
from example_files import FILE_WITH_CHUNKS
from quantized_pictures import gray_picture, quantized_picture

import taichi_gs
from taichi_gs import BitstreamError, LimitError, Limits
from taichi_gs.decoder.decode import TgsFile
from taichi_gs.format.bitstream import SIGNATURE, parse, parse_header, serialize
from taichi_gs.format.header import check_header
from taichi_gs.format.limits import FORMAT_LIMITS, check_sides
from taichi_gs.format.payload import encode_payload
from taichi_gs.model.lattice import lattice_of_picture
from taichi_gs.model.quantized import QuantizedGaussians


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_side=31), "32 pixels of width, more than the 31 allowed"),
        (Limits(max_side=63), "64 columns of cells"),
        (Limits(max_pixels=767), "768 pixels, more than the 767 allowed"),
        (Limits(max_gaussians=49), "50 Gaussians"),
        (Limits(max_codewords=5), "codewords, more than the 5 allowed"),
        (Limits(max_chunk_bytes=62), "63 bytes of metadata"),
    ],
)
def test_limits(limits: Limits, message: str) -> None:
    with pytest.raises(LimitError, match=message):
        parse_header(FILE_WITH_CHUNKS, limits)
    assert parse_header(FILE_WITH_CHUNKS, Limits(48 * 64, 64, 50, 8, 63)) == parse_header(FILE_WITH_CHUNKS)


def test_a_small_payload_cannot_claim_many_gaussians() -> None:
    payload = encode_payload(alike(1))
    most = 4096 + 64 * len(payload)
    sizes = {"flags": IS_FRONT_TO_BACK, "columns": 1, "payload": payload}
    assert len(parse(file_of(num_gaussians=most, **sizes))) == most
    with pytest.raises(LimitError, match=f"too many for {len(payload)} bytes"):
        parse(file_of(num_gaussians=most + 1, **sizes))
    assert serialize(alike(most)) == file_of(num_gaussians=most, **sizes)
    with pytest.raises(LimitError, match=f"too many for {len(payload)} bytes"):
        serialize(alike(most + 1))


def test_a_payload_is_bounded_by_what_it_is_for() -> None:
    header = parse_header(serialize(quantized_picture()))
    allowed = 1024 + 16 * (50 + header.covariance_k + header.color_k)
    check_header(replace(header, payload_bytes=allowed), Limits())
    for num_bytes in (allowed + 1, 500_000_000):
        with pytest.raises(LimitError, match=f"{num_bytes} bytes of payload, more than the {allowed} allowed"):
            check_header(replace(header, payload_bytes=num_bytes), FORMAT_LIMITS)


def unlikely(num_gaussians: int, num_codewords: int, **fields: Any) -> QuantizedGaussians:
    """A picture of codewords with fine steps, most of them where the priors have next to nothing."""
    sizes = {"columns": 65535, "image_size": (9, 9)}
    made = quantized_picture(num_gaussians, num_codewords, 40, is_wide=True, has_grain=True, **sizes, **fields)
    codebooks = []
    for codebook in (made.covariance_codebook, made.color_codebook):
        last = np.array([quantizer.num_levels for quantizer in codebook.quantizers]) - 1
        codebooks.append(replace(codebook, symbols=last - codebook.symbols // 8))
    made = replace(made, covariance_codebook=codebooks[0], color_codebook=codebooks[1])
    return replace(made, offsets=made.offsets % lattice_of_picture(made).levels)


@pytest.mark.parametrize(
    "picture",
    [
        *(unlikely(n, n) for n in (1, 2, 40, 5000)),
        unlikely(3000, 3000, subdivision=60160),
        quantized_picture(60_000, 1, columns=65535, image_size=(9, 9)),
        quantized_picture(3000, 1, columns=65535, image_size=(9, 9), subdivision=60160),
    ],
    ids=["one", "two", "few", "as many codewords as Gaussians", "with offsets", "many", "offsets alone"],
)
def test_no_picture_needs_a_larger_payload(picture: QuantizedGaussians) -> None:
    """Everything is random: cells of the largest grid, codewords that are not expected, grain, and offsets."""
    header = parse_header(serialize(picture), FORMAT_LIMITS)
    assert header.num_gaussians == len(picture)
    needed = 16 * (len(picture) + header.covariance_k + header.color_k)
    assert header.payload_bytes < 0.9 * needed + 100


def test_a_file_is_bounded_before_it_is_copied() -> None:
    limits = Limits(max_gaussians=1000, max_codewords=100, max_chunk_bytes=5000)
    assert limits.file_bytes_allowed == 2048 + 16_000 + 3200 + 5000
    data = SIGNATURE + bytes(limits.file_bytes_allowed)
    with pytest.raises(LimitError, match=f"The file has {len(data)} bytes, more than the 26248 that"):
        TgsFile(data, limits)
    with pytest.raises(BitstreamError, match="looks like a PNG"):
        TgsFile(b"\x89PNG" + data, limits)


def test_an_alpha_plane_has_gaussians_too() -> None:
    data = serialize(quantized_picture(), {b"ALPH": serialize(gray_picture(image_size=(24, 32)))})
    assert taichi_gs.decode(data, limits=Limits(max_gaussians=100)).shape == (24, 32, 4)
    with pytest.raises(LimitError, match="100 Gaussians in its picture and its alpha plane, more than the 99"):
        taichi_gs.info(data, limits=Limits(max_gaussians=99))


def test_metadata_in_thousands_of_pieces() -> None:
    tags = [bytes([97 + i // 676, 97 + i // 26 % 26, 97 + i % 26, 0]) for i in range(1001)]
    picture = quantized_picture(num_gaussians=0)
    assert len(parse_header(serialize(picture, dict.fromkeys(tags[:1000], b""))).chunks) == 1000
    with pytest.raises(LimitError, match="more pieces than the 1000 allowed"):
        serialize(picture, dict.fromkeys(tags, b""))


def test_no_limit_goes_beyond_the_format() -> None:
    limits = Limits(**dict.fromkeys(Limits.__dataclass_fields__, 10**12))
    with pytest.raises(LimitError, match="more than the 65535 allowed"):
        check_sides((1, 65536), (1, 1), limits)
    for numbers in ({"num_gaussians": 2**24 + 1}, {"covariance_k": 65537}):
        header = parse_header(serialize(quantized_picture()))
        with pytest.raises(LimitError, match="allowed"):
            check_header(replace(header, **{"payload_bytes": 2**20, "num_gaussians": 2**20} | numbers), limits)


def test_no_more_pairs_than_lists_can_count() -> None:
    assert Limits(max_pairs=10**18).pairs_allowed(0, 0, 1, 1) == 2**31 - 1
    assert Limits(max_pixels=10**15).pairs_allowed(10**12, 0, 1, 1) == 2**31 - 1
