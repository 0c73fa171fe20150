"""Pictures as people have them: every kind of pixels, profile and metadata, into a `Picture` and back into a file."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import (
    CHANNELS,
    gray_profile,
    png_chunk,
    png_file,
    red_cyan_profile,
    saved,
    srgb_profile,
    swapped_profile,
)
from PIL import Image, PngImagePlugin

from taichi_gs import Picture
from taichi_gs.errors import ImageError
from taichi_gs.pictures.picture import comparable_rgb
from taichi_gs.pictures.read import image_from_bytes, picture_from_bytes, picture_from_pillow, read_picture
from taichi_gs.pictures.transparency import fill_transparent
from taichi_gs.pictures.write import write_image

Bytes = NDArray[np.uint8]

FORMATS = ("png", "jpeg", "webp", "tiff")
"""That have profiles and metadata."""

UNDO = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""Pillow's transposition that undoes each orientation."""


def random_samples(shape: tuple[int, ...], bits: int) -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 1 << bits, shape).astype(np.uint16)


def scaled(samples: NDArray[Any], bits: int) -> NDArray[Any]:
    """Samples of 1 to 16 bits as pixels of 8 or 16."""
    return samples if bits == 16 else (samples * (255 // ((1 << bits) - 1))).astype(np.uint8)


def stored(image: Image.Image, orientation: int) -> Image.Image:
    undo = UNDO[orientation]
    return image if undo is None else image.transpose(Image.Transpose(undo))


def orientation_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274], exif[271] = orientation, "a camera"
    return exif


# PNGs of all kinds


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


def broken_pngs() -> dict[str, bytes]:
    whole = png_file(random_samples((9, 33, 3), 8), 2)
    header = struct.pack(">IIBBBBB", 33, 9, 8, 2, 0, 0, 0)
    return {
        "signature": whole.replace(b"\r\n", b"\n\n"),
        "no pixels": whole[:33] + png_chunk(b"IEND", b""),
        "color type 1": whole.replace(header, header[:9] + b"\1" + header[10:]),
        "color type 9": whole.replace(header, header[:9] + b"\x09" + header[10:]),
        "bits 0": whole.replace(header, header[:8] + b"\0" + header[9:]),
        "bits 99": whole.replace(header, header[:8] + b"\x63" + header[9:]),
        "checksum of the header": whole[:29] + b"....".ljust(4) + whole[33:],
        "half of 16 bits": png_file(random_samples((9, 33, 3), 16), 2, 16)[:300],
        "half of gray and alpha": png_file(random_samples((9, 33, 2), 16), 4, 16)[:300],
    }


@pytest.mark.parametrize("kind", broken_pngs())
def test_broken_pngs(kind: str) -> None:
    with pytest.raises(
        ImageError, match=r"^the picture is (not a picture that can be read|damaged or truncated)"
    ) as caught:
        picture_from_bytes(broken_pngs()[kind])
    assert "\n" not in str(caught.value)


# Other kinds


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_tiff_is_exact(channels: int, compression: int, order: str) -> None:
    samples = random_samples((5, 6, channels), 16)
    np.testing.assert_array_equal(picture_from_bytes(tiff_file(samples, order, compression)).pixels, samples)


def tiff_file(samples: NDArray[np.uint16], order: str, compression: int) -> bytes:
    """A TIFF of RGB or RGBA with 16 bits a sample, which Pillow does not write."""
    height, width, channels = samples.shape
    data = samples.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if compression == 8 else data
    tags = [(256, width), (257, height), (258, None), (259, compression), (262, 2), (273, None), (277, channels)]
    tags += [(278, height), (279, len(data))] + ([(338, 2)] if channels == 4 else [])
    end = 8 + 2 + 12 * len(tags) + 4
    entries = b""
    for tag, value in tags:
        count = channels if tag == 258 else 1
        value = end if tag == 258 else end + 2 * channels if tag == 273 else value
        kind, form = (3, "HH2x") if tag not in (258, 273, 279) else (3 if tag == 258 else 4, "HHI")
        assert value is not None
        number = struct.pack(order + ("H2x" if form == "HH2x" else "I"), value)
        entries += struct.pack(order + "HHI", tag, kind, count) + number
    signature = b"II*\0" if order == "<" else b"MM\0*"
    head = signature + struct.pack(f"{order}IH", 8, len(tags)) + entries + bytes(4)
    return head + struct.pack(f"{order}{channels}H", *[16] * channels) + data


def pictures_with_alpha(picture: Bytes) -> dict[str, tuple[bytes, str]]:
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[3:9, 5:20] = np.arange(15)
    rgba = Image.fromarray(np.dstack([picture, alpha]))
    return {
        "png": (saved(rgba), "RGBA"),
        "webp": (saved(rgba, "webp", lossless=True, exact=True), "RGBA"),
        "tiff": (saved(rgba, "tiff"), "RGBA"),
        "gray png": (saved(rgba.convert("LA")), "LA"),
        "gray tiff": (saved(rgba.convert("LA"), "tiff"), "LA"),
    }


@pytest.mark.parametrize("kind", ["png", "webp", "tiff", "gray png", "gray tiff"])
def test_alpha_is_kept(picture: Bytes, kind: str) -> None:
    data, mode = pictures_with_alpha(picture)[kind]
    with Image.open(io.BytesIO(data)) as expected:
        read = picture_from_bytes(data)
        assert read.mode == mode
        np.testing.assert_array_equal(read.pixels, np.asarray(expected.convert(mode)))


def test_opaque_alpha_is_dropped(picture: Bytes) -> None:
    for mode, expected in (("RGBA", "RGB"), ("LA", "L")):
        read = picture_from_bytes(saved(Image.fromarray(picture).convert(mode)))
        assert read.mode == expected
        np.testing.assert_array_equal(read.pixels, np.asarray(Image.fromarray(picture).convert(expected)))


def test_gray_stays_gray(picture: Bytes) -> None:
    gray = Image.fromarray(picture).convert("L")
    for format in ("png", "tiff", "bmp", "jpeg"):
        read = picture_from_bytes(saved(gray, format))
        assert read.mode == "L"
        assert np.abs(read.pixels.astype(int) - np.asarray(gray)).mean() < (3 if format == "jpeg" else 0.01)
    read = picture_from_bytes(saved(gray.convert("1")))
    np.testing.assert_array_equal(read.pixels, np.asarray(gray.convert("1")) * np.uint8(255))


@pytest.mark.parametrize("format", ["png", "webp", "tiff", "gif"])
def test_the_first_frame_on_request(picture: Bytes, format: str) -> None:
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    options = {"lossless": True} if format == "webp" else {}
    data = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
    with pytest.raises(ImageError, match=r"holds 2 pictures or frames.*first_frame"):
        picture_from_bytes(data)
    first = picture_from_bytes(data, first_frame=True)
    assert first.mode == "RGB"
    assert np.abs(first.pixels.astype(int) - picture).mean() < (10 if format == "gif" else 0.01)


def test_gif(picture: Bytes) -> None:
    image = Image.fromarray(picture).quantize(200)
    np.testing.assert_array_equal(picture_from_bytes(saved(image, "gif")).pixels, np.asarray(image.convert("RGB")))


# Profiles


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


# Metadata

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/></x:xmpmeta>"


@pytest.mark.parametrize("format", FORMATS)
def test_metadata_are_kept_on_request(picture: Bytes, format: str, tmp_path: Path) -> None:
    image, exif = Image.fromarray(picture), orientation_exif(6)
    options: dict[str, Any] = {"exif": exif, "xmp": XMP}
    if format == "png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif format == "tiff":
        exif[700] = XMP
    data = saved(image, format, **options)
    assert picture_from_bytes(data).exif is picture_from_bytes(data).xmp is None
    read = picture_from_bytes(data, keep_metadata=True)
    assert read.pixels.shape == (32, 24, 3)
    check_metadata(read)
    write_image(tmp_path / f"a.{format}", read, overwrite=False)
    again = read_picture(tmp_path / f"a.{format}", keep_metadata=True)
    check_metadata(again)
    assert again.pixels.shape == (32, 24, 3)


def test_orientations_that_mean_nothing_are_not_kept(picture: Bytes) -> None:
    exif = orientation_exif(0)
    exif[274] = 99
    read = picture_from_bytes(saved(Image.fromarray(picture), "jpeg", exif=exif), keep_metadata=True)
    assert read.pixels.shape == (24, 32, 3)
    block = Image.Exif()
    block.load(read.exif or b"")
    assert dict(block) == {271: "a camera"}


def test_metadata_that_cannot_be_written(picture: Bytes, tmp_path: Path) -> None:
    for name, described in (
        ("a.jpg", Picture(picture, xmp=bytes(80_000))),
        ("a.jpg", Picture(picture, exif=b"II*\0" + bytes(80_000))),
        ("a.tiff", Picture(picture, exif=b"nonsense")),
    ):
        with pytest.raises(ImageError, match="cannot write 32x24 pixels as"):
            write_image(tmp_path / name, described, overwrite=False)
    assert list(tmp_path.iterdir()) == []


def check_metadata(picture: Picture) -> None:
    assert picture.xmp == XMP
    assert picture.exif is not None
    assert picture.exif[:4] in (b"II*\0", b"MM\0*")
    exif = Image.Exif()
    exif.load(picture.exif)
    assert exif[271] == "a camera"
    assert exif.get(274, 1) == 1


def image_with_orientation(image: Image.Image, orientation: int) -> Image.Image:
    turned = image.copy()
    turned.getexif()[274] = orientation
    return turned


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_of_pillow_are_turned(picture: Bytes, orientation: int) -> None:
    image = image_with_orientation(stored(Image.fromarray(picture), orientation), orientation)
    np.testing.assert_array_equal(picture_from_pillow(image).pixels, picture)


@pytest.mark.parametrize("mode", ["F", "I", "LAB", "HSV"])
def test_kinds_of_pillow_that_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match=f"not supported .Pillow mode {mode}"):
        picture_from_pillow(Image.new(mode, (4, 4)))


