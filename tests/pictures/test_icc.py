"""Colour profiles of pictures: kept, converted to sRGB, or of no use."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import (
    FORMATS,
    SAVE_OPTIONS,
    gray_profile,
    pixels_of,
    png_chunk,
    png_file,
    random_samples,
    red_cyan_profile,
    saved,
    srgb_profile,
    swapped_profile,
)
from PIL import Image

from taichi_gs import Picture
from taichi_gs.pictures.read import image_from_bytes, picture_from_bytes, read_picture
from taichi_gs.pictures.write import write_image

Bytes = NDArray[np.uint8]


@pytest.mark.parametrize(
    ("format", "mode"),
    [*((format, "RGB") for format in FORMATS), *((format, "L") for format in FORMATS if format != "webp")],
)
def test_profiles_are_kept(picture: Bytes, format: str, mode: str, tmp_path: Path) -> None:
    profile = swapped_profile() if mode == "RGB" else gray_profile(1.0)
    image = Image.fromarray(picture).convert(mode)
    options = {"lossless": True} if format == "webp" else {}
    read = picture_from_bytes(saved(image, format, icc_profile=profile, **options))
    assert read.icc_profile == profile
    if format != "jpeg":
        np.testing.assert_array_equal(read.pixels, np.asarray(image))
    write_image(tmp_path / f"a.{format}", read, overwrite=False)
    assert read_picture(tmp_path / f"a.{format}").icc_profile == profile


def test_a_png_with_a_large_profile_can_be_read(tmp_path: Path) -> None:
    """Pillow refuses it as an attack, so the picture is converted; other readers need not decompress it either."""
    pixels = np.full((8, 8, 3), (200, 30, 60), np.uint8)
    profile = swapped_profile()
    large = (len(profile) + 2**20).to_bytes(4, "big") + profile[4:] + bytes(2**20)
    write_image(tmp_path / "a.png", Picture(pixels, large), overwrite=False)
    found = read_picture(tmp_path / "a.png")
    assert np.abs(found.pixels.astype(int) - (30, 200, 60)).max() <= 6
    assert found.icc_profile is None


def test_bmp_gets_srgb(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 3), (200, 30, 60), np.uint8)
    write_image(tmp_path / "a.bmp", Picture(pixels, swapped_profile()), overwrite=False)
    assert np.abs(read_picture(tmp_path / "a.bmp").pixels.astype(int) - (30, 200, 60)).max() <= 6


def test_palettes_keep_their_profile(picture: Bytes) -> None:
    image = Image.fromarray(picture).quantize(16)
    read = picture_from_bytes(saved(image, icc_profile=swapped_profile()))
    assert (read.mode, read.icc_profile) == ("RGB", swapped_profile())
    np.testing.assert_array_equal(read.pixels, np.asarray(image.convert("RGB")))


def test_profiles_that_say_srgb_are_dropped(picture: Bytes) -> None:
    assert picture_from_bytes(saved(Image.fromarray(picture), icc_profile=srgb_profile())).icc_profile is None


@pytest.mark.parametrize("profile", [b"nonsense", swapped_profile()[:200], gray_profile(1.8), red_cyan_profile()])
def test_profiles_of_no_use_are_dropped(picture: Bytes, profile: bytes, caplog: pytest.LogCaptureFixture) -> None:
    read = picture_from_bytes(saved(Image.fromarray(picture), icc_profile=profile))
    assert read.icc_profile is None
    np.testing.assert_array_equal(read.pixels, picture)
    assert "cannot be used and is ignored" in caplog.text


def test_gray_profiles_are_converted_where_srgb_is_wanted() -> None:
    image = Image.new("L", (4, 4), 128)
    linear = image_from_bytes(saved(image, icc_profile=gray_profile(1.0)))
    assert np.abs(linear - (1.055 * (128 / 255) ** (1 / 2.4) - 0.055)).max() < 0.01


@pytest.mark.parametrize("format", ["jpeg", "tiff"])
def test_cmyk_goes_through_its_profile(format: str) -> None:
    image = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    plain = picture_from_bytes(saved(image, format))
    assert np.abs(plain.pixels.astype(int) - (0, 255, 255)).max() <= 4
    read = picture_from_bytes(saved(image, format, icc_profile=red_cyan_profile()))
    assert (read.mode, read.icc_profile) == ("RGB", None)
    assert np.abs(read.pixels.astype(int) - (255, 0, 0)).max() <= 12


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff"])
def test_other_profiles_are_converted(format: str) -> None:
    image = Image.new("RGB", (16, 16), (200, 30, 60))
    read = pixels_of(saved(image, format, icc_profile=swapped_profile(), **SAVE_OPTIONS[format])).astype(int)
    assert np.abs(read - (30, 200, 60)).max() <= 6


def test_srgb_profile_leaves_pixels_alone(picture: Bytes) -> None:
    profile = srgb_profile()
    for image in (Image.fromarray(picture), Image.fromarray(picture).convert("P")):
        data = saved(image, icc_profile=profile)
        np.testing.assert_array_equal(pixels_of(data), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("profile", [b"nonsense", swapped_profile()[:200]])
def test_broken_profiles_are_ignored(picture: Bytes, profile: bytes, caplog: pytest.LogCaptureFixture) -> None:
    np.testing.assert_array_equal(pixels_of(saved(Image.fromarray(picture), icc_profile=profile)), picture)
    assert "cannot be used and is ignored" in caplog.text


def test_profile_that_does_not_fit_16_bit_gray() -> None:
    extra = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(swapped_profile()))
    assert image_from_bytes(png_file(random_samples((5, 6), 16), 0, 16, extra=extra)).shape == (5, 6, 3)
