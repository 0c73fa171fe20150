from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import png_chunk, png_file, saved, srgb_profile, swapped_profile
from PIL import Image

import taichi_gs
from taichi_gs.errors import FileError, ImageError
from taichi_gs.pictures.convert import MAX_PIXELS, as_byte_image, as_float_image
from taichi_gs.pictures.read import image_from_bytes, read_image
from taichi_gs.pictures.write import image_to_bytes, write_image

Picture = NDArray[np.uint8]

FORMATS = {"png": {}, "bmp": {}, "tiff": {}, "webp": {"lossless": True}, "jpeg": {"quality": 95}}


def pixels_of(data: bytes) -> Picture:
    return as_byte_image(image_from_bytes(data))


def samples_16(*shape: int) -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)


@pytest.mark.parametrize("format", ["png", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("size", [(24, 32), (1, 1), (1, 7), (7, 1), (3, 2)])
def test_lossless_formats(picture: Picture, format: str, size: tuple[int, int]) -> None:
    picture = picture[: size[0], : size[1]]
    image = image_from_bytes(saved(Image.fromarray(picture), format, **FORMATS[format]))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, picture.astype(np.float32) / np.float32(255))


def test_jpeg(picture: Picture) -> None:
    read = pixels_of(saved(Image.fromarray(picture), "jpeg", quality=95, subsampling=0))
    assert np.abs(read.astype(int) - picture).mean() < 3


def test_read_image_reads_files(picture: Picture, tmp_path: Path) -> None:
    Image.fromarray(picture).save(tmp_path / "a.png")
    np.testing.assert_array_equal(as_byte_image(read_image(tmp_path / "a.png")), picture)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA", "RGBA"])
def test_opaque_modes_become_rgb(picture: Picture, mode: str) -> None:
    image = Image.fromarray(picture).convert(mode)
    format = "tiff" if mode in ("PA", "LA") else "png"
    np.testing.assert_array_equal(pixels_of(saved(image, format)), np.asarray(image.convert("RGB")))


def test_gray_16_bit_png_is_exact() -> None:
    samples = samples_16(5, 6)
    expected = samples.astype(np.float32)[..., None] / np.float32(65535)
    np.testing.assert_array_equal(image_from_bytes(png_file(samples, 0, 16)), np.broadcast_to(expected, (5, 6, 3)))


@pytest.mark.parametrize(("mode", "white_is_zero"), [("I;16", False), ("I;16", True), ("I;16B", False)])
def test_gray_16_bit_tiff_is_exact(mode: str, white_is_zero: bool) -> None:
    samples = samples_16(5, 6)
    image = Image.frombytes(mode, (6, 5), samples.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    data = saved(image, "tiff", tiffinfo={262: 0} if white_is_zero else {})
    expected = (65535 - samples if white_is_zero else samples) / 65535
    np.testing.assert_allclose(image_from_bytes(data)[..., 1], expected, atol=1e-6)


@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_16_bit_color_is_exact(color_type: int, channels: int) -> None:
    samples = samples_16(5, 6, channels)
    if channels in (2, 4):
        samples[..., -1] = 65535
    expected = samples[..., :3] if channels > 2 else np.repeat(samples[..., :1], 3, axis=2)
    read = image_from_bytes(png_file(samples, color_type, 16))
    np.testing.assert_array_equal(read, expected.astype(np.float32) / np.float32(65535))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "palette", "tiff", "webp", "gray 16"])
def test_orientation_is_baked_in(picture: Picture, orientation: int, kind: str) -> None:
    upright = Image.fromarray(picture)
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions that undo the orientation
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(inverse[orientation]))
    if kind == "palette":
        stored = stored.quantize(256)
    elif kind == "gray 16":
        stored = Image.fromarray(np.asarray(stored.convert("L")).astype(np.uint16) * 257)
        picture = np.repeat(np.asarray(upright.convert("L"))[..., None], 3, axis=2)
    exif = Image.Exif()
    exif[274] = orientation
    format = kind if kind in FORMATS else "png"
    read = pixels_of(saved(stored, format, exif=exif, **FORMATS[format]))
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < (6 if kind in ("jpeg", "palette") else 0.01)