# Writing


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_writing_gray_and_alpha_is_exact(picture: Bytes, suffix: str, channels: int, tmp_path: Path) -> None:
    planes = np.dstack([picture, 255 - picture[:, :, 0]])
    pixels = planes[:, :, 0] if channels == 1 else planes[:, :, -channels:]
    write_image(tmp_path / f"a{suffix}", pixels, overwrite=False)
    read = read_picture(tmp_path / f"a{suffix}").pixels
    if suffix == ".webp" and channels < 4:  # which has no gray
        pixels = np.asarray(Image.fromarray(pixels).convert("RGB" if channels == 1 else "RGBA"))
    seen = pixels[..., -1:] > 0 if channels in (2, 4) else np.ones_like(pixels, dtype=bool)
    np.testing.assert_array_equal(np.where(seen, read, 0), np.where(seen, pixels, 0))


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_formats_without_alpha_are_refused(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot hold transparency"):
        write_image(tmp_path / f"a{suffix}", np.zeros((3, 4, 4), np.uint8), overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_notebooks_show_pictures(picture: Bytes) -> None:
    shown = Picture(picture, swapped_profile())._repr_png_()
    assert shown is not None
    read = picture_from_bytes(shown)
    np.testing.assert_array_equal(read.pixels, picture)
    assert read.icc_profile == swapped_profile()
    assert Picture(picture / 255)._repr_png_() is None


# What quality is measured on


def test_comparable_rgb() -> None:
    np.testing.assert_array_equal(comparable_rgb(np.array([[7, 8]], np.uint8)), [[[7] * 3, [8] * 3]])
    np.testing.assert_array_equal(comparable_rgb(np.array([[[1, 2, 3]]], np.uint8)), [[[1, 2, 3]]])
    clear, half, gray = [200, 100, 50, 0], [200, 100, 50, 128], [90, 128]
    np.testing.assert_array_equal(
        comparable_rgb(np.array([[clear, half]], np.uint8)),
        [[[0, 0, 0], [100, 50, 25], [255, 255, 255], [227, 177, 152]]],
    )
    np.testing.assert_array_equal(comparable_rgb(np.array([[gray]], np.uint8)), [[[45] * 3, [172] * 3]])


# Colours that cannot be seen


def test_filling_leaves_what_is_visible() -> None:
    generator = np.random.default_rng(0)
    colors = generator.random((13, 22, 3)).astype(np.float32)
    alpha = generator.choice([0.0, 0.3, 1.0], (13, 22)).astype(np.float32)
    filled = fill_transparent(colors, alpha)
    np.testing.assert_allclose(filled[alpha > 0], colors[alpha > 0], atol=1e-6)
    assert filled.min() >= colors.min() - 1e-6
    assert filled.max() <= colors.max() + 1e-6


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (16, 16), (13, 22)])
def test_filling_takes_the_only_color_there_is(size: tuple[int, int]) -> None:
    colors = np.random.default_rng(0).random((*size, 2)).astype(np.float32)
    alpha = np.zeros(size, np.float32)
    alpha[-1, -1] = 0.9
    np.testing.assert_allclose(
        fill_transparent(colors, alpha), np.broadcast_to(colors[-1, -1], colors.shape), atol=1e-6
    )
    np.testing.assert_array_equal(fill_transparent(colors, np.zeros(size, np.float32)), 0)


def test_filling_is_smooth() -> None:
    """A hole in a ramp is filled with about the ramp."""
    colors = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], 64, axis=0)
    alpha = np.ones((64, 64), np.float32)
    alpha[20:40, 20:40] = 0
    hidden = np.where(alpha[:, :, None] > 0, colors, 1)
    filled = fill_transparent(hidden.astype(np.float32), alpha)
    assert np.abs(filled - colors).max() < 0.15
    assert np.abs(np.diff(filled[..., 0], axis=1)).max() < 0.08
