"""ThumbHash and BlurHash against what the published packages make of the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.hashes import decode_blurhash, decode_thumbhash, encode_blurhash, encode_thumbhash

Bytes = NDArray[np.uint8]

# From npm's thumbhash 0.1.1 and blurhash 2.0.5: hashes of the pictures below, and the first pixels that they draw, in
# 32 x 23 and 16 x 12 pixels. Of pictures whose largest coefficient is negative, that encoder of BlurHash clips some.
THUMBHASH = "1f190e2d9a6f8a878e78878679a777780687f00878"
THUMBHASH_TALL = "1f190e2d1a6e8a8f786798a777787788078600f788"
THUMBHASH_PIXELS = "dec9ff dcc9ff d8c8ff d3c8ff cec9ff c8ccf9 c3d0ef bed5e4"
BLURHASH = "LxJarl|6Zr-UYhogt5bHF2oe%FRn"
BLURHASH_TALL = "LxJarlYhF2%c|6ogoejcZrt5%FRU"
BLURHASH_PIXELS = "f1d6d8 ecd5d5 ded3cf c9d0c5 adceb9 8eccad 6fcda3 57ce9c"


@pytest.fixture
def turned(picture: Bytes) -> Bytes:
    return np.ascontiguousarray(picture[::-1, ::-1])


def pixels(text: str) -> NDArray[np.int_]:
    return np.array([list(bytes.fromhex(color)) for color in text.split()])


def test_hashes_are_those_of_the_published_encoders(turned: Bytes) -> None:
    tall = np.ascontiguousarray(turned.swapaxes(0, 1))
    assert encode_thumbhash(turned).hex() == THUMBHASH
    assert encode_thumbhash(tall).hex() == THUMBHASH_TALL
    assert encode_blurhash(turned, (4, 3)).decode() == BLURHASH
    assert encode_blurhash(tall, (4, 3)).decode() == BLURHASH_TALL
    assert len(encode_blurhash(turned, (9, 9))) == 4 + 2 * 81


def test_drawings_are_those_of_the_published_decoders() -> None:
    drawn = decode_thumbhash(bytes.fromhex(THUMBHASH), (23, 32))
    assert drawn.shape == (23, 32, 3)
    np.testing.assert_allclose(drawn[0, :8], pixels(THUMBHASH_PIXELS), atol=1)
    drawn = decode_blurhash(BLURHASH.encode(), (12, 16))
    assert drawn.shape == (12, 16, 3)
    np.testing.assert_allclose(drawn[0, :8], pixels(BLURHASH_PIXELS), atol=1)


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (200, 100, 50)])
def test_a_picture_of_one_colour_keeps_it(color: tuple[int, int, int]) -> None:
    plain = np.full((90, 70, 3), color, np.uint8)
    np.testing.assert_allclose(decode_thumbhash(encode_thumbhash(plain), (5, 6)), np.full((5, 6, 3), color), atol=8)
    np.testing.assert_allclose(
        decode_blurhash(encode_blurhash(plain, (4, 3)), (5, 6)), np.full((5, 6, 3), color), atol=8
    )


def test_large_pictures_are_made_smaller_for_a_thumbhash(turned: Bytes) -> None:
    large = turned.repeat(10, axis=0).repeat(10, axis=1)
    difference = decode_thumbhash(encode_thumbhash(large), (12, 16)).astype(int)
    difference -= decode_thumbhash(encode_thumbhash(turned), (12, 16))
    assert np.abs(difference).mean() < 3
