""".tgs files in Pillow and imageio: every kind of picture there and back, without decoding before pixels are needed."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v2
import imageio.v3
import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import KINDS, close, kinds, png_file, saved, swapped_profile, turned, without_hidden_colors
from PIL import Image, ImageOps, UnidentifiedImageError

import taichi_gs
from taichi_gs import OptionError
from taichi_gs.decoder import decode

QUICK: dict[str, Any] = {"preset": "fast", "steps": 60, "num_gaussians": 100, "k": 30}

TURNED_XMP = b"<rdf:Description tiff:Orientation='6'/>"

Bytes = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def _registered() -> None:
    taichi_gs.register_pillow()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_through_pillow(picture: Bytes, kind: str, tmp_path: Path) -> None:
    image, expected = kinds(picture)[kind]
    path = tmp_path / "a.tgs"
    image.save(path, **QUICK)
    with Image.open(path) as opened:
        assert (opened.format, opened.size) == ("TGS", (32, 24))
        assert opened.mode == {2: "L", 3: {2: "LA", 3: "RGB", 4: "RGBA"}.get(expected.shape[-1])}[expected.ndim]
        assert opened.info.get("icc_profile") == image.info.get("icc_profile")
        pixels = np.asarray(opened)
    np.testing.assert_array_equal(pixels, taichi_gs.imread(path))
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        pixels = without_hidden_colors(pixels)
    assert close(pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_through_pillow(picture: Bytes, orientation: int) -> None:
    with Image.open(io.BytesIO(turned(picture, orientation))) as photo:
        data = saved(photo, "TGS", keep_metadata=True, **QUICK)
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.getexif().get(274, 1) == 1
        assert close(np.asarray(opened), picture)


@pytest.mark.parametrize("plugin", [None, "pillow"])
@pytest.mark.parametrize("kind", ["gray", "gray and alpha", "RGB", "RGBA"])
def test_imageio(picture: Bytes, kind: str, plugin: str | None, tmp_path: Path) -> None:
    pixels, path = np.asarray(kinds(picture)[kind][0]), tmp_path / "a.tgs"
    imageio.v3.imwrite(path, pixels, plugin=plugin, **QUICK)
    expected = taichi_gs.decode(taichi_gs.encode(pixels, **QUICK))
    np.testing.assert_array_equal(imageio.v3.imread(path, plugin=plugin), expected)
    assert imageio.v3.improps(path, plugin=plugin).shape == expected.shape


def test_imageio_in_its_other_ways(picture: Bytes, tmp_path: Path) -> None:
    data = imageio.v3.imwrite("<bytes>", picture, extension=".tgs", **QUICK)
    assert data == taichi_gs.encode(picture, **QUICK)
    np.testing.assert_array_equal(imageio.v3.imread(data), taichi_gs.decode(data))
    imageio.v2.imwrite(tmp_path / "a.tgs", picture, **QUICK)
    np.testing.assert_array_equal(imageio.v2.imread(tmp_path / "a.tgs"), taichi_gs.decode(data))


def test_pixels_are_decoded_when_they_are_needed(picture: Bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    data = taichi_gs.encode(picture, **QUICK)
    expected, calls = taichi_gs.decode(data), []

    def parse_integers(*arguments: Any) -> Any:
        calls.append(arguments)
        return original(*arguments)

    original = decode.parse_integers
    monkeypatch.setattr(decode, "parse_integers", parse_integers)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.size, image.mode, calls) == ((32, 24), "RGB", [])
        np.testing.assert_array_equal(np.asarray(image.crop((4, 5, 20, 15))), expected[5:15, 4:20])
        np.testing.assert_array_equal(np.asarray(image.copy()), expected)
    assert len(calls) == 1


def test_save_takes_the_options_of_encode(picture: Bytes, tmp_path: Path) -> None:
    image, path = Image.fromarray(picture), tmp_path / "a.tgs"
    image.save(path, preset="fast", steps=20, num_bytes=300, seed=3)
    assert path.read_bytes() == taichi_gs.encode(picture, preset="fast", steps=20, num_bytes=300, seed=3)
    with pytest.raises(OptionError, match="unknown option 'speed'"):
        image.save(tmp_path / "b.tgs", speed=4)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tgs"]


def test_metadata_through_pillow(picture: Bytes) -> None:
    exif = Image.Exif()
    exif[271] = "a camera"
    with Image.open(io.BytesIO(saved(Image.fromarray(picture), "jpeg", exif=exif, xmp=b"<xmp/>"))) as photo:
        plain, kept = saved(photo, "TGS", **QUICK), saved(photo, "TGS", keep_metadata=True, **QUICK)
    given = saved(Image.fromarray(picture), "TGS", exif=exif, xmp=b"<xmp/>", icc_profile=swapped_profile(), **QUICK)
    with Image.open(io.BytesIO(plain)) as image:
        assert image.info == {}
    for data in (kept, given):
        with Image.open(io.BytesIO(data)) as image:
            assert image.getexif()[271] == "a camera"
            assert image.info["xmp"] == b"<xmp/>"
            # From there into other formats, as Pillow does it.
            copy = Image.open(io.BytesIO(saved(image, "png", exif=image.getexif(), icc_profile=swapped_profile())))
            assert copy.getexif()[271] == "a camera"
    with Image.open(io.BytesIO(given)) as image:
        assert image.info["icc_profile"] == swapped_profile()


def test_exif_with_a_tag_of_another_type(picture: Bytes) -> None:
    """A camera that is a fraction, and an orientation: Pillow raises AttributeError where it writes that."""
    block = b"Exif\0\0II*\0" + struct.pack("<IHHHIIHHII", 8, 2, 271, 5, 1, 0, 274, 3, 1, 6) + bytes(4)
    with Image.open(io.BytesIO(saved(Image.fromarray(picture), "jpeg", exif=block))) as photo:
        data = saved(photo, "TGS", keep_metadata=True, **QUICK)
        with pytest.raises(OptionError, match="the option exif is no Exif block"):
            saved(Image.fromarray(picture), "TGS", exif=photo.getexif(), **QUICK)
    assert taichi_gs.decode(data).shape == (32, 24, 3)
    with pytest.raises(OptionError, match="the option exif is no Exif block"):
        saved(Image.fromarray(picture), "TGS", exif=7, **QUICK)


def test_what_states_an_orientation_is_opened_upright(picture: Bytes) -> None:
    described = taichi_gs.Picture(picture, exif=turned(picture, 6).split(b"Exif\0\0")[1][:200], xmp=TURNED_XMP)
    with Image.open(io.BytesIO(taichi_gs.encode(described, **QUICK))) as image:
        assert ImageOps.exif_transpose(image).size == image.size == (32, 24)


def test_16_bit_files_of_several_channels(picture: Bytes) -> None:
    with Image.open(io.BytesIO(png_file(picture.astype(np.uint16) * 257, 2, 16))) as image:
        data = saved(image, "TGS", **QUICK)
    assert close(taichi_gs.decode(data), picture)


def test_damaged_and_foreign_files(picture: Bytes, tmp_path: Path) -> None:
    data = taichi_gs.encode(picture, **QUICK)
    for damaged in (data[:-1], data[:20], data[:60] + bytes([data[60] ^ 1]) + data[61:]):
        with pytest.raises(OSError, match="checksum"):
            Image.open(io.BytesIO(damaged))
    (tmp_path / "sticker.tgs").write_bytes(b"\x1f\x8b\x08\0\0\0")
    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "sticker.tgs")


def test_registering_twice_is_registering_once() -> None:
    before = (list(Image.ID), len(imageio_extensions()))
    taichi_gs.register_pillow()
    assert (list(Image.ID), len(imageio_extensions())) == before
    assert Image.registered_extensions()[".tgs"] == "TGS"


def imageio_extensions() -> list[Any]:
    from imageio.config import extension_list

    return [extension for extension in extension_list if extension.extension == ".tgs"]


def test_nothing_is_registered_unasked(python: Callable[..., Any], tmp_path: Path, picture: Bytes) -> None:
    (tmp_path / "a.tgs").write_bytes(taichi_gs.encode(picture, **QUICK))
    program = """
import sys, taichi_gs, taichi_gs.codec
from PIL import Image
assert ".tgs" not in Image.registered_extensions()
taichi_gs.register_pillow()
image = Image.open("a.tgs")
print(image.size, image.mode, "taichi" in sys.modules, "torch" in sys.modules)
image.load()
print("torch" in sys.modules)
"""
    result = python("-c", program)
    assert (result.stdout.split("\n"), result.stderr) == (["(32, 24) RGB False False", "False", ""], "")


def test_a_preview_with_metadata_is_refused(picture: Bytes) -> None:
    with pytest.raises(OptionError, match=r"^preview and keep_metadata exclude each other"):
        saved(Image.fromarray(picture), "TGS", preview=True, keep_metadata=True)
