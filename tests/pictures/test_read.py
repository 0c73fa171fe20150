"""Picture files of other formats, and Pillow's own pictures, become pictures of the right mode."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import random_samples, saved, stored
from PIL import Image

from taichi_gs.errors import ImageError
from taichi_gs.pictures.read import picture_from_bytes, picture_from_pillow

Bytes = NDArray[np.uint8]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_tiff_is_exact(channels: int, compression: int, order: str) -> None:
    samples = random_samples((5, 6, channels), 16)
    np.testing.assert_array_equal(picture_from_bytes(tiff_file(samples, order, compression)).pixels, samples)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_tiff_of_separate_planes_is_exact(channels: int, order: str) -> None:
    samples = random_samples((5, 6, channels), 16)
    np.testing.assert_array_equal(picture_from_bytes(separate_planes(samples, order)).pixels, samples)


def test_compressed_16_bit_tiff_of_separate_planes_is_refused() -> None:
    with pytest.raises(ImageError, match="compressed planes of 16 bits"):
        picture_from_bytes(separate_planes(random_samples((5, 6, 3), 16), "<", compression=8))


def separate_planes(samples: NDArray[np.uint16], order: str, compression: int = 1) -> bytes:
    """A TIFF of RGB or RGBA with 16 bits a sample, whose channels lie one after the other."""
    height, width, channels = samples.shape
    planes = [plane.astype(f"{order}u2").tobytes() for plane in samples.transpose(2, 0, 1)]
    planes = [zlib.compress(plane) for plane in planes] if compression == 8 else planes
    sizes = list(map(len, planes))
    tags = [(256, [width]), (257, [height]), (258, [16] * channels), (259, [compression]), (262, [2])]
    tags += [(273, [0] * channels), (277, [channels]), (278, [height]), (279, sizes), (284, [2])]
    tags += [(338, [2])] if channels == 4 else []
    end = 8 + 2 + 12 * len(tags) + 4
    first = end + 4 * sum(len(values) for _, values in tags if len(values) > 1)
    values_of = dict(tags) | {273: [first + sum(sizes[:index]) for index in range(channels)]}
    entries, arrays = b"", b""
    for tag, values in sorted(values_of.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        place = packed if len(values) == 1 else struct.pack(order + "I", end + len(arrays))
        arrays += packed if len(values) > 1 else b""
        entries += struct.pack(order + "HHI", tag, 4, len(values)) + place
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", len(tags))
    return head + entries + bytes(4) + arrays + b"".join(planes)


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
    with pytest.raises(ImageError, match=r"holds several pictures or frames.*first_frame"):
        picture_from_bytes(data)
    first = picture_from_bytes(data, first_frame=True)
    assert first.mode == "RGB"
    assert np.abs(first.pixels.astype(int) - picture).mean() < (10 if format == "gif" else 0.01)


def test_a_tiff_of_many_pages_is_looked_at_twice_at_most() -> None:
    """50,000 pages: to count them takes 19 seconds."""
    page = saved(Image.new("L", (1, 1)), "tiff")
    (start,) = struct.unpack_from("<I", page, 4)
    size = 2 + 12 * struct.unpack_from("<H", page, start)[0]
    entries, after = page[start : start + size], len(page) + len(page) % 2
    pages = [entries + struct.pack("<I", after + (number + 1) * (size + 4)) for number in range(50_000)]
    first = page[: start + size] + struct.pack("<I", after) + page[start + size + 4 :]
    data = first.ljust(after, b"\0") + b"".join(pages) + entries + bytes(4)
    begin = time.perf_counter()
    with pytest.raises(ImageError, match="holds several pictures"):
        picture_from_bytes(data)
    assert picture_from_bytes(data, first_frame=True).pixels.shape == (1, 1)
    assert time.perf_counter() - begin < 1


def test_gif(picture: Bytes) -> None:
    image = Image.fromarray(picture).quantize(200)
    np.testing.assert_array_equal(picture_from_bytes(saved(image, "gif")).pixels, np.asarray(image.convert("RGB")))


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
