"""AVIF, HEIC and JPEG XL, whose readers may be missing, and which reader is loaded for which file."""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import close, orientation_exif, png_chunk, saved, stored, swapped_profile, turned
from PIL import Image, features

from taichi_gs import Picture
from taichi_gs.errors import ImageError
from taichi_gs.pictures import jxl, opening
from taichi_gs.pictures.read import picture_from_bytes
from taichi_gs.pictures.write import image_to_bytes

Bytes = NDArray[np.uint8]

PACKAGES = {"HEIF": "pillow_heif", "JXL": "pillow_jxl"}
FORMATS = ("AVIF", *PACKAGES)
QUALITY: dict[str, dict[str, Any]] = {
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "HEIF": {"quality": 95, "chroma": 444},
    "JXL": {"lossless": True},
}


def file_of(image: Image.Image, format: str, **options: Any) -> bytes:
    """A file of a format, or a skipped test if nothing here writes it."""
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    if format in PACKAGES:
        package = pytest.importorskip(PACKAGES[format], reason=f"{PACKAGES[format]} is not installed: see `formats`")
        if format == "HEIF":
            buffer = io.BytesIO()
            package.from_pillow(image).save(buffer, **{**QUALITY[format], **options})
            return buffer.getvalue()
    return saved(image, format, **{**QUALITY[format], **options})


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_pixels(picture: Bytes, format: str, mode: str) -> None:
    alpha = np.full((24, 32, 1), 255, np.uint8)
    alpha[4:20, 6:26] = 90
    image = Image.fromarray(np.dstack([picture, alpha])).convert(mode)
    read = picture_from_bytes(file_of(image, format))
    if mode == "L" and read.mode == "RGB":  # HEIF has no gray of its own in some versions
        image = image.convert("RGB")
    assert close(read.pixels, np.asarray(image))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_orientation_and_metadata(picture: Bytes, format: str, orientation: int) -> None:
    image, exif = stored(Image.fromarray(picture), orientation), orientation_exif(orientation)
    profile = swapped_profile()
    data = file_of(image, format, exif=exif.tobytes(), icc_profile=profile)
    if format == "JXL":  # whose Exif block says nothing of how the picture is to be seen
        picture = np.asarray(image)
    read = picture_from_bytes(data, keep_metadata=True)
    assert close(read.pixels, picture)
    assert read.icc_profile == (None if format == "JXL" else profile)  # which Pillow's plugin does not write
    block = Image.Exif()
    block.load(read.exif or b"")
    assert dict(block) == {271: "a camera"}
    assert picture_from_bytes(data).exif is None


def test_a_jpeg_within_jpeg_xl(picture: Bytes, tmp_path: Path) -> None:
    """It is decoded as it is, and its orientation counts."""
    (tmp_path / "a.jpg").write_bytes(turned(picture, 6))
    with Image.open(tmp_path / "a.jpg") as image:
        data = file_of(image, "JXL", lossless_jpeg=True)
    assert close(picture_from_bytes(data).pixels, picture)


@pytest.mark.parametrize("format", FORMATS)
def test_the_limit_is_checked_before_decoding(picture: Bytes, format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(Image.fromarray(picture), format)
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("it is decoded"))
    if format == "JXL":
        monkeypatch.setattr("pillow_jxl.JpegXLImagePlugin.Decoder", lambda **options: pytest.fail("it is decoded"))
    with pytest.raises(ImageError, match="has 768 pixels, more than the limit of 767"):
        picture_from_bytes(data, max_pixels=767)


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_files_raise_nothing_else(picture: Bytes, format: str) -> None:
    data, rng = file_of(Image.fromarray(picture), format), np.random.default_rng(0)
    messages = []
    for _ in range(60):
        damaged = bytearray(data[: rng.integers(20, len(data) + 1)])
        for position in rng.integers(12, len(damaged), 2):
            damaged[position] ^= 1 << int(rng.integers(8))
        try:
            assert picture_from_bytes(bytes(damaged), max_pixels=10**6).pixels.size
        except ImageError as error:
            messages.append(str(error))
    assert "\n" not in "".join(messages)
    assert len(messages) > 20


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (8, 256), (24, 32), (300, 200), (40, 9000), (64, 64), (90, 120), (450, 800)])
def test_the_size_of_a_jpeg_xl_picture(size: tuple[int, int], container: bool) -> None:
    data = file_of(Image.new("RGB", size[::-1]), "JXL", effort=1, use_container=container)
    assert data.startswith(jxl.CONTAINER if container else jxl.CODESTREAM)
    assert jxl.size_of(data) == size
    # The first parts may have next to nothing in them.
    parts = [data[:2], b"", data[2:3], data[3:]] if not container else []
    boxes = [struct.pack(">I4sI", 12 + len(part), b"jxlp", number) + part for number, part in enumerate(parts)]
    assert jxl.size_of(jxl.CONTAINER + b"".join(boxes)) == (None if container else size)


