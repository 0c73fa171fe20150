"""The codec from pictures to pixels: every preset, size and kind of picture."""

from __future__ import annotations

import numpy as np
import pytest
import reference_decoder
from codec_checks import QUICK, largest_difference, squared_error
from numpy.typing import NDArray

import taichi_gs
from taichi_gs import PRESETS, ImageError
from taichi_gs.format import bitstream

Bytes = NDArray[np.uint8]


def textured(height: int, width: int) -> Bytes:
    y, x = np.mgrid[:height, :width]
    return np.stack([37 * x % 256, 23 * y % 256, 11 * (x + y) % 256], axis=2).astype(np.uint8)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_end_to_end(preset: str, picture: Bytes) -> None:
    data = taichi_gs.encode(picture, preset=preset, steps=10, num_gaussians=20)
    assert largest_difference(data) <= 1
    pixels = taichi_gs.decode(data).astype(float)
    flat = picture.mean(axis=(0, 1))
    assert np.mean((pixels - picture) ** 2) < 0.7 * np.mean((flat - picture) ** 2)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 17), (16, 16), (17, 33)])
@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_sizes(size: tuple[int, int], preset: str) -> None:
    for options in ({}, {"num_gaussians": 9}):
        data = taichi_gs.encode(textured(*size), preset=preset, steps=10, **options)
        assert taichi_gs.decode(data).shape == (*size, 3)
        assert largest_difference(data) <= 1


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0)])
@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_constant_pictures(color: tuple[int, int, int], preset: str) -> None:
    picture = np.full((20, 24, 3), color, dtype=np.uint8)
    data = taichi_gs.encode(picture, preset=preset, steps=20, num_gaussians=9)
    assert np.abs(taichi_gs.decode(data).astype(int) - picture).max() <= 9  # the background is a multiple of 17
    assert len(data) <= 120


def test_what_drifts_off_a_plain_picture_does_not_come_back() -> None:
    """Positions are rounded to a grid within the picture, whatever colour a Gaussian took where nobody saw it."""
    picture = np.full((20, 24, 3), 255, dtype=np.uint8)
    data = taichi_gs.encode(picture, preset="paper", steps=250, num_gaussians=9)
    assert np.abs(taichi_gs.decode(data).astype(int) - picture).max() <= 8


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
def test_noise(blending: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    data = taichi_gs.encode(noise, preset="fast", steps=10, num_gaussians=60, blending=blending)
    assert largest_difference(data) <= 1


def test_the_same_picture_in_other_types_has_the_same_file(picture: Bytes) -> None:
    expected = taichi_gs.encode(picture, **QUICK)
    unit = picture / 255.0
    others = (picture.astype(np.uint16) * 257, unit, unit.astype(np.float32), picture.tolist())
    for other in others[:3]:
        # Single precision may round in another place; files need not agree to the bit, but pictures do.
        pixels = taichi_gs.decode(taichi_gs.encode(other, **QUICK)).astype(int)
        assert np.abs(pixels - taichi_gs.decode(expected)).mean() < 2
    with pytest.raises(ImageError, match="int64"):
        taichi_gs.encode(others[3], **QUICK)


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_gray_is_coded_as_gray(picture: Bytes, preset: str) -> None:
    gray = picture[:, :, 0]
    options = {"preset": preset, "steps": 120, "num_gaussians": 30, "tune": "psnr"}
    data = taichi_gs.encode(gray, **options)
    assert taichi_gs.encode(gray[:, :, None], **options) == data
    assert taichi_gs.info(data).mode == "L"
    assert largest_difference(data) <= 1
    decoded = taichi_gs.decode(data)
    assert decoded.shape == (24, 32)
    errors = []
    for seed in range(5):
        as_gray, as_rgb = (
            taichi_gs.encode(pixels, **options, seed=seed) for pixels in (gray, np.repeat(gray[:, :, None], 3, axis=2))
        )
        # Chroma costs nothing.
        assert len(as_gray) < len(as_rgb)
        as_rgb = taichi_gs.decode(as_rgb)[:, :, 0]
        errors.append([squared_error(pixels, gray) for pixels in (taichi_gs.decode(as_gray), as_rgb)])
    usual = np.median(errors, axis=0)  # of few Gaussians, and with one seed or another by chance far more
    assert usual[0] < 1.6 * usual[1]


@pytest.mark.parametrize("shape", [(0, 4, 3), (4,), (4, 4, 5), (1, 65536, 3), (65536, 1)])
def test_pictures_that_no_file_can_hold_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError):
        taichi_gs.encode(np.zeros(shape, np.uint8), **QUICK)


@pytest.mark.parametrize("blending", ["alpha", "normalized"])
@pytest.mark.parametrize("position_bits", [None, 9])
def test_decoding_agrees_with_the_reference_decoder(blending: str, position_bits: int | None) -> None:
    options = {"blending": blending, "position_bits": position_bits}
    data = taichi_gs.encode(textured(37, 50), preset="fast", steps=10, num_gaussians=150, **options)
    assert largest_difference(data) <= 1
    header, symbols = bitstream.parse_header(data), reference_decoder.decode_symbols(data)
    assert header.blending == symbols["blending"] == blending
    # With either blending, positions are on lattices unless their bits are given.
    assert (header.subdivision > 0) == (position_bits is None)
    assert any(map(any, symbols["offsets"])) == (position_bits is None)
    assert any(shear != 0 for _, _, shear in symbols["lattices"]) == (position_bits is None)
