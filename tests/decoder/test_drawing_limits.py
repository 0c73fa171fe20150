"""How much drawing a file may ask for, which is counted in pairs of a Gaussian and a tile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from quantized_pictures import gray_picture, quantized_picture

import taichi_gs
from taichi_gs import LimitError, Limits
from taichi_gs.format.bitstream import serialize
from taichi_gs.model.channels import MAX_AREA_CODE
from taichi_gs.model.quantized import QuantizedGaussians


def covering(num_gaussians: int, image_size: tuple[int, int], *, is_gray: bool = False) -> QuantizedGaussians:
    """Gaussians of which each is visible in every pixel, and which take next to no bytes."""
    make = gray_picture if is_gray else quantized_picture
    sizes = {"num_gaussians": num_gaussians, "num_codewords": 1, "step_codes": 0, "columns": 1}
    picture = make(**sizes, image_size=image_size, area_code=MAX_AREA_CODE, subdivision=0)
    codebook = picture.covariance_codebook
    # The largest m, and u = v = 0.
    symbols = np.array([[codebook.quantizers[0].num_levels - 1, 2, 2]])
    return replace(picture, covariance_codebook=replace(codebook, symbols=symbols))


def test_pairs_are_counted_where_they_are_drawn() -> None:
    """20 Gaussians over 3 x 4 tiles; a region of 2 x 1 of them; and four times as many."""
    data = serialize(covering(20, (40, 60)))
    for options, num_pairs in (
        ({}, 240),
        ({"region": (16, 0, 16, 32)}, 40),
        ({"scale": 2}, 20 * 5 * 8),
        ({"scale": 0.5}, 240),  # of two samples a pixel along either side
    ):
        taichi_gs.decode(data, limits=Limits(max_pairs=num_pairs), **options)
        with pytest.raises(
            LimitError, match=f"{num_pairs} pairs of a Gaussian and a tile, more than the {num_pairs - 1}"
        ):
            taichi_gs.decode(data, limits=Limits(max_pairs=num_pairs - 1), **options)


def test_what_a_small_file_may_ask_for() -> None:
    cheap, dear = covering(4000, (256, 256)), covering(4000, (600, 600))
    assert taichi_gs.decode(serialize(cheap)).shape == (256, 256, 3)
    data = serialize(dear)
    assert len(data) < 100
    num_pairs, allowed = 4000 * 38 * 38, 2**22 + 64 * (len(data) - 2) + 600 * 600 // 8
    assert allowed < num_pairs
    with pytest.raises(
        LimitError, match=f"has {num_pairs} pairs of a Gaussian and a tile, more than the {allowed} allowed"
    ):
        taichi_gs.decode(data)
    # More is allowed to who asks for more, but not to who asks for less.
    assert taichi_gs.decode(data, region=(300, 300, 256, 256)).shape == (256, 256, 3)
    allowed += 3 * 600 * 600 // 8  # in a region as well: where a whole can be drawn, so can its parts
    with pytest.raises(LimitError, match=f"pairs .* than the {allowed} allowed"):
        taichi_gs.decode(data, scale=2, region=(0, 0, 800, 800))
    with pytest.raises(LimitError, match=f"{4000 * 75 * 75} pairs .* than the {allowed} allowed"):
        taichi_gs.decode(data, scale=2)
    with pytest.raises(LimitError, match="pairs of a Gaussian and a tile"):
        taichi_gs.decode(serialize(covering(4000, (1, 1))), size=(1024, 1024))


def test_a_region_has_what_the_whole_has() -> None:
    """At one scale: all of the picture is drawn, and so is each part of it."""
    data = serialize(covering(1123, (496, 496)))
    assert taichi_gs.decode(data, scale=2).shape == (992, 992, 3)
    # As many tiles, and fewer pixels.
    assert taichi_gs.decode(data, scale=2, region=(3, 3, 977, 977)).shape == (977, 977, 3)


def test_what_all_there_may_be_leaves_for_pairs() -> None:
    limits = Limits()
    most, pixels = limits.max_gaussians, limits.max_pixels
    assert limits.pairs_allowed(10**9, most, pixels, 2 * pixels) == 5 * 2**19
    assert limits.pairs_allowed(10**9, most - 100, pixels, 2 * pixels) == 5 * 2**19 + 1200
    assert limits.pairs_allowed(10**9, most, pixels, 2 * pixels - 2800) == 5 * 2**19 + 100
    # Whoever allows more of one allows more work, but never more than the size of the file.
    assert Limits(max_gaussians=2 * most).pairs_allowed(10**9, most, pixels, 2 * pixels) == 5 * 2**19 + 12 * most
    assert Limits(max_pixels=10**12).pairs_allowed(0, most, 80, 80) == 2**22 + 10


def test_metadata_do_not_pay_for_drawing() -> None:
    picture = covering(4000, (600, 600))
    with pytest.raises(LimitError) as plain:
        taichi_gs.decode(serialize(picture))
    with pytest.raises(LimitError) as padded:
        taichi_gs.decode(serialize(picture, {b"xpad": bytes(100_000)}))
    # The length of the payload, which a file with a tail has, is a byte of its header.
    assert int(str(padded.value).split()[-2]) - int(str(plain.value).split()[-2]) == 64


def test_an_alpha_plane_has_its_limits() -> None:
    plane = serialize(covering(4000, (600, 600), is_gray=True))
    data = serialize(quantized_picture(image_size=(600, 600)), {b"ALPH": plane})
    with pytest.raises(LimitError, match="pairs of a Gaussian and a tile"):
        taichi_gs.decode(data)


def test_photographs_are_far_from_the_limit() -> None:
    """A picture as an encoder makes it has less than half of what it may have without those pairs that are free."""
    y, x = np.mgrid[:200, :300]
    picture = (127 + 60 * np.sin(x / 17 + np.cos(y / 11)) + 50 * np.cos(y / 23)).astype(np.uint8)
    data = taichi_gs.encode(picture, preset="fast", steps=60, num_bytes=1500)
    half = Limits(max_pairs=(64 * len(data) + 200 * 300 // 8) // 2)
    np.testing.assert_array_equal(taichi_gs.decode(data, limits=half), taichi_gs.decode(data))