JXL_BOX = b"\0\0\0\0jxlc" + jxl.CODESTREAM + bytes(20)


@pytest.mark.parametrize("boxes", [b"", b"\0\0\0\x08free" * 5000 + JXL_BOX, b"\0\0\0\2free" + JXL_BOX, b"\0\0\0\1free"])
def test_a_jpeg_xl_file_that_hides_its_size(boxes: bytes) -> None:
    with pytest.raises(ImageError, match="does not say how large it is"):
        picture_from_bytes(jxl.CONTAINER + boxes)


def test_an_avif_file_is_written_well(picture: Bytes) -> None:
    if not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    described = Picture(picture, swapped_profile(), orientation_exif(6).tobytes()[6:], b'<x tiff:Orientation="6"/>')
    read = picture_from_bytes(image_to_bytes(described, ".avif"), keep_metadata=True)
    assert np.abs(read.pixels.astype(int) - picture).mean() < 2
    assert (read.icc_profile, read.xmp) == (swapped_profile(), b'<x tiff:Orientation="1"/>')
    clear = np.dstack([picture, picture[:, :, 0]])
    assert np.abs(picture_from_bytes(image_to_bytes(Picture(clear), ".avif")).pixels.astype(int) - clear).mean() < 3


def test_an_avif_file_cannot_be_written_without_pillows_support(
    picture: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(ImageError, match="cannot write AVIF here"):
        image_to_bytes(Picture(picture), ".avif")


def brands(*names: bytes) -> bytes:
    content = b"ftyp" + names[0] + bytes(4) + b"".join(names[1:])
    return (4 + len(content)).to_bytes(4, "big") + content + bytes(40)


@pytest.mark.parametrize(
    ("data", "package"),
    [
        (brands(b"heic", b"mif1", b"heic"), "pillow-heif: pip install pillow-heif"),
        (brands(b"mif1", b"mif1", b"heix"), "pillow-heif: pip install pillow-heif"),
        (jxl.CODESTREAM + bytes(20), "pillow-jxl-plugin: pip install pillow-jxl-plugin"),
        (
            jxl.CONTAINER + b"\0\0\0\0jxlc" + jxl.CODESTREAM + bytes(20),
            "pillow-jxl-plugin: pip install pillow-jxl-plugin",
        ),
        (brands(b"mif1", b"avif", b"mif1"), "a newer Pillow"),
        (brands(b"avis"), "a newer Pillow"),
    ],
)
def test_what_is_not_installed(data: bytes, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pillow_heif.as_plugin", "pillow_jxl", "PIL.AvifImagePlugin"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImageError, match=r"^the picture is a .* file, and to read it takes ") as caught:
        picture_from_bytes(data)
    assert str(caught.value).endswith(package)


def test_pillow_without_avif(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = pytest.importorskip("PIL.AvifImagePlugin")
    monkeypatch.setattr(plugin, "SUPPORTED", False)
    with pytest.raises(ImageError, match="which Pillow was built here without"):
        picture_from_bytes(brands(b"avif"))


def test_other_files_of_that_family_are_no_pictures() -> None:
    with pytest.raises(ImageError, match=r"not a picture that can be read .PNG, JPEG, WebP, .* HEIC or JPEG XL"):
        picture_from_bytes(brands(b"isom", b"mp42"))


def test_readers_are_loaded_when_a_file_needs_them(python: Callable[..., Any]) -> None:
    program = f"""
import sys
from taichi_gs.pictures.read import picture_from_bytes
picture_from_bytes({saved(Image.new("RGB", (4, 4)))!r})
print(*sorted({{"pillow_heif", "pillow_jxl", "PIL.AvifImagePlugin", "PIL.TiffImagePlugin"}} & set(sys.modules)))
"""
    result = python("-c", program)
    assert (result.stdout.strip(), result.stderr) == ("", "")


def test_every_plugin_is_found() -> None:
    for format in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"):
        data = saved(Image.new("RGB", (4, 4)), format)
        with opening.open_picture(data, "it", 16) as image:
            assert image.format == format


@pytest.mark.parametrize("place", [b"IDAT", b"tEXt", b"PLTE"])
def test_a_png_chunk_with_another_checksum(picture: Bytes, place: bytes) -> None:
    """Pillow takes pixels as they are, whatever their checksum says."""
    image = Image.fromarray(picture).quantize(16)
    data = saved(image).replace(b"\0\0\0\0IEND", png_chunk(b"tEXt", b"a\0b") + b"\0\0\0\0IEND")
    assert picture_from_bytes(data).pixels.shape == picture.shape
    start = data.index(place) - 4
    end = start + 8 + int.from_bytes(data[start : start + 4], "big")
    damaged = data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :]
    with pytest.raises(ImageError, match=r"^the picture is (damaged or truncated|not .*a PNG file that is damaged)"):
        picture_from_bytes(damaged)