@pytest.mark.parametrize("format", ["jpeg", "tiff"])
def test_cmyk(format: str) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    read = pixels_of(saved(image, format)).astype(int)
    assert np.abs(read - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff"])
def test_other_profiles_are_converted(format: str) -> None:
    image = Image.new("RGB", (16, 16), (200, 30, 60))
    read = pixels_of(saved(image, format, icc_profile=swapped_profile(), **FORMATS[format])).astype(int)
    assert np.abs(read - (30, 200, 60)).max() <= 6


def test_srgb_profile_leaves_pixels_alone(picture: Picture) -> None:
    profile = srgb_profile()
    for image in (Image.fromarray(picture), Image.fromarray(picture).convert("P")):
        data = saved(image, icc_profile=profile)
        np.testing.assert_array_equal(pixels_of(data), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("profile", [b"nonsense", swapped_profile()[:200]])
def test_broken_profiles_are_ignored(picture: Picture, profile: bytes, caplog: pytest.LogCaptureFixture) -> None:
    np.testing.assert_array_equal(pixels_of(saved(Image.fromarray(picture), icc_profile=profile)), picture)
    assert "cannot be used and is ignored" in caplog.text


def test_profile_that_does_not_fit_16_bit_gray() -> None:
    extra = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(swapped_profile()))
    assert image_from_bytes(png_file(samples_16(5, 6), 0, 16, extra=extra)).shape == (5, 6, 3)


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
def test_several_pictures_are_refused(picture: Picture, format: str) -> None:
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    data = saved(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="holds 2 pictures or frames"):
        image_from_bytes(data)


def test_jpeg_with_previews_is_a_single_picture(picture: Picture) -> None:
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    data = saved(frames[0], "mpo", save_all=True, append_images=frames[1:], quality=95)
    assert np.abs(pixels_of(data).astype(int) - picture).mean() < 10


@pytest.mark.parametrize("mode", ["F", "I"])
def test_kinds_of_pixels_that_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match="a kind that is not supported"):
        image_from_bytes(saved(Image.new(mode, (4, 4)), "tiff"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"hello, I am a text file\n" * 50, "not a picture that can be read"),
        (b"\x1f\x8b\x08" + b"\0" * 50, "not a picture that can be read"),
        (b"GIF89a" + b"\0" * 50, "not a picture that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture that can be read"),
        (b"\x89PNG\r\n\x1a\n", "not a picture|damaged"),
    ],
)
def test_what_is_no_picture(data: bytes, sentence: str) -> None:
    with pytest.raises(ImageError, match=f"^'a.png' (is )?({sentence})") as caught:
        image_from_bytes(data, name="'a.png'")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", FORMATS)
def test_every_truncation_is_an_image_error(picture: Picture, format: str) -> None:
    data = saved(Image.fromarray(picture), format, **FORMATS[format])
    whole = image_from_bytes(data)
    failures = 0
    for length in range(len(data) - 1, 0, -max(1, len(data) // 97)):
        try:
            np.testing.assert_array_equal(image_from_bytes(data[:length]), whole)
        except ImageError:
            failures += 1
    assert failures > 80


@pytest.mark.parametrize("format", FORMATS)
def test_flipped_bits_raise_nothing_else(picture: Picture, format: str) -> None:
    data = bytearray(saved(Image.fromarray(picture), format, **FORMATS[format]))
    rng = np.random.default_rng(1)
    for _ in range(100):
        damaged = bytearray(data)
        for position in rng.integers(0, min(len(data), 400), 3):
            damaged[position] ^= 1 << int(rng.integers(8))
        try:
            image = image_from_bytes(bytes(damaged))
        except ImageError:
            continue
        assert image.shape[2] == 3


@pytest.mark.parametrize(("width", "height"), [(10_000, 9_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_pixel_limit_is_checked_before_decoding(width: int, height: int) -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    with pytest.raises(ImageError, match=f"more than (the limit of )?{MAX_PIXELS:,}"):
        image_from_bytes(b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b""))


@pytest.mark.parametrize("name", ["missing.png", "."])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match="cannot read"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, bool, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 3), (2, 3, 4)])
def test_arrays(dtype: type, shape: tuple[int, ...]) -> None:
    white = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    array = np.zeros(shape, dtype)
    array[1] = white
    if shape[-1] == 4:
        array[..., 3] = white
    image = as_float_image(array)
    assert image.dtype == np.float32
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, np.broadcast_to(np.array([[[0]], [[1]]]), (2, 3, 3)))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4, 0), np.uint8), "no pixels"),
        (np.zeros(4, np.uint8), "has the shape"),
        (np.zeros((4, 4, 5), np.uint8), "has the shape"),
        (np.zeros((4, 4, 0), np.uint8), "has the shape"),
        (np.zeros((4, 4, 2), np.uint8), "transparent"),
        (np.zeros((1, 4, 4, 3), np.uint8), "has the shape"),
        (np.zeros((4, 4, 3), np.int64), "not int64"),
        (np.full((4, 4, 3), 128.0), "from 128 to 128"),
        (np.full((4, 4, 3), np.nan), "from nan to nan"),
        (np.full((4, 4, 3), -0.5), "from -0.5"),
        (np.zeros((4, 4, 4), np.uint8), "transparent"),
        (np.broadcast_to(np.uint8(0), (10_000, 9_000)), "more than the limit"),
        (None, "has the shape|not None"),
        ([[1], [1, 2]], "has to be an array"),
    ],
)
def test_arrays_that_are_no_image(array: Any, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence):
        as_float_image(array)


