"""PNGs of every kind of pixels, written by hand, become pictures without a loss."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import CHANNELS, orientation_exif, png_chunk, png_file, random_samples, scaled, stored
from PIL import Image

from taichi_gs.pictures.read import picture_from_bytes

Bytes = NDArray[np.uint8]


@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 3), (9, 33)])
@pytest.mark.parametrize(
    ("color_type", "bits"), [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), *((c, b) for c in (2, 4, 6) for b in (8, 16))]
)
def test_png_without_palette(color_type: int, bits: int, size: tuple[int, int], is_interlaced: bool) -> None:
    samples = random_samples((*size, CHANNELS[color_type]), bits)
    if color_type in (4, 6):
        samples[0, 0, -1] = 0
    picture = picture_from_bytes(png_file(samples, color_type, bits, is_interlaced=is_interlaced))
    expected = scaled(samples, bits)
    np.testing.assert_array_equal(picture.pixels, expected[:, :, 0] if color_type == 0 else expected)
    assert picture.pixels.dtype == expected.dtype
    assert picture.mode == {0: "L", 2: "RGB", 4: "LA", 6: "RGBA"}[color_type]


@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_png_with_palette(bits: int, has_alpha: bool, is_interlaced: bool) -> None:
    samples = random_samples((9, 33), bits)
    palette = random_samples((1 << bits, 3), 8).astype(np.uint8)
    alpha = np.full(1 << bits, 255, np.uint8)
    extra = png_chunk(b"PLTE", palette.tobytes())
    if has_alpha:
        alpha[:2] = (0, 100)
        extra += png_chunk(b"tRNS", alpha[:2].tobytes())
    picture = picture_from_bytes(png_file(samples, 3, bits, is_interlaced=is_interlaced, extra=extra))
    expected = np.dstack([palette[samples], alpha[samples]]) if has_alpha else palette[samples]
    np.testing.assert_array_equal(picture.pixels, expected)


@pytest.mark.parametrize(("color_type", "bits"), [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16)])
def test_png_with_a_transparent_color(color_type: int, bits: int) -> None:
    samples = random_samples((9, 33, CHANNELS[color_type]), bits)
    key = samples[4, 5]
    # Of the same upper byte: at 16 bits that is not yet the same colour.
    samples[4, 6] = key ^ 1
    data = png_file(samples, color_type, bits, extra=png_chunk(b"tRNS", key.astype(">u2").tobytes()))
    opaque = 65535 if bits == 16 else 255
    alpha = np.where((samples == key).all(axis=2), 0, opaque)
    assert alpha[4, 5] == 0 != alpha[4, 6]
    np.testing.assert_array_equal(picture_from_bytes(data).pixels, np.dstack([scaled(samples, bits), alpha]))


@pytest.mark.parametrize("color_type", [2, 4, 6])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_pngs_are_turned(orientation: int, color_type: int) -> None:
    upright = random_samples((4, 7, CHANNELS[color_type]), 16)
    turned = np.stack(
        [np.asarray(stored(Image.fromarray(plane), orientation)) for plane in upright.transpose(2, 0, 1)], axis=2
    )
    exif = png_chunk(b"eXIf", orientation_exif(orientation).tobytes().removeprefix(b"Exif\0\0"))
    np.testing.assert_array_equal(picture_from_bytes(png_file(turned, color_type, 16, extra=exif)).pixels, upright)
