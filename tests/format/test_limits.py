"""How much a file may claim to have, and the error that each limit gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from example_files import FILE_WITH_TAIL, file_of
from quantized_pictures import quantized_picture

from taichi_gs import LimitError, Limits
from taichi_gs.format.bitstream import parse, parse_header, serialize
from taichi_gs.format.header import check_header
from taichi_gs.format.limits import check_sides


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
        parse_header(FILE_WITH_TAIL, limits)
    assert parse_header(FILE_WITH_TAIL, Limits(48 * 64, 64, 50, 8, 63)) == parse_header(FILE_WITH_TAIL)


def test_a_small_payload_cannot_claim_many_gaussians() -> None:
    assert len(parse(file_of((3, 2, 4096, 1, 1, 1, 1)))) == 4096
    with pytest.raises(LimitError, match="too many for 0 bytes"):
        parse(file_of((3, 2, 4097, 1, 1, 1, 1)))
    with pytest.raises(LimitError, match="too many for 0 bytes"):
        serialize(quantized_picture(num_gaussians=4097, num_codewords=1, bits=0, grid_size=(1, 1)))


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
    assert Limits(max_pairs=10**18).pairs_allowed(0, 1) == Limits().pairs_allowed(10**12, 1) == 2**31 - 1