def test_float_overshoot_by_rounding_is_clipped() -> None:
    image = as_float_image(np.array([[1 + 1e-6, -1e-6]], np.float32))
    assert (image.min(), image.max()) == (0, 1)


def test_as_byte_image_rounds_to_nearest() -> None:
    levels = np.arange(256, dtype=np.float32)[:, None, None] / np.float32(255)
    np.testing.assert_array_equal(as_byte_image(levels).ravel(), np.arange(256))
    np.testing.assert_array_equal(
        as_byte_image(np.array([-0.1, 0.499 / 255, 0.501 / 255, 2], np.float32)), [0, 0, 1, 255]
    )


@pytest.mark.parametrize("suffix", ["png", "PNG", "webp", "tif", "tiff", "bmp"])
@pytest.mark.parametrize("size", [(24, 32), (1, 1), (5, 3), (3, 1)])
def test_write_image_is_exact(picture: Picture, tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    picture = picture[: size[0], : size[1]]
    write_image(tmp_path / f"a.{suffix}", picture, overwrite=False)
    np.testing.assert_array_equal(as_byte_image(read_image(tmp_path / f"a.{suffix}")), picture)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg"])
def test_write_jpeg(picture: Picture, tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"a.{suffix}", picture, overwrite=False)
    assert np.abs(as_byte_image(read_image(tmp_path / f"a.{suffix}")).astype(int) - picture).mean() < 3


def test_write_image_refusals(picture: Picture, tmp_path: Path) -> None:
    for name in ("a", "a.gif", "a.tgs"):
        with pytest.raises(ImageError, match="cannot tell a picture format"):
            write_image(tmp_path / name, picture, overwrite=False)
    with pytest.raises(ImageError, match="an 8-bit picture was expected"):
        write_image(tmp_path / "a.png", picture / 255, overwrite=False)
    with pytest.raises(ImageError, match=r"cannot write 17000x1 pixels as \.webp"):
        write_image(tmp_path / "a.webp", np.zeros((1, 17000, 3), np.uint8), overwrite=False)
    write_image(tmp_path / "a.png", picture, overwrite=False)
    with pytest.raises(FileError, match="already exists"):
        write_image(tmp_path / "a.png", 255 - picture, overwrite=False)
    assert os.listdir(tmp_path) == ["a.png"]


def test_metadata_that_make_no_sense_do_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    """Pillow reads Exif where it writes a TIFF file, and tells users of lines in its source what it thinks of it."""
    exif = b"II*\0\x08\0\0\0" + b"\xff" * 2000
    data = image_to_bytes(taichi_gs.Picture(np.zeros((7, 9, 3), np.uint8), exif=exif), ".tif")
    assert image_from_bytes(data).shape == (7, 9, 3)
    assert [str(warning.message) for warning in recwarn] == []
