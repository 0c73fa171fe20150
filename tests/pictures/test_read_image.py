"""Opaque picture files are read as sRGB in floats, and those with alpha or several frames are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import SAVE_OPTIONS, pixels_of, png_chunk, png_file, random_samples, saved, stored
from PIL import Image

from taichi_gs.errors import ImageError
from taichi_gs.pictures.convert import as_byte_image
from taichi_gs.pictures.read import image_from_bytes, read_image

Bytes = NDArray[np.uint8]


@pytest.mark.parametrize("format", ["png", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("size", [(24, 32), (1, 1), (1, 7), (7, 1), (3, 2)])
def test_lossless_formats(picture: Bytes, format: str, size: tuple[int, int]) -> None:
    picture = picture[: size[0], : size[1]]
    image = image_from_bytes(saved(Image.fromarray(picture), format, **SAVE_OPTIONS[format]))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, picture.astype(np.float32) / np.float32(255))


def test_jpeg(picture: Bytes) -> None:
    read = pixels_of(saved(Image.fromarray(picture), "jpeg", quality=95, subsampling=0))
    assert np.abs(read.astype(int) - picture).mean() < 3


def test_read_image_reads_files(picture: Bytes, tmp_path: Path) -> None:
    Image.fromarray(picture).save(tmp_path / "a.png")
    np.testing.assert_array_equal(as_byte_image(read_image(tmp_path / "a.png")), picture)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA", "RGBA"])
def test_opaque_modes_become_rgb(picture: Bytes, mode: str) -> None:
    image = Image.fromarray(picture).convert(mode)
    format = "tiff" if mode in ("PA", "LA") else "png"
    np.testing.assert_array_equal(pixels_of(saved(image, format)), np.asarray(image.convert("RGB")))


def test_gray_16_bit_png_is_exact() -> None:
    samples = random_samples((5, 6), 16)
    expected = samples.astype(np.float32)[..., None] / np.float32(65535)
    np.testing.assert_array_equal(image_from_bytes(png_file(samples, 0, 16)), np.broadcast_to(expected, (5, 6, 3)))


@pytest.mark.parametrize(("mode", "white_is_zero"), [("I;16", False), ("I;16", True), ("I;16B", False)])
def test_gray_16_bit_tiff_is_exact(mode: str, white_is_zero: bool) -> None:
    samples = random_samples((5, 6), 16)
    image = Image.frombytes(mode, (6, 5), samples.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    data = saved(image, "tiff", tiffinfo={262: 0} if white_is_zero else {})
    expected = (65535 - samples if white_is_zero else samples) / 65535
    np.testing.assert_allclose(image_from_bytes(data)[..., 1], expected, atol=1e-6)


@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_16_bit_color_is_exact(color_type: int, channels: int) -> None:
    samples = random_samples((5, 6, channels), 16)
    if channels in (2, 4):
        samples[..., -1] = 65535
    expected = samples[..., :3] if channels > 2 else np.repeat(samples[..., :1], 3, axis=2)
    read = image_from_bytes(png_file(samples, color_type, 16))
    np.testing.assert_array_equal(read, expected.astype(np.float32) / np.float32(65535))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "palette", "tiff", "webp", "gray 16"])
def test_orientation_is_baked_in(picture: Bytes, orientation: int, kind: str) -> None:
    upright = Image.fromarray(picture)
    image = stored(upright, orientation)
    if kind == "palette":
        image = image.quantize(256)
    elif kind == "gray 16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        picture = np.repeat(np.asarray(upright.convert("L"))[..., None], 3, axis=2)
    exif = Image.Exif()
    exif[274] = orientation
    format = kind if kind in SAVE_OPTIONS else "png"
    read = pixels_of(saved(image, format, exif=exif, **SAVE_OPTIONS[format]))
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < (6 if kind in ("jpeg", "palette") else 0.01)


@pytest.mark.parametrize("format", ["jpeg", "tiff"])
def test_cmyk(format: str) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    read = pixels_of(saved(image, format)).astype(int)
    assert np.abs(read - (255, 0, 0)).max() <= 4


def transparent_pictures() -> dict[str, bytes]:
    rgba = np.full((4, 5, 4), 255, np.uint8)
    rgba[1, 2, 3] = 254
    gray = np.arange(20, dtype=np.uint8).reshape(4, 5)
    palette = Image.fromarray(gray).convert("P")
    return {
        "rgba png": saved(Image.fromarray(rgba)),
        "rgba webp": saved(Image.fromarray(rgba), "webp", lossless=True),
        "rgba tiff": saved(Image.fromarray(rgba), "tiff"),
        "gray with alpha": saved(Image.fromarray(rgba).convert("LA")),
        "palette": saved(palette, transparency=3),
        "palette, many": saved(palette, transparency=bytes(range(255, 235, -1))),
        "gray with a key": saved(Image.fromarray(gray), transparency=7),
        "rgb with a key": saved(Image.fromarray(gray).convert("RGB"), transparency=(7, 7, 7)),
        "gray 16 with a key": png_file(gray.astype(np.uint16), 0, 16, extra=png_chunk(b"tRNS", struct.pack(">H", 7))),
    }


@pytest.mark.parametrize("kind", transparent_pictures())
def test_transparency_is_refused(kind: str) -> None:
    with pytest.raises(ImageError, match=r"^the picture has transparent pixels, and transparency is not supported$"):
        image_from_bytes(transparent_pictures()[kind])


def test_unused_transparency_is_dropped() -> None:
    gray = np.arange(20, dtype=np.uint8).reshape(4, 5)
    data = saved(Image.fromarray(gray), transparency=99)
    np.testing.assert_array_equal(pixels_of(data)[..., 2], gray)


@pytest.mark.parametrize("format", ["png", "webp", "tiff"])
def test_several_pictures_are_refused(picture: Bytes, format: str) -> None:
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    data = saved(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="holds several pictures or frames"):
        image_from_bytes(data)


def test_jpeg_with_previews_is_a_single_picture(picture: Bytes) -> None:
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    data = saved(frames[0], "mpo", save_all=True, append_images=frames[1:], quality=95)
    assert np.abs(pixels_of(data).astype(int) - picture).mean() < 10


@pytest.mark.parametrize("mode", ["F", "I"])
def test_kinds_of_pixels_that_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match="a kind that is not supported"):
        image_from_bytes(saved(Image.new(mode, (4, 4)), "tiff"))
